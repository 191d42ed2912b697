"""Verifications of the log that were started on the page."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models.base import Record


class VerificationRun(Record):
    """One verification of the whole log. rows: [check, looked at, wrong]; findings: in words, the first of them."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        EQUAL = "equal", _("equal")
        DIFFERENT = "different", _("not equal")
        FAILED = "failed", _("could not be carried out")

    started_at = models.DateTimeField(_("started"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    started_by = models.TextField(_("started by"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    percent = models.SmallIntegerField(_("progress"), default=0)
    size = models.BigIntegerField(_("size"), default=0)
    root = models.CharField(_("root"), max_length=64, default="")
    pending = models.BigIntegerField(_("waiting entries"), default=0)
    rows = models.JSONField(_("checks"), default=list)
    findings = models.JSONField(_("findings"), default=list)

    def __str__(self) -> str:
        return f"{self.started_at} {self.state}"

    @property
    def over(self) -> bool:
        return self.state not in (self.State.WAITING, self.State.RUNNING)
