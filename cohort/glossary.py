"""The one vocabulary of results: every column a ``tidy()``, ``glance()`` or ``at()`` frame may have."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TIDY: Mapping[str, str] = MappingProxyType(
    {
        "term": "the variable as written in the formula, or the name of the measure",
        "level": "the category of a categorical variable; empty for a number",
        "outcome": "the event or outcome the row is about",
        "strata": "the group of patients the row is about",
        "method": "how the estimate or its interval was computed",
        "measure": "what the estimate is, where rows hold different measures",
        "family": "the family of tests within which p-values are adjusted",
        "correlation": "correlation of the scores of a pair (phi, rank), comparable across measures",
        "half_width": "half the distance between the (expected) limits",
        "prediction_low": "lower limit of the interval for the effect in a new registry",
        "prediction_high": "upper limit of the interval for the effect in a new registry",
        "time_low": "time after which, up to `time`, the event happened (interval-censored)",
        "time": "time since the endpoint's origin, in the endpoint's unit",
        "estimate": "the point estimate; on the log scale for regression unless exponentiated",
        "std_error": "standard error on the scale of the estimate",
        "statistic": "test statistic",
        "df": "degrees of freedom of the statistic",
        "p_value": "two-sided p-value",
        "p_adjusted": "p-value adjusted for multiplicity",
        "conf_low": "lower confidence limit",
        "conf_high": "upper confidence limit",
        "n_risk": "number at risk just before the time",
        "n_event": "number of events",
        "n_event_expected": "number of events expected if all groups had the same hazard",
        "n_censor": "number censored",
        "n": "number of patients (or rows, where said) used",
        "n_missing": "number of patients of the row left out because a value is not known",
        "bound_low": "lowest value the data allow without assumptions on what was not observed",
        "bound_high": "highest such value",
        "fmi": "fraction of missing information (pooled results)",
        "missing_share": "lambda, share of the pooled variance that is due to the missing values",
        "delta": "shift of imputed values (or of their log odds) in a sensitivity analysis",
        "complete_case": "the estimate of the complete cases, on the scale of `estimate`",
        "complete_case_low": "its lower confidence limit (Wald)",
        "complete_case_high": "its upper confidence limit (Wald)",
        "reason": "why an estimate is missing; empty when it is not",
    }
)

GLANCE: Mapping[str, str] = MappingProxyType(
    {
        "n": "patients (or rows, where said) used",
        "n_event": "events of interest",
        "n_verified": "patients whose condition the reference showed, among those with a known test",
        "n_missing": "patients left out because a value is missing",
        "n_cluster": "clusters of the robust variance",
        "correlation": "working correlation of two patients of a cluster",
        "intercept_sd": "standard deviation of random intercepts, on the scale of log odds",
        "log_likelihood": "maximised log-likelihood (penalised when `penalty` says so)",
        "log_likelihood_null": "the same without covariates",
        "aic": "Akaike's information criterion",
        "concordance": "Harrell's concordance",
        "concordance_std_error": "its standard error",
        "df": "degrees of freedom of the model",
        "statistic": "global test statistic",
        "p_value": "p-value of the global test",
        "penalty": "penalty of the likelihood, empty for none",
        "method": "estimation method",
        "ties": "how tied event times are handled",
        "conf_level": "confidence level of the intervals",
        "unit": "unit of time",
        "follow_up_median": "reverse Kaplan-Meier median follow-up",
        "acknowledged": "guards that were overridden, comma-separated",
        "iterations": "iterations to convergence",
        "effective_n": "Kish's effective sample size of the weights",
        "weight_min": "smallest weight",
        "weight_max": "largest weight",
        "n_truncated": "weights that were truncated",
        "largest_difference": "largest absolute standardized difference, under the weights if there are any",
        "largest_difference_unweighted": "the same without weights",
        "n_imputation": "completed data sets of multiple imputation",
        "fmi": "largest fraction of missing information",
    }
)
