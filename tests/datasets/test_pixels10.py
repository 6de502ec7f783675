"""pixels10: the same pictures everywhere, and knobs that do what they say."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.datasets import pixels10
from course_utils.datasets.base import DatasetError, ImageSplit
from course_utils.datasets.pixels10 import hardships

NUM_CLASSES = 10

# Of 200 pictures drawn with seed 7, at the default difficulty and at 0: the course's results rest
# on these very bytes.
DIGEST = "4b8053230cbfbb9b9870f9ea0d39d117083b1e2edfdb49f2a5edd8c6ff2c64cc"
EASY_DIGEST = "febffdecfa0cb94a4ff8ed0153376963b7288601d57b0a10d90db382702079a9"


@pytest.fixture(scope="module")
def plain() -> ImageSplit:
    return pixels10.draw(1000, seed=0)


def same(left: ImageSplit, right: ImageSplit) -> bool:
    return (
        np.array_equal(left.images, right.images)
        and np.array_equal(left.labels, right.labels)
        and left.attributes.equals(right.attributes)
    )


def within_five_deviations(share: float, count: int, trials: int) -> bool:
    """Whether a binomial count is as expected, but for one case in a million."""
    return abs(count - share * trials) <= 5 * (trials * share * (1 - share)) ** 0.5 + 1e-9


@pytest.mark.parametrize(("knobs", "expected"), [({}, DIGEST), ({"difficulty": 0}, EASY_DIGEST)])
def test_the_bytes_are_the_same_on_every_platform(knobs: dict[str, Any], expected: str) -> None:
    drawn = pixels10.draw(200, seed=7, **knobs)
    digest = hashlib.sha256(drawn.images.tobytes())
    digest.update(drawn.labels.astype("<i8").tobytes())
    assert digest.hexdigest() == expected


def test_shapes_types_and_columns(plain: ImageSplit) -> None:
    assert plain.images.shape == (1000, 32, 32, 3)
    assert plain.images.dtype == np.uint8
    assert plain.labels.shape == (1000,)
    assert plain.labels.dtype == np.int64
    assert list(plain.attributes.columns) == [
        "palette", "background", "size", "position_x", "position_y", "rotation", "mirrored",
        "contrast", "noise", "alike", "lean", "narrowing", "occlusion", "clutter", "shadow",
        "companion", "true_label", "duplicate_of",
    ]  # fmt: skip
    assert isinstance(plain.attributes.index, pd.RangeIndex)
    assert set(plain.attributes["palette"]) == {"A", "B"}
    assert set(plain.attributes["background"]) == set(pixels10.BACKGROUND_NAMES)
    assert (plain.attributes["duplicate_of"] == -1).all()


def test_all_classes_are_there_and_no_picture_is_empty(plain: ImageSplit) -> None:
    counts = np.bincount(plain.labels, minlength=NUM_CLASSES)
    assert len(counts) == len(pixels10.CLASS_NAMES) == NUM_CLASSES
    assert all(within_five_deviations(0.1, count, 1000) for count in counts)
    assert plain.images.reshape(1000, -1).std(axis=1).min() > 5
    assert len(np.unique(plain.images.reshape(1000, -1), axis=0)) == 1000


def test_the_object_shows_against_its_background(plain: ImageSplit) -> None:
    """The same scenes with other classes differ where the object is, in each palette."""
    other = pixels10.draw(1000, seed=0, class_prevalence=[0] * 9 + [1], background_correlation=0)
    drawn = pixels10.draw(1000, seed=0, background_correlation=0)
    change = np.abs(drawn.images.astype(int) - other.images).mean(axis=(1, 2, 3))
    differs = drawn.labels != other.labels
    assert (change[~differs] == 0).all()
    assert change[differs].min() > 1


def test_palettes_differ_in_colour(plain: ImageSplit) -> None:
    """All else equal, palette A's objects are lighter and redder than B's."""
    light = pixels10.draw(300, seed=0, palette_prevalence=0).images.astype(int)
    dark = pixels10.draw(300, seed=0, palette_prevalence=1).images.astype(int)
    change = (light - dark).mean(axis=(0, 1, 2))
    assert change[0] > 5  # red
    assert change[0] > change[2] + 5  # blue


def test_the_first_pictures_do_not_depend_on_how_many_follow(plain: ImageSplit) -> None:
    for number in (1, 130):
        assert same(pixels10.draw(number, seed=0), plain.take(np.arange(number)))


def test_seeds_and_splits_are_independent(plain: ImageSplit) -> None:
    for other in (pixels10.draw(1000, seed=1), pixels10.draw(1000, seed=0, split="test")):
        agreements = int((other.labels == plain.labels).sum())
        assert within_five_deviations(0.1, agreements, 1000)


def test_a_knob_changes_only_what_it_names(plain: ImageSplit) -> None:
    noisy = pixels10.draw(1000, seed=0, label_noise=0.3)
    assert np.array_equal(noisy.images, plain.images)
    rare = pixels10.draw(1000, seed=0, palette_prevalence=0.05)
    still = (rare.attributes["palette"] == plain.attributes["palette"]).to_numpy()
    assert np.array_equal(rare.images[still], plain.images[still])
    assert np.array_equal(rare.labels, plain.labels)


@pytest.mark.parametrize("prevalence", [0.0, 0.05, 0.8, 1.0])
def test_palette_prevalence_is_the_share_of_palette_b(prevalence: float) -> None:
    palettes = pixels10.draw(1000, seed=2, palette_prevalence=prevalence).attributes["palette"]
    assert within_five_deviations(prevalence, int((palettes == "B").sum()), 1000)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_background_correlation(correlation: float) -> None:
    drawn = pixels10.draw(1000, seed=3, background_correlation=correlation)
    typical = np.array([pixels10.TYPICAL_BACKGROUNDS[name] for name in pixels10.CLASS_NAMES])
    count = int((drawn.attributes["background"].to_numpy() == typical[drawn.labels]).sum())
    assert within_five_deviations(correlation + (1 - correlation) / 6, count, 1000)


def test_class_prevalence_by_name_and_by_list() -> None:
    rare_cats = pixels10.draw(1000, seed=4, class_prevalence={"cat": 0.1, "dog": 0})
    counts = np.bincount(rare_cats.labels, minlength=NUM_CLASSES)
    assert counts[pixels10.CLASS_NAMES.index("dog")] == 0
    assert within_five_deviations(0.1 / 8.1, int(counts[pixels10.CLASS_NAMES.index("cat")]), 1000)
    weights = [1, 1, 1, 0.1, 1, 0, 1, 1, 1, 1]
    assert same(rare_cats, pixels10.draw(1000, seed=4, class_prevalence=weights))


def test_contrast_by_palette(plain: ImageSplit) -> None:
    faint = pixels10.draw(1000, seed=0, contrast_by_palette={"B": 0.5})
    is_b = (plain.attributes["palette"] == "B").to_numpy()
    assert np.array_equal(faint.images[~is_b], plain.images[~is_b])
    ratio = faint.attributes["contrast"][is_b] / plain.attributes["contrast"][is_b]
    assert np.allclose(ratio, 0.5)
    spread = [split.images[is_b].std(axis=(1, 2, 3)).mean() for split in (faint, plain)]
    assert spread[0] < 0.7 * spread[1]


HARDSHIPS = {  # by the column that tells of it: the share of pictures struck at difficulty 1
    "occlusion": hardships.COVERED,
    "alike": hardships.ALIKE,
    "lean": hardships.TURNED,
    "narrowing": hardships.TURNED,
    "companion": hardships.ACCOMPANIED,
    "clutter": hardships.CLUTTERED,
    "shadow": hardships.SHADED,
}


def struck(split: ImageSplit) -> pd.DataFrame:
    """Which hardship strikes which picture."""
    return pd.DataFrame({name: split.attributes[name].isin([0, "none"]) for name in HARDSHIPS}) ^ 1


@pytest.mark.parametrize("difficulty", [0, 0.5, 1])
def test_difficulty_says_how_many_pictures_each_hardship_strikes(difficulty: float) -> None:
    drawn = pixels10.draw(2000, seed=3, difficulty=difficulty)
    is_a = drawn.attributes["palette"] == "A"
    for name, share in HARDSHIPS.items():
        for group in (is_a, ~is_a):
            count = int(struck(drawn).loc[group, name].sum())
            assert within_five_deviations(difficulty * share, count, int(group.sum())), name


def test_difficulty_changes_nothing_else() -> None:
    easy, hard = (pixels10.draw(1000, seed=0, difficulty=difficulty) for difficulty in (0, 1))
    unmoved = ["palette", "background", "size", "mirrored", "noise", "true_label", "duplicate_of"]
    assert easy.attributes[unmoved].equals(hard.attributes[unmoved])
    assert np.array_equal(easy.labels, hard.labels)


def test_a_picture_that_is_hard_is_hard_in_the_same_way_at_every_higher_difficulty() -> None:
    """And one that is spared is what it is at difficulty 0."""
    easy, some, many = (pixels10.draw(1000, seed=0, difficulty=part) for part in (0, 0.4, 0.9))
    assert (struck(some) <= struck(many)).all(axis=None)
    for name in HARDSHIPS:
        before, after = (
            split.attributes.loc[struck(some)[name] == 1, name] for split in (some, many)
        )
        assert len(before) > 0
        assert before.equals(after)
    is_same = (some.images == easy.images).all(axis=(1, 2, 3))
    is_faded = some.attributes["contrast"] < easy.attributes["contrast"]
    is_spared = (struck(some).sum(axis=1) == 0) & ~is_faded
    assert 0.4 < is_same.mean() < 0.95
    assert is_same[is_spared].all()
    assert (~is_same[struck(some)["occlusion"] == 1]).all()


def test_the_object_shows_less_at_a_higher_difficulty() -> None:
    """The same scenes with trucks only differ from the others where an object shows."""
    shown = []
    for difficulty in (0, 0.5, 1):
        knobs: dict[str, Any] = {"seed": 0, "background_correlation": 0, "difficulty": difficulty}
        drawn = pixels10.draw(600, **knobs)
        trucks = pixels10.draw(600, class_prevalence=[0] * 9 + [1], **knobs)
        alone = (drawn.attributes["companion"] == "none").to_numpy()
        change = np.abs(drawn.images.astype(int) - trucks.images)
        shown.append(change[alone & (drawn.labels != trucks.labels)].mean())
    assert shown[0] > shown[1] > shown[2] > 0.6 * shown[0]


def test_a_cover_hides_its_share_and_leaves_the_rest() -> None:
    easy, hard = (pixels10.draw(1000, seed=1, difficulty=difficulty) for difficulty in (0, 1))
    only = (struck(hard)["occlusion"] == 1) & (struck(hard).sum(axis=1) == 1)
    only &= hard.attributes["contrast"] == easy.attributes["contrast"]
    changed = (hard.images != easy.images).any(axis=3)[only].mean(axis=(1, 2))
    assert len(changed) > 50
    assert changed.min() > 0.05
    assert changed.max() < 0.6
    width = hard.attributes.loc[only, "occlusion"] * hard.attributes.loc[only, "size"]
    assert np.corrcoef(changed, width)[0, 1] > 0.8


def test_companions_are_of_another_class() -> None:
    drawn = pixels10.draw(1000, seed=1, difficulty=1, label_noise=0.5)
    own = np.array(pixels10.CLASS_NAMES)[drawn.attributes["true_label"]]
    assert not (drawn.attributes["companion"] == own).any()
    assert set(drawn.attributes["companion"]) == {"none", *pixels10.CLASS_NAMES}


def test_load_draws_both_splits_with_the_difficulty_and_says_so() -> None:
    usual = pixels10.load(num_train=50, num_test=50, seed=1)
    hard = pixels10.load(num_train=50, num_test=50, seed=1, difficulty=0.9)
    for split in ("train", "test"):
        expected = pixels10.draw(50, seed=1, difficulty=0.9, split=split)
        assert same(getattr(hard, split), expected)
        assert not same(getattr(usual, split), expected)
    assert "difficulty 0.9 of 1" in repr(hard.describe())
    assert f"difficulty {pixels10.DIFFICULTY:g} of 1." in repr(usual.describe())


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_label_noise_replaces_that_share_of_labels(share: float) -> None:
    drawn = pixels10.draw(1000, seed=5, label_noise=share)
    wrong = int((drawn.labels != drawn.attributes["true_label"]).sum())
    assert within_five_deviations(share, wrong, 1000)
    assert set(drawn.labels) <= set(range(NUM_CLASSES))


def test_duplicates_are_exact_copies_of_originals() -> None:
    drawn = pixels10.draw(300, seed=6, num_duplicates=90, label_noise=0.2)
    source = drawn.attributes["duplicate_of"].to_numpy()
    copies = np.flatnonzero(source >= 0)
    assert len(copies) == 90
    assert (source[source[copies]] == -1).all()
    assert np.array_equal(drawn.images[copies], drawn.images[source[copies]])
    assert np.array_equal(drawn.labels[copies], drawn.labels[source[copies]])
    assert len(np.unique(drawn.images.reshape(300, -1), axis=0)) == 210


def test_load_has_the_documented_sizes_and_a_clean_test_split() -> None:
    default = pixels10.load(seed=1)
    assert (len(default.train), len(default.test)) == (pixels10.NUM_TRAIN, pixels10.NUM_TEST)
    biased = pixels10.load(
        num_train=50, num_test=400, seed=1, palette_prevalence=0.0, label_noise=1.0,
        background_correlation=1.0, contrast_by_palette={"A": 0.1}, class_prevalence={"cat": 0},
    )  # fmt: skip
    assert same(biased.test, default.test.take(np.arange(400)))
    assert set(biased.train.attributes["palette"]) == {"A"}
    count = int((default.test.attributes["palette"] == "B").sum())
    assert within_five_deviations(0.5, count, len(default.test))
    assert default.group in default.test.attributes
    assert default.class_names == pixels10.CLASS_NAMES
    assert "ynthetic" in default.datasheet.source


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_images": 0}, "num_images is 0; .* from 1 to 1,000,000"),
        ({"num_images": 2.5}, "num_images is 2.5"),
        ({"num_images": True}, "num_images is True"),
        ({"seed": -1}, "seed is -1; .* from 0"),
        ({"seed": "x"}, "seed is 'x'"),
        ({"split": "validation"}, "split is 'validation'; .*'train' or 'test'"),
        ({"palette_prevalence": 1.1}, "palette_prevalence is 1.1; .* from 0 to 1"),
        ({"palette_prevalence": "0.5"}, "palette_prevalence is '0.5'"),
        ({"background_correlation": float("nan")}, "background_correlation is nan"),
        ({"label_noise": -0.1}, "label_noise is -0.1; .* from 0 to 1"),
        ({"difficulty": 1.5}, "difficulty is 1.5; .* from 0 to 1"),
        ({"difficulty": "hard"}, "difficulty is 'hard'; .* from 0 to 1"),
        ({"num_duplicates": 10}, "num_duplicates is 10; .* from 0 to 9"),
        ({"class_prevalence": [1, 2]}, r"class_prevalence is \[1, 2\]; .* 10 weights"),
        ({"class_prevalence": [0] * 10}, "not all 0"),
        ({"class_prevalence": [-1] + [1] * 9}, "class_prevalence is .* from 0"),
        ({"class_prevalence": "cat"}, "class_prevalence is 'cat'"),
        ({"class_prevalence": {"unicorn": 1}}, "'unicorn'; known are airplane, .*truck"),
        ({"class_prevalence": {"cat": None}}, "class_prevalence is {'cat': None}"),
        ({"contrast_by_palette": {"C": 1}}, "contrast_by_palette names 'C'; known are A, B"),
        ({"contrast_by_palette": {"B": 2}}, r"contrast_by_palette\['B'\] is 2; .* from 0 to 1"),
        ({"contrast_by_palette": 0.5}, "contrast_by_palette is 0.5; it must be a mapping"),
    ],
)
def test_errors_name_the_argument_its_value_and_what_is_allowed(
    arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(DatasetError, match=words):
        pixels10.draw(**{"num_images": 10, "seed": 0} | arguments)


def test_load_refuses_what_it_does_not_know() -> None:
    with pytest.raises(DatasetError, match=r"no knob called hue; .*palette_prevalence"):
        pixels10.load(num_train=10, num_test=10, hue=1)
    with pytest.raises(DatasetError, match="no knob called split"):
        pixels10.load(num_train=10, num_test=10, split="test")
    with pytest.raises(DatasetError, match="num_test is 0"):
        pixels10.load(num_train=10, num_test=0)


shares = st.floats(0, 1)


@settings(max_examples=40, deadline=None)
@given(
    num_images=st.integers(1, 12),
    seed=st.integers(0, 2**80),
    weights=st.lists(st.floats(0, 1e300), min_size=10, max_size=10).filter(any),
    palette_prevalence=shares,
    background_correlation=shares,
    contrasts=st.dictionaries(st.sampled_from("AB"), shares),
    label_noise=shares,
    difficulty=shares,
    data=st.data(),
)
def test_every_allowed_knob_draws_valid_pictures(
    num_images: int, seed: int, weights: list[float], palette_prevalence: float,
    background_correlation: float, contrasts: dict[str, float], label_noise: float,
    difficulty: float, data: st.DataObject,
) -> None:  # fmt: skip
    num_duplicates = data.draw(st.integers(0, num_images - 1))
    drawn = pixels10.draw(
        num_images, seed=seed, class_prevalence=weights, palette_prevalence=palette_prevalence,
        background_correlation=background_correlation, contrast_by_palette=contrasts,
        label_noise=label_noise, num_duplicates=num_duplicates, difficulty=difficulty,
    )  # fmt: skip
    assert drawn.images.shape == (num_images, 32, 32, 3)
    assert set(drawn.labels) <= set(range(NUM_CLASSES))
    assert all(weights[label] > 0 for label in drawn.attributes["true_label"])
    assert int((drawn.attributes["duplicate_of"] >= 0).sum()) == num_duplicates
    assert not drawn.attributes.isna().to_numpy().any()
