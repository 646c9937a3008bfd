"""Which values are not known, together with which, and for what reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohort.dictionary.states import binary_states, is_three_state, without_blanks
from cohort.errors import EstimationError
from cohort.estimators.proportions import proportion_limits
from cohort.format import n_of_total
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IntArray = NDArray[np.int64]
KNOWN = "known"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MissingPatterns:
    """Patterns of not known values.

    Attributes
    ----------
    columns : tuple of str
        Columns, as given.
    reasons : tuple of str
        Every state that occurs, ``known`` first.
    codes : array of shape (n_pattern, n_column)
        Position in ``reasons`` of each column in each pattern, the most frequent pattern first.
    counts : array of shape (n_pattern,)
        Patients of each pattern.
    conf_level : float
        Confidence level.
    """

    columns: tuple[str, ...]
    reasons: tuple[str, ...]
    codes: IntArray
    counts: IntArray
    conf_level: float

    @property
    def n(self) -> int:
        """Patients.

        Returns
        -------
        int
            All rows of the data.
        """
        return int(self.counts.sum())

    @property
    def n_complete(self) -> int:
        """Patients of whom every value is known.

        Returns
        -------
        int
            Their number.
        """
        return int(self.counts[(self.codes == 0).all(axis=1)].sum())

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row per column and kind of not known, and one for the complete cases.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Accepted and without effect, as proportions have their natural scale.

        Returns
        -------
        DataFrame
            ``term`` (column, or ``complete cases``), ``level`` (kind of not known), ``estimate`` (share of all
            patients), ``std_error, conf_low, conf_high`` (Wilson), ``n`` (patients in this state).
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        rows = [("complete cases", "", self.n_complete)]
        for j, name in enumerate(self.columns):
            for code in range(1, len(self.reasons)):
                count = int(self.counts[self.codes[:, j] == code].sum())
                rows += [(name, self.reasons[code], count)] if count else []
        frame = pd.DataFrame(rows, columns=["term", "level", "n"])
        share = frame["n"] / self.n
        low, high = proportion_limits(frame["n"].to_numpy(), np.full(len(frame), self.n), "wilson", level)
        return pd.DataFrame(
            {
                "term": frame["term"],
                "level": frame["level"],
                "estimate": share,
                "std_error": np.sqrt(share * (1 - share) / self.n),
                "conf_low": low,
                "conf_high": high,
                "n": frame["n"],
            }
        )

    def patterns(self) -> pd.DataFrame:
        """Return one row per pattern, the most frequent first.

        Returns
        -------
        DataFrame
            ``n`` patients, ``estimate`` (their share), and the state of each column, empty where it is known.
        """
        states = np.array(["", *self.reasons[1:]], dtype=object)[self.codes]
        frame = pd.DataFrame(states, columns=list(self.columns))
        frame.insert(0, "n", self.counts)
        frame.insert(1, "estimate", self.counts / self.n)
        return frame

    def glance(self) -> pd.DataFrame:
        """Return one row about all patients.

        Returns
        -------
        DataFrame
            ``n``, ``n_missing`` (patients with a value not known), ``method, conf_level``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_missing": [self.n - self.n_complete],
                "method": ["patterns of values that are not known, Wilson limits"],
                "conf_level": [self.conf_level],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the patterns: a row for each, a column for each variable, the kind of not known by color.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.missing import plot_missing_patterns

        return plot_missing_patterns(self.patterns(), ax=ax)

    def text(self, term: str) -> str:
        """Return the sentence fragment of one column.

        Parameters
        ----------
        term : str
            Column, or ``complete cases``.

        Returns
        -------
        str
            For example ``mri_flair: not_imaged 12/60 (20%), missing 3/60 (5%)``.
        """
        rows = self.tidy()
        found = rows[rows["term"] == term]
        if term not in (*self.columns, "complete cases"):
            raise EstimationError(
                f"{term!r} is not among the columns of this result",
                evidence=f"columns: {', '.join(self.columns)}",
                remedy="write one of these",
            )
        parts = [
            f"{level} {n_of_total(n, self.n)}".strip()
            for level, n in zip(found["level"], found["n"].tolist(), strict=True)
        ]
        return f"{term}: {', '.join(parts) or f'known in all {self.n}'}"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        frame = self.tidy()
        complete = [n for n in self.columns if not (frame["term"] == n).any()]
        facts = (
            ("patients", f"{self.n}, complete {n_of_total(self.n_complete, self.n)}; left out none"),
            ("patterns", f"{len(self.counts)}; patterns() lists them"),
            ("known in all", ", ".join(complete)),
            ("notes", notes_text((), _notes(self.reasons))),
        )
        shown = frame[frame["term"] != "complete cases"]
        table = pd.DataFrame(
            {
                "variable": shown["term"],
                "state": shown["level"].str.replace("_", " "),
                "patients": [n_of_total(n, self.n) for n in shown["n"].tolist()],
            }
        )
        return Summary("Values that are not known, by reason", facts, table)


