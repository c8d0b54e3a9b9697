"""Keyword and expression are two trainings: which images each takes, and which texts (Paper: Sec. 3.3, Table 2)."""

import json

import pytest
import torch

from rimlib import profile as profiles
from rimlib.clipmat import tokenizer
from rimlib.clipmat.prompt import TEMPLATES
from rimlib.errors import RimError
from rimlib.refmatte.dataset import RefMatte, training_set
from rimlib.training import baselines, clipmat

KEYWORDS = {template.format(keyword=word) for template in TEMPLATES for word in ("disc", "box")}
SMALL = [
    *("model.image_size=48", "model.text_length=24", "model.popup_width=32", "model.semantic_width=8"),
    *("model.details_width=8", "model.details_channels=[16, 8, 8, 8]", "model.details_out=[8, 8, 8, 8]"),
    *("train.images=3", "train.no_target=0.0", "train.workers=0"),  # texts are seen in this process
]


@pytest.fixture
def half_clear(make_scenes, tmp_path):
    """Six scenes; in the last three both entities have the same keyword."""
    root = make_scenes(tmp_path / "data", 6)
    path = root / "refmatte_train_label.json"
    rows = json.loads(path.read_text())
    for row in list(rows.values())[6:]:
        row["keyword"] = "disc"
    path.write_text(json.dumps(rows))
    return root


@pytest.fixture
def texts_of_training(monkeypatch):
    """The texts of a training, in this process."""
    found, real = [], tokenizer.Tokenizer.__call__

    def call(self, sentences, *given, **more):
        found.extend(sentences)
        return real(self, sentences, *given, **more)

    monkeypatch.setattr(tokenizer.Tokenizer, "__call__", call)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield found
    torch.set_num_threads(threads)


def test_a_keyword_run_takes_clear_images_and_keywords_alone(half_clear, texts_of_training, tmp_path):
    profile = profiles.with_settings(
        profiles.load("tiny"), [*SMALL, "train.setting=keyword", "train.keyword_share=1.0"]
    )
    record = clipmat.train(profile, half_clear, tmp_path / "out", weights="random", steps=4, progress=False)
    assert record["data"]["images"] == 3 and len(texts_of_training) >= 4 * 3 * 2 and set(texts_of_training) <= KEYWORDS
    assert record["settings"]["train"]["setting"] == "keyword"


def test_an_expression_run_takes_all_images_and_no_keyword(half_clear, texts_of_training, tmp_path):
    changes = ["train.setting=expression", "train.keyword_share=0.0"]
    profile = profiles.with_settings(profiles.load("tiny"), [*SMALL, *changes])
    record = clipmat.train(profile, half_clear, tmp_path / "out", weights="random", steps=4, progress=False)
    assert (
        record["data"]["images"] == 6 and len(texts_of_training) >= 4 * 3 * 2 and not set(texts_of_training) & KEYWORDS
    )


@pytest.mark.parametrize("length", [8, 24])
def test_sentences_that_are_cut_are_counted_and_named(length, half_clear, tmp_path, capsys):
    profile = profiles.with_settings(profiles.load("tiny"), [*SMALL, f"model.text_length={length}"])
    record = clipmat.train(profile, half_clear, tmp_path / "out", weights="random", steps=1, progress=False)
    cut = tokenizer.Tokenizer(tokenizer.CONFIGS / "rim-tiny.bpe.txt.gz", length).cut
    targets = RefMatte(half_clear).targets
    texts = [text for target in targets for text in (*target.expressions, f"the alpha matte of the {target.keyword}")]
    expected = [text for text in texts if cut(text)[1]]
    assert (record["sentences_cut"], record["sentences_counted"]) == (len(expected), 6 * 2 * 5)
    err = capsys.readouterr().err
    assert bool(expected) == (length == 8) == ("longer than model.text_length, 8 tokens" in err)


@pytest.mark.parametrize("setting", ["keyword", "expression"])
def test_a_baseline_has_both_settings_too(setting, half_clear, texts_of_training, tmp_path):
    given = {"weights": "random", "image_size": 64, "steps": 2, "progress": False}
    record = baselines.train_baseline("clipseg", "tiny", half_clear, tmp_path / "out", setting=setting, **given)
    keywords = {"a photo of a disc", "a photo of a box"}
    assert record["data"]["images"] == (3 if setting == "keyword" else 6)
    assert texts_of_training and (
        set(texts_of_training) <= keywords if setting == "keyword" else not set(texts_of_training) & keywords
    )


def test_a_data_set_that_is_given_is_read_in_the_runs_setting(half_clear):
    train = profiles.in_setting(profiles.load("tiny"), "keyword").train
    assert len(training_set(half_clear, train).image_names) == 3
    assert len(training_set(RefMatte(half_clear), train).image_names) == 3
    narrow = RefMatte(half_clear, "train", "keyword")
    assert training_set(narrow, profiles.load("tiny").train) is narrow, "a choice of images stays"


def test_a_keyword_run_without_clear_keywords_is_refused(half_clear, tmp_path):
    path = half_clear / "refmatte_train_label.json"
    path.write_text(path.read_text().replace('"box"', '"disc"'))
    profile = profiles.in_setting(profiles.load("tiny"), "keyword")
    with pytest.raises(RimError, match="each entity's keyword means one entity alone") as caught:
        clipmat.train(profile, half_clear, tmp_path / "out", weights="random", progress=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("setting, share", [("keyword", "0.5"), ("expression", "0.5"), ("expression", "1.0")])
def test_a_setting_and_a_share_that_contradict_it_are_refused(setting, share):
    texts = [f"train.setting={setting}", f"train.keyword_share={share}"]
    with pytest.raises(RimError, match=f"where train.setting is {setting}, found {share}") as caught:
        profiles.with_settings(profiles.load("tiny"), texts)
    assert caught.value.setting == "train.keyword_share"
