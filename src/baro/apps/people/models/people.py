"""Companies, their sites and their people. What people may do is in `rights`."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import check_password
from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.errors import NotPermitted
from baro.apps.ledger.models import Record
from baro.apps.ledger.naming import Named, in_language
from baro.apps.people.errors import OtherSite, TokenCannotSign
from baro.apps.people.rights.held import Held, UserManager, held_by
from baro.apps.people.roles import MAY, Permission, Role, roles_with
from baro.database.guards import Guard


class Company(Named):
    """A company of the installation: the unit of isolation."""

    guard = Guard(company="id")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    code = models.SlugField(_("code"), unique=True)

    def __str__(self) -> str:
        return self.title


class Site(Named, Record):
    """A licensed manufacturing site (제조소)."""

    code = models.SlugField(_("code"))
    time_zone = models.CharField(_("time zone"), max_length=64, default="Asia/Seoul")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["company", "code"], name="people_site_code")]

    def __str__(self) -> str:
        return self.title


class User(AbstractBaseUser, Record):
    """A person. Accounts are personal, never deleted and never given to another."""

    guard = Guard(hidden=("password",))

    last_login = None  # every attempt is a SignIn

    username = models.CharField(_("user name"), max_length=150, unique=True)
    full_name = models.CharField(_("name"), max_length=150)
    full_name_en = models.CharField(_("name in English"), max_length=150, blank=True)
    person = models.CharField(_("personnel number"), max_length=50, blank=True)
    language = models.CharField(_("language"), max_length=2, default="ko")
    is_active = models.BooleanField(_("active"), default=True)

    limited_to: frozenset[str] | None = None
    """The permissions of the token that this request came with; None for a person who signed in."""

    USERNAME_FIELD = "username"
    objects = UserManager()

    def __str__(self) -> str:
        return self.username

    @property
    def display_name(self) -> str:
        return f"{self.full_name} ({self.username})"

    @property
    def name(self) -> str:
        """The name in the language of the page."""
        return in_language(self.full_name, self.full_name_en or self.full_name)

    @property
    def roles(self) -> list[Role]:
        """The roles in force, the most responsible first. Looked up once: a change counts from the next request on."""
        mine = {held.role for held in self._held}
        return [role for role in Role if role in mine]

    @property
    def role(self) -> str:
        """The role as which this person signs and is shown: the first one; empty when there is none."""
        return self.roles[0].value if self.roles else ""

    def get_role_display(self) -> str:
        return ", ".join(str(role.label) for role in self.roles) or str(_("no role"))

    def may(self, permission: str, site: uuid.UUID | None = None) -> bool:
        """Does a role in force hold `permission`, at `site` if one is named?"""
        if self.limited_to is not None and permission not in self.limited_to:
            return False
        return self.is_active and any(permission in MAY[held.role] and held.at(site) for held in self._held)

    @property
    def _held(self) -> list[Held]:
        if "held" not in self.__dict__:
            self.held = held_by(self)
        return [Held(**held) for held in self.held]

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        self.__dict__.pop("held", None)
        super().refresh_from_db(*args, **kwargs)

    def check_password(self, raw_password: str) -> bool:
        """Is this the person's password? Raises TokenCannotSign: a token proves nobody's presence."""
        if self.limited_to is not None:
            raise TokenCannotSign
        # not Django's own, which would store a renewed hash past the services
        return check_password(raw_password, self.password)

    def need(self, permission: str, site: Site) -> None:
        """Raises NotPermitted without `permission`, OtherSite with it at another site only."""
        if not self.may(permission):
            raise self.why_not(permission)
        if not self.may(permission, site.id):
            raise OtherSite(
                who=self.name,
                site=site.title,
                permission=Permission(permission).label,
                roles=", ".join(str(role.label) for role in roles_with(permission)),
            )

    def why_not(self, permission: str) -> NotPermitted:
        return NotPermitted(
            who=self.name,
            permission=Permission(permission).label,
            roles=", ".join(str(role.label) for role in roles_with(permission)),
        )
