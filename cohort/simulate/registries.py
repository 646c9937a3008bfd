"""Synthetic registries as they really arrive, with the truth beside them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cohort.errors import RangeError
from cohort.simulate import cells
from cohort.simulate.as_cibmtr import write_cibmtr
from cohort.simulate.as_ebmt import write_ebmt
from cohort.simulate.as_redcap import write_redcap
from cohort.simulate.redcap_dictionary import redcap_dictionary
from cohort.simulate.traps import TrappedFile, trap_table
from cohort.simulate.truth_tables import truth_tables
from cohort.simulate.workbook import workbook_bytes
from cohort.simulate.world import World, simulate_world

WORKBOOK = "sim_ebmt.xlsx"
_NUMBERS = frozenset(
    {"AGE", "LDH_UL", "CREA_UMOLL", "PLT_GL", "CRP_MGL", "FERRITIN_UGL", "HB_GL", "ANC_GL", "DOSE", "LINES"}
)


@dataclass(frozen=True, slots=True)
class SimulatedRegistries:
    """Three simulated registries on disk, and what is true of their patients.

    Attributes
    ----------
    sources : dict of str to Path
        Where each source lies, by the name of its mapping: ``sim_cibmtr`` (folder), ``sim_ebmt`` (workbook),
        ``sim_redcap`` (folder).
    truth : dict of str to DataFrame
        ``patients``, ``daily``, ``exams``, ``findings``, ``lesions``, ``events``, ``treatments``, ``centers``,
        ``effects``, ``traps``; the same tables are in ``folder/truth`` as CSV.
    folder : Path
        Folder that holds it all.
    """

    sources: Mapping[str, Path]
    truth: Mapping[str, pd.DataFrame] = field(repr=False)
    folder: Path

    def __repr__(self) -> str:
        patients, traps = self.truth["patients"], self.truth["traps"]
        counts = ", ".join(
            f"{name} {n}" for name, n in patients["source"].value_counts().sort_index().items()
        )
        also = int((patients["also_in"] != "").sum())
        grade = patients["icans_grade"]
        lines = [
            f"Simulated registries of {len(patients)} patients: {counts}; {also} of REDCap also in CIBMTR",
            f"{(grade > 0).sum()} with ICANS, {(grade >= 3).sum()} severe, {patients['imaged'].sum()} imaged in days "
            f"0 to 30, {patients['death_day'].notna().sum()} deaths",
            f"{int(traps['n'].sum())} faults of {len(traps)} kinds set on purpose (truth['traps'])",
            *(f"{name}: {path.name}" for name, path in self.sources.items()),
        ]
        return "\n".join(lines)


def simulate_registries(n: int = 500, seed: int = 1, folder: str | Path | None = None) -> SimulatedRegistries:
    """Simulate three registries as they really arrive, and write them with the truth beside them.

    Rates of ICANS, CRS, imaging, relapse and death follow published cohorts by product; effects, times and lesions
    are known exactly (``truth["effects"]``). The files hold faults on purpose, each counted in ``truth["traps"]``:
    undeclared codes, units mixed up, impossible and partial dates, duplicates, contradictions between registries.

    Parameters
    ----------
    n : int, default=500
        Number of patients, at least 30 (so that each source has some).
    seed : int, default=1
        Seed. The same n and seed give the same bytes.
    folder : str or Path or None, default=None
        Folder to write to; made when it does not exist, files of an earlier simulation in it are replaced. None makes
        a new folder for temporary files, which is not removed.

    Returns
    -------
    SimulatedRegistries
        Paths of the sources, the truth, and the folder.

    Raises
    ------
    RangeError
        When ``n`` is below 30 or ``seed`` is negative.

    Notes
    -----
    ``truth`` holds one row per patient (``patients``: identifiers, baseline, highest grades in days 0 to 30
    with and without imaging, onset, days of relapse and death, observed and unobserved), per patient and
    day (``daily``: grades and the signs that make them, whether a scan told of edema, whether ICE was
    asked), per examination (``exams``), per examination, finding and reader (``findings``: ``truth`` beside
    ``presence`` as read), per lesion (``lesions``), event, treatment and center. ``effects`` declares every
    true effect with its scale, and the marginal odds ratio of severe ICANS for the deep FLAIR pattern that
    follows from them. ``traps`` says how harmonization has to report each fault.

    Lesions and the course of ICANS depend on each other only through the imaging-blind grade. The first scan is
    prompted by the grade and the habit of the center, never by the lesion; later scans are more frequent after
    a lesion. Registries lose 30% of grades 1 and 2.

    Examples
    --------
    >>> import cohort as co
    >>> simulated = co.simulate_registries(n=60, seed=3)
    >>> sorted(simulated.sources)
    ['sim_cibmtr', 'sim_ebmt', 'sim_redcap']
    >>> len(simulated.truth["patients"])
    60
    """
    if n < 30 or seed < 0:
        raise RangeError(
            "the simulation needs at least 30 patients and a seed of 0 or more",
            evidence=f"n={n}, seed={seed}",
            remedy="simulate_registries(n=500, seed=1)",
        )
    place = Path(tempfile.mkdtemp(prefix="cohort-simulated-")) if folder is None else Path(folder)
    world = simulate_world(n, seed)
    files, traps = _files(world)
    truth = truth_tables(world) | {"traps": trap_table(traps)}
    files |= {f"truth/{name}.csv": cells.csv_bytes(frame) for name, frame in truth.items()}
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    sources = {
        "sim_cibmtr": place / "sim_cibmtr",
        "sim_ebmt": place / WORKBOOK,
        "sim_redcap": place / "sim_redcap",
    }
    return SimulatedRegistries(sources, truth, place)


def _files(world: World) -> tuple[dict[str, bytes], list[TrappedFile]]:
    """Return the bytes of the registries' files by relative path, and the faults in them."""
    cibmtr, cibmtr_traps = write_cibmtr(world)
    ebmt, ebmt_traps = write_ebmt(world)
    redcap, redcap_traps = write_redcap(world)
    files = {
        "sim_cibmtr/infusion.csv": cells.csv_bytes(cibmtr["infusion"], "cp1252"),
        "sim_cibmtr/followup_4100.csv": cells.csv_bytes(cibmtr["followup"]),
        WORKBOOK: workbook_bytes(ebmt, _NUMBERS),
        "sim_redcap/data.csv": cells.csv_bytes(redcap["data"]),
        "sim_redcap/dictionary.csv": cells.csv_bytes(redcap_dictionary()),
    }
    return files, [*cibmtr_traps, *ebmt_traps, *redcap_traps]
