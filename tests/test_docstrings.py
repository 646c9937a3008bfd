"""Public names are documented whole: every parameter, what is returned, and the errors with their remedy."""

from __future__ import annotations

import inspect

import pytest
from numpydoc.docscrape import NumpyDocString

import cohort

FUNCTIONS = [
    name for name in cohort.__all__ if inspect.isfunction(getattr(cohort, name)) and not name.startswith("_")
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_document_parameters_and_return(name: str) -> None:
    function = getattr(cohort, name)
    text = NumpyDocString(inspect.getdoc(function) or "")
    documented = {
        part.strip().lstrip("*") for parameter in text["Parameters"] for part in parameter.name.split(",")
    }
    assert set(inspect.signature(function).parameters) <= documented
    assert text["Returns"], "no Returns section"
    assert len(text["Summary"]) == 1
    assert text["Summary"][0].endswith(".")


def test_there_are_public_functions() -> None:
    assert len(FUNCTIONS) > 20
