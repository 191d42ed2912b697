"""Questions about companies and people."""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from baro.apps.people.errors import CompanyUnknown


def company_of(code: str) -> UUID:
    """The id of the company with this code. Raises CompanyUnknown."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT people_company_id(%s)", [code])
        (found,) = cursor.fetchone()
    if found is None:
        raise CompanyUnknown(code=code)
    return found
