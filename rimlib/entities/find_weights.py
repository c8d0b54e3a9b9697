"""Where weights of other people's networks are looked for. None is ever fetched here: a user who wants one is told how."""

from __future__ import annotations

from pathlib import Path

from rimlib.errors import RimError


class NoWeights(RimError):
    """Weights that are not on this machine; the message says which, where they were looked for and what to do."""


def find(names: tuple[str, ...], folders: list[Path | None], how: str) -> Path:
    """The first file of these names in these folders (None is passed over).

    Raises NoWeights: "NAME is not here, looked for in A and in B; HOW".
    """
    folders = [Path(folder) for folder in folders if folder is not None]
    for folder in folders:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    where = (
        f"in {' and in '.join(str(folder) for folder in folders)}" if folders else "nowhere, for no folder was named"
    )
    raise NoWeights(f"{' or '.join(names)} is not here, looked for {where}; {how}")
