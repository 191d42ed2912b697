"""What the wizard's forms say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_date
from django.utils.text import slugify

from baro.apps.plant.connections.services import Told
from baro.edge.driver import Choice, Offer, driver_of
from baro.edge.errors import EdgeError

SECURITY = ("best", "Aes256_Sha256_RsaPss", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "None")
MODES = ("SignAndEncrypt", "Sign")
MOST = 2000
MORE = {
    "modbus": ("device", "numbering"),
    "s7": ("rack", "slot", "blocks"),
    "bacnet": ("local", "lowest", "highest"),
}
"""What else has to be known of a device, by driver."""


@dataclass(slots=True)
class Asked:
    """Address, security and user. `typed`: a password as it was typed; `password`: the name of its secret; `more`:
    what else the driver wants to know."""

    url: str = ""
    security: str = "best"
    mode: str = "SignAndEncrypt"
    user: str = ""
    typed: str = field(default="", repr=False)
    password: str = ""
    more: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, form: Mapping[str, str]) -> Asked:
        return cls(
            url=form.get("url", "").strip(),
            security=form.get("security", "best"),
            mode=form.get("mode", "SignAndEncrypt"),
            user=form.get("user", "").strip(),
            typed=form.get("typed", ""),
            password=form.get("kept", ""),
            more={name: form.get(name, "").strip() for names in MORE.values() for name in names if form.get(name)},
        )

    @property
    def securities(self) -> tuple[str, ...]:
        return SECURITY

    @property
    def modes(self) -> tuple[str, ...]:
        return MODES

    @property
    def driver(self) -> str:
        """The driver that reads the address. Raises DriverUnknownError."""
        return driver_of(self.url)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that were told, as JSON. Raises DriverUnknownError."""
        told: dict[str, Any] = {"url": self.url}
        if self.driver == "opcua":
            told |= {"security": self.security, "mode": self.mode}
        if self.driver in MORE:
            return told | {name: self.more[name] for name in MORE[self.driver] if self.more.get(name)}
        if self.user:
            told |= {"user": self.user, "password": self.password}
        return told

    def proposal(self, offer: Offer) -> dict[str, str]:
        """A code and a name for the connection: those of the device, or of the host."""
        sources = [node.source for node in offer.walk() if node.source]
        label = next((node.label for node in offer.walk() if node.source and node.kind in ("folder", "spectrum")), "")
        code = slugify(sources[0])[:50] if len(set(sources)) == 1 else self.code
        return {"code": code or "connection", "name": label or sources[0] if len(set(sources)) == 1 else self.host}

    @property
    def host(self) -> str:
        """The address without its scheme."""
        return self.url.split("//", 1)[-1].split("/", 1)[0]

    @property
    def code(self) -> str:
        """A code made of the address."""
        return slugify(self.host.replace(".", "-").replace(":", "-"))[:50] or "connection"

    def told(self, form: Mapping[str, str]) -> Told:
        """The connection as the last form says it. An address that no driver reads makes an empty driver."""
        try:
            driver, settings = self.driver, self.settings
        except EdgeError:
            driver, settings = "", {"url": self.url}
        return Told(
            code=form.get("code", "").strip(),
            driver=driver,
            settings=settings,
            name_ko=form.get("name_ko", "").strip(),
            name_en=form.get("name_en", "").strip(),
            equipment_id=uuid_of(form.get("equipment", "")),
        )


@dataclass(frozen=True, slots=True)
class Picked:
    """A chosen node and what is said of it. low, high: the normal range of a tag; until: calibrated until."""

    path: str
    kind: str
    source: str
    tag: str
    label: str
    unit: str
    low: float | None = None
    high: float | None = None
    until: date | None = None

    @property
    def choice(self) -> Choice:
        return Choice(self.path, self.source, self.tag)

    @classmethod
    def of(cls, form: Any) -> list[Picked]:
        """Every node that is ticked."""
        out = []
        for number in form.getlist("pick")[:MOST]:
            text = {name: form.get(f"{name}-{number}", "").strip() for name in FIELDS}
            out.append(
                cls(
                    path=text["path"],
                    kind=text["kind"],
                    source=text["source"],
                    tag=text["tag"],
                    label=text["label"] or text["tag"] or text["source"],
                    unit=text["unit"],
                    low=number_of(text["low"]),
                    high=number_of(text["high"]),
                    until=_day(text["until"]),
                )
            )
        return out


FIELDS = ("path", "kind", "source", "tag", "label", "unit", "low", "high", "until")


def number_of(text: str) -> float | None:
    """The number in a field, None where there is none."""
    try:
        return float(text)
    except ValueError:
        return None


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def uuid_of(text: str) -> UUID | None:
    """The key in a field, None where there is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
