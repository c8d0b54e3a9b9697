"""Sentences as people type them: checked, and brought to the one form in which a model reads them.

`clean` is what messages and results show: the sentence as it was typed. `normalise` is what a model reads of it, in
training as in prediction, so that a full stop, a capital, a quote or a "please" changes no matte. `canonical` makes one
form of a noun with "a", with "the" and without an article, where somebody types it. The sentences of the data engine
are normal already.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from rimlib.errors import RimError

TOGETHER = 8
"""Sentences in one forward pass: 77 of them on one large image should not need 77 times the memory."""

THE = "the {keyword}"
ARTICLES = ("a", "an", "the")
DETERMINERS = frozenset(
    (*ARTICLES, *"this that these those my your his her its our their some any every each all both no".split())
)
OPENERS = (
    "please|pls",
    r"(?:hey|hi|hello|ok|okay|now)(?=,)",
    "(?:can|could|will|would) (?:you|we|i)",
    "(?:i|we)(?: want| need|'d like| would like)(?: you)?(?: to)?",
    "(?:i|we)(?:'m| am|'re| are) looking for",
    "(?:show|give|get|find|bring) (?:me|us)",
    "(?:cut|crop|pick|take|matte) out",
    "(?:select|extract|segment|isolate|highlight|locate|detect|find|identify)(?! of )",
    # Words that a noun may begin with ("cut flowers", "matte black cup", "only child"): only before a determiner.
    "(?:cut|crop|matte|mask|mark|show|get|pick|choose|take|keep|want|need|looking for|where is|where's|where are"
    f"|only|just)(?=[,:]? (?:{'|'.join(sorted(DETERMINERS))}|only|just) )",
    "(?:the |a )?(?:matte|cut-?out) of",
)
"""What stands before what is asked for, each followed by a space; several may follow each other."""

CLOSERS = (
    "please|pls",
    "(?:thanks|thank you|thx)(?: a lot| very much| so much)?",
    "for me",
    "only",
    "(?:in|from|out of) (?:the|this|that) (?:image|photo|picture)",
)
"""What stands after it."""

SOMEBODY = {
    **dict.fromkeys(("somebody", "someone", "anybody", "anyone"), "a person"),
    **dict.fromkeys(("everybody", "everyone"), "people"),
}
# Nouns for any person, of which a keyword of training is one.
HUMAN = dict.fromkeys(("person", "human being", "individual"), "human")

# After one of these, the first word of a sentence is no determiner of a noun: "that on the left", "some of them".
_NO_NOUN = "on|in|at|to|of|with|by|from|near|behind|beside|between|under|above|below|which|that|who|is|are|was|were"
# The beginnings of sentences that take no article.
_NO_ARTICLE = DETERMINERS | frozenset(
    (
        *"not none nothing everything anything something everybody everyone nobody people's whatever whoever".split(),
        *"what which who whose where when how why there here it he she they we i you one two three four five".split(),
        *"on in at to of with without by from near behind beside between under above below over except but".split(),
    )
)
# A template of training (`clipmat.prompt.TEMPLATES`) that was typed out.
_FRAME = re.compile("(?:a|an|the) (?:photo|photograph|image|picture|foreground|mask|alpha matte) of ")
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_ARTICLE = re.compile(rf"(?:{'|'.join(ARTICLES)}) (?=\S)")
_OPENERS = re.compile(rf"(?:{'|'.join(OPENERS)})[,:]? (?=\S)")
_CLOSERS = re.compile(rf"(?<=\S)(?:,? (?:{'|'.join(CLOSERS)}))+$")
_CUT_OUT = re.compile(r"(?:cut|crop|pick|take) (.+) out(?: of (?:the|this|that) (?:image|photo|picture))?")
_DEMONSTRATIVE = re.compile(rf"(?:this|that|these|those|my|our|your|some|any) (?!(?:{_NO_NOUN})\b)(?=\S)")
_SOMEBODY = re.compile(rf"\b(?:{'|'.join(SOMEBODY)})\b")
_GREY = re.compile(r"grey\b")  # the names of colours have "gray"; a greyhound stays
_QUOTE = re.compile(r"(?<!\w)'|'(?!\w)")  # an apostrophe has a letter on both sides

_MARKS = {
    **dict.fromkeys(map(ord, "’‘ʼʹ′`´‛＇"), "'"),
    **dict.fromkeys(map(ord, '"“”„‟«»‹›″「」『』《》〈〉【】()[]{}<>_'), " "),
    **dict.fromkeys(map(ord, "‐‑‒–—―−"), "-"),
}
_EDGE = " .,;:!?…。、，·•・।؟،؛¿¡*~/\\|#>-"  # never the first or last sign of what is asked for


def clean(sentence: Any) -> str:
    """The sentence with single spaces. Raises RimError for what is not a text with something in it.

    >>> clean(" the  dog ")
    'the dog'
    """
    if not isinstance(sentence, str):
        raise RimError(f"sentence: expected text, found {type(sentence).__name__}", setting="sentence")
    if not _spelt(sentence):
        raise RimError('sentence: it is empty; write what to cut out, such as "the brown dog"', setting="sentence")
    return " ".join(sentence.split())


def normalise(sentence: str) -> str:
    """The form of a sentence that a model reads, in training as in prediction.

    Lower case; full-width letters are plain ones, and what has no width is removed; quotes, brackets, and the
    punctuation at both ends are removed; what only asks (`OPENERS`, `CLOSERS`) is removed; "this", "my" and the like at
    the beginning are "the"; somebody is a person. What would leave nothing is left out: "please" alone stays.

    >>> normalise("Please cut out “this dog”."), normalise("the  dog\u200b, please!"), normalise("Somebody’s hat?")
    ('the dog', 'the dog', "a person's hat")
    >>> normalise("the find of the year"), normalise("cut flowers"), normalise("please")
    ('the find of the year', 'cut flowers', 'please')
    """
    text = _SOMEBODY.sub(lambda match: SOMEBODY[match[0]], _spelt(sentence))
    while True:
        shorter = _CUT_OUT.fullmatch(text)
        rest = shorter[1] if shorter else _CLOSERS.sub("", text[_end_of(_OPENERS, text) :])
        rest = rest.strip(_EDGE)
        if end := _end_of(_DEMONSTRATIVE, rest):
            rest = f"the {rest[end:]}"
        if not rest or rest == text:
            return text
        text = rest


def canonical(sentence: str, template: str = THE) -> str:
    """The one form of what somebody types: `normalise`d, and the same whether with "a", with "the" or with no article.

    "dog", "a dog" and "the dog" are "the dog", "brown dog on the left" is "the brown dog on the left". Training has
    this form most: "the" stands before six of seven nouns of its expressions, and in four of the templates of its
    keywords. On scenes of the shipped photographs it did as well as the template "a photo of a {keyword}", and better
    for a noun with a colour; a plural, or a noun that no article stands before, is right in it too. A sentence that
    begins with another determiner, a preposition or a pronoun, and one with a frame of training ("a photo of a dog"),
    stays. A person, who may be called by several words, has that of the keyword.

    template: of one or two plain words, for a model that was trained on keywords alone and knows no other form.

    >>> [canonical(text) for text in ("Dog.", "a dog", "the dog", "brown dog", "both dogs", "a photo of a dog")]
    ['the dog', 'the dog', 'the dog', 'the brown dog', 'both dogs', 'a photo of a dog']
    >>> canonical("a dog", "a photo of a {keyword}"), canonical("Person"), canonical("someone on the left")
    ('a photo of a dog', 'the human', 'the person on the left')
    """
    text = normalise(sentence)
    if _FRAME.match(text):
        return text
    bare = text[_end_of(_ARTICLE, text) :]
    words = bare.split()
    if not words or (bare == text and (words[0] in _NO_ARTICLE or not _WORD.fullmatch(words[0].rstrip(",")))):
        return text
    bare = HUMAN.get(bare, bare)
    is_keyword = len(words) <= 2 and all(_WORD.fullmatch(word) for word in words) and not DETERMINERS & set(words)
    return (template if is_keyword else THE).replace("{keyword}", bare)


def as_list(sentences: Any) -> list[str]:
    """The sentences of a list or a tuple, each `clean`. Raises RimError for anything else, and for none at all.

    >>> as_list(("the  dog", "a cat"))
    ['the dog', 'a cat']
    """
    if isinstance(sentences, (str, bytes)) or not isinstance(sentences, Sequence) or not sentences:
        found = "none" if isinstance(sentences, (list, tuple)) else type(sentences).__name__
        raise RimError(
            f"sentences: expected a list of at least one, found {found}; write [sentence]", setting="sentences"
        )
    return [clean(sentence) for sentence in sentences]


def short(sentence: str, length: int = 60) -> str:
    """The sentence for a message: its start, and an ellipsis where more follows."""
    return sentence if len(sentence) <= length else sentence[:length].rstrip() + "…"


def rules() -> dict[str, Any]:
    """What `canonical` is made of, as JSON can hold it: for a program in another language that does the same."""
    return {
        "openers": list(OPENERS),
        "closers": list(CLOSERS),
        "somebody": SOMEBODY,
        "human": HUMAN,
        "articles": list(ARTICLES),
        "determiners": sorted(DETERMINERS),
        "no_article": sorted(_NO_ARTICLE),
        "no_noun": _NO_NOUN.split("|"),
        "marks": {chr(code): sign for code, sign in _MARKS.items()},
        "edge": _EDGE,
        "the": THE,
    }


def _spelt(sentence: str) -> str:
    """Lower case, plain letters and signs, single spaces, and no quotes, brackets or punctuation at the ends."""
    text = sentence.translate(_MARKS)
    if not text.isascii():
        # Full-width signs are plain after NFKC; some letters have another normal form once they are small.
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower()).translate(_MARKS)
        text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")  # no width: U+200B, U+00AD, …
    text = re.sub(r"\s+", " ", _QUOTE.sub("", text.lower()))
    text = _GREY.sub("gray", re.sub(r" ([.,;:!?])", r"\1", text)).strip()
    return text.strip(_EDGE) or text


def _end_of(pattern: re.Pattern[str], text: str) -> int:
    """Where the match of a pattern at the beginning of a text ends; 0 without one."""
    match = pattern.match(text)
    return match.end() if match else 0
