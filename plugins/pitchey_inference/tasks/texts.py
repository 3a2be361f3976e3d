"""What the text tasks share: texts to tokens within the limits, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

from pydantic import Field

from pitchey_core.errors import InputError, LimitExceeded, PitcheyError
from pitchey_inference.outputs import InputReport
from pitchey_inference.runtime.model import Model
from pitchey_inference.runtime.tokens import Tokenized, Tokens
from pitchey_inference.tasks.base import Answer, Parameters, Request, TextItem

__all__ = ["Prepared", "TextParameters", "check_text", "merge_answers", "prepare_texts", "report_of"]


class TextParameters(Parameters):
    """What every text task takes.

    Attributes:
        too_long: What to do with a text that is longer than the model's input: cut its end off, or refuse it.
            Default: as the model's manifest says.
    """

    too_long: Literal["truncate", "refuse"] | None = Field(
        None, description="A text longer than the model's input: truncate it, or refuse it"
    )


P = TypeVar("P", bound=TextParameters)


class Prepared(Generic[P]):
    """The requests that can be run: their numbers, texts and tokens; and the answers of those that cannot."""

    def __init__(self, count: int) -> None:
        self.answers: list[Answer | None] = [None] * count
        self.numbers: list[int] = []
        self.requests: list[Request[P]] = []
        self.texts: list[str] = []
        self.rows: list[Tokenized] = []


def check_text(item: object, model: Model) -> str:
    """The text of an item.

    Raises:
        InputError: It is none, or holds nothing.
        LimitExceeded: It is longer than what is tokenized at all.
    """
    assert isinstance(item, TextItem)
    most = model.manifest.text.max_characters
    if not item.text.strip():
        raise InputError(f"{item.shown} is empty", remedy="give a text with words in it")
    try:
        item.text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{item.shown} is not Unicode: half a character (a lone surrogate) at {error.start}",
            remedy="write the whole character, or leave it out",
        ) from None
    if len(item.text) > most:
        raise LimitExceeded(
            f"{item.shown} has {len(item.text)} characters; model {model.manifest.name!r} reads at most {most}",
            limit="text",
            remedy="split it into several items",
        )
    return item.text


def prepare_texts(model: Model, tokens: Tokens, requests: Sequence[Request[P]]) -> Prepared[P]:
    """Tokenize the texts of requests; a text that is refused is an answer already."""
    prepared: Prepared[P] = Prepared(len(requests))
    checked: list[tuple[int, Request[P], str]] = []
    for number, request in enumerate(requests):
        try:
            checked.append((number, request, check_text(request.item, model)))
        except PitcheyError as error:
            prepared.answers[number] = error
    rows = tokens.encode([text for _, _, text in checked]) if checked else []
    for (number, request, text), row in zip(checked, rows, strict=True):
        mode = request.parameters.too_long or model.manifest.text.too_long
        if row.truncated and mode == "refuse":
            prepared.answers[number] = _too_long(request, model, row, tokens.max_tokens)
            continue
        prepared.numbers.append(number)
        prepared.requests.append(request)
        prepared.texts.append(text)
        prepared.rows.append(row)
    return prepared


def merge_answers(prepared: Prepared[P], found: Sequence[Answer]) -> list[Answer]:
    """The answers of all requests in their order."""
    answers = list(prepared.answers)
    for number, answer in zip(prepared.numbers, found, strict=True):
        answers[number] = answer
    return [answer for answer in answers if answer is not None]


def report_of(text: str, row: Tokenized) -> InputReport:
    """What became of a text."""
    return InputReport(
        characters=len(text), tokens=row.full_length, used_tokens=len(row), truncated=row.truncated
    )


def _too_long(request: Request[P], model: Model, row: Tokenized, most: int) -> LimitExceeded:
    assert isinstance(request.item, TextItem)
    return LimitExceeded(
        f"{request.item.shown} has {row.full_length} tokens; model {model.manifest.name!r} reads at most {most}",
        limit="tokens",
        remedy="shorten it, or cut its end off: parameters.too_long = truncate",
    )
