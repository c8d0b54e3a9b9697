"""MDETR: its parts against transformers' DETR and naive twins, its matching against brute force, public weights."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers.models.detr import modeling_detr

from rimlib.baselines import matching, mdetr_weights
from rimlib.baselines.mask_head import AttentionMap, SmallConv
from rimlib.baselines.mdetr import MDETR, token_targets
from rimlib.baselines.tokenizers import LocalTokenizer
from rimlib.baselines.transformer import DecoderLayer, EncoderLayer, Fusion, sine_positions
from rimlib.errors import RimError

SENTENCES = ["the red disc", "a box", "the thing on the left", "lower right ball"]


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return MDETR.from_settings("tiny", "random")


def test_the_papers_size_part_by_part():
    with torch.device("meta"):
        trunk, text, words = mdetr_weights.towers("paper")
        model = MDETR("paper", trunk, text, words)
    parts = {name: count(module) for name, module in model.named_children()}
    assert parts["trunk"] == 44_549_160 - 2_049_000 - 105_344  # ResNet-101 less its classes and its norms' parameters
    assert parts["text_encoder"] == 124_645_632 - 590_592  # RoBERTa-base less its pooler
    assert parts["fusion"] / 1e6 == pytest.approx(17.36, abs=0.01)
    masks = parts["attention_map"] + parts["mask_head"]
    assert (count(model) - masks) / 1e6 == pytest.approx(184.8, abs=0.05) and masks / 1e6 == pytest.approx(
        1.33, abs=0.01
    )
    assert len(model.fusion.encoder) == len(model.fusion.decoder) == 6 and model.queries.weight.shape == (100, 256)
    assert model.frozen and not any(
        p.requires_grad for part in (model.trunk, model.text_encoder) for p in part.parameters()
    )
    assert sum(p.numel() for p in model.trainable_parameters()) == count(model) - parts["trunk"] - parts["text_encoder"]


def test_the_mask_head_has_the_library_smallconvs_size_and_values():
    torch.manual_seed(0)
    theirs = modeling_detr.DetrMaskHeadSmallConv(128 + 8, [64, 48, 32], 128).eval()
    ours = SmallConv(128, 8, (64, 48, 32))
    assert count(ours) == count(theirs)
    stages = theirs.fpn_stages
    for conv, norm, block in zip(
        ours.convs, ours.norms, [theirs.conv1, theirs.conv2, *(stage.refine for stage in stages)]
    ):
        conv.load_state_dict(block.conv.state_dict())
        norm.load_state_dict(block.norm.state_dict())
    for adapter, stage in zip(ours.adapters, stages):
        adapter.load_state_dict(stage.fpn_adapter.state_dict())
    ours.out.load_state_dict(theirs.output_conv.state_dict())
    image, maps = torch.randn(2, 128, 3, 4), torch.rand(2, 5, 8, 3, 4)
    levels = [torch.randn(2, 64, 6, 8), torch.randn(2, 48, 12, 16), torch.randn(2, 32, 24, 32)]
    found = ours(image, maps, levels)
    assert found.shape == (2, 5, 24, 32)
    assert torch.allclose(found.flatten(0, 1)[:, None], theirs(image, maps, levels), atol=1e-4)


def test_the_attention_map_is_the_librarys_with_each_head_summing_to_one():
    torch.manual_seed(0)
    theirs, ours = modeling_detr.DetrMHAttentionMap(32, 4).eval(), AttentionMap(32, 4)
    ours.q_linear.load_state_dict(theirs.q_proj.state_dict())
    ours.k_linear.load_state_dict(theirs.k_proj.state_dict())
    queries, memory = torch.randn(2, 5, 32), torch.randn(2, 12, 32)
    shared = theirs(queries, memory.transpose(1, 2).unflatten(2, (3, 4))).flatten(3)  # DETR: one sum for all heads
    assert torch.allclose(ours(queries, memory), shared / shared.sum(dim=3, keepdim=True), atol=1e-6)


def test_places_are_detrs_sines():
    theirs = modeling_detr.DetrSinePositionEmbedding(16, normalize=True)(
        torch.Size([1, 32, 5, 7]), "cpu", torch.float32
    )
    assert torch.allclose(sine_positions(5, 7, 32), theirs[0].flatten(1).T, atol=1e-5)


def attention(module, q, k, v, padding=None):
    """Attention written out: one head, one query after another."""
    wq, wk, wv = module.in_proj_weight.chunk(3)
    bq, bk, bv = module.in_proj_bias.chunk(3)
    q, k, v = q @ wq.T + bq, k @ wk.T + bk, v @ wv.T + bv
    heads, size = module.num_heads, q.shape[-1] // module.num_heads
    out = torch.zeros_like(q)
    for b in range(len(q)):
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            seen = [n for n in range(k.shape[1]) if padding is None or not padding[b, n]]
            for n in range(q.shape[1]):
                scores = torch.stack([q[b, n, part] @ k[b, m, part] / math.sqrt(size) for m in seen])
                out[b, n, part] = sum(w * v[b, m, part] for w, m in zip(scores.softmax(0), seen))
    return module.out_proj(out)


@torch.no_grad()
def test_the_layers_written_out():
    torch.manual_seed(0)
    encoder, decoder = EncoderLayer(8, 2, 16, 0.1).eval(), DecoderLayer(8, 2, 16, 0.1).eval()
    memory, places = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    x, queries = torch.randn(2, 3, 8), torch.randn(3, 8)
    padding = torch.tensor([[0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]).bool()
    unseen = torch.zeros(2, 5).masked_fill(padding, float("-inf"))
    y = encoder.norm1(memory + attention(encoder.self_attn, memory + places, memory + places, memory, padding))
    y = encoder.norm2(y + encoder.linear2(encoder.linear1(y).relu()))
    assert torch.allclose(encoder(memory, places, unseen), y, atol=1e-5)
    y = decoder.norm1(x + attention(decoder.self_attn, x + queries, x + queries, x))
    y = decoder.norm2(y + attention(decoder.cross_attn, y + queries, memory + places, memory, padding))
    y = decoder.norm3(y + decoder.linear2(decoder.linear1(y).relu()))
    assert torch.allclose(decoder(x, queries, memory, places, unseen), y, atol=1e-5)


@torch.no_grad()
def test_padding_changes_nothing_and_words_change_something():
    torch.manual_seed(0)
    fusion = Fusion(16, 2, 2, 2, 32, 0.0).eval()
    image, words, places, queries = torch.randn(1, 6, 16), torch.randn(1, 3, 16), torch.randn(6, 16), torch.randn(4, 16)
    states, memory = fusion(image, places, words, torch.zeros(1, 3).bool(), queries)
    longer = torch.cat([words, torch.full((1, 5, 16), 9.0)], dim=1)
    padding = torch.arange(8)[None] >= 3
    states2, memory2 = fusion(image, places, longer, padding, queries)
    assert states.shape == (2, 1, 4, 16) and memory.shape == (1, 6, 16)
    assert torch.allclose(states, states2, atol=1e-5) and torch.allclose(memory, memory2, atol=1e-5)
    other = fusion(image, places, words.flip(1) + 1, torch.zeros(1, 3).bool(), queries)
    assert (other[0] - states).abs().max() > 1e-2 and (other[1] - memory).abs().max() > 1e-2


def test_own_words_end_and_are_padded():
    words = LocalTokenizer("tiny", pad=1)
    numbers, padding = words(["a dog !", "the red dog on the left"])
    assert numbers.shape == padding.shape and not padding[1].any() and padding[0].any()
    assert (
        (numbers[padding] == 1).all() and (numbers[~padding] > 1).all() and int(numbers.max()) == words.vocab_size - 1
    )
    shares = token_targets(padding)
    length = int((~padding[0]).sum())
    expected = torch.zeros(256)
    expected[1 : length - 1] = 1 / (length - 2)  # not the start, not the end
    assert torch.allclose(shares[0], expected) and torch.allclose(shares.sum(dim=1), torch.ones(2))
    long = torch.zeros(1, 300).bool()  # more tokens than places: the last place stays that of nothing
    assert token_targets(long).shape == (1, 256) and token_targets(long)[0, -1] == 0


@torch.no_grad()
def test_a_sentence_alone_and_beside_a_longer_one(model):
    images = torch.rand(2, 3, 64, 64)
    together = model(images, ["a box", "the red thing at the left of the blue box"])
    alone = model(images[:1], ["a box"])
    assert torch.allclose(together.logits[:, :1], alone.logits, atol=1e-4)
    assert torch.allclose(together.alpha[:1], alone.alpha, atol=1e-4)


@torch.no_grad()
def test_one_image_for_several_sentences(model):
    images, index = torch.rand(2, 3, 64, 96), torch.tensor([1, 0, 1, 1])
    images = images[..., :64]
    assert torch.allclose(model(images, SENTENCES, index).alpha, model(images[index], SENTENCES).alpha, atol=1e-4)


@torch.no_grad()
def test_the_matte_is_the_mask_of_the_most_probable_query(model):
    found = model(torch.rand(2, 3, 64, 64), SENTENCES[:2])
    assert found.logits.shape == (2, 2, 10, 256) and found.boxes.shape == (2, 2, 10, 4)
    assert [tuple(level.shape[1:]) for level in found.levels] == [(256, 4, 4), (128, 8, 8), (64, 16, 16)]
    # All queries' masks at once, as published, and of these the best query's.
    maps = model.attention_map(found.states, found.memory).unflatten(3, (4, 4))  # the small trunk ends at S/16
    masks = model.mask_head(found.projected, maps, found.levels)  # (2, 10, 16, 16)
    masks = F.interpolate(masks, size=(64, 64), mode="bilinear", align_corners=False).sigmoid()
    probable = 1 - found.logits[-1].softmax(dim=-1)[..., -1]
    for row in range(2):
        assert torch.allclose(found.alpha[row, 0], masks[row, probable[row].argmax()], atol=1e-5)
        assert found.score[row] == probable[row].max()


def test_the_matching_is_the_best_of_all():
    rng = np.random.default_rng(0)
    for queries, things in [(5, 3), (6, 1), (4, 4), (3, 0)]:
        for _ in range(10):
            cost = rng.normal(size=(queries, things))
            rows, columns = matching.assign(torch.from_numpy(cost))
            assert sorted(columns) == list(range(things)) and len(set(rows)) == things
            best = min(
                sum(cost[q, t] for t, q in enumerate(chosen))
                for chosen in itertools.permutations(range(queries), things)
            )
            assert cost[rows, columns].sum() == pytest.approx(best)
    assert matching.assign(torch.tensor([[float("nan")], [1.0]]))[0].tolist() == [1]


def giou(a, b):
    """Of two boxes as centre, width and height, by the formula."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = a, b
    across = max(0, min(ax + aw / 2, bx + bw / 2) - max(ax - aw / 2, bx - bw / 2))
    down = max(0, min(ay + ah / 2, by + bh / 2) - max(ay - ah / 2, by - bh / 2))
    union = aw * ah + bw * bh - across * down
    hull = (max(ax + aw / 2, bx + bw / 2) - min(ax - aw / 2, bx - bw / 2)) * (
        max(ay + ah / 2, by + bh / 2) - min(ay - ah / 2, by - bh / 2)
    )
    return across * down / union - (hull - union) / hull


