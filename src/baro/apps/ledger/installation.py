"""The settings of the installation as records, so that the trail covers their changes."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from django.conf import settings

from baro.apps.ledger.models import InstallationSetting
from baro.apps.ledger.services import Program, change
from baro.config import Config, config

SECRET = re.compile(r"secret|password|token|_key$")


def record_settings(program: str, company: UUID, configuration: Config | None = None) -> list[str]:
    """Keep the settings that `program` was started with. Returns the names of those that are new or different."""
    wanted = {name: shown(name, value) for name, value in dict(configuration or config()).items()}
    changed = []
    with change(Program(program, company), "settings at the start of the program"):
        known = {setting.name: setting for setting in InstallationSetting.objects.select_for_update()}
        for name, (value, fingerprint) in wanted.items():
            setting = known.get(name)
            if setting is not None and (setting.value, setting.fingerprint) == (value, fingerprint):
                continue
            changed.append(name)
            setting = setting or InstallationSetting(company_id=company, name=name)
            setting.value, setting.fingerprint = value, fingerprint
            setting.save()
    return changed


def shown(name: str, value: object) -> tuple[str, str]:
    """What may be seen of a setting, and its keyed fingerprint (HMAC-SHA256, hex)."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True, ensure_ascii=False)
    key = f"baro.settings/{settings.SECRET_KEY}".encode()
    fingerprint = hmac.new(key, f"{name}={text}".encode(), hashlib.sha256).hexdigest()
    if SECRET.search(name):
        return "", fingerprint
    return _without_password(text), fingerprint


def _without_password(text: str) -> str:
    """A URL without what comes before its host, and without a password among its parameters."""
    if "://" not in text or text.startswith(("{", "[")):
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    query = re.sub(r"(?i)(password|sslpassword|passfile)=[^&]*", r"\1=…", parts.query)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query))
