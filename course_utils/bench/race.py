"""The race of the recipes: how fast each is, how good, and how near to the machine's limit.

Every training has a process of its own. In the full race each finished one is written to a file at
once, so that a race that was interrupted, in whatever way, goes on with those still missing.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from statistics import mean, median
from typing import Any

from course_utils import backend
from course_utils.bench import original
from course_utils.bench.process import measure
from course_utils.execution.lessons import RunError
from course_utils.files import write_text
from course_utils.hardware import machine

CONTESTANTS = ("original", "classic", "quick", "good", "best")
NUM_SEEDS = {"original": 2, "classic": 2, "quick": 5, "good": 3, "best": 2}
ONEDNN_OFF = "classic, oneDNN off"

_PASS = ("original", "quick", "classic", "good", "best")  # slow and fast ones alternate

# The short mode: a few steps of each, extrapolated to CIFAR-10 without what is held back of it.
SAMPLE_PICTURES, SAMPLE_EPOCHS, SAMPLE_TEST_PICTURES = 2560, 2, 100
WHOLE_PICTURES = 40_000


@dataclass(frozen=True)
class Result:
    """What came of one training.

    Attributes:
        contestant: one of :data:`CONTESTANTS`.
        seed: of the training.
        date: when it ended.
        seconds: from the untrained network to the trained one: building it and fitting it.
        cpu_seconds: of all the cores, in the same time.
        num_correct: test pictures that the trained network got right.
        num_test: test pictures.
        num_trained: pictures trained on, each counted once in each epoch.
        num_validated: pictures that accuracy was measured on in between, counted likewise.
        epochs: for each, ``epoch`` (from 1), ``end`` (seconds since the start) and ``val_accuracy``
            (None where it was not measured).
        peak_memory: largest resident memory of the process, in bytes.
        process_seconds: how long the process took, with everything before and after the training.
    """

    contestant: str
    seed: int
    date: str
    seconds: float
    cpu_seconds: float
    num_correct: int
    num_test: int
    num_trained: int
    num_validated: int
    epochs: list[dict[str, Any]]
    peak_memory: int
    process_seconds: float

    @property
    def accuracy(self) -> float:
        """The share of the test pictures that the network got right."""
        return self.num_correct / self.num_test


@dataclass
class Race:
    """What is raced, and what has come of it so far.

    Attributes:
        identity: everything on which the results depend.
        costs: for each contestant, see :func:`course_utils.bench.worker.describe`.
        results: of the finished trainings, in their order.
        matmul_rates: FLOP per second of a matrix product, measured between the trainings; one
            dictionary for each time, with the rate of each kind of numbers.
        extrapolated: whether the trainings were only samples.
    """

    identity: dict[str, Any]
    costs: dict[str, dict[str, Any]]
    results: list[Result] = field(default_factory=list)
    matmul_rates: list[dict[str, float]] = field(default_factory=list)
    extrapolated: bool = False

    def of(self, contestant: str) -> list[Result]:
        """The results of one contestant."""
        return [one for one in self.results if one.contestant == contestant]

    @property
    def contestants(self) -> list[str]:
        """Those that have a result, in their usual order."""
        known = (CONTESTANTS[0], CONTESTANTS[1], ONEDNN_OFF, *CONTESTANTS[2:])
        return [name for name in known if self.of(name)]

    def compute_dtype(self, contestant: str) -> str:
        """The kind of numbers in which a contestant's convolutions are computed."""
        return str(self.costs[_base(contestant)]["compute_dtype"])

    def matmul_rate(self, dtype: str) -> float:
        """The median of the rates of matrix products in one kind of numbers."""
        return median(rates[dtype] for rates in self.matmul_rates)

    @property
    def target(self) -> float | None:
        """The accuracy to reach: the mean of the baseline and classic, once they have run."""
        accuracies = [one.accuracy for one in self.of("original") + self.of("classic")]
        return mean(accuracies) if accuracies and not self.extrapolated else None

    def flops(self, result: Result) -> float:
        """Floating-point operations of a whole training."""
        costs = self.costs[_base(result.contestant)]
        num_trained, num_validated = float(result.num_trained), float(result.num_validated)
        if self.extrapolated:
            num_trained = WHOLE_PICTURES * costs["epochs"]
            num_validated = WHOLE_PICTURES * costs["validations"]
        return float(
            num_trained * costs["training_flops"] + num_validated * costs["validation_flops"]
        )

    def seconds(self, result: Result) -> float:
        """How long a whole training takes.

        A sample is extrapolated by its last epoch: the operations of the whole training at that
        epoch's speed, and once what the other epochs took longer, mostly for tracing.
        """
        if not self.extrapolated:
            return result.seconds
        costs = self.costs[_base(result.contestant)]
        before, end = (one["end"] for one in result.epochs[-2:])
        num_epochs = len(result.epochs)
        sampled = result.num_trained / num_epochs * costs["training_flops"]
        once = result.seconds - num_epochs * (end - before)
        return float(once + self.flops(result) / sampled * (end - before))


