"""The figures of a validation report as SVG, drawn on the server."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib import font_manager, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from baro.apps.ledger.printing import font_dir

SIZE = (4.2, 3.6)
INK, MUTED, BLUE, RED = "#1f2429", "#6b7278", "#0072B2", "#b3261e"

# The drawing library keeps its settings for the whole process.
_one_at_a_time = threading.Lock()


def draw(results: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, str]:
    """SVG by name: predicted, residuals, batches, influence. results: as a run keeps them. words: of the axes.

    Equal results and words give equal bytes.
    """
    rows = [row for row in results["samples"] if row["predicted"] is not None]
    if not rows:
        return {}
    return {
        name: _svg(lambda axes, paint=paint: paint(axes, rows, results, words))  # type: ignore[misc]
        for name, paint in {
            "predicted": _predicted,
            "residuals": _residuals,
            "batches": _batches,
            "influence": _influence,
        }.items()
    }


def _svg(paint: Callable[[Axes], None]) -> str:
    settings = {
        "font.family": "NanumGothic",
        "font.size": 8,
        "axes.unicode_minus": False,
        "svg.hashsalt": "baro",
        "svg.fonttype": "path",
        "axes.edgecolor": MUTED,
        "axes.linewidth": 0.6,
    }
    with _one_at_a_time:
        for name in ("NanumGothic.ttf", "NanumGothicBold.ttf"):
            path = str(font_dir() / name)
            if all(font.fname != path for font in font_manager.fontManager.ttflist):
                font_manager.fontManager.addfont(path)
        with rc_context(settings):
            figure = Figure(figsize=SIZE, layout="constrained")
            axes = figure.add_subplot()
            axes.spines[["top", "right"]].set_visible(False)
            paint(axes)
            out = io.StringIO()
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def _columns(rows: list[dict[str, Any]]) -> tuple[Any, Any, Any]:
    reference, predicted = (np.array([row[name] for row in rows], float) for name in ("reference", "predicted"))
    return reference, predicted, np.array([row["inside"] for row in rows])


def _points(axes: Axes, x: Any, y: Any, inside: Any) -> None:
    axes.plot(x[inside], y[inside], "o", ms=3.5, mfc=BLUE, mec="white", mew=0.3)
    axes.plot(x[~inside], y[~inside], "x", ms=5, mec=RED, mew=1.2)


def _predicted(axes: Axes, rows: list[Any], results: Mapping[str, Any], words: Mapping[str, str]) -> None:
    reference, predicted, inside = _columns(rows)
    ends = np.array([min(reference.min(), predicted.min()), max(reference.max(), predicted.max())])
    ends += np.array([-0.05, 0.05]) * (np.ptp(ends) or 1.0)
    figures = results["figures"]
    axes.plot(ends, ends, "-", color=INK, lw=0.9)
    if figures.get("rmsep") is not None:
        for side in (-2.0, 2.0):
            axes.plot(ends, ends + side * figures["rmsep"], ":", color=MUTED, lw=0.9)
        axes.plot(ends, figures["intercept"] + figures["slope"] * ends, "--", color=BLUE, lw=0.8)
    _points(axes, reference, predicted, inside)
    axes.set(xlim=ends, ylim=ends, xlabel=words["reference"], ylabel=words["predicted"], aspect="equal")


def _residuals(axes: Axes, rows: list[Any], results: Mapping[str, Any], words: Mapping[str, str]) -> None:
    reference, predicted, inside = _columns(rows)
    axes.axhline(0.0, color=INK, lw=0.9)
    if results["figures"].get("bias") is not None:
        axes.axhline(results["figures"]["bias"], color=BLUE, lw=0.8, ls="--")
    _points(axes, reference, predicted - reference, inside)
    axes.set(xlabel=words["reference"], ylabel=words["error"])


def _batches(axes: Axes, rows: list[Any], results: Mapping[str, Any], words: Mapping[str, str]) -> None:
    reference, predicted, inside = _columns(rows)
    names = list(dict.fromkeys(row["batch"] for row in rows))
    at = np.array([names.index(row["batch"]) for row in rows], float)
    axes.axhline(0.0, color=INK, lw=0.9)
    _points(axes, at, predicted - reference, inside)
    step = max(1, len(names) // 12)
    axes.set_xticks(range(0, len(names), step), names[::step], rotation=60 if len(names) > 5 else 0)
    axes.set(xlabel=words["batch"], ylabel=words["error"])


def _influence(axes: Axes, rows: list[Any], results: Mapping[str, Any], words: Mapping[str, str]) -> None:
    t2, q = (np.array([row[name] for row in rows], float) / results["limits"][name] for name in ("t2", "q"))
    axes.axvline(1.0, color=MUTED, lw=0.9, ls=":")
    axes.axhline(1.0, color=MUTED, lw=0.9, ls=":")
    _points(axes, t2, q, np.array([row["inside"] for row in rows]))
    axes.set(xlabel=words["t2"], ylabel=words["q"], xlim=(0, None), ylim=(0, None))
