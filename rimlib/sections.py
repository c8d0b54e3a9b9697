"""The sections of a profile that are no training: how large the data set is, and the model.

The defaults are those of `tiny`; comments give the paper's.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rimlib.settings import BelowOne, Count, Positive, Share, Size, Sizes, need, section


@section("data")
class Data:
    """The data set that the engine builds (Paper: Sec. 3.2 and 3.3)."""

    pool: str = "starter"  # which cut-outs: "starter" (shipped photographs), "drawn", or a folder
    height: Annotated[int, Field(ge=64)] = 240  # of a scene, pixels
    width: Annotated[int, Field(ge=64)] = 320
    groups_train: Count = 200  # a group: five people, one animal, one thing
    images_per_group_train: Size = 20  # Paper: 20
    extra_train: Count = 2000  # scenes of entities drawn from all, outside the groups
    groups_test: Count = 12
    images_per_group_test: Size = 10  # Paper: 10
    extra_test: Count = 80
    relation_shares: tuple[Count, Count, Count] = (7, 2, 1)  # left-right : top-bottom : front-behind
    three_share: Share = 0.5  # of the scenes in a row or a column, those of three entities (Paper: 0.5557 by Table 1)
    mixed_shares: tuple[Share, Share] = (0.0, 0.0)  # of scenes of two, three: of mixed kinds (Paper: 0.17, 0.77)
    enlarge: Positive = 2.0  # a cut-out grows to no more than this times its own pixels
    attribute_rate: Annotated[float, Field(ge=0, le=2)] = 0.7  # chance of an attribute; from 2 on each is certain
    short_forms: Share = 0.0  # of sentences, those as people type them: "the left dog" (not in the paper)
    wider_words: Share = 0.0  # of nouns, words for a whole kind: "animal" (not in the paper)
    recolored: Count = 0  # variants in other colours of each thing of the training, at most (not in the paper)
    lit: Share = 0.0  # of scenes, those with shadows and matched brightness (not in the paper)
    lookalikes: Share = 0.0  # of scenes of the training, those of entities that share their words (not in the paper)
    unique: bool = True  # re-draw a sentence until it singles out its entity (Paper: not done)
    no_target: Count = 2  # sentences that fit nothing, so many for each scene (not in the paper)
    seed: int = 1

    def __post_init__(self) -> None:
        need(sum(self.relation_shares) > 0, "three shares, not all 0", self.relation_shares, "relation_shares")


@section("model")
class Model:
    """Sizes and switches of CLIPMat (Paper: Sec. 4, Table 11)."""

    backbone: str = "rim-tiny"
    image_size: Annotated[int, Field(ge=32, multiple_of=16)] = 128  # 16: the patch of all backbones (Table 11)
    text_length: Annotated[int, Field(ge=3)] = 48  # tokens before the learnable context: start, words, end
    context: Count = 8  # learnable tokens after them (Paper: 8)
    popup_width: Size = 128  # D of TSP (Paper: 256)
    popup_heads: Size = 4
    dropout: BelowOne = 0.1
    popup_out: Size = 64  # D' (Paper: 64)
    popup_residual: bool = True  # add the image tokens to the cross-attention's output (Eq. 3: not)
    popup_layers: Count = 0  # further rounds of attention to image and words after Eq. 4 (Paper: none)
    semantic_width: Size = 32
    details_width: Size | None = 32  # channels of each half of MDE; None: half the ViT's width
    details_channels: Sizes = (96, 64, 32, 16)  # inputs of D4 to D1
    details_out: Sizes = (64, 32, 16, 16)  # outputs of D4 to D1
    score_map: bool = True  # add the score map of patches and sentence (not in the paper; see additions/score_map.py)
    coordinates: bool = False  # TSP's image tokens know their place (not in the paper; see additions/coordinates.py)
    details_text: bool = True  # does TSP's feature join the first stage of the details decoder
    mask_padding: bool = False  # nothing attends to the padding of a sentence (not in the paper, which attends to it)
    tsp: bool = True  # switches of the ablation, Paper: Table 3
    mde: bool = True
    pre_context: bool = True
    post_context: bool = True

    def __post_init__(self) -> None:
        inner, width, heads = self.details_channels[1:], self.popup_width, self.popup_heads
        wanted = f"{list(inner)} and one more, for the decoder adds the last three of model.details_channels"
        need(self.details_out[:3] == inner, wanted, self.details_out, "details_out")
        need(width % heads == 0, f"a multiple of {heads}, model.popup_heads", width, "popup_width")
