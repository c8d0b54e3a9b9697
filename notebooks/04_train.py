# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-all
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Training CLIPMat
#
# From photographs of single things to a model that mattes what a sentence names: this chapter makes the data, trains, scores and shows.
#
# :::{admonition} This chapter
# :class: note
# - **Device:** any; found by itself. With the `tiny` profile two CPU cores are enough.
# - **Memory:** 3 GB with `tiny`.
# - **Minutes:** about 16 with `tiny` on two cores, of which 11.5 are training; 3 with `quick`.
# - **Inputs:** the shipped pool of cut-outs, the shipped small CLIP.
# - **Outputs:** a data set under `data/`, a checkpoint, a run record and pictures of mattes under `runs/`.
# - **In the paper:** Sec. 5.1 and supplement Sec. 4.1.
# :::

# %% tags=["parameters"]
profile: str = "tiny"  # settings of the run: tiny, small, or the path of a YAML file
minutes: float = 0.0  # of training; 0 means what the profile says
quick: bool = False  # little data and one minute: to see every step, not to get a good model
workers: int = 0  # processes that make the data set; 0 means one for each core
data: str = ""  # folder of the data set; empty means data/ of the repository
out: str = ""  # folder of the run; empty means runs/ of the repository
fresh: bool = False  # begin anew, even where an interrupted or finished run lies in the folder

# %%
import os
from pathlib import Path

from rimlib import profile as profiles
from rimlib.repository import repository

changes = (
    dict(
        data__groups_train=15,
        data__extra_train=150,
        data__groups_test=3,
        data__extra_test=30,
        train__minutes=1.0,
    )
    if quick
    else {}
)
settings = profiles.load(profile, **changes)
name = settings.name + ("-quick" if quick else "")
run_folder = Path(out or repository() / "runs" / name)
settings.train

# %% [markdown]
# ## Data
#
# The engine of chapter 2 plans every scene from a seed and renders the plan, on all cores.
# It makes three splits: `train`; `seen`, new scenes of entities that training knows; and `test`, scenes of entities that training never sees.
# A data set that was begun is finished, and one that is complete is used as it is.

# %%
import time

from rimlib.refmatte.build import build, folder_of

started = time.perf_counter()
root = build(
    settings.data,
    Path(data) if data else folder_of(settings),
    workers=workers or os.cpu_count(),
)
spent = {"making the data set": time.perf_counter() - started}
root.name

# %%
from rimlib import show
from rimlib.refmatte.dataset import RefMatte

splits = {split: RefMatte(root, split) for split in ("train", "seen", "test")}
clear = {split: RefMatte(root, split, "keyword") for split in splits}
show.table(
    [
        {
            "split": split,
            "images": len(reader.image_names),
            "mattes": len(reader),
            "expressions": sum(len(target.expressions) for target in reader.targets),
            "images of the keyword setting": len(clear[split].image_names),
        }
        for split, reader in splits.items()
    ]
)

