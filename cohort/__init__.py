"""Neurotoxicity after CAR-T cell therapy: harmonise, grade, link, estimate, publish.

Import as ``import cohort as co``. Every public name is listed here and loaded on first use, so that
``import cohort`` stays light.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_WHERE = {
    # sources -> harmonised registry
    "read_dictionary": "cohort.dictionary.read",
    "read_source": "cohort.registry.source",
    "column_use": "cohort.registry.column_use",
    "mapping_layout": "cohort.registry.mapping_layout",
    "harmonize": "cohort.registry.harmonize",
    "scan_source": "cohort.registry.mapping_proposal",
    "propose_mapping": "cohort.registry.mapping_proposal",
    "review_mapping": "cohort.registry.mapping_review",
    "read_redcap": "cohort.registry.redcap_project",
    "Registry": "cohort.registry.registry",
    "same_patients": "cohort.registry.same_patients",
    "resolve_conflicts": "cohort.registry.resolve",
    "deidentify": "cohort.registry.deidentify",
    "export_registry": "cohort.registry.deidentify",
    "unit_blocks": "cohort.registry.unit_blocks",
    "simulate_registries": "cohort.simulate.registries",
    # neurotoxicity
    "grade_icans": "cohort.neurotox.icans",
    "grade_crs": "cohort.neurotox.crs",
    "grade_by_scale": "cohort.neurotox.other_scales",
    "icans_episodes": "cohort.neurotox.episodes",
    "mri_findings": "cohort.neurotox.mri",
    "mri_timing": "cohort.neurotox.linkage",
    "lesion_load": "cohort.neurotox.lesion_load",
    "manifestations": "cohort.neurotox.manifestations",
    "manifestation_findings": "cohort.neurotox.manifestations",
    "easix": "cohort.neurotox.scores",
    "m_easix": "cohort.neurotox.scores",
    "s_easix": "cohort.neurotox.scores",
    "hscore": "cohort.neurotox.scores",
    "car_hematotox": "cohort.neurotox.scores",
    "hyperinflammation_criteria": "cohort.neurotox.hyperinflammation",
    "icaht_grade": "cohort.neurotox.icaht",
    # study population and endpoints
    "Study": "cohort.study.population",
    "Endpoint": "cohort.study.endpoints",
    "endpoint": "cohort.study.named_endpoints",
    "counting_process": "cohort.study.risk_sets",
    "landmark_stack": "cohort.study.landmark_stack",
    "interval_faults": "cohort.study.interval_faults",
    "transitions": "cohort.study.transitions",
    "transitions_from_rows": "cohort.study.transitions",
    "recurrent_endpoint": "cohort.study.recurrent_rows",
    # estimands
    "kaplan_meier": "cohort.models.kaplan_meier",
    "simon_makuch": "cohort.models.simon_makuch",
    "logrank": "cohort.models.logrank",
    "cumulative_incidence": "cohort.models.cumulative_incidence",
    "multistate": "cohort.models.multistate",
    "cox": "cohort.models.cox",
    "shared_frailty": "cohort.models.shared_frailty",
    "fine_gray": "cohort.models.fine_gray",
    "competing_risks_table": "cohort.models.competing_risks_table",
    "recurrent": "cohort.models.recurrent",
    "mean_cumulative_count": "cohort.models.mean_cumulative_count",
    "interval_censored": "cohort.models.interval_censored",
    "parametric_survival": "cohort.models.parametric_survival",
    "odds_ratio": "cohort.models.odds_ratio",
    "standardized_risks": "cohort.models.standardized_risks",
    "standardized_curves": "cohort.models.standardized_curves",
    "ordinal": "cohort.models.ordinal",
    "proportion": "cohort.models.proportion",
    "two_by_two": "cohort.models.two_by_two",
    "agreement": "cohort.models.agreement",
    "trend": "cohort.models.trend",
    "mantel_haenszel": "cohort.models.mantel_haenszel",
    "diagnostic_accuracy": "cohort.models.diagnostic_accuracy",
    "roc": "cohort.models.roc",
    # judging published scores
    "time_dependent_auc": "cohort.models.time_dependent_auc",
    "brier_score": "cohort.models.brier_score",
    "calibration": "cohort.models.calibration",
    "decision_curve": "cohort.models.decision_curve",
    # confounding and selection
    "inverse_probability_weights": "cohort.models.inverse_probability_weights",
    "balance": "cohort.models.balance",
    "causal_diagram": "cohort.models.causal_diagram",
    "e_value": "cohort.models.e_value",
    "manski_bounds": "cohort.models.manski_bounds",
    "imaging_reclassification": "cohort.models.imaging_reclassification",
    "imaging_coverage": "cohort.models.imaging_coverage",
    "baseline_value": "cohort.models.baseline_value",
    "association_screen": "cohort.models.association_screen",
    "export_aggregates": "cohort.models.export_aggregates",
    "pool_registries": "cohort.models.pool_registries",
    # sample size
    "precision": "cohort.models.precision",
    "power_proportions": "cohort.models.power_proportions",
    "power_hazard_ratio": "cohort.models.power_hazard_ratio",
    "event_probability": "cohort.models.power_hazard_ratio",
    "power_time_dependent": "cohort.models.power_time_dependent",
    "design_effect": "cohort.models.plan_checks",
    # missing values
    "missing_patterns": "cohort.models.missing_patterns",
    "impute": "cohort.models.impute",
    "pool": "cohort.models.pool",
    "tipping_point": "cohort.models.tipping_point",
    # out
    "table_one": "cohort.tables.table_one",
    "regression_table": "cohort.tables.regression_table",
    "imaging_table": "cohort.tables.imaging_table",
    "toxicity_table": "cohort.tables.toxicity_table",
    "run": "cohort.report.run",
    "errors": "cohort.errors",
}

__all__ = sorted([*_WHERE, "__version__"])


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        msg = f"module 'cohort' has no attribute {name!r}"
        raise AttributeError(msg)
    module = importlib.import_module(_WHERE[name])
    value = module if name == "errors" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
