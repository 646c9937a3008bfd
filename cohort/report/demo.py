"""The demonstration: three simulated registries as files, and the packaged study that reads them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from cohort.report.folder import made_folder
from cohort.report.progress import Progress, silent
from cohort.simulate.registries import simulate_registries


def write_demo(folder: Path, *, n: int = 500, seed: int = 1, progress: Progress = silent) -> Path:
    """Write simulated registries and the packaged study file, ready for ``cohort run``.

    Parameters
    ----------
    folder : Path
        Where to write; the extracts come below it in ``raw/``, the truth in ``raw/truth/``.
    n : int, default=500
        Patients to simulate.
    seed : int, default=1
        Seed of the simulation.
    progress : callable, optional
        Called with the name of the step, rows in, rows out and their unit.

    Returns
    -------
    Path
        The study file.
    """
    made_folder(folder)
    simulate_registries(n=n, seed=seed, folder=folder / "raw")
    progress("simulate three registries", None, n, "patients")
    study = folder / "study.yaml"
    study.write_text(
        files("cohort.report").joinpath("demo_study.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    return study
