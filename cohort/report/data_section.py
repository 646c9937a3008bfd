"""The report's section on the data: rows, duplicates, quality, codes, limits, conflicts."""

from __future__ import annotations

import pandas as pd

from cohort.registry.recodings import spellings
from cohort.report.blocks import Block, Section
from cohort.report.outcome import drawing
from cohort.report.prepare import Prepared
from cohort.tables.plain_table import plain_table, text_column

TITLE = "The data, and what was lost on the way"
MAX_ROWS = 60
BY_DESIGN = (
    "in the input",
    "after unpivot",
    "out",
    "left out: where is false",
    "left out: repeated on purpose (distinct)",
)
WHY = {
    "where is missing": "the mapping's row filter could not be decided",
    "identical to another row": "identical to another row of the source",
}


def data_section(prepared: Prepared) -> Section:
    """Arrange what the registry says about its own making."""
    registry = prepared.registry
    quality = registry.quality()
    blocks = [
        _rows_block(prepared),
        _left_out_block(registry.audit),
        _quality_block(quality),
        _unmapped_block(registry.unmapped),
        _spellings_block(prepared.codes, registry.unmapped),
        _units_block(prepared.units),
        _limits_block(registry.limits),
        _conflicts_block(registry.conflicts),
    ]
    return Section("data", TITLE, blocks=tuple(blocks))


def _rows_block(prepared: Prepared) -> Block:
    counts = [
        {"table": name, "source": str(source), "n": int(n)}
        for name, frame in prepared.registry.tables.items()
        for source, n in frame["source"].astype("string").value_counts().sort_index().items()
    ]
    frame = pd.DataFrame(counts, columns=["table", "source", "n"])
    wide = frame.pivot_table(index="table", columns="source", values="n", aggfunc="sum", observed=True)
    wide = wide.reindex(list(prepared.registry.tables)).fillna(0).astype(int).reset_index()
    stub = text_column("Table", "table")
    columns = [text_column(str(source), str(source), "right") for source in wide.columns[1:]]
    return Block(
        "rows",
        "Rows by table and source",
        tables={"rows": plain_table(wide, stub, columns, caption="Harmonised rows")},
    )


def _quality_block(quality: pd.DataFrame) -> Block:
    failed = quality[quality["result"] == "failed"]
    sentence = (
        f"{len(quality)} checks were made (Kahn's categories), {len(failed)} of them failed their threshold; "
        "all are in the harmonised data's quality report."
    )
    axes = quality.plot()
    legend = (
        "Largest share (%) of values that violate a check, by variable and center. White: not in the source."
    )
    return Block(
        "quality",
        "Quality",
        sentences=(sentence,),
        drawings=(drawing("quality", axes, legend),),
    )


def _unmapped_block(unmapped: pd.DataFrame) -> Block:
    if unmapped.empty:
        return Block(
            "unmapped", "Values without a rule", sentences=("Every value of every source had a rule.",)
        )
    codes = unmapped.assign(value=unmapped["value"].where(unmapped["status"] == "unmapped", ""))
    names = ["source", "table", "variable", "status", "value"]
    counts = codes.groupby(names, observed=True, dropna=False)["n"].sum().reset_index()
    shown = counts.sort_values(["n", *names], ascending=[False, *[True] * len(names)]).head(MAX_ROWS)
    stub = text_column("Source", "source")
    columns = [
        text_column("Table", "table"),
        text_column("Variable", "variable"),
        text_column("Status", "status"),
        text_column("Code", "value"),
        text_column("Cells", "n", "right"),
    ]
    table = plain_table(shown, stub, columns, caption="Source values without a rule, or unreadable")
    sentence = (
        f"{int(unmapped['n'].sum())} cells hold a code without a rule, or a text that is no number, date or unit. They "
        "are missing in the analysis and say so in their status; nothing was guessed. Only codes are shown."
    )
    return Block("unmapped", "Values without a rule", sentences=(sentence,), tables={"unmapped": table})


def _conflicts_block(conflicts: pd.DataFrame) -> Block:
    title = "Conflicting records"
    if conflicts.empty:
        return Block("conflicts", title, sentences=("No two records of the same key differ.",))
    counts = (
        conflicts.groupby(["table", "variable"], observed=True)
        .agg(n=("patient_id", "size"), patients=("patient_id", "nunique"))
        .reset_index()
    )
    stub = text_column("Table", "table")
    columns = [
        text_column("Variable", "variable"),
        text_column("Records", "n", "right"),
        text_column("Patients", "patients", "right"),
    ]
    sentence = (
        f"{conflicts['patient_id'].nunique()} patients have records with the same key and different values, within a "
        "source or between two. All records are kept in the harmonised tables; the population keeps the infusion of "
        "the source that stands first in the study file."
    )
    table = plain_table(counts, stub, columns, caption="Conflicting values by variable")
    return Block("conflicts", title, sentences=(sentence,), tables={"conflicts": table})


