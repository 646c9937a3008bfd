"""YAML that means what it says: strict reading, positions for every value, and all problems at once.

Keys are always text as written (``no``, ``off``, ``012``). Unquoted values are numbers only when written
plainly (``7``, ``-0.5``, ``1.0e-6``), ``true``/``false`` only when written so. Duplicate keys, anchors,
aliases, tags, directives, tabs and oversized files are problems, each with file, line, column and remedy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from cohort.dictionary.closest import closest_names
from cohort.dictionary.model_keys import keys_at
from cohort.errors import CohortError, DictionaryError

MAX_BYTES = 2_000_000
MAX_DEPTH = 40
Path_ = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file.

    Attributes
    ----------
    file : str
        Name of the file.
    line, column : int
        Position, from 1.
    message : str
        What is wrong.
    remedy : str
        What to write instead; may be empty.
    """

    file: str
    line: int
    column: int
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """Print as ``file:line:column: message (remedy)``."""
        tail = f" ({self.remedy})" if self.remedy else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{tail}"


@dataclass(frozen=True)
class Locator:
    """Where each value of a YAML file stands; call it with the path of keys and positions in lists.

    Attributes
    ----------
    values, keys : dict of path to (line, column)
        Position of the value, and of the key that names it.
    """

    values: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Path_, tuple[int, int]] = field(default_factory=dict)

    def __call__(self, path: Path_) -> tuple[int, int]:
        """Return line and column of the value, or of the nearest value around it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.values:
                return self.values[path[:end]]
        return (1, 1)

    def key(self, path: Path_) -> tuple[int, int]:
        """Return line and column of the key that ends the path."""
        return self.keys.get(path) or self(path)


def problems_error(problems: Sequence[Problem], kind: type[CohortError], what: str) -> CohortError:
    """Make one error of all problems; they stay available as ``error.problems``.

    Parameters
    ----------
    problems : sequence of Problem
        In the order in which they shall be read.
    kind : type
        Class of the error.
    what : str
        What could not be used, for the first line.
    """
    noun = "problem" if len(problems) == 1 else "problems"
    lines = "\n".join(f"  {problem}" for problem in problems)
    error = kind(f"{what} has {len(problems)} {noun}:\n{lines}")
    error.problems = tuple(problems)
    return error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the closest known name, or the names when they are few."""
    names = sorted({str(one) for one in known})
    close = closest_names(name, names)
    if close:
        return "did you mean " + " or ".join(repr(one) for one in close) + "?"
    return f"known: {', '.join(names)}" if 0 < len(names) <= 12 else ""


def load_yaml(path: str | Path, kind: type[CohortError] = DictionaryError) -> tuple[object, Locator]:
    """Read a YAML file strictly.

    Parameters
    ----------
    path : str or Path
        The file, UTF-8.
    kind : type, default=DictionaryError
        Class of the error that is raised.

    Returns
    -------
    data : object
        Dicts with text keys, lists, text, int, float, bool and None.
    locator : Locator
        Gives line and column of every value.

    Raises
    ------
    CohortError
        Of class ``kind``, with all ``problems``, when the file cannot be read or breaks the rules above.
    """
    file = Path(path)
    if not file.is_file():
        raise kind("The file does not exist.", evidence=file.name, remedy="check the path")
    if file.stat().st_size > MAX_BYTES:
        raise kind("The YAML file is larger than 2 MB.", evidence=file.name, remedy="split it")
    raw = file.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise kind("The YAML file is not UTF-8.", evidence=file.name, remedy="save it as UTF-8") from error
    return parse_yaml(text, file.name, kind)


def parse_yaml(text: str, file: str, kind: type[CohortError] = DictionaryError) -> tuple[object, Locator]:
    """Read YAML text strictly; see `load_yaml`."""
    problems = [
        Problem(file, number, line.index("\t") + 1, "a tab", "indent with spaces")
        for number, line in enumerate(text.splitlines(), start=1)
        if "\t" in line
    ]
    if problems:
        raise problems_error(problems, kind, file)
    builder = _Builder(file)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = f"not YAML: {error.problem or error.context}"
        problems = [*builder.problems, Problem(file, line, column, what, "check the indentation")]
        raise problems_error(problems, kind, file) from error
    except _Stop:
        pass
    except (YAMLError, RecursionError, ValueError) as error:
        problems = [Problem(file, 1, 1, "not YAML", "remove unprintable characters and deep nesting")]
        raise problems_error([*builder.problems, *problems], kind, file) from error
    if builder.problems:
        raise problems_error(builder.problems, kind, file)
    return builder.root, builder.locator


class _Stop(YAMLError):
    """Nothing after this point can be trusted."""


