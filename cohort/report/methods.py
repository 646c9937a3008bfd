"""The methods section, drafted from what the study file declares."""

from __future__ import annotations

from cohort.report.prepare import Prepared
from cohort.report.spec import (
    CoxSpec,
    IncidenceSpec,
    KaplanMeierSpec,
    MantelHaenszelSpec,
    OddsRatioSpec,
    StudyFile,
    TableOneSpec,
)

OPEN_DAYS = {
    "widen": "a day whose grade is not determined leaves the maximum open",
    "ignore": "days whose grade is not determined are left aside",
}
POPULATIONS = {
    "adult": "the adult criteria (ICE score)",
    "pediatric": "the pediatric criteria (CAPD)",
    "by_age": "the criteria for the patient's age (CAPD below 12 years)",
}


def methods_paragraphs(prepared: Prepared) -> tuple[str, ...]:
    """Draft the methods as paragraphs; the authors edit them."""
    spec = prepared.spec
    return (_sources(prepared), _grading(spec), _imaging(spec), *_statistics(spec))


def _sources(prepared: Prepared) -> str:
    spec = prepared.spec
    names = ", ".join(f"{name} ({part.mapping})" for name, part in spec.data.sources.items())
    rules = "; ".join(rule.label.lower() for rule in spec.flow.values()) or "none"
    return (
        f"Extracts of {len(spec.data.sources)} source(s) were harmonised by a data dictionary with one mapping each: "
        f"{names}. Every value carries a status; missing values keep their reason. When two sources report the same "
        f"infusion, the one listed first was kept. Eligibility rules: {rules}."
    )


def _grading(spec: StudyFile) -> str:
    unscanned = (
        "When no scan was made, the imaging half of the edema domain counted as absent if the clinical signs of raised "
        "intracranial pressure were negative."
        if spec.grading.unscanned == "clinical"
        else "When no scan was made, the edema domain counted as not assessed."
    )
    reported = (
        " Where no domain was recorded, the reported ASTCT grade was used; grades of other systems entered as "
        "intervals."
        if spec.grading.reported == "fill"
        else ""
    )
    return (
        f"ICANS was graded from its domains by the ASTCT consensus (Lee 2019) with "
        f"{POPULATIONS[spec.grading.population]}. A domain that was not assessed leaves the grade between bounds. "
        f"{unscanned}{reported} An imaging-blind grade leaves out edema seen on imaging, and is used wherever MRI is "
        f"an exposure. The maximum grade is that of days {spec.grading.window[0]} to {spec.grading.window[1]}; "
        f"{OPEN_DAYS[spec.grading.open_days]}; a new episode begins after {spec.grading.gap_days} days at grade 0."
    )


def _imaging(spec: StudyFile) -> str:
    return (
        f"MRI findings of days {spec.imaging.window[0]} to {spec.imaging.window[1]} were summarised per patient "
        f"(rule: {spec.imaging.rule}). A finding is only absent where a scan was made and the sequence it needs was "
        "acquired; proportions are of those imaged and assessable."
    )


def _statistics(spec: StudyFile) -> tuple[str, ...]:
    kinds = {type(part) for part in spec.analyses.values()}
    level = f"{100 * spec.study.conf_level:g}%"
    parts = []
    if TableOneSpec in kinds:
        parts.append(
            "Characteristics are medians with quartiles (SAS definition 5) or counts with percentages of the known; "
            "groups are compared by standardised mean differences."
        )
    if KaplanMeierSpec in kinds:
        parts.append(
            f"Survival was estimated by Kaplan-Meier with log-log {level} limits and compared by the log-rank test."
        )
    if IncidenceSpec in kinds:
        parts.append(
            "Cumulative incidence was estimated by Aalen-Johansen with competing events and compared by Gray's test."
        )
    if CoxSpec in kinds:
        parts.append(
            "Hazard ratios are from Cox models with Efron's handling of ties unless said otherwise, cause-specific "
            "where events compete. Findings after infusion entered as time-dependent exposures in (start, stop] form "
            "or from a landmark. Proportional hazards were tested by scaled Schoenfeld residuals "
            "(Grambsch and Therneau 1994)."
        )
    if OddsRatioSpec in kinds:
        firth = any(
            isinstance(part, OddsRatioSpec) and part.method == "firth" for part in spec.analyses.values()
        )
        how = "Firth's penalised likelihood with profile limits" if firth else "maximum likelihood"
        parts.append(f"Odds ratios are from logistic regression by {how}.")
    if MantelHaenszelSpec in kinds:
        parts.append(
            "Associations over strata were pooled after Mantel and Haenszel (odds ratio with the variance of Robins, "
            "Breslow and Greenland, risk difference with that of Sato); that strata agree was tested after Breslow, "
            "Day and Tarone."
        )
    acknowledged = sorted({guard for part in spec.analyses.values() for guard in part.acknowledge})
    if acknowledged:
        parts.append(f"Guards overridden on purpose: {', '.join(acknowledged)}.")
    return (" ".join(parts),) if parts else ()
