"""Accounts, sign-in, and the proof of identity at a signature."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.hashers import check_password, make_password
from django.db import IntegrityError, connection, transaction

from baro.apps.ledger import errors
from baro.apps.ledger.services import Actor, Program, change, reading
from baro.apps.people.attempts import USERNAME, is_locked, record, record_unknown, refuse_crowds, told_name
from baro.apps.people.errors import CodeTaken, NameInvalid, PasswordExpired, RoleUnknown, SetUpOver, TokenCannotSign
from baro.apps.people.models import Company, SignIn, Site, User
from baro.apps.people.passwords import password_state, store_password
from baro.apps.people.rights.services import first_password, set_up_role, two_hands
from baro.apps.people.roles import Permission, Role
from baro.apps.people.second import factors_of


def create_company(code: str, name_ko: str, name_en: str, *, site_ko: str = "", site_en: str = "") -> Company:
    """A company with its first site, if one is named. Done at installation, before there is anyone to permit it.

    Raises CodeTaken.
    """
    company = Company(code=code, name_ko=name_ko, name_en=name_en)
    with change(Program("baro setup", company.id), "company set up"):
        try:
            with transaction.atomic():
                company.save(force_insert=True)
        except IntegrityError as error:
            raise CodeTaken(code=code) from error
        if site_ko or site_en:
            Site.objects.create(company=company, code="main", name_ko=site_ko or site_en, name_en=site_en or site_ko)
    return company


def create_user(
    actor: Actor,
    *,
    username: str,
    password: str | None,
    full_name: str,
    full_name_en: str,
    role: Role | None = None,
    person: str = "",
    reason: str,
    temporary: bool | None = None,
) -> User:
    """A new personal account of the person with the personnel number `person`.

    The set-up gives the first accounts their role. For an administrator the account begins without any: the
    role is a change of rights, which needs a second person. No `password`: it begins with `first_password`.

    temporary: the password lasts until the first sign-in only; None: it does, unless the set-up gives it.

    Raises NotPermitted unless `actor` manages people or is the set-up; NameInvalid, PasswordRefused,
    CodeTaken, ExclusiveRoles.
    """
    by_setup = isinstance(actor, Program)
    until_first = not by_setup if temporary is None else temporary
    if not (full_name.strip() and USERNAME.fullmatch(username)):
        raise NameInvalid
    with change(actor, reason, "" if by_setup else Permission.MANAGE_PEOPLE):
        user = User(
            company_id=actor.company_id,
            username=username,
            full_name=full_name,
            full_name_en=full_name_en,
            person=person,
        )
        try:
            with transaction.atomic():
                told = first_password(user.id) if password is None else password
                store_password(user, told, temporary=until_first)
        except IntegrityError as error:
            raise CodeTaken(code=username) from error
        if role and by_setup:
            set_up_role(actor, user, role, reason)
    return user


def add_first_account(
    company: UUID, *, username: str, password: str, full_name: str, full_name_en: str, role: str, person: str = ""
) -> User:
    """An account with a role, by the supplier who sets a company up, until two people can change rights together.

    Raises SetUpOver after that, RoleUnknown, CodeTaken and ExclusiveRoles.
    """
    if role not in Role.values:
        raise RoleUnknown(role=role, roles=", ".join(Role.values))
    with reading(company):
        if two_hands():
            raise SetUpOver
    return create_user(
        Program("baro user add", company),
        username=username,
        password=password,
        full_name=full_name,
        full_name_en=full_name_en,
        role=Role(role),
        person=person,
        reason="company set up",
        temporary=True,
    )


def set_language(user: User, language: str) -> None:
    """Keep the language a person chose."""
    with change(user, "language chosen"):
        user.language = language
        user.save(update_fields=["language"])


def sign_in(username: str, password: str, address: str | None) -> User | None:
    """The user whose password this is, or None. Every attempt is recorded, of unknown names too.

    An unknown name and a wrong password get the same answer after the same work. Whoever has a second factor is
    not in yet: see `second.prove_second`. Raises Locked after five wrong passwords within fifteen minutes: the
    person has to know, so whoever locks an account is told that it exists. Raises TooManyAttempts for an address
    that tries too often, and PasswordExpired for a temporary password that has.
    """
    refuse_crowds(username, address)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, company_id FROM people_find_login(%s)", [username])
        found: tuple[UUID, UUID] | None = cursor.fetchone()
    if found is None:
        # the same work as for a known account, so that time does not tell a name from a wrong password
        make_password(password)
        record_unknown(told_name(username), SignIn.Outcome.UNKNOWN, SignIn.Purpose.SESSION, address)
        return None
    user_id, company_id = found
    with reading(company_id):
        user = User.objects.select_related("company").get(id=user_id)
    outcome = _prove(user, password, address, SignIn.Purpose.SESSION)
    return user if outcome in (SignIn.Outcome.ACCEPTED, SignIn.Outcome.FIRST_STEP) else None


def reauthenticate(user: User, password: str, address: str | None, purpose: str = SignIn.Purpose.SIGNATURE) -> None:
    """Prove at a signature, or before a change of the account, that it is the same person.

    Raises WrongPassword or Locked; both are recorded. Raises TokenCannotSign for a request by token. Call it
    before the signing transaction: a refused attempt must stay on record when that is undone.
    """
    if user.limited_to is not None:
        raise TokenCannotSign
    if _prove(user, password, address, purpose) != SignIn.Outcome.ACCEPTED:
        raise errors.WrongPassword


def _prove(user: User, password: str, address: str | None, purpose: str) -> SignIn.Outcome:
    with transaction.atomic():
        with connection.cursor() as cursor:
            # one attempt of an account after the other: the count sees only what is committed. Within a
            # request the lock lasts until that has ended
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"baro.login/{user.id}"])
        outcome = _judged(user, password, purpose)
        record(user, outcome, purpose, address, method="password")
    # after the transaction, which would take the record of the attempt with it
    if outcome == SignIn.Outcome.LOCKED:
        raise errors.Locked
    if outcome == SignIn.Outcome.EXPIRED:
        raise PasswordExpired
    return outcome


def _judged(user: User, password: str, purpose: str) -> SignIn.Outcome:
    if is_locked(user):
        return SignIn.Outcome.LOCKED
    if not check_password(password, user.password):
        return SignIn.Outcome.WRONG_PASSWORD
    if not user.is_active:
        return SignIn.Outcome.DISABLED
    state = password_state(user)
    if state.temporary and state.ended:
        return SignIn.Outcome.EXPIRED
    if purpose == SignIn.Purpose.SESSION and factors_of(user):
        return SignIn.Outcome.FIRST_STEP
    return SignIn.Outcome.ACCEPTED
