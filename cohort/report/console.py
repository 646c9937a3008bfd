"""What the command line shows: each step with its rows in and out, errors with their remedy, where to look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from cohort.errors import (
    CohortError,
    DictionaryError,
    MappingError,
    RangeError,
    SourceError,
    StudyError,
)

if TYPE_CHECKING:
    from cohort.report.run import Run

SPEC_ERROR, DATA_ERROR, ANALYSIS_ERROR = 2, 3, 1


class Console:
    """Print progress to standard error and the closing lines to standard output."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console as RichConsole

        self._quiet = quiet
        self._out = RichConsole(highlight=False, soft_wrap=True)
        self._err = RichConsole(stderr=True, highlight=False, soft_wrap=True)

    def line(self, text: str) -> None:
        """Print one line to standard output."""
        if not self._quiet:
            self._out.print(text, markup=False)

    def step(self, name: str, rows_in: int | None, rows_out: int | None, unit: str) -> None:
        """Print one step with its rows in and out."""
        if self._quiet:
            return
        counts = {
            (True, True): lambda: f"{rows_in:>9,} → {rows_out:,} {unit}",
            (False, True): lambda: f"{'':>9}   {rows_out:,} {unit}",
        }
        text = counts.get((rows_in is not None, rows_out is not None), lambda: f"{'':>9}   {unit}")()
        self._err.print(f"  {name:<34}{text}", markup=False)

    def finish(self, run: Run) -> None:
        """Print where to look, and what was refused or failed."""
        for outcome in run.unfinished:
            self._err.print(f"\n{outcome.id}: {outcome.status}", style="bold", markup=False)
            self._err.print(outcome.error, markup=False)
        self.line("")
        self.line(f"Report    {run.folder / 'report.html'}")
        self.line(f"Tables    {run.folder / 'tables'}    Figures   {run.folder / 'figures'}")
        self.line(f"Data      {run.folder / 'data'}    Audit     {run.folder / 'audit.json'}")
        self.line(f"Manifest  {run.folder / 'manifest.json'}")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn errors of the package into their message and an exit code."""
        try:
            yield
        except CohortError as error:
            self._err.print(f"[bold]{type(error).__name__}[/bold]")
            self._err.print(str(error), markup=False)
            raise typer.Exit(code=exit_code(error)) from None


def exit_code(error: CohortError) -> int:
    """Exit code of an error: 2 for the study file or a mapping, 3 for data, 1 for an analysis."""
    if isinstance(error, StudyError | MappingError | DictionaryError):
        return SPEC_ERROR
    if isinstance(error, SourceError | RangeError):
        return DATA_ERROR
    return ANALYSIS_ERROR
