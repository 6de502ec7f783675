"""Pictures of an experiment, by seed."""

from course_utils import datasets
from course_utils.labs import pictures


def test_each_seed_has_its_own_pictures_and_they_are_drawn_once(monkeypatch):
    pictures._draw.cache_clear()
    settings = {"num_train": 20, "num_test": 5}
    first = pictures.load("pixels10", seeds=[4, 2, 4], **settings, palette_prevalence=0.1)
    assert list(first) == [4, 2]
    for seed, data in first.items():
        same = datasets.load("pixels10", seed=seed, **settings, palette_prevalence=0.1)
        assert data.train.fingerprint() == same.train.fingerprint()
        assert data.test.fingerprint() == same.test.fingerprint()
    other = pictures.load("pixels10", seeds=[4], **settings)
    assert other[4].train.fingerprint() != first[4].train.fingerprint()
    monkeypatch.setattr(datasets, "load", None)
    again = pictures.load("pixels10", seeds=range(2, 5, 2), **settings, palette_prevalence=0.1)
    assert again[2] is first[2] and again[4] is first[4]


def test_photographs_are_loaded_each_time(monkeypatch):
    loaded = []
    monkeypatch.setattr(
        datasets, "load", lambda *given, **settings: loaded.append((given, settings))
    )
    for _ in range(2):
        pictures.load("some/folder", seeds=[1], num_train=7)
    assert loaded == [(("some/folder",), {"seed": 1, "num_train": 7})] * 2


def test_a_knob_may_be_a_dictionary():
    faint = pictures.load(
        "pixels10", seeds=[1], num_train=20, num_test=5, contrast_by_palette={"B": 0.1}
    )
    usual = pictures.load("pixels10", seeds=[1], num_train=20, num_test=5)
    assert faint[1].train.fingerprint() != usual[1].train.fingerprint()