# %% mystnb={"figure": {"caption": "Training scenes, each with one of its sentences.", "name": "fig-train-scenes"}, "image": {"alt": "Four composed photographs in a row, each with people, animals or things on a background and a sentence above it.", "width": "100%"}}
names = splits["train"].image_names[:: max(1, len(splits["train"].image_names) // 4)][:4]
targets = [splits["train"].targets_of(image)[0] for image in names]
show.grid(
    [splits["train"].image(image) for image in names], [target.evaluated for target in targets]
);

# %% [markdown]
# ## Training
#
# A step encodes 16 pictures once and asks two sentences of each, keywords and expressions mixed.
# The image encoder, the text encoder and the new parts have learning rates of their own, as in the paper, which fall by a cosine.
# The weights that are kept are a running average of the last steps.
# Ctrl-C is safe: the same command goes on where it stopped.

# %%
from rimlib.experiment.train import train

record = train(settings, root, run_folder, minutes=minutes or None, resume=not fresh)
show.table(
    [
        {
            "steps": record["metrics"]["steps"],
            "minutes": record["metrics"]["minutes"],
            "images a second": record["metrics"].get("images_per_second", 0.0),
            "device": (
                record["device"]
                if isinstance(record["device"], str)
                else record["device"].get("name", "cpu")
            ),
            "precision": record["dtype"],
        }
    ],
    digits=1,
)

# %% [markdown]
# Where the time went. *Data* is the time that a step waited for its batch; batches are made ahead in the background, so it should be next to nothing.

# %%
seconds = record["seconds"]
total = sum(seconds.values())
show.table(
    [
        {"stage": stage, "seconds": value, "share": f"{100 * value / total:.1f} %"}
        for stage, value in seconds.items()
    ],
    digits=1,
)

# %% mystnb={"figure": {"caption": "The five losses of this run, each the mean of ten steps.", "name": "fig-train-losses"}, "image": {"alt": "A line chart of five losses against training steps.", "width": "100%"}}
parts = [
    part
    for part in record["log"][-1]
    if part not in ("step", "seconds", "images_per_second", "total")
]
show.curves(record["log"], "step", parts, ylabel="loss");

# %% [markdown]
# ## Scores
#
# Errors are those of the paper, over the whole picture at its own size. `SAD / empty` compares with an empty matte: 1 is as bad as saying nothing.
# A matte is *localised* if it covers the right entity with an IoU above one half. *Chance* is how often a perfect matte of a random entity of the scene would be right.

# %%
from rimlib.clipmat import prompt
from rimlib.clipmat.model import CLIPMat
from rimlib.experiment.evaluate import evaluate

started = time.perf_counter()
model = CLIPMat.load(run_folder)
scores = {
    (split, setting): evaluate(
        model, RefMatte(root, split, setting), template=prompt.template(settings)
    )["metrics"]
    for split in ("seen", "test")
    for setting in ("keyword", "expression")
}
show.table(
    [
        {
            "entities": {"seen": "known, new scenes", "test": "never seen"}[split],
            "setting": setting,
            "mattes": row["entities"],
            "localised": row["localised"],
            "chance": row["chance"],
            "mean IoU": row["iou"],
            "SAD": row["sad"],
            "MSE": row["mse"],
            "MAD": row["mad"],
            "SAD(E)": row["sad_e"],
            "SAD / empty": row["sad_ratio"],
        }
        for (split, setting), row in scores.items()
    ]
)

# %%
from rimlib.experiment import record as records

spent["evaluation"] = time.perf_counter() - started
records.write(
    run_folder / "evaluate.json",
    {
        "profile": settings.name,
        "seed": settings.seed,
        "train": {key: record[key] for key in ("git", "source", "metrics")},
        "seconds": {**spent, **seconds},
        "scores": {f"{split}/{setting}": row for (split, setting), row in scores.items()},
    },
);

# %% [markdown]
# ## Mattes

# %% mystnb={"figure": {"caption": "New scenes: the picture, the true matte, the model's trimap and its matte, with the sentence that was asked.", "name": "fig-train-mattes"}, "image": {"alt": "Four rows of four pictures: a composed photograph, a white shape on black, a shape in three grey levels, and the predicted shape.", "width": "100%"}}
from rimlib.asking.matting import Matting

matting, pictures, titles = Matting(model, threshold=0), [], []
for image in splits["seen"].image_names[:: max(1, len(splits["seen"].image_names) // 4)][:4]:
    target = splits["seen"].targets_of(image)[-1]
    matting.set_image(splits["seen"].image(image))
    found = matting.matte(target.evaluated)
    pictures += [
        splits["seen"].image(image),
        splits["seen"].matte(target.mask_id),
        found.trimap / 255.0,
        found.alpha,
    ]
    titles += [target.evaluated, "truth", "trimap", f"matte, score {found.score:.2f}"]
figure = show.grid(pictures, titles, columns=4)
figure.savefig(run_folder / "mattes.png", dpi=110)

# %% [markdown]
# ## The recorded run
#
# Pages are built with `quick`, so what stands above is a first minute. This is the record of a whole run of the profile, as `make train` does it.

# %% mystnb={"figure": {"caption": "Total loss of the recorded run.", "name": "fig-train-recorded"}, "image": {"alt": "A line chart of the total loss against seconds of training.", "width": "100%"}}
from rimlib import files

recorded_path = repository() / "results" / "runs" / f"train-{settings.name}.json"
recorded = files.read_json(recorded_path) if recorded_path.exists() else record
show.curves(recorded["log"], "seconds", ["total"], xlabel="seconds of training", ylabel="loss");

# %%
show.table(
    [
        {
            "profile": recorded["profile"],
            "seed": recorded["seed"],
            "steps": recorded["metrics"]["steps"],
            "minutes": recorded["metrics"]["minutes"],
            "commit": recorded["git"]["commit"][:10] if recorded["git"] else "",
            **{f"{stage}, s": value for stage, value in recorded["seconds"].items()},
        }
    ],
    digits=1,
)

# %% [markdown]
# And what that run's model scored (`benchmarks/tiny_quality.py`): entities that it knows in new scenes, and entities that it has never seen.

# %%
quality_path = recorded_path.with_name(f"quality-{settings.name}.json")
quality = (
    files.read_json(quality_path)["scores"]
    if quality_path.exists()
    else {f"{setting}, {split}": row for (split, setting), row in scores.items()}
)
show.table(
    [
        {
            "setting, entities": name,
            "mattes": row["entities"],
            "localised": row["localised"],
            "chance": row["chance"],
            "mean IoU": row["iou"],
            "SAD": row["sad"],
            "SAD / empty": row["sad_ratio"],
        }
        for name, row in quality.items()
    ]
)

# %% [markdown]
# ## Check
#
# What must hold after any run, however short.

# %% tags=["check"]
assert (run_folder / "clipmat.safetensors").stat().st_size > 100_000
assert (run_folder / "train.json").exists() and (run_folder / "mattes.png").exists()
first, last = record["log"][0]["total"], record["log"][-1]["total"]
assert last < first, f"the loss did not fall: {first} to {last}"
assert record["seconds"]["data"] < 0.2 * sum(
    record["seconds"].values()
), "training waited for its data"
assert all(
    row["sad_ratio"] < 1.2 for row in scores.values()
), "worse than an empty matte by far"

# %% [markdown]
# ## Summary
#
# - One command takes photographs through composition, sentences, training and scoring; each stage leaves files that the next one reads.
# - Two sentences for each picture cost little more than one, since the picture is encoded once.
# - Finding the right entity and drawing its edge are two abilities, so they are scored apart.

# %% [markdown]
# ## Exercises
#
# 1. Train with `keyword_share: 0` in a profile of your own. Which of the two settings suffers?
#
# :::{dropdown} Answer
# The keyword setting: sentences of the expression setting are longer and most name a colour, so a bare keyword looks unlike anything that training has shown.
# :::
#
# 2. Set `lr_image` to zero, so that the image encoder stays as pre-training left it. What do you expect, and which row of the paper's Table 10 says the same?
#
# :::{dropdown} Answer
# The error grows: the encoder's features were made to tell pictures apart, not pixels. In Table 10 freezing CLIP doubles the SAD, from 9.91 to 20.05.
# :::
