"""What does each part of the ``quick`` network and recipe buy?

The way from ``classic`` to ``quick`` in steps, each of which makes one change to the step before.
All of them are trained for the same number of epochs on the same pictures with the same seeds.
While RMSprop is the optimizer, its highest learning rate stays the same from the schedule on, so
that no later step owes its effect to another learning rate.
"""

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm.auto import tqdm

import course_utils
from course_utils import models, training
from course_utils.datasets.base import ImageDataset
from course_utils.evaluation import evaluate, over_seeds, paired_difference
from course_utils.files import write_text
from course_utils.progress import is_watched

if TYPE_CHECKING:
    import keras

# The highest that RMSprop's schedule reaches: with twice as much the classic network learns little.
RMSPROP_LEARNING_RATE = 0.003

_SIZES = ("parameters", "multiply_adds")
_COLUMNS = ["step", "seed", "accuracy", "seconds", "cpu_seconds", *_SIZES]
_FACTS = ("date", "machine", "dataset", "num_train", "num_test", "epochs")


class AblationError(Exception):
    """An ablation can't be run or read; the message says why and what to do."""


@dataclass(frozen=True)
class Step:
    """One stop on the way from classic to quick."""

    name: str
    change: str  # one sentence: what is new in it
    network: str
    options: dict[str, Any]  # of models.build
    recipe: training.Recipe

    def build(self, data: ImageDataset, *, seed: int = 0) -> "keras.Model":
        """Build the step's untrained network for the pictures and classes of a data set."""
        return models.build(
            self.network,
            **self.options,
            seed=seed,
            num_classes=len(data.class_names),
            image_shape=data.train.images.shape[1:],
        )


@dataclass(frozen=True, eq=False)
class Ablation:
    """The trainings of an ablation, and where they come from."""

    table: pd.DataFrame  # see run()
    changes: dict[str, str]  # what is new in each step, by its name
    date: str  # of the last training, YYYY-MM-DD
    machine: str
    dataset: str
    num_train: int
    num_test: int
    epochs: int

    @property
    def source(self) -> str:
        """One sentence: what was measured, when and on what."""
        num_seeds = self.table["seed"].nunique()
        return (
            f"Measured on {self.date} with {num_seeds} {'seeds' if num_seeds > 1 else 'seed'} on "
            f"{self.machine}: {self.epochs} {'epochs' if self.epochs > 1 else 'epoch'} on "
            f"{self.num_train:,} training pictures of {self.dataset}, tested on "
            f"{self.num_test:,} others."
        )


def _share(share: float | None) -> str:
    return f"{100 * (share or 0):.0f} %"


_CLASSIC, _QUICK = training.RECIPES["classic"], training.RECIPES["quick"]

# What each step is called, what is new in it, its network, the options it is built with, and the
# new settings of its recipe.
_STEPS: tuple[tuple[str, str, str, dict[str, Any], dict[str, Any]], ...] = (
    (
        "classic",
        "The classic network and recipe: RMSprop with a learning rate of "
        f"{_CLASSIC.learning_rate:g}.",
        *("classic", {}, asdict(_CLASSIC) | {"epochs": _QUICK.epochs}),
    ),
    (
        "validation once",
        "The held-back pictures are measured after the last epoch only, and the last few pictures "
        "of an epoch, which fill no batch, are left out.",
        *("classic", {}),
        {"whole_batches": _QUICK.whole_batches, "validate_last": _QUICK.validate_last},
    ),
    (
        "schedule",
        f"The learning rate rises to {RMSPROP_LEARNING_RATE:g} in the first "
        f"{_share(_QUICK.warm_up)} of the steps and falls to 0 in the others.",
        *("classic", {}),
        {"learning_rate": RMSPROP_LEARNING_RATE, "warm_up": _QUICK.warm_up},
    ),
    (
        "augmentation",
        f"Each picture is mirrored in every other epoch and moved by up to {_QUICK.shift} pixels.",
        *("classic", {}, {"mirror": _QUICK.mirror, "shift": _QUICK.shift}),
    ),
    (
        "small network",
        "The first layer halves the picture, the maps are averaged before the only dense layer, "
        "and nothing is dropped out.",
        *("quick", {"without": [*models.PARTS], "compute_dtype": "float32"}, {}),
    ),
    (
        "normalisation",
        "Batch normalisation follows each 3 × 3 convolution and takes the place of its biases; "
        "the length of each filter is fixed.",
        *("quick", {"without": ["whitening"], "compute_dtype": "float32"}, {}),
    ),
    (
        "whitening",
        "The first layer is not trained but computed: it whitens patches of the pictures.",
        *("quick", {"compute_dtype": "float32"}, {}),
    ),
    (
        "bfloat16",
        "The convolutions compute in bfloat16, numbers of half the size, where the processor does "
        "that quickly.",
        *("quick", {}, {}),
    ),
    (
        "label smoothing",
        f"{_share(_QUICK.label_smoothing)} of the true class's probability is shared out among all "
        "classes.",
        *("quick", {}, {"label_smoothing": _QUICK.label_smoothing}),
    ),
    (
        "Muon",
        f"Muon with a learning rate of up to {_QUICK.learning_rate:g} takes the place of RMSprop: "
        "this is the quick network and recipe.",
        *("quick", {}, asdict(_QUICK)),
    ),
)


