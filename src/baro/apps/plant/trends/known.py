"""Which series can be shown: what the plant has named, and whatever else the historian holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from baro.apps.ledger.naming import in_language
from baro.apps.plant.models import Tag
from baro.apps.plant.queries import historian
from baro.apps.plant.trends.asked import named
from baro.historian.known import Form
from baro.historian.store import TagRef


@dataclass(frozen=True, slots=True)
class Series:
    """A tag to choose. Names, unit, normal range and equipment are there when the plant has named it; `last` when
    something is stored of it. `states`: words of its numbers 0, 1, 2, ..., of a state."""

    ref: TagRef
    form: Form
    last: datetime | None
    name_ko: str = ""
    name_en: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    decimals: int | None = None
    equipment: str = ""
    equipment_ko: str = ""
    equipment_en: str = ""
    states: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """Its name in addresses."""
        return named(self.ref)

    @property
    def title(self) -> str:
        return in_language(self.name_ko, self.name_en) or self.ref.tag

    def found_by(self, words: list[str]) -> bool:
        """Whether each word is somewhere in its names."""
        text = " ".join(
            (*self.ref, self.name_ko, self.name_en, self.equipment, self.equipment_ko, self.equipment_en, self.unit)
        ).casefold()
        return all(word in text for word in words)


def all_series(company: UUID) -> dict[TagRef, Series]:
    """Every series, those that the plant has named first."""
    stored = {known.ref: known for known in historian(company).known_tags()}
    out = {}
    for tag in Tag.objects.select_related("equipment").order_by("equipment__code", "name"):
        ref = TagRef(tag.source, tag.name)
        known = stored.get(ref)
        out[ref] = Series(
            ref,
            known.form if known else "number",
            known.last if known else None,
            tag.name_ko,
            tag.name_en,
            tag.unit,
            tag.normal_low,
            tag.normal_high,
            tag.decimals,
            tag.equipment.code,
            tag.equipment.name_ko,
            tag.equipment.name_en,
            tuple(str(word) for word in tag.states),
        )
    for ref, known in stored.items():
        out.setdefault(ref, Series(ref, known.form, known.last))
    return out


def search(company: UUID, text: str, most: int) -> tuple[list[Series], int]:
    """The first `most` series whose names hold every word of `text`, and how many there are."""
    words = text.replace("\0", "").casefold().split()
    found = [series for series in all_series(company).values() if series.found_by(words)]
    return found[:most], len(found)
