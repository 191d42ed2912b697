"""Products and the approval of their control strategies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import Actor, change, sign, signature_holds
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.people.segregation import Duty, check_duty
from baro.apps.quality.models import ControlStrategy, CriterionKind, Product, ReleaseCriterion


@dataclass(frozen=True, slots=True)
class CriterionDraft:
    """One criterion as it is written down; the fields are those of `ReleaseCriterion`."""

    key: str
    kind: CriterionKind
    name_ko: str
    name_en: str
    method: str
    parameters: dict[str, Any] = field(default_factory=dict)
    critical_quality_attribute: bool = False


def draft_strategy(
    actor: Actor, product: Product, model_digest: str, criteria: Sequence[CriterionDraft], reason: str
) -> ControlStrategy:
    """A new version of a product's control strategy, not yet in force."""
    with change(actor, reason):
        last = product.strategies.order_by("-version").first()
        strategy = ControlStrategy.objects.create(
            company_id=actor.company_id,
            product=product,
            version=last.version + 1 if last else 1,
            model_digest=model_digest,
            drafted_by_id=actor.id,
        )
        for position, criterion in enumerate(criteria, 1):
            ReleaseCriterion.objects.create(
                company_id=actor.company_id, strategy=strategy, position=position, **asdict(criterion)
            )
    return strategy


def approve_strategy(user: User, password: str, strategy: ControlStrategy, reason: str) -> None:
    """Put a strategy in force by signature; the one before is superseded.

    Raises NotPermitted, WrongPassword, and SameHand for whoever drafted it.
    """
    with change(user, reason, Permission.APPROVE_STRATEGY):
        check_duty(user, Duty.APPROVE, {Duty.AUTHOR: [strategy.drafted_by_id]}, Permission.APPROVE_STRATEGY)
        strategy.product.strategies.filter(status=ControlStrategy.Status.APPROVED).update(
            status=ControlStrategy.Status.SUPERSEDED
        )
        strategy.approval = sign(
            user,
            password,
            record_type="quality.ControlStrategy",
            record_id=strategy.id,
            content=strategy_content(strategy),
            meaning=Meaning.APPROVAL,
            reason=reason,
        )
        strategy.status = ControlStrategy.Status.APPROVED
        strategy.save(update_fields=["approval", "status"])


def strategy_is_approved(strategy: ControlStrategy) -> bool:
    """Does the strategy say, criterion by criterion, what the head of quality signed?

    A strategy that a newer one superseded stays good for the lots that were planned under it.
    """
    approval = strategy.approval
    return (
        approval is not None
        and approval.record_id == strategy.id
        and signature_holds(approval, strategy_content(strategy))
    )


def strategy_content(strategy: ControlStrategy) -> dict[str, Any]:
    """What an approval of a strategy stands for."""
    return {
        "product": strategy.product.code,
        "version": strategy.version,
        "model": strategy.model_digest,
        "criteria": [
            {name: getattr(c, name) for name in ("position", *CriterionDraft.__slots__)}
            for c in strategy.criteria.order_by("position")
        ],
    }