def steps(*, epochs: int | None = None) -> list[Step]:
    """The steps in their order, from the classic network and recipe to the quick ones.

    Args:
        epochs: passes over the training pictures in every step; the quick recipe's unless given.
    """
    recipe = _CLASSIC
    path = []
    for name, change, network, options, settings in _STEPS:
        recipe = replace(recipe, **({"name": "ablation"} | settings))
        trained = recipe if epochs is None else replace(recipe, epochs=epochs)
        path.append(Step(name, change, network, options, trained))
    return path


def run(
    data: ImageDataset,
    *,
    seeds: Sequence[int],
    epochs: int | None = None,
    only: Collection[str] | None = None,
    path: Path | None = None,
    title: str | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train every step once with every seed.

    All steps are trained with one seed before the next, so that a computer that gets slower or
    faster meanwhile does so for all of them. Each training starts from a network built anew, so
    that all of them include the time that TensorFlow takes to trace the training step.

    Args:
        data: what to train and test on.
        seeds: one training for each step and seed; a seed fixes weights, held-back pictures, order
            and augmentation.
        epochs: passes over the training pictures; the quick recipe's unless given.
        only: names of the steps to take; all unless given.
        path: a file that keeps each training as soon as it has ended, for :func:`read`. When it
            holds the beginning of the same ablation, only what is missing is trained.
        title: what the file calls the data set; its own name unless given.
        progress: show a progress bar where somebody watches.

    Returns:
        One row per seed and step: ``step``, ``seed``, ``accuracy`` (on the test pictures),
        ``seconds`` and ``cpu_seconds`` (of the training), ``parameters`` and ``multiply_adds``
        (of the network, for one picture).

    Raises:
        AblationError: no seeds, an unknown step, or the file holds another ablation.
        training.TrainingError: when the data can't be trained on; what had ended is kept.
    """
    seeds = list(dict.fromkeys(seeds))
    if not seeds:
        raise AblationError("seeds is empty; name at least one, and three or more for an interval")
    chosen = _choose(steps(epochs=epochs), only)
    content = _heading(data, chosen, seeds, title)
    content["trainings"] = _kept(path, content) if path else []
    done = {(row["step"], row["seed"]) for row in content["trainings"]}
    left = [(seed, one) for seed in seeds for one in chosen if (one.name, seed) not in done]
    for seed, step in (bar := tqdm(left, disable=not (progress and is_watched()))):
        bar.set_description(f"{step.name}, seed {seed}")
        content["trainings"].append(_train(step, data, seed))
        content["date"] = datetime.now(UTC).date().isoformat()
        if path:
            write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    table = _table(content)
    return table[table["seed"].isin(seeds)].reset_index(drop=True)


def _choose(known: list[Step], only: Collection[str] | None) -> list[Step]:
    names = [step.name for step in known]
    if unknown := [name for name in only or () if name not in names]:
        raise AblationError(f"there is no step {unknown[0]!r}; the steps are {', '.join(names)}")
    return [step for step in known if only is None or step.name in only]


def _heading(
    data: ImageDataset, chosen: list[Step], seeds: Sequence[int], title: str | None
) -> dict[str, Any]:
    """What is told of an ablation beside its trainings."""
    from course_utils.hardware import machine

    described = []
    for step in chosen:
        model = step.build(data)
        described.append(
            {
                **asdict(step),
                "compute_dtype": model.get_layer("conv_1").compute_dtype,
                "parameters": model.count_params(),
                "multiply_adds": int(models.layer_table(model)["multiply_adds"].sum()),
            }
        )
    return {
        "date": "",
        "machine": machine(),
        "version": course_utils.__version__,
        "dataset": title or data.name,
        "num_train": len(data.train),
        "num_test": len(data.test),
        "pictures": [data.train.fingerprint(), data.test.fingerprint()],
        "epochs": chosen[0].recipe.epochs,
        "seeds": list(seeds),
        "steps": described,
    }


def _kept(path: Path, content: dict[str, Any]) -> list[dict[str, Any]]:
    """The trainings that an earlier run of the same ablation has left in a file."""
    if not path.exists():
        return []
    earlier = _load(path)
    for name in (name for name in content if name not in ("date", "seeds")):
        if earlier.get(name) != content[name]:
            words = {
                "steps": "its steps have other networks or recipes",
                "pictures": "its pictures are others, or it doesn't say which",
            }
            other = f"its {name} is {earlier.get(name)!r}, not {content[name]!r}"
            raise AblationError(
                f"{path} holds another ablation: {words.get(name, other)}; "
                "choose another file or delete it"
            )
    content["seeds"] = sorted({*content["seeds"], *earlier["seeds"]})
    content["date"] = earlier["date"]
    trainings: list[dict[str, Any]] = earlier["trainings"]
    return trainings


def _train(step: Step, data: ImageDataset, seed: int) -> dict[str, Any]:
    """Train a network of a step from the start and test it."""
    model = step.build(data, seed=seed)
    start, cpu_start = time.perf_counter(), time.process_time()
    training.fit(model, data, recipe=step.recipe, seed=seed, progress=False)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return {
        "step": step.name,
        "seed": seed,
        "accuracy": evaluate(model, data).accuracy.value,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
    }


def _table(content: dict[str, Any]) -> pd.DataFrame:
    """The trainings by seed and step, each with the size of its network."""
    sizes = {step["name"]: {size: step[size] for size in _SIZES} for step in content["steps"]}
    order = list(sizes)
    rows = sorted(content["trainings"], key=lambda row: (row["seed"], order.index(row["step"])))
    return pd.DataFrame([row | sizes[row["step"]] for row in rows], columns=_COLUMNS)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """What each step buys.

    Args:
        table: from :func:`run`, with at least three seeds.

    Returns:
        One row per step: ``step``, ``accuracy``, ``low`` and ``high`` (mean over seeds with its
        95 % interval), ``change``, ``change_low`` and ``change_high`` (against the step before,
        seed by seed; NaN in the first row), ``cpu_seconds`` (mean of one training, of all cores
        together, which other work on the computer changes far less than the time that passes),
        ``multiply_adds`` (for one picture) and ``parameters``.

    Raises:
        AblationError: when a step lacks a seed that another has.
        ValueError: for fewer than three seeds.
    """
    accuracy = table.pivot_table("accuracy", index="seed", columns="step", sort=False)
    for name, values in accuracy.items():
        if values.isna().any():
            raise AblationError(
                f"the step {name!r} has not been trained with seed {values.isna().idxmax()}; "
                "train every step with every seed"
            )
    rows = []
    before = None
    for name, part in table.groupby("step", sort=False):
        estimate = over_seeds(accuracy[name])
        row = {"step": name, "accuracy": estimate.value, "low": estimate.low, "high": estimate.high}
        if before is not None:
            change = paired_difference(accuracy[name], accuracy[before])
            row |= {"change": change.value, "change_low": change.low, "change_high": change.high}
        sizes = {size: int(part[size].iloc[0]) for size in _SIZES}
        rows.append(row | {"cpu_seconds": part["cpu_seconds"].mean()} | sizes)
        before = name
    columns = ["step", "accuracy", "low", "high", "change", "change_low", "change_high"]
    return pd.DataFrame(rows, columns=[*columns, "cpu_seconds", *reversed(_SIZES)])


def read(path: Path) -> Ablation:
    """Read the file that :func:`run` has written.

    Raises:
        AblationError: when there is no such file, or it is not one of an ablation.
    """
    content = _load(path)
    return Ablation(
        table=_table(content),
        changes={step["name"]: step["change"] for step in content["steps"]},
        **{name: content[name] for name in _FACTS},
    )


def published() -> Ablation:
    """The ablation that the lessons show: measured once, on photographs, and kept in the package.

    Raises:
        AblationError: when the package has none.
    """
    with resources.as_file(resources.files("course_utils.labs") / "ablation.json") as path:
        if not path.exists():
            raise AblationError(
                "this copy of the course holds no measured ablation; make one with `python -m "
                "benchmarks ablation --json FILE` and read it with labs.ablation.read(FILE)"
            )
        return read(path)


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if missing := {*_FACTS, "seeds", "steps", "trainings"} - dict(content).keys():
            raise ValueError(f"it has no {sorted(missing)[0]}")
    except (OSError, ValueError, TypeError) as error:
        raise AblationError(
            f"{path} can't be read as an ablation ({error}); choose another file or delete it"
        ) from error
    return dict(content)
