"""Roles that people hold, and the requests by which that changes."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record, Signature
from baro.apps.people.roles import Role


class Assignment(Record):
    """A role that a person holds, at one site or at all of them, from a time on and perhaps until another.

    It comes into being and ends by a change of rights that one person requested and another approved. Those
    of the set-up, before there is anybody to ask, have neither.
    """

    class State(models.TextChoices):
        SCHEDULED = "scheduled", _("scheduled")
        IN_FORCE = "in_force", _("in force")
        EXPIRED = "expired", _("expired")
        ENDED = "ended", _("ended")

    user = models.ForeignKey("people.User", on_delete=models.PROTECT, related_name="assignments")
    role = models.CharField(_("role"), max_length=20, choices=Role)
    site = models.ForeignKey("people.Site", on_delete=models.PROTECT, null=True, related_name="+")
    valid_from = models.DateTimeField(_("valid from"), db_default=Now())
    valid_until = models.DateTimeField(_("valid until"), null=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    requested_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    approved_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["valid_from"]
        indexes = [models.Index(fields=["user"], condition=Q(ended_at=None), name="people_assignment_open")]
        constraints = [
            models.CheckConstraint(
                condition=Q(requested_by=None, approved_by=None)
                | (
                    Q(requested_by__isnull=False, approved_by__isnull=False)
                    & ~Q(requested_by=F("approved_by"))
                    & ~Q(requested_by=F("user"))
                    & ~Q(approved_by=F("user"))
                ),
                name="people_assignment_four_eyes",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role}"

    def state_at(self, now: datetime) -> State:
        if self.ended_at is not None:
            return self.State.ENDED
        if self.valid_from > now:
            return self.State.SCHEDULED
        if self.valid_until is not None and self.valid_until <= now:
            return self.State.EXPIRED
        return self.State.IN_FORCE

    @property
    def state(self) -> State:
        return self.state_at(timezone.now())


class RightsChange(Record):
    """A change of somebody's rights: requested by one person, approved by another, for a third.

    Nothing changes before the approval, and what changes then is exactly what was requested.
    """

    class Kind(models.TextChoices):
        GRANT = "grant", _("give a role")
        END = "end", _("end a role")
        DISABLE = "disable", _("disable the account")
        ENABLE = "enable", _("enable the account")
        RESET_PASSWORD = "reset_password", _("give a new first password")
        RESET_FACTORS = "reset_factors", _("take the second factors away")
        LINK = "link", _("link with an identity provider")

    class State(models.TextChoices):
        PENDING = "pending", _("waiting for approval")
        APPROVED = "approved", _("approved")
        REFUSED = "refused", _("refused")
        WITHDRAWN = "withdrawn", _("withdrawn")

    kind = models.CharField(_("change"), max_length=20, choices=Kind)
    user = models.ForeignKey(
        "people.User", on_delete=models.PROTECT, related_name="rights_changes", verbose_name=_("account")
    )
    role = models.CharField(_("role"), max_length=20, choices=Role, blank=True)
    site = models.ForeignKey("people.Site", on_delete=models.PROTECT, null=True, related_name="+")
    valid_from = models.DateTimeField(_("valid from"), null=True)
    valid_until = models.DateTimeField(_("valid until"), null=True)
    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, null=True, related_name="changes")
    provider = models.ForeignKey("people.IdentityProvider", on_delete=models.PROTECT, null=True, related_name="+")
    subject = models.CharField(_("subject"), max_length=255, blank=True)
    reason = models.TextField(_("reason"))
    requested_by = models.ForeignKey("people.User", on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(_("requested at"), db_default=Now())
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.PENDING)
    decided_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(_("decided at"), null=True)
    answer = models.TextField(_("reason of the decision"), blank=True)
    signature = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-requested_at"]
        indexes = [models.Index(fields=["company"], condition=Q(state="pending"), name="people_rightschange_pending")]
        constraints = [
            models.CheckConstraint(condition=~Q(requested_by=F("user")), name="people_rights_not_own_request"),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "withdrawn"], signature=None)
                | (
                    Q(state__in=["approved", "refused"], decided_by__isnull=False, signature__isnull=False)
                    & ~Q(decided_by=F("requested_by"))
                    & ~Q(decided_by=F("user"))
                ),
                name="people_rights_four_eyes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.user_id} {self.role}"
