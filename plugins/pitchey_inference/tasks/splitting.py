"""What the tasks share that look at sentences: texts are split, and the sentences of all of them encoded in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pitchey_core.errors import InputError, LimitExceeded, PitcheyError
from pitchey_inference.outputs import InputReport
from pitchey_inference.runtime.model import Model
from pitchey_inference.sentences import Sentence, split_sentences
from pitchey_inference.tasks.base import Request, Stop, TextItem
from pitchey_inference.tasks.scores import no_numbers
from pitchey_inference.tasks.texts import TextParameters, check_text

__all__ = ["MAX_SENTENCES", "SplitText", "encode_sentences"]

MAX_SENTENCES = 4000
"""A summary counts similarities between all pairs: 64 MB of them at this number."""

P = TypeVar("P", bound=TextParameters)


@dataclass(frozen=True, slots=True)
class SplitText:
    """A text by sentences.

    Attributes:
        sentences: At least one.
        vectors: Of the sentences, ``float32[n, size]``.
        report: What became of them; a sentence that the encoder cuts is compared by its beginning.
    """

    text: str
    sentences: list[Sentence]
    vectors: Any
    report: InputReport


def encode_sentences(
    model: Model, requests: Sequence[Request[P]], stop: Stop
) -> list[SplitText | PitcheyError]:
    """Split the texts of requests; a text that is refused is an error already.

    Raises:
        Cancelled: ``stop()`` was true.
    """
    import numpy as np

    answers: dict[int, SplitText | PitcheyError] = {}
    split: dict[int, list[Sentence]] = {}
    for number, request in enumerate(requests):
        try:
            split[number] = _sentences(request, model)
        except PitcheyError as error:
            answers[number] = error
    tokens = model.encoder.tokens
    rows = {number: tokens.encode([each.text for each in sentences]) for number, sentences in split.items()}
    for number in list(rows):
        long = sum(row.truncated for row in rows[number])
        if long and (requests[number].parameters.too_long or model.manifest.text.too_long) == "refuse":
            answers[number] = _too_long(requests[number], long)
            del rows[number]
    # All in one go: that is where full batches come from.
    vectors = model.encoder.encode_tokens([row for each in rows.values() for row in each], stop=stop)
    at = 0
    for number, each in rows.items():
        text = _text(requests[number])
        report = InputReport(
            characters=len(text),
            tokens=sum(row.full_length for row in each),
            used_tokens=sum(len(row) for row in each),
            truncated=any(row.truncated for row in each),
        )
        mine = vectors[at : at + len(each)]
        finite = bool(np.isfinite(mine).all())
        answers[number] = (
            SplitText(text, split[number], mine, report) if finite else no_numbers(model.manifest)
        )
        at += len(each)
    return [answers[number] for number in range(len(requests))]


def _text(request: Request[P]) -> str:
    assert isinstance(request.item, TextItem)
    return request.item.text


def _sentences(request: Request[P], model: Model) -> list[Sentence]:
    sentences = split_sentences(check_text(request.item, model))
    shown = request.item.shown
    if not sentences:
        raise InputError(f"{shown} has no sentences", remedy="give a text with words in it")
    if len(sentences) > MAX_SENTENCES:
        raise LimitExceeded(
            f"{shown} has {len(sentences)} sentences; at most {MAX_SENTENCES} are compared",
            limit="sentences",
            remedy="give its parts, one by one",
        )
    return sentences


def _too_long(request: Request[P], count: int) -> LimitExceeded:
    return LimitExceeded(
        f"{request.item.shown} has {count} sentences that are longer than the encoder's input",
        limit="tokens",
        remedy="parameters.too_long = truncate compares them by their beginnings",
    )
