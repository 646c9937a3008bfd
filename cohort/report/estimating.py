"""Analyses that estimate: curves, incidence, hazards, odds, fourfold tables."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING

import pandas as pd

from cohort.errors import EndpointError, StudyError
from cohort.format import fixed, interval, p_value, ratio
from cohort.models.cox import CoxRegression, cox
from cohort.models.cumulative_incidence import CumulativeIncidence, cumulative_incidence
from cohort.models.kaplan_meier import KaplanMeier, kaplan_meier
from cohort.models.mantel_haenszel import mantel_haenszel
from cohort.models.odds_ratio import odds_ratio
from cohort.models.odds_ratio_result import OddsRatio
from cohort.models.ratios import draw_ratios
from cohort.models.two_by_two import two_by_two
from cohort.report.outcome import Outcome, drawing
from cohort.report.prepare import Prepared
from cohort.report.spec import (
    CoxSpec,
    IncidenceSpec,
    KaplanMeierSpec,
    MantelHaenszelSpec,
    OddsRatioSpec,
    TwoByTwoSpec,
)
from cohort.report.words import (
    EVENTS,
    column_words,
    event_words,
    forest_labels,
    headline,
    left_out_sentence,
    row_words,
)
from cohort.study.endpoints import Endpoint
from cohort.tables.labels import in_sentence, level_label
from cohort.tables.plain_table import PlainColumn, plain_table
from cohort.tables.regression_table import regression_table
from cohort.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


STRATA_METHODS = {
    "mantel_haenszel": "Mantel-Haenszel",
    "mid_p": "Mid-P",
    "greenland_robins": "Greenland-Robins",
    "cmh": "Cochran-Mantel-Haenszel",
    "cmh_corrected": "Cochran-Mantel-Haenszel, corrected",
    "breslow_day": "Breslow-Day",
    "breslow_day_tarone": "Breslow-Day-Tarone",
}


def survival_curves(name: str, part: KaplanMeierSpec, prepared: Prepared) -> Outcome:
    """Estimate Kaplan-Meier curves."""
    endpoint = _endpoint(prepared, part.endpoint, name)
    fit = kaplan_meier(
        endpoint,
        by=part.by,
        data=_data_for(endpoint, prepared),
        conf_level=prepared.spec.study.conf_level,
        acknowledge=part.acknowledge,
    )
    title = part.title or f"{headline(event_words(endpoint.name))}{_by(part.by, prepared)}"
    at = fit.at(list(part.at))
    return Outcome(
        name,
        part.kind,
        title,
        sentences=(_curve_sentence(fit, max(part.at)), *left_out_sentence(prepared.data, fit.left_out)),
        tables={name: _curve_table(at, title, "Survival", prepared.spec.study.conf_level, part.by)},
        drawings=(
            drawing(name, fit.plot(), f"{title}. Kaplan-Meier estimate with {_level(prepared)} limits."),
        ),
        frames={
            name: fit.tidy(),
            f"{name}_at": at,
            f"{name}_median": fit.median(),
            f"{name}_fit": fit.glance(),
        },
        notes=_noted(fit.notes),
    )


def incidence_curves(name: str, part: IncidenceSpec, prepared: Prepared) -> Outcome:
    """Estimate cumulative incidence with competing events."""
    endpoint = _endpoint(prepared, part.endpoint, name)
    if part.outcome is not None and part.outcome not in endpoint.states:
        raise EndpointError(
            f"{part.endpoint} has no event {part.outcome!r}",
            evidence=f"events: {', '.join(endpoint.states)}",
            remedy=f"write outcome: {endpoint.states[0]}",
        )
    fit = cumulative_incidence(
        endpoint,
        by=part.by,
        data=_data_for(endpoint, prepared),
        conf_level=prepared.spec.study.conf_level,
        acknowledge=part.acknowledge,
    )
    title = part.title or f"Cumulative incidence of {event_words(endpoint.name)}{_by(part.by, prepared)}"
    at = fit.at(list(part.at))
    shown = at if part.outcome is None else at[at["outcome"] == part.outcome]
    return Outcome(
        name,
        part.kind,
        title,
        sentences=(_curve_sentence(fit, max(part.at)), *left_out_sentence(prepared.data, fit.left_out)),
        tables={
            name: _curve_table(shown, title, "Cumulative incidence", prepared.spec.study.conf_level, part.by)
        },
        drawings=(
            drawing(name, fit.plot(), f"{title}. Aalen-Johansen estimate with {_level(prepared)} limits."),
        ),
        frames={name: fit.tidy(), f"{name}_at": at, f"{name}_fit": fit.glance()},
        notes=_noted(fit.notes),
    )


def hazards(name: str, part: CoxSpec, prepared: Prepared) -> Outcome:
    """Fit a Cox model."""
    endpoint = _endpoint(prepared, part.endpoint, name)
    fit = cox(
        endpoint,
        part.formula,
        _data_for(endpoint, prepared),
        strata=part.strata,
        cluster=part.cluster,
        event=part.event,
        ties=part.ties,
        penalty=part.penalty,
        conf_level=prepared.spec.study.conf_level,
        acknowledge=part.acknowledge,
    )
    title = part.title or f"Hazard ratios for {event_words(part.event or endpoint.name)}"
    frames = {name: fit.tidy(), f"{name}_fit": fit.glance()}
    notes: tuple[str, ...] = ()
    if part.check_proportional_hazards and part.penalty is None:
        check = fit.check_proportional_hazards()
        frames[f"{name}_proportional_hazards"] = check
        overall = check[check["term"] == "GLOBAL"].iloc[0]
        notes = (f"Proportional hazards (Grambsch-Therneau, global): P{p_value(float(overall['p_value']))}.",)
    legend = f"{title}. Hazard ratios with {_level(prepared)} limits."
    return Outcome(
        name,
        part.kind,
        title,
        sentences=_regression_sentences(fit, prepared.data),
        tables={
            name: regression_table([fit], labels=_own_labels(prepared), data=prepared.data).with_caption(
                title
            )
        },
        drawings=(drawing(name, _forest(fit, fit.measure, prepared), legend),),
        frames=frames,
        notes=(*notes, *_noted(fit.notes)),
        fit=fit,
    )


def odds(name: str, part: OddsRatioSpec, prepared: Prepared) -> Outcome:
    """Fit a logistic model."""
    fit = odds_ratio(
        part.formula,
        prepared.data,
        method=part.method,
        cluster=part.cluster,
        conf_level=prepared.spec.study.conf_level,
        acknowledge=part.acknowledge,
    )
    outcome = part.formula.partition("~")[0].strip()
    title = part.title or f"Odds ratios for {in_sentence(column_words(prepared.data, outcome))}"
    legend = f"{title}. Odds ratios with {_level(prepared)} limits."
    return Outcome(
        name,
        part.kind,
        title,
        sentences=_regression_sentences(fit, prepared.data),
        tables={
            name: regression_table([fit], labels=_own_labels(prepared), data=prepared.data).with_caption(
                title
            )
        },
        drawings=(drawing(name, _forest(fit, "odds ratio", prepared), legend),),
        frames={name: fit.tidy(), f"{name}_fit": fit.glance()},
        notes=_noted(fit.notes),
        fit=fit,
    )


def fourfold(name: str, part: TwoByTwoSpec, prepared: Prepared) -> Outcome:
    """Analyse a fourfold table."""
    fit = two_by_two(
        part.exposure,
        part.outcome,
        data=prepared.data,
        conf_level=prepared.spec.study.conf_level,
        acknowledge=part.acknowledge,
    )
    exposure, outcome = (column_words(prepared.data, column) for column in (part.exposure, part.outcome))
    title = part.title or f"{exposure} against {in_sentence(outcome)}"
    tidy = fit.tidy()
    stub = PlainColumn("Measure", lambda f: [_words(str(term)) for term in f["term"]], align="left")
    columns = [
        PlainColumn("Method", lambda f: [_words(str(method)) for method in f["method"]], align="left"),
        PlainColumn("Estimate", lambda f: [_known(ratio, value) for value in f["estimate"]]),
        _limits_column(prepared.spec.study.conf_level, None),
        PlainColumn("P", lambda f: [_known(p_value, value).removeprefix("=") for value in f["p_value"]]),
    ]
    return Outcome(
        name,
        part.kind,
        title,
        sentences=(
            *(f"{headline(fit.text(term))}." for term in ("risk_ratio", "risk_difference")),
            *left_out_sentence(prepared.data, fit.left_out),
        ),
        tables={name: plain_table(tidy, stub, columns, caption=title)},
        frames={name: tidy, f"{name}_fit": fit.glance()},
        notes=_noted(fit.notes),
        fit=fit,
    )


def pooled_over_strata(name: str, part: MantelHaenszelSpec, prepared: Prepared) -> Outcome:
    """Pool an association over strata."""
    data, level = prepared.data, prepared.spec.study.conf_level
    fit = mantel_haenszel(
        part.exposure,
        part.outcome,
        list(part.strata),
        data=data,
        conf_level=level,
        acknowledge=part.acknowledge,
    )
    exposure, outcome = (column_words(data, column) for column in (part.exposure, part.outcome))
    over = ", ".join(in_sentence(column_words(data, column)) for column in part.strata)
    title = part.title or f"{exposure} against {in_sentence(outcome)}, over {over}"
    tidy = fit.tidy()
    shown = tidy[tidy["strata"] == ""].reset_index(drop=True)
    reasons = zip(shown["method"], shown["reason"], strict=True)
    unknown = [f"{STRATA_METHODS.get(m, _words(m))}: not computed ({why})" for m, why in reasons if why]
    stub = PlainColumn("Measure", lambda f: [_words(str(term)) for term in f["term"]], align="left")
    columns = [
        PlainColumn(
            "Method",
            lambda f: [STRATA_METHODS.get(method, _words(method)) for method in f["method"]],
            align="left",
        ),
        PlainColumn("Estimate", lambda f: [_known(ratio, value) for value in f["estimate"]]),
        _limits_column(level, None),
        PlainColumn("P", lambda f: [_known(p_value, value).removeprefix("=") for value in f["p_value"]]),
    ]
    legend = f"{title}. Odds ratio of each stratum and pooled, with {_level(prepared)} limits."
    return Outcome(
        name,
        part.kind,
        title,
        sentences=(
            *(f"{headline(fit.text(term))}." for term in ("odds_ratio", "risk_difference")),
            *left_out_sentence(data, fit.left_out),
        ),
        tables={name: plain_table(shown, stub, columns, caption=title)},
        drawings=(drawing(name, fit.plot(labels={fit.by: headline(over)}), legend),),
        frames={name: tidy, f"{name}_fit": fit.glance()},
        notes=_noted((*fit.notes, *unknown)),
    )


def _own_labels(prepared: Prepared) -> dict[Hashable, str]:
    """Return the labels of the columns that the study file itself declares."""
    labels: dict[Hashable, str] = {name: part.label for name, part in prepared.spec.summaries.items()}
    labels |= {name: part.label for name, part in prepared.spec.variables.items()}
    return {name: label for name, label in labels.items() if label}


def _noted(notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{headline(note)}." for note in notes)


def _forest(fit: CoxRegression | OddsRatio, measure: str, prepared: Prepared) -> Axes:
    """Draw a regression with the labels of its variables."""
    tidy = fit.tidy(exponentiate=True)
    tidy = tidy[tidy["term"] != "Intercept"]
    references = pd.DataFrame({"term": list(fit.references), "level": list(fit.references.values())})
    labels = forest_labels(prepared.data, pd.concat([tidy[["term", "level"]], references]))
    return draw_ratios(tidy, fit.references, measure, fit.conf_level, labels=labels)


def _curve_table(at: pd.DataFrame, title: str, measure: str, conf_level: float, by: str | None) -> Table:
    groups = [
        column for column in ("strata", "outcome") if column in at and len(set(at[column].astype(str))) > 1
    ]

    def names(frame: pd.DataFrame) -> list[str]:
        words = {
            "strata": [level_label(by or "", str(value), {}) for value in frame["strata"]],
            "outcome": [headline(event_words(str(value))) for value in frame["outcome"]],
        }
        return [" · ".join(row) for row in zip(*(words[column] for column in groups), strict=True)]

    def days(frame: pd.DataFrame) -> list[str]:
        return [fixed(float(time), 0) for time in frame["time"]]

    stub = PlainColumn("Group", names, align="left") if groups else PlainColumn("Day", days, align="left")
    columns = [
        *([PlainColumn("Day", days)] if groups else []),
        PlainColumn("At risk", lambda f: [str(int(n)) for n in f["n_risk"]]),
        PlainColumn(f"{measure}, %", lambda f: [fixed(100 * float(v), 1) for v in f["estimate"]]),
        _limits_column(conf_level, 100.0),
    ]
    return plain_table(at, stub, columns, caption=title)


def _known(text: Callable[[float], str], value: float) -> str:
    """Print a number, or nothing where the row has none."""
    return "" if math.isnan(float(value)) else text(float(value))


def _limits_column(conf_level: float, scale: float | None) -> PlainColumn:
    def text(frame: pd.DataFrame) -> list[str]:
        limits = zip(frame["conf_low"].astype(float), frame["conf_high"].astype(float), strict=True)
        known = [None if math.isnan(low) or math.isnan(high) else (low, high) for low, high in limits]
        if scale is None:
            return ["" if pair is None else interval(*pair, None) for pair in known]
        return ["" if pair is None else interval(scale * pair[0], scale * pair[1], 1) for pair in known]

    return PlainColumn(f"{100 * conf_level:g}% CI", text)


def _endpoint(prepared: Prepared, wanted: str, name: str) -> Endpoint:
    if wanted not in prepared.endpoints:
        raise StudyError(
            f"analysis `{name}` names an endpoint that the study does not define",
            evidence=f"endpoint {wanted!r}; defined: {', '.join(prepared.endpoints) or 'none'}",
            remedy="add it under `endpoints:`",
        )
    endpoint = prepared.endpoints[wanted]
    if isinstance(endpoint, EndpointError):
        raise endpoint
    if not len(endpoint.index):
        reasons = ", ".join(f"{n} {reason}" for reason, n in endpoint.excluded)
        raise EndpointError(
            f"no patient has a usable time for the endpoint {wanted}",
            evidence=f"left out: {reasons or 'nobody, for nobody came in'}",
            remedy="look at the follow-up of the sources and at landmark_day",
        )
    return endpoint


def _data_for(endpoint: Endpoint, prepared: Prepared) -> pd.DataFrame | None:
    """Return the analysis frame; None for (start, stop] rows, which carry their own."""
    return None if endpoint.counting else prepared.data


def _curve_sentence(fit: KaplanMeier | CumulativeIncidence, time: float) -> str:
    """Say the estimate of each group at a time."""
    groups = list(dict.fromkeys(str(value) for value in fit.at([time])["strata"]))
    said = "; ".join(fit.text(group, time=time) for group in groups)
    for name, words in EVENTS.items():
        said = re.sub(rf"\b{name.replace('_', ' ')}\b", words, said)
    return f"{headline(said)}."


def _regression_sentences(fit: CoxRegression | OddsRatio, data: pd.DataFrame) -> tuple[str, ...]:
    """Say every estimate, and who was left out."""
    tidy = fit.tidy()
    said = [
        f"{row_words(data, str(term), str(level))}: {fit.text(f'{term}[{level}]' if level else str(term))}"
        for term, level in zip(tidy["term"], tidy["level"], strict=True)
        if term != "Intercept"
    ]
    return (f"{'; '.join(said)}.", *left_out_sentence(data, fit.left_out))


def _words(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def _by(by: str | None, prepared: Prepared) -> str:
    return f" by {in_sentence(column_words(prepared.data, by))}" if by else ""


def _level(prepared: Prepared) -> str:
    return f"{100 * prepared.spec.study.conf_level:g}%"
