"""Who a record names: an account of this installation, or one that its package named and that is not here."""

from __future__ import annotations

from django.db import models

from baro.apps.ledger.models import ImportedPackage


def account_id(record: models.Model, field: str) -> str:
    """The number of the account in a field of a record, as text; "None" where nobody is named.

    It is that of the installation in which the record was made, also of one that was imported without its accounts: so
    what a signature stands for reads the same in both.
    """
    value = getattr(record, f"{field}_id")
    return str(value) if value is not None else _told(record, field).get("id", "None")


def account_name(record: models.Model, field: str) -> str:
    """The name to that, in the language of the page where the account is here; empty where nobody is named."""
    account = getattr(record, field)
    return str(account.name) if account is not None else _told(record, field).get("name", "")


def _told(record: models.Model, field: str) -> dict[str, str]:
    where = f"{record._meta.db_table}/{record.pk}/{field}_id"
    package = ImportedPackage.objects.filter(held__people__has_key=where).only("held").first()
    return dict(package.held["people"][where]) if package else {}
