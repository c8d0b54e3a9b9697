"""States of the paper's numbers, from records that are made up here; stale records; tagged pages; the page."""

import json
import math
from dataclasses import replace

import pytest

from rimlib import cli, experiments, printed
from rimlib import profile as profiles
from rimlib.claims import evidence, page, states, tags
from rimlib.claims.states import DIFFERS, NOT, REPRODUCED, SAME
from rimlib.experiments import frame, table3
from rimlib.refmatte import paper_pool, plan
from rimlib.repository import repository
from rimlib.training import record as records

PAPER = printed.tables()["table3"].values("SAD")
ROWS = {change.name: change for change in table3.CHANGES}


def train(folder, name, seed, sad, **more):
    """A record of a row of Table 3, as the frame writes it."""
    change = ROWS[name]
    profile = replace(profiles.with_settings(profiles.load("tiny"), change.settings), seed=seed)
    about = {"change": name, "changes": list(change.settings), "steps": 1500, "images": 16, "scored_on": "f" * 64}
    return write(folder, "table3", f"{name}-seed{seed}", profile, {**about, **more}, of_sad(sad))


def of_sad(sad, key="keyword, seen"):
    return {"sets": {key: {"sad": sad, "mse": sad / 4000, "mad": sad / 2000}}}


def write(folder, experiment, row, profile, about, metrics):
    about = {"version": frame.rimlib.__version__, **about}
    record = records.new("experiment", profile, experiment=experiment, row=row, about=about)
    path = folder / f"experiment-{experiment}-{profile.name}-{row}.json"
    return records.write(path, records.finish(record, records.Stages(), metrics))


def state_of(folder, table):
    found = states.results(evidence.load(folder), [printed.tables()[table]])
    return {"/".join(result.number.name.split("/")[1:]): result for result in found}


def test_without_records_nothing_is_attempted_and_each_number_says_why(tmp_path):
    found = states.results(evidence.load(tmp_path))
    assert {result.state for result in found} == {NOT} and all(result.why for result in found)
    assert states.counts(found)["numbers"] == len(list(printed.numbers()))
    reasons = {result.number.table: result.why for result in found}
    assert reasons["table3"] == "no record yet (`rim experiment table3` makes it)"


def test_the_papers_own_order_is_its_trend(tmp_path):
    """A model that is three times as good, and one that has the opposite order."""
    for seed, noise in ((1, 1.0), (2, 1.02), (3, 0.99)):
        for name, sad in PAPER.items():
            train(tmp_path, name, seed, noise * sad / 3)
    found = state_of(tmp_path, "table3")
    assert {result.state for result in found.values()} == {SAME} and len(found) == 18
    result = found["tsp/SAD"]
    assert result.against == "none" and result.theirs == pytest.approx(18.28 / 22.88)
    assert result.ours.value == pytest.approx(result.theirs) and result.ours.count == 3
    assert result.value is None, "a small model's error is never compared with the paper's"
    for seed in (1, 2, 3):
        train(tmp_path, "tsp", seed, 30.0)
    found = state_of(tmp_path, "table3")
    assert found["tsp/SAD"].state == DIFFERS and found["tsp/SAD"].why == "the other way round"
    assert found["tsp-mde/SAD"].state == SAME, "it is compared with tsp"
    assert found["none/SAD"].state == DIFFERS and found["none/SAD"].why.startswith("1 of 1")


def test_what_seeds_do_not_decide_differs(tmp_path):
    for seed, noise in ((1, 0.8), (2, 1.2), (3, 0.9)):
        train(tmp_path, "none", seed, 10.0)
        train(tmp_path, "tsp", seed, 10.0 * noise)
    found = state_of(tmp_path, "table3")["tsp/SAD"]
    assert found.state == DIFFERS and "does not decide" in found.why and found.ours.low < 1 < found.ours.high


def test_one_seed_and_a_missing_row_are_no_comparison(tmp_path):
    train(tmp_path, "none", 1, 10.0)
    train(tmp_path, "tsp", 1, 9.0)
    train(tmp_path, "tsp-mde-pre-cp", 1, 9.0)
    found = state_of(tmp_path, "table3")
    assert found["tsp/SAD"].state == NOT and "one seed" in found["tsp/SAD"].why
    assert found["tsp-mde-pre-cp/SAD"].why == "tsp-mde, which it is compared with, has no record"
    assert found["all/SAD"].why == "the records of table3 do not have it"
    assert found["none/SAD"].state == NOT


def test_an_interval_is_students_over_the_seeds():
    """By hand: three logarithms -0.1, -0.2, -0.3 have the deviation 0.1, and 4.303 x 0.1 / sqrt(3) is 0.2484."""
    one = states.Measured({seed: 10 * math.exp(-0.1 * seed) for seed in (1, 2, 3)})
    found = states.ratio(one, states.Measured(dict.fromkeys((1, 2, 3), 10.0)))
    assert math.log(found.value) == pytest.approx(-0.2)
    assert [math.log(end) for end in (found.low, found.high)] == pytest.approx([-0.2 - 0.2484, -0.2 + 0.2484], abs=1e-4)
    both = states.ratio(states.Measured({1: 10.0}, (9.0, 11.0)), states.Measured({1: 20.0}, (18.0, 22.0)))
    assert both.value == 0.5 and math.log(both.high / both.value) == pytest.approx(math.sqrt(2) * math.log(11 / 9) / 2)
    assert states.ratio(states.Measured({1: 1.0}), states.Measured({2: 1.0})) is None


