"""Questions about the inventory of systems."""

from __future__ import annotations

from uuid import UUID

from baro.apps.plant.models import SystemEvaluation


def newest_evaluations() -> dict[UUID, SystemEvaluation]:
    """The newest evaluation of each system that has one, by the system's id."""
    return {one.system_id: one for one in SystemEvaluation.objects.select_related("signature").order_by("recorded_at")}
