"""A model as an ONNX graph of float64, for systems that predict with ONNX.

The graph holds what the compiled program does, operation by operation, and the regression with T², Q and the outlier
limits. Windowed filters are sums over gathered neighbours, so a filter costs its window, not a square matrix. Baselines
by penalised least squares are found by rounds of reweighting, and have no fixed graph: such a model is refused.

An ONNX runtime adds numbers in an order of its own, so its results are near ours (tests: 1e-9 of the value), not
the same bits. The record is the artefact with its digest; the file names that digest and is a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from baro.science.chemometrics.compiling import (
    ARPLS,
    ASLS,
    BANDED,
    FILTER_INTERP,
    FILTER_NEAREST,
    GATHER,
    LOW_RANK,
    NORM,
    REGRESS,
    SNV,
)
from baro.science.chemometrics.model import Fitted, Floats
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.chemometrics.transferring import as_recipe
from baro.science.errors import ExtraMissingError, NotExportableError

OPSET, IR_VERSION = 18, 9
INPUT, OUTPUTS = "spectra", ("value", "t2", "q", "inside")
_ITERATIVE = {ASLS: "asls", ARPLS: "arpls"}


def dumps(model: Fitted, facts: Mapping[str, str]) -> bytes:
    """The ONNX file of a model.

    Input ``spectra`` (n, p) float64 on the model's axis. Outputs ``value`` in the model's unit, ``t2``, ``q`` (n,)
    float64, NaN for a spectrum that is flat or not finite, and ``inside`` (n,) bool. facts: code, version and digest
    of the model, which become metadata beside what it says of itself.
    Raises NotExportableError, which names the step; ExtraMissingError.
    """
    onnx = _onnx()
    whole = as_recipe(model)
    graph = _Graph(onnx)
    _predict(graph, whole)
    made = graph.model(whole.channels)
    onnx.helper.set_model_props(made, _metadata(whole) | {f"baro.{key}": value for key, value in facts.items()})
    made.doc_string = (
        f"{whole.name}: {whole.quantity} in {whole.unit} from {whole.channels} channels. A copy of the model with"
        " the digest in the metadata; the record is that model."
    )
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString(deterministic=True))


def _metadata(model: RecipeModel) -> dict[str, str]:
    axis = model.axis
    return {
        "baro.name": model.name,
        "baro.quantity": model.quantity,
        "baro.unit": model.unit,
        "baro.axis_digest": model.axis_digest,
        "baro.axis_unit": model.axis_unit,
        "baro.axis": f"{axis.size} channels from {axis[0]:.17g} to {axis[-1]:.17g}",
        "baro.recipe": str(model.recipe),
        "baro.t2_outlier": repr(model.limits.t2_outlier),
        "baro.q_outlier": repr(model.limits.q_outlier),
    }


class _Graph:
    """Nodes and constants of a graph that is being made. Every value has a name."""

    def __init__(self, onnx: ModuleType) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: npt.ArrayLike) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def numbers(self, value: npt.ArrayLike) -> str:
        return self.constant(np.asarray(value, dtype=np.float64))

    def __call__(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"v{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], name=f"{kind}_{name}", **attributes))
        return name

    def reduced(self, kind: str, value: str, axis: int = 1, keep: bool = True) -> str:
        return self(kind, value, self.constant(np.array([axis], np.int64)), keepdims=int(keep))

    def taken(self, value: str, positions: npt.NDArray[np.int64]) -> str:
        """Columns of (n, q)."""
        return self("Gather", value, self.constant(positions), axis=1)

    def windowed(self, value: str, positions: npt.NDArray[np.int64], weights: Floats) -> str:
        """(n, q): of each channel the sum of others at positions (q, w) with weights (q, w)."""
        return self.reduced("ReduceSum", self("Mul", self.taken(value, positions), self.numbers(weights)), 2, False)

    def model(self, channels: int) -> Any:
        helper, kinds = self.onnx.helper, self.onnx.TensorProto
        given = helper.make_tensor_value_info(INPUT, kinds.DOUBLE, ["n", channels])
        out = [
            helper.make_tensor_value_info(name, kinds.BOOL if name == "inside" else kinds.DOUBLE, ["n"])
            for name in OUTPUTS
        ]
        graph = helper.make_graph(self.nodes, "calibration", [given], out, self.constants)
        return helper.make_model(
            graph, producer_name="Baro", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
        )


def _predict(graph: _Graph, model: RecipeModel) -> None:
    sound = _sound(graph, INPUT)
    x = INPUT
    for row in model.program.layout:
        code, width, count, at, first, second = (int(one) for one in row)
        if code in _ITERATIVE:
            raise NotExportableError(
                _ITERATIVE[code], "it is found by rounds of reweighting, which ONNX has no form for"
            )
        x = _OPERATIONS[code](graph, x, model.program.numbers[at:], width, count, first, second)
    z = graph("Sub", x, graph.numbers(model.centre))
    scores = graph("MatMul", z, graph.numbers(model.rotations.T))
    value = graph("Add", graph("MatMul", scores, graph.numbers(model.y_loadings)), graph.numbers(model.y_mean))
    weighted = graph("Mul", graph("Mul", scores, scores), graph.numbers(1.0 / model.score_variance))
    t2 = graph.reduced("ReduceSum", weighted, keep=False)
    residual = graph("Sub", z, graph("MatMul", scores, graph.numbers(model.loadings)))
    q = graph.reduced("ReduceSum", graph("Mul", residual, residual), keep=False)
    sound = graph("And", sound, _finite(graph, q))
    nothing = graph.numbers(np.nan)
    for name, found in (("value", value), ("t2", t2), ("q", q)):
        graph("Where", sound, found, nothing, output=name)
    limits = graph.numbers(model.limits.t2_outlier), graph.numbers(model.limits.q_outlier)
    within = graph("And", graph("LessOrEqual", t2, limits[0]), graph("LessOrEqual", q, limits[1]))
    graph("And", sound, within, output="inside")


def _sound(graph: _Graph, x: str) -> str:
    """(n,) whether a spectrum is finite and has any variation, as the operator decides it."""
    from baro.science.chemometrics._kernels import FLATNESS  # with numba, for which no page should wait

    mean = graph.reduced("ReduceMean", x, keep=False)
    deviation = _deviation(graph, graph("Sub", x, graph.reduced("ReduceMean", x)), keep=False)
    least = graph("Mul", graph("Abs", mean), graph.numbers(FLATNESS))
    return graph("And", _finite(graph, deviation), graph("Greater", deviation, least))


def _finite(graph: _Graph, value: str) -> str:
    return graph("Not", graph("Or", graph("IsNaN", value), graph("IsInf", value)))


def _deviation(graph: _Graph, centred: str, keep: bool = True) -> str:
    return graph("Sqrt", graph.reduced("ReduceMean", graph("Mul", centred, centred), keep=keep))


Made = Callable[[_Graph, str, Floats, int, int, int, int], str]
"""From the graph, the value so far, the operation's numbers, channels in, channels out and its two whole numbers to
the value after it; see `_chain`."""


def _gather(graph: _Graph, x: str, numbers: Floats, width: int, count: int, first: int, second: int) -> str:
    return graph.taken(x, numbers[:count].astype(np.int64))


def _snv(graph: _Graph, x: str, numbers: Floats, width: int, count: int, first: int, second: int) -> str:
    centred = graph("Sub", x, graph.reduced("ReduceMean", x))
    return graph("Div", centred, _deviation(graph, centred))


def _regress(graph: _Graph, x: str, numbers: Floats, width: int, count: int, rows: int, divide: int) -> str:
    solved, design = numbers[: 2 * rows * width].reshape(2, rows, width)
    weights = graph("MatMul", x, graph.numbers(solved.T))
    taken_off = design.copy()
    if divide >= 0:
        taken_off[divide] = 0.0
    left = graph("Sub", x, graph("MatMul", weights, graph.numbers(taken_off)))
    return graph("Div", left, graph.taken(weights, np.array([divide]))) if divide >= 0 else left


def _filter_interp(graph: _Graph, x: str, numbers: Floats, width: int, count: int, window: int, second: int) -> str:
    half = window // 2
    rows = numbers[: window * (1 + 2 * half)].reshape(1 + 2 * half, window)
    starts = np.clip(np.arange(width) - half, 0, width - window)
    weights = np.tile(rows[0], (width, 1))
    weights[:half], weights[width - half :] = rows[1 : 1 + half], rows[1 + half :]
    return graph.windowed(x, starts[:, None] + np.arange(window), weights)


def _filter_nearest(graph: _Graph, x: str, numbers: Floats, width: int, count: int, window: int, second: int) -> str:
    positions = np.clip(np.arange(width)[:, None] + np.arange(window) - window // 2, 0, width - 1)
    return graph.windowed(x, positions, np.tile(numbers[:window], (width, 1)))


def _norm(graph: _Graph, x: str, numbers: Floats, width: int, count: int, norm: int, second: int) -> str:
    if norm == 1:
        return graph("Div", x, graph.reduced("ReduceSum", graph("Abs", x)))
    return graph("Div", x, graph("Sqrt", graph.reduced("ReduceSum", graph("Mul", x, x))))


def _banded(graph: _Graph, x: str, numbers: Floats, width: int, count: int, window: int, second: int) -> str:
    offset = graph.numbers(numbers[:width])
    taps = numbers[width : (1 + window) * width].reshape(window, width).T
    if window == 1:
        return graph("Add", graph("Mul", x, graph.numbers(taps[:, 0])), offset)
    wanted = np.arange(width)[:, None] + np.arange(window) - window // 2
    inside = (wanted >= 0) & (wanted < width)
    moved = graph.windowed(x, np.clip(wanted, 0, width - 1), np.where(inside, taps, 0.0))
    return graph("Add", moved, offset)


def _low_rank(graph: _Graph, x: str, numbers: Floats, width: int, count: int, rank: int, added: int) -> str:
    offset, left, right = np.split(numbers[: (1 + 2 * rank) * width], [width, (1 + rank) * width])
    weights = graph("MatMul", x, graph.numbers(left.reshape(rank, width).T))
    moved = graph("Add", graph("MatMul", weights, graph.numbers(right.reshape(rank, width))), graph.numbers(offset))
    return graph("Add", x, moved) if added == 1 else moved


_OPERATIONS: dict[int, Made] = {
    GATHER: _gather,
    SNV: _snv,
    REGRESS: _regress,
    FILTER_INTERP: _filter_interp,
    FILTER_NEAREST: _filter_nearest,
    NORM: _norm,
    BANDED: _banded,
    LOW_RANK: _low_rank,
}


def _onnx() -> ModuleType:
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise ExtraMissingError("onnx") from error
    module: ModuleType = onnx
    return module
