"""The demo: choose an image, type a sentence, see the matte, the cut-out, and what can be made of it.

`Demo` is a page of ipywidgets' own controls, for notebooks and, by `rim demo`, for Voilà. `page` has its controls,
`views` what it shows, `answers` the predictors and what they found, `request` what is wanted and the thread in which it
is worked on, `attention` which words the model attended to. `voila` starts it without a notebook.
"""

from rimlib.demo.page import Demo

__all__ = ["Demo"]
