"""Who may do what: one table, read from top to bottom.

A permission is named after the act. Every service names the permission it needs; nothing else decides.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    OPERATOR = "operator", _("Operator")
    ANALYST = "analyst", _("QC analyst")
    PRODUCTION_HEAD = "production_head", _("Head of production")
    QUALITY_HEAD = "quality_head", _("Head of quality")
    SCIENTIST = "scientist", _("Process scientist")
    ADMINISTRATOR = "administrator", _("System administrator")


class Permission(models.TextChoices):
    VIEW = "view", _("see the plant's records")
    DECIDE_RELEASE = "decide_release", _("decide on the release of a lot")
    APPROVE_STRATEGY = "approve_strategy", _("approve a control strategy")
    APPROVE_MODEL = "approve_model", _("approve a calibration model")
    MANAGE_PEOPLE = "manage_people", _("manage users")


MAY: dict[Role, frozenset[Permission]] = {
    Role.OPERATOR: frozenset({Permission.VIEW}),
    Role.ANALYST: frozenset({Permission.VIEW}),
    Role.PRODUCTION_HEAD: frozenset({Permission.VIEW}),
    Role.QUALITY_HEAD: frozenset(
        {
            Permission.VIEW,
            Permission.DECIDE_RELEASE,
            Permission.APPROVE_STRATEGY,
            Permission.APPROVE_MODEL,
        }
    ),
    Role.SCIENTIST: frozenset({Permission.VIEW}),
    # no interest in the data: an administrator manages people and machines, not records
    Role.ADMINISTRATOR: frozenset({Permission.VIEW, Permission.MANAGE_PEOPLE}),
}


def roles_with(permission: str) -> list[Role]:
    """The roles that hold `permission`."""
    return [role for role, held in MAY.items() if permission in held]
