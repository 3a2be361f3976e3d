"""The exception tree: exit codes, records, suggestions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pitchey_core
from pitchey_core import errors
from pitchey_core.errors import (
    LimitExceeded,
    PartialFailure,
    PitcheyError,
    RemoteError,
    ToolFailed,
    UnknownName,
    error_from_record,
)


def _all(cls: type[PitcheyError]) -> list[type[PitcheyError]]:
    return [cls, *(each for sub in cls.__subclasses__() for each in _all(sub))]


def test_exit_codes_follow_the_contract() -> None:
    codes = {cls.__name__: cls.exit_code for cls in _all(PitcheyError) if cls.__module__ == errors.__name__}
    assert {name for name, code in codes.items() if code == 2} == {
        "UsageError",
        "UnknownName",
        "ConfigError",
        "RegistryError",
    }
    assert {name for name, code in codes.items() if code == 3} == {
        "DependencyMissing",
        "ToolMissing",
        "ExtraMissing",
    }
    assert set(codes.values()) == {1, 2, 3}


def test_only_what_may_pass_is_retried() -> None:
    retried = {cls.__name__ for cls in _all(PitcheyError) if cls.retryable}
    assert retried == {"ProcessorError", "TransientError", "OutOfSpace", "SlotCrashed", "StoreAway"}


@pytest.mark.parametrize(
    "error",
    [
        errors.InputError("it is bad", remedy="give a good one"),
        LimitExceeded("too long", limit="wall"),
        ToolFailed("ffmpeg failed", tool="ffmpeg", returncode=1, stderr_tail="boo"),
        PartialFailure("one of two", facts={"a": 1}),
        UnknownName("preset", "web", ["web-optimized"]),
        errors.SlotCrashed("it died"),
    ],
)
def test_an_error_keeps_its_class_and_words_on_its_way_through_json(error: PitcheyError) -> None:
    back = error_from_record(json.loads(json.dumps(error.as_record())))
    assert type(back) is type(error)
    assert (back.message, back.remedy, back.retryable) == (error.message, error.remedy, error.retryable)
    assert back.as_record() == error.as_record()


def test_a_message_that_is_no_text_becomes_text() -> None:
    error = errors.InputError(ValueError("it is bad"), remedy=KeyError("x"))  # type: ignore[arg-type]
    back = error_from_record(json.loads(json.dumps(error.as_record())))
    assert (str(error), back.message, back.remedy) == ("it is bad\n  → 'x'", "it is bad", "'x'")


def test_a_failed_tool_keeps_what_it_said() -> None:
    tail = "first\n" + "x" * 10_000 + "\nlast"
    back = error_from_record(
        ToolFailed("it failed", tool="ffmpeg", returncode=-9, stderr_tail=tail).as_record()
    )
    assert isinstance(back, ToolFailed)
    assert (back.tool, back.returncode) == ("ffmpeg", -9)
    # Its end; a record is shown to people, and stored more than once.
    assert tail.endswith(back.stderr_tail)
    assert 1000 < len(back.stderr_tail) < 5000


def test_a_partial_failure_has_its_facts(tmp_path: Path) -> None:
    with pytest.raises(PartialFailure) as caught:
        pitchey_core.run("test-fail", error="PartialFailure", output=tmp_path)
    assert caught.value.facts["attempt"] == 1
    assert caught.value.facts["partial"]
    assert (tmp_path / "part.txt").exists()


def test_a_limit_keeps_its_name() -> None:
    back = error_from_record(LimitExceeded("too long", limit="wall").as_record())
    assert isinstance(back, LimitExceeded)
    assert back.limit == "wall"


def test_an_error_of_a_class_unknown_here_keeps_its_record() -> None:
    record = {"class": "TheirError", "message": "m", "remedy": None, "retryable": True}
    back = error_from_record(record)
    assert isinstance(back, RemoteError)
    assert back.retryable
    assert back.as_record() == record


def test_the_message_ends_in_the_remedy() -> None:
    assert str(errors.ToolMissing("no ffmpeg", remedy="apt install ffmpeg")).endswith("apt install ffmpeg")


def test_near_misses_are_suggested_and_all_names_otherwise() -> None:
    assert "'720p'" in str(UnknownName("quality", "721p", ["720p", "1080p"]))
    assert "known: aa, bb" in str(UnknownName("thing", "zzzzzz", ["bb", "aa"]))
