"""The report of a source: what was found, beside what the public release has and what the paper used (S2.1, Table 1)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Count:
    """How many pictures of a part were found, how many its public release has, how many the paper used (None: not said)."""

    part: str
    found: int
    public: int | None = None
    paper: int | None = None


@dataclass
class Report:
    """What a source folder holds beside what it should.

    missing: pictures without mattes, mattes without pictures, optional folders that are not there.
    odd: files that are named strangely, can't be read, or don't fit together. left_out: by a filter, with the reason.
    """

    source: str
    folder: str
    counts: list[Count] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Every part has at least the files of its public release, and none lacks its other half."""
        return not self.missing and all(count.public is None or count.found >= count.public for count in self.counts)

    def lines(self, most: int = 20) -> list[str]:
        """The report as text; of each list at most `most` lines and how many more there are."""
        text = [f"{self.source}: {self.folder}"]
        for count in self.counts:
            wanted = [
                f"{number:,} {what}"
                for number, what in ((count.public, "in the public release"), (count.paper, "used by the paper"))
                if number is not None
            ]
            text.append(f"  {count.part}: {count.found:,} found" + (f" ({', '.join(wanted)})" if wanted else ""))
        for title, items in (
            ("note", self.notes),
            ("missing", self.missing),
            ("odd", self.odd),
            ("left out", self.left_out),
        ):
            text += [f"  {title}: {item}" for item in items[:most]]
            if len(items) > most:
                text.append(f"  {title}: … and {len(items) - most:,} more")
        return text
