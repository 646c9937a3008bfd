"""How many ICANS grades rest on imaging: the grade with and without it, patient by patient."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import binary_states
from cohort.errors import EstimationError
from cohort.estimators.partial_identification import proportion_bounds
from cohort.estimators.proportions import proportion_limits
from cohort.format import fixed, interval
from cohort.models.coding import binary_reasons
from cohort.models.design import align_columns
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SEVERE_FROM = 3
OPEN = "open"
_ENDS = ("lower", "upper")
TERMS = {
    "upgraded": "the grade is higher with imaging than without",
    "upgraded_to_severe": "imaging raises the grade to 3 or more",
}
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Change:
    """How many patients imaging moved, for one kind of move.

    Attributes
    ----------
    term : str
        Kind of move.
    n_yes, n_no, n_open : int
        Patients moved, not moved, and whose bounds allow both.
    """

    term: str
    n_yes: int
    n_no: int
    n_open: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ImagingReclassification:
    """Share of patients whose ICANS grade imaging raised.

    Attributes
    ----------
    imaged : str
        Column that says who was imaged; empty when all patients were taken.
    changes : tuple of Change
        By kind of move.
    flows : tuple of (str, str, int)
        Grade without imaging, grade with imaging (``open`` where not determined), and patients.
    conf_level : float
        Confidence level.
    left_out : tuple of (str, str, int)
        Column, reason and number of patients left out.
    """

    imaged: str
    changes: tuple[Change, ...]
    flows: tuple[tuple[str, str, int], ...]
    conf_level: float
    left_out: tuple[tuple[str, str, int], ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return the share moved, of those in whom it is known and as bounds over all.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: shares are on their natural scale.

        Returns
        -------
        DataFrame
            ``term`` (``upgraded``, ``upgraded_to_severe``), ``method`` (``known_only`` with Clopper-Pearson
            limits, ``bounds`` with Imbens-Manski limits), ``n, n_event, estimate, std_error, bound_low, bound_high,
            conf_low, conf_high, reason``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        return pd.DataFrame([row for change in self.changes for row in _rows(change, level)])

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole.

        Returns
        -------
        DataFrame
            ``n`` (patients whose move is known), ``n_event`` (upgraded), ``n_missing`` (bounds allow both),
            ``method, conf_level``.
        """
        first = self.changes[0]
        return pd.DataFrame(
            {
                "n": [first.n_yes + first.n_no],
                "n_event": [first.n_yes],
                "n_missing": [first.n_open],
                "method": ["Clopper-Pearson limits; bounds with Imbens-Manski limits"],
                "conf_level": [self.conf_level],
            }
        )

    def table(self) -> pd.DataFrame:
        """Return patients by grade without imaging (rows) and with it (columns), totals included.

        Returns
        -------
        DataFrame of shape (n_grades + 1, n_grades + 1)
            Counts; ``open`` is a grade whose bounds differ.
        """
        frame = pd.DataFrame(self.flows, columns=["without", "with", "n"])
        wide = frame.pivot_table(
            index="without",
            columns="with",
            values="n",
            aggfunc="sum",
            fill_value=0,
            margins=True,
            margins_name="total",
        )
        return wide.rename_axis(index="without imaging", columns="with imaging").astype(int)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw patients flowing from the grade without imaging to the grade with it.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.alluvial import plot_alluvial

        frame = pd.DataFrame(self.flows, columns=["without", "with", "n"])
        known = {str(grade): f"Grade {grade}" for grade in range(6)}
        return plot_alluvial(
            frame,
            stages=["without", "with"],
            titles=["Without imaging", "With imaging"],
            labels=known | {OPEN: "Not determinable"},
            ax=ax,
        )

    def text(self, term: str = "upgraded") -> str:
        """Return the sentence fragment of one share.

        Parameters
        ----------
        term : str, default='upgraded'
            ``upgraded`` or ``upgraded_to_severe``.

        Returns
        -------
        str
            For example ``3 of 40 (0.07, 95% CI 0.02–0.20)``.
        """
        frame = self.tidy()
        found = frame[(frame["term"] == term) & (frame["method"] == "known_only")]
        if found.empty:
            raise EstimationError(
                f"{term!r} is not in this result",
                evidence=f"terms: {', '.join(TERMS)}",
                remedy="name one of these",
            )
        row = found.iloc[0]
        limits = interval(row["conf_low"], row["conf_high"], 2)
        share = f"{fixed(row['estimate'], 2)}, {100 * self.conf_level:g}% CI {limits}"
        return f"{row['n_event']:.0f} of {row['n']:.0f} ({share})"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        frame = self.tidy()
        ends = zip(frame["bound_low"], frame["bound_high"], strict=True)
        limits = zip(frame["conf_low"], frame["conf_high"], strict=True)
        table = pd.DataFrame(
            {
                "share": frame["term"].str.replace("_", " "),
                "of": frame["method"].map({"known_only": "known", "bounds": "all, as bounds"}),
                "patients": [
                    f"{event:.0f}/{n:.0f}" for event, n in zip(frame["n_event"], frame["n"], strict=True)
                ],
                "estimate": [fixed(v, 2) if np.isfinite(v) else "" for v in frame["estimate"]],
                "bounds": [interval(a, b, 2) if np.isfinite(a) else "" for a, b in ends],
                f"{100 * self.conf_level:g}% CI": [interval(a, b, 2) for a, b in limits],
            }
        )
        who = f"those imaged (by {self.imaged})" if self.imaged else "all patients, imaged or not"
        facts = (
            ("method", self.glance()["method"].item()),
            ("grades open", f"{self.changes[0].n_open} (bounds allow an upgrade and none)"),
            ("left out", left_out_text(self.left_out)),
        )
        return Summary(f"ICANS grades raised by edema on imaging, among {who}", facts, table)


