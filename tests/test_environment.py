"""The report about the environment says what is there and what to do."""

import json
from pathlib import Path

import pytest

from course_utils import environment


def test_a_kernel_of_another_python_is_found_out(tmp_path, monkeypatch):
    assert environment.check_jupyter().status == "OK"
    spec = {"argv": ["/elsewhere/python", "-m", "ipykernel_launcher"], "display_name": "Other"}
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    finding = environment.check_jupyter()
    assert finding.status == "missing"
    assert finding.found == "kernel python3 starts /elsewhere/python"
    assert "ipykernel install" in finding.advice


def test_a_tensorflow_that_cannot_be_imported_is_found_out(tmp_path, monkeypatch):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('Illegal instruction')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    finding = environment.check_tensorflow()
    assert finding.status == "missing"
    assert finding.found == "ImportError: Illegal instruction"


def test_all_packages_are_there():
    assert environment.check_packages().status in ("OK", "note")


@pytest.mark.parametrize(("setting", "status"), [("1", "OK"), ("0", "note")])
def test_a_slow_setting_is_noted(monkeypatch, setting, status):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", setting)
    assert environment.check_cores().status == status


def test_a_cache_that_is_not_there_yet_can_be_made(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "new" / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    findings = list(environment.check_folders())
    assert {finding.status for finding in findings} == {"OK"}
    assert str(tmp_path / "new" / "cache") in findings[1].found
    assert list(tmp_path.iterdir()) == []


def test_photographs_that_are_missing_come_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    finding = environment.check_photographs()
    assert finding.status == "note"
    assert "course download cifar10" in finding.advice


@pytest.mark.parametrize(
    ("reason", "status"), [("There is no bwrap here: install it.", "note"), (None, "OK")]
)
def test_a_missing_sandbox_is_noted_with_what_to_do(reason, status):
    finding = environment.check_sandbox(lambda: reason)
    assert finding.status == status
    assert finding.advice == (reason or "")


@pytest.mark.parametrize(
    ("content", "asked", "found"),
    [
        ('{"floatx": "float16"}', "tensorflow", "floatx 'float16'"),
        ('{"image_data_format": "channels_first"}', "jax", "KERAS_BACKEND is jax; "),
        ('{"floatx": "float32"}', "tensorflow", ""),
        ("[", "tensorflow", ""),
        ("3", "tensorflow", ""),
    ],
)
def test_settings_of_keras_that_the_course_overrules_are_noted(
    tmp_path, monkeypatch, content, asked, found
):
    (tmp_path / "keras.json").write_text(content)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("course_utils.backend.asked_backend", asked)
    finding = environment.check_keras()
    assert finding.status == ("note" if found else "OK")
    assert found in finding.found


def test_without_a_home_the_folders_are_noted(monkeypatch):
    def no_home(path):
        raise RuntimeError("Could not determine home directory.")

    for name in ("KERAS_HOME", "COURSE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "expanduser", no_home)
    (finding,) = environment.check_folders()
    assert (finding.status, "home" in finding.found) == ("note", True)
