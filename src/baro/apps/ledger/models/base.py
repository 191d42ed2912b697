"""The base of every record."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.database.guards import Guard


class Record(models.Model):
    """What every record of the plant inherits: a lasting key, a company, isolation and a history.

    The guard is put in force on the table after each migration (`apps.put_guards_in_force`), so a
    model that inherits this one is isolated by company and audited, whoever writes to it and how.
    """

    guard = Guard()

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    company = models.ForeignKey("people.Company", on_delete=models.PROTECT, related_name="+")

    class Meta:
        abstract = True


class Entry(Record):
    """A record that is only ever added: what happened, happened."""

    guard = Guard(append_only=True)

    recorded_at = models.DateTimeField(_("recorded at"), db_default=Now())

    class Meta:
        abstract = True
