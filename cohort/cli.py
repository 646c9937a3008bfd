"""The ``cohort`` command: ``demo``, ``run``, ``check`` and the groups of cohort.commands.

Exit codes: 0 all analyses done, 1 an analysis failed or was refused, 2 the study file or the call is wrong,
3 the data could not be read or are not what the mapping says.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer

from cohort.commands import dictionary, mapping

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Neurotoxicity after CAR-T cell therapy: from raw registry files to a publication report.",
)

app.add_typer(dictionary.app, name="dictionary")
app.add_typer(mapping.app, name="mapping")

OutOption = Annotated[Path | None, typer.Option("--out", help="Folder to write; made if it is not there.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]


def _version(wanted: bool) -> None:
    if wanted:
        from cohort import __version__

        typer.echo(f"cart-cohort {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options of the command itself."""


@app.command()
def demo(
    out: OutOption = None,
    n: Annotated[int, typer.Option("--n", min=20, max=100_000, help="Patients to simulate.")] = 500,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the simulation.")] = 1,
    quiet: QuietOption = False,
) -> None:
    """Simulate three registries as they arrive, and take them through the packaged study."""
    from cohort.report.console import Console
    from cohort.report.demo import write_demo

    folder = out or Path("cohort-demo")
    console = Console(quiet=quiet)
    with console.errors():
        study = write_demo(folder, n=n, seed=seed, progress=console.step)
        _carry_out(study, {}, folder, None, console)


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study file (YAML).")],
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="NAME=PATH", help="Where a source of the study lies."),
    ] = None,
    out: OutOption = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ID", help="Carry out this analysis alone.")
    ] = None,
    aggregates: Annotated[
        Path | None, typer.Option("--aggregates", help="Also write results for pooling over registries here.")
    ] = None,
    site: Annotated[str, typer.Option("--site", help="Name of this registry, for --aggregates.")] = "",
    quiet: QuietOption = False,
) -> None:
    """Carry out a study file and write its report, tables, figures, data, audit and manifest."""
    from cohort.report.console import Console

    console = Console(quiet=quiet)
    with console.errors():
        if aggregates is not None and not site:
            msg = "--aggregates wants --site NAME, the name of this registry"
            raise typer.BadParameter(msg)
        _carry_out(study, _named_paths(data or []), out, only, console, aggregates, site)


@app.command()
def check(
    study: Annotated[Path, typer.Argument(help="The study file (YAML).")],
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="NAME=PATH", help="Where a source of the study lies."),
    ] = None,
) -> None:
    """Check a study file: all errors at once, each with its place and its remedy."""
    from cohort.report.check import check_study
    from cohort.report.console import Console

    console = Console(quiet=False)
    with console.errors():
        checked = check_study(study, _named_paths(data or []))
        console.line(
            f"{study}: no errors; {len(checked.spec.analyses)} analyses, {len(checked.spec.flow)} flow rules."
        )


def _carry_out(
    study: Path,
    paths: dict[str, Path],
    out: Path | None,
    only: list[str] | None,
    console: object,
    aggregates: Path | None = None,
    site: str = "",
) -> None:
    from cohort.report.console import Console
    from cohort.report.run import run as run_study

    assert isinstance(console, Console)
    finished = run_study(study, data=paths, out=out, only=only, progress=console.step)
    console.finish(finished)
    if aggregates is not None:
        console.line(repr(finished.export_aggregates(aggregates, site=site)))
    if finished.unfinished:
        raise typer.Exit(code=1)


def _named_paths(pairs: list[str]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not (equals and name and path):
            msg = f"--data wants NAME=PATH, not {pair!r}"
            raise typer.BadParameter(msg)
        named[name] = Path(path)
    return named


def _one_line(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """Say that something unforeseen happened without printing values that may be a patient's."""
    typer.echo(
        f"cohort stopped on an unforeseen {kind.__name__}; this is a defect of the package. "
        "Run the same in Python (`import cohort as co; co.run(...)`) to see where.",
        err=True,
    )


def main() -> None:
    """Start the command without ever printing a traceback."""
    sys.excepthook = _one_line
    typer.main.get_command(app)()
