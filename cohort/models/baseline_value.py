"""What a baseline scan is worth: how many findings would be called new without it, and are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.derived import finding_taxonomy
from cohort.errors import EstimationError
from cohort.estimators.partial_identification import proportion_bounds
from cohort.estimators.proportions import proportion_limits
from cohort.format import MISSING_TEXT, interval, n_of_total, percent
from cohort.models.one_row_each import check_one_row_each
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHANGES = ("new", "worse", "pre_existing", "resolved", "no_prior")
ANY = "any_finding"


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """How the present findings of one kind stand against the baseline scan.

    Attributes
    ----------
    term : str
        The finding; ``any_finding`` counts patients with at least one.
    new, worse, pre_existing, resolved, no_prior : int
        Patients. Resolved findings were there at baseline and are not any more; the others are present.
    """

    term: str
    new: int
    worse: int
    pre_existing: int
    resolved: int
    no_prior: int

    @property
    def n(self) -> int:
        """Patients with the finding present and a baseline scan that shows whether it was there."""
        return self.new + self.worse + self.pre_existing


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BaselineValue:
    """Share of present findings that were there before the infusion.

    Attributes
    ----------
    counts : tuple of ChangeCounts
        Of patients with any finding, then by finding.
    n_imaged, n_baseline : int
        Patients imaged in the window, and of these with a baseline scan.
    conf_level : float
        Confidence level.
    """

    counts: tuple[ChangeCounts, ...]
    n_imaged: int
    n_baseline: int
    conf_level: float

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return the share of findings whose reading the baseline scan changes.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: shares are on their natural scale.

        Returns
        -------
        DataFrame
            ``term`` (finding), ``estimate`` (pre-existing among those present with a baseline scan), ``std_error``,
            ``conf_low, conf_high`` (Clopper-Pearson), ``n_event`` (pre-existing), ``n`` (present with a baseline
            scan), ``n_missing`` (present without one), ``bound_low, bound_high`` (over both), ``reason``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        return pd.DataFrame([_row(one, level) for one in self.counts])

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole.

        Returns
        -------
        DataFrame
            ``n`` (patients with a finding and a baseline scan), ``n_event`` (with a pre-existing one), ``n_missing``
            (with a finding and no baseline scan), ``method, conf_level``.
        """
        first = self.counts[0]
        return pd.DataFrame(
            {
                "n": [first.n],
                "n_event": [first.pre_existing],
                "n_missing": [first.no_prior],
                "method": ["Clopper-Pearson limits"],
                "conf_level": [self.conf_level],
            }
        )

    def table(self) -> pd.DataFrame:
        """Return patients by finding and change.

        Returns
        -------
        DataFrame
            ``term, new, worse, pre_existing, resolved, no_prior``.
        """
        return pd.DataFrame(
            [(one.term, *(getattr(one, name) for name in CHANGES)) for one in self.counts],
            columns=["term", *CHANGES],
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the share pre-existing of every finding with its limits.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.proportions import plot_proportions

        labels = {one.value: one.label for one in finding_taxonomy().findings} | {
            ANY: "Any finding (patients)"
        }
        frame = self.tidy().assign(strata="")
        level = f"{100 * self.conf_level:g}% CI"
        return plot_proportions(
            frame, ax=ax, labels=labels, conf_level=self.conf_level, xlabel=f"Pre-existing (%) with {level}"
        )

    def text(self, term: str = ANY) -> str:
        """Return the sentence fragment of one finding.

        Parameters
        ----------
        term : str, default='any_finding'
            Finding.

        Returns
        -------
        str
            For example ``3 of 12 were there before (25%; 95% CI 5.5–57.2%; 4 without a baseline scan)``.
        """
        found = [one for one in self.counts if one.term == term]
        if not found:
            raise EstimationError(
                f"{term!r} is not in this result",
                evidence=f"terms: {', '.join(one.term for one in self.counts)}",
                remedy="name one of these",
            )
        row, one = _row(found[0], self.conf_level), found[0]
        without = f"; {one.no_prior} without a baseline scan" if one.no_prior else ""
        if not one.n:
            return f"not determinable: {row['reason']}{without}"
        limits = f"{100 * self.conf_level:g}% CI {_limits(row['conf_low'], row['conf_high'])}"
        share = percent(one.pre_existing, one.n)
        return f"{one.pre_existing} of {one.n} were there before ({share}; {limits}{without})"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        frame = self.tidy()
        counts = zip(frame["n_event"].tolist(), frame["n"].tolist(), strict=True)
        limits = zip(frame["conf_low"], frame["conf_high"], strict=True)
        bounds = zip(frame["bound_low"], frame["bound_high"], strict=True)
        table = pd.DataFrame(
            {
                "finding": frame["term"].str.replace("_", " "),
                "pre-existing": [n_of_total(x, n) if n else "0/0" for x, n in counts],
                f"{100 * self.conf_level:g}% CI": [_limits(*ends) for ends in limits],
                "no baseline scan": frame["n_missing"],
                "bounds": [_limits(*ends) for ends in bounds],
            }
        )
        facts = (
            (
                "method",
                "Clopper-Pearson limits among those with a baseline scan; bounds over all with the finding",
            ),
            ("patients", f"{self.n_imaged} imaged, {self.n_baseline} of them with a baseline scan"),
            (
                "left out",
                f"{self.counts[0].no_prior} with a finding, without a baseline scan (in the bounds)",
            ),
        )
        return Summary("Share of findings that were there before the infusion", facts, table)


def baseline_value(
    data: pd.DataFrame, findings: Sequence[str] | None = None, *, conf_level: float = 0.95
) -> BaselineValue:
    """Estimate how many findings a baseline scan shows to be old: they would have been called new without it.

    A finding that is present after infusion reads as new when there is nothing to compare with. Among patients
    with a baseline scan, the share of present findings that were there before is the share of readings that the
    scan corrects. Findings that became worse were there before too, but the change is real: they are counted
    apart and not as corrected. Patients without a baseline scan (``no_prior``) widen the bounds.

    Parameters
    ----------
    data : DataFrame of shape (n_patients, n_columns)
        One row per patient, as `co.mri_findings` gives it: per finding its state and ``<finding>_change``.
    findings : sequence of str, optional
        Findings to show; by default those present in at least one patient.
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    BaselineValue
        ``tidy()``, ``glance()``, ``table()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        When no finding has its change beside it, a finding is unknown, or a patient has several rows.

    See Also
    --------
    cohort.neurotox.mri.mri_findings : How change from baseline is read.

    Notes
    -----
    ``any_finding`` counts patients: pre-existing when every finding they have (with a baseline scan) was there
    before, new or worse otherwise.

    References
    ----------
    .. [1] Clopper CJ, Pearson ES (1934). Biometrika 26:404-413.

    Examples
    --------
    >>> data = pd.DataFrame({"mri_status": "imaged", "baseline_mri": ["yes", "yes", "yes", "no"],
    ...     "flair_white_matter": "present",
    ...     "flair_white_matter_change": ["pre_existing", "pre_existing", "new", "no_prior"]})
    >>> baseline_value(data).text()
    '2 of 3 were there before (67%; 95% CI 9.4–99.2%; 1 without a baseline scan)'
    """
    level = check_conf_level(conf_level)
    check_one_row_each(data, "the value of a baseline scan")
    codes = finding_taxonomy().codes
    known = [name for name in codes if name in data.columns and f"{name}_change" in data.columns]
    absent = [name for name in findings or () if name not in known]
    if absent or not known:
        raise EstimationError(
            "a finding has no change beside it" if absent else "the frame has no findings with their change",
            evidence=", ".join(absent) or f"{data.shape[1]} columns",
            remedy="pass co.mri_findings(registry.mri_exam, registry.mri_finding), or what study.link made of it",
        )
    changes = {name: data[f"{name}_change"].astype("string") for name in findings or known}
    counted = [_count(name, change) for name, change in changes.items()]
    shown = [one for one in counted if findings is not None or one.n + one.no_prior]
    imaged = _equals(data, "mri_status", "imaged")
    return BaselineValue(
        (_any(changes), *shown),
        int(imaged.sum()),
        int((imaged & _equals(data, "baseline_mri", "yes")).sum()),
        level,
    )


def _equals(data: pd.DataFrame, column: str, value: str) -> NDArray[np.bool_]:
    if column not in data.columns:
        return np.zeros(len(data), dtype=bool)
    return np.asarray((data[column].astype("string") == value).fillna(False), dtype=bool)


def _count(term: str, change: pd.Series) -> ChangeCounts:
    return ChangeCounts(term, *(int((change == name).sum()) for name in CHANGES))


def _any(changes: dict[str, pd.Series]) -> ChangeCounts:
    """Count patients: the strongest change of any finding they have."""
    frame = pd.DataFrame(changes)
    taken = np.zeros(len(frame), dtype=bool)
    counts = []
    for name in CHANGES:  # new before worse before pre-existing, each patient once
        has = (frame == name).fillna(False).to_numpy(dtype=bool).any(axis=1) & ~taken
        counts.append(int(has.sum()))
        taken = taken | has
    return ChangeCounts(ANY, *counts)


def _row(one: ChangeCounts, level: float) -> dict[str, Any]:
    low, high = proportion_limits(one.pre_existing, one.n, "exact", level)
    bounds = proportion_bounds(one.pre_existing, one.n, 0, one.no_prior, level)
    share = one.pre_existing / one.n if one.n else np.nan
    return {
        "term": one.term,
        "estimate": share,
        "std_error": float(np.sqrt(share * (1 - share) / one.n)) if one.n else np.nan,
        "conf_low": float(low),
        "conf_high": float(high),
        "n_event": one.pre_existing,
        "n": one.n,
        "n_missing": one.no_prior,
        "bound_low": bounds.low,
        "bound_high": bounds.high,
        "reason": "" if one.n else "nobody with the finding has a baseline scan",
    }


def _limits(low: float, high: float) -> str:
    return f"{interval(100 * low, 100 * high, 1)}%" if np.isfinite(low) else MISSING_TEXT
