"""Identity by spectra: data-driven SIMCA of one class, and the match with a library.

Both are scikit-learn estimators that follow preprocessing in a pipeline (`identity_pipeline`), give verdicts, are
compiled into the arithmetic of online prediction (`IdentityOperator`), and have their false accepts and false rejects
measured on whole batches that were left out (`identity_rates`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, OutlierMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from baro.science.chemometrics.folding import Groups, folds
from baro.science.chemometrics.limits import chi2_moments, chi2_robust, left_out_limit, outlier_level
from baro.science.chemometrics.model import Floats
from baro.science.chemometrics.recipe import Recipe
from baro.science.errors import CalibrationDataError

RULES = ("moments", "robust", "left_out")
MEASURES = ("correlation", "euclid")
MOST_FREEDOM = 250


@dataclass(frozen=True, slots=True)
class IdentityVerdict:
    """What one spectrum is said to be.

    identical: it is accepted. role: ``regular``, ``extreme`` or ``outlier`` of a class; ``match``, ``no match`` or
    ``ambiguous`` with a library. score and threshold: full distance and its critical value, accepted at or below; or
    the library score, accepted at or above. product: the class, or the best match; second and margin: the next best
    product and by how much it scores less, None where there is none.
    """

    identical: bool
    role: str
    score: float
    threshold: float
    product: str | None = None
    second: str | None = None
    margin: float | None = None


class DDSimca(OutlierMixin, BaseEstimator):
    """Data-driven SIMCA: does a spectrum belong to the one class that was learnt?

    PCA of the class gives a score distance h = Σ t²/λ and an orthogonal distance q, the sum of squared residuals. Both
    are taken as scaled χ², and so is the full distance f = N_h h/h₀ + N_q q/q₀ with N_h + N_q degrees of freedom
    (Pomerantsev, J. Chemom. 22 (2008) 601; Pomerantsev & Rodionova, J. Chemom. 28 (2014) 429; Rodionova, Kucheryavskiy
    & Pomerantsev, Chemom. Intell. Lab. Syst. 213 (2021) 104314).

    Parameters
    ----------
    n_components : int
        Principal components. At most n - 2 and p - 1 are used, so that something is left for q.
    alpha : float
        Share of the class's own spectra that may be refused.
    gamma : float
        Probability that any of the n training spectra is called an outlier.
    rule : {"moments", "robust", "left_out"}
        Where h₀, N_h, q₀, N_q come from: mean and variance of the training distances; their median and interquartile
        range; or the moments of the distances of spectra that were left out, whose full distances then set the limit
        (`limits.left_out_limit`) instead of χ². The first two are the published forms, and refuse too many good spectra
        when the class has few.
    random_state : int
        Of the folds of the third rule.

    Attributes
    ----------
    mean_ : ndarray of shape (p,)
    loadings_ : ndarray of shape (A, p)
    eigenvalues_ : ndarray of shape (A,)
    h_, q_ : tuple of float
        (h₀, N_h) and (q₀, N_q).
    critical_, outlier_ : float
        Full distance beyond which a spectrum is extreme, or an outlier.
    offset_ : float
        -critical_, as of scikit-learn's other detectors.
    """

    def __init__(
        self,
        n_components: int = 1,
        alpha: float = 0.05,
        gamma: float = 0.01,
        rule: str = "moments",
        random_state: int = 2002,
    ) -> None:
        self.n_components = n_components
        self.alpha = alpha
        self.gamma = gamma
        self.rule = rule
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, groups: Groups = None) -> Self:
        """Learn the class from spectra (n, p). groups: their batches, for the third rule.

        Raises CalibrationDataError for distances that set no limit, ValueError for parameters that do not exist.
        """
        if self.rule not in RULES:
            raise ValueError(f"There is no rule {self.rule!r}; there are {', '.join(RULES)}.")
        if not (0.0 < self.alpha < 1.0 and 0.0 < self.gamma < 1.0):
            raise ValueError("alpha and gamma have to lie between 0 and 1.")
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=4, ensure_min_features=2)
        n = len(X)
        self._decompose(X)
        if self.rule == "left_out":
            h, q = np.empty(n), np.empty(n)
            for kept, left in folds(n, groups, self.random_state):
                one = clone(self).set_params(rule="moments")
                one._decompose(X[kept])
                h[left], q[left] = one._measure(X[left])
        else:
            h, q = self._measure(X)
        estimate = chi2_robust if self.rule == "robust" else chi2_moments
        self.h_, self.q_ = (_whole(*estimate(distances)) for distances in (h, q))
        freedom = self.h_[1] + self.q_[1]
        level = outlier_level(n, self.gamma)
        if self.rule == "left_out":
            full = self._full(h, q)
            self.critical_, self.outlier_ = left_out_limit(full, self.alpha), left_out_limit(full, level)
        else:
            self.critical_, self.outlier_ = (float(stats.chi2.ppf(1.0 - a, freedom)) for a in (self.alpha, level))
        self.offset_ = -self.critical_
        return self

    def _decompose(self, X: Floats) -> None:
        count = max(1, min(self.n_components, len(X) - 2, X.shape[1] - 1))
        self.mean_ = np.mean(X, axis=0)
        _, sizes, loadings = np.linalg.svd(X - self.mean_, full_matrices=False)
        eigenvalues = sizes[:count] ** 2 / (len(X) - 1)
        if not eigenvalues[-1] > 1e-24 * max(float(np.sum(X[0] ** 2)), 1e-300):
            raise CalibrationDataError(f"The spectra of the class do not vary in {count} directions.")
        self.loadings_, self.eigenvalues_ = loadings[:count], eigenvalues

    def _measure(self, X: Floats) -> tuple[Floats, Floats]:
        centred = X - self.mean_
        scores = centred @ self.loadings_.T
        residual = centred - scores @ self.loadings_
        return np.sum(scores**2 / self.eigenvalues_, axis=1), np.sum(residual**2, axis=1)

    def _full(self, h: Floats, q: Floats) -> Floats:
        return self.h_[1] / self.h_[0] * h + self.q_[1] / self.q_[0] * q

    def distances(self, X: Any) -> tuple[Floats, Floats]:
        """Score distance h and orthogonal distance q (n,) of spectra (n, p)."""
        check_is_fitted(self)
        return self._measure(validate_data(self, X, dtype=np.float64, reset=False))

    def full_distance(self, X: Any) -> Floats:
        """f (n,) of spectra (n, p)."""
        return self._full(*self.distances(X))

    def score_samples(self, X: Any) -> Floats:
        """-f (n,): the greater, the more like the class."""
        return -self.full_distance(X)

    def decision_function(self, X: Any) -> Floats:
        """critical_ - f (n,): accepted where it is not negative."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> npt.NDArray[np.int64]:
        """1 where a spectrum is accepted as one of the class, else -1 (n,)."""
        return np.where(self.decision_function(X) >= 0.0, 1, -1)

    def roles(self, X: Any) -> npt.NDArray[np.str_]:
        """``regular``, ``extreme`` or ``outlier`` (n,)."""
        full = self.full_distance(X)
        return np.where(full <= self.critical_, "regular", np.where(full <= self.outlier_, "extreme", "outlier"))

    def verdicts(self, X: Any, product: str | None = None) -> list[IdentityVerdict]:
        """One for each spectrum of (n, p). product: the name of the class."""
        return [self.verdict(float(full), product) for full in self.full_distance(X)]

    def verdict(self, full: float, product: str | None = None) -> IdentityVerdict:
        """Of a full distance."""
        role = "regular" if full <= self.critical_ else "extreme" if full <= self.outlier_ else "outlier"
        return IdentityVerdict(role == "regular", role, full, self.critical_, product)


