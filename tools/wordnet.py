"""Candidates for synonyms, from WordNet; an annotator reads them and decides, and `categories.json` keeps the decision.

python -m tools.wordnet owl cobweb

Paper: Sec. 3.1, "we adopt WordNet to generate synonyms for each category name" and "manually check the synonyms and
replace some of them". WordNet has every sense of a word, so most candidates are wrong for an image: "plant" is a
factory. Its words for an animal are "animal, animate being, beast, brute, creature, fauna": the origin of the paper's
"beast" and "brute".

WordNet is read by nltk from nltk's own data or from Debian's package `wordnet-base`, whichever is there. The table
needs neither.
"""

from __future__ import annotations

import argparse
import io
import sys
import warnings
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from rimlib.entities import synonyms
from rimlib.errors import RimError

CONCRETE = tuple(
    f"noun.{name}" for name in "animal artifact body food object person phenomenon plant substance".split()
)
TOPS = ("animal.n.01", "plant.n.02", "person.n.01")  # everyday words that WordNet files among its top concepts
DEBIAN = "/usr/share/wordnet"
# The lexicographers' files in WordNet's fixed order (its manual, lexnames(5WN)). A synset holds only the number, and
# Debian's package has no list.
LEXNAMES = tuple(
    f"{part}.{name}"
    for part, names in {
        "adj": "all pert",
        "adv": "all",
        "noun": "Tops act animal artifact attribute body cognition communication event feeling food group location "
        "motive object person phenomenon plant possession process quantity relation shape state substance time",
        "verb": "body change cognition communication competition consumption contact creation emotion motion "
        "perception possession social stative weather",
    }.items()
    for name in names.split()
) + ("adj.ppl",)


def candidates(word: str, folder: str | Path | None = None) -> list[str]:
    """Other names that WordNet has for a word, from all its senses that are concrete things, without the word itself.

    Args:
        word: one that people use.
        folder: a WordNet 3 database (with `data.noun`); None searches nltk's data, then Debian's package.

    Raises:
        RimError: there is no WordNet.
    """
    return _without(word, (lemma for synset in _senses(word, folder) for lemma in synset.lemma_names()))


def hypernyms(word: str, folder: str | Path | None = None) -> list[str]:
    """Candidates for wider words: the names of what the word's concrete senses are kinds of, nearest first."""
    found: list[str] = []
    level = _senses(word, folder)
    while level:
        above = dict.fromkeys(synset for lower in level for synset in lower.hypernyms())
        level = [synset for synset in above if synset.lexname() in CONCRETE or synset.name() in TOPS]
        found += [lemma for synset in level for lemma in synset.lemma_names()]
    return _without(word, found)


def compare(categories: Iterable[str] | None = None, folder: str | Path | None = None) -> list[dict[str, Any]]:
    """WordNet's candidates beside the table's decision, one row for each category (all of the table's by default).

    Keys: category, candidate (all that WordNet has, wider words included), kept (candidates that the table has),
    dropped (synonyms of some sense that it has not), added (words of the table that WordNet lacks).
    """
    rows = []
    for category in synonyms.categories() if categories is None else categories:
        same, wider = candidates(category, folder), hypernyms(category, folder)
        offered = list(dict.fromkeys((*same, *wider)))
        table = [word for word in synonyms.words(category) if word != category]
        kept = [word for word in offered if word in table]
        dropped = [word for word in same if word not in table]
        added = [word for word in table if word not in offered]
        rows.append({"category": category, "candidate": offered, "kept": kept, "dropped": dropped, "added": added})
    return rows


def _senses(word: str, folder: str | Path | None) -> list[Any]:
    reader = _reader(None if folder is None else str(folder))
    return [synset for synset in reader.synsets(word.replace(" ", "_"), pos="n") if synset.lexname() in CONCRETE]


def _without(word: str, lemmas: Iterable[str]) -> list[str]:
    names = dict.fromkeys(lemma.replace("_", " ").lower() for lemma in lemmas)
    return [name for name in names if name != word]


@cache
def _reader(folder: str | None) -> Any:
    """Nltk's reader over the folder, whether or not it has the list `lexnames`."""
    import nltk

    root = Path(folder).resolve() if folder else _find()
    if not (root / "data.noun").is_file():
        what = f"the folder of a WordNet 3 database, as {DEBIAN} of the Debian package wordnet-base"
        raise RimError(f"{root}: no WordNet here (data.noun is missing); give {what}", path=root)
    if str(root) not in nltk.data.path:  # nltk refuses to read outside of it
        nltk.data.path.append(str(root))
    try:
        return _reader_class()(str(root), None)
    except Exception as error:  # nltk raises what its files make it raise: assertions, value errors, its own
        why = f"{type(error).__name__}: {error}"
        message = f"{root}: nltk cannot read this WordNet ({why}); install the Debian package wordnet-base"
        raise RimError(message, path=root) from error


def _reader_class() -> type:
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class Reader(WordNetCorpusReader):  # type: ignore[misc]
        def __init__(self, root: str, other: Any):
            with warnings.catch_warnings():  # about other languages, which are not used
                warnings.simplefilter("ignore")
                super().__init__(root, other)

        def open(self, name: str) -> Any:
            if name == "lexnames":  # our list, of which Debian's package has no copy
                return io.StringIO("".join(f"{number:02d}\t{lexname}\t0\n" for number, lexname in enumerate(LEXNAMES)))
            return super().open(name)

        def map_wn(self, version: str = "wordnet") -> None:  # between versions, for other languages; needs index.sense
            return None

    return Reader


def _find() -> Path:
    import nltk

    places = [Path(place) / "corpora" / "wordnet" for place in nltk.data.path] + [Path(DEBIAN)]
    for place in places:
        if (place / "data.noun").is_file():
            return place.resolve()
    where = f"neither in nltk's data (corpora/wordnet in {', '.join(nltk.data.path[:2])} ...) nor in {DEBIAN}"
    how = "install the Debian package wordnet-base, or unpack it and name its folder"
    raise RimError(f"WordNet is not on this machine, {where}; {how}", path=DEBIAN)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="WordNet's candidates beside the table's decision.")
    parser.add_argument("categories", nargs="*", help="default: all of the table")
    parser.add_argument("--folder", help="a WordNet 3 database, such as /usr/share/wordnet")
    options = parser.parse_args()
    try:
        rows = compare(options.categories or None, options.folder)
    except RimError as error:
        print(f"wordnet: error: {error}", file=sys.stderr)
        return 2
    for row in rows:
        print(f"{row['category']}:", *(f"\n  {key}: {', '.join(row[key]) or '-'}" for key in list(row)[1:]), sep="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
