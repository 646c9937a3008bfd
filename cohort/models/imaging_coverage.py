"""Who was imaged: the share by center, grade or product, and what predicts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.format import MISSING_TEXT, interval, n_of_total, percent, ratio
from cohort.models.odds_ratio import odds_ratio
from cohort.models.odds_ratio_result import OddsRatio
from cohort.models.one_row_each import check_one_row_each
from cohort.models.proportion_counts import ProportionCounts, count_columns
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text
from cohort.study.guards import resolve_facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LeftOut = tuple[tuple[str, str, int], ...]
STATUS = "mri_status"
IMAGED = "imaged"
_NAMES = {"center_id": "Center"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ImagingCoverage:
    """Shares of patients who were imaged.

    Attributes
    ----------
    by : tuple of str
        Columns of groups.
    labels : tuple of (str, str)
        Name of each column in figures.
    counts : tuple of ProportionCounts
        Of all patients, then by column and level; the term is the column.
    cells : tuple of ProportionCounts
        By level of the first column (term) and of the second (group); empty unless there are two.
    model : OddsRatio or None
        Odds of being imaged by all columns at once.
    conf_level : float
        Confidence level.
    left_out : tuple of (str, str, int)
        Patients of whom nobody knows whether they were imaged, or without a group.
    notes : tuple of str
        What a reader should be told.
    """

    by: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    counts: tuple[ProportionCounts, ...]
    cells: tuple[ProportionCounts, ...]
    model: OddsRatio | None
    conf_level: float
    left_out: LeftOut
    notes: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return the share imaged of all patients and of every group.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: shares are on their natural scale.

        Returns
        -------
        DataFrame
            ``term`` (the column, or ``all``), ``strata`` (the level), ``estimate, std_error, conf_low, conf_high``
            (Wilson), ``n_event`` (imaged), ``n`` (known whether imaged), ``n_missing`` (not known), ``reason``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        return pd.DataFrame([one.row("wilson", level) for one in self.counts])

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole.

        Returns
        -------
        DataFrame
            ``n`` (known whether imaged), ``n_event`` (imaged), ``n_missing``, ``method, conf_level``.
        """
        whole = self.counts[0]
        return pd.DataFrame(
            {
                "n": [whole.n],
                "n_event": [whole.n_event],
                "n_missing": [whole.n_missing],
                "method": ["Wilson limits"],
                "conf_level": [self.conf_level],
            }
        )

    def table(self) -> pd.DataFrame:
        """Return imaged of known patients by the first column (rows) and the second (columns).

        Returns
        -------
        DataFrame
            Cells ``n/N (%)``; ``0/0`` where there is no patient.

        Raises
        ------
        EstimationError
            When there are not two columns.
        """
        self._need_cells()
        shown = {
            (one.term, one.group): n_of_total(one.n_event, one.n) if one.n else "0/0" for one in self.cells
        }
        down, across = (list(dict.fromkeys(key[i] for key in shown)) for i in (0, 1))
        cells = [[shown[row, column] for column in across] for row in down]
        index, columns = pd.Index(down, name=self.by[0]), pd.Index(across, name=self.by[1])
        return pd.DataFrame(cells, index=index, columns=columns)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the share imaged of every group with its limits.

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

        level = f"{100 * self.conf_level:g}% CI"
        return plot_proportions(
            self.tidy(),
            ax=ax,
            labels=dict(self.labels),
            conf_level=self.conf_level,
            xlabel=f"Patients imaged (%) with {level}",
        )

    def plot_matrix(self, ax: Axes | None = None) -> Axes:
        """Draw the share imaged by the first column and the second, as by center and grade.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.

        Raises
        ------
        EstimationError
            When there are not two columns.
        """
        from cohort.plots.share_matrix import plot_share_matrix

        self._need_cells()
        frame = pd.DataFrame(
            {
                "row": [one.term for one in self.cells],
                "column": [one.group for one in self.cells],
                "n_event": [one.n_event for one in self.cells],
                "n": [one.n for one in self.cells],
            }
        )
        rows, columns = (dict(self.labels)[name] for name in self.by)
        return plot_share_matrix(frame, rows=rows, columns=columns, what="imaged", ax=ax)

    def text(self, term: str = "all") -> str:
        """Return the sentence fragment of one share.

        Parameters
        ----------
        term : str, default='all'
            ``all``, a level, or ``column[level]``.

        Returns
        -------
        str
            For example ``38 of 100 imaged (38%; 95% CI 29–48%)``.
        """
        frame = self.tidy()
        names = frame["term"] + np.where(frame["strata"] == "", "", "[" + frame["strata"] + "]")
        found = frame[(names == term) | (frame["strata"] == term)]
        if len(found) != 1:
            raise EstimationError(
                f"term {term!r} names {'no' if found.empty else 'several'} of these shares",
                evidence=f"terms: {', '.join(names)}",
                remedy="write one of these",
            )
        row = found.iloc[0]
        x, n = int(row["n_event"]), int(row["n"])
        limits = f"{100 * self.conf_level:g}% CI {_percent_limits(row['conf_low'], row['conf_high'])}"
        return f"{x} of {n} imaged ({percent(x, n)}; {limits})"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _need_cells(self) -> None:
        if len(self.by) != 2:
            raise EstimationError(
                "a matrix of who was imaged needs two columns",
                evidence=f"by={list(self.by)}",
                remedy='co.imaging_coverage(data, by=["center_id", "icans_peak_grade"])',
            )

    def _summary(self) -> Summary:
        frame = self.tidy()
        counts = zip(frame["n_event"].tolist(), frame["n"].tolist(), strict=True)
        limits = zip(frame["conf_low"].tolist(), frame["conf_high"].tolist(), strict=True)
        table = pd.DataFrame(
            {
                "of": frame["term"],
                "group": frame["strata"],
                "imaged": [n_of_total(x, n) if n else "0/0" for x, n in counts],
                f"{100 * self.conf_level:g}% CI": [_percent_limits(*ends) for ends in limits],
                "not known": frame["n_missing"],
            }
        )
        facts = (
            ("method", "Wilson limits"),
            ("model", self._model_text()),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text((), self.notes)),
        )
        by = f" by {' and '.join(self.by)}" if self.by else ""
        return Summary(f"Share of patients who were imaged{by}", facts, table)

    def _model_text(self) -> str:
        """Print the odds ratios of being imaged in one line; the first few."""
        if self.model is None:
            return ""
        frame = self.model.tidy(exponentiate=True)
        frame = frame[frame["term"] != "Intercept"]
        names = frame["term"] + np.where(frame["level"] == "", "", " " + frame["level"].astype(str))
        shown = [f"{name} {ratio(value)}" for name, value in zip(names, frame["estimate"], strict=True)]
        more = f" and {len(shown) - 4} more in .model" if len(shown) > 4 else ""
        return f"odds ratio of being imaged: {', '.join(shown[:4])}{more}"


