"""Numbers that people read come from records: the README's table, the cards, the recorded runs."""

import json
import math
import re

import pytest
from safetensors import safe_open

from rimlib import profile as profiles
from rimlib.clipmat import prompt
from rimlib.evaluation.evaluate import evaluate
from rimlib.io.weights import CHECKPOINTS
from rimlib.refmatte.build import build
from rimlib.refmatte.dataset import RefMatte
from rimlib.repository import repository

ROOT = repository()
CARD = json.loads((CHECKPOINTS / "clipmat-tiny.json").read_text())["card"]


RUNS = ROOT / "results" / "runs"
BEFORE = "the model before, trained without look-alikes"
# The rows of each page, in the tables whose first column is "row"; those of HEARD_BEFORE have one of the model before
# beside the one of now.
SCORES = ["keyword, seen", "expression, seen", "keyword, unseen", "expression, unseen", "photographs", "drawn.all"]
SOFT = ["soft.matte", "soft.binary_truth"]
HEARD_BEFORE = ["lookalikes.all", "swap.gives_the_other", "refused_wrong_side"]
NO_TARGET = [f"no target, seen: {name}" for name in ("true_negative_rate", "true_positive_rate")]
WRONG = [f"no target, seen: true_negative_rate_{name}" for name in ("stranger", "keyword", "attribute", "relation")]
HEARD = [
    *(f"lookalikes.{name}" for name in ("left", "right", "top", "bottom", "front", "behind", "larger", "smaller")),
    "three.second",
    "people_and_plurals.kinds",
    "people_and_plurals.plurals",
    "unseen_by_kind.all",
    "real_by_kind.all",
]
MADE = ["record", "profile.name", "profile.model.image_size", "parameters", "steps", "minutes", "images"]
ROWS = {
    "README.md": {*SCORES, *HEARD_BEFORE, *NO_TARGET, *SOFT},
    "book/model_card.md": {*MADE, *SCORES, *HEARD_BEFORE, *HEARD, *NO_TARGET, *WRONG, *SOFT},
}


def read(name: str) -> dict:
    path = RUNS / f"{name}.json"
    assert path.is_file(), f"{path.relative_to(ROOT)}: missing; the pages quote it"
    return json.loads(path.read_text())


def percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def made() -> dict[str, str]:
    """What the card has of the shipped model itself, by row."""
    about = json.loads((CHECKPOINTS / "clipmat-tiny.json").read_text())
    with safe_open(CHECKPOINTS / "clipmat-tiny.safetensors", "np") as tensors:
        parameters = sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    return {
        "record": f"`{CARD['record']}`",
        "profile.name": f"`{about['profile']['name']}`",
        "profile.model.image_size": f"{about['profile']['model']['image_size']}",
        "parameters": f"{parameters / 1e6:.1f} million",
        "steps": f"{CARD['metrics']['steps']:,}",
        "minutes": f"{CARD['metrics']['minutes']:.0f}",
        "images": f"{CARD['data']['images']:,}",
    }


def measured(key: str, before: bool) -> dict[str, str]:
    """The cells of a row of scores, by column: from the card, or from the record that has this key."""
    row, part = {}, None
    if key in CARD["scores"]:
        part = CARD["scores"][key]
    elif key.startswith("no target"):
        group, _, name = key.partition(": ")
        scores = CARD["scores"][group]
        counts = {"true_negative_rate": scores["no_target"], "true_positive_rate": scores["fitting"]}
        row = {"sentences": f"{counts[name]:,}" if name in counts else "", "result": percent(scores[name])}
    elif key.startswith("soft."):
        soft = read("shipped-tiny-limits")["metrics"]["soft"]
        row = {"sentences": f"{soft['mattes']:,}", "result": f"{soft[key.removeprefix('soft.')]:.3f}"}
    elif key in ("photographs", "drawn.all"):
        limits = read("shipped-tiny-limits")["metrics"]
        part = limits["photographs"] if key == "photographs" else limits["drawn"]["all"]
    else:
        found = read(f"hearing-tiny-{'without-lookalikes' if before else 'shipped'}")["metrics"]
        value, count, chance = (walk(tree, key) for tree in (found, found["counts"], found["chance"]))
        row = {"sentences": f"{count:,}", "result": percent(value), "by chance": percent(chance)}
    if part:
        row = {"sentences": f"{part['entities']:,}", "result": percent(part["localised"])}
        row |= {"by chance": percent(part["chance"]), "mean IoU": f"{part['iou']:.2f}"}
        row |= {"SAD": f"{part['sad']:.2f}", "SAD / empty": f"{part['sad_ratio']:.2f}"}
    return row


