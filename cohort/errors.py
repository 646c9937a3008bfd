"""Errors of the package: what is wrong, the evidence, and the remedy in code.

Every message is built from a problem, its evidence (column names, levels, counts) and a remedy. Messages never
contain a patient's value.
"""

from __future__ import annotations


class CohortError(Exception):
    """Base of all errors that this package raises on purpose.

    Attributes
    ----------
    problem : str
        What is wrong, one sentence.
    evidence : str
        Names and counts that show it; empty when the problem says it all.
    remedy : str
        What to write instead; empty when nothing can be suggested.
    problems : tuple
        The single problems with file, line and column, when a file has several.
    """

    problems: tuple[object, ...] = ()

    def __init__(self, problem: str, *, evidence: str = "", remedy: str = "") -> None:
        self.problem = problem
        self.evidence = evidence
        self.remedy = remedy
        parts = [problem]
        if evidence:
            parts.append(f"Evidence: {evidence}")
        if remedy:
            parts.append(f"Remedy: {remedy}")
        super().__init__("\n".join(parts))


class DictionaryError(CohortError):
    """The data dictionary is missing, contradicts itself, or does not know a name."""


class SourceError(CohortError):
    """A source file is missing, unreadable, ragged, or lacks a column its mapping needs."""


class MappingError(CohortError):
    """A source mapping cannot be compiled: unknown key, target, code, unit or expression."""


class RangeError(CohortError):
    """A value is impossible in the declared unit or range."""


class StudyError(CohortError):
    """A study definition cannot be carried out as written."""


class PrivacyError(CohortError):
    """Something that names a patient was about to leave, or the key that protects it is no good."""


class EndpointError(CohortError):
    """Times, events or intervals do not make a valid endpoint."""


class EstimationError(CohortError):
    """A model cannot be estimated from these data."""


class GuardError(CohortError):
    """A known mistake of the field was about to be made.

    Attributes
    ----------
    guard : str
        Name to pass as ``acknowledge=`` when the analysis is meant as written.
    """

    guard: str = ""


class ImmortalTimeError(GuardError):
    """A value known only later would be used as if known at time zero."""

    guard = "immortal_time"


class BadControlError(GuardError):
    """A covariate meant to remove confounding is a consequence of the exposure, or opens a path of bias."""

    guard = "bad_control"


class IncorporationError(GuardError):
    """A variable is tested against a grade that contains it."""

    guard = "incorporation"


class SelectiveImagingError(GuardError):
    """A proportion or comparison treats the not-imaged as if they had been imaged."""

    guard = "selective_imaging"


class MixedScalesError(GuardError):
    """Grades of different systems are pooled without a declared crosswalk."""

    guard = "mixed_scales"


class CompetingRiskError(GuardError):
    """1 - Kaplan-Meier was asked for an endpoint that has competing events."""

    guard = "competing_risk"


class SparseDataError(GuardError, EstimationError):
    """Separation or a monotone likelihood: an empty cell leaves no finite estimate.

    Nothing can override it, because there is no number to print; the remedy is a method that has one. Few events
    per parameter are a note of the result instead.
    """

    guard = "sparse_data"


class WindowError(GuardError):
    """Maxima are compared over unequal observation windows."""

    guard = "window"


class UnitsError(GuardError):
    """A value is implausible in the unit it was declared in."""

    guard = "units"


class SmallCellError(GuardError):
    """A count under the disclosure threshold would leave the building."""

    guard = "small_cells"


class UnconfirmedRuleWarning(UserWarning):
    """A rule is used whose primary publication has not been read against this implementation."""
