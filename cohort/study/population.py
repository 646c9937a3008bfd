"""The study population: rules applied one by one, and nobody leaves uncounted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.errors import StudyError
from cohort.neurotox.patient_grades import OpenDays
from cohort.study.flow_diagram import draw_flow
from cohort.study.link import imaging_counts, link_frames, link_other
from cohort.study.rules import evaluate_rule

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cohort.registry.registry import Registry

BoolArray = NDArray[np.bool_]
KEYS = ["patient_id", "infusion_number"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the attrition.

    Attributes
    ----------
    step : int
        Number, from 1.
    label : str
        Name of the step as printed.
    kind : {'start', 'duplicate', 'require', 'exclude'}
        What the step does.
    rule : str
        Expression, or the rule of an automatic step.
    unit : str
        ``patients`` when nobody has two infusions any more, else ``infusions``.
    n_before, n_excluded, n_unknown, n_after : int
        Infusions before, left out by the rule, left out because the rule could not be decided, and after.
    n_patients : int
        Patients after.
    """

    step: int
    label: str
    kind: Literal["start", "duplicate", "require", "exclude"]
    rule: str
    unit: str
    n_before: int
    n_excluded: int
    n_unknown: int
    n_after: int
    n_patients: int


class Study:
    """A study population drawn from a harmonised registry.

    A study never changes: every rule returns a new one. The first steps are made by itself: all infusions of
    all sources, records repeated within a source, and infusions that another source reports as well, of which
    the source named first in ``harmonize`` is kept.

    Parameters
    ----------
    registry : Registry
        Harmonised registry.
    """

    __slots__ = ("_population", "_registry", "_steps")

    def __init__(self, registry: Registry) -> None:
        infusion = registry.infusion
        check_shared_identifiers(infusion)
        self._registry = registry
        self._population = infusion.reset_index(drop=True)
        self._steps: tuple[Step, ...] = ()
        everyone = np.zeros(len(infusion), dtype=bool)
        self._leave("CAR-T infusions in the registries", "start", "all sources", everyone, everyone)
        keys = self._population[["source", *KEYS]]
        again = keys.duplicated().to_numpy()
        self._leave(
            "recorded again in the same source",
            "duplicate",
            "the first record is kept",
            again,
            np.zeros_like(again),
        )
        order = [str(source) for source in registry.sources]
        other = _reported_by_earlier_source(self._population, order)
        rule = f"kept from the first of: {', '.join(order)}"
        self._leave("reported again by another source", "duplicate", rule, other, np.zeros_like(other))

    def _leave(
        self,
        label: str,
        kind: Literal["start", "duplicate", "require", "exclude"],
        rule: str,
        excluded: BoolArray,
        unknown: BoolArray,
    ) -> None:
        """Take rows out and count them; only called on a study under construction."""
        n_before = len(self._population)
        kept = self._population.loc[~(excluded | unknown)].reset_index(drop=True)
        n_patients = int(kept["patient_id"].nunique())
        step = Step(
            step=len(self._steps) + 1,
            label=label,
            kind=kind,
            rule=rule,
            unit="patients" if self._steps and n_patients == len(kept) else "infusions",
            n_before=n_before,
            n_excluded=int(excluded.sum()),
            n_unknown=int(unknown.sum()),
            n_after=len(kept),
            n_patients=n_patients,
        )
        self._population = kept
        self._steps = (*self._steps, step)

    def _after(self, label: str, kind: Literal["require", "exclude"], rule: str) -> Study:
        label = label.strip()
        if not label or label in {step.label for step in self._steps}:
            raise StudyError(
                "Every rule needs a label of its own; the flow diagram prints it.",
                evidence=f"labels so far: {'; '.join(step.label for step in self._steps)}",
                remedy='study.require("adult at infusion", "age_years >= 18")',
            )
        holds, known = evaluate_rule(rule, self._population)
        excluded = known & (~holds if kind == "require" else holds)
        new = object.__new__(Study)
        new._registry, new._population, new._steps = self._registry, self._population, self._steps
        new._leave(label, kind, rule, excluded, ~known)
        return new

    def require(self, label: str, rule: str) -> Study:
        """Keep those who fulfil a rule.

        Parameters
        ----------
        label : str
            Whom the rule keeps, as the flow diagram prints it.
        rule : str
            Expression over the variables of the infusion table. Where it cannot be decided because a value is
            missing, the infusion leaves as well and is counted apart.

        Returns
        -------
        Study
            A new study.

        Raises
        ------
        StudyError
            When the label is empty or used before.
        """
        return self._after(label, "require", rule)

    def exclude(self, label: str, rule: str) -> Study:
        """Leave out those who fulfil a rule.

        Parameters
        ----------
        label : str
            Whom the rule leaves out, as the flow diagram prints it.
        rule : str
            Expression over the variables of the infusion table. Where it cannot be decided because a value is
            missing, the infusion leaves as well and is counted apart.

        Returns
        -------
        Study
            A new study.

        Raises
        ------
        StudyError
            When the label is empty or used before.
        """
        return self._after(label, "exclude", rule)

    def attach(self, *frames: pd.DataFrame) -> Study:
        """Add columns that rules may use, from frames with one row per patient or infusion.

        Parameters
        ----------
        *frames : DataFrame
            Frames with ``patient_id`` (and ``source``, ``infusion_number`` where they have them), such as
            ``summarize(study.population, registry.lab, name="peak_crp")``. Columns that the population has
            already are taken from the population.

        Returns
        -------
        Study
            A new study; the columns are also in its linked frame.

        Raises
        ------
        StudyError
            When a frame has several rows per patient.
        """
        new = object.__new__(Study)
        new._registry, new._population, new._steps = self._registry, self._population, self._steps
        for frame in frames:
            own = [
                c for c in frame.columns if c not in KEYS and c in new._population.columns and c != "source"
            ]
            new._population = link_other(new._population, frame.drop(columns=own))
        return new

    @property
    def registry(self) -> Registry:
        """The registry the study is drawn from.

        Returns
        -------
        Registry
            As given.
        """
        return self._registry

    @property
    def population(self) -> pd.DataFrame:
        """The infusions still in the study.

        Returns
        -------
        DataFrame
            A copy of their rows.
        """
        population: pd.DataFrame = self._population.copy()
        return population

    @property
    def attrition(self) -> pd.DataFrame:
        """One row per step with its counts, n = 0 included.

        Returns
        -------
        DataFrame
            The attributes of :class:`Step` as columns.
        """
        return pd.DataFrame([asdict(step) for step in self._steps])

    def link(
        self, *frames: pd.DataFrame, window: tuple[int, int] = (0, 30), open_days: OpenDays = "widen"
    ) -> pd.DataFrame:
        """Link summaries to the population: one row per patient, every column knows when it became known.

        Parameters
        ----------
        *frames : DataFrame
            What to link, recognised by its columns: graded assessments, episodes, MRI findings, graded CRS,
            or any frame with one row per patient. Grades that are not given are made from the registry.
        window : tuple of int, default=(0, 30)
            First and last day, both included, of the patient's maximum grades and of the onset.
        open_days : {'widen', 'ignore'}, default='widen'
            What a day whose grade is not determined (ICE not made, say) does to the patient's maximum:
            ``widen`` lets it reach as high as that day could have been; ``ignore`` takes the maximum of the
            determined days, which is too low when the worst day is the one not assessed.

        Returns
        -------
        DataFrame of shape (n_patients, n_columns)
            The analysis frame, with a plain index.

        Raises
        ------
        StudyError
            When a patient has several infusions, or a frame several rows per patient and no known summary.
        """
        return link_frames(self._registry, self._population, frames, window, open_days)

    def plot(
        self, ax: Axes | None = None, *, imaging: bool = True, window: tuple[int, int] = (0, 30)
    ) -> Axes:
        """Draw the flow diagram.

        Parameters
        ----------
        ax : Axes, optional
            Axes to draw on; a new figure when not given.
        imaging : bool, default=True
            Whether to split the last box into those imaged in the window and those not, with the reasons.
        window : tuple of int, default=(0, 30)
            Days of imaging, both included.

        Returns
        -------
        Axes
            The axes drawn on.
        """
        split = imaging_counts(self._registry, self._population, window) if imaging else None
        return draw_flow(self.attrition, split, ax, window=window)

    def __repr__(self) -> str:
        lines = []
        for step in self._steps:
            gone = f"left out {step.n_excluded}" + (f", not known {step.n_unknown}" if step.n_unknown else "")
            lines.append(
                f"  {step.label}: {step.n_after} {step.unit}" + ("" if step.kind == "start" else f" ({gone})")
            )
        last = self._steps[-1]
        return "\n".join([f"Study of {last.n_after} {last.unit}", *lines])