def _rows(change: Change, level: float) -> list[dict[str, object]]:
    """Return the share of the known, and its bounds over all."""
    n = change.n_yes + change.n_no
    low, high = proportion_limits(change.n_yes, n, "exact", level)
    bounds = proportion_bounds(change.n_yes, n, 0, change.n_open, level)
    share = change.n_yes / n if n else np.nan
    shared = {"term": change.term, "n_event": float(change.n_yes)}
    return [
        shared
        | {
            "method": "known_only",
            "n": n,
            "estimate": share,
            "std_error": float(np.sqrt(share * (1 - share) / n)) if n else np.nan,
            "bound_low": np.nan,
            "bound_high": np.nan,
            "conf_low": float(low),
            "conf_high": float(high),
            "reason": "" if n else "no patient has both grades determined",
        },
        shared
        | {
            "method": "bounds",
            "n": n + change.n_open,
            "estimate": np.nan,
            "std_error": np.nan,
            "bound_low": bounds.low,
            "bound_high": bounds.high,
            "conf_low": bounds.conf_low,
            "conf_high": bounds.conf_high,
            "reason": "only bounds are identified",
        },
    ]


def imaging_reclassification(
    data: pd.DataFrame,
    imaged: str | None = None,
    *,
    grade: str = "icans_grade",
    conf_level: float = 0.95,
) -> ImagingReclassification:
    """Estimate how many patients have a higher ICANS grade because of edema on imaging.

    The grade without imaging is the imaging-blind grade that `grade_icans` gives beside the full one. A
    patient counts as upgraded when the full grade is higher whatever the open domains hold, as not upgraded
    when it cannot be, and is open otherwise.

    Parameters
    ----------
    data : DataFrame of shape (n_patients, n_columns)
        One row per patient (or assessment) with ``<grade>_lower``, ``<grade>_upper`` and the same two with the
        suffix ``_imaging_blind``.
    imaged : str, optional
        Column of no/yes, absent/present, boolean or 0/1 that says who was imaged. Without it the share is of all
        patients: whoever was not imaged cannot be upgraded and makes it smaller.
    grade : str, default='icans_grade'
        Name of the grade.
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    ImagingReclassification
        ``tidy()``, ``glance()``, ``table()`` (grade by grade), ``plot()`` (flows) and ``text()``.

    Raises
    ------
    EstimationError
        When a column is missing, a full grade is below the imaging-blind one, or nobody is left.

    See Also
    --------
    grade_icans : Both grades and what drove them.

    Notes
    -----
    Limits are Clopper-Pearson for those in whom the move is known. That group is not a random part of all:
    the bounds beside it let every open patient be upgraded, or none (limits of Imbens and Manski).

    References
    ----------
    .. [1] Clopper CJ, Pearson ES (1934). Biometrika 26:404-413.
    .. [2] Imbens GW, Manski CF (2004). Econometrica 72:1845-1857.

    Examples
    --------
    >>> import pandas as pd
    >>> from cohort.neurotox.icans import grade_icans
    >>> clinical = {name: "no" for name in ("posturing", "abducens_palsy", "papilledema", "cushing_triad")}
    >>> rows = pd.DataFrame({"ice_score": [8, 8, 4, 10], "edema_imaging": ["focal", "none", "none", "none"],
    ...     "consciousness": "alert", "seizure": "none", "motor_deficit": "none", **clinical})
    >>> imaging_reclassification(grade_icans(rows)).text()
    '1 of 4 (0.25, 95% CI 0.01–0.81)'
    """
    names = [f"{grade}_{end}{suffix}" for suffix in ("", "_imaging_blind") for end in _ENDS]
    columns, _ = align_columns([*names, *([imaged] if imaged else [])], data, None)
    keep = np.ones(len(columns), dtype=bool)
    left_out: list[tuple[str, str, int]] = []
    if imaged:
        states = binary_states(columns[imaged])[0]
        keep &= states == 1
        unused = columns[imaged].iloc[np.flatnonzero(~keep)]
        left_out += [(imaged, reason, n) for reason, n in binary_reasons(unused).items()]
    bounds = columns[names].to_numpy(dtype=float, na_value=np.nan)
    ungraded = keep & np.isnan(bounds).any(axis=1)
    left_out += [(grade, "not graded", int(ungraded.sum()))] * bool(ungraded.any())
    keep &= ~ungraded
    low, high, blind_low, blind_high = bounds[keep].T
    _check(low, high, blind_low, blind_high, grade)
    severe_yes = (low >= SEVERE_FROM) & (blind_high < SEVERE_FROM)
    severe_no = (high < SEVERE_FROM) | (blind_low >= SEVERE_FROM)
    changes = (
        _change("upgraded", low > blind_high, high <= blind_low),
        _change("upgraded_to_severe", severe_yes, severe_no),
    )
    return ImagingReclassification(
        imaged=imaged or "",
        changes=changes,
        flows=_flows(_names(blind_low, blind_high), _names(low, high)),
        conf_level=check_conf_level(conf_level),
        left_out=tuple(left_out),
    )