def test_costs_and_losses_by_their_formulas():
    torch.manual_seed(0)
    logits, boxes = torch.randn(2, 4, 6, dtype=torch.float64), 0.2 + 0.3 * torch.rand(2, 4, 4, dtype=torch.float64)
    tokens = torch.tensor([[0, 0.5, 0.5, 0, 0, 0], [0, 1, 0, 0, 0, 0]], dtype=torch.float64)
    truths = 0.2 + 0.3 * torch.rand(2, 4, dtype=torch.float64)
    p = logits.softmax(dim=2)
    expected = [
        [
            -sum(tokens[b, k] * p[b, q, k] for k in range(6)).item()
            + 5 * (boxes[b, q] - truths[b]).abs().sum().item()
            - 2 * giou(boxes[b, q].tolist(), truths[b].tolist())
            for q in range(4)
        ]
        for b in range(2)
    ]
    for b in range(2):
        found = matching.costs(logits[b], boxes[b], tokens[b, None], truths[b, None])[:, 0]
        assert found.tolist() == pytest.approx(expected[b])
    rows, chosen = matching.match(logits, boxes, tokens, truths, torch.tensor([True, True]))
    assert rows.tolist() == [0, 1] and chosen.tolist() == [int(np.argmin(line)) for line in expected]
    rows, chosen = matching.match(logits, boxes, tokens, truths, torch.tensor([False, True]))
    assert rows.tolist() == [1]
    losses = matching.set_losses(logits, boxes, tokens, truths, rows, chosen)
    named = 0.0
    for b in range(2):
        for q in range(4):
            mine = b == 1 and q == chosen[0]
            aim = tokens[1] if mine else torch.eye(6, dtype=torch.float64)[5]
            named -= (1 if mine else 0.1) * (aim * p[b, q].log()).sum().item()
    assert losses["tokens"].item() == pytest.approx(named)
    assert losses["box"].item() == pytest.approx((boxes[1, chosen[0]] - truths[1]).abs().sum().item())
    assert losses["giou"].item() == pytest.approx(1 - giou(boxes[1, chosen[0]].tolist(), truths[1].tolist()))


