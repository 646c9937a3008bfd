"""Pool the fits of completed data sets by Rubin's rules, with the complete cases beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cohort.errors import EstimationError
from cohort.estimators.rubin import RubinPool, d1_test, d2_test, pool_estimates, t_quantile, t_tail
from cohort.format import fixed, p_value, ratio
from cohort.models.pooled_text import complete_texts, largest, limits_text, with_labels
from cohort.models.pooling_inputs import check_rows, complete_case_rows, read_fits
from cohort.models.pooling_rows import Scale, back
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
_ENOUGH = 0.05


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pooled:
    """Estimates pooled over completed data sets.

    Attributes
    ----------
    measure : str
        Name of what is estimated.
    log_measure : bool
        Whether estimates are logarithms of a ratio.
    rows : tuple of dict
        What identifies each estimate: ``term``, ``level``, and so on.
    scale : tuple of str
        Scale on which each row was pooled: ``identity`` of the estimate as fitted, ``log``, ``logit``, ``cloglog``.
    pool : RubinPool
        Pooled estimates, variances, degrees of freedom and missing information, on the pooling scale.
    estimates : array of shape (m, p)
        Estimates of each completed data set, on the pooling scale.
    covariances : array of shape (m, p, p) or None
        Their covariances, where the results have one.
    complete_case : array of shape (p, 3) or None
        Estimate and limits of the complete cases, on the scale of ``tidy()``.
    complete_case_text : str
        Whom they are about, or why they are missing.
    conf_level : float
        Confidence level.
    n : int or None
        Rows of each fit; None when numbers were given.
    left_out : tuple of (str, str, int)
        Column, reason and number of rows left out although values were imputed.
    notes : tuple of str
        What a reader should be told.
    tested : bool
        Whether a test against 0 (of a ratio, 1) has a meaning.
    """

    measure: str
    log_measure: bool
    rows: tuple[dict[str, Any], ...]
    scale: tuple[str, ...]
    pool: RubinPool
    estimates: FloatArray
    covariances: FloatArray | None
    complete_case: FloatArray | None
    complete_case_text: str
    conf_level: float
    n: int | None
    left_out: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]
    tested: bool = True

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per estimate, with that of the complete cases beside it.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level of the pooled limits; that of the result by default. The limits of the complete
            cases keep the level of the result.
        exponentiate : bool, default=False
            Whether log ratios and their limits become ratios (the standard error stays on the log scale).

        Returns
        -------
        DataFrame
            The keys of the rows, ``estimate, std_error, statistic, df, p_value, conf_low, conf_high, fmi,
            missing_share, complete_case, complete_case_low, complete_case_high, reason``. Limits are t limits
            of the pooling scale, moved back.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        q, se = self.pool.estimate, np.sqrt(self.pool.total)
        half = t_quantile(1 - (1 - level) / 2, self.pool.df) * se
        value, slope = back(q, self.scale)
        ends = np.sort(np.stack([back(q - half, self.scale)[0], back(q + half, self.scale)[0]]), axis=0)
        complete = np.full((len(q), 3), np.nan) if self.complete_case is None else self.complete_case
        if exponentiate and self.log_measure:
            with np.errstate(over="ignore"):
                value, ends, complete = np.exp(value), np.exp(ends), np.exp(complete)
        statistic = np.where(se > 0, q / np.where(se > 0, se, 1.0), np.nan)
        tested = np.isin(np.asarray(self.scale, dtype=object), ["identity", "log"]) & self.tested
        statistic = np.where(tested, statistic, np.nan)
        frame = pd.DataFrame(list(self.rows))
        return frame.assign(
            estimate=value,
            std_error=np.abs(slope) * se,
            statistic=statistic,
            df=self.pool.df,
            p_value=t_tail(statistic, self.pool.df),
            conf_low=ends[0],
            conf_high=ends[1],
            fmi=self.pool.fmi,
            missing_share=self.pool.missing_share,
            complete_case=complete[:, 0],
            complete_case_low=complete[:, 1],
            complete_case_high=complete[:, 2],
            reason=np.where(np.isnan(q), "not estimable in every completed data set", ""),
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the pooling.

        Returns
        -------
        DataFrame
            ``n, n_imputation, n_missing, fmi`` (the largest), ``method, conf_level``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_imputation": [self.pool.m],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "fmi": [largest(self.pool.fmi)],
                "method": ["multiple imputation, Rubin's rules, degrees of freedom of Barnard and Rubin"],
                "conf_level": [self.conf_level],
            }
        )

    def test(self, *terms: str, method: Literal["D1", "D2"] = "D1") -> pd.DataFrame:
        """Test that all coefficients of some terms are 0, pooled over the completed data sets.

        Parameters
        ----------
        *terms : str
            Terms as written; all but the intercept by default.
        method : {'D1', 'D2'}, default='D1'
            ``D1`` pools estimates and covariances (Li, Raghunathan and Rubin 1991); ``D2`` pools the Wald
            chi-squared statistics of the fits and is the weaker of the two.

        Returns
        -------
        DataFrame
            ``term, statistic`` (F), ``df, df_residual, p_value, method``.

        Raises
        ------
        EstimationError
            For an unknown term, or results without a covariance of their estimates.
        """
        names = [str(row.get("term", "")) for row in self.rows]
        wanted = terms or tuple(name for name in dict.fromkeys(names) if name != "Intercept")
        unknown = [term for term in wanted if term not in names]
        if unknown or self.covariances is None:
            raise EstimationError(
                f"terms {', '.join(unknown)} are not in this result"
                if unknown
                else "these results have no covariance of their estimates",
                evidence=f"terms: {', '.join(dict.fromkeys(names))}",
                remedy="write one of these terms" if unknown else "test single rows by their p_value",
            )
        at = [k for k, name in enumerate(names) if name in wanted]
        Q, U = self.estimates[:, at], self.covariances[:, at][:, :, at]
        wald = np.einsum("mi,mij,mj->m", Q, np.linalg.inv(U), Q)
        found = d1_test(Q, U) if method == "D1" else d2_test(wald, len(at))
        return pd.DataFrame(
            {
                "term": [", ".join(wanted)],
                "statistic": [found.statistic],
                "df": [found.df],
                "df_residual": [found.df_residual],
                "p_value": [found.p_value],
                "method": [method],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw pooled estimates with those of the complete cases.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.pooled import plot_pooled

        frame = self._printed()
        is_ratio = self.log_measure or all(scale == "log" for scale in self.scale)
        return plot_pooled(
            frame, measure=self.measure, ratio=is_ratio, null=self.tested, conf_level=self.conf_level, ax=ax
        )

    def text(self, term: str) -> str:
        """Return the sentence fragment of one row.

        Parameters
        ----------
        term : str
            Term as written, ``term[level]``, or the group of a curve.

        Returns
        -------
        str
            For example ``odds ratio 2.27 (95% CI 1.59–3.26; P<0.001), pooled over 20 imputations; complete
            cases 2.10 (1.40–3.15)``.
        """
        frame = self._printed()
        own = frame["term"].astype(str) if "term" in frame else frame["label"]
        found = frame[(frame["label"] == term) | (own == term) | (frame["bracketed"] == term)]
        if len(found) != 1:
            raise EstimationError(
                f"{term!r} names {len(found)} rows of this result",
                evidence=f"rows: {', '.join(frame['label'])}",
                remedy="write one of these",
            )
        row, complete = found.iloc[0], complete_texts(found)[0]
        limits = limits_text(row["conf_low"], row["conf_high"])
        p = "" if np.isnan(row["p_value"]) else f"; P{p_value(row['p_value'])}"
        return (
            f"{self.measure} {ratio(row['estimate'])} ({self.conf_level * 100:g}% CI {limits}{p}), "
            f"pooled over {self.pool.m} imputations; complete cases {complete}"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _printed(self) -> pd.DataFrame:
        """Return rows without the intercept as they print, with a label."""
        return with_labels(self.tidy(exponentiate=True), self.measure)

    def _summary(self) -> Summary:
        frame = self._printed()
        n = "" if self.n is None else f", {self.n} rows each"
        facts = (
            ("method", "Rubin's rules, t limits with degrees of freedom of Barnard and Rubin"),
            ("imputations", f"{self.pool.m}{n}; largest fraction of missing information {self._fmi()}"),
            ("complete cases", self.complete_case_text),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text((), self.notes)),
        )
        limits = zip(frame["conf_low"], frame["conf_high"], strict=True)
        table = pd.DataFrame(
            {
                "term": frame["label"],
                self.measure: [ratio(v) for v in frame["estimate"]],
                f"{self.conf_level * 100:g}% CI": [limits_text(low, high) for low, high in limits],
                "P": [p_value(v).removeprefix("=") for v in frame["p_value"]],
                "fmi": [fixed(v, 2) for v in frame["fmi"]],
                "complete cases": complete_texts(frame),
            }
        )
        if frame["p_value"].isna().all():
            table = table.drop(columns="P")
        kind = f"{self.measure[:1].upper()}{self.measure[1:]}"
        return Summary(f"{kind} pooled over {self.pool.m} imputations", facts, table)

    def _fmi(self) -> str:
        return fixed(largest(self.pool.fmi), 2)


def pool(
    results: Any,
    df_complete: float | None = None,
    scale: Scale | None = None,
    complete_case: Any = None,
    conf_level: float = 0.95,
    *,
    times: ArrayLike | None = None,
) -> Pooled:
    """Pool the fits of several completed data sets by Rubin's rules.

    Each estimate is averaged on a scale where it is about normal: coefficients as fitted, ratios as logarithms,
    curves as complementary log-log, proportions as log odds. Limits are t limits of that scale with the degrees
    of freedom of Barnard and Rubin, moved back. The complete cases are printed beside the pooled estimates.

    Parameters
    ----------
    results : Fits, sequence of results, or tuple
        What ``imputations.fit(function)`` returns; or one result (or tidy frame with ``estimate`` and
        ``std_error``) per completed data set; or ``(estimates, std_errors, df_complete)`` with arrays of shape
        (m,) or (m, p).
    df_complete : float, optional
        Degrees of freedom if nothing were missing. By default n - p of a regression, events - p of a hazard
        regression, and infinity for curves, tables and frames.
    scale : {'identity', 'log', 'logit', 'cloglog'}, optional
        Scale for estimates that a result gives on their natural scale.
    complete_case : Result, optional
        The fit on the data as observed; ``Fits`` have it already.
    conf_level : float, default=0.95
        Confidence level.
    times : array-like, optional
        Times at which curves (Kaplan-Meier, cumulative incidence) are pooled.

    Returns
    -------
    Pooled
        Estimates with ``tidy()`` (fraction of missing information in ``fmi``), ``test()``, ``plot()`` and
        ``text()``.

    Raises
    ------
    EstimationError
        With fewer than two fits, fits with different rows, results that have no standard errors, or curves without
        ``times``.

    See Also
    --------
    cohort.models.impute.impute : Make the completed data sets.

    Notes
    -----
    Equals R ``mice::pool`` and ``mice::pool.scalar`` 3.15 to 1e-8, the accuracy of the fits
    (``tests/reference/missing_data``); D1 and D2 their defining equations. ``mitools::MIcombine`` 2.4 gives the same
    estimates and variances, and other degrees of freedom with ``df.complete``: it leaves out 1 + 1/m there.
    Limits are Wald limits on the t distribution, also where a single fit has profile or exact limits. With few
    clusters give ``df_complete``, the number of clusters less 1.

    References
    ----------
    .. [1] Rubin DB (1987). Multiple Imputation for Nonresponse in Surveys. Wiley.
    .. [2] Barnard J, Rubin DB (1999). Biometrika 86:948-955. doi:10.1093/biomet/86.4.948
    .. [3] White IR, Royston P, Wood AM (2011). Multiple imputation using chained equations. Stat Med 30:377-399.
       doi:10.1002/sim.4067

    Examples
    --------
    >>> pool(([0.9, 1.1, 1.0], [0.2, 0.2, 0.2], 50)).tidy().round(4)[["estimate", "std_error", "df", "fmi"]]
       estimate  std_error     df     fmi
    0       1.0     0.2309  16.96  0.3252
    """
    check_conf_level(conf_level)
    rows, n, left_out = read_fits(results, scale, times)
    first = rows[0]
    check_rows(rows)
    estimates = np.stack([one.estimate for one in rows])
    variances = np.stack([one.std_error for one in rows]) ** 2
    unusable = ~(np.isfinite(estimates) & np.isfinite(variances)).all(axis=0)
    estimates[:, unusable] = variances[:, unusable] = np.nan
    with_covariance = all(one.covariance is not None for one in rows)
    df = df_complete if df_complete is not None else min(one.df_complete for one in rows)
    pooled = pool_estimates(estimates, variances, df)
    complete, text = complete_case_rows(results, complete_case, first, scale, times, conf_level)
    return Pooled(
        measure=first.measure,
        log_measure=first.log_measure,
        rows=tuple({str(k): v for k, v in row.items()} for row in first.keys.to_dict("records")),
        scale=first.scale,
        pool=pooled,
        estimates=estimates,
        covariances=np.stack([np.asarray(one.covariance) for one in rows]) if with_covariance else None,
        complete_case=complete,
        complete_case_text=text,
        conf_level=conf_level,
        n=n,
        left_out=left_out,
        notes=_notes(pooled),
        tested=first.tested,
    )


def _notes(pooled: RubinPool) -> tuple[str, ...]:
    """Say when more imputations are needed: m of at least 100 times the fraction of missing information."""
    fmi = largest(pooled.fmi)
    if np.isnan(fmi) or pooled.m >= 100 * fmi or fmi < _ENOUGH:
        return ()
    return (f"few imputations for this much missing information: take m={int(np.ceil(100 * fmi))}",)
