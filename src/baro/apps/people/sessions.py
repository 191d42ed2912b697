"""Sessions: how many at a time, how long, and how they end."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from baro.apps.ledger.errors import ReasonMissing
from baro.apps.ledger.services import Actor, Program, change, reading
from baro.apps.people.attempts import printable, record
from baro.apps.people.models import SessionActivity, SignIn, User, WebSession
from baro.apps.people.roles import Permission
from baro.config import config

LONGEST = timedelta(hours=12)
"""After this time everybody signs in again, however busy the session."""
NOTED_EVERY = timedelta(seconds=30)


def idle_limit() -> timedelta:
    """A session without activity ends after this time."""
    return timedelta(minutes=config().idle_minutes)


def start_session(user: User, address: str | None, browser: str) -> WebSession:
    """A new session; beyond the limit the one that was idle longest ends, on record."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"baro.login/{user.id}"])
        with change(user, "signed in"):
            open_ = list(open_sessions(user).order_by("activity__at"))
            surplus = open_[: max(0, len(open_) - config().sessions + 1)]
            session = WebSession.objects.create(
                company_id=user.company_id, user=user, address=address, browser=printable(browser)
            )
            SessionActivity.objects.create(company_id=user.company_id, session=session)
        for old in surplus:
            _end(user, old, WebSession.End.LIMIT)
    return session


def open_sessions(user: User) -> QuerySet[WebSession]:
    """The sessions of a person that still hold."""
    now = timezone.now()
    return WebSession.objects.select_related("activity").filter(
        user=user, ended_at=None, started_at__gt=now - LONGEST, activity__at__gt=now - idle_limit()
    )


def session_of(user: User, session_id: str | UUID | None) -> WebSession | None:
    """The session with this id if it is the person's and has not been ended."""
    found = WebSession.objects.select_related("activity").filter(user=user, id=session_id, ended_at=None)
    return found.first() if session_id else None


def why_over(session: WebSession) -> WebSession.End | None:
    """Has the session outlived its time?"""
    now = timezone.now()
    if session.started_at <= now - LONGEST:
        return WebSession.End.AGE
    return WebSession.End.IDLE if session.activity.at <= now - idle_limit() else None


def seconds_left(session: WebSession) -> int:
    """How long the session lasts if nobody does anything, seconds."""
    ends = min(session.activity.at + idle_limit(), session.started_at + LONGEST)
    return max(0, int((ends - timezone.now()).total_seconds()))


def note_activity(session: WebSession) -> None:
    """The person did something. Written at most twice a minute."""
    SessionActivity.objects.filter(session=session, at__lt=timezone.now() - NOTED_EVERY).update(at=timezone.now())


def end_session(actor: Actor, session: WebSession, why: WebSession.End) -> None:
    """End one session. Raises NotPermitted unless it is the actor's own or the actor manages people."""
    if session.user_id != actor.id and not actor.may(Permission.MANAGE_PEOPLE):
        raise actor.why_not(Permission.MANAGE_PEOPLE)
    _end(actor, session, why)


def end_sessions(
    actor: Actor, user: User, why: WebSession.End, keep: WebSession | None = None, reason: str | None = None
) -> int:
    """End every session of a person but `keep`. Returns how many. Raises NotPermitted as `end_session`.

    reason: what is kept as the reason; None: why it ended. Raises ReasonMissing for an empty one.
    """
    if user.id != actor.id and not actor.may(Permission.MANAGE_PEOPLE):
        raise actor.why_not(Permission.MANAGE_PEOPLE)
    if reason is not None and not reason.strip():
        raise ReasonMissing
    return close_sessions(actor, user, why, keep, reason or "")


def close_sessions(
    actor: Actor, user: User, why: WebSession.End, keep: WebSession | None = None, reason: str = ""
) -> int:
    """The same as part of another act, such as disabling the account, whose right has been judged already."""
    with reading(user.company_id):
        found = [s for s in WebSession.objects.filter(user=user, ended_at=None) if keep is None or s.id != keep.id]
    for session in found:
        _end(actor, session, why, reason)
    return len(found)


def end_by_program(program: Program, session: WebSession, why: WebSession.End) -> None:
    """End a session whose time is over, or whose account no longer holds."""
    _end(program, session, why)


def _end(actor: Actor, session: WebSession, why: WebSession.End, reason: str = "") -> None:
    with change(actor, reason or f"session ended: {why}"):
        session.ended_at, session.end = timezone.now(), why
        session.save(update_fields=["ended_at", "end"])
        user = session.user
    outcome = SignIn.Outcome.SIGNED_OUT if why == WebSession.End.SIGNED_OUT else SignIn.Outcome.ENDED
    record(user, outcome, SignIn.Purpose.SESSION, session.address, method=why)
