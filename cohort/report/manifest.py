"""The manifest of a run: hashes of what went in and came out, versions, and, apart from them, what varies."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = (
    "cart-cohort",
    "numpy",
    "pandas",
    "scipy",
    "statsmodels",
    "matplotlib",
    "formulaic",
    "duckdb",
    "sqlglot",
)


def sha256_of(path: Path) -> str:
    """Hash a file, or the files of a folder in the order of their names."""
    digest = hashlib.sha256()
    if path.is_dir():
        for member in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(str(member.relative_to(path)).encode())
            digest.update(sha256_of(member).encode())
        return digest.hexdigest()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that make numbers or files."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def write_manifest(
    folder: Path,
    *,
    study: Mapping[str, Any],
    inputs: Mapping[str, Mapping[str, Any]],
    steps: Iterable[Mapping[str, Any]],
    seconds: Mapping[str, float],
) -> None:
    """Write ``manifest.json``: a part that is the same in every run of the same input, and a part that is not."""
    outputs = {
        str(path.relative_to(folder)): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json" and "raw" not in path.relative_to(folder).parts
    }
    manifest = {
        "same_in_every_run": {
            "study": dict(study),
            "inputs": {name: dict(facts) for name, facts in inputs.items()},
            "steps": [dict(step) for step in steps],
            "versions": versions(),
            "outputs": outputs,
        },
        "varies": {
            "platform": platform.platform(),
            "command": Path(sys.argv[0]).name,
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
        },
    }
    write_json(folder / "manifest.json", manifest)


def write_json(path: Path, content: object) -> None:
    """Write JSON that is stable to the byte: sorted keys, NaN as null, a newline at the end."""
    path.write_text(
        json.dumps(_plain(content), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    )


def _plain(value: object) -> object:
    """Turn NumPy scalars, NaN and tuples into what JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        return _plain(value.item())
    if isinstance(value, float):
        return value if value - value == 0 else None
    return None if value != value else str(value)
