"""Making, changing, and switching connections."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from baro.apps.ledger.services import Actor, Program, change
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.plant.connections.models import Connection, TrustedCertificate
from baro.apps.plant.errors import CertificateInvalid, ConnectionInvalid
from baro.apps.plant.models import Equipment, Instrument, Tag
from baro.config import config
from baro.edge import secrets
from baro.edge.driver import Choice, load_driver, look_of, settings_of
from baro.edge.errors import EdgeError
from baro.edge.trust import Certificate


class Chosen(Protocol):
    """A node that was chosen, and what is said of it: see `asking.Picked`."""

    path: str
    kind: str
    source: str
    tag: str
    label: str
    unit: str
    low: float | None
    high: float | None
    until: date | None


SECRET = re.compile(r"password|secret|key|token|certificate|passphrase")
"""Fields of settings that hold the name of a secret."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a person or a set-up says of a connection. settings: of the driver, as JSON."""

    code: str
    driver: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    name_ko: str = ""
    name_en: str = ""
    equipment_id: UUID | None = None
    enabled: bool = True


def managed(user: User) -> None:
    """Only who manages connections goes on. Raises NotPermitted."""
    if not user.may(Permission.MANAGE_CONNECTIONS):
        raise user.why_not(Permission.MANAGE_CONNECTIONS)


def save_connection(actor: User, connection_id: UUID | None, told: Told, reason: str) -> Connection:
    """Make a connection, or change it. Raises NotPermitted, ReasonMissing, ConnectionInvalid."""
    return _save(actor, connection_id, told, reason, Permission.MANAGE_CONNECTIONS)


def record_chosen(actor: User, told: Told, picked: Sequence[Chosen], reason: str) -> Connection:
    """Make a connection that collects what was chosen, and register on its equipment what is known of that: an
    instrument for a spectrum that has a date of calibration, a tag for a number that has a normal range.

    Raises NotPermitted, ReasonMissing, ConnectionInvalid.
    """
    if not picked or any(not one.source or not one.path for one in picked):
        raise ConnectionInvalid(detail=_("nothing chosen, or a choice without the name of a source"))
    if len({(one.source, one.tag) for one in picked}) < len(picked):
        raise ConnectionInvalid(detail=_("two choices with the same name"))
    check_secrets(actor.company_id, told.settings)
    try:
        driver = load_driver(told.driver)
        chosen = [Choice(one.path, one.source, one.tag) for one in picked]
        settings = driver.choose(look_of(told.driver, told.settings), chosen)
    except EdgeError as error:
        raise ConnectionInvalid(detail=str(error)) from error
    told = replace(told, settings=settings.model_dump(mode="json", exclude_defaults=True))
    with change(actor, reason, Permission.MANAGE_CONNECTIONS):
        connection = save_connection(actor, None, told, reason)
        if told.equipment_id is not None:
            for one in picked:
                _register(connection, one)
    return connection


def _register(connection: Connection, one: Chosen) -> None:
    names = {"name_ko": one.label, "name_en": one.label}
    if one.kind == "spectrum":
        code = slugify(one.source)[:50]
        taken = Instrument.objects.filter(Q(source=one.source) | Q(code=code)).exists()
        if one.until is not None and code and not taken:
            Instrument.objects.create(
                company_id=connection.company_id,
                equipment_id=connection.equipment_id,
                code=code,
                source=one.source,
                calibrated_until=one.until,
                **names,
            )
        return
    taken = Tag.objects.filter(source=one.source, name=one.tag).exists()
    if one.low is not None and one.high is not None and one.low < one.high and not taken:
        Tag.objects.create(
            company_id=connection.company_id,
            equipment_id=connection.equipment_id,
            source=one.source,
            name=one.tag,
            unit=one.unit[:20],
            normal_low=one.low,
            normal_high=one.high,
            **names,
        )


def set_up_connection(program: Program, told: Told, reason: str) -> Connection:
    """Make a connection, or bring the one of this code to what is told, at a set-up or at the server's own prompt.

    Nothing is written when nothing is different.
    """
    with change(program, reason):
        known = Connection.objects.filter(code=told.code).first()
        if known is not None and _same(known, told):
            return known
        return _save(program, known and known.id, told, reason, "")


def switch(actor: User, connection_id: UUID, enabled: bool, reason: str) -> Connection:
    """Have the gateway collect from here, or no more. Raises NotPermitted, ReasonMissing."""
    with change(actor, reason, Permission.MANAGE_CONNECTIONS):
        connection = Connection.objects.select_for_update(of=("self",)).get(id=connection_id)
        if connection.enabled != enabled:
            connection.enabled = enabled
            connection.save(update_fields=["enabled"])
    return connection


def trust_certificate(actor: User, der: bytes, address: str, reason: str) -> TrustedCertificate:
    """Believe a server that shows this certificate. Raises NotPermitted, ReasonMissing, CertificateInvalid."""
    return _trust(actor, der, address, reason, Permission.MANAGE_CONNECTIONS)


