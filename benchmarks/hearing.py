"""Does a model listen to the whole sentence, is it soft where the truth is, and does it know when nothing fits?

    python benchmarks/hearing.py --shipped                        # the model that ships; about ten minutes
    python benchmarks/hearing.py --model runs/long --save FILE    # another one, with a record of all parts
    python benchmarks/hearing.py --shipped --limit 20 --only lookalikes,refused

Images, sentences and truths are of scenes that no training has, by `--profile`: `seen` and `alike` hold entities of the
training, `test` others. Every sentence goes the way of `rimlib.predict`, with what normalises it, but no noun is
refused for being none of the training's (`MattingPredictor(known=False)`): what is measured is the model's own. Mattes
are compared at the image's own size, without the refiner where not otherwise stated. *Localised*: the IoU of the matte
with the truth, both cut at one half, is above 0.5, as in `rimlib.evaluation`. A chance is what a perfect matte of an
entity drawn at random would have. Progress goes to stderr; the last line of stdout is one JSON object:

    lookalikes          `alike`: sentences that fit several entities when their place, order, size or relation is left
                        out. Localised in `all`, and apart by relation; chance: among those that share the words
    swap                pairs of them, "the dog on the left", "the dog on the right": of the pairs in which the first
                        sentence gives its entity, the share in which the second gives the other one (chance .5: a
                        second answer that has nothing to do with the sentence). `both`: pairs with both right
    three               localised of the sentences among three that share the words, "second from the left" included;
                        `second`: of these alone
    unseen_by_kind      `test`: entities that no training has, by questions of their kind, colour and place ("the animal
                        on the left"; see `rimlib.evaluation.questions`), and apart by these three
    unseen_by_word      `test`: "the" and the category, where it means one entity, but for people
    real_by_kind        RW-mini by kind and place, from the kinds of its labels and the centres of its mattes
    real                RW-mini, the scored sentence of each entity
    refused             `seen`: the share of the sentences that fit nothing below the threshold at which `kept` (95 %)
                        of the true ones are kept; `refused_wrong_side`: of those that are wrong about the side alone;
                        `refused_as_set`, `kept_as_set`: at the threshold that the model has
    auc                 how often a true sentence has a higher score than one that fits nothing
    calibration_error   expected calibration error of the score as the probability that the sentence fits something:
                        10 groups of equal counts; `calibration_error_if_fitted`: that of a map fitted on every
                        other scene and measured on the rest, and the other way round
    rewritten           `seen`: a sentence with other punctuation, case, quotes, opener, article: the share of forms
                        whose matte has an IoU of at least 0.9 with that of the sentence itself; by form in
                        `rewritten_by_form`
    band_ratio          localised mattes of `seen` with soft alpha (0.05 to 0.95): mean |error| there over that of the
                        truth cut at one half, with the refiner, as in `rimlib.predict`; `band_ratio_unrefined` without
    drawn               scenes of the drawn pool (hair, smoke, net, glass, …): localised, and the same ratio
    people_and_plurals  `seen`: kinds that mean one entity ("the person", "somebody", "the animal"), and words for
                        several ("the people", "both animals"), whose truth is the union; chance of these: any set of
                        the entities
    answers             what `Result.answer` is: `nothing` of sentences that fit nothing, `yes` of true ones in `seen`
                        and in `alike`, `ambiguous` of the bare noun of look-alikes

`chance` has, under the same names, the chance of each localisation; `counts` the number of sentences.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rimlib import profile as profiles
from rimlib.additions.calibration import KEY
from rimlib.clipmat.model import CLIPMat
from rimlib.entities import drawn, rwmini, synonyms
from rimlib.errors import RimError
from rimlib.evaluation import calibration, questions
from rimlib.evaluation.by_kind import entity_of, kinds_of
from rimlib.evaluation.no_target import auc, scored_anew
from rimlib.evaluation.questions import Shown
from rimlib.matting import metrics, relations
from rimlib.prediction.predictor import MattingPredictor
from rimlib.prediction.prompts import CutSentence
from rimlib.prediction.result import Result
from rimlib.refmatte.build import build, folder_of, pool_of
from rimlib.refmatte.claims import Claim, Scene
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.format import Target
from rimlib.refmatte.plan import ScenePlan, scenes
from rimlib.refmatte.referents import plurals, referents
from rimlib.refmatte.render import render
from rimlib.training import record

SPLITS = ("seen", "test", "alike")
APART = ("left", "right", "top", "bottom", "front", "behind", "larger", "smaller")
DRAWN_SCENES, REWRITTEN_SCENES = 24, 40
SAME = 0.9  # IoU from which on two mattes count as the same
Row = dict[str, Any]


class Shot(NamedTuple):
    """An image, and the mattes of what is in it, float32 (H, W) each; of a planned scene the plan too."""

    name: str
    image: Any  # what `MattingPredictor.set_image` takes
    truths: list[np.ndarray]
    plan: ScenePlan | None = None
    scene: Scene | None = None


class Asked(NamedTuple):
    """A sentence, and the entities that it means: one, several, or none."""

    sentence: str
    truth: tuple[int, ...]
    chance: float = 0.0
    facts: Mapping[str, Any] = {}


class Shots:
    """The images that are asked about, read or rendered when it is their turn."""

    def __init__(self, profile: profiles.Profile, root: Path, limit: int | None):
        self.profile, self.root, self.limit = profile, root, limit
        self.pool = pool_of(profile.data)
        self.wide = bool(profile.data.wider_words)  # as the plan has it

    def of(self, split: str, limit: int | None = None) -> Iterator[Shot]:
        """The first so many scenes of a split."""
        data = RefMatte(self.root, split)
        for plan in islice(self._plan(split), self._limit(limit)):
            truths = [data.matte(f"{plan.name}_{index + 1}") for index in range(len(plan.entities))]
            yield Shot(plan.name, data.image(plan.name), truths, plan, plan.scene(self.pool, self.wide))

    def drawn(self, count: int) -> Iterator[Shot]:
        """Scenes of the drawn pool."""
        pool, canvas = drawn.load(), (self.profile.data.height, self.profile.data.width)
        settings = dataclasses.replace(self.profile.data, pool="drawn", groups_test=0, extra_test=count)
        for plan in islice(scenes(pool, settings, "seen"), self._limit(None)):
            image, truths = render(pool, plan, canvas)
            yield Shot(plan.name, image, truths, plan, plan.scene(pool, self.wide))

    def real(self) -> Iterator[tuple[Shot, list[Target]]]:
        """The photographs of RW-mini, with their targets."""
        data = RefMatte(rwmini.FOLDER, "rw100")
        for name in islice(data.image_names, self._limit(None)):
            targets = data.targets_of(name)
            yield Shot(name, data.image(name), [data.matte(target.mask_id) for target in targets]), targets

    def _plan(self, split: str) -> Iterator[ScenePlan]:
        return scenes(self.pool, self.profile.data, split)

    def _limit(self, limit: int | None) -> int | None:
        return min((number for number in (limit, self.limit) if number is not None), default=None)


class Report:
    """What was found: values, chances and counts by the same names."""

    def __init__(self) -> None:
        self.values: Row = {}
        self.chances: Row = {}
        self.counts: Row = {}

    def localised(self, name: str, groups: Mapping[str, Sequence[Row]]) -> None:
        """The share that is localised of each group of rows; of one group called "" without a level between."""
        for values, key in ((self.values, "localised"), (self.chances, "chance"), (self.counts, "")):
            found = {
                group: len(rows) if not key else mean([row[key] for row in rows]) for group, rows in groups.items()
            }
            values[name] = found[""] if list(found) == [""] else found

    def put(self, name: str, value: Any, count: Any) -> None:
        """Another value, and of how many."""
        self.values[name], self.counts[name] = value, count

    def result(self) -> Row:
        """All of it."""
        return {**self.values, "chance": self.chances, "counts": self.counts}


class Part(NamedTuple):
    """What is measured together, and of which splits of the data set."""

    measure: Callable[[Predictors, Shots, Report], None]
    splits: tuple[str, ...] = ()


class Predictors(NamedTuple):
    """The model without the refiner, and as `rimlib.predict` has it."""

    plain: MattingPredictor
    refined: MattingPredictor


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--shipped", action="store_true", help="the shipped checkpoint (default)")
    which.add_argument("--model", help="this checkpoint instead, or the folder that holds it")
    parser.add_argument("--refiner", default="shipped", choices=("shipped", "none"), help="of band_ratio and drawn")
    help = "fit a calibration first, as shipping a model does (without one, no answer is ambiguous)"
    parser.add_argument("--calibrate", action="store_true", help=help)
    parser.add_argument("--profile", default="tiny")
    parser.add_argument("--data", help="folder of the data set (default: data/ of the repository)")
    parser.add_argument("--save", help="write the record to this JSON file")
    parser.add_argument("--limit", type=int, help="the first so many images of each part")
    parser.add_argument("--only", default="", help=f"some of: {', '.join(PARTS)}")
    options = parser.parse_args()
    if options.limit is not None and options.limit < 1:
        parser.error(f"--limit {options.limit}: must be at least 1")
    names = [name for name in options.only.split(",") if name] or list(PARTS)
    for name in names:
        if name not in PARTS:
            parser.error(f"--only {name}: expected some of {', '.join(PARTS)}, with commas between")
    profile, stages, report = profiles.load(options.profile), record.Stages(), Report()
    model = CLIPMat.load(options.model) if options.model else CLIPMat.shipped(options.profile)
    if options.calibrate:
        with stages("calibrate"):
            held_out = scored_anew(model, pool_of(profile.data), profile.data)
            model.card[KEY] = calibration.fit(held_out.score, held_out.true).to_dict()
        print(f"{stages.seconds['calibrate']:8.1f} s  calibrate: {model.card[KEY]}", file=sys.stderr, flush=True)
    refiner = "shipped" if options.refiner == "shipped" else None
    # The model's own answers: also to nouns that no training had, which `rimlib.predict` refuses unasked.
    plain, refined = (MattingPredictor(model, refiner=one, known=False) for one in (None, refiner))
    predictors = Predictors(plain, refined)
    splits = tuple(split for split in SPLITS if any(split in PARTS[name].splits for name in names))
    root = Path(options.data) if options.data else folder_of(profile)
    with stages("data"):
        if splits:
            build(profile.data, root, workers=os.cpu_count() or 1, splits=splits)
    shots = Shots(profile, root, options.limit)
    for name in names:
        with stages(name), warnings.catch_warnings():
            warnings.simplefilter("ignore", CutSentence)
            PARTS[name].measure(predictors, shots, report)
        print(f"{stages.seconds[name]:8.1f} s  {name}", file=sys.stderr, flush=True)
    found = _rounded(report.result())
    if options.save:
        which_model = Path(options.model).name if options.model else "shipped"
        run = record.new("hearing", profile, model=which_model, limit=options.limit)
        record.write(options.save, record.finish(run, stages, found, str(predictors.plain.device), dtype="float32"))
    print(json.dumps(found))
    return 0


def ask(predictor: MattingPredictor, shot: Shot, asked: Sequence[Asked]) -> list[Row]:
    """A row for each sentence about an image: its facts, and what was found.

    `gives` is the entity that the matte is of, or None; `localised` whether it is of all that the sentence means.
    """
    if not asked:
        return []
    predictor.set_image(shot.image)
    rows = []
    for one, result in zip(asked, predictor.predict_many([one.sentence for one in asked])):
        matte = raw(result)
        overlaps = [metrics.iou(matte, truth) for truth in shot.truths]
        best = int(np.argmax(overlaps))
        row = {**one.facts, "image": shot.name, "sentence": one.sentence, "chance": one.chance}
        row |= {"score": result.score, "found": result.found, "answer": result.answer}
        row |= {"gives": best if overlaps[best] > 0.5 else None, "localised": False}
        if one.truth:
            true = union(shot.truths, one.truth)
            row |= {"localised": metrics.localised(matte, true), "soft": metrics.soft_errors(matte, true)}
        rows.append(row)
    return rows


def lookalikes(predictors: Predictors, shots: Shots, report: Report) -> None:
    """Sentences that only a place, an order, a size or a relation decides."""
    rows: list[Row] = []
    for shot in shots.of("alike"):
        asked = []
        for index, four in enumerate(shot.plan.sentences):
            for sentence in {sentence.text: sentence for sentence in four}.values():
                claim = sentence.claim
                among = len(referents(dataclasses.replace(claim, relation="", other=None, rank=0), shot.scene))
                if claim.relation and among > 1:
                    facts = {"relation": claim.relation, "rank": claim.rank, "among": among}
                    asked.append(Asked(sentence.text, (index,), 1 / among, facts))
        rows += ask(predictors.plain, shot, asked)
    apart = {name: [row for row in rows if row["relation"] == name] for name in APART}
    report.localised("lookalikes", {"all": rows, **apart})
    three = [row for row in rows if row["among"] > 2]
    report.localised("three", {"all": three, "second": [row for row in three if row["rank"] > 1]})


def swap(predictors: Predictors, shots: Shots, report: Report) -> None:
    """A place and its opposite, of two that share their word."""
    turns: list[tuple[Row, Row]] = []
    for shot in shots.of("alike"):
        asked = []
        scene = shot.scene
        for one, other in combinations(range(len(scene.entities)), 2):
            noun = scene.entities[one].category
            if sorted(referents(Claim(noun, ()), scene)) != [one, other]:
                continue
            for name, opposite in (*relations.ARRANGEMENTS, relations.SIZES):
                for first, second in ((one, other), (other, one)):
                    if relations.comes(name, 1, first, [one, other], scene.boxes, scene.depths):
                        forms = relations.RELATIONS[name].first[0], relations.RELATIONS[opposite].first[0]
                        for index, form in zip((first, second), forms):
                            asked.append(Asked(f"the {form.format(noun=noun)}", (index,), 0.5, {"means": index}))
        rows = ask(predictors.plain, shot, asked)
        turns += [turn for pair in zip(rows[::2], rows[1::2]) for turn in (pair, pair[::-1])]
    heard = [second["localised"] for first, second in turns if first["localised"]]
    both = [first["localised"] and second["localised"] for first, second in turns[::2]]
    report.put(
        "swap", {"gives_the_other": mean(heard), "both": mean(both)}, {"gives_the_other": len(heard), "both": len(both)}
    )
    report.chances["swap"] = {"gives_the_other": 0.5, "both": 0.25}


def unseen(predictors: Predictors, shots: Shots, report: Report) -> None:
    """Entities that no training has, by kind, colour and place, and by their own word."""
    rows, by_word = [], []
    for shot in shots.of("test"):
        entities, number = shot.scene.entities, len(shot.truths)
        shown = [
            Shown(kinds_of(entity), box, depth, entity.color, entity.clothes or "")
            for entity, box, depth in zip(entities, shot.scene.boxes, shot.scene.depths)
        ]
        rows += ask(predictors.plain, shot, asked_by_kind(shown))
        words = [
            Asked(f"the {entity.category}", (index,), 1 / number)
            for index, entity in enumerate(entities)
            if sum(synonyms.denotes(entity.category, other) for other in entities) == 1 and entity.kind != "person"
        ]
        by_word += ask(predictors.plain, shot, words)
    report.localised("unseen_by_kind", _forms(rows))
    report.localised("unseen_by_word", {"": by_word})


def real(predictors: Predictors, shots: Shots, report: Report) -> None:
    """Photographs by kind and place, and by the sentences that people wrote."""
    rows, own = [], []
    for shot, targets in shots.real():
        shown = [
            Shown(kinds_of(entity_of(target)), questions.core(truth)) for target, truth in zip(targets, shot.truths)
        ]
        rows += ask(predictors.plain, shot, asked_by_kind(shown))
        scored = [Asked(target.evaluated, (index,), 1 / len(targets)) for index, target in enumerate(targets)]
        own += ask(predictors.plain, shot, scored)
    report.localised("real_by_kind", _forms(rows))
    report.localised("real", {"": own})


def refused(predictors: Predictors, shots: Shots, report: Report) -> None:
    """Scores of true sentences and of those that fit nothing."""
    rows = []
    for number, shot in enumerate(shots.of("seen")):
        asked = [
            Asked(four[scored].text, (index,), facts={"wrong": "", "half": number % 2})
            for index, (four, scored) in enumerate(zip(shot.plan.sentences, shot.plan.evaluated))
        ]
        asked += [
            Asked(sentence.text, (), facts={"wrong": sentence.kind, "half": number % 2})
            for sentence in shot.plan.no_target
        ]
        rows += ask(predictors.plain, shot, asked)
    score, half = (np.array([row[key] for row in rows]) for key in ("score", "half"))
    true = np.array([not row["wrong"] for row in rows])
    side = np.array([row["wrong"] == "relation" for row in rows])
    found = np.array([row["found"] for row in rows])
    least = calibration.threshold(score[true])
    report.put("refused", mean(score[~true] < least), int((~true).sum()))
    report.put("refused_wrong_side", mean(score[side] < least), int(side.sum()))
    report.put("kept", mean(score[true] >= least), int(true.sum()))
    report.put("refused_as_set", mean(~found[~true]), int((~true).sum()))
    report.put("kept_as_set", mean(found[true]), int(true.sum()))
    report.put("auc", auc(score[true], score[~true]), len(score))
    report.put("calibration_error", calibration.expected_error(score, true), len(score))
    report.put("calibration_error_if_fitted", _fitted_error(score, true, half), len(score))
    report.values["reliability"] = calibration.reliability(score, true)


def rewritten(predictors: Predictors, shots: Shots, report: Report) -> None:
    """The same sentence otherwise written."""
    same: dict[str, list[bool]] = {}
    for shot in shots.of("seen", REWRITTEN_SCENES):
        predictors.plain.set_image(shot.image)
        for four in shot.plan.sentences:
            forms = questions.rewritten(four[0].text)
            own, *others = map(raw, predictors.plain.predict_many([four[0].text, *forms.values()]))
            for name, matte in zip(forms, others):
                same.setdefault(name, []).append(metrics.iou(matte, own) >= SAME)
    every = [value for values in same.values() for value in values]
    by_form = {name: mean(values) for name, values in same.items()}
    report.put("rewritten", mean(every), len(every))
    report.values["rewritten_by_form"] = by_form


def band_ratio(predictors: Predictors, shots: Shots, report: Report) -> None:
    """The soft band of localised mattes, refined and not."""
    for name, predictor in (("band_ratio", predictors.refined), ("band_ratio_unrefined", predictors.plain)):
        rows = []
        for shot in shots.of("seen"):
            rows += ask(predictor, shot, scored_of(shot))
        report.put(name, *_band(rows))


def drawn_things(predictors: Predictors, shots: Shots, report: Report) -> None:
    """Hair, smoke, net, glass: all known exactly."""
    rows = []
    for shot in shots.drawn(DRAWN_SCENES):
        rows += ask(predictors.refined, shot, scored_of(shot))
    kinds = sorted({row["category"] for row in rows})
    report.localised(
        "drawn", {"all": rows, **{kind: [row for row in rows if row["category"] == kind] for kind in kinds}}
    )
    report.put("drawn_band_ratio", *_band(rows))


def people_and_plurals(predictors: Predictors, shots: Shots, report: Report) -> None:
    """Words for kinds, and for several at once."""
    groups: dict[str, list[Row]] = {"all": [], "people": [], "kinds": [], "plurals": []}
    for shot in shots.of("seen"):
        entities, asked = shot.scene.entities, []
        number = len(entities)
        shown = [Shown(kinds_of(entity), box) for entity, box in zip(entities, shot.scene.boxes)]
        for question in questions.questions(shown):
            if question.form == "kind":
                person = entities[question.entity].kind == "person"
                texts = [question.sentence, *(("person", "somebody") if person else ())]
                group = {"group": "people" if person else "kinds"}
                asked += [Asked(text, (question.entity,), 1 / number, group) for text in texts]
        wide = dataclasses.replace(shot.scene, wide=True)
        words = [synonyms.plural(word) for word in questions.KINDS]
        for text, meant in plurals(wide).items():
            if any(text in (f"the {word}", f"both {word}", f"all the {word}", word) for word in words):
                asked.append(Asked(text, meant, 1 / (2**number - 1), {"group": "plurals"}))
        for row in ask(predictors.plain, shot, asked):
            groups["all"].append(row)
            groups[row["group"]].append(row)
    report.localised("people_and_plurals", groups)


def answers(predictors: Predictors, shots: Shots, report: Report) -> None:
    """What is answered where one, several or none could be meant."""
    rows: dict[str, list[Row]] = {"nothing": [], "yes_seen": [], "yes_alike": [], "ambiguous": []}
    for shot in shots.of("seen"):
        rows["yes_seen"] += ask(predictors.plain, shot, scored_of(shot))
        rows["nothing"] += ask(predictors.plain, shot, [Asked(sentence.text, ()) for sentence in shot.plan.no_target])
    for shot in shots.of("alike"):
        rows["yes_alike"] += ask(predictors.plain, shot, scored_of(shot))
        nouns = dict.fromkeys(entity.category for entity in shot.scene.entities)
        several = [noun for noun in nouns if len(referents(Claim(noun, ()), shot.scene)) > 1]
        rows["ambiguous"] += ask(predictors.plain, shot, [Asked(f"the {noun}", ()) for noun in several])
    share = {name: mean([row["answer"] == name.partition("_")[0] for row in some]) for name, some in rows.items()}
    report.put("answers", share, {name: len(some) for name, some in rows.items()})


PARTS: dict[str, Part] = {
    "lookalikes": Part(lookalikes, ("alike",)),
    "swap": Part(swap, ("alike",)),
    "unseen": Part(unseen, ("test",)),
    "real": Part(real),
    "refused": Part(refused, ("seen",)),
    "rewritten": Part(rewritten, ("seen",)),
    "band_ratio": Part(band_ratio, ("seen",)),
    "drawn": Part(drawn_things),
    "people_and_plurals": Part(people_and_plurals, ("seen",)),
    "answers": Part(answers, ("seen", "alike")),
}


def scored_of(shot: Shot) -> list[Asked]:
    """The scored sentence of each entity."""
    number = len(shot.truths)
    return [
        Asked(four[scored].text, (index,), 1 / number, {"category": entity.category})
        for index, (four, scored, entity) in enumerate(
            zip(shot.plan.sentences, shot.plan.evaluated, shot.scene.entities)
        )
    ]


def asked_by_kind(shown: Sequence[Shown]) -> list[Asked]:
    """Questions by kind, colour and place; chance is that of any entity of the image."""
    return [
        Asked(question.sentence, (question.entity,), 1 / len(shown), {"form": question.form})
        for question in questions.questions(shown)
    ]


def union(truths: Sequence[np.ndarray], which: Sequence[int]) -> np.ndarray:
    """The matte of several entities, of which no two cover the same: what is visible of each."""
    return np.clip(sum(truths[index] for index in which), 0, 1) if len(which) > 1 else truths[which[0]]


def raw(result: Result) -> np.ndarray:
    """The matte whatever its score."""
    return result.alpha if result.raw is None else result.raw


def mean(values: Any) -> float | None:
    """None of nothing."""
    return float(np.mean(values)) if len(values) else None


def _forms(rows: Sequence[Row]) -> dict[str, Sequence[Row]]:
    return {"all": rows, **{form: [row for row in rows if row["form"] == form] for form in ("kind", "colour", "place")}}


def _fitted_error(score: np.ndarray, true: np.ndarray, half: np.ndarray) -> float | None:
    fitted = np.empty(len(score))
    try:
        for part in np.unique(half):
            fitted[half == part] = calibration.fit(score[half != part], true[half != part])(score[half == part])
    except RimError:  # a half without both sorts of sentences, or without an order
        return None
    return calibration.expected_error(fitted, true)


def _band(rows: Sequence[Row]) -> tuple[float | None, int]:
    errors = [row["soft"] for row in rows if row["localised"] and row["soft"]]
    if not errors:
        return None, 0
    matte, cut = np.mean(errors, axis=0)
    return float(matte / cut), len(errors)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return round(float(value), 4) if isinstance(value, (float, np.floating)) else value


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RimError as error:
        print(f"hearing: error: {error}", file=sys.stderr)
        sys.exit(2)
