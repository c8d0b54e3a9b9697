"""`rim experiment`: rows are records, measured once; records of something else are refused by name."""

import json
from types import SimpleNamespace

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
    path.write_text(json.dumps(record)[:99])
    with pytest.raises(RimError, match=r"tiny-one.json"):
        frame.load("words", tmp_path)
    path.write_text(json.dumps({**record, "metrics": None}))
    with pytest.raises(RimError, match=r"tiny-one.json: no record of the experiment words"):
        frame.load("words", tmp_path)


@pytest.mark.parametrize("part", [{"scored_on": "0"}, {"steps": 2}, {"refiner": "0"}])
def test_rows_of_other_data_steps_or_weights_do_not_stand_in_one_table(part, tmp_path):
    about = {"scored_on": "1", "steps": 1, "refiner": "1"}
    for name, more in (("one", {}), ("two", part)):
        frame.run("table2", [row(name, about | more, lambda stages: {"value": 1})], tmp_path)
    ((key, value),) = part.items()
    with pytest.raises(RimError, match=f"tiny-two.json: {key} is {value!r} there and .* in .*tiny-one.json") as caught:
        frame.load("table2", tmp_path)
    assert str(caught.value.path).endswith("tiny-two.json") and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "given, words",
    [
        (("wrods",), "experiment 'wrods' (did you mean words?): must be one of words"),
        (("table12",), "experiment 'table12' (did you mean table2?): must be one of words, table2"),
        (("words", "--profile", "tinny"), "tinny"),
        (("table2", "--rows", "clipsag"), "--rows clipsag (did you mean clipseg?)"),
        *((("table2", "--seeds", text), f"--seeds {text}: must be how many") for text in ("0", "three", "1,x", "2,2")),
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


@pytest.fixture
def three(monkeypatch):
    """Three experiments in place of all: two of one row each, and one that shows the first one's record."""
    begun = []

    def experiment(name, options=(), **more):
        def measure(stages):
            begun.append(name)
            if name == three.broken:
                raise KeyboardInterrupt
            return {"value": name}

        def rows(given):
            if given.images == 0:
                raise RimError("--images 0: must be 1 or more", setting="images")
            return iter([row("one", {"images": given.images}, measure)])

        return SimpleNamespace(
            OPTIONS=options, rows=rows, tables=lambda found: {name: [one["metrics"] for one in found]}, **more
        )

    modules = {
        "words": experiment("words"),
        "table2": experiment("table2", ("seeds", "runs")),
        "table6": experiment("table6", ("seeds", "runs"), RECORDS="table2"),
    }
    monkeypatch.setattr(experiments, "NAMES", tuple(modules))
    monkeypatch.setattr(experiments, "get", modules.__getitem__)
    three = SimpleNamespace(begun=begun, broken=None)
    return three


def shown(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_all_are_run_one_after_the_other_and_what_two_share_is_measured_once(three, tmp_path, capsys):
    given = ["experiment", "all", "--seeds", "3", "--out", str(tmp_path), "--json"]
    three.broken = "table2"
    assert cli.main(given) == 130 and three.begun == ["words", "table2"]
    out, err = capsys.readouterr()
    assert json.loads(out)["experiment"] == "words", "what was measured is shown"
    assert err.splitlines()[-1] == "stopped; the same command goes on from there"
    three.broken = None
    assert cli.main(given) == 0 and three.begun == ["words", "table2", "table2"]
    lines = shown(capsys)
    assert [line["experiment"] for line in lines] == ["words", "table2", "table6"]
    assert lines[2] == {"experiment": "table6", "table6": [{"value": "table2"}]}
    assert cli.main(["experiment", "all", "--show", "--out", str(tmp_path), "--json"]) == 0 and shown(capsys) == lines
    assert len(list(tmp_path.iterdir())) == 2
    assert cli.main(["experiment", "table6", "--out", str(tmp_path), "--json"]) == 0 and shown(capsys) == lines[2:]


def test_what_all_cannot_use_is_refused_before_the_first_row(three, tmp_path, capsys):
    for given, words in (
        (["--rows", "one"], "--rows: the experiment all has no such option; it has --seeds, --runs"),
        (["--images", "0"], "--images 0: must be 1 or more"),
    ):
        assert cli.main(["experiment", "all", "--out", str(tmp_path), *given]) == 2
        err = capsys.readouterr().err
        assert words in err and err.count("\n") == 1 and not three.begun


def test_experiments_without_a_record_are_left_out_where_all_are_shown(three, tmp_path, capsys):
    assert cli.main(["experiment", "words", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    assert cli.main(["experiment", "all", "--show", "--out", str(tmp_path), "--json"]) == 0
    assert [line["experiment"] for line in shown(capsys)] == ["words"]