def imaging_coverage(
    data: pd.DataFrame, by: str | Sequence[str] = (), *, model: bool = True, conf_level: float = 0.95
) -> ImagingCoverage:
    """Describe who was imaged, which decides for whom any proportion of a finding speaks.

    Patients of whom nobody knows whether they were imaged are in no denominator; they are counted beside every
    share. Read it before a finding is compared between groups: where centers image by different rules, or only
    the severe are imaged, weigh (`co.inverse_probability_weights` with ``estimand="imaged"``) or bound
    (`co.manski_bounds`).

    Parameters
    ----------
    data : DataFrame of shape (n_patients, n_columns)
        One row per patient with ``mri_status`` (imaged, not_imaged, unknown), as `co.mri_findings` gives it.
    by : str or sequence of str, default=()
        Columns of groups: center, product, imaging-blind grade. Two columns make a matrix as well.
    model : bool, default=True
        Whether to fit the odds of being imaged by all columns at once (numbers as numbers, Firth's penalty,
        because a center that images everybody separates).
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    ImagingCoverage
        ``tidy()``, ``glance()``, ``table()``, ``plot()``, ``plot_matrix()``, ``text()`` and ``.model``.

    Raises
    ------
    EstimationError
        When ``mri_status`` or a column is missing, a patient has several rows, or nobody is known to be imaged or
        not.

    See Also
    --------
    cohort.models.manski_bounds.manski_bounds : What those not imaged could change.
    cohort.models.inverse_probability_weights.inverse_probability_weights : Weights of the imaged.

    Examples
    --------
    >>> data = pd.DataFrame({"mri_status": ["imaged", "imaged", "not_imaged", "not_imaged", "unknown"],
    ...     "center_id": ["a", "a", "a", "b", "b"]})
    >>> imaging_coverage(data, by="center_id", model=False).text("a")
    '2 of 3 imaged (67%; 95% CI 20.8–93.9%)'
    """
    level = check_conf_level(conf_level)
    names = (by,) if isinstance(by, str) else tuple(by)
    if STATUS not in data.columns:
        raise EstimationError(
            "the frame does not say who was imaged",
            evidence=f"no column {STATUS}",
            remedy="merge co.mri_findings(registry.mri_exam, registry.mri_finding) or use study.link",
        )
    check_one_row_each(data, "the share imaged")
    frame = data[[name for name in names if name in data.columns]].assign(**{IMAGED: _imaged(data[STATUS])})
    whole, _, _ = count_columns([IMAGED], frame, None, None)
    counts = [_renamed(whole[0], "all")]
    unknown = whole[0].n_missing
    left_out = [(STATUS, "not known whether imaged", unknown)] * bool(unknown)
    for name in names:
        groups, gone, _ = count_columns([IMAGED], frame, name, None)
        counts += [_renamed(one, name) for one in groups]
        left_out += gone
    cells = _cells(frame, names) if len(names) == 2 else ()
    fitted, notes = _model(frame, names, level) if model and names else (None, ())
    facts = resolve_facts(names, None, data)
    labels = tuple(
        (name, (facts[name].label if name in facts else "") or _NAMES.get(name, name)) for name in names
    )
    return ImagingCoverage(names, labels, tuple(counts), cells, fitted, level, tuple(left_out), notes)


