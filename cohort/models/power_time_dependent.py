"""Power for the hazard ratio of an exposure that begins during follow-up, by simulation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort.errors import EstimationError, ImmortalTimeError
from cohort.estimators.exposure_simulation import Analysis, ExposureDesign, SimulatedFits, simulate_studies
from cohort.estimators.proportions import proportion_limits
from cohort.format import fixed, interval, ratio
from cohort.models.plan_checks import check_between, check_n
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, notes_text
from cohort.study.guards import acknowledged_guards

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ANALYSES = {
    "counting_process": "Cox model, exposure from its onset, Wald test",
    "landmark": "Cox model from a landmark, Wald test",
    "ever": "Cox model, ever exposed as if known at time zero, Wald test",
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PowerTimeDependent:
    """Power of a planned analysis of an exposure that begins during follow-up.

    Attributes
    ----------
    design : ExposureDesign
        Rates.
    n : int
        Patients.
    analysis : str
        Analysis.
    landmark : float
        Time of the landmark; NaN without.
    fits : SimulatedFits
        Estimates of the simulated studies.
    simulations, seed : int
        Studies, and their seed.
    conf_level : float
        One minus the two-sided level of the test; also the level of the Monte-Carlo limits.
    acknowledged : tuple of str
        Guards that were overridden.
    """

    design: ExposureDesign
    n: int
    analysis: Analysis
    landmark: float
    fits: SimulatedFits
    simulations: int
    seed: int
    conf_level: float
    acknowledged: tuple[str, ...]

    @property
    def power(self) -> float:
        """Share of studies whose test rejects.

        Returns
        -------
        float
            Power; a study without an estimate does not reject.
        """
        return self.fits.rejections(self.conf_level) / self.simulations

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return the power and the coverage of the limits, with Monte-Carlo limits.

        Parameters
        ----------
        conf_level : float, optional
            Level of the Monte-Carlo limits (Clopper-Pearson); that of the plan by default. The level of the test stays.
        exponentiate : bool, default=False
            Without effect.

        Returns
        -------
        DataFrame
            ``term`` (``power``, ``coverage``), ``method, estimate, std_error, conf_low, conf_high, n, n_event`` (mean
            over studies), ``reason``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        known = self.simulations - self.fits.failed
        truth = math.log(self.design.hazard_ratio)
        hits = [
            (self.fits.rejections(self.conf_level), self.simulations),
            (round(known * self.fits.coverage(truth, self.conf_level)) if known else 0, known),
        ]
        low, high = proportion_limits([x for x, _ in hits], [m for _, m in hits], "exact", level)
        share = [x / m if m else math.nan for x, m in hits]
        return pd.DataFrame(
            {
                "term": ["power", "coverage"],
                "method": self.analysis,
                "estimate": share,
                "std_error": [
                    math.sqrt(p * (1 - p) / m) if m else math.nan
                    for p, (_, m) in zip(share, hits, strict=True)
                ],
                "conf_low": low,
                "conf_high": high,
                "n": self.n,
                "n_event": float(self.fits.events.mean()),
                "reason": ["", "" if known else "no study has an estimate"],
            }
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the plan.

        Returns
        -------
        DataFrame
            ``n, n_event`` (mean over studies), ``method, conf_level, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [float(self.fits.events.mean())],
                "method": [_ANALYSES[self.analysis]],
                "conf_level": [self.conf_level],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the power against the number of patients, simulated at six numbers, with this plan marked.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes; the band holds the Monte-Carlo limits.
        """
        from cohort.plots.plan_curve import plot_plan_curve

        rows = []
        for factor in (0.3, 0.5, 0.75, 1.0, 1.35, 1.75):
            size = max(2, round(self.n * factor))
            fits = self.fits if factor == 1.0 else self._simulate(size)
            x = fits.rejections(self.conf_level)
            low, high = proportion_limits([x], [self.simulations], "exact", self.conf_level)
            rows.append((size, x / self.simulations, low[0], high[0]))
        frame = pd.DataFrame(rows, columns=["n", "estimate", "conf_low", "conf_high"])
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
            For example ``300 patients (mean 120 events) give a power of 0.81 (Monte-Carlo 95% CI 0.77–0.84) ...``.
        """
        if term != "power":
            raise EstimationError(f"term {term!r} is not in this result", remedy='text("power")')
        row = self.tidy().iloc[0]
        limits = interval(row["conf_low"], row["conf_high"])
        events = fixed(float(self.fits.events.mean()), 0)
        level = f"Monte-Carlo {100 * self.conf_level:g}% CI {limits}"
        return (
            f"{self.n} patients (mean {events} events) give a power of {fixed(self.power, 2)} ({level}, "
            f"{self.simulations} simulated studies) for a hazard ratio of {ratio(self.design.hazard_ratio)}"
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _simulate(self, n: int) -> SimulatedFits:
        return simulate_studies(self.design, n, self.analysis, self.landmark, self.simulations, self.seed)

    def _summary(self) -> Summary:
        fits, frame = self.fits, self.tidy()
        known = np.isfinite(fits.estimate)
        mean = math.exp(float(fits.estimate[known].mean())) if known.any() else math.nan
        failed = (
            f"{fits.failed} of {self.simulations} studies have no estimate and do not reject"
            if fits.failed
            else ""
        )
        facts = (
            ("method", f"{_ANALYSES[self.analysis]}; {self.simulations} simulated studies, seed {self.seed}"),
            (
                "patients",
                f"{self.n}; means: {fits.events.mean():.1f} events, {fits.exposed.mean():.1f} exposed",
            ),
            (
                "estimate",
                f"geometric mean of the hazard ratios {ratio(mean)}, true {ratio(self.design.hazard_ratio)}",
            ),
            ("left out", "nobody: a plan has no patients; add those who will not be imaged or assessed"),
            ("notes", notes_text(self.acknowledged, (failed,) if failed else ())),
        )
        limits = zip(frame["conf_low"], frame["conf_high"], strict=True)
        cells = {
            "of the analysis": ["power", f"coverage of {100 * self.conf_level:g}% limits"],
            "estimate": [fixed(v, 3) for v in frame["estimate"]],
            f"Monte-Carlo {100 * self.conf_level:g}% CI": [interval(low, high, 3) for low, high in limits],
        }
        return Summary("Power for an exposure that begins during follow-up", facts, pd.DataFrame(cells))


def power_time_dependent(
    hazard_ratio: float,
    n: int,
    *,
    hazard: float,
    prevalence: float,
    onset: float | Sequence[float],
    follow_up: float,
    accrual: float = 0.0,
    competing_hazard: float = 0.0,
    loss: float = 0.0,
    analysis: Analysis = "counting_process",
    landmark: float | None = None,
    simulations: int = 1_000,
    seed: int = 1,
    conf_level: float = 0.95,
    acknowledge: str | Iterable[str] = (),
) -> PowerTimeDependent:
    """Simulate the power for a hazard ratio of an exposure that begins during follow-up, such as a finding on MRI.

    A formula for an exposure known at time zero overstates the power: patients who would become exposed give
    unexposed time first, and some have the event before. All times are in one unit.

    Parameters
    ----------
    hazard_ratio : float
        Hazard from the onset on over the hazard before; 1 simulates the true level.
    n : int
        Patients.
    hazard : float
        Hazard of the event while unexposed, per unit of time, constant.
    prevalence : float
        Share of patients who would become exposed if they stayed event-free and followed.
    onset : float or sequence of float
        Mean of exponential onset times; or times to draw from, such as those observed in a pilot.
    follow_up : float
        Follow-up of the last patient to enter.
    accrual : float, default=0.0
        Time over which patients enter uniformly; the first are followed longer by that.
    competing_hazard, loss : float, default=0.0
        Hazards of competing events, which end follow-up, and of loss.
    analysis : {'counting_process', 'landmark', 'ever'}, default='counting_process'
        Exposure from its onset; by the landmark, among those still followed then; or ever, which is the immortal time
        error and needs ``acknowledge="immortal_time"``.
    landmark : float, optional
        Time of the landmark.
    simulations : int, default=1000
        Simulated studies; the Monte-Carlo standard error of a power of 0.8 is then 0.013.
    seed : int, default=1
        Seed.
    conf_level : float, default=0.95
        One minus the two-sided level of the test.
    acknowledge : str or iterable of str, default=()
        Guards to override: ``immortal_time``.

    Returns
    -------
    PowerTimeDependent
        Power with Monte-Carlo limits, coverage, and the estimates of all studies.

    Raises
    ------
    EstimationError
        When an argument is out of range, or a landmark is missing or beyond follow-up.
    ImmortalTimeError
        For ``analysis="ever"``, unless acknowledged.

    See Also
    --------
    cohort.models.power_hazard_ratio.power_hazard_ratio : An exposure known at time zero.

    Examples
    --------
    >>> import cohort as co
    >>> plan = co.power_time_dependent(
    ...     2.0, 200, hazard=1 / 400, prevalence=0.3, onset=10.0, follow_up=365, simulations=200
    ... )
    >>> 0.5 < plan.power < 1
    True
    """
    names = acknowledged_guards(acknowledge)
    mark = _check_analysis(analysis, landmark, follow_up, names)
    times = (onset,) if isinstance(onset, (int, float, np.number)) else tuple(onset)
    if not times:
        raise EstimationError("onset holds no times", remedy="onset=10.0, the mean, or times of a pilot")
    for time in times:
        check_between("onset", float(time), 0, math.inf, closed=len(times) > 1)
    design = ExposureDesign(
        hazard=check_between("hazard", hazard, 0, math.inf),
        hazard_ratio=check_between("hazard_ratio", hazard_ratio, 0, math.inf),
        prevalence=check_between("prevalence", prevalence, 0, 1),
        onset=tuple(float(time) for time in times),
        follow_up=check_between("follow_up", follow_up, 0, math.inf),
        accrual=check_between("accrual", accrual, 0, math.inf, closed=True),
        competing_hazard=check_between("competing_hazard", competing_hazard, 0, math.inf, closed=True),
        loss=check_between("loss", loss, 0, math.inf, closed=True),
    )
    size, studies = check_n("n", n, 2), check_n("simulations", simulations, 1)
    return PowerTimeDependent(
        design=design,
        n=size,
        analysis=analysis,
        landmark=mark,
        fits=simulate_studies(design, size, analysis, mark, studies, seed),
        simulations=studies,
        seed=seed,
        conf_level=check_conf_level(conf_level),
        acknowledged=names,
    )


def _check_analysis(analysis: str, landmark: float | None, follow_up: float, names: tuple[str, ...]) -> float:
    """Return the landmark, NaN without; refuse an analysis that knows the future."""
    if analysis not in _ANALYSES:
        raise EstimationError(
            f"analysis {analysis!r} is not known",
            evidence=f"analyses: {', '.join(_ANALYSES)}",
            remedy='analysis="counting_process"',
        )
    if (analysis == "landmark") != (landmark is not None):
        raise EstimationError(
            "a landmark goes with the landmark analysis, and with no other",
            evidence=f"analysis={analysis!r}, landmark={landmark!r}",
            remedy='analysis="landmark", landmark=30',
        )
    if analysis == "ever" and ImmortalTimeError.guard not in names:
        raise ImmortalTimeError(
            "Immortal time: who is ever exposed is not known at time zero, so patients had to survive to be "
            "classified by it.",
            remedy='analysis="counting_process" or "landmark"; or acknowledge="immortal_time" to see the error',
        )
    if landmark is None:
        return math.nan
    return check_between("landmark", landmark, 0, float(follow_up))