def missing_patterns(
    data: pd.DataFrame, columns: Sequence[str] | None = None, conf_level: float = 0.95
) -> MissingPatterns:
    """Count which values are not known, for what reason, and in which combinations.

    Not assessed, not imaged, not applicable and missing for an unknown reason are different states: the first
    steps of deciding what may be imputed. A status column ``v__status`` of the harmonised data gives the reason
    of a missing ``v``; a missing grade whose bounds say something is ``bounds only``.

    Parameters
    ----------
    data : DataFrame
        One row per patient.
    columns : sequence of str, optional
        Columns to look at; all by default, but for status columns and bounds of grades.
    conf_level : float, default=0.95
        Confidence level of the shares (Wilson).

    Returns
    -------
    MissingPatterns
        ``tidy()`` by column and reason, ``patterns()`` by combination, ``plot()``.

    Raises
    ------
    EstimationError
        For a column that is not there, or a frame without rows or columns.

    See Also
    --------
    cohort.models.impute.impute : Impute what is missing.

    References
    ----------
    .. [1] van Buuren S (2018). Flexible Imputation of Missing Data, second edition, section 4.1.

    Examples
    --------
    >>> data = pd.DataFrame({"crp_mg_l": [1.0, None, 3.0], "flair": ["absent", "not_imaged", "present"]})
    >>> missing_patterns(data).text("flair")
    'flair: not_imaged 1/3 (33%)'
    """
    check_conf_level(conf_level)
    bounds = {f"{name}_{end}" for name in data.columns for end in ("lower", "upper")}
    found = [str(n) for n in data.columns if not str(n).endswith("__status") and str(n) not in bounds]
    chosen = found if columns is None else list(dict.fromkeys(columns))
    unknown = [name for name in chosen if name not in data.columns]
    if unknown or not chosen or not len(data):
        raise EstimationError(
            f"unknown column {', '.join(unknown)}" if unknown else "there is nothing to look at",
            evidence=f"{len(data)} rows, {len(data.columns)} columns",
            remedy="correct the name" if unknown else "give a frame with rows and columns",
        )
    states = pd.DataFrame({name: _states(data, name) for name in chosen})
    reasons = (KNOWN, *sorted(set(np.unique(states.to_numpy(dtype=str))) - {KNOWN}))
    codes = np.stack([pd.Categorical(states[n], categories=list(reasons)).codes for n in chosen], axis=1)
    patterns, counts = np.unique(codes.astype(np.int64), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return MissingPatterns(
        columns=tuple(chosen),
        reasons=reasons,
        codes=patterns[order],
        counts=counts[order].astype(np.int64),
        conf_level=conf_level,
    )


def _states(data: pd.DataFrame, name: str) -> NDArray[np.object_]:
    """Return ``known`` or the kind of not known of each row."""
    series = without_blanks(data[name])
    if is_three_state(series):
        coded, _ = binary_states(series)
        labels = series.astype(object).where(series.notna(), "missing").to_numpy(dtype=object)
        states = np.where(np.isnan(coded), labels, KNOWN)
    else:
        states = np.where(series.isna(), "missing", KNOWN).astype(object)
    missing = states == "missing"
    if f"{name}__status" in data:
        status = data[f"{name}__status"].astype(object).where(data[f"{name}__status"].notna(), "missing")
        reason = status.astype(str).str.removeprefix("missing:").to_numpy(dtype=object)
        states = np.where(missing & (reason != "ok"), reason, states)
    if {f"{name}_lower", f"{name}_upper"} <= set(data.columns):
        low, high = (
            data[f"{name}_{end}"].to_numpy(dtype=float, na_value=np.nan) for end in ("lower", "upper")
        )
        top = np.nanmax(high) if not np.isnan(high).all() else np.inf
        states = np.where(missing & ((low > 0) | (high < top)), "bounds only", states)
    return np.asarray(states, dtype=object)


def _notes(reasons: tuple[str, ...]) -> tuple[str, ...]:
    kept = [r for r in reasons if r in ("not_imaged", "not_assessable", "indeterminate", "not_applicable")]
    if not kept:
        return ()
    return (f"impute() leaves {', '.join(kept).replace('_', ' ')} as they are unless states= names them",)
