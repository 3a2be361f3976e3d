"""Payload models: validation with suggestions, markers, input files."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from pitchey_core.errors import UnknownName, UsageError
from pitchey_core.payload import (
    Alias,
    InputFile,
    InputFileMarker,
    Payload,
    Positional,
    choices_of,
    map_input_files,
    marker,
    parse_payload,
)


class Example(Payload):
    input_url: Annotated[InputFile, Positional()] = Field(description="…")
    more: list[InputFile] = []
    mask: InputFile | None = None
    quality: Literal["480p", "720p"] | None = "720p"
    count: Annotated[int, Alias("-n")] = Field(1, ge=0, le=9)


def test_markers_are_found_through_lists_and_options() -> None:
    fields = Example.model_fields
    assert marker(fields["input_url"], Positional) == Positional()
    assert all(marker(fields[name], InputFileMarker) for name in ("input_url", "more", "mask"))
    assert marker(fields["count"], InputFileMarker) is None
    found = marker(fields["count"], Alias)
    assert found is not None
    assert found.flags == ("-n",)
    assert choices_of(fields["quality"]) == ("480p", "720p")


def test_input_files_are_changed_wherever_they_stand() -> None:
    data = {"input_url": "a", "more": ["b", "c"], "mask": None, "count": 2}
    assert map_input_files(Example, data, str.upper) == {
        "input_url": "A",
        "more": ["B", "C"],
        "mask": None,
        "count": 2,
    }


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"qualty": "720p"}, UnknownName, "did you mean 'quality'"),
        ({"quality": "721p"}, UnknownName, "did you mean '720p'"),
        ({"count": 10}, UsageError, "count"),
        ({"count": "many"}, UsageError, "'many'"),
        ({"input_url": None}, UsageError, "input_url"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, object], error: type[UsageError], words: str) -> None:
    with pytest.raises(error, match=words):
        parse_payload(Example, {"input_url": "a", **change})


def test_a_missing_field_is_named() -> None:
    with pytest.raises(UsageError, match="input_url is required"):
        parse_payload(Example, {})
