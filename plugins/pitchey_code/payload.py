"""What a ``code`` job is asked for."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pitchey_code.names import check_name, language_of
from pitchey_core.payload import Alias, InputFile, Payload, Positional

__all__ = ["MAX_SOURCE_BYTES", "CodePayload", "Language", "TestCase"]

Language = Literal["python", "javascript", "typescript"]

MAX_SOURCE_BYTES: Final = 1024**2
_MAX_FILES_BYTES: Final = 16 * 1024**2
_MAX_ARGUMENT_BYTES: Final = 64 * 1024


class TestCase(BaseModel):
    """What a program is given, and what it has to answer.

    Attributes:
        stdin: Its standard input.
        expected_stdout: Its whole output; blanks at the ends of lines and empty lines at the end do not count.
    """

    # Not for pytest to collect.
    __test__ = False
    model_config = ConfigDict(extra="forbid", frozen=True)

    stdin: str = ""
    expected_stdout: str


class CodePayload(Payload):
    """A program, what it is given, and what it may use."""

    code_url: Annotated[InputFile | None, Positional()] = Field(
        None, description="Source file to run: .py, .js, .mjs, .ts, … ('code' gives the source itself)"
    )
    language: Annotated[Language | None, Alias("-l")] = Field(
        None, description="Language; by default what the suffix of the file says"
    )
    code: Annotated[str | None, Alias("-c")] = Field(None, min_length=1, description="Source to run")
    timeout: float = Field(30.0, gt=0, le=3600, allow_inf_nan=False, description="Wall time, s")
    cpu_time: float | None = Field(
        None, gt=0, le=3600, allow_inf_nan=False, description="CPU time of all its processes together, s"
    )
    memory_limit: int = Field(
        512, ge=32, le=262144, description="Memory of all its processes and files together, MiB"
    )
    max_processes: int = Field(64, ge=1, le=4096, description="Processes and threads at one time")
    max_output_bytes: int = Field(
        1024**2, ge=1024, le=64 * 1024**2, description="Bytes of standard output, and as many of errors"
    )
    stdin: str = Field("", description="Text for its standard input")
    stdin_file: InputFile | None = Field(None, description="File for its standard input")
    args: Annotated[list[str], Alias("--arg")] = Field([], max_length=256, description="Its arguments")
    files: dict[str, str] = Field({}, description='Files for its folder, as JSON: {"name": "content"}')
    inputs: Annotated[list[InputFile], Alias("--input")] = Field(
        [], max_length=256, description="Files to copy into its folder, under their own names"
    )
    outputs: Annotated[list[str], Alias("--collect")] = Field(
        [], max_length=64, description="Patterns of files to collect when it has ended: *.csv, out/**"
    )
    tests: list[TestCase] = Field(
        [],
        max_length=1000,
        description='Runs with a known answer, as JSON: {"stdin": …, "expected_stdout": …}',
    )
    checks: Annotated[list[Literal["syntax"]], Alias("--check")] = Field(
        [], description="Check only, and do not run: syntax"
    )
    isolation: Literal["full", "none"] = Field(
        "full", description="'none' runs the program as you, with nothing around it"
    )

    @field_validator("code", "stdin")
    @classmethod
    def _sized(cls, value: str | None) -> str | None:
        if value is not None and len(value.encode("utf-8", "surrogatepass")) > _MAX_FILES_BYTES:
            raise ValueError(f"more than {_MAX_FILES_BYTES} bytes; give it as a file")
        return value

    @field_validator("code")
    @classmethod
    def _clean(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if "\0" in value:
            raise ValueError(f"the source has a NUL at character {value.index(chr(0))}")
        try:
            size = len(value.encode())
        except UnicodeEncodeError as error:
            raise ValueError(f"the source has half of a surrogate pair at character {error.start}") from None
        if size > MAX_SOURCE_BYTES:
            raise ValueError(f"the source has {size} bytes; the most is {MAX_SOURCE_BYTES}")
        return value.removeprefix("\ufeff")

    @field_validator("args")
    @classmethod
    def _arguments(cls, value: list[str]) -> list[str]:
        if any("\0" in each for each in value):
            raise ValueError("an argument has a NUL in it")
        if sum(len(each.encode("utf-8", "surrogateescape")) + 1 for each in value) > _MAX_ARGUMENT_BYTES:
            raise ValueError(f"the arguments have more than {_MAX_ARGUMENT_BYTES} bytes")
        return value

    @field_validator("files")
    @classmethod
    def _named(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            check_name(name)
        if sum(len(each.encode("utf-8", "surrogatepass")) for each in value.values()) > _MAX_FILES_BYTES:
            raise ValueError(f"the files have more than {_MAX_FILES_BYTES} bytes; give them as inputs")
        return value

    @field_validator("outputs")
    @classmethod
    def _patterns(cls, value: list[str]) -> list[str]:
        for pattern in value:
            check_name(pattern)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.code is None) == (self.code_url is None):
            raise ValueError("a source is needed: one of code and code_url")
        if self.language is None and (self.code_url is None or language_of(self.code_url) is None):
            raise ValueError("language is needed: python, javascript or typescript")
        if self.stdin and self.stdin_file is not None:
            raise ValueError("standard input is given twice: stdin and stdin_file")
        if self.tests and (self.stdin or self.stdin_file is not None or self.outputs):
            raise ValueError("tests bring their own stdin, and collect no outputs")
        return self
