"""Long-tailed categories belong to training only. Paper: Sec. 3.3 and Table S1.

Of the 319 test objects 108 move, 211 stay. The paper gives no threshold. It ends with 230 categories in the training
set and 66 in the test set; without people and the 20 kinds of animals these are 209 and 45 of things, for 1,024 things
in all. Were the sizes of the 209 spread as Zipf's law has it (1,024 / 5.9 / rank), the 45th would have 3.8 members: by
default a category of fewer than four is long-tailed. That is an estimate; the threshold is an argument.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

LEAST = 4


def long_tailed(categories: Mapping[str, str], least: int = LEAST) -> set[str]:
    """The categories that fewer than `least` entities have. categories: entity name → category.

    >>> long_tailed({"a": "owl", "b": "net", "c": "owl"}, least=2)
    {'net'}
    """
    return {category for category, count in Counter(categories.values()).items() if count < least}
