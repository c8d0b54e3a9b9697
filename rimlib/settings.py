"""Sections of settings as frozen pydantic dataclasses, and pydantic's errors as one line that names the setting."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
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


def load(kind: type[Settings], name: str | Path, folder: Path, changes: dict[str, Any]) -> Settings:
    """The settings of a YAML file: NAME.yaml of `folder`, or the reader's own where `name` has that ending.

    Args:
        kind: the section at the top.
        name: of a file in `folder`, without its ending, or a path.
        folder: of the files that have names.
        changes: settings to replace, by names with double underscores for dots.

    Raises:
        RimError: no such file, or settings that cannot be.
    """
    own = str(name).endswith((".yaml", ".yml"))
    path, options = Path(name) if own else folder / f"{name}.yaml", sorted(path.stem for path in folder.glob("*.yaml"))
    if not own and not path.is_file():
        near, known = nearest(str(name), options), ", ".join(options)
        raise RimError(f"profile {str(name)!r}: unknown{near}; there are {known}", setting="profile")
    where = f"profile {path if own else path.name}"
    values = read_yaml(path, where)
    for key, value in changes.items():
        *sections, last = key.split("__")
        branch = values
        for part in sections:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return read(kind, values, where)


def read_yaml(path: Path, where: str) -> dict[str, Any]:
    """The settings of a YAML file, not yet checked. Raises RimError, which begins with `where`."""
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        raise RimError(f"{where}: no such file; give a profile's name or the path of a YAML file", path=path) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line, why = f", line {mark.line + 1}" if mark else "", getattr(error, "problem", None) or "bad encoding"
        raise RimError(f"{where}{line}: not readable as YAML ({why})", path=path) from None
    if not isinstance(values, dict):
        found = type(values).__name__
        raise RimError(f"{where}: expected settings as `key: value` lines, found {found}", path=path)
    return values


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
