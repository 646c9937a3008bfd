"""Which keys a pydantic model allows at a place in the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

_Type = Any


def keys_at(model: type[BaseModel], path: Iterable[str | int]) -> set[str]:
    """Return the keys that the model, or models, at the end of the path allow."""
    here: list[_Type] = [model]
    for step in path:
        here = [inner for one in here for inner in _step(one, step)]
    return {key for one in here for member in _members(one) for key in _keys(member)}


def _members(kind: _Type) -> Iterator[_Type]:
    """Unfold unions and annotations."""
    origin: Any = get_origin(kind)
    if origin is Annotated:
        yield from _members(get_args(kind)[0])
    elif origin in (Union, UnionType):
        for one in get_args(kind):
            yield from _members(one)
    else:
        yield kind


def _keys(kind: _Type) -> set[str]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {field.alias or name for name, field in kind.model_fields.items()}
    return set()


def _step(kind: _Type, step: str | int) -> Iterator[_Type]:
    for member in _members(kind):
        origin: Any = get_origin(member)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            yield get_args(member)[1]
        elif isinstance(origin, type) and issubclass(origin, Sequence) and isinstance(step, int):
            yield get_args(member)[0]
        elif isinstance(member, type) and issubclass(member, BaseModel):
            for name, field in member.model_fields.items():
                if (field.alias or name) == step:
                    yield field.annotation
