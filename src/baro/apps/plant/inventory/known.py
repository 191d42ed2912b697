"""What Baro itself knows of the systems of a plant: its own programs and the instruments it reads."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.translation import gettext_noop as _

from baro.apps.ledger.services import Program, change
from baro.apps.plant.inventory.models import ComputerisedSystem, SystemInterface
from baro.apps.plant.models import Equipment, Instrument

Kind = ComputerisedSystem.Kind
HIGH = ComputerisedSystem.Criticality.HIGH


class Known(NamedTuple):
    """A system of every installation. `what` is stored in English and shown in the reader's language."""

    code: str
    kind: Kind
    ko: str
    en: str
    gamp: int
    what: str


OWN = (
    Known(
        "gateway",
        Kind.COLLECTOR,
        "게이트웨이",
        "Gateway",
        4,
        _("baro gateway: drivers, spool, delivery to the historian"),
    ),
    Known(
        "database",
        Kind.STORE,
        "데이터베이스",
        "Database",
        1,
        _("PostgreSQL: records, audit trail, blocks of observations"),
    ),
    Known("lake", Kind.STORE, "봉인 파일 저장소", "Store of sealed files", 1, _("Parquet files under BARO_HOME/lake")),
    Known(
        "worker", Kind.APPLICATION, "워커", "Worker", 4, _("baro worker: predictions, verdicts, log, clock, sealing")
    ),
    Known("web", Kind.APPLICATION, "웹 서버", "Web server", 4, _("baro web: pages and REST interface")),
    Known("browsers", Kind.OUTSIDE, "브라우저", "Browsers", 1, _("workstations and tablets of people")),
    Known(
        "checkpoints",
        Kind.OUTSIDE,
        "체크포인트 보관소",
        "Place of checkpoints",
        1,
        _("signed checkpoints off the server"),
    ),
)
"""Baro's own programs: GAMP 4, configured; what they stand on: GAMP 1, infrastructure."""

BETWEEN = (
    (
        "gateway",
        "database",
        "PostgreSQL",
        _("blocks of observations"),
        _("numbers without holes, SHA-256 of each block, gaps are records"),
        False,
    ),
    (
        "database",
        "worker",
        "PostgreSQL",
        _("blocks; predictions and verdicts back"),
        _("digests compared, row-level security, audit trail"),
        True,
    ),
    ("worker", "lake", "Parquet", _("sealed blocks"), _("SHA-256 of each file, read back before it counts"), True),
    (
        "database",
        "web",
        "PostgreSQL",
        _("records; changes back"),
        _("row-level security, audit trail by triggers"),
        True,
    ),
    (
        "web",
        "browsers",
        "HTTPS",
        _("pages; what people enter"),
        _("sign-in, CSRF token, content hash at each signature"),
        True,
    ),
    (
        "worker",
        "checkpoints",
        "file",
        _("signed checkpoints of the log"),
        _("Ed25519 signature, consistency proofs"),
        False,
    ),
)


def prefill(company: object) -> None:
    """List what is not listed yet; what is there already is left as people wrote it."""
    with change(Program("baro inventory", company), "found by Baro itself"):
        systems = {system.code: system for system in ComputerisedSystem.objects.all()}

        def add(code: str, kind: Kind, ko: str, en: str, gamp: int, what: str) -> ComputerisedSystem:
            if code not in systems:
                systems[code] = ComputerisedSystem.objects.create(
                    company_id=company,
                    code=code,
                    kind=kind,
                    name_ko=ko,
                    name_en=en,
                    gamp=gamp,
                    criticality=HIGH if kind != Kind.OUTSIDE else ComputerisedSystem.Criticality.LOW,
                    description=what,
                )
            return systems[code]

        for own in OWN:
            add(*own)
        listed = set(SystemInterface.objects.values_list("source__code", "target__code", "protocol"))

        def link(source: str, target: str, protocol: str, data: str, checks: str, both: bool) -> None:
            if (source, target, protocol) not in listed:
                SystemInterface.objects.create(
                    company_id=company,
                    source=systems[source],
                    target=systems[target],
                    protocol=protocol,
                    data=data,
                    both_ways=both,
                    checks=checks,
                )

        checks = _("OPC UA status of each value, counters without holes, watched links and clocks")
        for one in [*Equipment.objects.order_by("code"), *Instrument.objects.order_by("code")]:
            device = add(one.code, Kind.DEVICE, one.name_ko, one.name_en, 3, "")
            data = _("spectra") if isinstance(one, Instrument) else _("process values")
            link(device.code, "gateway", "OPC UA", data, checks, False)
        for between in BETWEEN:
            link(*between)
