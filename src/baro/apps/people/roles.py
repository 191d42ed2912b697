"""Who may do what: one table, read from top to bottom.

A person may hold several roles (`rights.models.Assignment`) and may do what any of them may. A permission is
named after the act. Every service names the permission it needs; nothing else decides. Which roles and acts
one person may not combine is in `segregation`.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """The most responsible first: a person with several roles signs as the first of them."""

    QUALITY_HEAD = "quality_head", _("Head of quality")
    PRODUCTION_HEAD = "production_head", _("Head of production")
    INTERIM_REVIEWER = "interim_reviewer", _("Interim reviewer")
    ANALYST = "analyst", _("QC analyst")
    SCIENTIST = "scientist", _("Process scientist")
    OPERATOR = "operator", _("Operator")
    ADMINISTRATOR = "administrator", _("System administrator")


class Permission(models.TextChoices):
    VIEW = "view", _("see the plant's records")
    DECIDE_RELEASE = "decide_release", _("decide on the release of a lot")
    APPROVE_STRATEGY = "approve_strategy", _("approve a control strategy")
    APPROVE_MODEL = "approve_model", _("approve a calibration model")
    DEVELOP_MODEL = "develop_model", _("develop calibration models")
    ENTER_REFERENCE = "enter_reference", _("enter results of reference methods and instrument checks")
    MANAGE_PEOPLE = "manage_people", _("manage users")
    APPROVE_RIGHTS = "approve_rights", _("approve a change of rights")
    REVIEW_AUDIT = "review_audit", _("review the audit trail")
    REVIEW_ACCESS = "review_access", _("review who has access")
    MANAGE_SYSTEMS = "manage_systems", _("keep the inventory of systems")
    MANAGE_CONNECTIONS = "manage_connections", _("connect instruments and machines")
    ANNOTATE = "annotate", _("annotate trends")
    CORRECT_CONTEXT = "correct_context", _("correct what was made where and when")
    REQUEST_COMMANDS = "request_commands", _("ask for a command to equipment")
    APPROVE_COMMANDS = "approve_commands", _("approve a command to equipment")
    EVALUATE_SYSTEMS = "evaluate_systems", _("evaluate a system")
    MANAGE_RETENTION = "manage_retention", _("set retention rules, place and lift legal holds")


MAY: dict[Role, frozenset[Permission]] = {
    Role.OPERATOR: frozenset({Permission.VIEW, Permission.ANNOTATE, Permission.REQUEST_COMMANDS}),
    Role.ANALYST: frozenset(
        {Permission.VIEW, Permission.ANNOTATE, Permission.REVIEW_AUDIT, Permission.ENTER_REFERENCE}
    ),
    # checks a result before it is judged (중간검토자), never one that is his own: see `people.segregation`
    Role.INTERIM_REVIEWER: frozenset({Permission.VIEW, Permission.ANNOTATE}),
    Role.PRODUCTION_HEAD: frozenset(
        {
            Permission.VIEW,
            Permission.ANNOTATE,
            Permission.CORRECT_CONTEXT,
            Permission.REQUEST_COMMANDS,
            Permission.APPROVE_COMMANDS,
        }
    ),
    Role.QUALITY_HEAD: frozenset(
        {
            Permission.VIEW,
            Permission.ANNOTATE,
            Permission.CORRECT_CONTEXT,
            Permission.DECIDE_RELEASE,
            Permission.APPROVE_STRATEGY,
            Permission.APPROVE_MODEL,
            Permission.REVIEW_AUDIT,
            Permission.APPROVE_RIGHTS,
            Permission.REVIEW_ACCESS,
            Permission.EVALUATE_SYSTEMS,
            Permission.MANAGE_RETENTION,
            Permission.APPROVE_COMMANDS,
        }
    ),
    Role.SCIENTIST: frozenset(
        {
            Permission.VIEW,
            Permission.ANNOTATE,
            Permission.REQUEST_COMMANDS,
            Permission.DEVELOP_MODEL,
            Permission.ENTER_REFERENCE,
        }
    ),
    # no interest in the data: an administrator manages people and machines, not records, and each change of
    # rights only together with another
    Role.ADMINISTRATOR: frozenset(
        {
            Permission.VIEW,
            Permission.MANAGE_PEOPLE,
            Permission.APPROVE_RIGHTS,
            Permission.REVIEW_ACCESS,
            Permission.MANAGE_SYSTEMS,
            Permission.MANAGE_CONNECTIONS,
        }
    ),
}


def roles_with(permission: str) -> list[Role]:
    """The roles that hold `permission`."""
    return [role for role, held in MAY.items() if permission in held]
