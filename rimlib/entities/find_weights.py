"""Where weights of other people's networks are looked for. None is ever fetched: the message names how to get them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rimlib.errors import RimError


class NoWeights(RimError):
    """Weights that are not on this machine; the message names them, where they were looked for and what to do."""


def find(names: tuple[str, ...], folders: Iterable[str | Path | None], how: str) -> Path:
    """The first file of these names in these folders (None is passed over).

    Raises:
        NoWeights: "NAME is not here, looked for in A and in B; HOW".
    """
    places = [Path(folder) for folder in folders if folder is not None]
    for place in places:
        for name in names:
            if (place / name).is_file():
                return place / name
    where = f"in {' and in '.join(map(str, places))}" if places else "nowhere, for no folder was named"
    raise NoWeights(f"{' or '.join(names)} is not here, looked for {where}; {how}")
