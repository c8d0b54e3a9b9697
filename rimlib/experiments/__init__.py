"""Experiments that anybody can run again: each is a list of rows, and each row is a record.

`frame` runs the rows that have no record yet, and reads those that have; an experiment is a module with two functions
and the names of the options that it has beside those of all experiments:

    OPTIONS           of `rim experiment`, that it reads
    rows(options)     its rows, one after the other, checked before the first is measured
    tables(records)   what is shown of its records: for each title the rows of a table
    RECORDS           whose records these are, if they are another experiment's
    PROFILE           the one that it has, if there is only one
    VARIES            of `frame.SHARED`, what its rows differ in

The command is `rim experiment NAME`, or `all` of them: `words`, `table8`, `table9` and `realworld` measure the shipped
model (`measured`), the others train a model for each row (`trained`), and `seeds` makes tables of these.
"""

from importlib import import_module
from types import ModuleType

from rimlib.errors import RimError, nearest

TABLES = ("table2", "table3", "table5", "table6", "table7", "table8", "table9", "table10", "table11")
# Each is a module of this package.
NAMES = ("words", *TABLES, "realworld", "methods", "budget", "recipe", "tuning", "listening", "pretraining")
ALL = "all"  # their name together


def get(name: str) -> ModuleType:
    """An experiment's module by its name. Raises RimError for an unknown one.

    >>> get("wrods")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    rimlib.errors.RimError: experiment 'wrods' (did you mean words?): must be one of words, table2, ...
    """
    if name not in NAMES:
        message = f"experiment {name!r}{nearest(name, NAMES)}: must be one of {', '.join(NAMES)} and {ALL}"
        raise RimError(message, setting="experiment")
    return import_module(f"rimlib.experiments.{name}")


def records_of(name: str) -> str:
    """The experiment whose records one shows: itself, or that which it shares them with.

    >>> records_of("table3"), records_of("table6")
    ('table3', 'table2')
    """
    return getattr(get(name), "RECORDS", name)