def test_mask_losses_by_their_formulas():
    torch.manual_seed(0)
    logits, alphas = torch.randn(3, 1, 5, 5, dtype=torch.float64), torch.rand(3, 1, 5, 5, dtype=torch.float64)
    focal = dice = 0.0
    for x, a in zip(logits.flatten(1), alphas.flatten(1)):
        p = x.sigmoid()
        right = p * a + (1 - p) * (1 - a)
        entropy = -(a * p.log() + (1 - a) * (1 - p).log())
        focal += ((0.25 * a + 0.75 * (1 - a)) * (1 - right) ** 2 * entropy).mean().item() / 3
        dice += (1 - (2 * (p * a).sum() + 1) / (p.sum() + a.sum() + 1)).item() / 3
    found = matching.mask_losses(logits, alphas)
    assert found["focal"].item() == pytest.approx(focal) and found["dice"].item() == pytest.approx(dice)


def test_boxes_round_what_is_visible():
    alphas = torch.zeros(4, 1, 10, 10)
    alphas[0, 0, 2:5, 3:9] = 1
    alphas[0, 0, 8, 8] = 0.05  # a trace does not widen the box
    alphas[1, 0, 9, 0] = 0.5
    alphas[2, 0] = 1
    boxes, present = matching.boxes_of(alphas)
    assert present.tolist() == [True, True, True, False]
    assert torch.allclose(boxes[:3], torch.tensor([[0.6, 0.35, 0.6, 0.3], [0.05, 0.95, 0.1, 0.1], [0.5, 0.5, 1, 1]]))


