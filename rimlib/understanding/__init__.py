"""Sentences understood before an engine is asked: what is wanted, where it is, and what it is not.

An engine of public models finds all instances of a noun phrase and does not know which one is "the left one". Here
`parse` splits a sentence by a grammar, `phrases` gives the noun phrases to ask an engine for, and `choose` decides by
boxes and mattes which of the instances is meant. No image is read and no model runs.

>>> question = parse("the left lion")
>>> [phrase.text for phrase in phrases(question)]
['lion']
>>> lions = [Instance((0, 0, 10, 10), 0.6), Instance((20, 0, 30, 10), 0.9)]
>>> choose(question, {"lion": lions}, (20, 40)).message
'2 × lion found; kept the one farther left'
"""

from rimlib.understanding.choice import choose
from rimlib.understanding.instances import Choice, Instance
from rimlib.understanding.question import Condition, Phrase, Question, each, phrases
from rimlib.understanding.reading import parse

__all__ = ["Choice", "Condition", "Instance", "Phrase", "Question", "choose", "each", "parse", "phrases"]