def _check(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    blind_low: NDArray[np.float64],
    blind_high: NDArray[np.float64],
    grade: str,
) -> None:
    """Refuse an empty table, and grades that imaging lowers."""
    if not low.size:
        raise EstimationError(
            "no patient is left",
            evidence=f"nobody imaged has bounds of {grade}",
            remedy="grade_icans() first, and check the column given as imaged=",
        )
    lowered = int(((low < blind_low) | (high < blind_high)).sum())
    if lowered:
        raise EstimationError(
            f"{grade} is lower than its imaging-blind twin",
            evidence=f"{lowered} of {low.size} patients",
            remedy="take both from the same call of grade_icans()",
        )


def _change(term: str, yes: Flags, no: Flags) -> Change:
    return Change(term, int(yes.sum()), int((no & ~yes).sum()), int((~yes & ~no).sum()))


def _names(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.object_]:
    """Name determined grades by their number, the others open."""
    words = np.array([*(str(grade) for grade in range(6)), OPEN], dtype=object)
    return np.asarray(words[np.where(low == high, low, 6).astype(np.intp)], dtype=object)


def _flows(before: NDArray[np.object_], after: NDArray[np.object_]) -> tuple[tuple[str, str, int], ...]:
    counts = Counter(zip(before.tolist(), after.tolist(), strict=True))
    return tuple((a, b, n) for (a, b), n in sorted(counts.items()))
