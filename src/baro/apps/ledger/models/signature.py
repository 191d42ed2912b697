"""The electronic signature, and the statement a person accepts before the first one."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models.base import Entry


class Meaning(models.TextChoices):
    """What a signature means (21 CFR 11.50). The act fixes it; nobody types it."""

    AUTHORSHIP = "authorship", _("Author")
    REVIEW = "review", _("Reviewed")
    APPROVAL = "approval", _("Approved")
    RELEASE = "release", _("Approval of release")
    REJECTION = "rejection", _("Rejection")
    HOLD = "hold", _("Put on hold")
    ACCOUNTABILITY = "accountability", _("Accountability accepted")


class Signature(Entry):
    """An electronic signature, bound to the content of one record.

    `content_hash` is the SHA-256 of what the record said. `seal` is the SHA-256 over that hash and every
    other field (which record, who, as what, when, meaning, why, and this row's own key), so a row that is
    altered, or copied to another record, no longer fits its seal. Signer's name and role are frozen as they
    were. `dialog` is the one-time number of the dialog in which it was given; none for a set-up program.
    """

    signer_id = models.UUIDField()
    signer_name = models.TextField(_("signer"))
    signer_role = models.TextField(_("role"))
    meaning = models.CharField(_("meaning of signature"), max_length=20, choices=Meaning)
    reason = models.TextField(_("reason"))
    record_type = models.TextField()
    record_id = models.UUIDField()
    content_hash = models.CharField(max_length=64)
    seal = models.CharField(_("seal (SHA-256)"), max_length=64)
    dialog = models.UUIDField(_("signature dialog"), null=True)
    signed_at = models.DateTimeField(_("signed at"))

    class Meta:
        indexes = [models.Index(fields=["record_type", "record_id"], name="ledger_signature_record")]
        constraints = [
            models.UniqueConstraint(fields=["dialog", "record_type", "record_id"], name="ledger_signature_dialog_once")
        ]

    def __str__(self) -> str:
        return f"{self.signer_name} {self.meaning} {self.record_type} {self.record_id}"


class Accountability(Entry):
    """A person's acceptance that their electronic signature binds them like one by hand (21 CFR 11.10(j), 11.100(c)).

    `version` names the text; both languages are kept as they were shown, and signed.
    """

    user_id = models.UUIDField(_("person"))
    version = models.CharField(_("version of the statement"), max_length=20)
    text_ko = models.TextField(_("statement in Korean"))
    text_en = models.TextField(_("statement in English"))
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "user_id", "version"], name="ledger_accountability_once")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.version}"
