"""Analyses that estimate: curves, incidence, hazards, odds, fourfold tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pandas as pd

from cohort.errors import StudyError
from cohort.format import fixed, interval, p_value, ratio
from cohort.models.cox import cox
from cohort.models.cumulative_incidence import cumulative_incidence
from cohort.models.kaplan_meier import kaplan_meier
from cohort.models.odds_ratio import odds_ratio
from cohort.models.two_by_two import two_by_two
from cohort.report.outcome import Drawing, Outcome
from cohort.report.prepare import Prepared
from cohort.report.spec import CoxSpec, IncidenceSpec, KaplanMeierSpec, OddsRatioSpec, TwoByTwoSpec
from cohort.study.endpoints import Endpoint
from cohort.tables.plain_table import PlainColumn, plain_table
from cohort.tables.regression_table import regression_table
from cohort.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
    title = part.title or f"{_words(endpoint.name)}{_by(part.by)}"
    at = fit.at(list(part.at))
    return Outcome(
        name,
        part.kind,
        title,
        sentences=_first_lines(fit),
        tables={name: _curve_table(at, title, "Survival", prepared.spec.study.conf_level)},
        drawings=(
            _drawing(name, fit.plot(), f"{title}. Kaplan-Meier estimate with {_level(prepared)} limits."),
        ),
        frames={
            name: fit.tidy(),
            f"{name}_at": at,
            f"{name}_median": fit.median(),
            f"{name}_fit": fit.glance(),
        },
    )


def incidence_curves(name: str, part: IncidenceSpec, prepared: Prepared) -> Outcome:
    """Estimate cumulative incidence with competing events."""
    endpoint = _endpoint(prepared, part.endpoint, name)
    fit = cumulative_incidence(
        endpoint,
        by=part.by,
        data=_data_for(endpoint, prepared),
        conf_level=prepared.spec.study.conf_level,
        acknowledge=part.acknowledge,
    )
    title = part.title or f"Cumulative incidence of {_words(endpoint.name).lower()}{_by(part.by)}"
    at = fit.at(list(part.at))
    shown = at if part.outcome is None else at[at["outcome"] == part.outcome]
    return Outcome(
        name,
        part.kind,
        title,
        sentences=_first_lines(fit),
        tables={name: _curve_table(shown, title, "Cumulative incidence", prepared.spec.study.conf_level)},
        drawings=(
            _drawing(name, fit.plot(), f"{title}. Aalen-Johansen estimate with {_level(prepared)} limits."),
        ),
        frames={name: fit.tidy(), f"{name}_at": at, f"{name}_fit": fit.glance()},
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
    title = part.title or f"Hazard ratios for {_words(part.event or endpoint.name).lower()}"
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
        sentences=_first_lines(fit),
        tables={name: regression_table([fit]).with_caption(title)},
        drawings=(_drawing(name, fit.plot(), legend),),
        frames=frames,
        notes=notes,
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
    title = part.title or f"Odds ratios for {_words(part.formula.partition('~')[0].strip()).lower()}"
    legend = f"{title}. Odds ratios with {_level(prepared)} limits."
    return Outcome(
        name,
        part.kind,
        title,
        sentences=_first_lines(fit),
        tables={name: regression_table([fit]).with_caption(title)},
        drawings=(_drawing(name, fit.plot(), legend),),
        frames={name: fit.tidy(), f"{name}_fit": fit.glance()},
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
    title = part.title or f"{_words(part.exposure)} against {_words(part.outcome).lower()}"
    tidy = fit.tidy()
    stub = PlainColumn("Measure", lambda f: [_words(str(term)) for term in f["term"]], align="left")
    columns = [
        PlainColumn("Method", lambda f: [_words(str(method)) for method in f["method"]], align="left"),
        PlainColumn("Estimate", lambda f: [ratio(float(value)) for value in f["estimate"]]),
        _limits_column(prepared.spec.study.conf_level, None),
        PlainColumn("P", lambda f: [p_value(float(value)).removeprefix("=") for value in f["p_value"]]),
    ]
    return Outcome(
        name,
        part.kind,
        title,
        sentences=_first_lines(fit),
        tables={name: plain_table(tidy, stub, columns, caption=title)},
        frames={name: tidy, f"{name}_fit": fit.glance()},
    )


def _curve_table(at: pd.DataFrame, title: str, measure: str, conf_level: float) -> Table:
    groups = [
        column for column in ("strata", "outcome") if column in at and len(set(at[column].astype(str))) > 1
    ]
    stub = PlainColumn(
        "Group" if groups else "Days",
        (lambda f: [" · ".join(_words(str(part)) for part in row) for row in f[groups].to_numpy()])
        if groups
        else (lambda f: [fixed(float(time), 0) for time in f["time"]]),
        align="left",
    )
    times = [PlainColumn("Day", lambda f: [fixed(float(t), 0) for t in f["time"]])] if groups else []
    columns = [
        *times,
        PlainColumn("At risk", lambda f: [str(int(n)) for n in f["n_risk"]]),
        PlainColumn(f"{measure}, %", lambda f: [fixed(100 * float(v), 1) for v in f["estimate"]]),
        _limits_column(conf_level, 100.0),
    ]
    return plain_table(at, stub, columns, caption=title)


def _limits_column(conf_level: float, scale: float | None) -> PlainColumn:
    def text(frame: pd.DataFrame) -> list[str]:
        limits = zip(frame["conf_low"].astype(float), frame["conf_high"].astype(float), strict=True)
        if scale is None:
            return [interval(low, high, None) for low, high in limits]
        return [interval(scale * low, scale * high, 1) for low, high in limits]

    return PlainColumn(f"{100 * conf_level:g}% CI", text)


def _endpoint(prepared: Prepared, wanted: str, name: str) -> Endpoint:
    if wanted not in prepared.endpoints:
        raise StudyError(
            f"analysis `{name}` names an endpoint that the study does not define",
            evidence=f"endpoint {wanted!r}; defined: {', '.join(prepared.endpoints) or 'none'}",
            remedy="add it under `endpoints:`",
        )
    return prepared.endpoints[wanted]


def _data_for(endpoint: Endpoint, prepared: Prepared) -> pd.DataFrame | None:
    """Return the analysis frame; None for (start, stop] rows, which carry their own."""
    return None if endpoint.counting else prepared.data


def _drawing(name: str, axes: Axes, legend: str) -> Drawing:
    return Drawing(name, cast("Figure", axes.figure), legend)


def _first_lines(fit: object) -> tuple[str, ...]:
    """Return the sentence of a result, and who was left out of it."""
    lines = repr(fit).splitlines()
    left_out = [
        line.strip() for line in lines[1:] if line.lower().lstrip().startswith(("left out", "patients left"))
    ]
    return (lines[0], *left_out)


def _words(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def _by(by: str | None) -> str:
    return f" by {_words(by).lower()}" if by else ""


def _level(prepared: Prepared) -> str:
    return f"{100 * prepared.spec.study.conf_level:g}%"