def test_an_order_within_the_papers_noise_is_none():
    close, wide, better = (
        states.Ratio(value, low, high, 3) for value, low, high in ((1, 0.95, 1.05), (1, 0.7, 1.4), (0.8, 0.7, 0.9))
    )
    assert states.judge(0.99, close, noise=0.012)[0] == SAME
    assert states.judge(0.95, close, noise=0.012)[0] == DIFFERS
    assert states.judge(0.99, wide, noise=0.012)[0] == DIFFERS
    assert states.judge(0.99, better, noise=0.012)[0] == SAME, "on the same side"
    assert states.judge(1.01, better, noise=0.012)[0] == DIFFERS
    assert states.noise() == pytest.approx({"keyword": 0.0122, "expression": 0.0855, "RW100": 0.0462}, abs=1e-4)


def test_counts_are_reproduced_to_the_digit_or_differ(tmp_path):
    profile = replace(profiles.load("paper-b16"), data=paper_pool.settings())
    about = {"engine": plan.version(paper_pool.settings()), "pool": paper_pool.pool().fingerprint()}
    counts = {"images": 45000, "mattes": 112561, "texts": 450244, "categories": 230, "length": 16.861}
    write(tmp_path, "table5", "plan", profile, about, {"sets": {"expression, train": counts}})
    found = state_of(tmp_path, "table1")
    assert found["expression, train/images"].state == found["expression, train/length"].state == REPRODUCED
    assert found["expression, train/texts"].state == DIFFERS and found["expression, train/texts"].why == "450,244 here"
    assert found["RW100/mattes"].state == NOT and "photographs" in found["RW100/mattes"].why
    write(tmp_path, "table5", "plan", profile, {**about, "engine": 0}, {"sets": {"expression, train": counts}})
    assert "engine is 0" in evidence.load(tmp_path).stale[0]


def test_a_measured_model_is_compared_by_kind_of_sentence(tmp_path):
    def scores(sad):
        return {"sad": sad, "interval": {"sad": [0.98 * sad, 1.02 * sad]}}

    kinds = {"basic": 10.0, "absolute": 10.1, "relative-short": 12.0, "relative-long": 7.0}
    about = {"model": "mine", "data": {"split": "seen", "fingerprint": "a"}}
    metrics = {"scores": {**scores(9.8), "by_sentence": {kind: scores(sad) for kind, sad in kinds.items()}}}
    write(tmp_path, "table9", "mine-seen", profiles.load("tiny"), about, metrics)
    assert state_of(tmp_path, "table9")["expression/basic/SAD"].state == NOT, "not the shipped model"
    write(tmp_path, "table9", "shipped-seen", profiles.load("tiny"), {**about, "model": "shipped"}, metrics)
    found = state_of(tmp_path, "table9")
    assert found["expression/relative-long/SAD"].state == found["expression/absolute/SAD"].state == SAME
    assert found["expression/relative-short/SAD"].state == DIFFERS
    assert found["expression/basic/SAD"].why == "1 of 3 rows that are compared with it differ"
    assert found["RW100/free/SAD"].state == NOT


@pytest.mark.parametrize(
    "change, message",
    [
        ({"version": "0.0.9"}, "a record of rimlib 0.0.9"),
        ({"changes": ["train.lr=5e-3"]}, "train.lr is 0.001 there and 0.005 in the profile tiny now"),
        ({"changes": ["model.gone=1"]}, "model.gone"),
        ({"model": "shipped", "weights": "0" * 64}, "weights is '00000"),
    ],
)
def test_a_stale_record_is_named_and_does_not_speak(change, message, tmp_path):
    path = train(tmp_path, "all", 1, 10.0)
    assert evidence.load(tmp_path).stale == ()
    train(tmp_path, "all", 1, 10.0, **change)
    found = evidence.load(tmp_path)
    assert len(found.stale) == 1 and found.stale[0].startswith(f"{path}: ") and message in found.stale[0]
    assert found.of("table3", "tiny") == []


def test_a_record_of_other_data_is_named(tmp_path):
    train(tmp_path, "all", 1, 10.0)
    train(tmp_path, "none", 1, 10.0, scored_on="0" * 64)
    found = evidence.load(tmp_path)
    assert len(found.stale) == 1 and "scored_on" in found.stale[0] and found.of("table3", "tiny") == []


def test_a_broken_record_and_one_of_no_experiment_are_named(tmp_path):
    (tmp_path / "experiment-table3-tiny-all.json").write_text("{")
    (tmp_path / "train-tiny.json").write_text(json.dumps({"profile": "tinny", "settings": {}}))
    write(tmp_path, "tables", "all", profiles.load("tiny"), {}, {})
    stale = "\n".join(evidence.load(tmp_path).stale)
    assert stale.count("\n") == 2 and "train-tiny.json: profile 'tinny'" in stale and "it is of 'tables'" in stale


