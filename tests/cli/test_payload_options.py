"""Each kind of payload field as an option."""

from __future__ import annotations

import enum
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import pytest
from click.testing import CliRunner
from pydantic import BaseModel, Field

from pitchey_core.errors import InputError, PitcheyError, UnknownName
from pitchey_core.payload import Alias, FromFile, InputFile, Payload, Positional
from pitchey_runner.cli.payload_options import given_payload, payload_parameters


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Nested(BaseModel):
    x: int = 0


class Sample(Payload):
    source: Annotated[InputFile, Positional()]
    count: int | None = Field(None, ge=1, lt=10)
    ratio: float = Field(1.0, gt=0)
    plain_int: int = 0
    flag: bool = True
    mode: Literal["fast", "slow"] | None = None
    level: Literal[1, 2] = 1
    colour: Colour = Colour.RED
    words: list[str] = Field([])
    numbers: tuple[int, ...] = ()
    modes: list[Literal["a", "b"]] = Field([])
    nested: Nested = Nested()
    table: dict[str, Any] = Field({})
    free: str | list[str] = "x"
    script: Annotated[str, Alias("-s", "--text"), FromFile()] = ""
    output: str = "taken"


def parse(*args: str, stdin: bytes | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    reserved = {"--output", "-s"}

    def act(**_: Any) -> None:
        found.update(given_payload(click.get_current_context()))

    command = click.Command("x", params=payload_parameters(Sample, reserved), callback=act)
    result = CliRunner().invoke(command, list(args), input=stdin, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return found


def test_only_what_is_given_is_in_the_payload() -> None:
    assert parse("a.mov") == {"source": "a.mov"}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--count", "3"], {"count": 3}),
        (["--ratio", "0.5"], {"ratio": 0.5}),
        (["--plain-int", "-7"], {"plain_int": -7}),
        (["--no-flag"], {"flag": False}),
        (["--flag"], {"flag": True}),
        (["--mode", "slow"], {"mode": "slow"}),
        (["--level", "2"], {"level": 2}),
        (["--colour", "blue"], {"colour": Colour.BLUE}),
        (["--words", "a", "--words", "b"], {"words": ["a", "b"]}),
        (["--numbers", "1", "--numbers", "2"], {"numbers": [1, 2]}),
        (["--modes", "b"], {"modes": ["b"]}),
        (["--nested", '{"x": 1}'], {"nested": {"x": 1}}),
        (["--table", '{"k": [1]}'], {"table": {"k": [1]}}),
        (["--free", "plain"], {"free": "plain"}),
        (["--free", '["a"]'], {"free": ["a"]}),
        (["--payload-output", "there"], {"output": "there"}),
    ],
)
def test_values(args: list[str], expected: dict[str, Any]) -> None:
    assert parse("in", *args) == {"source": "in", **expected}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--count", "0"], "--count.*1<=x<10"),
        (["--count", "10"], "--count.*1<=x<10"),
        (["--ratio", "0"], "--ratio.*x>0"),
        (["--plain-int", "many"], "--plain-int.*'many'"),
        (["--nested", "{"], "--nested.*JSON"),
    ],
)
def test_wrong_values_name_the_option(args: list[str], message: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        parse("in", *args)
    assert re.search(message, caught.value.format_message())


def test_an_unknown_choice_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"--mode.*'fsat'") as caught:
        parse("in", "--mode", "fsat")
    assert caught.value.remedy == "did you mean 'fast'?"


def test_text_from_a_file_and_from_stdin(tmp_path: Path) -> None:
    file = tmp_path / "script.txt"
    file.write_text("what it says", "utf-8")
    assert parse("in", "--script", str(file))["script"] == "what it says"
    assert parse("in", "--text", "-", stdin="grüße".encode())["script"] == "grüße"
    with pytest.raises(InputError, match=r"nowhere\.txt cannot be read"):
        parse("in", "--script", str(tmp_path / "nowhere.txt"))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(PitcheyError, match="not utf-8 text"):
        parse("in", "--script", str(file))
