"""``cohort mapping``: propose, check and review the mapping of a source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Propose, check and review the mapping of a source.")
DataOption = Annotated[Path | None, typer.Option("--data", help="The source's file or folder.")]


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="A file of the source.")],
    source: Annotated[str, typer.Option("--source", help="Name of the source.")] = "new_source",
    table: Annotated[
        str, typer.Option("--table", help="Canonical table of the rows; guessed if not said.")
    ] = "",
    out: Annotated[Path | None, typer.Option("--out", help="File to write; printed if not said.")] = None,
) -> None:
    """Scan a file and propose a mapping, in which nothing is decided."""
    from cohort.errors import MappingError
    from cohort.registry.mapping_proposal import propose_mapping
    from cohort.report.console import Console

    console = Console(quiet=False)
    with console.errors():
        if out is not None and out.exists():
            raise MappingError(
                "The mapping file exists already.", evidence=out.name, remedy="give another --out"
            )
        text = propose_mapping(file, source=source, table=table)
        if out is None:
            console.line(text)
        else:
            out.write_text(text, encoding="utf-8")
            console.line(f"{out}: read it, decide, then run: cohort mapping check {out} --data {file}")


@app.command()
def check(
    mapping: Annotated[str, typer.Argument(help="A mapping file, or the name of a packaged mapping.")],
    data: DataOption = None,
) -> None:
    """Check a mapping: compile it, run its examples, and with data list what it leaves without a rule."""
    from cohort.dictionary.mapping import read_mapping
    from cohort.dictionary.read import read_dictionary
    from cohort.registry.column_use import NOT_MENTIONED, column_use
    from cohort.registry.examples import check_examples
    from cohort.registry.harmonize import harmonize
    from cohort.registry.planner import make_plan
    from cohort.registry.source import read_source
    from cohort.report.console import Console

    console = Console(quiet=False)
    with console.errors():
        dictionary = read_dictionary()
        read = read_mapping(mapping, dictionary)
        plan = make_plan(read, dictionary)
        statuses = [rule.status for block in plan.blocks for rule in block.rules.values()]
        told = ", ".join(f"{statuses.count(one)} {one}" for one in dict.fromkeys(statuses))
        compared = check_examples(read, dictionary)
        console.line(f"{read.file}: no errors; rules: {told}; {compared} values of examples agree")
        if data is not None:
            source = read_source(data, source=mapping, dictionary=dictionary)
            registry = harmonize(source, dictionary)
            console.line(repr(registry))
            columns = column_use(source, dictionary)
            console.line(
                "columns: " + ", ".join(f"{n} {use}" for use, n in columns["use"].value_counts().items())
            )
            unsaid = columns.loc[columns["use"] == NOT_MENTIONED, "column"]
            if len(unsaid):
                console.line(f"not mentioned: {', '.join(unsaid[:40])}{' ...' if len(unsaid) > 40 else ''}")
            if len(registry.unmapped):
                shown = registry.unmapped.drop(columns="source")
                console.line(shown.to_string(index=False, max_rows=40))


@app.command()
def layout(
    mapping: Annotated[str, typer.Argument(help="A mapping file, or the name of a packaged mapping.")],
    out: Annotated[Path | None, typer.Option("--out", help="CSV file to write; printed if not said.")] = None,
) -> None:
    """List the columns that a mapping expects and what they may hold, for whoever makes the extract."""
    from cohort.registry.mapping_layout import mapping_layout
    from cohort.report.console import Console

    console = Console(quiet=False)
    with console.errors():
        found = mapping_layout(mapping)
        if out is None:
            console.line(found.to_string(index=False, max_colwidth=60))
        else:
            found.to_csv(out, index=False, lineterminator="\n")
            console.line(f"{out}: {len(found)} columns in {found['input'].nunique()} files")


@app.command()
def review(
    old: Annotated[str, typer.Argument(help="The mapping as it was.")],
    new_version: Annotated[str, typer.Argument(metavar="NEW", help="The mapping as it is now.")],
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="CSV file for the differences.")] = None,
) -> None:
    """List the rules, and with data the counts, that changed between two versions."""
    from cohort.registry.mapping_review import review_mapping
    from cohort.report.console import Console

    console = Console(quiet=False)
    with console.errors():
        found = review_mapping(old, new_version, data)
        if out is not None:
            found.to_csv(out, index=False, lineterminator="\n")
        console.line(f"{len(found)} differences" if len(found) else "no difference")
        for what, table, variable, detail, before, after in found.to_numpy().tolist():
            place = " ".join(part for part in (table, variable, detail) if part)
            console.line(f"{what}  {place}\n  - {before}\n  + {after}")
