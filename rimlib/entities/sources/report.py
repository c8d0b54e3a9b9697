"""The report of a source: what was found, what the public release has, and what the paper used (S2.1, Table 1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Count:
    """Images of a part: how many were found, how many the public release has, the paper used (None: not stated)."""

    part: str
    found: int
    public: int | None = None
    paper: int | None = None


@dataclass
class Report:
    """What a source folder holds beside what it should."""

    source: str
    root: Path
    counts: list[Count] = field(default_factory=list)
    # images without mattes, mattes without images, optional folders that are not there
    missing: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)  # files that are named strangely, can't be read, or don't fit together
    left_out: list[str] = field(default_factory=list)  # by a filter, with the reason
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Every part has at least the files of its public release, and none lacks its other half."""
        return not self.missing and all(count.public is None or count.found >= count.public for count in self.counts)

    def shown(self, path: Path) -> str:
        """A file's name inside the data set."""
        return path.relative_to(self.root).as_posix()

    def lines(self, most: int = 20) -> list[str]:
        """The report as text; of each list at most `most` lines and how many more there are."""
        text = [f"{self.source}: {self.root}"]
        for count in self.counts:
            numbers = {"in the public release": count.public, "used by the paper": count.paper}
            wanted = ", ".join(f"{number:,} {what}" for what, number in numbers.items() if number is not None)
            text.append(f"  {count.part}: {count.found:,} found" + (f" ({wanted})" if wanted else ""))
        lists = {"note": self.notes, "missing": self.missing, "odd": self.odd, "left out": self.left_out}
        for title, items in lists.items():
            text += [f"  {title}: {item}" for item in items[:most]]
            if len(items) > most:
                text.append(f"  {title}: … and {len(items) - most:,} more")
        return text
