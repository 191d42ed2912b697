"""The map of the systems as a drawing: columns from the devices to the people, a line for each interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from baro.apps.plant.inventory.models import ComputerisedSystem, SystemInterface

Kind = ComputerisedSystem.Kind
COLUMNS = (Kind.DEVICE, Kind.COLLECTOR, Kind.STORE, Kind.APPLICATION, Kind.OUTSIDE)
BOX_W, BOX_H, GAP_X, GAP_Y, MARGIN = 168, 52, 74, 30, 12


@dataclass(frozen=True, slots=True)
class Box:
    system: ComputerisedSystem
    x: int
    y: int
    name: str


@dataclass(frozen=True, slots=True)
class Line:
    interface: SystemInterface
    path: str
    label_x: float
    label_y: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """Sizes in px of the drawing's own."""

    width: int
    height: int
    boxes: list[Box]
    lines: list[Line]


def draw(systems: Sequence[ComputerisedSystem], interfaces: Sequence[SystemInterface]) -> Drawing:
    """Every system once, in the column of its kind, centred; every interface as one curve."""
    columns = [[system for system in systems if system.kind == kind] for kind in COLUMNS]
    tallest = max((len(column) for column in columns), default=0)
    height = 2 * MARGIN + tallest * BOX_H + max(0, tallest - 1) * GAP_Y
    boxes = {}
    for i, column in enumerate(columns):
        used = len(column) * BOX_H + max(0, len(column) - 1) * GAP_Y
        for j, system in enumerate(column):
            y = (height - used) // 2 + j * (BOX_H + GAP_Y)
            boxes[system.id] = Box(system, MARGIN + i * (BOX_W + GAP_X), y, _short(system.title))
    lines = [_line(one, boxes[one.source_id], boxes[one.target_id]) for one in interfaces]
    width = 2 * MARGIN + len(COLUMNS) * BOX_W + (len(COLUMNS) - 1) * GAP_X
    return Drawing(width, height, list(boxes.values()), lines)


def _line(interface: SystemInterface, start: Box, end: Box) -> Line:
    y1, y2 = start.y + BOX_H / 2, end.y + BOX_H / 2
    if start.x == end.x:
        x, down = start.x + BOX_W / 2, y2 > y1
        y1, y2 = (start.y + BOX_H, end.y) if down else (start.y, end.y + BOX_H)
        return Line(interface, f"M{x:.0f},{y1:.0f} L{x:.0f},{y2:.0f}", x + 6, (y1 + y2) / 2)
    right = end.x > start.x
    x1, x2 = (start.x + BOX_W, end.x) if right else (start.x, end.x + BOX_W)
    bend = (x2 - x1) / 2
    path = f"M{x1:.0f},{y1:.0f} C{x1 + bend:.0f},{y1:.0f} {x2 - bend:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"
    return Line(interface, path, (x1 + x2) / 2, (y1 + y2) / 2 - 5)


def _short(text: str, most: int = 20) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
