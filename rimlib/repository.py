"""Where the clone is: the folder that holds the notebooks, their data and their runs."""

from pathlib import Path

from rimlib.errors import RimError


def repository() -> Path:
    """The folder that holds `notebooks/`: where rimlib was cloned, whatever the working directory is.

    Raises RimError where rimlib is installed without its repository and the working directory is not inside one.
    """
    for folder in (Path(__file__).resolve().parent.parent, Path.cwd(), *Path.cwd().parents):
        if (folder / "notebooks" / "jupytext.toml").is_file():
            return folder
    raise RimError(f"{Path.cwd()}: no notebooks/ here or above; run this inside a clone of the rimlib repository")
