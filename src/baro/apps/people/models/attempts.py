"""Every attempt to come in."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Entry
from baro.apps.people.models.people import User


class SignIn(Entry):
    """One attempt to sign in, to prove one's identity at a signature, or to use a token.

    `user` is null where the name or the token is nobody's: then `username` is what was typed, and the record is
    of the installation's own company (`BARO_COMPANY`).
    """

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted", _("accepted")
        FIRST_STEP = "first_step", _("first step passed")
        WRONG_PASSWORD = "wrong_password", _("wrong password")
        WRONG_CODE = "wrong_code", _("wrong second factor")
        UNKNOWN = "unknown", _("unknown user name")
        FORGED = "forged", _("unknown token")
        EXPIRED = "expired", _("expired")
        REVOKED = "revoked", _("revoked")
        LOCKED = "locked", _("locked")
        LIMITED = "limited", _("too many attempts from this address")
        DISABLED = "disabled", _("disabled")
        REFUSED = "refused", _("refused")
        SIGNED_OUT = "signed_out", _("signed out")
        ENDED = "ended", _("session ended")

    class Purpose(models.TextChoices):
        SESSION = "session", _("sign-in")
        SIGNATURE = "signature", _("signature")
        TOKEN = "token", _("API token")
        ACCOUNT = "account", _("change of the account")

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="sign_ins", null=True)
    username = models.CharField(_("user name"), max_length=150, blank=True)
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome)
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose)
    method = models.CharField(_("method"), max_length=20, blank=True)
    address = models.GenericIPAddressField(_("address"), null=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "recorded_at"], name="people_signin_user"),
            models.Index(fields=["address", "recorded_at"], name="people_signin_address"),
        ]

    def __str__(self) -> str:
        return f"{self.username or self.user_id} {self.purpose} {self.outcome}"
