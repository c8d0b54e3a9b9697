"""A file of settings: YAML, which may build on another file, and settings that are replaced by name."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rimlib.errors import RimError, nearest
from rimlib.settings import Settings, read

INSTEAD = {"steps": "epochs", "epochs": "steps"}  # the length of a training is in one of the two


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
        _give_way(found, name, over)
        below = found.get(name)
        found[name] = merge(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
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
    _give_way(values, last, {last: value})
    values[last] = value


def _give_way(values: dict[str, Any], name: str, given: dict[str, Any]) -> None:
    """Of two settings that mean one thing, the one that is given later counts."""
    other = INSTEAD.get(name)
    if other and other in values and other not in given and given[name] is not None:
        values[other] = None


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
    """YAML's safe loader, for which 1e-4 is a number too (YAML 1.1 wants 1.0e-4), and two equal names an error."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            names = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in names:
                    raise yaml.MarkedYAMLError(problem=f"{key.value!r} is there twice", problem_mark=key.start_mark)
                names.add(key.value)
            return super().construct_mapping(node, deep)

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
    )
    return Loader
