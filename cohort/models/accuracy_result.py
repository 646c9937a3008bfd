"""What a study of accuracy returns: measures of the verified, corrected, and bounds, and how they print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from cohort.errors import EstimationError
from cohort.estimators.accuracy import (
    PROPORTIONS,
    AccuracyCounts,
    CellShares,
    accuracy_measures,
)
from cohort.estimators.contingency import Measure
from cohort.estimators.imputed_reference import ImputedShares
from cohort.estimators.verification_bounds import verification_bounds
from cohort.format import fixed, interval, n_of_total, percent, ratio
from cohort.models.accuracy_inputs import LeftOut
from cohort.models.result import check_conf_level
from cohort.models.summary import Summary, left_out_text, notes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Method = Literal["verified_only", "begg_greenes", "ipw", "multiple_imputation", "bounds"]
METHODS = {
    "verified_only": "the verified only",
    "begg_greenes": "Begg-Greenes",
    "ipw": "inverse probability of verification",
    "multiple_imputation": "multiple imputation of the reference",
    "bounds": "bounds only",
}
_PRINTED = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "positive_predictive_value": "PPV",
    "negative_predictive_value": "NPV",
    "positive_likelihood_ratio": "LR+",
    "negative_likelihood_ratio": "LR-",
    "positive_predictive_value_at_prevalence": "PPV",
    "negative_predictive_value_at_prevalence": "NPV",
}
_ALL = "all tested"
_VERIFIED = "verified"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DiagnosticAccuracy:
    """Accuracy of a test, with the verified and the unverified counted.

    Attributes
    ----------
    test, reference : str
        The test with its threshold, and the column of the reference.
    method : {'verified_only', 'begg_greenes', 'ipw', 'multiple_imputation', 'bounds'}
        How the unverified were accounted for; ``verified_only`` when everyone was verified.
    counts : AccuracyCounts
        The verified by test and reference.
    unverified : tuple of int
        Unverified with a positive and with a negative test.
    unverified_reasons : tuple of (str, int)
        Why they were not verified.
    corrected : CellShares, ImputedShares or None
        Shares among all tested, corrected for verification.
    clustered : CellShares or None
        Shares among the verified with a cluster-robust covariance.
    n_cluster : int or None
        Clusters of all tested.
    weight_max, effective_n : float
        Largest weight, and Kish's effective size, of inverse probability weights; NaN for other methods.
    prevalence : tuple of float
        Prevalences at which predictive values are computed.
    conf_level : float
        Confidence level.
    left_out : tuple of (str, str, int)
        Column, reason and number left out.
    notes, acknowledged : tuple of str
        What a reader should be told, and guards that were overridden.
    """

    test: str
    reference: str
    method: Method
    counts: AccuracyCounts
    unverified: tuple[int, int]
    unverified_reasons: tuple[tuple[str, int], ...]
    corrected: CellShares | ImputedShares | None
    clustered: CellShares | None
    n_cluster: int | None
    weight_max: float
    effective_n: float
    prevalence: tuple[float, ...]
    conf_level: float
    left_out: LeftOut
    notes: tuple[str, ...]
    acknowledged: tuple[str, ...]

    @property
    def n(self) -> int:
        """All with a known test result.

        Returns
        -------
        int
            Verified and not verified.
        """
        return self.counts.n + sum(self.unverified)

    def tidy(self, conf_level: float | None = None, exponentiate: bool = False) -> pd.DataFrame:
        """Return every measure by method: of the verified, corrected, and bounds.

        Parameters
        ----------
        conf_level : float, optional
            Confidence level; that of the result by default.
        exponentiate : bool, default=False
            Without effect: measures are on their natural scale.

        Returns
        -------
        DataFrame
            ``term``; ``level`` (the prevalence of predictive values computed by Bayes' theorem, empty otherwise);
            ``strata`` (``verified`` or ``all tested``); ``method``; ``n`` and ``n_event`` (denominator and
            numerator where the estimate is a counted proportion, else those used); ``estimate, std_error``
            (natural scale); ``conf_low, conf_high``; ``bound_low, bound_high``; ``reason``.
        """
        level = self.conf_level if conf_level is None else check_conf_level(conf_level)
        frames = [self._of_verified(level)]
        if self.corrected is not None:
            rows = [
                _row(key, _ALL, self.method, self.n, np.nan, m)
                for key, m in self.corrected.measures(level, self.prevalence).items()
            ]
            frames.append(pd.DataFrame(rows))
        if sum(self.unverified):
            frames.append(self._of_bounds(level))
        frame = pd.concat(frames, ignore_index=True)
        order = {
            key: i for i, key in enumerate(dict.fromkeys(zip(frame["term"], frame["level"], strict=True)))
        }
        place = [order[key] for key in zip(frame["term"], frame["level"], strict=True)]
        return frame.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)

    def _of_verified(self, level: float) -> pd.DataFrame:
        strata = _VERIFIED if sum(self.unverified) else _ALL
        fractions = self.counts.fractions()
        measures = accuracy_measures(self.counts, level, self.prevalence)
        if self.clustered is not None:
            found = self.clustered.measures(level, self.prevalence)
            # an empty denominator keeps its reason from the counts
            measures = {
                key: {
                    "cluster_robust": next(iter(measures[key].values()))
                    if not _counted(key, fractions)
                    else m
                }
                for key, m in found.items()
            }
        rows = []
        for key, methods in measures.items():
            x, n = fractions.get(key[0], (np.nan, self.counts.n))
            rows += [_row(key, strata, name, n, x, m) for name, m in methods.items()]
        return pd.DataFrame(rows)

    def _of_bounds(self, level: float) -> pd.DataFrame:
        bounds = verification_bounds(self.counts, self.unverified, level, self.prevalence)
        rows = []
        for (term, at), b in bounds.items():
            rows.append(
                {
                    "term": term,
                    "level": at,
                    "strata": _ALL,
                    "method": "bounds",
                    "n": self.n,
                    "n_event": np.nan,
                    "estimate": np.nan,
                    "std_error": np.nan,
                    "conf_low": b.conf_low if self.n_cluster is None else np.nan,
                    "conf_high": b.conf_high if self.n_cluster is None else np.nan,
                    "bound_low": b.low,
                    "bound_high": b.high,
                    "reason": b.reason
                    or ("only bounds are identified" if self.n_cluster is None else "no limits for clusters"),
                }
            )
        return pd.DataFrame(rows)

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole.

        Returns
        -------
        DataFrame
            ``n`` (with a known test result), ``n_verified``, ``n_event`` (verified with the condition),
            ``n_missing`` (left out), ``n_cluster``, ``effective_n, weight_max`` (of verification weights),
            ``method, conf_level, acknowledged``.
        """
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_verified": [self.counts.n],
                "n_event": [self.counts.tp + self.counts.fn],
                "n_missing": [sum(n for _, _, n in self.left_out)],
                "n_cluster": [self.n_cluster if self.n_cluster is not None else np.nan],
                "effective_n": [self.effective_n],
                "weight_max": [self.weight_max],
                "method": [self._method()],
                "conf_level": [self.conf_level],
                "acknowledged": [", ".join(self.acknowledged)],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw sensitivity, specificity and predictive values of the verified, corrected, and their bounds.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        Axes
            The axes.
        """
        from cohort.plots.accuracy import plot_accuracy

        frame = self.tidy()
        frame = frame[frame["term"].isin(PROPORTIONS[:4])]
        first = self._first_method("sensitivity")
        shown = frame["method"].isin([first, "bounds", self.method])
        frame = frame[shown].assign(
            method=frame["method"].replace({first: _VERIFIED, self.method: "corrected"})
        )
        return plot_accuracy(frame, corrected=METHODS[self.method], ax=ax)

    def text(self, term: str = "sensitivity") -> str:
        """Return the sentence fragment of one measure.

        Parameters
        ----------
        term : str, default='sensitivity'
            A term of ``tidy()``; a predictive value at a prevalence as
            ``positive_predictive_value_at_prevalence[0.1]``.

        Returns
        -------
        str
            For example ``sensitivity 0.84 (95% CI 0.78–0.88; Begg-Greenes, 344/650 (52.9%) verified)``.
        """
        frame = self.tidy()
        name = frame["term"].where(frame["level"] == "", frame["term"] + "[" + frame["level"] + "]")
        found = frame[(name == term) & (frame["method"] == self._best_method(term.split("[")[0]))]
        if found.empty:
            raise EstimationError(
                f"term {term!r} is not in this result",
                evidence=f"terms: {', '.join(dict.fromkeys(name))}",
                remedy="name one of these",
            )
        row = found.iloc[0]
        say = ratio if _is_ratio(row["term"]) else lambda v: fixed(v, 2)
        digits = None if _is_ratio(row["term"]) else 2
        words = row["term"].removesuffix("_at_prevalence").replace("_", " ")
        share = f"{n_of_total(self.counts.n, self.n)} verified"
        if self.method == "bounds":
            ends = interval(row["bound_low"], row["bound_high"], digits)
            return f"{words} between {ends.replace(chr(0x2013), ' and ').replace(' to ', ' and ')} ({share})"
        level = f" at a prevalence of {row['level']}" if row["level"] else ""
        limits = interval(row["conf_low"], row["conf_high"], digits)
        said = METHODS[self.method] + ", " if self.corrected is not None else ""
        return (
            f"{words}{level} {say(row['estimate'])} ({100 * self.conf_level:g}% CI {limits}; {said}{share})"
        )

    def _first_method(self, term: str) -> str:
        if self.clustered is not None:
            return "cluster_robust"
        if term == "youden":
            return "newcombe"
        return "exact" if term in PROPORTIONS else "score"

    def _best_method(self, term: str) -> str:
        if self.method == "verified_only":
            return self._first_method(term)
        return self.method

    def _method(self) -> str:
        cluster = f", cluster-robust ({self.n_cluster} clusters)" if self.n_cluster is not None else ""
        if not sum(self.unverified):
            limits = "delta method" if self.n_cluster is not None else "Clopper-Pearson and score limits"
            return f"everyone verified, {limits}{cluster}"
        return f"{METHODS[self.method]}{cluster}"

    def __repr__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        frame = self.tidy()
        keys = [
            key
            for key in dict.fromkeys(zip(frame["term"], frame["level"], strict=True))
            if key[0] in _PRINTED
        ]
        cells = {
            "measure": [_PRINTED[t] + (f" at {level}" if level else "") for t, level in keys],
            f"verified ({100 * self.conf_level:g}% CI)": [self._cell(frame, key, "") for key in keys],
        }
        if self.corrected is not None:
            head = f"corrected ({100 * self.conf_level:g}% CI)"
            cells[head] = [self._cell(frame, key, self.method) for key in keys]
        if sum(self.unverified):
            cells["bounds"] = [self._cell(frame, key, "bounds") for key in keys]
        tp, fp, fn, tn = self.counts.tp, self.counts.fp, self.counts.fn, self.counts.tn
        u1, u0 = self.unverified
        reasons = [("", reason, n) for reason, n in self.unverified_reasons]
        facts = (
            ("method", self._method()),
            (
                "verified",
                f"{_of(tp + fp, tp + fp + u1)} of test positive, {_of(fn + tn, fn + tn + u0)} of negative",
            ),
            ("table", f"{tp} true and {fp} false positive, {fn} false and {tn} true negative"),
            ("not verified", left_out_text(reasons) if reasons else ""),
            ("left out", left_out_text(self.left_out)),
            ("notes", notes_text(self.acknowledged, self.notes)),
        )
        sentence = f"Accuracy of {self.test} for {self.reference}: {self.n} tested, {self.counts.n} verified"
        return Summary(sentence, facts, pd.DataFrame(cells))

    def _cell(self, frame: pd.DataFrame, key: tuple[str, str], method: str) -> str:
        name = method or self._first_method(key[0])
        row = frame[(frame["term"] == key[0]) & (frame["level"] == key[1]) & (frame["method"] == name)].iloc[
            0
        ]
        is_ratio = _is_ratio(key[0])
        digits = None if is_ratio else 2
        if method == "bounds":
            return interval(row["bound_low"], row["bound_high"], digits)
        value = ratio(row["estimate"]) if is_ratio else fixed(row["estimate"], 2)
        return f"{value} ({interval(row['conf_low'], row['conf_high'], digits)})"


def _row(
    key: tuple[str, str], strata: str, method: str, n: int, n_event: float, m: Measure
) -> dict[str, object]:
    return {
        "term": key[0],
        "level": key[1],
        "strata": strata,
        "method": method,
        "n": n,
        "n_event": float(n_event),
        "estimate": m.estimate,
        "std_error": m.std_error,
        "conf_low": m.conf_low,
        "conf_high": m.conf_high,
        "bound_low": np.nan,
        "bound_high": np.nan,
        "reason": m.reason,
    }


def _counted(key: tuple[str, str], fractions: dict[str, tuple[int, int]]) -> bool:
    """Whether a measure has anybody in its denominators."""
    needed = (key[0],) if key[0] in fractions else ("sensitivity", "specificity")
    return all(fractions[term][1] for term in needed)


def _is_ratio(term: str) -> bool:
    return term.endswith("ratio")


def _of(x: int, n: int) -> str:
    return f"{x}/{n} ({percent(x, n)})" if n else "0/0"
