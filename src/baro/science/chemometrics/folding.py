"""Folds of samples that split no batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, KFold

from baro.science.errors import CalibrationDataError

FOLDS = 10
Groups = Sequence[str] | npt.NDArray[Any] | None
Fold = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


def folds(count: int, groups: Groups, seed: int, most: int = FOLDS) -> Iterator[Fold]:
    """(kept, left out) positions of up to `most` shuffled folds of `count` samples. A group is never split.

    Without groups each sample is one. Raises CalibrationDataError when there are fewer than three groups.
    """
    if groups is None:
        yield from KFold(min(most, count), shuffle=True, random_state=seed).split(np.empty(count))
        return
    known = np.unique(np.asarray(groups))
    if len(known) < 3:
        raise CalibrationDataError.because("batches_few", count=len(known))
    splitter = GroupKFold(min(most, len(known)), shuffle=True, random_state=seed)
    yield from splitter.split(np.empty(count), groups=np.asarray(groups))
