"""Names that are safe as file names, from whatever a data set calls its files."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict


def safe(text: str) -> str:
    """A name that is safe as a file name everywhere: `[a-z0-9-]+`.

    >>> safe("../Crème brûlée (1).PNG")
    'creme-brulee-1-png'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-")
    return name or "x" + hashlib.sha256(text.encode()).hexdigest()[:8]


def unique(raw: dict[str, str]) -> dict[str, str]:
    """A safe name for each file: path → raw name becomes path → name.

    Where several would share one, each gets a mark made of its path, so that a further file never changes them.

    >>> unique({"one/a b.png": "a b", "two/c.png": "c"})
    {'one/a b.png': 'a-b', 'two/c.png': 'c'}
    """
    groups = defaultdict(list)
    for path, text in raw.items():
        groups[safe(text)].append(path)
    return {
        path: name if len(paths) == 1 else f"{name}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
        for name, paths in groups.items()
        for path in paths
    }
