"""`rim evaluate` on small folders in the released layout: the sentences put, what is written, what is refused."""

import json
import os
import subprocess
import sys

import pytest

from rimlib import cli
from rimlib import profile as profiles
from rimlib.clipmat.model import CLIPMat

THIN = {
    "model__backbone": "rim-tiny",
    "model__image_size": 64,
    "model__popup_width": 32,
    "model__details_width": 8,
    "model__details_channels": [16, 16, 8, 8],
    "model__details_out": [16, 8, 8, 8],
    "model__semantic_width": 8,
}


@pytest.fixture(scope="module")
def released(make_released, tmp_path_factory):
    """Four images of 1080 x 1620 pixels as they are released, and four as RW100."""
    root = tmp_path_factory.mktemp("released")
    make_released(root, "test")
    make_released(root, "rw100")
    (root / "RefMatte_RW_100/eval_index_expression.json").write_text(json.dumps({"0": 3, "1": 2, "2": 1, "3": 0}))
    return root


@pytest.fixture(scope="module")
def thin(tmp_path_factory):
    """A thin model with the settings of paper-b16 for everything but its sizes."""
    profile = profiles.load("paper-b16", **THIN)
    return CLIPMat.from_profile(profile, "random").save(tmp_path_factory.mktemp("thin") / "clipmat.safetensors")