def _left_out_block(audit: pd.DataFrame) -> Block:
    rows = audit[(audit["item"] == "rows") & (audit["n"] > 0) & ~audit["value"].isin(BY_DESIGN)]
    counts = rows.groupby(["source", "table", "value"], observed=True)["n"].sum().reset_index()
    title = "Rows left out of the harmonised tables"
    if counts.empty:
        return Block(
            "left_out", title, sentences=("No row was left out but those that belong to another table.",)
        )
    counts["value"] = counts["value"].str.removeprefix("left out: ").replace(WHY)
    stub = text_column("Source", "source")
    columns = [text_column("Table", "table"), text_column("Why", "value"), text_column("Rows", "n", "right")]
    return Block("left_out", title, tables={"left_out": plain_table(counts, stub, columns, caption=title)})


def _with_unmapped(codes: pd.DataFrame, unmapped: pd.DataFrame) -> pd.DataFrame:
    """Put codes without a rule beside those with one."""
    lost = unmapped[unmapped["status"] == "unmapped"].rename(columns={"value": "code"})
    return pd.concat([codes, lost.assign(category="no rule")[codes.columns]], ignore_index=True)


def _spellings_block(codes: pd.DataFrame, unmapped: pd.DataFrame) -> Block:
    codes = _with_unmapped(codes, unmapped)
    several = spellings(codes)
    title = "Categories written in several ways"
    if several.empty:
        return Block("spellings", title, sentences=("Every category is written in one way in each source.",))
    keys = ["source", "source_column"]
    ways = codes[codes["n"] > 0].groupby(keys, observed=True)["code"].nunique()
    told = "; ".join(
        f"{column} of {source} is written in {ways[source, column]} ways"
        for source, column in sorted(set(zip(several["source"], several["source_column"], strict=True)))
    )
    stub = text_column("Source", "source")
    columns = [
        text_column("Variable", "variable"),
        text_column("Category", "category"),
        text_column("Written", "code"),
        text_column("Cells", "n", "right"),
    ]
    table = plain_table(
        several.head(MAX_ROWS), stub, columns, caption="Spellings that a mapping brings together"
    )
    sentence = (
        f"{told}. Every way that was brought to a category is a rule of the mapping; the others are unmapped."
    )
    return Block("spellings", title, sentences=(sentence,), tables={"spellings": table})


def _units_block(units: pd.DataFrame) -> Block:
    """Show variables that come in several units, and columns whose values fit another unit."""
    title = "Units by block"
    keys = ["source", "table", "variable"]
    several = units.groupby(keys, observed=True)["unit"].transform("nunique") > 1
    suspected = units["fits_unit"] != ""
    shown = units[several | suspected]
    if shown.empty:
        return Block(
            "units",
            title,
            sentences=("No column with a declared unit holds a block of values that fit another unit.",),
        )
    rows = [f"{first}–{last}" for first, last in zip(shown["first_row"], shown["last_row"], strict=True)]
    fits = shown["fits_unit"].where(~suspected, shown["n_fits"].astype(str) + " fit " + shown["fits_unit"])
    frame = shown.assign(
        rows=rows, fits=fits, median=[f"{value:.4g}" for value in shown["median"].astype(float)]
    )
    stub = text_column("Source", "source")
    columns = [
        text_column("Variable", "variable"),
        text_column("Column", "source_column"),
        text_column("Unit", "unit"),
        text_column("Rows of the file", "rows"),
        text_column("Values", "n", "right"),
        text_column("Median as written", "median", "right"),
        text_column("Impossible", "n_implausible", "right"),
        text_column("Other unit", "fits"),
    ]
    table = plain_table(frame, stub, columns, caption="Columns in several units, or that fit another unit")
    n = int(suspected.sum())
    sentence = (
        f"{n} block(s) hold values that are impossible in the declared unit and fit another one: correct the mapping."
        if n
        else "Each block is converted by its own declared unit; in none do impossible values fit another unit."
    )
    return Block("units", title, sentences=(sentence,), tables={"units": table})


def _limits_block(limits: pd.DataFrame) -> Block:
    title = "Values at the limit of an assay or export"
    reached = limits[limits["n_at_limit"] > 0] if len(limits) else limits
    if reached.empty:
        return Block("limits", title, sentences=("No declared limit is reached.",))
    stub = text_column("Source", "source")
    columns = [
        text_column("Table", "table"),
        text_column("Variable", "variable"),
        text_column("Note of the mapping", "note"),
        text_column("At the limit", "n_at_limit", "right"),
        text_column("Values", "n", "right"),
    ]
    sentence = "These values are known to be at least (or at most) what is written; they are used as written."
    return Block(
        "limits",
        title,
        sentences=(sentence,),
        tables={"limits": plain_table(reached, stub, columns, caption=title)},
    )
