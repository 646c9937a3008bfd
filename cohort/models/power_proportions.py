"""Power of the comparison of two proportions, exact where wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.estimators.power_tables import EXACT, TableTest, enough, power_of_table
from cohort.format import fixed, ratio
from cohort.models.plan_checks import check_between, check_n, one_of
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PowerProportions:
    """Power of a planned comparison of two proportions.

    Attributes
    ----------
    exposed, unexposed : float
        Proportions with the outcome.
    n_exposed, n_unexposed : int
        Patients, clustering taken in.
    test : str
        Test that will be used.
    power : float
        Probability that it rejects.
    level : float
        Probability that it rejects when both groups have the risk of the unexposed; NaN for a formula.
    conf_level : float
        One minus the nominal level.
    design_effect : float
        Inflation of the variance by clustering.
    """

    exposed: float
    unexposed: float
    n_exposed: int
    n_unexposed: int
    test: TableTest
    power: float
    level: float
    conf_level: float
    design_effect: float

    @property
    def n(self) -> int:
        """Patients in all.

        Returns
        -------
        int
            Exposed and unexposed.
        """
        return self.n_exposed + self.n_unexposed

    @property
    def odds_ratio(self) -> float:
        """Odds ratio that the two proportions make.

        Returns
        -------
        float
            Odds of the exposed over those of the unexposed.
        """
        return self.exposed * (1 - self.unexposed) / (self.unexposed * (1 - self.exposed))

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return the power, and the level the test really has.

        Parameters
        ----------
        conf_level : float, optional
            Not used: the power is computed, not estimated, so its limits are the power itself.
        exponentiate : bool, default=False
            Without effect.

        Returns
        -------
        DataFrame
            ``term`` (``power``, ``level``), ``method, estimate, std_error, conf_low, conf_high, n, reason``.
        """
        values = [self.power, self.level]
        return pd.DataFrame(
            {
                "term": ["power", "level"],
                "method": self.test,
                "estimate": values,
                "std_error": 0.0,
                "conf_low": values,
                "conf_high": values,
                "n": self.n,
                "reason": ["", "" if self.level == self.level else "a formula has no level of its own"],
            }
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the plan.

        Returns
        -------
        DataFrame
            ``n, method, conf_level``.
        """
        return pd.DataFrame({"n": [self.n], "method": [EXACT[self.test]], "conf_level": [self.conf_level]})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the power against the number of patients, with this plan marked.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.plan_curve import plot_plan_curve

        factors = np.linspace(0.2, 1.6, 25)
        sizes = [(max(1, round(self.n_exposed * f)), max(1, round(self.n_unexposed * f))) for f in factors]
        power = [self._power_at(n1, n0) for n1, n0 in sizes]
        frame = pd.DataFrame({"n": [n1 + n0 for n1, n0 in sizes], "estimate": power})
        return plot_plan_curve(frame, mark=(float(self.n), self.power), ax=ax)

    def text(self, term: str = "power") -> str:
        """Return the sentence fragment for a protocol.

        Parameters
        ----------
        term : str, default='power'
            The only term.

        Returns
        -------
        str
            For example ``60 exposed and 60 unexposed patients give a power of 0.81 to ...``.
        """
        if term != "power":
            raise EstimationError(f"term {term!r} is not in this result", remedy='text("power")')
        groups = f"{self.n_exposed} exposed and {self.n_unexposed} unexposed patients"
        risks = (
            f"{fixed(self.exposed, 2)} from {fixed(self.unexposed, 2)} (odds ratio {ratio(self.odds_ratio)})"
        )
        alpha = f"at a two-sided level of {1 - self.conf_level:.2g}"
        return f"{groups} give a power of {fixed(self.power, 2)} to tell {risks} {alpha}"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _power_at(self, n1: int, n0: int) -> float:
        a, b = (max(1, math.floor(size / self.design_effect)) for size in (n1, n0))
        return power_of_table(self.exposed, self.unexposed, a, b, self.test, self.conf_level)

    def _summary(self) -> Summary:
        clustered = f"; design effect {self.design_effect:.2f}" if self.design_effect > 1 else ""
        facts = (
            ("method", f"{EXACT[self.test]}, two-sided level {1 - self.conf_level:.2g}"),
            ("patients", f"{self.n_exposed} exposed, {self.n_unexposed} unexposed{clustered}"),
            ("left out", "nobody: a plan has no patients; add those who will not be imaged or assessed"),
        )
        cells = {
            "exposed": [fixed(self.exposed, 3)],
            "unexposed": [fixed(self.unexposed, 3)],
            "odds ratio": [ratio(self.odds_ratio)],
            "power": [fixed(self.power, 3)],
            "true level": [fixed(self.level, 4)],
        }
        return Summary("Power to tell two proportions apart", facts, pd.DataFrame(cells))


def power_proportions(
    unexposed: float,
    exposed: float | None = None,
    *,
    odds_ratio: float | None = None,
    n: int | None = None,
    power: float | None = None,
    allocation: float = 1.0,
    test: TableTest = "fisher",
    design_effect: float = 1.0,
    conf_level: float = 0.95,
) -> PowerProportions:
    """Plan the comparison of two proportions, or an odds ratio: power of a number of patients, or the number.

    Parameters
    ----------
    unexposed : float
        Proportion with the outcome among the unexposed, between 0 and 1.
    exposed : float, optional
        The same among the exposed.
    odds_ratio : float, optional
        Odds ratio, in place of ``exposed``.
    n : int, optional
        Patients in all.
    power : float, optional
        Power wanted, in place of ``n``.
    allocation : float, default=1.0
        Exposed per unexposed patient: 0.25 for a finding in a fifth.
    test : {'fisher', 'boschloo', 'barnard', 'pearson', 'normal', 'continuity'}, default='fisher'
        Test that will be used. The first four sum over every table that may occur, so that they are exact;
        ``normal`` and ``continuity`` are formulas. Boschloo's and Barnard's tests keep their level with more power
        than Fisher's.
    design_effect : float, default=1.0
        Inflation by clustering, from ``co.design_effect``.
    conf_level : float, default=0.95
        One minus the two-sided level.

    Returns
    -------
    PowerProportions
        Plan with ``tidy()``, ``glance()``, ``plot()`` and ``text()``.

    Raises
    ------
    EstimationError
        When an argument is out of range, not exactly one of two is given, or groups are too large to enumerate.

    Notes
    -----
    The number of patients is the smallest from which on ten further sizes reach the power as well: exact power
    does not rise steadily.

    Examples
    --------
    >>> import cohort as co
    >>> co.power_proportions(0.2, 0.5, power=0.8, test="normal").n
    78
    """
    check_between("unexposed", unexposed, 0, 1)
    if one_of(exposed=exposed, odds_ratio=odds_ratio) == "odds_ratio":
        odds = check_between("odds_ratio", odds_ratio or 0.0, 0, math.inf) * unexposed / (1 - unexposed)
        exposed = odds / (1 + odds)
    risk = check_between("exposed", exposed if exposed is not None else 0.0, 0, 1)
    share = check_between("allocation", allocation, 0, math.inf)
    effect = check_between("design_effect", design_effect, 1, math.inf, closed=True)
    level = check_conf_level(conf_level)
    if test not in EXACT:
        raise EstimationError(
            f"test {test!r} is not known", evidence=f"tests: {', '.join(EXACT)}", remedy='test="fisher"'
        )
    if one_of(n=n, power=power) == "power":
        wanted = check_between("power", power or 0.0, 0, 1)
        if risk == unexposed:
            raise EstimationError("equal proportions have no power", remedy="give proportions that differ")
        n1, n0 = enough(risk, unexposed, share, wanted, test, level)
        sizes = (math.ceil(n1 * effect), math.ceil(n0 * effect))
    else:
        total = check_n("n", n or 0, 2)
        n_exposed = min(max(1, round(total * share / (1 + share))), total - 1)
        sizes = (n_exposed, total - n_exposed)
        n1, n0 = (max(1, math.floor(size / effect)) for size in sizes)
    enumerated = test not in ("normal", "continuity")
    return PowerProportions(
        exposed=risk,
        unexposed=float(unexposed),
        n_exposed=sizes[0],
        n_unexposed=sizes[1],
        test=test,
        power=power_of_table(risk, unexposed, n1, n0, test, level),
        level=power_of_table(unexposed, unexposed, n1, n0, test, level) if enumerated else math.nan,
        conf_level=level,
        design_effect=effect,
    )
