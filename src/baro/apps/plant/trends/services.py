"""Writing on trends, and taking it back."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.utils import timezone

from baro.apps.ledger.services import change
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.plant.trends.errors import AnnotationInvalid, AnnotationOfOther
from baro.apps.plant.trends.models import Annotation

LONGEST = 2000
REASON = "annotated on the trend"


def annotate(
    user: User, text: str, source: str, tag: str, start: datetime, end: datetime | None, reason: str = REASON
) -> Annotation:
    """Write on the trend of a source, or of one of its tags. Raises NotPermitted, ReasonMissing, AnnotationInvalid."""
    with change(user, reason, Permission.ANNOTATE):
        text, source, tag = (part.replace("\0", "").strip() for part in (text, source, tag))
        if not text or len(text) > LONGEST or not source or (end is not None and end <= start):
            raise AnnotationInvalid
        return Annotation.objects.create(
            company_id=user.company_id,
            text=text,
            source=source,
            tag=tag,
            started_at=start,
            ended_at=end,
            by=user,
            written_at=timezone.now(),
        )


def correct_annotation(user: User, annotation_id: UUID, text: str, reason: str) -> Annotation:
    """Put other words in place of one's own; the former stay in the trail.

    Raises NotPermitted, ReasonMissing, AnnotationInvalid, AnnotationOfOther, Annotation.DoesNotExist.
    """
    with change(user, reason, Permission.ANNOTATE):
        found = _own(user, annotation_id)
        text = text.replace("\0", "").strip()
        if not text or len(text) > LONGEST:
            raise AnnotationInvalid
        found.text = text
        found.save(update_fields=["text"])
    return found


def withdraw_annotation(user: User, annotation_id: UUID, reason: str) -> Annotation:
    """Show one's own words no more. Raises NotPermitted, ReasonMissing, AnnotationOfOther, Annotation.DoesNotExist."""
    with change(user, reason, Permission.ANNOTATE):
        found = _own(user, annotation_id)
        found.withdrawn = True
        found.save(update_fields=["withdrawn"])
    return found


def _own(user: User, annotation_id: UUID) -> Annotation:
    found = Annotation.objects.select_for_update().get(id=annotation_id, withdrawn=False)
    if found.by_id != user.id:
        raise AnnotationOfOther
    return found
