"""The names of the files that `rim matte` writes: each is of its image and its sentence, whatever the order.

Where two images or sentences would have the same name, both get more of a name: the ending of the image's file, or a
hash. `--skip-existing` would otherwise take the file of the one for that of the other.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LONGEST = 240  # bytes of a name before its number and ending; file systems take 255
_ORDINARY = re.compile(r"[\s\w.,;:!?'\"“”„‘’…()/–—-]")  # letters, and what makes no difference to the meaning


class Wanted(NamedTuple):
    """A file that needs a name: of this image, in this folder, with these words, and what stands after them."""

    image: Path
    folder: Path
    words: str
    end: str


def words_of(sentence: str) -> str:
    """A sentence as a part of a name, with a hash where letters and digits do not hold all of it.

    >>> words_of("The dog, on the left!"), words_of("C++"), words_of("c#")
    ('the-dog-on-the-left', 'c-f1deb7', 'c-951a4d')
    """
    every = re.sub(r"[^\w]+", "-", sentence.lower()).strip("-")
    words = shortened(every[:60], 90) or "matte"
    return words if words == every and not _ORDINARY.sub("", sentence) else f"{words}-{_hash(sentence)}"


def names(wanted: Sequence[Wanted]) -> list[Path]:
    """The path of each file, no two alike, even where a file system does not distinguish capitals.

    What is wanted twice gets a number: an image with sentences that differ in capitals and punctuation alone.

    >>> out = Path()
    >>> [str(path) for path in names([Wanted(Path(name), out, "dog", ".png") for name in ("a.jpg", "a.heic", "b.jpg")])]
    ['a-jpg-dog.png', 'a-heic-dog.png', 'b-dog.png']
    """
    forms = [_forms(one) for one in wanted]
    level = [0] * len(forms)
    for step in (1, 2):
        owners = defaultdict[str, set[tuple[str, str]]](set)
        for one, form, at in zip(wanted, forms, level):
            owners[_key(form[at])].add((os.path.abspath(one.image), one.words))
        level = [step if len(owners[_key(form[at])]) > 1 else at for form, at in zip(forms, level)]
    paths = [form[at] for form, at in zip(forms, level)]
    reserved, taken = set(map(_key, paths)), set[str]()
    for number, path in enumerate(paths):
        if _key(path) in taken:
            more = (path.with_name(f"{path.stem}-{count}{path.suffix}") for count in itertools.count(2))
            paths[number] = next(other for other in more if _key(other) not in taken | reserved)
        taken.add(_key(paths[number]))
    return paths


def shortened(name: str, limit: int) -> str:
    """A name, or as many of its characters as `limit` bytes hold."""
    encoded = os.fsencode(name)
    return name if len(encoded) <= limit else encoded[:limit].decode(sys.getfilesystemencoding(), "ignore")


def _forms(one: Wanted) -> tuple[Path, Path, Path]:
    """The plain name, that with the image's ending, and that with a hash of where the image is and of the words."""
    rest = f"-{one.words}{one.end}"
    ending = one.image.suffix[1:]
    hashed = _hash(f"{os.path.abspath(one.image)}\n{one.words}")
    middles = ("", f"-{ending}" if ending else "", f"-{hashed}")
    return tuple(one.folder / f"{_stem(one.image, middle + rest)}{middle}{rest}" for middle in middles)  # type: ignore[return-value]


def _stem(image: Path, rest: str) -> str:
    """The image's name without its ending; of one that is too long a part, and a hash of it."""
    room = LONGEST - len(os.fsencode(rest))
    if len(os.fsencode(image.stem)) <= room:
        return image.stem
    return f"{shortened(image.stem, room - 7)}-{_hash(image.name)}"


def _key(path: Path) -> str:
    return str(path).casefold()


def _hash(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:6]