class SpectralMatch(ClassifierMixin, BaseEstimator):
    """The product of a library whose mean spectrum is most like a spectrum, if it is like enough and clearly the best.

    Derivative and scatter correction come before it in the pipeline.

    Parameters
    ----------
    measure : {"correlation", "euclid"}
        Pearson correlation over the channels (not moved by offset and scale), or 1 - ‖x - l‖ / ‖l‖.
    threshold : float
        Least score that is accepted.
    margin : float
        Least lead over the second best product.

    Attributes
    ----------
    classes_ : ndarray of shape (m,)
    library_ : ndarray of shape (m, p)
        Mean spectra; with correlation, centred and of length 1.
    """

    def __init__(self, measure: str = "correlation", threshold: float = 0.95, margin: float = 0.0) -> None:
        self.measure = measure
        self.threshold = threshold
        self.margin = margin

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # two or three channels, as scikit-learn's checks have, correlate by chance
        tags.classifier_tags.poor_score = True
        return tags

    def fit(self, X: Any, y: Any) -> Self:
        """Spectra (n, p), products (n,). Raises ValueError for a measure that does not exist."""
        if self.measure not in MEASURES:
            raise ValueError(f"There is no measure {self.measure!r}; there are {', '.join(MEASURES)}.")
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        means = np.stack([np.mean(X[y == product], axis=0) for product in self.classes_])
        self.library_ = _unit(means) if self.measure == "correlation" else means
        return self

    def scores(self, X: Any) -> Floats:
        """(n, m) of spectra (n, p) against each product."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        if self.measure == "correlation":
            return cast(Floats, _unit(X) @ self.library_.T)
        away = np.stack([np.sqrt(np.sum((X - row) ** 2, axis=1)) for row in self.library_], axis=1)
        return cast(Floats, 1.0 - away / np.maximum(np.linalg.norm(self.library_, axis=1), 1e-300))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The best match (n,), accepted or not."""
        best = np.argmax(self.scores(X), axis=1)
        return cast(npt.NDArray[Any], self.classes_[best])

    def verdicts(self, X: Any) -> list[IdentityVerdict]:
        """One for each spectrum of (n, p)."""
        return [self.verdict(row) for row in self.scores(X)]

    def verdict(self, scores: Floats) -> IdentityVerdict:
        """Of the scores (m,) of one spectrum."""
        order = np.argsort(-scores, kind="stable")
        best = float(scores[order[0]])
        second, margin = None, None
        if len(order) > 1:
            second, margin = str(self.classes_[order[1]]), best - float(scores[order[1]])
        enough = best >= self.threshold
        clear = margin is None or margin >= self.margin
        role = "match" if enough and clear else "ambiguous" if enough else "no match"
        return IdentityVerdict(
            role == "match", role, best, self.threshold, str(self.classes_[order[0]]), second, margin
        )