def test_a_sentence_that_fits_nothing_teaches_that_nothing_fits(model):
    images = torch.rand(2, 3, 64, 64)
    parts = model.loss(model(images, SENTENCES[:2]), torch.zeros(2, 1, 64, 64))
    assert {name: value.item() for name, value in parts.items() if name not in ("total", "tokens")} == {
        "box": 0,
        "giou": 0,
        "focal": 0,
        "dice": 0,
    }
    assert parts["total"].item() == pytest.approx(parts["tokens"].item()) and parts["total"].isfinite()
    model.zero_grad()
    parts["total"].backward()
    assert model.kind.weight.grad.abs().max() > 0
    model.zero_grad()


QUERY = "text_encoder.encoder.layer.11.attention.self.query.weight"

PUBLIC_NAMES = {  # a name of each kind in the public file, and ours
    "detr.backbone.0.body.layer3.22.bn3.running_var": "trunk.layer3.22.bn3.running_var",
    f"detr.transformer.{QUERY}": QUERY,
    "detr.transformer.resizer.fc.weight": "resize_words.weight",
    "detr.transformer.resizer.layer_norm.bias": "norm_words.bias",
    "detr.transformer.encoder.layers.5.norm2.weight": "fusion.encoder.5.norm2.weight",
    "detr.transformer.decoder.layers.0.cross_attn_image.in_proj_weight": "fusion.decoder.0.cross_attn.in_proj_weight",
    "detr.transformer.decoder.layers.0.norm3.weight": "fusion.decoder.0.norm2.weight",
    "detr.transformer.decoder.layers.0.norm4.weight": "fusion.decoder.0.norm3.weight",
    "detr.transformer.decoder.norm.weight": "fusion.norm.weight",
    "detr.query_embed.weight": "queries.weight",
    "detr.input_proj.weight": "project.weight",
    "detr.class_embed.weight": "kind.weight",
    "detr.bbox_embed.layers.2.bias": "box.4.bias",
    "bbox_attention.k_linear.weight": "attention_map.k_linear.weight",
    "mask_head.lay5.weight": "mask_head.convs.4.weight",
    "mask_head.gn1.weight": "mask_head.norms.0.weight",
    "mask_head.adapter3.bias": "mask_head.adapters.2.bias",
    "mask_head.out_lay.weight": "mask_head.out.weight",
}


