"""``cohort dictionary``: the data dictionary leaves the package in other forms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The data dictionary in other forms.")


@app.command("to-redcap")
def to_redcap(
    out: Annotated[Path, typer.Option("--out", help="CSV file to write, to be imported in REDCap.")] = Path(
        "cohort_template.csv"
    ),
) -> None:
    """Write the data dictionary of a REDCap project that collects exactly what the package analyses.

    Import it under Project Setup, Data Dictionary; make every form but the first a repeating instrument; export raw
    data as data.csv beside the dictionary, and read the folder with source="redcap_template".
    """
    from cohort.dictionary.read import read_dictionary
    from cohort.dictionary.redcap_template import template_fields
    from cohort.report.console import Console

    console = Console(quiet=False)
    with console.errors():
        fields = template_fields(read_dictionary())
        fields.to_csv(out, index=False, lineterminator="\n")
        console.line(f"{out}: {len(fields)} fields in {fields['Form Name'].nunique()} forms")
