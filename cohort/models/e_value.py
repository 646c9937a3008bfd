"""E-value: how strong an unmeasured confounder must be to explain an association away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.format import interval, ratio
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EffectMeasure = Literal["risk_ratio", "odds_ratio", "hazard_ratio", "standardized_mean_difference"]
MEASURES = ("risk_ratio", "odds_ratio", "hazard_ratio", "standardized_mean_difference")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class EValue:
    """E-values of an estimate and of its confidence limit nearest to the true value asked about.

    Attributes
    ----------
    measure : {'risk_ratio', 'odds_ratio', 'hazard_ratio', 'standardized_mean_difference'}
        What was given.
    given : tuple of float
        Estimate and limits as given; NaN for a limit that was not.
    risk_ratio : tuple of float
        The same on the scale of the risk ratio.
    true_value : float
        True risk ratio that confounding should explain the estimate down (or up) to; 1 is no effect.
    estimate, limit : float
        E-value of the point estimate and of the nearest limit (1 when the interval holds the true value, NaN
        without limits).
    conf_level : float
        Confidence level of the limits, as the caller says.
    notes : tuple of str
        How the measure was turned into a risk ratio.
    """

    measure: EffectMeasure
    given: tuple[float, float, float]
    risk_ratio: tuple[float, float, float]
    true_value: float
    estimate: float
    limit: float
    conf_level: float
    notes: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return the E-value, and the risk ratio it was computed from.

        Parameters
        ----------
        conf_level : float, optional
            Only the level of the given limits exists.
        exponentiate : bool, default=False
            Without effect: both rows are on their natural scale.

        Returns
        -------
        DataFrame
            Terms ``e_value`` and ``risk_ratio`` with ``estimate, std_error`` (not known), ``conf_low,
            conf_high, reason``. The limit of the
            E-value stands in ``conf_low``; it has no upper one.
        """
        if conf_level is not None and conf_level != self.conf_level:
            raise EstimationError(
                "an E-value has limits at the level of the limits that were given only",
                evidence=f"given at conf_level={self.conf_level:g}",
                remedy=f"co.e_value(..., conf_level={conf_level:g}) with limits at that level",
            )
        return pd.DataFrame(
            {
                "term": ["e_value", "risk_ratio"],
                "estimate": [self.estimate, self.risk_ratio[0]],
                "std_error": [np.nan, np.nan],
                "conf_low": [self.limit, self.risk_ratio[1]],
                "conf_high": [np.nan, self.risk_ratio[2]],
                "reason": ["", ""],
            }
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the computation.

        Returns
        -------
        DataFrame
            ``method, conf_level``.
        """
        return pd.DataFrame({"method": [self._method()], "conf_level": [self.conf_level]})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the pairs of associations with which a confounder would explain the estimate away.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.confounder_curve import plot_confounder_curve

        rows = [
            (name, factor)
            for name, value in (("estimate", self.risk_ratio[0]), ("nearest limit", self._nearest()))
            if np.isfinite(value)
            and (factor := _distance(value, self.true_value)) > 1
            and not (name == "nearest limit" and self.limit == 1)
        ]
        return plot_confounder_curve(pd.DataFrame(rows, columns=["strata", "estimate"]), ax=ax)

    def text(self, term: str = "e_value") -> str:
        """Return the sentence fragment.

        Parameters
        ----------
        term : str, default='e_value'
            ``e_value`` only.

        Returns
        -------
        str
            For example ``E-value 7.26 (confidence limit 3.00)``.
        """
        if term != "e_value":
            raise EstimationError(f"term {term!r} is not in this result", evidence="terms: e_value")
        limit = f" (confidence limit {ratio(self.limit)})" if np.isfinite(self.limit) else ""
        return f"E-value {ratio(self.estimate)}{limit}"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _method(self) -> str:
        return f"E-value of a {self.measure.replace('_', ' ')}, VanderWeele and Ding 2017"

    def _nearest(self) -> float:
        return self.risk_ratio[1] if self.risk_ratio[0] >= self.true_value else self.risk_ratio[2]

    def _summary(self) -> Summary:
        limits = self.risk_ratio[1:]
        both = [interval(*limits, None) if np.isfinite(limits).all() else "", ""]
        table = pd.DataFrame(
            {
                "measure": ["risk ratio", "E-value"],
                "estimate": [ratio(self.risk_ratio[0]), ratio(self.estimate)],
                "CI": both,
                "E-value of the limit": ["", ratio(self.limit) if np.isfinite(self.limit) else ""],
            }
        )
        facts = (
            ("method", self._method()),
            (
                "meaning",
                f"a confounder associated with exposure and outcome by a risk ratio of {ratio(self.estimate)} each, "
                f"beside what was measured, could explain the estimate; a weaker one could not",
            ),
            ("left out", "none, no patients are used"),
            ("notes", notes_text((), self.notes)),
        )
        return Summary(
            f"How strong must unmeasured confounding be for a true risk ratio of {self.true_value:g}",
            facts,
            table,
        )


def e_value(
    estimate: float,
    conf_low: float | None = None,
    conf_high: float | None = None,
    measure: EffectMeasure = "risk_ratio",
    *,
    rare: bool = False,
    true_value: float = 1.0,
    conf_level: float = 0.95,
) -> EValue:
    r"""Compute the E-value of an association.

    It is the smallest risk ratio that an unmeasured confounder must have with both exposure and outcome, given
    the covariates, to move the estimate to the true value. It says nothing about whether such a confounder
    exists, nor about selection or misclassification.

    Parameters
    ----------
    estimate : float
        The association on its natural scale (a ratio, not its logarithm).
    conf_low, conf_high : float, optional
        Confidence limits on the same scale, both or neither.
    measure : {'risk_ratio', 'odds_ratio', 'hazard_ratio', 'standardized_mean_difference'}
        What the estimate is. A risk difference has no E-value of its own: give the risk ratio.
    rare : bool, default=False
        Whether at most 15 % have the outcome at the end of follow-up; odds and hazard ratios are then taken
        as risk ratios. Otherwise they are moved toward 1, which gives the smaller E-value.
    true_value : float, default=1.0
        True effect to explain the estimate down (or up) to, on the scale of the estimate (0 for the
        standardized difference means none; 1 is read as none there too).
    conf_level : float, default=0.95
        Level of the limits given.

    Returns
    -------
    EValue
        ``estimate`` and ``limit``, with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        For an unknown measure, a ratio that is not positive, limits that do not hold the estimate, or one limit.

    Notes
    -----
    With B the ratio of the risk ratio to the true one, inverted when below 1,

    .. math:: E = B + \sqrt{B (B - 1)}.

    Common outcomes: risk ratio about the root of the odds ratio; for the hazard ratio h,
    :math:`(1 - 0.5^{\sqrt h}) / (1 - 0.5^{\sqrt{1/h}})`; for a standardized difference d, :math:`e^{0.91 d}` [1]_.

    References
    ----------
    .. [1] VanderWeele TJ, Ding P (2017). Sensitivity analysis in observational research: introducing the
       E-value. Ann Intern Med 167:268-274. doi:10.7326/M16-2607

    Examples
    --------
    >>> e_value(3.9, 1.8, 8.7).text()
    'E-value 7.26 (confidence limit 3.00)'
    """
    if measure not in MEASURES:
        raise EstimationError(
            f"measure {measure!r} is not known",
            evidence=f"measures: {', '.join(MEASURES)}",
            remedy='co.e_value(estimate, conf_low, conf_high, measure="risk_ratio"); a risk difference has no '
            "E-value of its own: give the risk ratio",
        )
    given = _check_given(estimate, conf_low, conf_high, measure)
    low, point, high = (_as_risk_ratio(v, measure, rare) for v in (given[1], given[0], given[2]))
    no_effect = measure == "standardized_mean_difference" and true_value in (0, 1)
    true = 1.0 if no_effect else _as_risk_ratio(_true(true_value, measure), measure, rare)
    return EValue(
        measure=measure,
        given=given,
        risk_ratio=(point, low, high),
        true_value=true,
        estimate=_of(_distance(point, true)),
        limit=_of_limit(point, low, high, true),
        conf_level=check_conf_level(conf_level),
        notes=_conversion(measure, rare),
    )


def _check_given(
    estimate: float, conf_low: float | None, conf_high: float | None, measure: str
) -> tuple[float, float, float]:
    if (conf_low is None) != (conf_high is None):
        raise EstimationError("only one limit was given", remedy="give conf_low and conf_high, or neither")
    values = (
        estimate,
        estimate if conf_low is None else conf_low,
        estimate if conf_high is None else conf_high,
    )
    if measure != "standardized_mean_difference" and not (values[0] > 0 and values[1] >= 0 and values[2] > 0):
        raise EstimationError(
            "a ratio is not positive",
            evidence=f"measure {measure}",
            remedy="give ratios on their natural scale: exp() of a log ratio",
        )
    if not (np.isfinite(estimate) and values[1] <= estimate <= values[2]):
        raise EstimationError(
            "the limits do not hold the estimate, or it is not a number",
            remedy="give estimate, conf_low, conf_high in this order and on one scale",
        )
    if conf_low is None or conf_high is None:
        return float(estimate), np.nan, np.nan
    return float(estimate), float(conf_low), float(conf_high)


def _true(value: float, measure: str) -> float:
    if measure != "standardized_mean_difference" and not (np.isfinite(value) and value > 0):
        raise EstimationError("true_value is not a positive ratio", remedy="true_value=1 means no effect")
    return float(value)


def _as_risk_ratio(value: float, measure: str, rare: bool) -> float:
    """Return the approximate risk ratio (VanderWeele and Ding 2017, Table 2)."""
    if measure == "standardized_mean_difference":
        return float(np.exp(0.91 * value))
    if measure == "risk_ratio" or rare or np.isnan(value):
        return float(value)
    if measure == "odds_ratio":
        return float(np.sqrt(value))
    if value in (0.0, np.inf):
        return float(value)
    return float(-np.expm1(-np.log(2) * np.sqrt(value)) / -np.expm1(-np.log(2) * np.sqrt(1 / value)))


def _conversion(measure: str, rare: bool) -> tuple[str, ...]:
    if measure == "risk_ratio":
        return ()
    if measure == "standardized_mean_difference":
        return ("risk ratio about exp(0.91 d)",)
    name = measure.replace("_", " ")
    if rare:
        return (f"outcome declared rare: {name} taken as risk ratio",)
    return (f"outcome not declared rare: {name} moved toward 1 to approximate the risk ratio",)


def _distance(risk_ratio: float, true: float) -> float:
    return max(risk_ratio / true, true / risk_ratio) if risk_ratio > 0 else np.inf


def _of(factor: float) -> float:
    return float(factor + np.sqrt(factor * (factor - 1))) if np.isfinite(factor) else float("inf")


def _of_limit(point: float, low: float, high: float, true: float) -> float:
    if np.isnan(low):
        return float("nan")
    if low <= true <= high:
        return 1.0
    return _of(_distance(low if point > true else high, true))