def _reported_by_earlier_source(population: pd.DataFrame, order: Sequence[str]) -> BoolArray:
    """Whether a source of higher precedence has the same infusion."""
    rank = population["source"].astype(object).map({source: k for k, source in enumerate(order)})
    best = rank.groupby([population[key] for key in KEYS], dropna=False, sort=False).transform("min")
    return np.asarray((rank > best).to_numpy(dtype=bool))


def check_shared_identifiers(infusion: pd.DataFrame) -> None:
    """Refuse to merge sources whose patient identifiers coincide without naming the same people.

    Local numbers (1, 2, 3, ...) of two hospitals coincide by chance. Among identifiers that two sources
    share, sex and age agree when they name the same people; when half of them contradict, they do not.

    Parameters
    ----------
    infusion : DataFrame
        Infusions of all sources.
    """
    columns = [c for c in ("sex", "age_years") if c in infusion.columns]
    first = infusion.drop_duplicates(["source", *KEYS])[["source", *KEYS, *columns]]
    shared = first[first.duplicated(KEYS, keep=False)]
    if shared.empty or not columns:
        return
    groups = shared.groupby(KEYS, dropna=False, sort=False)
    verdicts = []
    if "sex" in columns:
        verdicts.append(groups["sex"].nunique().gt(1))
    if "age_years" in columns:
        age = groups["age_years"]
        verdicts.append((age.max() - age.min()).astype(float) > 2)
    against = np.logical_or.reduce([v.fillna(False).to_numpy(dtype=bool) for v in verdicts])
    if 2 * int(against.sum()) >= len(against) and int(against.sum()) >= 3:
        raise StudyError(
            "Patient identifiers of different sources coincide, but do not name the same people.",
            evidence=f"{len(against)} shared identifiers; sex or age contradicts in {int(against.sum())}",
            remedy="Make identifiers unique per source in its mapping, for example by a prefix.",
        )