def run(capsys, *arguments):
    status = cli.main(["evaluate", "--device", "cpu", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, json.loads(out) if out.strip() else None, err


def rows_beside(record):
    return [json.loads(line) for line in record.with_suffix(".rows.jsonl").read_text().splitlines()]


def test_the_expression_setting_without_an_index(released, thin, tmp_path, capsys):
    out = tmp_path / "e.json"
    status, found, _ = run(capsys, "--data", released / "RefMatte", "--model", thin, "--out", out)
    assert status == 0 and found["scored_by"] == "hash of the mask id"
    rows = rows_beside(out)
    assert len(rows) == 8 * 4, "every sentence is put where the one that is scored is drawn"
    assert {row["sentence"] for row in rows if row["mask_id"] == "rim_test_00000000_1"} == {
        "the red and salient cat",
        "the cat at the leftmost edge of the image",
        "the red cat to the left of the dog",
        "the red and non-transparent cat which is to the left of the dog",
    }
    assert sum(row["scored"] for row in rows) == found["entities"] == 8 and found["all"]["entities"] == 32
    assert list(found["by_sentence"]) == ["absolute", "basic", "relative-long", "relative-short"]
    assert list(found["by_relation"]) == ["left/right"] and list(found["by_transparency"]) == ["opaque"]
    record = json.loads(out.read_text())
    assert record["metrics"] == found and record["scored_by"] == found["scored_by"] and record["every"] is True
    assert record["edges"] == "band of 25 pixels in an image of 1000" and record["rows"] == "e.rows.jsonl"
    assert record["definitions"]["sad"].startswith("sum |p - a| / 1000")
    assert all(row["sad_empty"] == pytest.approx(146.6, abs=0.2) for row in rows), "at the image's own size"


def test_the_keyword_setting_reads_keywords_from_sentences(released, thin, tmp_path, capsys):
    out = tmp_path / "k.json"
    status, found, _ = run(
        *(capsys, "--data", released / "RefMatte", "--setting", "keyword", "--model", thin, "--out", out)
    )
    assert status == 0 and found["entities"] == 8 and "by_sentence" not in found and found["scored_by"] == "keyword"
    assert found["keywords_read"] == 8, "the labels have none"
    assert {row["sentence"] for row in rows_beside(out)} == {"a photo of a cat", "a photo of a dog"}
    given = ("--template", "{keyword}", "--fresh", "--no-edges")
    status, found, _ = run(
        *(capsys, "--data", released / "RefMatte", "--setting", "keyword", "--model", thin, "--out", out, *given)
    )
    assert {row["sentence"] for row in rows_beside(out)} == {"cat", "dog"} and "grad" not in found


def test_a_model_is_scored_in_the_setting_that_it_was_trained_in(released, tmp_path, capsys):
    model = CLIPMat.from_profile(profiles.load("paper-b16-keyword", **THIN), "random").save(tmp_path / "k.safetensors")
    given = ("--data", released / "RefMatte", "--limit", "1", "--no-edges", "--model", model)
    assert run(capsys, *given)[1]["scored_by"] == "keyword"
    status, found, err = run(capsys, *given, "--setting", "expression", "--out", tmp_path / "c.json")
    assert found["scored_by"] == "hash of the mask id"
    cut = [row["sentence"] for row in rows_beside(tmp_path / "c.json") if row["cut"]]
    assert set(cut) == {
        f"the {words} of the {other}"
        for words, other in (
            ("red and non-transparent cat which is to the left", "dog"),
            ("blue and non-transparent dog which is to the right", "cat"),
        )
    }
    assert "2 of 8 sentences are longer than the model reads, and were cut" in err


def test_rw100_is_scored_by_its_index_and_has_free_sentences(released, thin, tmp_path, capsys):
    out, root = tmp_path / "r.json", released / "RefMatte_RW_100"
    status, found, _ = run(capsys, "--data", root, "--split", "rw100", "--model", thin, "--out", out, "--no-edges")
    assert status == 0 and found["scored_by"] == "index" and "all" not in found
    assert [row["sentence_number"] for row in rows_beside(out)] == [3, 3, 2, 2, 1, 1, 0, 0]
    assert list(found["by_sentence"]) == ["absolute", "basic", "free", "relative"]
    given = ("--every", "--fresh", "--no-edges", "--limit", "1")
    status, found, _ = run(capsys, "--data", root, "--split", "rw100", "--model", thin, "--out", out, *given)
    assert found["entities"] == 8 and found["scored"]["entities"] == 2 and found["scored_by"] == "all"


def test_the_shipped_refiner_and_kept_mattes(scenes, tmp_path, capsys):
    given = ("--data", scenes, "--refiner", "shipped", "--mattes", tmp_path / "m", "--limit", "2")
    status, found, _ = run(capsys, *given, "--out", tmp_path / "f.json")
    assert status == 0 and found["refined"]["entities"] == found["entities"] == 4
    assert len(list((tmp_path / "m").glob("*.png"))) == len(list((tmp_path / "m/refined").glob("*.png"))) == 4
    record = json.loads((tmp_path / "f.json").read_text())
    assert record["refiner"] == "shipped" and record["metrics"]["refined"] == found["refined"]


def test_parts_of_an_array_of_jobs(scenes, tmp_path, capsys):
    given = ("--data", scenes, "--no-edges", "--out", tmp_path / "p.json")
    status, found, err = run(capsys, *given, "--part", "1/2")
    assert status == 0 and found == {"missing": 2} and "2 images are left to the other processes" in err
    assert not (tmp_path / "p.json").exists()
    status, found, _ = run(capsys, *given, "--part", "2/2")
    assert found["entities"] == 8 and json.loads((tmp_path / "p.json").read_text())["processes"] == 2
    status, alone, _ = run(capsys, "--data", scenes, "--no-edges")
    assert alone == found


def test_torchrun_shares_an_evaluation(scenes, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29577"]
    command = [*torchrun, "-m", "rimlib", "evaluate", "--data", str(scenes), "--no-edges", "--device", "cpu"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "t.json")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "t.json").read_text())
    assert record["processes"] == 2 and record["metrics"]["entities"] == 8
    assert len(rows_beside(tmp_path / "t.json")) == 8


@pytest.mark.parametrize(
    "given, words",
    [
        (("--template", "a photo"), "--template 'a photo': it must have {keyword} in it"),
        (("--limit", "0"), "--limit 0: must be 1 or more"),
        (("--part", "3/2"), "--part '3/2': expected such as 2/8"),
        (("--part", "1/2"), "--out: several processes share"),
        (("--out", "scores.txt"), "--out scores.txt: a record is a .json file"),
        (("--split", "none"), "refmatte_none_label.json: not found"),
        (("--model", "no-such-file.safetensors"), "no-such-file.safetensors"),
        (("--refiner", "no-such-refiner"), "no-such-refiner"),
        (("--device", "nowhere"), "device 'nowhere' cannot be used here"),
    ],
)
def test_what_cannot_be_used_is_one_line(scenes, given, words, capsys):
    status = cli.main(["evaluate", "--data", str(scenes), *given])
    out, err = capsys.readouterr()
    assert status == 2 and out == "" and err.startswith("rim: error: ") and err.count("\n") == 1 and words in err


def test_a_record_of_another_version_is_not_continued(scenes, tmp_path, capsys):
    given = ("--data", scenes, "--no-edges", "--limit", "1", "--out", tmp_path / "v.json")
    assert run(capsys, *given)[0] == 0
    about = json.loads((tmp_path / "v.about.json").read_text())
    (tmp_path / "v.about.json").write_text(json.dumps({**about, "version": "0.0.1"}))
    status, found, err = run(capsys, *given)
    assert status == 2 and "version is '0.0.1' there" in err and "--fresh" in err and err.count("\n") == 1
    assert len(rows_beside(tmp_path / "v.json")) == 2, "nothing is lost"
    assert run(capsys, *given, "--fresh")[0] == 0


def test_the_help_tells_the_story(capsys):
    with pytest.raises(SystemExit):
        cli.main(["evaluate", "--help"])
    text = capsys.readouterr().out
    for words in ("hash of the mask's name", "torchrun --nproc_per_node", "RECORD.rows.jsonl", "--refiner"):
        assert words in text