@dataclass(frozen=True, slots=True)
class IdentityRates:
    """How often a method errs, counted on spectra whose batch it did not know.

    rejected of members: own spectra refused (or, with a library, taken for another product). accepted of strangers:
    spectra of other products that were accepted.
    """

    rejected: int
    members: int
    accepted: int
    strangers: int

    @property
    def false_reject(self) -> float:
        return self.rejected / self.members if self.members else float("nan")

    @property
    def false_accept(self) -> float:
        return self.accepted / self.strangers if self.strangers else float("nan")

    def interval(self, which: str, confidence: float = 0.95) -> tuple[float, float]:
        """Bounds of ``false_reject`` or ``false_accept``, exact for independent spectra (Clopper & Pearson 1934)."""
        count, of = (self.rejected, self.members) if which == "false_reject" else (self.accepted, self.strangers)
        if not of:
            return 0.0, 1.0
        found = stats.binomtest(count, of).proportion_ci(confidence, method="exact")
        return float(found.low), float(found.high)


def identity_pipeline(
    steps: Iterable[Mapping[str, Any]], axis: npt.ArrayLike, estimator: DDSimca | SpectralMatch
) -> Pipeline:
    """Preprocessing steps of a recipe, and `estimator` after them, unfitted. Raises RecipeError."""
    before = Recipe.parse([*steps, {"step": "pls", "components": 1}]).pipeline(axis).steps[:-1]
    return Pipeline([*before, ("identity", clone(estimator))])


def identity_rates(
    pipeline: Pipeline,
    spectra: npt.ArrayLike,
    products: Sequence[str],
    groups: Groups,
    product: str | None = None,
    seed: int = 2002,
) -> IdentityRates:
    """False rejects and false accepts of a pipeline that ends with `DDSimca` or `SpectralMatch`, by whole batches.

    spectra: (n, p), products and groups (n). product: the class of `DDSimca`; its batches are left out in turn, and
    the other products, which no model has seen, are judged by the model of all its spectra. With `SpectralMatch`, each
    batch is judged by a library without it, and each product by a library that does not hold the product at all.
    Raises CalibrationDataError with fewer than three batches.
    """
    x, names = np.asarray(spectra, dtype=np.float64), np.asarray(products)
    batches = np.arange(len(x)) if groups is None else np.asarray(groups)
    if isinstance(pipeline[-1], DDSimca):
        if product is None or not np.any(names == product):
            raise CalibrationDataError("The class needs a product that is among the spectra.")
        return _class_rates(pipeline, x[names == product], batches[names == product], x[names != product], seed)
    rejected = accepted = 0
    for kept, left in folds(len(x), batches, seed):
        model = clone(pipeline).fit(x[kept], names[kept])
        for verdict, name in zip(_library_verdicts(model, x[left]), names[left], strict=True):
            rejected += not (verdict.identical and verdict.product == str(name))
    for name in np.unique(names):
        if np.all(names == name):
            continue
        model = clone(pipeline).fit(x[names != name], names[names != name])
        accepted += sum(verdict.identical for verdict in _library_verdicts(model, x[names == name]))
    return IdentityRates(rejected, len(x), accepted, len(x) if len(np.unique(names)) > 1 else 0)


def _class_rates(pipeline: Pipeline, own: Floats, batches: npt.NDArray[Any], other: Floats, seed: int) -> IdentityRates:
    def learnt(rows: Any) -> Pipeline:
        told = {"identity__groups": batches[rows]} if pipeline[-1].rule == "left_out" else {}
        return clone(pipeline).fit(own[rows], **told)

    rejected = 0
    for kept, left in folds(len(own), batches, seed):
        rejected += int(np.sum(learnt(kept).predict(own[left]) < 0))
    accepted = int(np.sum(learnt(slice(None)).predict(other) > 0)) if len(other) else 0
    return IdentityRates(rejected, len(own), accepted, len(other))


def _library_verdicts(model: Pipeline, spectra: Floats) -> list[IdentityVerdict]:
    ready = model[:-1].transform(spectra) if len(model) > 1 else spectra
    return cast(list[IdentityVerdict], model[-1].verdicts(ready))


def _whole(mean: float, freedom: float) -> tuple[float, float]:
    """Degrees of freedom as a whole number, as the method has it."""
    return mean, float(min(max(np.round(freedom), 1.0), MOST_FREEDOM))


def _unit(rows: Floats) -> Floats:
    centred = rows - np.mean(rows, axis=1, keepdims=True)
    return cast(Floats, centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-300))
