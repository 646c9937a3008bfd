"""Every fault that the simulator set on purpose is reported by harmonization, with its exact count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:
    from .conftest import Harmonized

VARIABLES = {
    ("sim_cibmtr", "PRODUCT"): "product",
    ("sim_cibmtr", "SEX"): "sex",
    ("sim_cibmtr", "CRP"): "crp_mg_dl",
    ("sim_cibmtr", "FERR"): "ferritin_ng_ml",
    ("sim_cibmtr", "Q83"): "hypotension",
    ("sim_cibmtr", "Q100"): "icans_onset_day",
    ("sim_cibmtr", "Q109"): "seizure",
    ("sim_ebmt", "RELAPSE_DATE"): "relapse_day",
    ("sim_ebmt", "CREA_UMOLL"): "creatinine_mg_dl",
    ("sim_ebmt", "DIAGNOSIS"): "disease",
    ("sim_ebmt", "ICANS_ONSET"): "icans_onset_day",
    ("sim_ebmt", "ICANS_GRADE"): "reported_icans_grade",
    ("sim_ebmt", "ICANS_RESOLVED"): "icans_resolved_day",
    ("sim_ebmt", "CRS_GRADE"): "reported_crs_grade",
    ("sim_ebmt", "BEF_PRES"): "presence",
    ("sim_redcap", "disease"): "disease",
    ("sim_redcap", "bl_crp_unit"): "crp_mg_dl",
    ("sim_redcap", "nd_ice_total"): "ice_score",
    ("sim_redcap", "nd_loc"): "consciousness",
    ("sim_redcap", "lb_crp_unit"): "value",
    ("sim_redcap", "lb_ferritin"): "value",
    ("sim_redcap", "lb_ldh"): "value",
    ("sim_redcap", "cg_moca"): "moca_total",
}
STATUSES = ("unmapped", "unparsed", "out_of_range", "no_unit", "partial")


def test_every_kind_of_fault_was_set(harmonized: Harmonized) -> None:
    traps = harmonized.truth["traps"]
    by_status = traps[traps["reported_as"].isin(STATUSES)]
    assert set(zip(by_status["source"], by_status["column"], strict=True)) == set(VARIABLES)
    assert {"duplicate_exact", "duplicate_conflicting", "conflict_between_sources"} <= set(traps["name"])


@pytest.mark.parametrize("status", STATUSES)
def test_faults_become_statuses(harmonized: Harmonized, status: str) -> None:
    traps = harmonized.truth["traps"]
    traps = traps[traps["reported_as"] == status]
    assert len(traps) > 0
    traps = traps.assign(
        variable=[VARIABLES[key] for key in zip(traps["source"], traps["column"], strict=True)]
    )
    expected = traps.groupby(["source", "table", "variable"])["n"].sum()
    for (source, table, variable), n in expected.items():
        frame = harmonized.registry.tables[table]
        mine = frame.loc[frame["source"] == source, f"{variable}__status"]
        assert (mine == status).sum() == n, (source, table, variable)


def test_codes_without_a_rule_are_listed(harmonized: Harmonized) -> None:
    traps = harmonized.truth["traps"]
    expected = traps[traps["reported_as"] == "unmapped"]["n"].sum()
    listed = harmonized.registry.unmapped
    # one code of PRODUCT is without a rule in product, antigen and costimulation: count it once
    listed = listed[(listed["status"] == "unmapped") & ~listed["variable"].isin(["antigen", "costimulation"])]
    assert listed["n"].sum() == expected


def test_rows_told_twice_are_collapsed_or_listed(harmonized: Harmonized) -> None:
    traps, registry = harmonized.truth["traps"], harmonized.registry
    audit = registry.audit[registry.audit["value"] == "left out: identical to another row"]
    collapsed = audit.groupby(["source", "table"])["n"].sum()
    exact = traps[traps["name"] == "duplicate_exact"]
    for source, table, n in zip(exact["source"], exact["table"], exact["n"], strict=True):
        assert collapsed[source, table] == n
    conflicts = registry.conflicts
    within = conflicts[~conflicts["sources"].str.contains(";")]
    conflicting = traps[traps["name"] == "duplicate_conflicting"]
    listed = within.groupby(["sources", "table"]).size()
    told = pd.Series(
        conflicting["n"].to_numpy(), index=pd.MultiIndex.from_frame(conflicting[["source", "table"]])
    )
    assert listed.to_dict() == told.to_dict()


def test_registries_that_contradict_each_other_are_listed(harmonized: Harmonized) -> None:
    traps, conflicts = harmonized.truth["traps"], harmonized.registry.conflicts
    between = conflicts[conflicts["sources"].str.contains(";") & (conflicts["variable"] == "age_years")]
    assert len(between) == traps.loc[traps["name"] == "conflict_between_sources", "n"].sum()
