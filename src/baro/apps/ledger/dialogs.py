"""The signature dialog: what every room's act shows before it is signed, and what the server makes of the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger import accountability
from baro.apps.ledger.errors import BaroError
from baro.apps.ledger.models import Meaning, Signature
from baro.apps.ledger.services import Opened, accept_accountability, has_accepted
from baro.apps.ledger.signing import Ceremony, prove

Text = str | Promise
REASON = _("Reason")


@dataclass(frozen=True, slots=True)
class Line:
    """One record of several that are signed in one dialog, with a check box of its own. `key` names it in the form,
    `seen` is the content hash that its own signature will stand for, `address` the page on which it is read."""

    key: str
    record: Text
    seen: str
    address: str = ""
    facts: Sequence[tuple[Text, Text]] = ()
    exceptions: Sequence[Text] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act that is signed. `key` names it among the acts on a record; `seen` is the content hash on the page.

    `facts` are (label, value) of the record, `changes` what changed since the last signature, `exceptions` what
    is open. `lines`: the records, when several are signed by one proof of identity, each by a signature of its own;
    `record_id` is then that of the first and `seen` stands for the whole list.
    """

    key: str
    record_type: str
    record_id: UUID
    seen: str
    permission: str
    meaning: Meaning
    title: Text
    record: Text
    button: Text
    url: str
    facts: Sequence[tuple[Text, Text]] = ()
    changes: Sequence[Text] = ()
    exceptions: Sequence[Text] = ()
    note: Text = ""
    reason_label: Text = REASON
    lines: Sequence[Line] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """What the person gave: `opened` is the dialog as the server kept it, `read` the lines that were marked as read."""

    password: str
    reason: str
    address: str | None
    opened: Opened
    read: frozenset[str] = frozenset()


def form_dialog(request: HttpRequest, name: str, page: dict[str, Any], act: Callable[[], object]) -> HttpResponse:
    """A dialog without a signature. GET: `name`.html as a part of the page. POST: do `act`; what is refused comes back
    in `name`_form.html with the words of `page`, to which `act` may add."""
    if request.method != "POST":
        return render(request, f"{name}.html", page)
    try:
        act()
    except BaroError as error:
        return render(request, f"{name}_form.html", page | {"error": error}, status=error.status)
    return HttpResponse(status=204, headers={"HX-Refresh": "true"})


def signature_dialog(request: HttpRequest, act: Act, signed: Callable[[Given], object]) -> HttpResponse:
    """GET: the dialog as a part of the page. POST: call `signed`, which proves the identity and signs.

    Raises NotPermitted, which names who may sign instead. What is refused keeps the words in the form.
    """
    if not request.user.may(act.permission):
        raise request.user.why_not(act.permission)
    ceremony = Ceremony(request.session, request.user)
    page: dict[str, Any] = {
        "act": act,
        "asks_name": ceremony.asks_name,
        "asks_statement": not has_accepted(request.user),
        "statement": accountability.statement(),
        "at": timezone.now(),
    }
    if request.method != "POST":
        page["nonce"] = ceremony.open(act.key, act.record_type, act.record_id, act.seen, act.permission).nonce
        page["last"] = (
            Signature.objects.filter(record_type=act.record_type, record_id=act.record_id)
            .order_by("-signed_at")
            .first()
        )
        return render(request, "ledger/sign.html", page)
    read = frozenset(request.POST.getlist("read"))
    page |= {"nonce": request.POST.get("nonce", ""), "reason": request.POST.get("reason", ""), "read": read}
    try:
        opened = ceremony.take(page["nonce"], act.key, act.permission)
        password = request.POST.get("password", "")
        if page["asks_name"] and request.POST.get("name", "").strip() != request.user.username:
            password = ""  # a wrong name fails, and is recorded, as a wrong password is
        address = request.META.get("REMOTE_ADDR") or None
        if page["asks_statement"] and request.POST.get("accepted"):
            prove(request.user, password, address)
            accept_accountability(request.user, password)
        signed(Given(password, page["reason"], address, opened, read))
    except BaroError as error:
        page["asks_statement"] = not has_accepted(request.user)
        return render(request, "ledger/sign_form.html", page | {"error": error}, status=error.status)
    ceremony.done(opened)
    return HttpResponse(status=204, headers={"HX-Refresh": "true"})
