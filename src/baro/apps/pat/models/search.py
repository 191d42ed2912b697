"""Searches for a model."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record


class Search(Record):
    """A search over preprocessing, regions and latent variables, on a frozen data set.

    space: candidates and folds, as `science.chemometrics.search` reads them. results: what is done so far, as that
    module writes it; a search that was stopped goes on from there. warnings: what it found out about the data.
    Results are by rank. comparison: the error of the best candidate by each way of leaving samples out.
    attempt: how often it was resumed; a worker that runs an earlier attempt has nothing to say any more.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        STOPPED = "stopped", _("Stopped")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    method = models.ForeignKey("pat.Method", on_delete=models.PROTECT, related_name="searches")
    data_set = models.ForeignKey("pat.DataSet", on_delete=models.PROTECT, related_name="searches")
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.WAITING)
    space = models.JSONField(_("search space"))
    seed = models.BigIntegerField(_("seed"))
    candidates = models.PositiveIntegerField(_("candidates"), default=0)
    done = models.PositiveIntegerField(_("done"), default=0)
    results = models.JSONField(_("results"), default=list)
    warnings = models.JSONField(_("warnings"), default=list)
    comparison = models.JSONField(_("errors by way of leaving out"), default=dict)
    left_out = models.PositiveIntegerField(_("candidates that do not fit the axis"), default=0)
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    told_at = models.DateTimeField(_("progress told at"), null=True)
    problem = models.TextField(_("problem"), blank=True)
    asked_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField(_("asked at"), db_default=Now())
    ended_at = models.DateTimeField(_("ended at"), null=True)

    class Meta:
        ordering = ["-asked_at"]

    def __str__(self) -> str:
        return f"{self.data_set_id} {self.seed}"
