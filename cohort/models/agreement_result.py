"""Agreement of raters as a result: table, figure and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from cohort.format import MISSING_TEXT, fixed, interval
from cohort.models.agreement_rows import AgreementRow, rows_frame
from cohort.models.result import check_conf_level, row_of_term
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Limits = Literal["analytic", "bootstrap"]
NAMES: Mapping[str, str] = {
    "cohen_kappa": "Cohen's kappa",
    "fleiss_kappa": "Fleiss' kappa",
    "krippendorff_alpha": "Krippendorff's alpha",
    "gwet_ac1": "Gwet's AC1",
    "gwet_ac2": "Gwet's AC2",
    "pabak": "Prevalence- and bias-adjusted kappa",
    "percent_agreement": "Percent agreement",
    "specific_agreement": "Specific agreement",
    "prevalence_index": "Prevalence index",
    "bias_index": "Bias index",
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Agreement:
    """Agreement of raters on categories.

    Attributes
    ----------
    raters : tuple of str
        Columns; empty where only counts per category were given.
    categories : tuple of str
        Possible categories, in order.
    weights : str
        Agreement weights of kappas and AC2, empty for none.
    level : str
        Krippendorff's level of measurement.
    limits : {'analytic', 'bootstrap'}
        Kind of limits.
    rows : tuple of AgreementRow
        The coefficients.
    pair_rows : tuple of AgreementRow
        Cohen's kappa of every two raters, where there are three to twelve.
    n : int
        Units with two ratings or more.
    n_units, n_cluster, n_boot : int
        Units in all, clusters (0 without), resamples (0 without).
    conf_level : float
        Confidence level.
    left_out : tuple of (str, str, int)
        Rows of readings without a unit or rater, and units without two ratings, by reason.
    missing : tuple of (str, str, int)
        Rater, reason and number of ratings that are missing or not known.
    notes : tuple of str
        What a reader should be told.
    """

    raters: tuple[str, ...]
    categories: tuple[str, ...]
    weights: str
    level: str
    limits: Limits
    rows: tuple[AgreementRow, ...]
    pair_rows: tuple[AgreementRow, ...]
    n: int
    n_units: int
    n_cluster: int
    n_boot: int
    conf_level: float
    left_out: tuple[tuple[str, str, int], ...]
    missing: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per coefficient.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: coefficients are on their natural scale.

        Returns
        -------
        DataFrame
            ``term, level, estimate, std_error, conf_low, conf_high, n, method, reason``. ``level`` is the
            category of ``specific_agreement``; ``method`` says how limits are computed; ``n`` counts units
            that the coefficient uses.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        return rows_frame(self.rows, level)

    def pairs(self, conf_level: float | None = None) -> pd.DataFrame:
        """Return Cohen's kappa of every two raters.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        DataFrame
            As ``tidy()``, with ``level`` the two raters; normal limits.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        rows = self.pair_rows or tuple(row for row in self.rows if row.term == "cohen_kappa")
        return rows_frame(rows, level)

    def glance(self) -> pd.DataFrame:
        """Return one row about the ratings.

        Returns
        -------
        DataFrame
            ``n`` (units with two ratings or more), ``n_missing`` (the other units), ``n_cluster, method,
            conf_level``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_missing": [self.n_units - self.n],
                "n_cluster": [self.n_cluster],
                "method": [self._method()],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the coefficients with their limits.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.coefficients import plot_coefficients

        frame = self._shown()
        return plot_coefficients(frame, xlabel="Agreement", conf_level=self.conf_level, ax=ax)

    def text(self, term: str) -> str:
        """Return the sentence fragment of one coefficient.

        Parameters
        ----------
        term : str
            Such as ``cohen_kappa`` or ``specific_agreement[present]``.

        Returns
        -------
        str
            For example ``Cohen's kappa 0.43 (95% CI 0.39–0.47; 30 units)``.
        """
        row = row_of_term(self.tidy(), term)
        name = f"{_name(row['term'])}{f' on {row.level}' if row['level'] else ''}"
        if np.isnan(row["estimate"]):
            return f"{name} not estimable with {row['n']} units ({row['reason']})"
        limits = limits_text(row["conf_low"], row["conf_high"])
        return (
            f"{name} {fixed(row['estimate'], 2)} ({100 * self.conf_level:g}% CI {limits}; {row['n']} units)"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        shown = self._shown()
        who = f"{len(self.raters)} raters" if self.raters else "unnamed raters"
        low, high = shown["conf_low"], shown["conf_high"]
        table = pd.DataFrame(
            {
                "coefficient": shown["term"],
                "estimate": [fixed(v, 2) for v in shown["estimate"]],
                f"{100 * self.conf_level:g}% CI": [limits_text(a, b) for a, b in zip(low, high, strict=True)],
                "units": [str(n) for n in shown["n"]],
            }
        )
        facts = (
            ("method", self._method()),
            (
                "units",
                f"{self.n} with two ratings or more, of {self.n_units}; categories {self._categories()}",
            ),
            ("left out", left_out_text(self.left_out, "units")),
            ("not rated", left_out_text(self.missing) if self.missing else ""),
            ("notes", notes_text((), self.notes)),
        )
        return Summary(f"Agreement of {who} on {self.n_units} units", facts, table)

    def _shown(self) -> pd.DataFrame:
        """Return printable rows: without indices, and without what was not asked for."""
        frame = self.tidy()
        frame = frame[~frame["term"].str.endswith("_index") & frame["estimate"].notna()]
        many = frame["term"].eq("specific_agreement") & (len(self.categories) > 3)
        frame = frame[~many]
        names = frame["term"].map(_name).where(frame["level"] == "", "Agreement on " + frame["level"])
        return frame.assign(term=names, level="").reset_index(drop=True)

    def _categories(self) -> str:
        shown = ", ".join(self.categories[:6])
        return shown if len(self.categories) <= 6 else f"{shown}, ... ({len(self.categories)})"

    def _method(self) -> str:
        weights = f"{self.weights} weights" if self.weights else "no weights"
        limits = f"bootstrap of {self.n_boot}" if self.n_boot else "analytic limits"
        clusters = f", {self.n_cluster} clusters" if self.n_cluster else ""
        return f"agreement, {weights}, alpha {self.level}; {limits}{clusters}"


def limits_text(low: float, high: float) -> str:
    """Print limits, or NE where there is no standard error.

    Parameters
    ----------
    low, high : float
        Limits.

    Returns
    -------
    str
        The text.
    """
    return MISSING_TEXT if np.isnan(low) or np.isnan(high) else interval(low, high)


def _name(term: str) -> str:
    return NAMES.get(term, term)
