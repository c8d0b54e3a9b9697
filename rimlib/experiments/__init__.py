"""Experiments that anybody can run again: each is a list of rows, and each row is a record.

`frame` runs the rows that have no record yet, and reads those that have; an experiment is a module with two functions
and the names of the options that it has beside those of all experiments:

    OPTIONS           of `rim experiment`, that it reads
    rows(options)     its rows, one after the other, checked before the first is measured
    tables(records)   what is shown of its records: for each title the rows of a table

The command is `rim experiment NAME`: `words` measures the shipped model, the others train a model for each row
(`trained`).
"""

from importlib import import_module
from types import ModuleType

from rimlib.errors import RimError, nearest

NAMES = ("words", "table3", "table5", "table8", "table9", "table10", "table11", "listening")  # modules of this package


def get(name: str) -> ModuleType:
    """An experiment's module by its name. Raises RimError for an unknown one.

    >>> get("wrods")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    rimlib.errors.RimError: experiment 'wrods' (did you mean words?): must be one of words, table3, ...
    """
    if name not in NAMES:
        message = f"experiment {name!r}{nearest(name, NAMES)}: must be one of {', '.join(NAMES)}"
        raise RimError(message, setting="experiment")
    return import_module(f"rimlib.experiments.{name}")