PAGE = """# A page

<!-- claim: table3 -->
With TSP the error is 18.28 instead of 22.88 (Table 3), so by ViT-B/16 far less.

<!-- claim: train-x#metrics.scores -->
| what | share |
|:--|--:|
| found | 83.1 % of 1,234 |

A number without a tag, 99.99, is nobody's claim.
"""


@pytest.fixture
def tagged(tmp_path):
    """A function that checks a page in a repository with one record."""
    folder = tmp_path / "results" / "runs"
    folder.mkdir(parents=True)
    metrics = {"scores": {"localised": 0.8312, "entities": 1234}, "minutes": 7.5}
    (folder / "train-x.json").write_text(json.dumps({"metrics": metrics}))

    def check(text, name="page.md"):
        (tmp_path / name).write_text(text)
        return tags.check(tmp_path, [tmp_path / name])

    return check


def test_a_tagged_page_whose_numbers_are_held(tagged):
    assert tagged(PAGE) == []
    cell = "".join(f"# {line}".rstrip() + "\n" for line in PAGE.splitlines())
    assert tagged("# %% [markdown]\n" + cell + "\n# %%\nnumber = 3.5\n", "page.py") == []


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("18.28", "18.27", "page.md, line 3: 18.27 is not in table3"),
        ("83.1 %", "83.2 %", "page.md, line 6: 83.2 % is not in train-x#metrics.scores"),
        ("1,234", "7.5", "7.5 is not in train-x#metrics.scores"),
        (
            "table3 -->",
            "tabel3 -->",
            "line 3: claim 'tabel3' (did you mean table3?): no table of the paper, and no record",
        ),
        ("claim: table3", "claim", "line 3: a claim without a record"),
        ("#metrics.scores", "#metrics.score", "the record has no metrics.score"),
        ("<!-- claim: table3 -->\n", "<!-- claim: table3 -->\n\n", "line 3: nothing is below this tag"),
    ],
)
def test_a_tagged_page_whose_numbers_are_not_held(old, new, message, tagged):
    (line,) = tagged(PAGE.replace(old, new, 1))
    assert message in line


def test_the_page_has_each_number_with_its_mark(tmp_path):
    for seed in (1, 2, 3):
        for name, sad in PAPER.items():
            train(tmp_path, name, seed, sad if name != "tsp" else 30.0)
    text = page.markdown(states.results(evidence.load(tmp_path)), states.noise())
    assert "| tsp | 18.28 ≠ | 0.0068 ≠ | 0.0105 ≠ |" in text and "| tsp-mde | 14.55 ~ |" in text
    assert "| tsp | SAD | none | 0.80 | 1.31 (1.31 to 1.31) | differs: the other way round |" in text
    assert f"| all | {len(list(printed.numbers()))} | 0 | " in text
    for table in printed.tables().values():
        assert f"## {table.about['where'].partition(',')[0]}: {table.about['title']}\n" in text


@pytest.mark.parametrize("name", ["table3", "table10"])
def test_the_rows_that_speak_are_those_of_the_experiment(name):
    table, known = printed.tables()[name], {change.name for change in experiments.get(name).CHANGES}
    assert {table.record_row(part, row) for part, row in table.labels if not table.why_not(row, "")} <= known


@pytest.mark.parametrize("name", ["table1", "table5", "table11"])
def test_the_exact_tables_are_of_what_their_experiment_gives(name):
    """Whatever is printed has a set and a key there, or a reason why not."""
    table = printed.tables()[name]
    found = [result for result in states.results(evidence.load(frame.folder_of_records()), [table])]
    assert all(result.state in (REPRODUCED, DIFFERS) or table.why_not(result.number.row, "") for result in found)


def test_the_books_page_and_all_tags_are_those_of_the_records(capsys):
    """`rim claims --page book/claims.md` writes the page anew."""
    assert cli.main(["claims", "--check", "--json"]) == 0, capsys.readouterr().err
    counted = json.loads(capsys.readouterr().out)
    assert list(counted) == ["numbers", "reproduced", "same_trend", "differs", "not_attempted", "stale"]
    assert counted["numbers"] == sum(list(counted.values())[1:5]) and counted["stale"] == 0


def test_the_command_names_what_does_not_hold(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(frame, "folder_of_records", lambda: tmp_path)
    path = train(tmp_path, "all", 1, 10.0, version="0.0.9")
    assert cli.main(["claims", "--check"]) == 1
    error = capsys.readouterr().err
    assert f"{path}: a record of rimlib 0.0.9" in error and "--page book/claims.md" in error
    written = tmp_path / "page.md"
    assert cli.main(["claims", "--page", str(written)]) == 0 and written.read_text().startswith("# The paper's numbers")
    assert "1  stale" in capsys.readouterr().out


def test_the_tag_is_in_contributing():
    assert "<!-- claim: " in (repository() / "CONTRIBUTING.md").read_text()
