"""Sections of settings as frozen pydantic dataclasses, and pydantic's errors as one line that names the setting."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, dataclass_transform

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from rimlib.errors import RimError, nearest

Settings = TypeVar("Settings")
RULES = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def need(condition: bool, wanted: str, found: Any, setting: str = "") -> None:
    """For a validator: refuse a value of the section's `setting` (for that of one field: "") that is not `wanted`."""
    if not condition:
        raise PydanticCustomError("rule", "must be {wanted}", {"wanted": wanted, "found": found, "setting": setting})


def _odd(value: int) -> int:
    """For a validator: refuse a width that has no middle pixel."""
    need(value % 2 == 1, "an odd number of pixels", value)
    return value


def _with_keyword(value: str) -> str:
    need("{keyword}" in value, "a text with {keyword} in it", value)
    return value


Size = Annotated[int, Field(ge=1)]
Sizes = tuple[Size, Size, Size, Size]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Kernel = Annotated[int, Field(ge=1), AfterValidator(_odd)]
Template = Annotated[str, AfterValidator(_with_keyword)]


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def section(name: str) -> Callable[[type[Settings]], type[Settings]]:
    """Make a class a section of settings: its constructor, and so `dataclasses.replace`, raises RimError.

    Args:
        name: where it stands in the tree, such as `train.losses`; "" for the tree itself.
    """

    def make(kind: type[Settings]) -> type[Settings]:
        made: Any = dataclass(frozen=True, config=RULES)(kind)
        construct = made.__init__

        @functools.wraps(construct)
        def __init__(self: Any, *values: Any, **named: Any) -> None:
            try:
                construct(self, *values, **named)
            except ValidationError as error:
                raise _one_line(error, "settings", made, name) from None

        made.__init__ = __init__
        return made

    return make


def read(kind: type[Settings], values: Any, where: str) -> Settings:
    """A section of plain values, such as a YAML file's. Raises RimError, which begins with `where`."""
    try:
        # As JSON: there a list is a tuple, and no value is taken for one of another type.
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise _one_line(error, where, kind) from None


def plain(settings: Any) -> dict[str, Any]:
    """A section as dicts, lists and numbers, which JSON can hold."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))


def flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings by dotted names.

    >>> flat({"train": {"lr": 1e-4, "losses": {"ce": 1.0}}})
    {'train.lr': 0.0001, 'train.losses.ce': 1.0}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, dict) else {before + name: value}
    return found


def _one_line(error: ValidationError, where: str, kind: Any, section: str = "") -> RimError:
    """The first of pydantic's errors: the setting, what was found, and what would be right."""
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    path = [part for part in first["loc"] if isinstance(part, str)]
    setting = ".".join(part for part in (section, *path, context.get("setting")) if part)
    found = context.get("found", first["input"])
    if first["type"] == "unexpected_keyword_argument":
        for part in path[:-1]:
            kind = kind.__pydantic_fields__[part].annotation
        text = f"unknown setting {setting}{nearest(path[-1], kind.__pydantic_fields__)}"
    elif first["type"] == "dataclass_type":
        text = f"{setting or 'top level'} must hold settings, found {found!r}"
    else:
        wanted = "must have more items" if first["type"] == "missing" else first["msg"].replace("Input should", "must")
        text = f"{setting} {wanted}, found {found!r}"
    return RimError(f"{where}: {text}", setting=setting or None)