@dataclass(frozen=True)
class Step:
    """What a race does next; ``number`` of ``total`` trainings, and how long all that will take."""

    name: str
    number: int
    total: int
    left: str


Watcher = Callable[[Step], None]


def _base(contestant: str) -> str:
    return contestant.removesuffix(", oneDNN off")


def parse_num_seeds(text: str) -> dict[str, int]:
    """Read how often each contestant runs, such as ``original=1,quick=5``.

    Those that are not named don't run.

    Raises:
        RunError: an unknown contestant, or a number below 1.
    """
    num_seeds = {}
    for pair in text.split(","):
        name, _, number = (word.strip() for word in pair.partition("="))
        if name not in CONTESTANTS or not number.isdigit() or int(number) < 1:
            raise RunError(
                f"--runs has {pair.strip()!r}; it is a list such as original=1,quick=5 with "
                f"contestants from {', '.join(CONTESTANTS)} and numbers from 1"
            )
        num_seeds[name] = int(number)
    return num_seeds


def schedule(num_seeds: Mapping[str, int]) -> list[tuple[str, int]]:
    """Put the trainings in an order: contestant and seed.

    First everyone runs once. The others are spread over the rest, so that a computer that slows
    down, by heat or by other work, slows down everyone.
    """
    rest = sorted(
        ((seed - 1 + (rank + 0.5) / len(_PASS)) / (num_seeds[name] - 1), name, seed)
        for rank, name in enumerate(_PASS)
        for seed in range(1, num_seeds.get(name, 0))
    )
    first = [(name, 0) for name in _PASS if num_seeds.get(name, 0)]
    return first + [(name, seed) for _, name, seed in rest]


def run_full(
    dataset: str,
    path: Path,
    *,
    num_train: int | None = None,
    num_seeds: Mapping[str, int] = NUM_SEEDS,
    watcher: Watcher = lambda _: None,
) -> Iterator[Race]:
    """Let everyone train to the end, several times.

    Args:
        dataset: a name or a path.
        path: the file of the results. Trainings that it holds are not done again.
        num_train: training pictures; None for all.
        num_seeds: how often each contestant runs.
        watcher: told before each training.

    Yields:
        The race after each training; first as it is found in the file.

    Raises:
        RunError: the file holds another race, or a training fails. The file keeps what was done.
    """
    pictures = {"dataset": dataset, "num_train": num_train, "num_test": None}
    race = _open(path, _describe(pictures))
    yield race
    order = schedule(num_seeds)
    done = {(one.contestant, one.seed) for one in race.results}
    missing = [one for one in order if one not in done]
    for position, (contestant, seed) in enumerate(missing):
        number = len(order) - len(missing) + position + 1
        left = _time_left(race, missing[position:])
        watcher(Step(f"{contestant}, seed {seed}", number, len(order), left))
        race.matmul_rates.append(_run_worker("matmul", pictures)["rates"])
        race.results.append(_train(contestant, seed, pictures))
        _write(race, path)
        yield race


