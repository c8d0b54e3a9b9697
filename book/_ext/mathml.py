"""Formulas as MathML, made when the book is built: a page needs no script, and no network, to show them.

A formula that cannot be read is a warning that names its page, and so fails the build.
"""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

_logger = logging.getLogger(__name__)


def mathml(source: str, display: str, node) -> str:
    """The `<math>` element of a TeX formula. display: `inline` or `block`."""
    # The converter has no environment of these two names; align* looks the same.
    for name in ("aligned", "split"):
        source = source.replace(f"{{{name}}}", "{align*}")
    try:
        element = convert(source, display=display)
    except Exception as error:  # noqa: BLE001 - the converter raises a class of its own for each mistake
        _logger.warning("formula cannot be read (%s): %s", type(error).__name__, source, location=node)
        return f"<code>{source}</code>"
    if "<mi>\\" in element:
        _logger.warning("formula has an unknown command: %s", source, location=node)
    return element


def visit_inline(self, node) -> None:
    self.body.append(f'<span class="math notranslate nohighlight">{mathml(node.astext(), "inline", node)}</span>')
    raise nodes.SkipNode


def visit_block(self, node) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(mathml(node.astext(), "block", node) + "</div>\n")
    raise nodes.SkipNode


def setup(app) -> dict:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