def _imaged(status: pd.Series) -> pd.Series:
    """Return whether each patient was imaged; missing where nobody knows."""
    text = status.astype("string")
    known = text.isin(["imaged", "not_imaged", "unknown"]) | text.isna()
    if not known.all():
        raise EstimationError(
            f"column {STATUS!r} holds other labels than imaged, not_imaged, unknown",
            evidence=f"{int((~known).sum())} of {len(text)} rows",
            remedy="use co.mri_findings, or recode the column",
        )
    return (text == "imaged").astype("boolean").mask((text == "unknown") | text.isna())


def _renamed(one: ProportionCounts, term: str) -> ProportionCounts:
    return ProportionCounts(term, one.group, one.n_event, one.n, one.unknown)


def _cells(frame: pd.DataFrame, names: Sequence[str]) -> tuple[ProportionCounts, ...]:
    """Count by both columns: rows are levels of the first, groups those of the second."""
    first, _, _ = count_columns([IMAGED], frame, names[0], None)
    second, _, _ = count_columns([IMAGED], frame, names[1], None)
    keys = [frame[name].astype("string") for name in names]
    found = []
    for row in first:
        for column in second:
            here = ((keys[0] == row.group) & (keys[1] == column.group)).fillna(False).to_numpy(dtype=bool)
            values = frame.loc[here, IMAGED]
            found.append(
                ProportionCounts(row.group, column.group, int(values.sum()), int(values.notna().sum()))
            )
    return tuple(found)


def _model(
    frame: pd.DataFrame, names: Sequence[str], level: float
) -> tuple[OddsRatio | None, tuple[str, ...]]:
    try:
        return odds_ratio(f"{IMAGED} ~ {' + '.join(names)}", frame, method="firth", conf_level=level), ()
    except EstimationError as error:
        return None, (f"no model of being imaged: {error.problem}",)


def _percent_limits(low: float, high: float) -> str:
    return f"{interval(100 * low, 100 * high, 1)}%" if np.isfinite(low) else MISSING_TEXT