def walk(tree: dict, key: str):
    """The value under a path of keys, such as "swap.both"; None where there is none."""
    for name in key.split("."):
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def rows_of(text: str) -> list[tuple[str, bool, str, dict[str, str]]]:
    """The rows of a page's tables whose first column is "row": key, whether it is of the model before, line, cells."""
    found = []
    columns: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            columns = []
        elif cells[0] == "row":
            columns = cells
        elif columns and not set(line) <= set("|:- "):
            key = re.match(r"`([^`]+)`", cells[0])
            assert key and len(cells) == len(columns), f"no key in backticks, or not as many cells as columns: {line}"
            found.append((key[1], BEFORE in cells[0], line, dict(zip(columns[1:], cells[1:]))))
    return found


@pytest.mark.parametrize("page", list(ROWS))
def test_pages_quote_the_card_and_the_records(page):
    """To fill a page in: copy the lines that this prints over those that it names."""
    rows, wrong = rows_of((ROOT / page).read_text()), []
    for key, before, line, cells in rows:
        right = {"number": made()[key]} if key in MADE else measured(key, before)
        expected = [right.get(column, "") for column in cells]
        if list(cells.values()) != expected:
            label = line.strip().strip("|").split("|")[0].strip()
            differing = [
                f"{column}: found {found or 'nothing'}, expected {value or 'nothing'}"
                for (column, found), value in zip(cells.items(), expected)
                if found != value
            ]
            wrong.append(f"{page}, row {label}: {'; '.join(differing)}\n| {' | '.join([label, *expected])} |")
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
    assert {key for key, before, *_ in rows if not before} == ROWS[page], f"{page}: rows are missing or unknown"
    assert [key for key, before, *_ in rows if before] == HEARD_BEFORE, f"{page}: rows of {BEFORE}"


def test_the_records_of_the_pages_are_of_the_shipped_model():
    """A record of an older checkpoint would show here: what both it and the card measured must agree."""
    limits, heard = read("shipped-tiny-limits"), read("hearing-tiny-shipped")
    assert limits["kind"] == "limits" and heard["kind"] == "hearing"
    assert limits["git"]["commit"] and heard["git"]["commit"] and heard["limit"] is None
    none = CARD["scores"]["no target, seen"]
    for name, same in (("auc", "auc"), ("refused_as_set", "true_negative_rate"), ("kept_as_set", "true_positive_rate")):
        assert heard["metrics"][name] == pytest.approx(none[same], abs=0.05), name
    counts = list(limits["metrics"]["sentences"].values())
    every = sum(row["localised"] * row["entities"] for row in counts) / sum(row["entities"] for row in counts)
    assert every == pytest.approx(CARD["scores"]["expression, seen"]["localised"], abs=0.05)


def test_the_shipped_model_does_what_the_pages_claim():
    """The README and the model card, in words: the whole sentence counts, more is refused, the unseen is hard."""
    before, now = (read(f"hearing-tiny-{name}")["metrics"] for name in ("without-lookalikes", "shipped"))
    chance = now["chance"]
    assert now["lookalikes"]["all"] > max(before["lookalikes"]["all"], chance["lookalikes"]["all"]) + 0.05
    for name in ("left", "right", "top", "bottom", "larger"):
        assert now["lookalikes"][name] > chance["lookalikes"][name], name
    for name in ("front", "smaller"):  # the pages say that it has not learned these
        assert now["lookalikes"][name] < chance["lookalikes"][name], name
    assert now["three"]["second"] > chance["three"]["second"]
    assert now["swap"]["gives_the_other"] > chance["swap"]["gives_the_other"]
    for name in ("kinds", "plurals"):
        assert now["people_and_plurals"][name] > chance["people_and_plurals"][name], name
    assert now["refused"] > before["refused"] and 1 > now["refused_wrong_side"] > before["refused_wrong_side"]
    limits, seen = read("shipped-tiny-limits")["metrics"], CARD["scores"]["expression, seen"]["localised"]
    for row in (limits["photographs"], limits["drawn"]["all"], CARD["scores"]["expression, unseen"]):
        assert row["localised"] < seen - 0.2
    assert json.loads((ROOT / CARD["record"]).read_text())["device"] == "cpu"


