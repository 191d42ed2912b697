"""The page of the archive: how long lots are kept, legal holds, packages, backups and drills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger.archive import retention as holds
from baro.apps.ledger.archive.errors import HoldThere, HoldUnknown
from baro.apps.ledger.delivering import Download
from baro.apps.ledger.dialogs import Act, Given, form_dialog, signature_dialog
from baro.apps.ledger.models import Backup, ExportedPackage, ImportedPackage, LegalHold, Meaning, RestoreDrill
from baro.apps.ledger.services import content_hash
from baro.apps.manufacturing.models import Lot
from baro.apps.people.roles import Permission
from baro.apps.quality.models import Product
from baro.apps.release import retention
from baro.apps.release.addresses import whole_number
from baro.apps.release.queries import lot_of
from baro.config import config

PAGE = 50
SHOWN = 20
TICKS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """A lot on the time line; places in percent of its width. `kept`: where the shelf life ends and the years
    of retention begin; `open`: nobody knows the end."""

    start: float
    kept: float
    end: float
    open: bool

    @property
    def life(self) -> float:
        return self.kept - self.start

    @property
    def after(self) -> float:
        return self.end - self.kept


@dataclass(frozen=True, slots=True)
class Line:
    """The time line all bars share: whole years, from `first` up to the beginning of `last`."""

    first: int
    last: int

    def place(self, day: date) -> float:
        start, end = date(self.first, 1, 1), date(self.last, 1, 1)
        return round(100 * (day - start).days / (end - start).days, 2)

    @property
    def years(self) -> list[tuple[int, float]]:
        step = max(1, (self.last - self.first) // TICKS)
        return [(year, self.place(date(year, 1, 1))) for year in range(self.first, self.last, step)]


@require_GET
def archive(request: HttpRequest) -> HttpResponse:
    """What is kept, until when, and what is kept of it elsewhere."""
    today, first = timezone.localdate(), whole_number(request.GET.get("from"))
    made = Lot.objects.select_related("product", "equipment").exclude(state=Lot.State.PLANNED)
    found = list(made[first : first + PAGE + 1])
    kept = retention.retention_of(found[:PAGE])
    line = _line(kept, today)
    page = {
        "section": "archive",
        "rows": [(each, _bar(line, each), each.due(today)) for each in kept],
        "line": line,
        "today": line.place(today),
        "next_from": first + PAGE if len(found) > PAGE else None,
        "rules": holds.rules_of(retention.LOT),
        "holds": _holds(),
        "packages": ExportedPackage.objects.order_by("-recorded_at")[:SHOWN],
        "imports": ImportedPackage.objects.order_by("-recorded_at")[:SHOWN],
        "backups": Backup.objects.order_by("-finished_at")[:SHOWN],
        "drills": RestoreDrill.objects.order_by("-finished_at")[:SHOWN],
        "manages": request.user.may(Permission.MANAGE_RETENTION),
    }
    return render(request, "release/archive.html", page)


@require_GET
def imported(request: HttpRequest, package_id: UUID) -> Download:
    """The package that a lot came with, as it came: with the trail and the proofs of the log it comes from."""
    package = get_object_or_404(ImportedPackage, id=package_id)
    try:
        file = (config().data_dir / package.path).open("rb")
    except OSError as error:
        raise Http404 from error
    return Download(file, f"{package.name}.zip", "application/zip")


@require_http_methods(["GET", "POST"])
def rule(request: HttpRequest) -> HttpResponse:
    """The dialog that sets a rule."""
    if not request.user.may(Permission.MANAGE_RETENTION):
        raise request.user.why_not(Permission.MANAGE_RETENTION)
    asked = {name: request.POST.get(name, "").strip() for name in ("product", "years", "basis", "reason")}
    page: dict[str, Any] = {"products": Product.objects.order_by("code"), "asked": asked, "least": holds.LEAST_YEARS}

    def act() -> None:
        years = whole_number(asked["years"])
        retention.set_rule(request.user, asked["product"], years, asked["basis"], asked["reason"])

    return form_dialog(request, "release/rule", page, act)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def place(request: HttpRequest, lot_no: str) -> HttpResponse:
    """The signature that puts a lot on legal hold."""
    lot = lot_of(lot_no)
    if request.method == "GET" and holds.hold_on(retention.LOT, lot.id) is not None:
        raise HoldThere(record=lot.lot_no)

    def signed(given: Given) -> None:
        holds.place_hold(
            request.user,
            given.password,
            record_type=retention.LOT,
            record_id=lot.id,
            name=lot.lot_no,
            reason=given.reason,
            address=given.address,
            opened=given.opened,
        )

    act = Act(
        key="place-hold",
        record_type=holds.RECORD_TYPE,
        record_id=holds.next_hold(retention.LOT, lot.id),
        seen=content_hash({"lot": str(lot.id)}),
        permission=Permission.MANAGE_RETENTION,
        meaning=Meaning.APPROVAL,
        title=_("Place a legal hold"),
        record=lot.lot_no,
        button=_("Sign: place the hold"),
        url=reverse("release:place-hold", args=[lot.lot_no]),
        facts=[(_("Product"), lot.product.title)],
        note=_("While the hold lasts nothing of this lot is disposed of, whatever the rules say."),
    )
    return signature_dialog(request, act, signed)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def lift(request: HttpRequest, hold_id: UUID) -> HttpResponse:
    """The signature that lifts a legal hold."""
    hold = LegalHold.objects.select_related("placed").filter(id=hold_id).first()
    if hold is None or (request.method == "GET" and hold.lifted_id):
        raise HoldUnknown(record=hold.name if hold else str(hold_id))

    def signed(given: Given) -> None:
        holds.lift_hold(request.user, given.password, hold_id, given.reason, given.address, given.opened)

    act = Act(
        key="lift-hold",
        record_type=holds.RECORD_TYPE,
        record_id=hold.id,
        seen=content_hash(holds.placed_content(hold)),
        permission=Permission.MANAGE_RETENTION,
        meaning=Meaning.APPROVAL,
        title=_("Lift the legal hold"),
        record=hold.name,
        button=_("Sign: lift the hold"),
        url=reverse("release:lift-hold", args=[hold.id]),
        facts=[
            (_("Reason of the hold"), hold.reason),
            (_("Placed by"), hold.placed.signer_name if hold.placed else ""),
        ],
        note=_("From then on the retention rules alone say how long the lot is kept."),
    )
    return signature_dialog(request, act, signed)


def _holds() -> list[LegalHold]:
    """Those in force first, then those that were lifted, newest first."""
    found = LegalHold.objects.select_related("placed", "lifted").order_by("-placed__signed_at")
    return sorted(found, key=lambda hold: hold.lifted_id is not None)


def _line(kept: Sequence[retention.Kept], today: date) -> Line:
    days = [today]
    for each in kept:
        days += [day for day in (_made(each), each.by_rules) if day]
    return Line(min(days).year, max(days).year + 1)


def _bar(line: Line, kept: retention.Kept) -> Bar | None:
    made, expires = _made(kept), kept.lot.expires_on
    if made is None:
        return None
    start = line.place(made)
    if expires is None or kept.by_rules is None:
        return Bar(start, start, 100, True)
    end = 100 if kept.hold else line.place(kept.by_rules)
    return Bar(start, line.place(expires), end, kept.hold is not None)


def _made(kept: retention.Kept) -> date | None:
    return timezone.localdate(kept.lot.started_at) if kept.lot.started_at else None
