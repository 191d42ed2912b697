"""Identity providers that a company trusts, and whom they know."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record, Signature
from baro.apps.ledger.naming import Named
from baro.apps.people.models.people import User
from baro.database.guards import Guard


class IdentityProvider(Named, Record):
    """An OpenID provider of the company, trusted from the approval by a second person on. `secret` (of our client
    there) is encrypted."""

    class Claim(models.TextChoices):
        USERNAME = "preferred_username", _("user name")
        EMAIL = "email", _("verified e-mail address")
        NONE = "", _("none: people are linked by hand")

    guard = Guard(hidden=("secret",))

    code = models.SlugField(_("code"))
    issuer = models.URLField(_("issuer"))
    client_id = models.CharField(_("client"), max_length=200)
    secret = models.TextField(blank=True)
    claim = models.CharField(_("claim that names the person"), max_length=20, choices=Claim, blank=True)
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    requested_at = models.DateTimeField(_("requested at"), db_default=Now())
    approved_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    approved_at = models.DateTimeField(_("approved at"), null=True)
    signature = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(_("ended at"), null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["company", "code"],
                condition=models.Q(ended_at=None, approved_at__isnull=False),
                name="people_identityprovider_code",
            ),
            models.CheckConstraint(
                condition=models.Q(approved_at=None)
                | (models.Q(requested_by__isnull=False, approved_by__isnull=False, signature__isnull=False))
                & ~models.Q(requested_by=models.F("approved_by")),
                name="people_identityprovider_four_eyes",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def in_force(self) -> bool:
        return self.approved_at is not None and self.ended_at is None


class Identity(Record):
    """A person as a provider knows them: by its subject, which it never gives to another."""

    provider = models.ForeignKey(IdentityProvider, on_delete=models.PROTECT, related_name="identities")
    subject = models.CharField(_("subject"), max_length=255)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="identities")
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    ended_at = models.DateTimeField(_("ended at"), null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "subject"], name="people_identity_subject"),
            models.UniqueConstraint(
                fields=["provider", "user"], condition=models.Q(ended_at=None), name="people_identity_user"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider_id} {self.subject}"
