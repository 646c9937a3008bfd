"""Two-stage pooling of registries that may not share rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.meta_analysis import (
    PooledEstimate,
    SmallSample,
    TauMethod,
    fixed_effect,
    heterogeneity,
    peto_log_odds_ratio,
    pool_vectors,
    random_effects,
)
from cohort.format import fixed, interval, p_value, ratio
from cohort.models.registry_estimates import (
    coefficient_estimates,
    forest_frame,
    named,
    not_pooled,
    table_estimates,
)
from cohort.models.registry_files import common_terms, read_registries
from cohort.models.result import check_conf_level, row_of_term, wald
from cohort.models.summary import Summary, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
_MEASURES = {
    "odds_ratio": "odds ratio",
    "two_by_two": "odds ratio",
    "hazard_ratio": "hazard ratio",
    "subdistribution_hazard_ratio": "subdistribution hazard ratio",
}
_TAU = {"reml": "REML", "dl": "DerSimonian-Laird", "pm": "Paule-Mandel"}
_SMALL = {
    "truncated": "Hartung-Knapp limits, never narrower than without",
    "hartung_knapp": "Hartung-Knapp limits",
    "none": "normal limits",
}
_COLUMNS = [
    "term",
    "level",
    "method",
    "estimate",
    "std_error",
    "statistic",
    "df",
    "p_value",
    "conf_low",
    "conf_high",
    "prediction_low",
    "prediction_high",
    "n",
    "reason",
]
FEW = 5


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PooledRegistries:
    """Log ratios of several registries, pooled in two stages.

    Attributes
    ----------
    name : str
        Name of the result.
    measure : str
        The ratio.
    question : str
        Formula, or exposure and outcome.
    sites : tuple of str
        Registries.
    terms : tuple of (str, str)
        Term and level of each coefficient.
    estimates, variances : array of shape (k, p)
        Log ratios by registry and coefficient, with their variances; NaN where a registry has none.
    covariances : tuple of array
        Covariance of each registry's coefficients; empty when they were not all exported.
    tables : array of shape (k, 2, 2) or None
        Cells of two-by-two tables.
    n : array of shape (k,)
        Patients of each registry.
    tau : str
        Estimator of the variance between registries.
    small_sample : str
        Kind of random-effects limits.
    conf_level : float
        Confidence level.
    left_out : tuple of (str, str)
        Registry, and what of it is not pooled and why.
    notes : tuple of str
        What a reader should be told.
    """

    name: str
    measure: str
    question: str
    sites: tuple[str, ...]
    terms: tuple[tuple[str, str], ...]
    estimates: FloatArray
    variances: FloatArray
    covariances: tuple[FloatArray, ...]
    tables: FloatArray | None
    n: FloatArray
    tau: TauMethod
    small_sample: SmallSample
    conf_level: float
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per coefficient and method.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level of limits and prediction; that of the result by default.
        exponentiate : bool, default=False
            Whether estimates, limits and predictions are ratios instead of their logarithms.

        Returns
        -------
        DataFrame
            ``term, level, method, estimate, std_error, statistic, df, p_value, conf_low, conf_high, prediction_low,
            prediction_high, n, reason``. Methods ``fixed`` (inverse variance), ``random``, ``multivariate`` (fixed
            effect of all coefficients together, where covariances were exported), ``peto`` (two-by-two tables).
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        rows = [row for j in range(len(self.terms)) for row in self._rows(j, level)]
        frame = pd.DataFrame(rows, columns=_COLUMNS)
        if exponentiate:
            scaled = ["estimate", "conf_low", "conf_high", "prediction_low", "prediction_high"]
            frame[scaled] = np.exp(frame[scaled])
        return frame

    def heterogeneity(self, conf_level: float | None = None) -> pd.DataFrame:
        """Return how much registries differ beyond chance.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level of the limits of tau squared.

        Returns
        -------
        DataFrame
            ``term, level, n_registries, statistic`` (Cochran's Q), ``df, p_value, i_squared, tau_squared, conf_low,
            conf_high`` (of tau squared, by the Q profile).
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        rows = []
        for j, (term, category) in enumerate(self.terms):
            y, v, _ = self._usable(j)
            if len(y) > 1:
                h = heterogeneity(y, v, self.tau, level)
                values = (h.statistic, h.df, h.p_value, h.i_squared, h.tau_squared, h.conf_low, h.conf_high)
            else:
                values = (math.nan,) * 7
            rows.append((term, category, len(y), *values))
        names = ["statistic", "df", "p_value", "i_squared", "tau_squared", "conf_low", "conf_high"]
        return pd.DataFrame(rows, columns=["term", "level", "n_registries", *names])

    def by_registry(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return the estimates that were pooled, with their weights.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level of the limits (Wald).
        exponentiate : bool, default=False
            Whether estimates and limits are ratios.

        Returns
        -------
        DataFrame
            ``term, level, strata`` (the registry), ``estimate, std_error, conf_low, conf_high, n, weight_fixed,
            weight_random, reason``; weights are shares.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        blocks = []
        for j, (term, category) in enumerate(self.terms):
            y, v, used = self._usable(j)
            weights = np.full((2, len(self.sites)), np.nan)
            if len(y) > 1:
                weights[0, used] = fixed_effect(y, v).weights
                weights[1, used] = random_effects(y, v, self.tau, self.small_sample).weights
            se = np.sqrt(self.variances[:, j])
            low, high = wald(self.estimates[:, j], se, level)[:2]
            values = [np.exp(a) if exponentiate else a for a in (self.estimates[:, j], low, high)]
            columns = {"term": term, "level": category, "strata": list(self.sites), "estimate": values[0]}
            columns |= {"std_error": se, "conf_low": values[1], "conf_high": values[2], "n": self.n}
            columns |= {"weight_fixed": weights[0], "weight_random": weights[1]}
            columns["reason"] = np.where(used, "", "no estimate exported, or a zero cell")
            blocks.append(pd.DataFrame(columns))
        return pd.concat(blocks, ignore_index=True)

    def leave_one_out(self, exponentiate: bool = False) -> pd.DataFrame:
        """Pool again without each registry.

        Parameters
        ----------
        exponentiate : bool, default=False
            Whether estimates and limits are ratios.

        Returns
        -------
        DataFrame
            ``term, level, strata`` (the registry left out), ``method, estimate, std_error, conf_low, conf_high,
            reason``; with two registries nothing is left to pool.
        """
        rows = []
        for j, (term, category) in enumerate(self.terms):
            y, v, used = self._usable(j)
            for i, site in enumerate(np.flatnonzero(used).tolist()):
                rest, spread = np.delete(y, i), np.delete(v, i)
                for method in ("fixed", "random"):
                    base = (term, category, self.sites[site], method)
                    if len(rest) < 2:
                        rows.append((*base, *(math.nan,) * 4, "one registry is left"))
                        continue
                    p = self._pool(rest, spread, method, self.conf_level)
                    rows.append((*base, p.estimate, p.std_error, p.conf_low, p.conf_high, ""))
        columns = [
            "term",
            "level",
            "strata",
            "method",
            "estimate",
            "std_error",
            "conf_low",
            "conf_high",
            "reason",
        ]
        frame = pd.DataFrame(rows, columns=columns)
        if exponentiate:
            frame[["estimate", "conf_low", "conf_high"]] = np.exp(
                frame[["estimate", "conf_low", "conf_high"]]
            )
        return frame

    def glance(self) -> pd.DataFrame:
        """Return one row about the pooling.

        Returns
        -------
        DataFrame
            ``n`` (patients), ``n_cluster`` (registries), ``n_missing`` (registries, or coefficients of them, left
            out), ``method, conf_level``.
        """
        return pd.DataFrame(
            {
                "n": [int(np.nansum(self.n))],
                "n_cluster": [len(self.sites)],
                "n_missing": [len(self.left_out)],
                "method": [self._method()],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None, term: str | None = None) -> Axes:
        """Draw the forest of one coefficient by registry, with weights and the pooled estimates.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.
        term : str, optional
            Term, or ``term[level]``; the first by default.

        Returns
        -------
        Axes
            The axes. The last row holds the limits for a new registry, where there are three or more.
        """
        from cohort.plots.forest import plot_forest

        j = 0 if term is None else self._position(term)
        pair = self.terms[j]
        own = self.by_registry(exponentiate=True)
        own = own[(own["term"] == pair[0]) & (own["level"] == pair[1])]
        pooled = self.tidy(exponentiate=True)
        pooled = pooled[(pooled["term"] == pair[0]) & (pooled["level"] == pair[1])]
        table = forest_frame(own, pooled)
        measure = self.measure.capitalize()
        labels = {name: name for name in table["term"]}
        return plot_forest(table, measure=measure, ax=ax, labels=labels, conf_level=self.conf_level)

    def text(self, term: str) -> str:
        """Return the sentence fragment of one coefficient, by random effects.

        Parameters
        ----------
        term : str
            Term as written, or ``term[level]``.

        Returns
        -------
        str
            For example ``odds ratio 1.60 (95% CI 1.10–2.33; P=0.03; I² 12%, 3 registries)``.
        """
        j = self._position(term)
        frame = self.tidy(exponentiate=True)
        row = frame[frame["method"] == "random"].iloc[j]
        h = self.heterogeneity().iloc[j]
        limits = interval(row["conf_low"], row["conf_high"], None)
        found = f"{self.measure} {ratio(row['estimate'])} ({100 * self.conf_level:g}% CI {limits}"
        spread = f"I² {fixed(100 * h['i_squared'], 0)}%, {h['n_registries']} registries"
        return f"{found}; P{p_value(row['p_value'])}; {spread})"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _position(self, term: str) -> int:
        frame = pd.DataFrame(self.terms, columns=["term", "level"])
        return int(str(row_of_term(frame, term).name))

    def _usable(self, j: int) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
        used = np.isfinite(self.estimates[:, j]) & np.isfinite(self.variances[:, j])
        return self.estimates[used, j], self.variances[used, j], used

    def _pool(self, y: FloatArray, v: FloatArray, method: str, level: float) -> PooledEstimate:
        if method == "fixed":
            return fixed_effect(y, v, level)
        return random_effects(y, v, self.tau, self.small_sample, level)

    def _rows(self, j: int, level: float) -> list[tuple[object, ...]]:
        term, category = self.terms[j]
        y, v, used = self._usable(j)
        n = float(np.nansum(self.n[used]))
        rows: list[tuple[object, ...]] = []
        for method in ("fixed", "random"):
            if len(y) < 2:
                rows.append(
                    (term, category, method, *(math.nan,) * 9, n, f"{len(y)} registries have an estimate")
                )
                continue
            p = self._pool(y, v, method, level)
            numbers = (p.estimate, p.std_error, p.statistic, p.df, p.p_value, p.conf_low, p.conf_high)
            reason = "no prediction below three registries" if method == "random" and len(y) < 3 else ""
            rows.append((term, category, method, *numbers, p.prediction_low, p.prediction_high, n, reason))
        if self.covariances:
            b, V = pool_vectors(list(self.estimates), self.covariances)
            rows.append((term, category, "multivariate", *_normal(b[j], V[j, j], level), n, ""))
        if self.tables is not None:
            estimate, se = peto_log_odds_ratio(self.tables)
            n_all = float(self.tables.sum())
            rows.append((term, category, "peto", *_normal(estimate, se**2, level), n_all, ""))
        return rows

    def _method(self) -> str:
        return f"two stages; random effects: {_TAU[self.tau]}, {_SMALL[self.small_sample]}"

    def _summary(self) -> Summary:
        frame = self.tidy(exponentiate=True)
        shown = frame[frame["method"].isin(["fixed", "random"])]
        limits = zip(shown["conf_low"], shown["conf_high"], strict=True)
        spread = self.heterogeneity()
        het = "; ".join(
            f"{named(pair)} Q {fixed(q, 1)} ({int(df)} df), I² {fixed(100 * i2, 0)}%, tau² {fixed(t2, 3)}"
            for pair, q, df, i2, t2 in zip(
                self.terms,
                *(spread[c] for c in ("statistic", "df", "i_squared", "tau_squared")),
                strict=True,
            )
            if q == q
        )
        counts = [f"{site} {n:.0f}" if n == n else site for site, n in zip(self.sites, self.n, strict=True)]
        facts = (
            ("method", self._method()),
            ("patients", f"{np.nansum(self.n):.0f} of {len(self.sites)} registries ({', '.join(counts)})"),
            ("left out", "; ".join(f"{site}: {what}" for site, what in self.left_out) or "none"),
            ("heterogeneity", het),
            ("notes", notes_text((), self.notes)),
        )
        table = pd.DataFrame(
            {
                "term": [named(pair) for pair in zip(shown["term"], shown["level"], strict=True)],
                "effects": shown["method"],
                self.measure: [ratio(v) for v in shown["estimate"]],
                f"{100 * self.conf_level:g}% CI": [interval(low, high, None) for low, high in limits],
                "P": [p_value(v).removeprefix("=") for v in shown["p_value"]],
            }
        )
        sentence = f"{self.measure.capitalize()} of {self.question}, pooled over {len(self.sites)} registries"
        return Summary(sentence, facts, table)


def _normal(estimate: float, variance: float, level: float) -> tuple[float, ...]:
    b, se = np.array([estimate]), np.sqrt(np.array([variance]))
    low, high, z, p = (float(value[0]) for value in wald(b, se, level))
    return estimate, float(se[0]), z, math.nan, p, low, high, math.nan, math.nan


def pool_registries(
    folder: str | Path,
    name: str | None = None,
    *,
    terms: Sequence[str] | None = None,
    tau: TauMethod = "reml",
    small_sample: SmallSample = "truncated",
    conf_level: float = 0.95,
) -> PooledRegistries:
    """Pool a result over registries from the files that each exported.

    First stage: every registry estimates its own coefficients from its own rows (its own baseline hazard or
    intercept, so registries are never confounded with patients). Second stage: the log ratios are averaged. The fixed
    effect asks for the effect in these registries if it is one; random effects for the mean over registries like
    these; the prediction interval for the effect in a new one.

    Parameters
    ----------
    folder : str or Path
        Folder with the files of ``export_aggregates``, one per registry.
    name : str, optional
        Name of the result; may be left out when there is one.
    terms : sequence of str, optional
        Terms, or ``term[level]``, to pool although not every registry has them. By default all must be the same.
    tau : {'reml', 'dl', 'pm'}, default='reml'
        Estimator of the variance between registries: restricted likelihood, DerSimonian-Laird, Paule-Mandel.
    small_sample : {'truncated', 'hartung_knapp', 'none'}, default='truncated'
        Random-effects limits: Hartung-Knapp never narrower than without it, as published, or normal.
    conf_level : float, default=0.95
        Confidence level.

    Returns
    -------
    PooledRegistries
        Results with ``tidy()``, ``glance()``, ``plot()``, ``heterogeneity()``, ``by_registry()``, ``leave_one_out()``
        and ``text()``.

    Raises
    ------
    SourceError
        When the folder has no file of aggregates, or holds another one.
    StudyError
        When registries ran different study files, dictionaries, formulas, methods or reference categories, have
        different terms, or fewer than two have the result.
    EstimationError
        When an option is not known.

    See Also
    --------
    cohort.models.export_aggregates.export_aggregates : Writes the files.

    Notes
    -----
    Equals R ``metafor::rma`` (``test = "adhoc"``, ``"knha"``, ``"z"``) and its Q profile
    (``tests/reference/registries``). With two or three registries, the rule in this field, the variance between
    them can hardly be estimated: read fixed and random effects together, and the registries one by one.

    Examples
    --------
    >>> import cohort as co, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for site, cells in {"north": (12, 30, 20, 90), "south": (9, 25, 14, 80)}.items():
    ...     _ = co.export_aggregates({"edema": co.two_by_two(*cells)}, folder, site=site)
    >>> co.pool_registries(folder).tidy(exponentiate=True)["estimate"].round(2).tolist()
    [1.91, 1.91, 1.99]
    """
    _check_options(tau, small_sample)
    found = read_registries(Path(folder), name)
    kind = found.parts[0].kind
    if kind == "two_by_two":
        pairs: tuple[tuple[str, str], ...] = (("odds_ratio", ""),)
        tables = np.array([part.table for part in found.parts])
        estimates, variances = table_estimates(tables)
        covariances: tuple[FloatArray, ...] = ()
    else:
        pairs, tables = common_terms(found, terms), None
        estimates, variances, covariances = coefficient_estimates(found, pairs)
    estimand = found.parts[0].estimand
    return PooledRegistries(
        name=found.name,
        measure=_MEASURES[kind],
        question=estimand.get("formula") or f"{estimand['outcome']} by {estimand['exposure']}",
        sites=found.sites,
        terms=pairs,
        estimates=estimates,
        variances=variances,
        covariances=covariances,
        tables=tables,
        n=np.array([part.n if part.n >= 0 else math.nan for part in found.parts], dtype=float),
        tau=tau,
        small_sample=small_sample,
        conf_level=check_conf_level(conf_level),
        left_out=(*found.absent, *not_pooled(found, pairs, estimates)),
        notes=(*found.notes, *_caution(len(found.sites))),
    )


def _check_options(tau: str, small_sample: str) -> None:
    for value, known, name in ((tau, _TAU, "tau"), (small_sample, _SMALL, "small_sample")):
        if value not in known:
            raise EstimationError(
                f"{name} {value!r} is not known",
                evidence=f"known: {', '.join(known)}",
                remedy=f'{name}="{next(iter(known))}"',
            )


def _caution(k: int) -> tuple[str, ...]:
    if k >= FEW:
        return ()
    return (f"with {k} registries the variance between them is hardly known: read fixed and random together",)