def set_up_trust(program: Program, der: bytes, address: str, reason: str) -> TrustedCertificate:
    """The same at the server's own prompt. Raises CertificateInvalid."""
    return _trust(program, der, address, reason, "")


def withdraw_trust(actor: User, certificate_id: UUID, reason: str) -> TrustedCertificate:
    """Believe it no more. Raises NotPermitted, ReasonMissing."""
    with change(actor, reason, Permission.MANAGE_CONNECTIONS):
        record = TrustedCertificate.objects.select_for_update(of=("self",)).get(id=certificate_id)
        if record.trusted:
            record.trusted = False
            record.save(update_fields=["trusted"])
    return record


def keep_secret(actor: User, name: str, value: str) -> str:
    """Keep a password in the secret store. Its name goes into the settings of a connection, and with them into the
    trail: that it changed and by whom, never what it is. Raises NotPermitted."""
    managed(actor)
    return store_secret(actor.company_id, name, value)


def store_secret(company_id: UUID | None, name: str, value: str) -> str:
    """Keep a secret under a name of its own, so that nothing changes under a running connection."""
    full = f"{_prefix(company_id)}{name}.{uuid4().hex}"
    secrets.put(full, value.encode())
    return full


def check_secrets(company_id: UUID | None, settings: Mapping[str, Any]) -> None:
    """Settings that a person gives may name secrets of the own company only, and no file or folder of Baro's own.

    Raises ConnectionInvalid.
    """
    for name, value in settings.items():
        if isinstance(value, Mapping):
            check_secrets(company_id, value)
        elif name == "memory" and value:
            raise ConnectionInvalid(detail=name)
        elif name == "url" and _is_ours(str(value)):
            raise ConnectionInvalid(detail=value)
        elif SECRET.search(name) and value and not str(value).startswith(_prefix(company_id)):
            raise ConnectionInvalid(detail=name)


def _is_ours(url: str) -> bool:
    """Does the address lead to files of this installation: keys, secrets, spools, sealed data?"""
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() != "file":
            return False
        folder, home = Path(unquote(parts.path)).resolve(), config().home.resolve()
    except (ValueError, OSError):
        return True
    return folder.is_relative_to(home) or home.is_relative_to(folder)


def _prefix(company_id: UUID | None) -> str:
    return f"{company_id.hex if company_id else 'none'}."


def _trust(actor: Actor, der: bytes, address: str, reason: str, permission: str) -> TrustedCertificate:
    with change(actor, reason, permission):
        try:
            shown = Certificate.read(der)
        except EdgeError as error:
            raise CertificateInvalid from error
        if not shown.valid_from <= timezone.now() <= shown.valid_until:
            raise CertificateInvalid
        record = TrustedCertificate.objects.select_for_update(of=("self",)).filter(thumbprint=shown.thumbprint).first()
        if record is None:
            record = TrustedCertificate(company_id=actor.company_id, thumbprint=shown.thumbprint)
        elif record.trusted:
            return record
        record.subject, record.application_uri = shown.subject[:500], shown.application_uri[:500]
        record.valid_from, record.valid_until = shown.valid_from, shown.valid_until
        record.certificate, record.address, record.trusted = der, address[:500], True
        record.save()
    return record


def _save(actor: Actor, connection_id: UUID | None, told: Told, reason: str, permission: str) -> Connection:
    with change(actor, reason, permission):
        if connection_id is None:
            connection = Connection(company_id=actor.company_id)
        else:
            connection = Connection.objects.select_for_update(of=("self",)).get(id=connection_id)
        code = slugify(told.code)
        if not code or code != told.code:
            raise ConnectionInvalid(detail=f"code {told.code!r}")
        if permission:
            check_secrets(actor.company_id, told.settings)
        try:
            settings = settings_of(told.driver, told.settings)
        except EdgeError as error:
            raise ConnectionInvalid(detail=str(error)) from error
        connection.code, connection.driver, connection.enabled = code, told.driver, told.enabled
        connection.settings = settings.model_dump(mode="json", exclude_defaults=True)
        connection.name_ko, connection.name_en = told.name_ko or code, told.name_en or told.name_ko or code
        if told.equipment_id is not None and not Equipment.objects.filter(id=told.equipment_id).exists():
            raise ConnectionInvalid(detail=_("equipment"))
        connection.equipment_id = told.equipment_id
        try:
            with transaction.atomic():
                connection.save()
        except IntegrityError as error:
            raise ConnectionInvalid(detail=f"code {code!r}") from error
    return connection


def _same(known: Connection, told: Told) -> bool:
    settings = settings_of(told.driver, told.settings).model_dump(mode="json", exclude_defaults=True)
    return (
        known.driver == told.driver
        and known.settings == settings
        and known.equipment_id == told.equipment_id
        and known.enabled == told.enabled
    )
