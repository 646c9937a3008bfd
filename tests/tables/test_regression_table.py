"""Regression tables from results that follow the convention; small stand-ins with known numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from cohort.errors import EstimationError
from cohort.models.odds_ratio import odds_ratio
from cohort.tables.regression_table import regression_table


@dataclass(frozen=True, eq=False)
class CoxFit:
    """Estimates with a known print."""

    rows: tuple[tuple[str, str, float, float], ...]
    n: int = 120
    references: dict[str, str] = field(default_factory=dict)
    left_out: tuple[tuple[str, str, int], ...] = ()
    acknowledged: str = ""

    def tidy(self, conf_level=None, exponentiate=False):
        frame = pd.DataFrame(self.rows, columns=["term", "level", "estimate", "std_error"])
        z = 1.959963984540054
        frame["conf_low"] = frame["estimate"] - z * frame["std_error"]
        frame["conf_high"] = frame["estimate"] + z * frame["std_error"]
        frame["p_value"] = [
            math.erfc(abs(b / s) / math.sqrt(2))
            for b, s in zip(frame["estimate"], frame["std_error"], strict=True)
        ]
        if exponentiate:
            columns = ["estimate", "conf_low", "conf_high"]
            frame[columns] = np.exp(frame[columns])
        return frame

    def glance(self):
        return pd.DataFrame(
            {
                "n": [self.n],
                "n_event": [40],
                "n_missing": [3],
                "conf_level": [0.95],
                "acknowledged": [self.acknowledged],
            }
        )

    def plot(self, ax=None):
        return ax

    def text(self, term):
        return term

    def _repr_html_(self):
        return ""


class FineGrayFit(CoxFit):
    """The same numbers under another name."""


AGE = ("age_years", "", math.log(1.5), 0.1)
PRODUCT = (("product", "liso-cel", math.log(2), 0.25), ("product", "tisa-cel", math.log(0.5), 0.25))
BRIDGING = ("bridging_therapy", "yes", 0.0, 0.5)


def lines(table):
    return {line.label.text: [cell.text for cell in line.cells] for _, line in table.lines}


def test_estimates_limits_and_p_values_are_printed():
    found = lines(regression_table(CoxFit((AGE, *PRODUCT, BRIDGING), references={"product": "axi-cel"})))
    # 1.5 * exp(-/+ 1.96 * 0.1) = 1.233, 1.825; z = 4.05
    assert found["Age, per year"] == ["1.50 (1.23–1.82)", "<0.001"]
    # log 2 / 0.25 = 2.77: P = 0.0056
    assert found["Lisocabtagene maraleucel"] == ["2.00 (1.23–3.26)", "0.006"]
    assert found["Axicabtagene ciloleucel"] == ["Reference", ""]
    assert found["Bridging therapy, yes vs no"] == ["1.00 (0.38–2.66)", ">0.99"]
    assert found["Patients"][0] == "120"
    assert found["Events"][0] == "40"
    assert found["Left out, a value not known"][0] == "3"


def test_reference_rows_come_first():
    table = regression_table(CoxFit(PRODUCT, references={"product": "axi-cel"}))
    assert [(depth, line.label.text) for depth, line in table.lines][:4] == [
        (0, "Product"),
        (1, "Axicabtagene ciloleucel"),
        (1, "Lisocabtagene maraleucel"),
        (1, "Tisagenlecleucel"),
    ]


def test_references_are_found_in_the_data():
    data = pd.DataFrame({"product": ["axi-cel", "liso-cel", "tisa-cel"]})
    assert "Axicabtagene ciloleucel" in lines(regression_table(CoxFit(PRODUCT), data=data))
    assert "Axicabtagene ciloleucel" not in lines(regression_table(CoxFit(PRODUCT)))


def test_hazard_ratios_of_two_kinds_keep_their_names():
    table = regression_table({"Death": CoxFit((AGE,)), "Relapse": FineGrayFit((AGE,))})
    assert [leaf.text for leaf in table.leaves] == [
        "Hazard ratio\n(95% CI)",
        "P value",
        "Subdistribution hazard ratio\n(95% CI)",
        "P value",
    ]
    assert [column.text for column in table.columns] == ["Death", "Relapse"]
    assert table.frame["measure"].tolist() == ["Hazard ratio", "Subdistribution hazard ratio"]
    with pytest.raises(EstimationError, match="mixes measures"):
        regression_table({"Both": [CoxFit((AGE,)), FineGrayFit((BRIDGING,))]})


def test_univariable_fits_share_a_column():
    table = regression_table(
        {"Univariable": [CoxFit((AGE,)), CoxFit((BRIDGING,), n=110)], "Adjusted": CoxFit((AGE,))}
    )
    found = lines(table)
    assert found["Age, per year"] == ["1.50 (1.23–1.82)", "<0.001"] * 2
    assert found["Bridging therapy, yes vs no"][2:] == ["", ""]
    assert found["Patients"] == ["110–120", "", "120", ""]
    with pytest.raises(EstimationError, match="two estimates of one term"):
        regression_table({"Univariable": [CoxFit((AGE,)), CoxFit((AGE,))]})


def test_sequences_are_numbered_or_named():
    fits = [CoxFit((AGE,)), CoxFit((AGE,))]
    assert [column.text for column in regression_table(fits).columns] == ["Model 1", "Model 2"]
    assert [column.text for column in regression_table(fits, names=["A", "B"]).columns] == ["A", "B"]
    with pytest.raises(EstimationError, match="names do not match"):
        regression_table(fits, names=["A"])
    with pytest.raises(EstimationError, match="no fit"):
        regression_table([])


def test_coefficients_on_request():
    table = regression_table(CoxFit((AGE,)), exponentiate=False)
    assert table.leaves[0].text == "Log hazard ratio\n(95% CI)"
    # log 1.5 = 0.405, -/+ 0.196
    assert lines(table)["Age, per year"][0] == "0.41 (0.21–0.60)"


def test_what_a_reader_must_be_told_stands_below():
    fit = CoxFit((AGE,), left_out=(("age_years", "missing", 3),), acknowledged="immortal_time")
    notes = regression_table({"Main": fit}).source_notes
    assert notes == (
        "Main: acknowledged: immortal_time.",
        "Main: left out because not known: age (no value 3).",
    )


def test_transformed_terms_say_per_how_much():
    fit = CoxFit(
        (("log2(ferritin_ng_ml)", "", 0.1, 0.1), ("C(ecog)", "1", 0.1, 0.1), ("x ** 2", "", 0.1, 0.1))
    )
    assert list(lines(regression_table(fit)))[:4] == [
        "Ferritin, per doubling",
        "ECOG performance status",
        "1",
        "x ** 2",
    ]


def test_numbers_behind_the_print_are_not_rounded():
    table = regression_table(CoxFit((AGE,)))
    assert table.frame.loc[0, "estimate"] == pytest.approx(1.5, rel=1e-15)
    assert dict(table.lines[0][1].cells[0].numbers)["conf_low"] == pytest.approx(
        1.5 * math.exp(-0.1959963984540054)
    )


def test_real_logistic_fit_without_its_intercept():
    # 2 x 2 table 6/4 exposed, 3/7 unexposed: odds ratio (6 * 7) / (4 * 3) = 3.5, log SE sqrt(1/6 + 1/4 + 1/3 + 1/7)
    data = pd.DataFrame({"severe": [1] * 6 + [0] * 4 + [1] * 3 + [0] * 7, "flair": [1] * 10 + [0] * 10})
    table = regression_table(odds_ratio("severe ~ flair", data=data))
    low, high = (
        3.5 * math.exp(sign * 1.959963984540054 * math.sqrt(1 / 6 + 1 / 4 + 1 / 3 + 1 / 7))
        for sign in (-1, 1)
    )
    assert lines(table)["FLAIR"][0] == f"3.50 ({low:.2f}–{high:.1f})"
    assert "Intercept" not in lines(table)
    assert "Intercept" in lines(regression_table(odds_ratio("severe ~ flair", data=data), intercept=True))


def test_results_that_are_no_regression_are_refused():
    class Curve(CoxFit):
        pass

    Curve.__name__ = "KaplanMeier"
    with pytest.raises(EstimationError, match="KaplanMeier is not a regression"):
        regression_table(Curve((AGE,)))
