"""`rim experiment`: rows are records, measured once; records of something else are refused by name."""

import json

import pytest

from rimlib import cli, experiments
from rimlib import profile as profiles
from rimlib.errors import RimError
from rimlib.experiments import frame
from rimlib.experiments.frame import Row

TINY = profiles.load("tiny")


def row(name, about, measure):
    return Row(name, TINY, about, measure)


def fail(stages):
    raise AssertionError("a row that has its record is not measured again")


def test_a_run_that_was_stopped_goes_on_with_the_next_row(tmp_path):
    def interrupted(stages):
        raise KeyboardInterrupt

    one = row("one", {"images": 3}, lambda stages: {"value": 1})
    with pytest.raises(KeyboardInterrupt):
        frame.run("words", [one, row("two", {}, interrupted)], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["experiment-words-tiny-one.json"], "nothing half done"
    kept = row("one", {"images": 3}, fail)
    found = frame.run("words", [kept, row("two", {}, lambda stages: {"value": 2})], tmp_path)
    assert (
        [record["metrics"]["value"] for record in found]
        == [1, 2]
        == [record["metrics"]["value"] for record in frame.load("words", tmp_path)]
    )
    record = found[1]
    assert record["kind"] == "experiment" and record["profile"] == "tiny" and record["seed"] == TINY.seed
    assert record["settings"] == TINY.to_dict() and record["versions"]["torch"] and record["seconds"]["all"] >= 0
    assert {"git", "source", "machine", "command", "peak_memory_bytes"} <= set(record)


def test_a_record_of_another_measurement_is_refused_and_kept(tmp_path):
    frame.run("words", [row("one", {"data": {"images": [3]}}, lambda stages: {"value": 1})], tmp_path)
    before = (tmp_path / "experiment-words-tiny-one.json").read_bytes()
    changed = row("one", {"data": {"images": (4,)}}, lambda stages: {"value": 2})
    with pytest.raises(RimError, match=r"tiny-one.json: .*data.images is \[3\] there and \[4\] here.*--fresh"):
        frame.run("words", [changed], tmp_path)
    assert (tmp_path / "experiment-words-tiny-one.json").read_bytes() == before
    assert frame.run("words", [changed], tmp_path, fresh=True)[0]["metrics"] == {"value": 2}


def test_records_are_shown_of_one_profile_and_of_this_version(tmp_path):
    frame.run("words", [row("one", {}, lambda stages: {"value": 1})], tmp_path)
    assert len(frame.load("words", tmp_path, "tiny")) == 1
    with pytest.raises(RimError, match="no record of the experiment words of profile small"):
        frame.load("words", tmp_path, "small")
    path = tmp_path / "experiment-words-tiny-one.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "about": {"version": "0.0.1"}}))
    with pytest.raises(RimError, match=r"tiny-one.json: a record of rimlib 0.0.1"):
        frame.load("words", tmp_path)
    path.write_text(json.dumps({**record, "metrics": None}))
    with pytest.raises(RimError, match=r"tiny-one.json: no record of the experiment words"):
        frame.load("words", tmp_path)


@pytest.mark.parametrize(
    "given, words",
    [
        (("wrods",), "experiment 'wrods' (did you mean words?): must be one of words"),
        (("words", "--profile", "tinny"), "tinny"),
        (
            ("words", "--seeds", "3"),
            "--seeds: the experiment words has no such option; it has --data, --model, --scenes",
        ),
        (("listening", "--rows", "recip"), "--rows recip (did you mean recipe?)"),
        (("words", "--images", "0"), "--images 0: must be 1 or more"),
        (("words", "--scenes", "-1"), "--scenes -1: must be 1 or more"),
        (("words", "--data", "{tmp}"), "no refmatte_<split>_label.json here"),
        (("words", "--data", "{tmp}/none"), "none"),
        (("words", "--model", "{tmp}/none.safetensors"), "none.safetensors"),
        (("words", "--show", "--out", "{tmp}"), "no record of the experiment words here; rim experiment words makes"),
        (("words", "--show", "--out", "{tmp}", "--profile", "tinny"), "tinny"),
    ],
)
def test_what_cannot_be_used_is_one_line(given, words, tmp_path, capsys):
    status = cli.main(["experiment", "--out", str(tmp_path), *(part.format(tmp=tmp_path) for part in given)])
    out, err = capsys.readouterr()
    assert status == 2 and out == "" and err.startswith("rim: error: ") and err.count("\n") == 1 and words in err
    assert not list(tmp_path.iterdir()), "it is refused before a row is measured"


def test_each_experiment_has_rows_and_tables():
    for name in experiments.NAMES:
        module = experiments.get(name)
        assert callable(module.rows) and callable(module.tables)
