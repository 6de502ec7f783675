"""Augmentation: pictures change, labels stay true, and the seed decides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import augmentation

any_pictures = given(
    num=st.integers(1, 5),
    height=st.integers(3, 12),
    width=st.integers(3, 12),
    pixels=st.integers(0, 2),
    seed=st.integers(0, 2**32 - 1),
)


def pictures(num: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num, height, width, 3), dtype=np.uint8)


def test_every_picture_changes_sides_in_every_epoch():
    first, second, third = (augmentation.mirrored(1000, seed=4, epoch=e) for e in range(3))
    assert (first != second).all()
    assert (first == third).all()
    assert 400 < first.sum() < 600


def test_the_coin_depends_on_the_seed():
    one, other = (augmentation.mirrored(1000, seed=seed, epoch=0) for seed in (0, 1))
    assert (one != other).any()


def test_mirroring_turns_the_chosen_ones_and_copies():
    images = pictures(4, 5, 6)
    before = images.copy()
    result = augmentation.mirror(images, np.array([True, False, True, False]))
    assert np.array_equal(result[0], images[0, :, ::-1])
    assert np.array_equal(result[1], images[1])
    assert np.array_equal(images, before)


@any_pictures
def test_a_shifted_picture_is_the_picture_moved(num, height, width, pixels, seed):
    images = pictures(num, height, width)
    result = augmentation.shift(images, pixels, np.random.default_rng(seed))
    assert result.shape == images.shape
    assert result.dtype == np.uint8
    assert result.flags["C_CONTIGUOUS"]
    reach = range(-pixels, pixels + 1)
    for before, after in zip(images, result, strict=True):
        assert any(is_moved(before, after, down, right) for down in reach for right in reach)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), max_size=4))
def test_a_move_takes_each_picture_as_far_as_it_says(moves):
    images = np.random.default_rng(0).integers(0, 256, (len(moves), 12, 10, 3), dtype=np.uint8)
    down, right = np.array(moves, dtype=int).reshape(-1, 2).T
    moved = augmentation.move(images, down, right)
    assert moved.shape == images.shape
    assert all(map(is_moved, images, moved, down, right))


def is_moved(before: np.ndarray, after: np.ndarray, down: int, right: int) -> bool:
    """Whether the part that both pictures show agrees."""
    height, width = before.shape[:2]
    rows = slice(max(0, down), min(height, height + down))
    columns = slice(max(0, right), min(width, width + right))
    shown = after[rows, columns]
    source = before[
        slice(rows.start - down, rows.stop - down),
        slice(columns.start - right, columns.stop - right),
    ]
    return np.array_equal(shown, source)


def test_all_shifts_occur_and_none_is_farther():
    images = np.zeros((2000, 9, 9, 1), np.uint8)
    images[:, 4, 4] = 255
    moved = augmentation.shift(images, 2, np.random.default_rng(0))
    places = {tuple(place) for place in np.argwhere(moved[..., 0] == 255)[:, 1:].tolist()}
    assert places == {(row, column) for row in range(2, 7) for column in range(2, 7)}


@pytest.mark.parametrize("pixels", [0, 1])
def test_the_same_generator_shifts_the_same_way(pixels):
    images = pictures(20, 8, 8)
    one, other = (
        augmentation.shift(images, pixels, np.random.default_rng([3, 1])) for _ in range(2)
    )
    assert np.array_equal(one, other)


@any_pictures
def test_a_cut_picture_is_the_picture_with_one_grey_square(num, height, width, pixels, seed):
    images = np.full((num, height, width, 3), 7, np.uint8)
    result = augmentation.cut_out(images, pixels, np.random.default_rng(seed))
    assert (images == 7).all()
    assert result.dtype == np.uint8
    assert set(np.unique(result)) <= {7, augmentation.GREY}
    for picture in result:
        cut = (picture == augmentation.GREY).all(axis=-1)
        assert cut.any(axis=0).sum() == cut.any(axis=1).sum() == pixels
        assert cut.sum() == pixels**2


def test_all_places_are_cut():
    cut = augmentation.cut_out(np.zeros((2000, 6, 5, 1), np.uint8), 2, np.random.default_rng(0))
    corners = {tuple(np.argwhere(picture[..., 0])[0].tolist()) for picture in cut}
    assert corners == {(row, column) for row in range(5) for column in range(4)}