def test_public_names_are_ours():
    with torch.device("meta"):
        ours = MDETR("paper", *mdetr_weights.towers("paper")).state_dict()
    for theirs, name in PUBLIC_NAMES.items():
        assert mdetr_weights.our_name(theirs) == name and name in ours


def published_layout():
    """Names and shapes of the public file with masks, written out from MDETR's own modules, not from our table."""
    from torchvision.models import resnet101

    d, layout = 256, {}

    def linear(name, outputs, inputs, *kernel):
        layout[f"{name}.weight"], layout[f"{name}.bias"] = (outputs, inputs, *kernel), (outputs,)

    def norm(name, width=d):
        layout[f"{name}.weight"] = layout[f"{name}.bias"] = (width,)

    def attention(name):
        layout[f"{name}.in_proj_weight"], layout[f"{name}.in_proj_bias"] = (3 * d, d), (3 * d,)
        linear(f"{name}.out_proj", d, d)

    with torch.device("meta"):
        trunk = resnet101().state_dict()
    layout |= {
        f"detr.backbone.0.body.{name}": tuple(tensor.shape)
        for name, tensor in trunk.items()
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    }
    text = "detr.transformer.text_encoder"
    layout |= {
        f"{text}.embeddings.word_embeddings.weight": (50265, 768),
        f"{text}.embeddings.position_embeddings.weight": (514, 768),
        f"{text}.embeddings.token_type_embeddings.weight": (1, 768),
        f"{text}.embeddings.position_ids": (1, 514),
    }
    norm(f"{text}.embeddings.LayerNorm", 768)
    for number in range(12):
        layer = f"{text}.encoder.layer.{number}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            linear(f"{layer}.{part}", 768, 768)
        linear(f"{layer}.intermediate.dense", 3072, 768)
        linear(f"{layer}.output.dense", 768, 3072)
        norm(f"{layer}.attention.output.LayerNorm", 768)
        norm(f"{layer}.output.LayerNorm", 768)
    linear(f"{text}.pooler.dense", 768, 768)
    linear("detr.transformer.resizer.fc", d, 768)
    norm("detr.transformer.resizer.layer_norm")
    for kind, attentions, norms in (
        ("encoder", ["self_attn"], (1, 2)),
        ("decoder", ["self_attn", "cross_attn_image"], (1, 3, 4)),
    ):
        for number in range(6):
            layer = f"detr.transformer.{kind}.layers.{number}"
            for part in attentions:
                attention(f"{layer}.{part}")
            linear(f"{layer}.linear1", 2048, d)
            linear(f"{layer}.linear2", d, 2048)
            for part in norms:
                norm(f"{layer}.norm{part}")
    norm("detr.transformer.decoder.norm")
    linear("detr.class_embed", 256, d)
    for number, width in enumerate((d, d, 4)):
        linear(f"detr.bbox_embed.layers.{number}", width, d)
    layout["detr.query_embed.weight"] = (100, d)
    linear("detr.input_proj", d, 2048, 1, 1)
    linear("bbox_attention.q_linear", d, d)
    linear("bbox_attention.k_linear", d, d)
    widths = [264, 264, 128, 64, 32, 16]
    for number, (inputs, outputs) in enumerate(zip(widths, widths[1:]), start=1):
        linear(f"mask_head.lay{number}", outputs, inputs, 3, 3)
        norm(f"mask_head.gn{number}", outputs)
    for number, (inputs, outputs) in enumerate(zip((1024, 512, 256), widths[2:]), start=1):
        linear(f"mask_head.adapter{number}", outputs, inputs, 1, 1)
    linear("mask_head.out_lay", 1, 16, 3, 3)
    return layout


