"""Strict YAML: keys as text, every offence with its place, no bomb and no code."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from cohort.dictionary.strict_yaml import load_yaml, parse_yaml, problems_error, validate
from cohort.dictionary.table_model import Strict
from cohort.errors import DictionaryError, MappingError


class Inner(Strict):
    color: str = Field(default="", alias="cohort:color")
    size: int = 0


class Outer(Strict):
    name: str
    items: dict[str, Inner] = Field(default_factory=dict)


def test_keys_stay_text_and_values_are_what_they_look_like():
    text = "no: no\noff: 012\n012: 12:30\n1: '1'\nvalues: [1, -2.5, 1e3, ~, true, True, 1_0, 0x1F, .inf]\n"
    data, _ = parse_yaml(text, "f.yaml")
    assert data == {
        "no": "no",
        "off": "012",
        "012": "12:30",
        "1": "1",
        "values": [1, -2.5, 1000.0, None, True, "True", "1_0", "0x1F", ".inf"],
    }


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1", "the key 'a' a second time (it stands in line 1"),
        ("a: &x 1\n", "f.yaml:1:4", "an anchor"),
        ("a: &x [1, 1]\nb: [*x, *x]\n", "f.yaml:2:5", "an alias"),
        ("a: !!python/object/apply:os.system [id]\n", "f.yaml:1:4", "a tag"),
        ("a:\n\tb: 1\n", "f.yaml:2:1", "a tab"),
        ("%YAML 1.1\n---\na: yes\n", "f.yaml:2:1", "a directive"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1", "a second document"),
        ("<<: {a: 1}\n", "f.yaml:1:1", "a merge key"),
        ("? [a]\n: 1\n", "f.yaml:1:3", "a key that is not plain text"),
        ("a: [1\n", "f.yaml:2:1", "not YAML"),
        ("[" * 1000, "f.yaml:1:41", "nesting deeper"),
    ],
)
def test_offences_are_named_with_their_place(text, place, what):
    with pytest.raises(DictionaryError) as caught:
        parse_yaml(text, "f.yaml")
    assert f"{place}: {what}" in str(caught.value)


def test_the_keys_that_yaml_1_1_would_merge_stay_apart():
    """YAML 1.1 makes of these seven keys five: no and off are False, 1 and yes True, 012 is 10, 12:30 is 750."""
    data, _ = parse_yaml("{no: a, yes: b, off: c, 1: d, 012: e, 12:30: f, 1_000: g}", "f.yaml")
    assert data == {"no": "a", "yes": "b", "off": "c", "1": "d", "012": "e", "12:30": "f", "1_000": "g"}


@pytest.mark.parametrize("written", ["1.10", "12345678901234567890", "0.10", "1e3", "3."])
def test_numbers_are_the_text_as_written_where_text_is_wanted(written):
    data, locator = parse_yaml(f"name: {written}\n", "f.yaml")
    assert data["name"] == float(written)
    assert validate(Outer, data, locator, "f.yaml").name == written
    assert parse_yaml("a: 1e400\n", "f.yaml")[0] == {"a": "1e400"}


def test_a_bomb_of_aliases_is_refused_at_its_first_anchor():
    """Ten names of ten names, nine times: a billion texts when it is unfolded."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join(['*a' + str(i - 1)] * 10)}]" for i in range(1, 10)]
    with pytest.raises(DictionaryError, match=r"f\.yaml:1:5: an anchor"):
        parse_yaml("\n".join(lines), "f.yaml")


@pytest.mark.parametrize(
    "text", ["a: \x00b\n", "a: \x07\n", "\x1f: 1\n", "a: {b: {c: [}\n", "- a\nb: 1\n", "{" * 5000]
)
def test_what_is_no_yaml_is_refused_and_nothing_else_happens(text):
    with pytest.raises(DictionaryError, match=r"f\.yaml:\d+:\d+"):
        parse_yaml(text, "f.yaml")


def test_all_offences_are_reported_at_once():
    with pytest.raises(MappingError) as caught:
        parse_yaml("a: &x 1\na: 2\nb: *x\n", "f.yaml", MappingError)
    assert len(caught.value.problems) == 3


def test_large_and_wrongly_encoded_files_are_refused(tmp_path):
    large = tmp_path / "large.yaml"
    large.write_bytes(b"a: " + b"x" * 2_000_001)
    with pytest.raises(DictionaryError, match="2 MB"):
        load_yaml(large)
    foreign = tmp_path / "foreign.yaml"
    foreign.write_bytes("a: Kö".encode("cp1252"))
    with pytest.raises(DictionaryError, match="UTF-8"):
        load_yaml(foreign)
    with pytest.raises(DictionaryError, match="does not exist"):
        load_yaml(tmp_path / "nothing.yaml")


def test_locator_finds_values_keys_and_the_nearest_place_around():
    _, locator = parse_yaml("items:\n  a:\n    size: 3\n", "f.yaml")
    assert locator(("items", "a", "size")) == (3, 11)
    assert locator.key(("items", "a", "size")) == (3, 5)
    assert locator(("items", "a", "nothing", "below")) == locator(("items", "a"))


def test_validate_names_unknown_keys_wrong_types_and_missing_keys():
    text = "items:\n  a: {sise: 3, size: x}\n"
    data, locator = parse_yaml(text, "f.yaml")
    problems = [str(one) for one in validate(Outer, data, locator, "f.yaml")]
    assert len(problems) == 3
    assert any("f.yaml:2:7: unknown key 'sise' (did you mean 'size'?)" in one for one in problems)
    assert any("f.yaml:2:22: items.a.size" in one for one in problems)
    assert any("the key 'name' is missing in the file" in one for one in problems)
    good, locator = parse_yaml("name: 7\nitems: {a: {size: 1}}\n", "f.yaml")
    assert validate(Outer, good, locator, "f.yaml").name == "7"


class Square(Strict):
    kind: Literal["square"]


class Circle(Strict):
    kind: Literal["circle"]


class Shapes(Strict):
    shapes: dict[str, Annotated[Square | Circle, Field(discriminator="kind")]]


def test_a_wrong_kind_is_answered_with_the_nearest_at_its_own_place():
    data, locator = parse_yaml("shapes:\n  a: {kind: squares}\n", "f.yaml")
    (problem,) = validate(Shapes, data, locator, "f.yaml")
    assert str(problem) == "f.yaml:2:13: shapes.a.kind: 'squares' is not allowed (did you mean 'square'?)"


def test_problems_error_carries_its_problems():
    data, locator = parse_yaml("nome: x\n", "f.yaml")
    found = validate(Outer, data, locator, "f.yaml")
    error = problems_error(found, MappingError, "The mapping f.yaml")
    assert error.problems == tuple(found)
    assert str(error).startswith("The mapping f.yaml has 2 problems:")
