"""One simulation, harmonized once, for all tests of the packaged sources."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest

import cohort as co

SEED, N = 4, 150


@dataclass(frozen=True)
class Harmonized:
    registry: co.Registry
    truth: dict[str, pd.DataFrame]


@pytest.fixture(scope="session")
def harmonized(tmp_path_factory: pytest.TempPathFactory) -> Harmonized:
    simulated = co.simulate_registries(n=N, seed=SEED, folder=tmp_path_factory.mktemp("registries"))
    sources = [co.read_source(path, source=name) for name, path in simulated.sources.items()]
    return Harmonized(co.harmonize(sources), dict(simulated.truth))
