"""Agreement of readers on each imaging finding, region or site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.format import fixed
from cohort.models.agreement import NAMES, Agreement, Level, Limits, Weights, agreement, limits_text
from cohort.models.finding_readings import By, arrange_readings
from cohort.models.ratings import Indeterminate, NotAssessable
from cohort.models.result import check_conf_level, row_of_term
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURES = ("cohen_kappa", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1", "gwet_ac2")
ONE_READER = "no examination was judged by two readers"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AgreementByFinding:
    """Agreement of readers, one finding, region or site at a time.

    Attributes
    ----------
    by : {'finding', 'region', 'site'}
        What is judged.
    readers : tuple of str
        Readers.
    results : tuple of (str, Agreement or None, int)
        Name, agreement (None without two readings) and number of readings as present in examinations judged twice.
    kappa : str
        The kappa that is printed: Cohen's for two readers, else Fleiss'.
    n_exams, n_read_twice, n_patients : int
        Examinations, those read by two or more, patients (0 when not known).
    conf_level : float
        Confidence level.
    left_out : tuple of (str, str, int)
        Rows of readings that cannot be used.
    missing : tuple of (str, str, int)
        Readings that count as missing, by state.
    notes : tuple of str
        What a reader should be told.
    """

    by: By
    readers: tuple[str, ...]
    results: tuple[tuple[str, Agreement | None, int], ...]
    kappa: str
    n_exams: int
    n_read_twice: int
    n_patients: int
    conf_level: float
    left_out: tuple[tuple[str, str, int], ...]
    missing: tuple[tuple[str, str, int], ...]
    notes: tuple[str, ...]

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per finding and coefficient.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: coefficients are on their natural scale.

        Returns
        -------
        DataFrame
            ``strata`` (the finding, region or site), then the columns of ``Agreement.tidy``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        frames = [_rows(name, result, level) for name, result, _ in self.results]
        return pd.concat(frames, ignore_index=True)

    def table(self) -> pd.DataFrame:
        """Return one row per finding with the numbers that a paper prints.

        Returns
        -------
        DataFrame
            Columns of text: the finding, examinations with two readings, readings as present, share of agreeing
            pairs, positive and negative agreement, kappa and AC1 with limits.
        """
        rows = [self._table_row(*one) for one in self.results]
        kappa = "kappa" if self.kappa == "cohen_kappa" else "Fleiss' kappa"
        limits = f"({100 * self.conf_level:g}% CI)"
        names = [
            self.by,
            "exams",
            "present",
            "agree",
            "positive",
            "negative",
            f"{kappa} {limits}",
            f"AC1 {limits}",
        ]
        return pd.DataFrame(rows, columns=names)

    def glance(self) -> pd.DataFrame:
        """Return one row about the readings.

        Returns
        -------
        DataFrame
            ``n`` (examinations read by two or more), ``n_missing`` (examinations read once), ``method,
            conf_level``.
        """
        return pd.DataFrame(
            {
                "n": [self.n_read_twice],
                "n_missing": [self.n_exams - self.n_read_twice],
                "method": [f"agreement of readers by {self.by}"],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw a matrix: a row per finding, a column per measure, the value in each cell.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.agreement_matrix import plot_agreement_matrix

        return plot_agreement_matrix(self._cells(), ax=ax)

    def text(self, term: str) -> str:
        """Return the sentence fragment of one finding.

        Parameters
        ----------
        term : str
            Name of the finding, region or site; ``name[gwet_ac1]`` for another coefficient than kappa.

        Returns
        -------
        str
            For example ``flair_deep: Cohen's kappa 0.71 (95% CI 0.55–0.87; 60 units)``.
        """
        name, _, asked = term.partition("[")
        for known, result, _ in self.results:
            if known == name:
                measure = asked.rstrip("]") or self.kappa
                return f"{name}: {result.text(measure) if result else f'not estimable ({ONE_READER})'}"
        raise EstimationError(
            f"{name!r} is not in this result", evidence=", ".join(one for one, _, _ in self.results)
        )

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        patients = f" of {self.n_patients} patients" if self.n_patients else ""
        facts = (
            ("method", "two readers, Cohen's kappa" if self.kappa == "cohen_kappa" else "Fleiss' kappa"),
            ("examinations", f"{self.n_read_twice} read by two or more{patients}, of {self.n_exams}"),
            ("left out", left_out_text(self.left_out, "rows")),
            ("not rated", left_out_text(self.missing, "readings") if self.missing else ""),
            ("notes", notes_text((), self.notes)),
        )
        return Summary(f"Agreement of {len(self.readers)} readers by {self.by}", facts, self.table())

    def _cells(self) -> pd.DataFrame:
        wanted = [self.kappa, "gwet_ac1", "percent_agreement", "specific_agreement"]
        frame = self.tidy()
        frame = frame[frame["term"].isin(wanted) & frame["level"].isin(["", "present", "absent"])]
        heads = frame["level"].map({"present": "Positive agreement", "absent": "Negative agreement", "": ""})
        names = frame["term"].map(NAMES).where(heads == "", heads)
        order = [NAMES[self.kappa], NAMES["gwet_ac1"], "Positive agreement", "Negative agreement"]
        order.append(NAMES["percent_agreement"])
        return frame.assign(measure=pd.Categorical(names, categories=order), row=frame["strata"])

    def _table_row(self, name: str, result: Agreement | None, n_present: int) -> tuple[str, ...]:
        if result is None:
            return (name, "0", str(n_present), *["NE"] * 5)
        tidy = result.tidy()
        numbers = [row_of_term(tidy, "percent_agreement")]
        numbers += [row_of_term(tidy, f"specific_agreement[{state}]") for state in ("present", "absent")]
        plain = [fixed(float(row["estimate"]), 2) for row in numbers]
        with_limits = [_with_limits(row_of_term(tidy, term)) for term in (self.kappa, "gwet_ac1")]
        return (name, str(result.n), str(n_present), *plain, *with_limits)


def _with_limits(row: pd.Series) -> str:
    if np.isnan(row["estimate"]):
        return "NE"
    return f"{fixed(row['estimate'], 2)} ({limits_text(row['conf_low'], row['conf_high'])})"


def _rows(name: str, result: Agreement | None, conf_level: float) -> pd.DataFrame:
    if result is not None:
        frame = result.tidy(conf_level)
    else:
        nan = [np.nan] * len(MEASURES)
        frame = pd.DataFrame(
            {
                "term": MEASURES,
                "level": "",
                "estimate": nan,
                "std_error": nan,
                "conf_low": nan,
                "conf_high": nan,
            }
        ).assign(n=0, method="", reason=ONE_READER)
    frame.insert(0, "strata", name)
    return frame


def agreement_by_finding(
    readings: pd.DataFrame,
    by: By = "finding",
    weights: Weights | None = None,
    level: Level | None = None,
    cluster: str | None = None,
    indeterminate: Indeterminate = "category",
    not_assessable: NotAssessable = "missing",
    limits: Limits = "analytic",
    n_boot: int = 2000,
    seed: int | None = None,
    conf_level: float = 0.95,
) -> AgreementByFinding:
    """Measure how far readers agree on each imaging finding, region or site.

    Units are examinations. A finding without a row for a reader has no rating by this reader: it is never
    taken as absent. ``by="region"`` gives a region (the groups of the dictionary) the most telling state of its
    findings: present, else indeterminate, else not assessable, else absent. ``by="site"`` takes a site as
    absent for a reader who judged the examination and did not name it, and as not assessable where the reader
    saw a finding and named no site.

    Parameters
    ----------
    readings : DataFrame
        Rows of ``mri_finding``: ``exam_id`` (with ``source, patient_id, infusion_number`` as far as there
        are), ``finding_code, reader_id, presence``, and ``sites`` for ``by="site"``.
    by : {'finding', 'region', 'site'}, default='finding'
        What is judged.
    weights : {None, 'linear', 'quadratic'}, default=None
        Credit for near agreement, where indeterminate lies between absent and present.
    level : {'nominal', 'ordinal'}, optional
        Krippendorff's level of measurement.
    cluster : str, optional
        Column that groups examinations, such as ``patient_id``.
    indeterminate : {'category', 'missing', 'present', 'absent'}, default='category'
        What an indeterminate reading counts as.
    not_assessable : {'missing', 'category'}, default='missing'
        What a reading as not assessable counts as.
    limits : {'analytic', 'bootstrap'}, default='analytic'
        Kind of limits, as in `agreement`.
    n_boot : int, default=2000
        Resamples.
    seed : int, optional
        Seed of the bootstrap; the same resamples are drawn for findings with the same examinations.
    conf_level : float, default=0.95
        Confidence level; limits are on the natural scale.

    Returns
    -------
    AgreementByFinding
        ``table()`` for a paper, ``tidy()`` with every coefficient, ``plot()`` as a matrix.

    Raises
    ------
    EstimationError
        For missing columns, fewer than two readers, a reader who judged a finding of an examination twice,
        or states that are not known.

    See Also
    --------
    cohort.models.agreement.agreement : The coefficients, and how missing ratings are treated.

    Notes
    -----
    Kappa of a rare finding is low even when readers agree on nearly every scan, so the table prints positive
    and negative agreement and AC1 beside it (Feinstein and Cicchetti 1990).

    References
    ----------
    .. [1] Feinstein AR, Cicchetti DV (1990). J Clin Epidemiol 43:543-549.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({
    ...     "exam_id": [1, 1, 2, 2, 3, 3, 4, 4], "finding_code": "flair_deep", "reader_id": ["A", "B"] * 4,
    ...     "presence": ["present", "present", "absent", "absent", "present", "absent", "absent", "absent"]})
    >>> agreement_by_finding(rows).text("flair_deep")
    "flair_deep: Cohen's kappa 0.50 (95% CI −0.23 to 1.00; 4 units)"
    """
    arranged = arrange_readings(readings, by, cluster)
    results: list[tuple[str, Agreement | None, int]] = []
    for name, frame in arranged.frames.items():
        raters = frame.drop(columns=cluster) if cluster else frame
        twice = raters.notna().sum(axis=1) >= 2
        result = None
        if twice.any():
            result = agreement(
                frame,
                weights,
                level,
                cluster=cluster,
                indeterminate=indeterminate,
                not_assessable=not_assessable,
                limits=limits,
                n_boot=n_boot,
                seed=seed,
                conf_level=conf_level,
            )
        results.append((name, result, int((raters[twice] == "present").sum().sum())))
    readers = sorted(readings["reader_id"].dropna().astype(str).unique())
    return AgreementByFinding(
        by=by,
        readers=tuple(readers),
        results=tuple(results),
        kappa="cohen_kappa" if len(readers) == 2 else "fleiss_kappa",
        n_exams=arranged.n_exams,
        n_read_twice=arranged.n_read_twice,
        n_patients=arranged.n_patients,
        conf_level=check_conf_level(conf_level),
        left_out=arranged.left_out,
        missing=_missing([result for _, result, _ in results if result is not None]),
        notes=_notes(arranged.n_exams, arranged.n_patients, cluster, indeterminate, results),
    )


def _missing(results: Sequence[Agreement]) -> tuple[tuple[str, str, int], ...]:
    """Add up readings that count as missing over findings, by state; those without a row are not readings."""
    totals: dict[str, int] = {}
    for result in results:
        for _, reason, n in result.missing:
            if reason != "missing":
                totals[reason] = totals.get(reason, 0) + n
    return tuple(("", reason, n) for reason, n in sorted(totals.items()))


def _notes(
    n_exams: int,
    n_patients: int,
    cluster: str | None,
    indeterminate: str,
    results: Sequence[tuple[str, Agreement | None, int]],
) -> tuple[str, ...]:
    notes = []
    if 0 < n_patients < n_exams and cluster is None:
        notes.append('several examinations of a patient: cluster="patient_id" lets limits respect it')
    if any(result is not None and "indeterminate" in result.categories for _, result, _ in results):
        notes.append("indeterminate is a category of its own where it occurs")
    elif indeterminate != "category":
        notes.append(f"indeterminate readings count as {indeterminate}")
    return tuple(notes)
