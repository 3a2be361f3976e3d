"""Tesseract as it is found: version, languages, data folder, and what an absent language says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pitchey_core.errors import InputError, ToolFailed
from pitchey_core.registry import Registry
from pitchey_core.tools import ToolTable
from pitchey_document.ocr.engine import Engine, engine_of
from pitchey_document.ocr.languages import as_codes
from pitchey_document.ocr.tool import bundled


@pytest.fixture(scope="module")
def wheel() -> Engine:
    return engine_of(Path(bundled()))


def test_the_wheel_reads_english_and_german_and_says_that_it_lacks_orientation(wheel: Engine) -> None:
    assert wheel.languages == ("deu", "eng")
    assert not wheel.has_orientation
    assert wheel.tessdata is not None
    assert wheel.environment["OMP_THREAD_LIMIT"] == "1"


def test_the_data_folder_configured_by_the_user_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheel: Engine
) -> None:
    assert wheel.tessdata is not None
    shutil.copy(Path(wheel.tessdata, "deu.traineddata"), tmp_path)
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    assert engine_of(Path(bundled())).languages == ("deu",)


def test_an_engine_survives_json(wheel: Engine) -> None:
    assert Engine.from_record(json.loads(json.dumps(wheel.as_record()))) == wheel


def test_languages_are_given_by_either_code(wheel: Engine) -> None:
    assert wheel.check(["en", "deu", "eng"]) == ("eng", "deu")
    assert wheel.check(["de+en"]) == ("deu", "eng")
    assert wheel.check([]) == ("eng",)
    assert as_codes(["zh", "fr"]) == ("chi_sim", "fra")


def test_an_absent_language_names_those_installed_and_the_package(wheel: Engine) -> None:
    with pytest.raises(InputError, match=r"'fra' is not installed.*it has deu, eng") as caught:
        wheel.check(["eng", "fr"])
    assert "fra" in str(caught.value.remedy)


def test_a_misspelt_language_gets_a_guess(wheel: Engine) -> None:
    with pytest.raises(InputError) as caught:
        wheel.check(["engl"])
    assert "did you mean 'eng'" in str(caught.value.remedy)


def test_orientation_data_is_no_language(wheel: Engine) -> None:
    with pytest.raises(InputError, match="'osd'"):
        Engine(wheel.path, wheel.tessdata, wheel.version, ("eng", "osd")).check(["osd"])


def test_another_program_is_not_taken_for_tesseract() -> None:
    with pytest.raises(ToolFailed, match="does not answer like tesseract"):
        engine_of(Path("/bin/echo"))


def test_doctor_shows_languages_and_orientation(registry: Registry) -> None:
    status = ToolTable(registry.tools).probe("tesseract")
    assert status.error is None
    assert "eng" in status.capabilities["languages"]
    assert isinstance(status.capabilities["orientation"], bool)
