"""How the collection is: each connection, each of its sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection as database
from django.utils import timezone

from baro.apps.plant.clock.watch import source_offsets
from baro.apps.plant.connections.models import Command, Connection, ConnectionState, TrustedCertificate
from baro.apps.plant.connections.watermarks import STRIP, Kept, Strip, Told, kept, strip
from baro.apps.plant.connections.words import Refusal, refusal
from baro.apps.plant.queries import Link, historian, links
from baro.historian.catalogue import GapRow

SILENT_AFTER = timedelta(seconds=15)
WINDOW_S = 60
COMMANDS_SHOWN = 20
CERTIFICATE_SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SourceNow:
    """One source. rate: observations a second over the last minute. lag_s: from its own time to the historian.
    skew_s: its clock minus ours, as far as arrival shows it. told, kept: its watermarks. gaps: of the last 24 h."""

    link: Link
    up: bool
    rate: float
    lag_s: float | None
    skew_s: float | None
    told: Told
    kept: Kept
    gaps: Strip


@dataclass(frozen=True, slots=True)
class ConnectionNow:
    """One connection with its sources. `silent`: the gateway has not told of it lately."""

    record: Connection
    state: ConnectionState | None
    silent: bool
    refusal: Refusal | None
    days_left: int | None
    sources: list[SourceNow]

    @property
    def soon(self) -> bool:
        return self.days_left is not None and self.days_left <= CERTIFICATE_SOON.days

    @property
    def up(self) -> bool:
        return bool(self.sources) and all(source.up for source in self.sources)

    @property
    def replayed_percent(self) -> float | None:
        """How much of the backlog of a cut has been replayed, %; None when nothing is replayed."""
        return 100 * self.state.replayed if self.state and self.state.backlog else None


def connections_now(company: UUID) -> list[ConnectionNow]:
    """Every connection, those that are enabled first."""
    now = timezone.now()
    states = {state.connection_id: state for state in ConnectionState.objects.all()}
    records = list(Connection.objects.select_related("equipment").order_by("-enabled", "code"))
    told = {name for record in records if (state := states.get(record.id)) for name in state.sources}
    recent, skews = _recent(company), source_offsets(company)
    newest = _newest(company, told)
    far, gaps = kept(company, told), _gaps(company, now)
    known = {link.source: replace(link, last_at=newest.get(link.source)) for link in links(company, sorted(told))}
    out = []
    for record in records:
        state = states.get(record.id)
        silent = state is None or now - state.at > SILENT_AFTER
        sources = [
            SourceNow(
                known[name],
                bool(up) and not silent and record.enabled,
                *recent.get(name, (0.0, None)),
                skews.get(name),
                Told.of(state.marks.get(name, {}) if state else {}),
                far.get(name, Kept()),
                strip(gaps[name], now),
            )
            for name, up in sorted((state.sources if state else {}).items())
        ]
        until = state.certificate_until if state else None
        refused = refusal(state.refusal) if state and not silent and record.enabled else None
        out.append(ConnectionNow(record, state, silent, refused, (until - now).days if until else None, sources))
    return out


def certificates() -> Iterable[TrustedCertificate]:
    """Certificates of servers, those that are trusted first."""
    return TrustedCertificate.objects.order_by("-trusted", "address")


def commands_shown() -> list[Command]:
    """The newest commands to equipment."""
    found = Command.objects.select_related("connection", "requested_by", "decided_by")
    return list(found.order_by("-requested_at")[:COMMANDS_SHOWN])


def writable() -> list[Connection]:
    """The connections over which something may be written by an approved command."""
    return [one for one in Connection.objects.filter(enabled=True) if one.settings.get("writes")]


def _gaps(company: UUID, now: datetime) -> dict[str, list[GapRow]]:
    out: dict[str, list[GapRow]] = defaultdict(list)
    for gap in historian(company).gaps(start=now - STRIP):
        out[gap.source].append(gap)
    return out


def _newest(company: UUID, sources: Iterable[str]) -> dict[str, datetime]:
    with database.cursor() as cursor:
        # the newest block of a source has its greatest epoch and number, which the index finds at once
        cursor.execute(
            "SELECT s.source, (SELECT b.time_max FROM historian_block b WHERE b.company_id = %s"
            "  AND b.source = s.source ORDER BY b.epoch DESC, b.last_seq DESC LIMIT 1)"
            " FROM unnest(%s::text[]) s(source)",
            [company, list(sources)],
        )
        return {source: at for source, at in cursor.fetchall() if at is not None}


def _recent(company: UUID) -> dict[str, tuple[float, Any]]:
    """Of each source over the last minute: observations a second, how long the newest took from event to record (s)."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT source, sum(count)::float8 / %s,"
            " (array_agg(extract(epoch FROM recorded_at - time_max)::float8 ORDER BY id DESC))[1]"
            " FROM historian_block WHERE company_id = %s AND recorded_at > now() - make_interval(secs => %s)"
            " GROUP BY source",
            [WINDOW_S, company, WINDOW_S],
        )
        return {source: (rate, lag) for source, rate, lag in cursor.fetchall()}
