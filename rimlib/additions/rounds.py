"""Further rounds of attention in TSP.

Not in the paper, whose image tokens attend to the words once and to each other once. "The left dog" asks for more: a
first exchange between pixels finds the dogs, and a second one which of them is on the left.
"""

from torch import nn


def further_round(width: int, heads: int, dropout: float) -> nn.TransformerDecoderLayer:
    """Image tokens attend to each other, then to the words, then a perceptron; at the start it changes nothing."""
    layer = nn.TransformerDecoderLayer(width, heads, 2 * width, dropout, "gelu", batch_first=True, norm_first=True)
    for last in (layer.self_attn.out_proj, layer.multihead_attn.out_proj, layer.linear2):
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return layer
