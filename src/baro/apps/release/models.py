"""Verdicts, decisions and certificates. All of them are only ever added."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Entry, Record, Signature
from baro.apps.manufacturing.models import Lot
from baro.database.guards import Guard


class VerdictState(models.TextChoices):
    COLLECTING = "collecting", _("Collecting")
    ELIGIBLE = "eligible", _("Eligible for release")
    NEEDS_REVIEW = "needs_review", _("Needs review")
    FAILED = "failed", _("Failed")


class CriterionState(models.TextChoices):
    COLLECTING = "collecting", _("Collecting")
    MET = "met", _("Met")
    NEEDS_REVIEW = "needs_review", _("Needs review")
    NOT_MET = "not_met", _("Not met")


class Verdict(Entry):
    """What the control strategy says of a lot, each time it says something else.

    `criteria` lists every criterion with state, result, limits and the digests of its evidence;
    `content_hash` is the SHA-256 of its canonical JSON together with state and lot. The last
    verdict of a complete lot is `final`: the one a person decides on and `baro verify` recomputes. When
    something of a lot comes late, a further final verdict follows, and the newest one counts.
    """

    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, related_name="verdicts")
    state = models.CharField(_("verdict"), max_length=12, choices=VerdictState)
    final = models.BooleanField(_("final"), default=False)
    criteria = models.JSONField(_("criteria"))
    evidence = models.JSONField(_("evidence"))
    content_hash = models.CharField(max_length=64)
    last_observation_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["recorded_at"]

    def __str__(self) -> str:
        return f"{self.lot} {self.state}"


class Standing(Record):
    """How a running lot stands at this moment, for the pages that show it.

    Not a record of its own: it is overwritten with every block, and all it says can be computed again
    from the observations. What counts is the `Verdict`.
    """

    guard = Guard(audited=False)

    lot = models.OneToOneField(Lot, on_delete=models.PROTECT, related_name="standing")
    criteria = models.JSONField()
    spectra = models.PositiveIntegerField()
    outside = models.PositiveIntegerField()
    last_seq = models.BigIntegerField(null=True)
    last_observation_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.lot} {self.spectra}"


class Outcome(models.TextChoices):
    RELEASED = "released", _("Released")
    REJECTED = "rejected", _("Rejected")
    ON_HOLD = "on_hold", _("On hold")


class Decision(Entry):
    """What the head of quality decided of a lot, signed."""

    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, related_name="decisions")
    verdict = models.ForeignKey(Verdict, on_delete=models.PROTECT, related_name="decisions")
    outcome = models.CharField(_("decision"), max_length=10, choices=Outcome)
    reason = models.TextField(_("reason"))
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["recorded_at"]

    def __str__(self) -> str:
        return f"{self.lot} {self.outcome}"


class LateArrival(Entry):
    """Something of a lot was stored after it was released or rejected. Nothing of the decision changes by it.

    spectra, samples: how many have come since the decision, in all. first_at, last_at: their event times; none where a
    gap alone has changed. stored: digest of what is stored of the lot by now.
    """

    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, related_name="late_arrivals")
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="late_arrivals")
    spectra = models.PositiveBigIntegerField(_("spectra"))
    samples = models.PositiveBigIntegerField(_("samples"))
    first_at = models.DateTimeField(_("first at"), null=True)
    last_at = models.DateTimeField(_("last at"), null=True)
    stored = models.CharField(max_length=64)

    class Meta:
        ordering = ["recorded_at"]
        constraints = [models.UniqueConstraint(fields=["lot", "stored"], name="release_late_once")]

    def __str__(self) -> str:
        return f"{self.lot} {self.spectra} {self.samples}"


class LateAcknowledgment(Entry):
    """The head of quality has seen it, and says what it means for the lot. A second one is not possible."""

    arrival = models.OneToOneField(LateArrival, on_delete=models.PROTECT, related_name="acknowledgment")
    by = models.ForeignKey("people.User", on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(_("reason"))

    def __str__(self) -> str:
        return f"{self.arrival_id} {self.reason}"


class Certificate(Entry):
    """A certificate of analysis as it was issued: sealed PDF/A bytes and their SHA-256.

    `proof` is the newest checkpoint of the log at that time; it stands in the printed code.
    """

    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="certificates")
    number = models.CharField(_("certificate number"), max_length=100)
    language = models.CharField(_("language"), max_length=2)
    version = models.CharField(_("version of Baro"), max_length=30)
    proof = models.TextField(_("checkpoint"), blank=True)
    pdf = models.BinaryField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["decision", "language"], name="release_certificate_once")]

    def __str__(self) -> str:
        return self.number
