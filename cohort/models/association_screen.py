"""Association screen: many exposures against many outcomes, each pair by a declared rule, adjusted together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import EstimationError
from cohort.estimators.max_t import linear_statistics, max_t
from cohort.estimators.multiplicity import Adjustment, adjust_p_values
from cohort.format import interval, p_value, ratio
from cohort.models.result import check_conf_level
from cohort.models.screen_inputs import ScreenInputs, prepare_screen
from cohort.models.screen_pairs import METHODS, PairRule, ScreenPair, compare_pair
from cohort.models.summary import Summary, notes_text
from cohort.study.guards import acknowledged_guards

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
Adjust = Literal["bonferroni", "holm", "bh", "by", "none", "max_t"]
Families = Literal["all", "outcome", "exposure"] | Mapping[str, Sequence[str]]
_ADJUSTMENTS: Mapping[str, str] = {
    "bonferroni": "Bonferroni",
    "holm": "Holm",
    "bh": "Benjamini-Hochberg",
    "by": "Benjamini-Yekutieli",
    "none": "not adjusted",
    "max_t": "step-down max-T (Westfall-Young)",
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AssociationScreen:
    """Associations of many exposures with many outcomes.

    Attributes
    ----------
    pairs : tuple of ScreenPair
        What each pair gave, exposures in the order given, outcomes within.
    statistic, correlation, p_value, p_adjusted : array of shape (m,)
        By pair: standardized linear statistic of the scores, their correlation, p-value and the adjusted one.
    adjust : str
        Adjustment.
    strata : str
        Column within whose values outcomes were permuted; empty for none.
    n : int
        Rows of the data.
    n_permutations : int
        Permutations (0 without max-T).
    seed : int
        Seed of the permutations.
    conf_level : float
        Confidence level.
    notes : tuple of str
        What a reader should be told.
    acknowledged : tuple of str
        Guards that were overridden.
    """

    pairs: tuple[ScreenPair, ...]
    statistic: FloatArray
    correlation: FloatArray
    p_value: FloatArray
    p_adjusted: FloatArray
    adjust: Adjust
    strata: str
    n: int
    n_permutations: int
    seed: int
    conf_level: float
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per pair, in the order asked for.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default. Limits are not adjusted for multiplicity.
        exponentiate : bool, default=False
            Without effect: measures are on their natural scale.

        Returns
        -------
        DataFrame
            ``term`` (the exposure), ``outcome, family, measure, method, estimate, std_error, conf_low, conf_high,
            statistic, p_value, p_adjusted, correlation, n, n_event, reason``. ``measure`` says what the estimate
            is: ``odds ratio``; ``probability higher`` (that the ordered column is higher in those with than in those
            without the yes/no one; 0.5 for no association); ``Spearman correlation``. The statistic is that of the
            scores, standardized, on one scale for all pairs; the standard error of an odds ratio is Woolf's, of the
            sample ratio.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        measures = [pair.measure(level) for pair in self.pairs]
        named = [METHODS.get(pair.method, ("", "")) for pair in self.pairs]
        return pd.DataFrame(
            {
                "term": [pair.exposure for pair in self.pairs],
                "outcome": [pair.outcome for pair in self.pairs],
                "family": [pair.family for pair in self.pairs],
                "measure": [measure for measure, _ in named],
                "method": [method for _, method in named],
                "estimate": [m.estimate for m in measures],
                "std_error": [m.std_error for m in measures],
                "conf_low": [m.conf_low for m in measures],
                "conf_high": [m.conf_high for m in measures],
                "statistic": self.statistic,
                "p_value": self.p_value,
                "p_adjusted": self.p_adjusted,
                "correlation": self.correlation,
                "n": [pair.n for pair in self.pairs],
                "n_event": pd.array(
                    [p.n_event if p.n_event >= 0 else None for p in self.pairs], dtype="Int64"
                ),
                "reason": [m.reason or pair.reason for m, pair in zip(measures, self.pairs, strict=True)],
            }
        )

    @property
    def left_out(self) -> pd.DataFrame:
        """Patients left out of each pair, by column and reason.

        Returns
        -------
        DataFrame
            ``term, outcome, column, reason, n``; every patient is counted once per pair, at the exposure first.
        """
        rows = [(p.exposure, p.outcome, *one) for p in self.pairs for one in p.left_out]
        return pd.DataFrame(rows, columns=["term", "outcome", "column", "reason", "n"])

    def glance(self) -> pd.DataFrame:
        """Return one row about the screen.

        Returns
        -------
        DataFrame
            ``n`` (rows of the data), ``n_missing`` (the most that any tested pair leaves out), ``method``,
            ``conf_level, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_missing": [max((sum(n for *_, n in p.left_out) for p in self.pairs), default=0)],
                "method": [f"{len(self.pairs)} pairs, {self._adjustment()}"],
                "conf_level": [self.conf_level],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None, conf_level: float = 0.95) -> Axes:
        """Draw the volcano plot: strength and direction of every pair against its p-value.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.
        conf_level : float, default=0.95
            One minus the adjusted p-value from which pairs are named, and the line is drawn.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.volcano import plot_volcano

        return plot_volcano(self.tidy(), threshold=1 - check_conf_level(conf_level), ax=ax)

    def plot_matrix(self, ax: Axes | None = None, conf_level: float = 0.95) -> Axes:
        """Draw exposures against outcomes: correlation by color, p-values by mark, numbers of patients.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.
        conf_level : float, default=0.95
            One minus the adjusted p-value from which a pair is marked.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.association_matrix import plot_association_matrix

        return plot_association_matrix(self.tidy(), threshold=1 - check_conf_level(conf_level), ax=ax)

    def text(self, term: str) -> str:
        """Return the sentence fragment of one pair.

        Parameters
        ----------
        term : str
            ``exposure ~ outcome``, or the exposure when there is one outcome.

        Returns
        -------
        str
            For example ``odds ratio 2.27 (95% CI 1.59–3.26; P<0.001, adjusted P=0.01)``.
        """
        names = [f"{p.exposure} ~ {p.outcome}" for p in self.pairs]
        found = [i for i, p in enumerate(self.pairs) if term in (names[i], p.exposure)]
        if len(found) != 1:
            raise EstimationError(
                f"term {term!r} names {len(found)} pairs of this screen",
                evidence=f"pairs: {', '.join(names[:12])}{' ...' if len(names) > 12 else ''}",
                remedy='write "exposure ~ outcome"',
            )
        row = self.tidy().iloc[found[0]]
        if not row["measure"]:
            return f"not tested among {row['n']} patients: {row['reason']}"
        limits = interval(row["conf_low"], row["conf_high"], None)
        p, adjusted = (p_value(row[c]) for c in ("p_value", "p_adjusted"))
        level = f"{100 * self.conf_level:g}% CI"
        return f"{row['measure']} {ratio(row['estimate'])} ({level} {limits}; P{p}, adjusted P{adjusted})"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _adjustment(self) -> str:
        families = list(dict.fromkeys(pair.family for pair in self.pairs))
        within = f"{len(families)} families" if len(families) > 1 else "one family"
        text = f"{_ADJUSTMENTS[self.adjust]} in {within}"
        if not self.n_permutations:
            return text
        where = f" within {self.strata}" if self.strata else ""
        return f"{text}, {self.n_permutations:,} permutations{where}, seed {self.seed}"

    def _summary(self) -> Summary:
        frame = self.tidy()
        tested = frame["measure"] != ""
        sizes = frame.loc[tested, "n"]
        used = (
            f"{self.n} in all; used per pair {sizes.min()} to {sizes.max()}" if tested.any() else f"{self.n}"
        )
        gone = self.n - sizes
        left = (
            f"{gone.min()} to {gone.max()} per pair, by reason in .left_out"
            if tested.any()
            else "no pair tested"
        )
        facts = (
            ("method", self._adjustment()),
            ("patients", used),
            ("left out", left),
            ("not tested", _not_tested(frame[~tested])),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        exposures, outcomes = frame["term"].nunique(), frame["outcome"].nunique()
        sentence = (
            f"Association of {exposures} exposures with {outcomes} outcomes: {int(tested.sum())} pairs tested, "
            f"{int((~tested).sum())} not"
        )
        ordered = frame[tested].sort_values(["p_adjusted", "p_value"], kind="stable")
        return Summary(sentence, facts, _printed(ordered, self.conf_level))


def _not_tested(rows: pd.DataFrame) -> str:
    reasons = rows["reason"].value_counts()
    return "; ".join(f"{n} ({reason})" for reason, n in reasons.items())


def _printed(rows: pd.DataFrame, conf_level: float) -> pd.DataFrame:
    limits = zip(rows["conf_low"], rows["conf_high"], strict=True)
    return pd.DataFrame(
        {
            "pair": rows["term"] + " ~ " + rows["outcome"],
            "measure": rows["measure"],
            "estimate": [ratio(v) for v in rows["estimate"]],
            f"{100 * conf_level:g}% CI": [interval(low, high, None) for low, high in limits],
            "P": [p_value(v).removeprefix("=") for v in rows["p_value"]],
            "adjusted P": [p_value(v).removeprefix("=") for v in rows["p_adjusted"]],
            "n": rows["n"].astype(str),
        }
    )


def association_screen(
    exposures: Sequence[str],
    outcomes: Sequence[str],
    data: pd.DataFrame,
    adjust: Adjust = "bh",
    *,
    families: Families = "all",
    by: str | None = None,
    rule: PairRule | Mapping[str, str] | None = None,
    permutations: int = 10_000,
    seed: int = 1,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> AssociationScreen:
    """Test every exposure against every outcome, each pair by a declared rule, adjusted for their number.

    A screen finds candidates; it does not adjust for confounders. Each pair uses the patients for whom both
    values are known: not imaged, indeterminate and missing are left out and counted, never taken as absent. A
    pair that cannot be tested, or that a guard refuses, stays in the result with the reason.

    Parameters
    ----------
    exposures, outcomes : sequence of str
        Columns: absent/present, no/yes, boolean, 0/1 or two levels; ordered categories and columns named
        ``*_grade``; numbers. Unordered categories of three or more levels are not tested.
    data : DataFrame
        One row per patient.
    adjust : {'bonferroni', 'holm', 'bh', 'by', 'none', 'max_t'}, default='bh'
        ``bh`` bounds the expected share of false findings, ``holm`` and ``max_t`` the probability of any. ``max_t``
        permutes the outcomes of patients together, so that correlated findings cost less; its p-values, raw and
        adjusted, are permutation p-values.
    families : {'all', 'outcome', 'exposure'} or mapping of str to sequence of str, default='all'
        Pairs that are adjusted together: all of them, those of one outcome or of one exposure, or named lists
        of exposures (or outcomes) in which every pair is found once. Declare them before you look.
    by : str, optional
        Column (center, registry) within whose values outcomes are permuted; with ``max_t`` only. Estimates and
        limits stay crude.
    rule : callable or mapping, optional
        Method of a pair, instead of the default rule: called with both kinds, the smallest expected cell or
        group, and n; or a mapping from ``"binary x binary"``, ``"binary x ranked"``, ``"ranked x ranked"`` to a method.
    permutations : int, default=10000
        Random permutations of ``max_t``; when there are no more than these in all, each is used once and p-values
        are exact.
    seed : int, default=1
        Seed of the permutations.
    conf_level : float, default=0.95
        Confidence level of the limits, which are not adjusted for multiplicity.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``incorporation``, ``selective_imaging``, ``window``.

    Returns
    -------
    AssociationScreen
        Results with ``tidy()``, ``glance()``, ``plot()`` (volcano), ``plot_matrix()``, ``left_out`` and ``text()``.

    Raises
    ------
    EstimationError
        For an unknown column, none given, a patient who has several rows, families that miss a pair or hold it twice,
        ``by`` without ``max_t``, or a rule that names a method that does not fit.

    See Also
    --------
    cohort.models.two_by_two.two_by_two : One pair, with every method.

    Notes
    -----
    Default rule (``cohort.models.screen_pairs.pair_rule``). Two yes/no columns: conditional odds ratio with exact
    limits and Fisher's P when an expected cell is below 5, else the sample odds ratio by score (Miettinen,
    Nurminen 1985). One yes/no column: probability of a higher value (Mann-Whitney, ties half) with limits by
    Newcombe [1]_, P from the tie-corrected normal approximation, exact when the smaller group has fewer than 10 of at
    most 200 patients; with a grade as outcome this is the trend test over grades. None: Spearman's correlation with
    limits by Bonett and Wright [2]_, P by Student's t, exact below 9 patients. Max-T: Westfall and Young [3]_ on the
    linear statistics of 0/1 scores and mid-ranks.

    References
    ----------
    .. [1] Newcombe RG (2006). Stat Med 25:559-573, method 5.
    .. [2] Bonett DG, Wright TA (2000). Psychometrika 65:23-28.
    .. [3] Westfall PH, Young SS (1993). Resampling-based multiple testing. Wiley, algorithm 4.1.

    Examples
    --------
    >>> flair, severe = ["absent", "present", "not_imaged"] * 12, ["no", "yes", "no", "no"] * 9
    >>> data = pd.DataFrame({"flair": flair, "severe": severe})
    >>> screen = association_screen(["flair"], ["severe"], data)
    >>> screen.text("flair")
    'odds ratio 1.00 (95% CI 0.10–9.64; P>0.99, adjusted P>0.99)'
    """
    names = acknowledged_guards(acknowledge)
    _check_adjustment(adjust, by, permutations)
    inputs = prepare_screen(exposures, outcomes, data, families, by, rule, names)
    pairs = []
    for x in inputs.exposures:
        for y in inputs.outcomes:
            family = inputs.family[x.name, y.name]
            refusal = inputs.refused.get((x.name, y.name), "")
            pairs.append(compare_pair(x, y, family, inputs.rule, refusal))
    statistic, p, adjusted, n_permutations = _inference(inputs, pairs, adjust, permutations, seed)
    sizes = np.array([max(pair.n - 1, 1) for pair in pairs], dtype=float)
    crude = linear_statistics(inputs.X, inputs.Y).ravel() / np.sqrt(sizes)
    tested = np.array([bool(pair.method) for pair in pairs])
    return AssociationScreen(
        pairs=tuple(pairs),
        statistic=np.where(tested, statistic, np.nan),
        correlation=np.where(tested, crude, np.nan),
        p_value=p,
        p_adjusted=adjusted,
        adjust=adjust,
        strata=by or "",
        n=len(data),
        n_permutations=n_permutations,
        seed=seed,
        conf_level=check_conf_level(conf_level),
        notes=inputs.notes,
        acknowledged=names,
    )


def _check_adjustment(adjust: str, by: str | None, permutations: int) -> None:
    if adjust not in _ADJUSTMENTS:
        raise EstimationError(
            f"adjustment {adjust!r} is not known",
            evidence=f"adjustments: {', '.join(_ADJUSTMENTS)}",
            remedy='adjust="bh"',
        )
    if by is not None and adjust != "max_t":
        raise EstimationError(
            "by= is where outcomes are permuted, and nothing is permuted here",
            evidence=f"adjust={adjust!r}, by={by!r}",
            remedy='co.association_screen(..., adjust="max_t", by=...)',
        )
    if isinstance(permutations, bool) or permutations != int(permutations) or permutations < 1:
        raise EstimationError("permutations is not a whole number of 1 or more", remedy="permutations=10_000")


def _inference(
    inputs: ScreenInputs, pairs: Sequence[ScreenPair], adjust: Adjust, permutations: int, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray, int]:
    """Return statistics, p-values and adjusted p-values by pair, and the number of permutations."""
    families = list(dict.fromkeys(pair.family for pair in pairs))
    codes = np.array([families.index(pair.family) if pair.method else -1 for pair in pairs])
    if adjust == "max_t" and (codes >= 0).any():
        shape = (len(inputs.exposures), len(inputs.outcomes))
        found = max_t(
            inputs.X,
            inputs.Y,
            stratum=inputs.stratum,
            family=codes.reshape(shape),
            n_permutations=int(permutations),
            seed=seed,
        )
        return found.statistic.ravel(), found.p_value.ravel(), found.p_adjusted.ravel(), found.n_permutations
    p = np.array([pair.p_value for pair in pairs], dtype=float)
    adjusted = np.full(len(pairs), math.nan)
    method: Adjustment = "none" if adjust == "max_t" else adjust
    for code in np.unique(codes[codes >= 0]):
        adjusted[codes == code] = adjust_p_values(p[codes == code], method)
    return linear_statistics(inputs.X, inputs.Y).ravel(), p, adjusted, 0
