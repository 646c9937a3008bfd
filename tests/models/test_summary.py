"""How results print: never more than 15 lines, nothing lost without a word."""

import numpy as np
import pandas as pd
import pytest

from cohort.errors import EstimationError
from cohort.models.result import check_conf_level, row_of_term, tidy_regression, wald
from cohort.models.summary import MAX_WIDTH, Summary, estimate_table, left_out_text, notes_text


def table(n: int) -> pd.DataFrame:
    return pd.DataFrame({"term": [f"x{k}" for k in range(n)], "estimate": ["1.00"] * n})


@pytest.mark.parametrize("rows", [0, 1, 8, 9, 40])
def test_at_most_fifteen_lines_and_every_row_accounted_for(rows):
    facts = (
        ("method", "by hand"),
        ("patients", "5"),
        ("left out", "none"),
        ("notes", ""),
        ("more", "x " * 200),
    )
    lines = Summary("Risk of something", facts, table(rows)).text().splitlines()
    assert len(lines) <= 15
    assert all(len(line) <= MAX_WIDTH for line in lines)
    shown = sum(line.startswith("x") for line in lines)
    hidden = int(lines[-1].split()[2]) if lines[-1].startswith("... and") else 0
    assert shown + hidden == rows
    assert not any(line.startswith("notes") for line in lines)


def test_html_is_escaped():
    page = Summary("<b>", (("notes", "a < b & c"),), pd.DataFrame({"term": ["<script>"]})).html()
    assert "<script>" not in page
    assert "a &lt; b &amp; c" in page


def test_left_out_is_a_total_with_reasons():
    assert left_out_text([]) == "none"
    assert left_out_text([("age_years", "missing", 0)]) == "none"
    assert (
        left_out_text([("edema", "not_imaged", 4), ("", "time missing", 2)])
        == "6 (edema not_imaged 4, time missing 2)"
    )


def test_notes_name_the_guards():
    text = notes_text(("immortal_time",), ("timing not declared: x",))
    assert text == "guards acknowledged: immortal_time; timing not declared: x"
    said = notes_text(("immortal_time", "incorporation"), ("acknowledged immortal_time: x",))
    assert said == "guards acknowledged: incorporation; acknowledged immortal_time: x"


def test_wald_by_hand():
    # z(0.975) = 1.959963984540054; estimate 0.5, standard error 0.25: z = 2, P = 2 (1 - Phi(2)) = 0.0455002639.
    low, high, z, p = wald(np.array([0.5, 1.0]), np.array([0.25, 0.0]), 0.95)
    np.testing.assert_allclose(
        [low[0], high[0]], [0.5 - 0.4899909961350135, 0.5 + 0.4899909961350135], rtol=1e-14
    )
    np.testing.assert_allclose([z[0], p[0]], [2, 0.04550026389635842], rtol=1e-13)
    assert np.isnan([low[1], high[1], z[1], p[1]]).all()


def test_tidy_keeps_standard_errors_on_the_log_scale_and_allows_infinite_limits():
    values = {"estimate": [0.0], "std_error": [0.5], "conf_low": [-np.inf], "conf_high": [np.inf]}
    arrays = {name: np.array(value) for name, value in values.items()}
    tidy = tidy_regression(["x"], [""], *arrays.values(), np.array([1.0]), np.array([0.0]), exponentiate=True)
    assert tidy.loc[0, ["estimate", "std_error", "conf_low", "conf_high"]].tolist() == [1, 0.5, 0, np.inf]
    cells = estimate_table(tidy, "hazard ratio", 0.9)
    assert cells.columns.tolist() == ["term", "hazard ratio", "90% CI", "P"]
    assert cells["90% CI"].item() == "0.00–∞"


def test_rows_are_found_by_term_and_level():
    tidy = pd.DataFrame({"term": ["a", "b", "b"], "level": ["", "x", "y"], "estimate": [1, 2, 3]})
    assert row_of_term(tidy, "a")["estimate"] == 1
    assert row_of_term(tidy, "b[y]")["estimate"] == 3
    with pytest.raises(EstimationError, match=r"(?s)'b' has several levels.*b\[x\], b\[y\]"):
        row_of_term(tidy, "b")
    with pytest.raises(EstimationError, match="is not in this result"):
        row_of_term(tidy, "c")


@pytest.mark.parametrize("level", [0, 1, 95, -0.1])
def test_confidence_levels_are_shares(level):
    with pytest.raises(EstimationError, match=r"write 0\.95"):
        check_conf_level(level)
