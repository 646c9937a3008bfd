"""Six patients of two sources as a harmonised registry would hold them, to work the study room by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class SmallRegistry:
    """Tables by name, and which tables each source collects."""

    infusion: pd.DataFrame
    neuro_assessment: pd.DataFrame
    crs_assessment: pd.DataFrame
    mri_exam: pd.DataFrame
    mri_finding: pd.DataFrame
    lab: pd.DataFrame
    event: pd.DataFrame
    sources: tuple[str, ...] = ("alpha", "beta")
    collects: dict[str, set[str]] = field(default_factory=dict)

    def collected(self, table: str, source: str) -> bool:
        return table in self.collects[source]


KEYS = {"source": "string", "patient_id": "string", "infusion_number": "Int64"}


def table(columns: list[str], rows: list[tuple[object, ...]], **dtypes: object) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["source", "patient_id", "infusion_number", *columns])
    return frame.astype({**KEYS, **dtypes})


def no_yes() -> pd.CategoricalDtype:
    return pd.CategoricalDtype(["no", "yes"])


def small_registry() -> SmallRegistry:
    """Return the registry.

    alpha collects imaging and events, beta neither. p1 has severe ICANS from day 5 and focal edema on day 6,
    and is reported by beta as well; p2 has no ICANS and no scan (not indicated); p3 is a child; p4 has two
    infusions and no scan on record; the age of p5 is missing; p6 is beta's own, with a maximum grade only.
    """
    infusion = table(
        [
            "age_years",
            "sex",
            "product",
            "product__status",
            "death_day",
            "vital_status",
            "relapse_day",
            "relapsed",
            "last_contact_day",
        ],
        [
            ("alpha", "p1", 1, 61.0, "male", "axi-cel", "ok", 90, "dead", None, "no", 90),
            ("alpha", "p2", 1, 58.0, "female", "tisa-cel", "ok", None, "alive", 50, "yes", 400),
            ("alpha", "p3", 1, 15.0, "female", "tisa-cel", "ok", None, "alive", None, "no", 300),
            ("alpha", "p4", 1, 40.0, "male", "axi-cel", "ok", 20, "dead", None, "no", 20),
            ("alpha", "p4", 2, 41.0, "male", "axi-cel", "ok", None, "alive", None, "no", 10),
            ("alpha", "p5", 1, None, "male", "axi-cel", "ok", None, "alive", None, None, 100),
            ("beta", "p1", 1, 61.0, "male", "axi-cel", "ok", 91, "dead", None, "no", 91),
            ("beta", "p6", 1, 70.0, "female", "axi-cel", "ok", None, "alive", None, "no", 200),
        ],
        age_years="float64",
        sex="category",
        product=pd.CategoricalDtype(["axi-cel", "tisa-cel"]),
        death_day="Int64",
        relapse_day="Int64",
        last_contact_day="Int64",
        vital_status=pd.CategoricalDtype(["alive", "dead"]),
        relapsed=no_yes(),
    )
    daily = [
        ("alpha", "p1", 1, "daily", day, grade, "ASTCT2019")
        for day, grade in ((4, 0), (5, 2), (6, 3), (7, 1), (8, 0))
    ]
    daily += [("alpha", "p2", 1, "daily", day, 0, "ASTCT2019") for day in (1, 5, 9)]
    daily += [("alpha", "p3", 1, "daily", 3, 1, "ASTCT2019"), ("alpha", "p4", 1, "daily", 2, 0, "ASTCT2019")]
    maxima = [("beta", patient, 1, "period_maximum", None, 2, "ASTCT2019") for patient in ("p1", "p6")]
    neuro = table(
        ["assessment_type", "assessment_day", "reported_icans_grade", "grading_system"],
        [*daily, *maxima],
        assessment_type=pd.CategoricalDtype(["daily", "period_maximum"]),
        assessment_day="Int64",
        reported_icans_grade="Int64",
        grading_system="category",
    )
    neuro["icans_onset_day"] = pd.array([*[pd.NA] * len(daily), 5, 7], dtype="Int64")
    neuro["icans_resolved_day"] = pd.array([*[pd.NA] * len(daily), 9, 9], dtype="Int64")
    crs = table(
        ["assessment_type", "assessment_day", "reported_crs_grade", "grading_system"],
        [("alpha", "p1", 1, "daily", 2, 2, "ASTCT2019"), ("alpha", "p2", 1, "daily", 2, 0, "ASTCT2019")],
        assessment_type=pd.CategoricalDtype(["daily", "period_maximum"]),
        assessment_day="Int64",
        reported_crs_grade="Int64",
        grading_system="category",
    )
    exam = table(
        ["exam_id", "exam_status", "exam_day", "not_done_reason"],
        [
            ("alpha", "p1", 1, "e0", "done", -5, None),
            ("alpha", "p1", 1, "e1", "done", 6, None),
            ("alpha", "p2", 1, "e2", "not_done", None, "not_indicated"),
            ("alpha", "p3", 1, "e3", "done", 4, None),
        ],
        exam_id="string",
        exam_day="Int64",
        exam_status=pd.CategoricalDtype(["done", "not_done", "unknown"]),
        not_done_reason=pd.CategoricalDtype(["not_indicated", "declined"]),
    )
    finding = table(
        ["exam_id", "finding_code", "reader_id", "presence"],
        [
            ("alpha", "p1", 1, "e0", "edema_focal", "r1", "absent"),
            ("alpha", "p1", 1, "e1", "edema_focal", "r1", "present"),
            ("alpha", "p3", 1, "e3", "edema_focal", "r1", "absent"),
        ],
        exam_id="string",
        finding_code="category",
        reader_id="string",
        presence=pd.CategoricalDtype(["absent", "present", "indeterminate", "not_assessable"]),
    )
    lab = table(
        ["lab_day", "analyte", "value", "unit"],
        [
            ("alpha", "p1", 1, -6, "crp", 90.0, "mg/dL"),
            ("alpha", "p1", 1, 1, "crp", 6.0, "mg/dL"),
            ("alpha", "p1", 1, 4, "crp", 12.0, "mg/dL"),
            ("alpha", "p1", 1, 5, "crp", 30.0, "mg/dL"),
            ("alpha", "p2", 1, 1, "crp", 3.0, "mg/dL"),
            ("alpha", "p2", 1, 20, "crp", 7.0, "mg/dL"),
            ("alpha", "p2", 1, 1, "ferritin", 800.0, "ng/mL"),
            ("alpha", "p2", 1, 31, "crp", 99.0, "mg/dL"),
        ],
        lab_day="Int64",
        analyte="category",
        value="float64",
        unit="string",
    )
    event = table(
        ["event_type", "occurred", "event_day"],
        [
            ("alpha", "p1", 1, "movement_disorder", "yes", 80),
            ("alpha", "p1", 1, "stroke", "yes", 6),
            ("alpha", "p2", 1, "infection", "yes", 60),
            ("alpha", "p2", 1, "stroke", "yes", 30),
            ("alpha", "p3", 1, "gbs", "yes", None),
            ("alpha", "p4", 1, "stroke", None, None),
        ],
        event_type="category",
        occurred=no_yes(),
        event_day="Int64",
    )
    collects = {
        "alpha": {
            "infusion",
            "neuro_assessment",
            "crs_assessment",
            "mri_exam",
            "mri_finding",
            "lab",
            "event",
        },
        "beta": {"infusion", "neuro_assessment"},
    }
    return SmallRegistry(infusion, neuro, crs, exam, finding, lab, event, collects=collects)