class _Builder:
    """Builds data from parser events and notes positions and offences."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: object = None
        self.locator = Locator()
        self.problems: list[Problem] = []
        self._open: list[dict[str, object] | list[object]] = []
        self._path: list[str | int] = []
        self._key: list[str | None] = []
        self._documents = 0

    def take(self, event: Event) -> None:
        """Use one event."""
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._offence(event, "a second document", "one document for each file")
            if event.version or event.tags:
                self._offence(event, "a directive", "remove the line that starts with %")
        elif isinstance(event, AliasEvent):
            self._offence(event, "an alias (*name)", "write the value out")
            self._add(event, None)
        elif isinstance(event, (ScalarEvent, MappingStartEvent, SequenceStartEvent)):
            self._node(event)
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            self._open.pop()
            self._key.pop()
            if self._open:
                self._close_value()

    def _node(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent) -> None:
        if event.anchor:
            self._offence(event, "an anchor (&name)", "write the value out where it is needed")
        if event.tag and not (isinstance(event, ScalarEvent) and event.implicit[1] and event.tag == "!"):
            self._offence(event, "a tag (!name)", "remove it")
        if isinstance(event, ScalarEvent):
            self._scalar(event)
            return
        if self._awaits_key():
            self._offence(event, "a key that is not plain text", "write the key as text")
            raise _Stop
        if len(self._open) >= MAX_DEPTH:
            self._offence(event, f"nesting deeper than {MAX_DEPTH}", "flatten the file")
            raise _Stop
        container: dict[str, object] | list[object] = {} if isinstance(event, MappingStartEvent) else []
        self._add(event, container, closes=False)
        self._open.append(container)
        self._key.append(None)

    def _scalar(self, event: ScalarEvent) -> None:
        if self._awaits_key():
            self._take_key(event)
        else:
            plain = event.style is None or event.style == ""
            self._add(event, _plain_value(event.value) if plain else event.value)

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1], dict) and self._key[-1] is None

    def _take_key(self, event: ScalarEvent) -> None:
        mapping = self._open[-1]
        path = (*self._path, event.value)
        if event.value in mapping:
            remedy = f"it stands in line {self.locator.key(path)[0]} already"
            self._offence(event, f"the key {event.value!r} a second time", remedy)
        if event.value == "<<" and (event.style is None or event.style == ""):
            self._offence(event, "a merge key (<<)", "write the values out")
        self.locator.keys.setdefault(path, _position(event))
        self._key[-1] = event.value

    def _add(self, event: Event, value: object, closes: bool = True) -> None:
        if not self._open:
            self.root = value
            self.locator.values[()] = _position(event)
            return
        holder = self._open[-1]
        step: str | int
        if isinstance(holder, dict):
            step = self._key[-1] or ""
            holder[step] = value
        else:
            step = len(holder)
            holder.append(value)
        self._path.append(step)
        self.locator.values[tuple(self._path)] = _position(event)
        if closes:
            self._close_value()

    def _close_value(self) -> None:
        self._path.pop()
        if isinstance(self._open[-1], dict):
            self._key[-1] = None

    def _offence(self, event: Event, what: str, remedy: str) -> None:
        line, column = _position(event)
        self.problems.append(Problem(self.file, line, column, what, remedy))


def _position(event: Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1)


def _plain_value(text: str) -> object:
    """Read an unquoted value; what is not plainly a number or a word of YAML is text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) < 19:
        return int(text)
    if _FLOAT.fullmatch(text) and len(text) < 40 and math.isfinite(float(text)):
        return WrittenNumber(text)
    return text


class WrittenNumber(float):
    """A number that is text again as it was written, where text is wanted: ``1.10``, a code of 20 digits."""

    def __new__(cls, text: str) -> WrittenNumber:
        """Read the text and keep it."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str

    def __str__(self) -> str:
        """Give the text back."""
        return self.text


def validate(model: type[Model], data: object, locator: Locator, file: str) -> Model | list[Problem]:
    """Check data against a pydantic model; return the instance or every problem with its position.

    Parameters
    ----------
    model : type of BaseModel
        Should forbid unknown keys (``extra="forbid"``): they are answered with the closest known key.
    data : object
        What `load_yaml` gave.
    locator : Locator
        What `load_yaml` gave.
    file : str
        Name for the problems.

    Returns
    -------
    BaseModel or list of Problem
        The instance when nothing is wrong.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = (_problem(model, dict(one), data, locator, file) for one in error.errors(include_url=False))
        return sorted(set(found), key=lambda one: (one.line, one.column, one.message))


def _problem(
    model: type[BaseModel], error: dict[str, object], data: object, locator: Locator, file: str
) -> Problem:
    location = error["loc"]
    steps = tuple(_existing(location if isinstance(location, tuple) else (), data))
    kind = str(error["type"])
    name = ".".join(str(step) for step in steps) or "the file"
    context = error.get("ctx")
    context = context if isinstance(context, dict) else {}
    if kind == "extra_forbidden":
        line, column = locator.key(steps)
        remedy = did_you_mean(str(steps[-1]), keys_at(model, steps[:-1])) or "remove it"
        return Problem(file, line, column, f"unknown key {steps[-1]!r}", remedy)
    line, column = locator(steps)
    if kind == "missing":
        missing = str(location[-1]) if isinstance(location, tuple) else ""
        return Problem(file, line, column, f"the key {missing!r} is missing in {name}", f"add {missing}:")
    if kind == "literal_error":
        expected = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        written = str(error.get("input"))
        remedy = did_you_mean(written, expected) or f"one of {', '.join(expected)}"
        return Problem(file, line, column, f"{name}: {written!r} is not allowed", remedy)
    if kind == "union_tag_invalid":
        tag = str(context.get("discriminator", "")).strip("'")
        expected = re.findall(r"'([^']*)'", str(context.get("expected_tags", "")))
        remedy = did_you_mean(str(context.get("tag")), expected) or f"one of {', '.join(expected)}"
        line, column = locator((*steps, tag))
        return Problem(
            file, line, column, f"{name}.{tag}: {str(context.get('tag'))!r} is not allowed", remedy
        )
    message = str(error["msg"]).removeprefix("Value error, ")
    text, _, remedy = message.partition(" | ")
    return Problem(file, line, column, f"{name}: {text}", remedy)


def _existing(location: Sequence[str | int], data: object) -> Iterator[str | int]:
    """Yield the steps that lead somewhere in the data; pydantic also names types on the way."""
    for step in location:
        if isinstance(data, dict) and str(step) in data:
            data = data[str(step)]
            yield str(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
            yield step
