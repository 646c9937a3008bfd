"""What a baseline scan is worth, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import cohort as co
from cohort.errors import EstimationError

EXAMS = pd.DataFrame(
    [
        ("A", "A0", -5, None),
        ("A", "A1", 6, None),
        ("B", "B0", -9, "normal"),
        ("B", "B1", 7, None),
        ("C", "C1", 8, None),  # no baseline scan
        ("D", "D0", -3, None),
        ("D", "D1", 5, None),
    ],
    columns=["patient_id", "exam_id", "exam_day", "overall_result"],
)
READINGS = pd.DataFrame(
    [
        ("A", "A0", "flair_white_matter", "present"),
        ("A", "A1", "flair_white_matter", "present"),  # was there before
        ("A", "A1", "flair_deep", "present"),  # not looked for at baseline: cannot be compared
        ("B", "B1", "flair_white_matter", "present"),  # new: the baseline scan was normal
        ("C", "C1", "flair_white_matter", "present"),
        ("D", "D0", "flair_white_matter", "present"),
        ("D", "D1", "flair_white_matter", "present"),  # was there before
    ],
    columns=["patient_id", "exam_id", "finding_code", "presence"],
)


def mri():
    return co.mri_findings(EXAMS, READINGS)


def test_from_scans_by_hand():
    value = co.baseline_value(mri())
    assert (value.n_imaged, value.n_baseline) == (4, 3)
    table = value.table().set_index("term")
    white = table.loc["flair_white_matter"]
    assert white[["new", "pre_existing", "no_prior"]].tolist() == [1, 2, 1]
    row = value.tidy().set_index("term").loc["flair_white_matter"]
    assert (row["n_event"], row["n"], row["n_missing"]) == (2, 3, 1)
    assert row["estimate"] == 2 / 3
    # Clopper-Pearson: quantiles of Beta(2, 2) and Beta(3, 1)
    assert row["conf_low"] == pytest.approx(stats.beta.ppf(0.025, 2, 2), rel=1e-12)
    assert row["conf_high"] == pytest.approx(stats.beta.ppf(0.975, 3, 1), rel=1e-12)
    assert (row["bound_low"], row["bound_high"]) == (2 / 4, 3 / 4)


def test_patients_are_old_only_when_every_finding_is():
    data = pd.DataFrame(
        {
            "flair_deep_change": ["new", "pre_existing", "pre_existing", None, "no_prior"],
            "flair_deep": ["present"] * 3 + ["absent", "present"],
            "infarct_change": ["pre_existing", "worse", None, "resolved", None],
            "infarct": ["present", "present", "absent", "absent", "absent"],
        }
    )
    any_finding = co.baseline_value(data).table().set_index("term").loc["any_finding"]
    assert any_finding.tolist() == [1, 1, 1, 1, 1]


def test_no_baseline_scan_at_all():
    value = co.baseline_value(mri().iloc[[2]])
    row = value.tidy().iloc[0]
    assert np.isnan(row["estimate"])
    assert row["reason"] == "nobody with the finding has a baseline scan"
    assert (row["bound_low"], row["bound_high"]) == (0, 1)
    assert value.text() == (
        "not determinable: nobody with the finding has a baseline scan; 1 without a baseline scan"
    )


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        (lambda: co.baseline_value(pd.DataFrame({"x": [1]})), "co.mri_findings"),
        (lambda: co.baseline_value(mri(), findings=["flair"]), "flair"),
        (lambda: co.baseline_value(pd.concat([mri(), mri()])), "repeat patient_id"),
        (lambda: co.baseline_value(mri()).text("pres"), "terms: any_finding"),
    ],
)
def test_errors(call, pattern):
    with pytest.raises(EstimationError, match=pattern):
        call()