def test_every_tensor_of_the_published_layout_has_its_place_and_shape():
    with torch.device("meta"):
        ours = {
            name: tuple(tensor.shape)
            for name, tensor in MDETR("paper", *mdetr_weights.towers("paper")).state_dict().items()
        }
    theirs = {
        mdetr_weights.our_name(name): shape
        for name, shape in published_layout().items()
        if not any(part in name for part in mdetr_weights.UNUSED)
    }
    assert theirs == ours


def test_the_public_files_without_masks_are_refused_by_name(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "pretrained_resnet101.safetensors"
    save_file(
        {
            "transformer.text_encoder.embeddings.word_embeddings.weight": torch.zeros(1),
            "query_embed.weight": torch.zeros(1),
        },
        path,
    )
    with pytest.raises(RimError, match="pretrained_resnet101.safetensors: MDETR without masks .*phrasecut_resnet101"):
        MDETR.from_settings("paper", str(path))


def test_a_converted_public_file_is_read(model, tmp_path, monkeypatch):
    from safetensors.torch import save_file

    theirs = {ours: public for public, ours in mdetr_weights.OURS}
    back = {"cross_attn": "cross_attn_image", "norm2": "norm3", "norm3": "norm4"}
    stored = {}
    for name, tensor in model.state_dict().items():
        parts = name.split(".")
        if name.startswith("fusion.decoder."):
            parts[3] = back.get(parts[3], parts[3])
        name = ".".join(parts)
        start = max((ours for ours in theirs if name.startswith(ours)), key=len)
        stored[theirs[start] + name.removeprefix(start)] = tensor.clone()
    assert all(name.startswith(("detr.", "bbox_attention.", "mask_head.")) for name in stored)
    extra = {
        "detr.transformer.text_encoder.pooler.dense.weight": torch.zeros(1),
        "detr.transformer.text_encoder.embeddings.position_ids": torch.zeros(1),
    }
    path = tmp_path / "mdetr.safetensors"
    save_file(stored | extra, path)
    names = []
    monkeypatch.setattr(mdetr_weights, "HubTokenizer", lambda name: names.append(name) or LocalTokenizer("tiny", 1))
    monkeypatch.setattr("rimlib.baselines.mdetr.HubTokenizer", mdetr_weights.HubTokenizer)
    again = MDETR.from_settings("tiny", str(path))
    assert names == ["FacebookAI/roberta-base"]  # the public weights need RoBERTa's own tokenizer
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())
    save_file({name: value for name, value in stored.items() if "lay5" not in name}, path)
    with pytest.raises(RimError, match="mdetr.safetensors: not MDETR .* 2 tensors are missing.*mask_head.convs.4.bias"):
        MDETR.from_settings("tiny", str(path))
