"""A swap of letter styles: its training, its reader and its detectors."""

import numpy as np
import pytest

from course_utils.labs import glyph_swap
from course_utils.labs.drawn import letters
from course_utils.labs.miniature import LabError

SMALL = {"num_train": 64, "num_test": 40, "epochs": 2}


def both(number=64, seed=0):
    return [letters.draw(number, style=style, seed=seed) for style in letters.STYLES]


@pytest.fixture(scope="module")
def swapper():
    return glyph_swap.train(*both(320), seed=0, epochs=20)


def test_it_paints_in_the_targets_style(swapper):
    thin, bold = (split.images for split in both(60, seed=5))
    for source, images in (("thin", thin), ("bold", bold)):
        for target, style in (("thin", thin), ("bold", bold)):
            painted = swapper.translate(images, source=source, target=target)
            assert painted.shape == images.shape
            assert painted.dtype == np.uint8
            own, other = (
                np.abs(painted.mean(axis=(0, 1, 2)) - np.asarray(one).mean(axis=(0, 1, 2))).sum()
                for one in (style, bold if target == "thin" else thin)
            )
            assert own < other, (source, target)


def test_the_swap_is_an_encoder_and_the_other_decoder(swapper):
    images = both(20, seed=5)[0].images
    encoders, decoders = swapper.to_keras()
    assert encoders["thin"] is encoders["bold"]
    painted = 255 * np.asarray(decoders["bold"](encoders["thin"](images / np.float32(255))))
    swapped = swapper.translate(images, source="thin", target="bold")
    np.testing.assert_allclose(swapped, painted, atol=0.51)


def test_as_a_control_each_style_has_an_encoder():
    swapper = glyph_swap.train(*both(), seed=0, epochs=1, shared=False)
    encoders, decoders = swapper.to_keras()
    assert encoders["thin"] is not encoders["bold"]
    images = both(20, seed=5)[0].images
    painted = 255 * np.asarray(decoders["bold"](encoders["thin"](images / np.float32(255))))
    swapped = swapper.translate(images, source="thin", target="bold")
    np.testing.assert_allclose(swapped, painted, atol=0.51)


def test_the_same_settings_give_the_same_swapper_trained_only_once(monkeypatch):
    images = both(20, seed=5)[0].images

    def swap(**settings):
        settings = {"seed": 3, "epochs": 1} | settings
        return glyph_swap.train(*both(), **settings).translate(images, source="thin", target="bold")

    first = swap()
    glyph_swap._kept.clear()
    assert (swap() == first).all()
    for other in ({"seed": 4}, {"epochs": 2}, {"shared": False}):
        assert (swap(**other) != first).any()
    monkeypatch.setattr(glyph_swap._Trainer, "train", None)
    assert (swap() == first).all()


@pytest.mark.parametrize(
    ("thin", "bold", "epochs", "reason"),
    [
        (64, 32, 1, "64 thin and 32 bold pictures"),
        (20, 20, 1, "at least 32"),
        (32, 32, 0, "epochs is 0"),
    ],
)
def test_a_training_says_what_it_needs(thin, bold, epochs, reason):
    splits = letters.draw(thin, style="thin", seed=0), letters.draw(bold, style="bold", seed=0)
    with pytest.raises(LabError, match=reason):
        glyph_swap.train(*splits, seed=0, epochs=epochs)


def test_jpeg_changes_pictures_the_more_the_lower_the_quality():
    images = both(30)[1].images
    errors = [
        np.abs(glyph_swap.save_as_jpeg(images, quality).astype(int) - images.astype(int)).mean()
        for quality in (95, 60, 10)
    ]
    assert 0 < errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize("quality", [0, 96])
def test_jpeg_has_qualities(quality):
    with pytest.raises(LabError, match=f"quality is {quality}"):
        glyph_swap.save_as_jpeg(both(1)[0].images, quality)


def test_the_reader_reads_genuine_letters():
    drawn = letters.draw(100, style="bold", seed=9, split="test")
    assert (glyph_swap.read_letters(drawn.images) == drawn.labels).mean() > 0.9


def test_swaps_are_measured_by_condition_and_seed():
    found = glyph_swap.measure_swaps(seeds=[0, 1], conditions=["one encoder, aligned"], **SMALL)
    assert list(found.seed) == [0, 1]
    assert set(found.condition) == {"one encoder, aligned"}
    assert (found.genuine > 0.9).all()
    assert found.same_letter.between(0, 1).all()
    with pytest.raises(LabError, match="unknown conditions"):
        glyph_swap.measure_swaps(seeds=[0], conditions=["turned"])


def test_detectors_are_tried_on_each_way_of_saving():
    found = glyph_swap.measure_detector(seeds=[0], qualities=[90], **SMALL)
    assert list(found.detector) == ["pictures as made"] * 2 + ["saved pictures too"] * 2
    assert list(found.saved) == ["as made", "JPEG 90"] * 2
    # Half of the pictures are swapped, so the accuracy follows from the two shares.
    expected = (found.detected + 1 - found.accused) / 2
    np.testing.assert_allclose(found.accuracy, expected)
    assert found.accuracy[0] > 0.8


def test_each_quality_has_its_share_of_the_pictures_that_a_detector_learns_from():
    thin = both(30)[0]
    saved = glyph_swap._save_some(thin, [90, 10])
    changed = np.abs(saved.images.astype(int) - thin.images.astype(int)).mean(axis=(1, 2, 3))
    assert (changed[::3] == 0).all()
    assert changed[1::3].mean() < 0.7 * changed[2::3].mean()
    assert (saved.labels == thin.labels).all()


def test_grain_is_added_to_swaps_only():
    swapper = glyph_swap.train(*both(), seed=0, epochs=1)
    plain, grainy = (
        glyph_swap._swapped_and_genuine(swapper, 10, 0, "test", grain=grain).images.astype(int)
        for grain in (0.0, 20.0)
    )
    assert (plain[10:] == grainy[10:]).all()
    assert 10 < (plain[:10] - grainy[:10]).std() < 25
