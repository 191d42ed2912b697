"""What can go wrong in the science rooms. The docstring of a class is its default message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from baro.science.reasons import REASONS


class ScienceError(Exception):
    """The computation cannot be done with these data."""

    reason: str = ""
    """A word of `reasons.REASONS`, empty where nobody but a programmer meets the error."""
    facts: Mapping[str, str]

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.facts = {}

    @classmethod
    def because(cls, reason: str, **facts: object) -> Self:
        """The error for a reason of `reasons.REASONS`, with its facts as text."""
        told = {name: str(value) for name, value in facts.items()}
        error = cls(REASONS[reason] % told)
        error.reason, error.facts = reason, told
        return error


class SpectrumError(ScienceError):
    """The spectrum cannot be predicted."""


class SpectrumLengthError(SpectrumError):
    """The spectrum has another number of channels than the model."""

    def __init__(self, expected: int, found: int) -> None:
        self.expected = expected
        self.found = found
        super().__init__(f"The model has {expected} channels, the spectrum has {found}.")


class SpectrumNotFiniteError(SpectrumError):
    """The spectrum holds values that are not finite numbers."""


class FlatSpectrumError(SpectrumError):
    """The spectrum is flat: it has no variation to normalise by."""


class AxisMismatchError(SpectrumError):
    """The spectrum was taken on another spectral axis than the model's."""


class CalibrationDataError(ScienceError):
    """The calibration data do not have the shape or content that is needed."""


class TransferSpanError(CalibrationDataError):
    """The standards do not span what the calibration spans: a transfer learnt from them would spoil the rest.

    findings: what was found, as `chemometrics.findings.Finding`.
    """

    def __init__(self, findings: Sequence[Any]) -> None:
        self.findings = tuple(findings)
        super().__init__(
            "The standards do not span what the calibration spans: " + ", ".join(one.code for one in findings) + "."
        )


class RecipeError(ScienceError):
    """The recipe of a model is not of a form that can be built."""


class SearchError(ScienceError):
    """The search for a model cannot be done this way."""


class NotCompilableError(ScienceError):
    """The fitted pipeline is not of a form that can be compiled for online use."""


class ExchangeError(ScienceError):
    """A model cannot be written for another program, or that of another program not be read.

    step: the step that stands against it, or the part; why: a sentence with placeholders for `facts`.
    """

    def __init__(self, step: str, why: str, **facts: Any) -> None:
        super().__init__(f"{step}: {why % facts}.")
        self.step = step
        self.why = why
        self.facts = facts


class NotExportableError(ExchangeError):
    """The model has no form of the other kind."""


class PipelineRefusedError(ExchangeError):
    """A pipeline of another program holds what is not read here."""


class ExtraMissingError(ScienceError):
    """What reads or writes this kind of file is not installed."""

    def __init__(self, package: str) -> None:
        self.package = package
        super().__init__(f"The package {package} is not installed: pip install 'baro[interop]' brings it.")


class ArtefactDamaged(ScienceError):
    """The model artefact is not the one that was approved."""

    def __init__(self, part: str, expected: str, found: str) -> None:
        self.part = part
        self.expected = expected
        self.found = found
        super().__init__(f"The model's {part} file is damaged: expected SHA-256 {expected}, found {found}.")


class ArtefactFormatError(ScienceError):
    """The model artefact is of a format this version does not read."""


class UniformityError(ScienceError):
    """Uniformity of dosage units cannot be judged from these results."""


class NoAcceptanceCriteriaError(UniformityError):
    """There are no acceptance criteria for this number of dosage units."""


class CriterionError(ScienceError):
    """The acceptance criteria are not of a form that can be judged."""

    def __init__(self, code: str, **facts: str) -> None:
        super().__init__(f"Acceptance criteria: {code} {facts}")
        self.code = code
        self.facts = facts


class ValidationDataError(ScienceError):
    """Reference and predicted values are not of equal length and finite."""
