"""Access reviews: at times every account is looked at, and somebody answers for what stays."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record, Signature


class AccessReview(Record):
    """One review of all accounts of a company, open until it is signed. One is open at a time."""

    opened_by = models.ForeignKey("people.User", on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField(_("opened at"), db_default=Now())
    closed_at = models.DateTimeField(_("signed at"), null=True)
    signature = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["company"], condition=Q(closed_at=None), name="people_accessreview_one_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.opened_at}"


class ReviewLine(Record):
    """One account in a review: what it held when the review was opened, and what was decided on it.

    `facts`: roles, last sign-in, whether it lay unused, and the changes since the last review, frozen so that
    the signature stands for what the reviewer saw.
    """

    class Decision(models.TextChoices):
        KEEP = "keep", _("keep")
        CHANGE = "change", _("end roles")
        END = "end", _("disable the account")

    review = models.ForeignKey(AccessReview, on_delete=models.PROTECT, related_name="lines")
    user = models.ForeignKey("people.User", on_delete=models.PROTECT, related_name="+", verbose_name=_("account"))
    facts = models.JSONField(_("facts"))
    decision = models.CharField(_("decision"), max_length=10, choices=Decision, blank=True)
    remark = models.TextField(_("remark"), blank=True)
    decided_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(_("decided at"), null=True)

    class Meta:
        ordering = ["user__username"]
        constraints = [
            models.UniqueConstraint(fields=["review", "user"], name="people_reviewline_once"),
            models.CheckConstraint(
                condition=Q(decision="", decided_by=None)
                | (~Q(decision="") & Q(decided_by__isnull=False) & ~Q(decided_by=F("user"))),
                name="people_reviewline_not_own",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.decision}"
