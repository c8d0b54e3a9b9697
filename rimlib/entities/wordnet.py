"""Candidates for synonyms, from WordNet; a person reads them and decides, and `categories.json` keeps the decision.

Paper: Sec. 3.1, "we adopt WordNet to generate synonyms for each category name" and "manually check the synonyms and replace some of them".
WordNet knows every sense of a word, so most candidates are wrong for a picture: "plant" is a factory. Its words for
an animal are "animal, animate being, beast, brute, creature, fauna": that is where the paper's "beast" and "brute" come from.
`propose` sets the candidates beside the table: what was kept, what was dropped, what a person added.

WordNet is read by nltk from nltk's own data or from Debian's package `wordnet-base`, whichever is there. The table needs neither.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from rimlib.entities import synonyms
from rimlib.errors import RimError

CONCRETE = (
    "noun.animal",
    "noun.artifact",
    "noun.body",
    "noun.food",
    "noun.object",
    "noun.person",
    "noun.phenomenon",
    "noun.plant",
    "noun.substance",
)
DEBIAN = "/usr/share/wordnet"
TOPS = (
    "animal.n.01",
    "plant.n.02",
    "person.n.01",
)  # what WordNet files among its top concepts and people say all the same
# The lexicographers' files in WordNet's fixed order (its manual, lexnames(5WN)). A synset holds only the number, and Debian's package has no list.
LEXNAMES = (
    "adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition noun.communication noun.event "
    "noun.feeling noun.food noun.group noun.location noun.motive noun.object noun.person noun.phenomenon noun.plant noun.possession noun.process "
    "noun.quantity noun.relation noun.shape noun.state noun.substance noun.time verb.body verb.change verb.cognition verb.communication "
    "verb.competition verb.consumption verb.contact verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social verb.stative "
    "verb.weather adj.ppl"
).split()


def candidates(word: str, folder: str | Path | None = None) -> list[str]:
    """Other names that WordNet has for a word, from all its senses that are concrete things; the word itself is left out.

    Paper: Sec. 3.1. `folder`: a WordNet 3 database (with `data.noun`); None looks for nltk's data, then for Debian's package.
    Raises RimError where there is no WordNet.
    """
    return _without(word, (lemma for synset in _senses(word, folder) for lemma in synset.lemma_names()))


def hypernyms(word: str, folder: str | Path | None = None) -> list[str]:
    """Candidates for wider words: the names of what the word's concrete senses are kinds of, nearest first."""
    found, level = [], list(_senses(word, folder))
    while level:
        level = list(
            dict.fromkeys(
                above
                for synset in level
                for above in synset.hypernyms()
                if above.lexname() in CONCRETE or above.name() in TOPS
            )
        )
        found += [lemma for synset in level for lemma in synset.lemma_names()]
    return _without(word, found)


def propose(categories: Iterable[str] | None = None, folder: str | Path | None = None) -> list[dict[str, object]]:
    """WordNet's candidates beside the table's decision, one row for each category (all of the table's by default).

    Keys: category, candidate (all that WordNet has, wider words included), kept (candidates that the table has),
    dropped (synonyms of some sense that it has not), added (words of the table that WordNet did not offer).
    """
    rows = []
    for category in synonyms.categories() if categories is None else categories:
        same, wider = candidates(category, folder), hypernyms(category, folder)
        offered = list(dict.fromkeys((*same, *wider)))
        table = [word for word in synonyms.words(category) if word != category]
        rows.append(
            {
                "category": category,
                "candidate": offered,
                "kept": [word for word in offered if word in table],
                "dropped": [word for word in same if word not in table],
                "added": [word for word in table if word not in offered],
            }
        )
    return rows


def _senses(word: str, folder: str | Path | None) -> list:
    reader = _reader(None if folder is None else str(folder))
    return [synset for synset in reader.synsets(word.replace(" ", "_"), pos="n") if synset.lexname() in CONCRETE]


def _without(word: str, lemmas: Iterable[str]) -> list[str]:
    said = (lemma.replace("_", " ").lower() for lemma in lemmas)
    return [other for other in dict.fromkeys(said) if other != word]


@cache
def _reader(folder: str | None):
    """Nltk's reader over the folder, whether or not it has the list `lexnames`."""
    import nltk

    root = Path(folder).resolve() if folder else _find()
    if not (root / "data.noun").is_file():
        raise RimError(
            f"{root}: no WordNet here (data.noun is missing); give the folder of a WordNet 3 database, as {DEBIAN} of the "
            "Debian package wordnet-base"
        )
    if str(root) not in nltk.data.path:  # nltk refuses to read outside of it
        nltk.data.path.append(str(root))
    try:
        return _reader_class()(str(root), None)
    except Exception as error:  # nltk raises what its files make it raise: assertions, value errors, its own
        raise RimError(
            f"{root}: nltk cannot read this WordNet ({type(error).__name__}: {error}); install the Debian package wordnet-base"
        ) from error


def _reader_class():
    import warnings

    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class Reader(WordNetCorpusReader):
        def __init__(self, root, other):
            with warnings.catch_warnings():  # about other languages, which nobody asked for
                warnings.simplefilter("ignore")
                super().__init__(root, other)

        def open(self, name):
            if name == "lexnames":  # our list, of which Debian's package has no copy
                return io.StringIO("".join(f"{number:02d}\t{lexname}\t0\n" for number, lexname in enumerate(LEXNAMES)))
            return super().open(name)

        def map_wn(self, version="wordnet"):  # between versions, for other languages; needs index.sense
            return None

    return Reader


def _find() -> Path:
    import nltk

    places = [Path(place) / "corpora" / "wordnet" for place in nltk.data.path] + [Path(DEBIAN)]
    for place in places:
        if (place / "data.noun").is_file():
            return place.resolve()
    raise RimError(
        f"WordNet is not on this machine: neither nltk's data (corpora/wordnet in {', '.join(nltk.data.path[:2])} ...) nor {DEBIAN}; "
        "install the Debian package wordnet-base, or unpack it and name its folder. The table of synonyms works without it"
    )
