"""Sections of settings as frozen pydantic dataclasses, and pydantic's errors as one line that names the setting."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Iterable
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

    A file may build on another: `base: NAME`, or a path beside it, has all settings that the file does not name itself.

    Args:
        kind: the section at the top.
        name: of a file in `folder`, without its ending, or a path.
        folder: of the files that have names.
        changes: settings to replace, by names with double underscores for dots.

    Raises:
        RimError: no such file, or settings that cannot be.
    """
    values, where = read_file(name, folder)
    for key, value in changes.items():
        _put(values, key.split("__"), value)
    return read(kind, values, where)


def read_file(name: str | Path, folder: Path) -> tuple[dict[str, Any], str]:
    """What `load` reads, not yet checked, and how its errors begin."""
    path = _find(name, folder, "")
    where = f"profile {path if _is_path(name) else path.name}"
    return _read_with_base(path, where, folder, ()), where


def changed(kind: type[Settings], values: dict[str, Any], texts: Iterable[str], where: str = "--set") -> Settings:
    """Plain values with some of them replaced, as a command line names them: `train.images=24`.

    Raises:
        RimError: a text of another form, an unknown setting, or a value that cannot be; it begins with `where`.
    """
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not all(name.split(".")):
            raise RimError(f"{where} {text!r}: must be SETTING=VALUE, such as train.images=24", setting="set")
        _put(values, name.split("."), _parse(value, f"{where} {text!r}"))
    return read(kind, values, where)


def read_yaml(path: Path, where: str) -> dict[str, Any]:
    """The settings of a YAML file, not yet checked. Raises RimError, which begins with `where`."""
    try:
        values = _parse(path.read_text(encoding="utf-8"), where, path)
    except OSError:
        raise RimError(f"{where}: no such file; give a profile's name or the path of a YAML file", path=path) from None
    except UnicodeDecodeError:
        raise RimError(f"{where}: not readable as YAML (bad encoding)", path=path) from None
    if not isinstance(values, dict):
        found = type(values).__name__
        raise RimError(f"{where}: expected settings as `key: value` lines, found {found}", path=path)
    return values


def merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Nested settings, those of `over` in place of those of `under`.

    >>> merge({"train": {"images": 12, "lr": 1e-4}}, {"train": {"images": 4}})
    {'train': {'images': 4, 'lr': 0.0001}}
    """
    found = dict(under)
    for name, value in over.items():
        below = found.get(name)
        found[name] = merge(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return found


def flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings by dotted names.

    >>> flat({"train": {"lr": 1e-4, "losses": {"ce": 1.0}}})
    {'train.lr': 0.0001, 'train.losses.ce': 1.0}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, dict) else {before + name: value}
    return found


def _is_path(name: str | Path) -> bool:
    return str(name).endswith((".yaml", ".yml"))


def _find(name: str | Path, folder: Path, before: str) -> Path:
    """The file of a profile: a path as it is, or a name of `folder`."""
    path, options = Path(name) if _is_path(name) else folder / f"{name}.yaml", sorted(folder.glob("*.yaml"))
    if not _is_path(name) and not path.is_file():
        known = [path.stem for path in options]
        text = f"unknown{nearest(str(name), known)}; there are {', '.join(known)}"
        raise RimError(f"{before}profile {str(name)!r}: {text}", setting="profile")
    return path


def _read_with_base(path: Path, where: str, folder: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    values = read_yaml(path, where)
    if "base" not in values:
        return values
    base, above = values.pop("base"), (*above, path.resolve())
    if not isinstance(base, str):
        raise RimError(f"{where}: base must be the name or the path of a profile, found {base!r}", setting="base")
    below = _find(path.parent / base if _is_path(base) else base, folder, f"{where}: base: ")
    if below.resolve() in above:
        raise RimError(f"{where}: base: {base} builds on this file itself", setting="base")
    values.setdefault("name", path.stem)  # what is built on a profile is another one
    return merge(_read_with_base(below, f"{where}: base: {below.name}", folder, above), values)


def _put(values: dict[str, Any], names: list[str], value: Any) -> None:
    """Set a value of a tree; sections that are missing are made."""
    *sections, last = names
    for part in sections:
        below = values.get(part)
        values[part] = values = dict(below) if isinstance(below, dict) else {}
    values[last] = value


def _parse(text: str, where: str, path: Path | None = None) -> Any:
    import yaml

    try:
        return yaml.load(text, _loader())  # safe: it is a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, why = f", line {mark.line + 1}" if mark and path else "", getattr(error, "problem", None) or "bad text"
        raise RimError(f"{where}{line}: not readable as YAML ({why})", path=path) from None


@functools.cache
def _loader() -> type:
    """YAML's safe loader, for which 1e-4 is a number too (YAML 1.1 wants 1.0e-4)."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
    )
    return Loader


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
