"""What of the ledger itself is signed."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.archive.retention import RECORD_TYPE, content_now
from baro.apps.ledger.models import Accountability, AuditReview, Signature
from baro.apps.ledger.reviewing import review_content
from baro.apps.ledger.services import accepted_content
from baro.apps.ledger.signing import Content, signable


def _accepted(record_id: UUID, signature: Signature | None) -> Content | None:
    accepted = Accountability.objects.filter(id=record_id).first()
    return accepted and accepted_content(accepted)


signable("ledger.Accountability", _("statement on electronic signatures"), _accepted)


def _review(record_id: UUID, signature: Signature | None) -> Content | None:
    made = AuditReview.objects.filter(id=record_id).first()
    return made and review_content(made)


signable("ledger.AuditReview", _("audit trail review"), _review)
signable(RECORD_TYPE, _("legal hold"), content_now)
