"""The electronic signature."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models.base import Entry


class Meaning(models.TextChoices):
    """What a signature means (21 CFR 11.50)."""

    AUTHORSHIP = "authorship", _("Author")
    REVIEW = "review", _("Reviewed")
    APPROVAL = "approval", _("Approved")
    RELEASE = "release", _("Approval of release")
    REJECTION = "rejection", _("Rejection")
    HOLD = "hold", _("Put on hold")


class Signature(Entry):
    """An electronic signature, bound to the content of one record by its hash.

    Signer's name and role are frozen as they were when the record was signed.
    """

    signer_id = models.UUIDField()
    signer_name = models.TextField(_("signer"))
    signer_role = models.TextField(_("role"))
    meaning = models.CharField(_("meaning of signature"), max_length=20, choices=Meaning)
    reason = models.TextField(_("reason"))
    record_type = models.TextField()
    record_id = models.UUIDField()
    content_hash = models.CharField(max_length=64)
    signed_at = models.DateTimeField(_("signed at"))

    class Meta:
        indexes = [models.Index(fields=["record_type", "record_id"], name="ledger_signature_record")]

    def __str__(self) -> str:
        return f"{self.signer_name} {self.meaning} {self.record_type} {self.record_id}"