def run_short(dataset: str = "pixels10", *, watcher: Watcher = lambda _: None) -> Race:
    """Let everyone train for a few steps, to extrapolate from.

    Args:
        dataset: a name or a path.
        watcher: told before each training.

    Raises:
        RunError: a training fails, or the data set is too small.
    """
    pictures = {
        "dataset": dataset,
        "num_train": SAMPLE_PICTURES,
        "num_test": SAMPLE_TEST_PICTURES,
    }
    race = replace(_describe(pictures), extrapolated=True)
    order = [_PASS[0], *_PASS[1:3], ONEDNN_OFF, *_PASS[3:]]
    for position, contestant in enumerate(order):
        watcher(Step(contestant, position + 1, len(order), "about 2 min in all"))
        if position % 2 == 0:
            race.matmul_rates.append(_run_worker("matmul", pictures)["rates"])
        race.results.append(
            _train(contestant, 0, pictures, epochs=SAMPLE_EPOCHS, validation_split=0.0)
        )
    return race


def _time_left(race: Race, missing: Sequence[tuple[str, int]]) -> str:
    known = [
        mean(one.process_seconds for one in race.of(name)) for name, _ in missing if race.of(name)
    ]
    if not known:
        return "time left unknown"
    minutes = max(1, round(sum(known) / 60))
    return f"{'about' if len(known) == len(missing) else 'more than'} {minutes:,} min left"


def _train(contestant: str, seed: int, pictures: Mapping[str, Any], **options: Any) -> Result:
    """Do one training in a process of its own."""
    if contestant == "original":
        measured = _train_original(seed, pictures, **options)
    else:
        measured = _run_worker(
            "train",
            pictures,
            contestant=_base(contestant),
            seed=seed,
            onednn=contestant != ONEDNN_OFF,
            **options,
        )
    date = datetime.now().astimezone().isoformat(timespec="seconds")
    return Result(contestant=contestant, seed=seed, date=date, **measured)


def _train_original(seed: int, pictures: Mapping[str, Any], **options: float) -> dict[str, Any]:
    """Run the baseline's script with none of the course's settings in its environment."""
    ours = {*backend.SETTINGS, "GLIBC_TUNABLES"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pictures.npz"
        _run_worker("export", pictures, seed=seed, path=str(path))
        words = ["-P", original.__file__, str(path), f"--seed={seed}"]
        words += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        return measure(words, environment, name="original")


def _run_worker(
    task: str, pictures: Mapping[str, Any], *, onednn: bool = True, **options: Any
) -> dict[str, Any]:
    words = json.dumps({"task": task, "pictures": pictures, **options})
    return measure(
        ["-m", "course_utils.bench.worker", words],
        os.environ if onednn else os.environ | {"TF_ENABLE_ONEDNN_OPTS": "0"},
        name=options.get("contestant", task),
    )


def _describe(pictures: Mapping[str, Any]) -> Race:
    facts = _run_worker("describe", pictures)
    return Race({"machine": machine(), **facts["identity"]}, facts["costs"])


def _open(path: Path, race: Race) -> Race:
    """The race as the file holds it; ``race`` itself, without results, where there is none."""
    if not path.exists():
        return race
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        identity, rates = content["identity"], content["matmul_rates"]
        results = [Result(**one) for one in content["results"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} can't be read as a race ({error}); choose another file with --json, or "
            "delete it"
        ) from error
    for name, value in race.identity.items():
        if name == "pictures" and identity.get(name) != value:
            raise RunError(
                f"{path} holds a race on other pictures, or doesn't say on which; choose another "
                "file with --json, or delete it"
            )
        if identity.get(name) != value:
            raise RunError(
                f"{path} holds a race with another {name}: {identity.get(name)}, and now it is "
                f"{value}; choose another file with --json, or delete it"
            )
    return Race(race.identity, race.costs, results, rates)


def _write(race: Race, path: Path) -> None:
    content = {
        "identity": race.identity,
        "costs": race.costs,
        "target": race.target,
        "matmul_rates": race.matmul_rates,
        "results": [asdict(one) for one in race.results],
    }
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
