"""What a person proves their identity with. Secrets are hashed or encrypted, and never in the trail."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Entry, Record
from baro.apps.people.models.people import User
from baro.database.guards import Guard


class PasswordUse(Entry):
    """A password that somebody was given or chose, as its hash: for its age, and so that it does not come back."""

    guard = Guard(append_only=True, hidden=("password",))

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="passwords")
    password = models.CharField(_("password"), max_length=128)
    temporary = models.BooleanField(_("temporary"), default=False)

    class Meta:
        ordering = ["-recorded_at"]

    def __str__(self) -> str:
        return f"{self.user_id} {self.recorded_at}"


class Totp(Record):
    """An authenticator app (RFC 6238). `secret` is encrypted; a code of a step at or before `last_step` is refused."""

    guard = Guard(hidden=("secret",))

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="totps")
    secret = models.TextField()
    last_step = models.BigIntegerField(_("last used step"), default=0)
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    removed_at = models.DateTimeField(_("removed at"), null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=models.Q(removed_at=None), name="people_totp_one")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.created_at}"


class RecoveryCode(Record):
    """A code for the day the authenticator is lost: 120 random bits, kept as their SHA-256, good once."""

    guard = Guard(hidden=("secret",))

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="recovery_codes")
    secret = models.CharField(max_length=64)
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    used_at = models.DateTimeField(_("used at"), null=True)
    removed_at = models.DateTimeField(_("removed at"), null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "secret"], name="people_recoverycode_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.created_at}"


class Passkey(Record):
    """A passkey (WebAuthn). `credential` is the attested credential data: id and public key, no secret."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="passkeys")
    name = models.CharField(_("name"), max_length=100)
    credential_id = models.TextField(unique=True)
    credential = models.TextField()
    sign_count = models.BigIntegerField(_("counter"), default=0)
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    used_at = models.DateTimeField(_("last used"), null=True)
    removed_at = models.DateTimeField(_("removed at"), null=True)

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return self.name
