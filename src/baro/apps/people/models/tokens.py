"""Personal tokens of the REST interface."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record
from baro.apps.people.models.people import User
from baro.database.guards import Guard


class ApiToken(Record):
    """A person's key for programs: some of the person's rights, for some time.

    `secret` is the SHA-256 (hex) of the token, which holds 256 random bits and was shown once. `hint` is how it
    begins.
    """

    guard = Guard(hidden=("secret",))

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="tokens")
    name = models.CharField(_("name"), max_length=100)
    scopes = models.JSONField(_("permissions"))
    hint = models.CharField(_("begins with"), max_length=16)
    secret = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    expires_at = models.DateTimeField(_("expires at"))
    revoked_at = models.DateTimeField(_("revoked at"), null=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


class ApiTokenUse(Record):
    """When a token was used last, to the minute. Overwritten; the acts themselves are in the trail."""

    guard = Guard(audited=False)

    token = models.OneToOneField(ApiToken, on_delete=models.PROTECT, related_name="use")
    at = models.DateTimeField(_("last used"), null=True)
    address = models.GenericIPAddressField(_("address"), null=True)

    def __str__(self) -> str:
        return f"{self.token_id} {self.at}"
