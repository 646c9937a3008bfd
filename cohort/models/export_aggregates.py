"""Export of a registry's results for pooling: one JSON file of aggregates after disclosure control."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import cohort
from cohort.dictionary.location import dictionary_folder
from cohort.dictionary.strict_yaml import load_yaml
from cohort.errors import StudyError
from cohort.models.aggregates import Aggregate, Origin, Pooled, aggregate_of

FORMAT = "cohort aggregates 1"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExportedAggregates:
    """What one registry exported.

    Attributes
    ----------
    path : Path
        The file.
    site : str
        Name of the registry.
    min_cell : int
        Smallest count that left.
    results : mapping of str to Aggregate
        What left, by name.
    """

    path: Path
    site: str
    min_cell: int
    results: Mapping[str, Aggregate]

    @property
    def withheld(self) -> pd.DataFrame:
        """What was not exported.

        Returns
        -------
        DataFrame
            ``result, term, level, reason``; an empty term for the whole result.
        """
        rows = [(name, *one) for name, part in self.results.items() for one in part.withheld]
        return pd.DataFrame(rows, columns=["result", "term", "level", "reason"])

    def __repr__(self) -> str:
        held = self.withheld
        lines = [
            f"Aggregates of {self.site} for pooling, no count from 1 to {self.min_cell - 1}: {self.path.name}"
        ]
        for name, part in self.results.items():
            lost = held[held["result"] == name]
            if (lost["term"] == "").any():
                lines.append(f"{name}: withheld as a whole")
                continue
            what = "a two-by-two table" if part.table is not None else f"{len(part.terms)} coefficients"
            lines.append(f"{name}: {what}{f', {len(lost)} withheld' if len(lost) else ''}")
        return "\n".join(lines[:15])


def export_aggregates(
    results: Mapping[str, Pooled],
    folder: str | Path,
    *,
    site: str,
    min_cell: int = 5,
    study: str | Path | None = None,
    mappings: Iterable[str | Path] = (),
    data: Mapping[str, Origin] | pd.DataFrame | None = None,
) -> ExportedAggregates:
    """Write what of a registry's results may leave it, for ``pool_registries``.

    The file holds log ratios with their covariance (without the intercept, from which cells could be computed),
    the numbers of patients and events, and hashes of study file, dictionary and mappings. It never holds rows.
    Coefficients that rest on a count from 1 to ``min_cell - 1`` are withheld with the reason, and so is a
    two-by-two table with such a cell.

    Parameters
    ----------
    results : mapping of str to result
        By a name that is the same at every registry: results of ``odds_ratio``, ``cox``, ``fine_gray``, ``two_by_two``.
    folder : str or Path
        Folder to write to; made when it is not there. The file is called after the site.
    site : str
        Name of the registry: letters, digits, hyphen, underscore.
    min_cell : int, default=5
        Smallest count that may leave; zero counts may.
    study : str or Path, optional
        The study file that every registry runs; its hash must agree when pooling. Of YAML the part ``data:`` is not
        hashed, because every registry names its own sources there.
    mappings : iterable of str or Path, default=()
        Mapping files of this registry; hashed for the record, they differ between registries.
    data : DataFrame, or mapping of str to DataFrame or Endpoint, optional
        What each result was estimated from (the frame for ``odds_ratio``, the endpoint for ``cox`` and
        ``fine_gray``), so that patients and events can be counted by level. Without it only coefficients of a maximum
        likelihood ``odds_ratio`` leave whose variance is at most ``1 / min_cell``, which rules small cells out.

    Returns
    -------
    ExportedAggregates
        The path, and what was withheld.

    Raises
    ------
    StudyError
        When a result is of another kind, the site's name has other characters, ``min_cell`` is below 1, a file is not
        there, or ``data`` is not what a result was estimated from.

    See Also
    --------
    cohort.models.pool_registries.pool_registries : Pools the files.

    Notes
    -----
    A single yes/no covariate with its variance, the intercept and the numbers of patients determines its
    two-by-two table: that is why levels are counted, not only totals. Exports of overlapping groups of patients are not
    compared with each other; agree on one set of results.

    Examples
    --------
    >>> import cohort as co, tempfile
    >>> table = co.two_by_two(12, 30, 20, 90)
    >>> co.export_aggregates({"edema": table}, tempfile.mkdtemp(), site="north").results["edema"].n
    152
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", site):
        raise StudyError(
            "the name of the site cannot be the name of a file",
            evidence="letters, digits, hyphen and underscore are allowed, up to 60",
            remedy='site="north"',
        )
    if isinstance(min_cell, bool) or min_cell < 1 or min_cell != int(min_cell):
        raise StudyError("min_cell is not a whole number of 1 or more", remedy="min_cell=5")
    if not results:
        raise StudyError("there is no result to export", remedy='results={"edema": co.odds_ratio(...)}')
    origins = _origins(results, data)
    reduced = {name: aggregate_of(name, one, origins.get(name), min_cell) for name, one in results.items()}
    content = {
        "format": FORMAT,
        "site": site,
        "min_cell": int(min_cell),
        "cohort_version": cohort.__version__,
        "study_sha256": "" if study is None else study_hash(Path(study)),
        "dictionary_sha256": _hash(dictionary_folder() / "dictionary.yaml"),
        "mapping_sha256": sorted(_hash(Path(path)) for path in mappings),
        "results": {name: part.as_json() for name, part in reduced.items()},
    }
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    path = target / f"{site}.json"
    path.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
    return ExportedAggregates(path, site, int(min_cell), reduced)


def _origins(
    results: Mapping[str, Pooled], data: Mapping[str, Origin] | pd.DataFrame | None
) -> dict[str, Origin]:
    if data is None:
        return {}
    if isinstance(data, pd.DataFrame):
        return dict.fromkeys((name for name, one in results.items() if hasattr(one, "n_cluster")), data)
    unknown = [name for name in data if name not in results]
    if unknown:
        raise StudyError(
            "data names a result that is not exported",
            evidence=f"{', '.join(unknown)}; results: {', '.join(results)}",
            remedy="use the names of results=",
        )
    return dict(data)


def study_hash(path: Path) -> str:
    """Hash a study file: the content of YAML without its sources, the bytes of any other file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        SHA-256, hexadecimal.

    Raises
    ------
    StudyError
        When the file cannot be read.
    """
    if path.suffix.lower() not in (".yaml", ".yml"):
        return _hash(path)
    content, _ = load_yaml(path, StudyError)
    kept = {k: v for k, v in content.items() if k != "data"} if isinstance(content, dict) else content
    text = json.dumps(kept, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise StudyError(
            "a file to hash cannot be read",
            evidence=f"{path.name}: {error.strerror}",
            remedy="correct the path",
        ) from error
