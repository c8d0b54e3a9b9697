"""The paper's profiles on four images in the released layout: no kinds, no index, no keyword, 1080 x 1620 pixels.

The network is thinner; all else is as in the profiles. Both settings are trained and scored by the commands.
"""

import json

import pytest
import torch
import yaml

from rimlib import cli
from rimlib.clipmat import tokenizer
from rimlib.clipmat.prompt import TEMPLATES
from rimlib.matting.relations import mirror
from rimlib.refmatte.dataset import RefMatte

THIN = {
    "model": {
        **{"backbone": "rim-tiny", "image_size": 64, "popup_width": 32, "semantic_width": 8, "details_width": 8},
        **{"details_channels": [16, 8, 8, 8], "details_out": [8, 8, 8, 8]},
    },
    "train": {"images": 4, "workers": 0},  # texts are seen in this process
}


@pytest.fixture(scope="module")
def released(make_scenes, tmp_path_factory):
    root = tmp_path_factory.mktemp("RefMatte") / "RefMatte"
    for split, seed in (("train", 0), ("test", 1)):
        make_scenes(root, 4, split, height=1080, width=1620, seed=seed)
        path = root / f"refmatte_{split}_label.json"
        rows = json.loads(path.read_text())
        path.write_text(
            json.dumps({name: {key: row[key] for key in ("image_name", "expressions")} for name, row in rows.items()})
        )
    return root.parent


@pytest.fixture
def texts_of_training(monkeypatch):
    found, real = [], tokenizer.Tokenizer.__call__
    monkeypatch.setattr(
        tokenizer.Tokenizer,
        "__call__",
        lambda self, texts, *given, **more: found.extend(texts) or real(self, texts, *given, **more),
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield found
    torch.set_num_threads(threads)


def command(capsys, *arguments):
    status = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert status == 0, err
    return json.loads(out.strip().splitlines()[-1])


@pytest.mark.parametrize("setting", ["expression", "keyword"])
def test_a_papers_profile_trains_and_is_scored(setting, released, texts_of_training, tmp_path, capsys):
    keyword = setting == "keyword"
    profile = tmp_path / "thin.yaml"
    profile.write_text(yaml.safe_dump({"base": "paper-b16-keyword" if keyword else "paper-b16", **THIN}))
    given = ("--data", released, "--device", "cpu")
    run = ("train", "--profile", profile, "--weights", "random", "--out", tmp_path / "run", "--set", "train.epochs=2")
    command(capsys, *run, *given)
    record = json.loads((tmp_path / "run/train.json").read_text())
    assert record["metrics"]["steps"] == 2 and record["data"]["images"] == 4, "two epochs, each image once in each"
    assert record["settings"]["train"]["setting"] == setting and record["settings"]["model"]["text_length"] == (
        14 if keyword else 69
    )
    targets = RefMatte(released, "train").targets
    expressions = {text for target in targets for text in target.expressions}
    keywords = {template.format(keyword=word) for template in TEMPLATES for word in ("disc", "box")}
    wanted = keywords if keyword else expressions | {mirror(text) for text in expressions}
    assert len(texts_of_training) >= 8 and set(texts_of_training) <= wanted and len(set(texts_of_training)) > 3

    texts_of_training.clear()
    found = command(capsys, "evaluate", "--model", tmp_path / "run", "--no-edges", *given)
    assert found["scored_by"] == ("keyword" if keyword else "hash of the mask id") and found["setting"] == setting
    texts = {text for target in RefMatte(released, "test").targets for text in target.expressions}
    assert set(texts_of_training) == ({"a photo of a disc", "a photo of a box"} if keyword else texts)
    if not keyword:
        assert set(found["by_sentence"]) == {"basic", "absolute", "relative-short", "relative-long"}
        assert found["entities"] == 8 and found["all"]["entities"] == 32
