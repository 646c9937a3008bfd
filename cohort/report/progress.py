"""How a run tells what it is doing: the name of each step with its rows in and out."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called once when a step is done."""

    def __call__(self, name: str, rows_in: int | None, rows_out: int | None, unit: str) -> None:
        """Take the step's name, its rows in and out, and what the rows are."""


def silent(name: str, rows_in: int | None, rows_out: int | None, unit: str) -> None:
    """Say nothing."""