def test_the_page_of_the_real_refmatte_quotes_the_record_of_the_loader():
    text = (ROOT / "book/real_refmatte.md").read_text()
    record = json.loads((ROOT / "results/runs/data-paper-b16.json").read_text())
    found, (few, many) = record["metrics"], record["metrics"]["peak_mb"]
    assert record["kind"] == "data" and record["git"]["commit"] and found["cache_bytes"] == 0
    (cells,) = re.findall(r"^\| 512 x 512 from 1080 x 1620 \|(.+)\|$", text, re.M)
    assert [float(cell) for cell in cells.split("|")] == [*found["images_per_second"], *found["cpu_ms"]]
    rows = re.findall(r"^\| ([\d,]+) images \| (\d+) \| (\d+) \|$", text, re.M)
    assert {int(row[0].replace(",", "")): [int(cell) for cell in row[1:]] for row in rows} == {
        450: [round(few[0]), round(max(few[1:]))],
        45000: [round(many[0]), round(max(many[1:]))],
    }


def test_the_readme_names_files_that_exist():
    readme = (ROOT / "README.md").read_text()
    for path in re.findall(r"\]\(((?!http)[^)#]+)\)", readme):
        assert (ROOT / path).exists(), path
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z]+)`", readme)) <= targets


def test_each_shipped_model_has_the_record_that_made_it():
    for name, kind in (("clipmat-tiny", "train"), ("rim-tiny-clip", "pretrain"), ("refiner-tiny", "refine")):
        about = json.loads((CHECKPOINTS / f"{name}.json").read_text())
        card = about.get("card", about)
        record = json.loads((ROOT / card["record"]).read_text())
        assert record["kind"] == kind and record["seed"] is not None and record["git"]["commit"]
        assert record["versions"]["torch"] and sum(record["seconds"].values()) > 60
        assert not re.search(r"/(work|tmp|home|root)/", json.dumps(record)), "a path of the machine that it was made on"
    assert json.loads((CHECKPOINTS / "clipmat-tiny.json").read_text())["card"]["metrics"]["steps"] > 0


def test_the_shipped_model_reaches_what_it_must():
    """The bars of the project's first milestone, on known entities in new scenes."""
    keyword, expression = CARD["scores"]["keyword, seen"], CARD["scores"]["expression, seen"]
    assert keyword["localised"] >= 0.85 and expression["localised"] >= 0.80
    assert keyword["sad_ratio"] <= 0.3 and expression["sad_ratio"] <= 0.3


def test_the_shipped_weights_score_what_their_card_has(shipped, tmp_path):
    """On a sixth of the card's scenes, so within what chance can do among a hundred mattes."""
    changes = {"groups_test": 4, "images_per_group_test": 5, "extra_test": 20}
    data = profiles.load("tiny", **{f"data__{name}": value for name, value in changes.items()}).data
    root = build(data, tmp_path / "data", splits=("seen",), progress=False)
    for setting in ("keyword", "expression"):
        found = evaluate(shipped, RefMatte(root, "seen", setting), template=prompt.template(shipped.profile))["metrics"]
        card = CARD["scores"][f"{setting}, seen"]
        assert found["localised"] == pytest.approx(card["localised"], abs=0.1)
        assert found["sad_ratio"] == pytest.approx(card["sad_ratio"], abs=0.08) and found["sad_ratio"] < 0.35


def test_the_command_of_the_readme_goes_on_from_the_records_of_the_words():
    paths = sorted((repository() / "results" / "runs").glob("experiment-words-*.json"))
    assert {"plan", "shipped-seen", "shipped-alike"} <= {json.loads(path.read_text())["row"] for path in paths}
    for path in paths:  # of all images and scenes, as without --images and --scenes
        about = json.loads(path.read_text())["about"]
        assert about.get("images") is None and about.get("scenes") is None, path.name
