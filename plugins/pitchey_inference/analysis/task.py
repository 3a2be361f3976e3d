"""The analysis of pitches as a task of the ``inference`` processor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from pydantic import Field

from pitchey_core.errors import InputError, LimitExceeded, PitcheyError
from pitchey_inference.analysis.judge import judge_of
from pitchey_inference.analysis.pitch import PitchAnalyzer
from pitchey_inference.outputs import InputReport
from pitchey_inference.runtime.tokens import Tokenized
from pitchey_inference.sentences import Sentence, split_sentences
from pitchey_inference.tasks.base import Answer, Request, Stop, Task, TextItem, never
from pitchey_inference.tasks.texts import TextParameters, check_text

__all__ = ["MAX_SENTENCES", "PitchParameters", "PitchTask"]

MAX_SENTENCES: Final = 2000
"""A treatment has some hundred; a screenplay is no pitch."""

_JUDGE: Final = "sentiment-v1"


class PitchParameters(TextParameters):
    """What a job may say.

    Attributes:
        temperature: Scales the distributions of genres and tones: above 1 flattens, below 1 sharpens.
    """

    temperature: float = Field(1.0, gt=0, le=1000, allow_inf_nan=False)


class PitchTask(Task[PitchParameters]):
    """Analyses of pitches."""

    parameters = PitchParameters

    @cached_property
    def analyzer(self) -> PitchAnalyzer:
        """With whatever classifier the name ``sentiment-v1`` means."""
        return PitchAnalyzer(self.model.encoder.encode, judge_of(self.model.find(_JUDGE)))

    def run(self, requests: Sequence[Request[PitchParameters]], stop: Stop = never) -> list[Answer]:
        """See :meth:`~pitchey_inference.tasks.base.Task.run`."""
        encoder = self.model.encoder
        answers: list[Answer | None] = [None] * len(requests)
        split: dict[int, list[Sentence]] = {}
        for number, request in enumerate(requests):
            try:
                split[number] = self._sentences(request)
            except PitcheyError as error:
                answers[number] = error
        # The sentences of all pitches in one go: that is where full batches come from.
        texts = [sentence.text for sentences in split.values() for sentence in sentences]
        rows = encoder.tokens.encode(texts) if texts else []
        vectors = encoder.encode_tokens(rows, stop=stop)
        at = 0
        for number, sentences in split.items():
            end = at + len(sentences)
            try:
                answers[number] = self._answer(requests[number], sentences, rows[at:end], vectors[at:end])
            except PitcheyError as error:
                answers[number] = error
            at = end
        return [answer for answer in answers if answer is not None]

    def _sentences(self, request: Request[PitchParameters]) -> list[Sentence]:
        text = check_text(request.item, self.model)
        assert isinstance(request.item, TextItem)
        sentences = split_sentences(text)
        if not sentences:
            raise InputError(f"{request.item.shown} has no sentences", remedy="give a text with words in it")
        if len(sentences) > MAX_SENTENCES:
            raise LimitExceeded(
                f"{request.item.shown} has {len(sentences)} sentences; a pitch has at most {MAX_SENTENCES}",
                limit="sentences",
                remedy="give the pitch or synopsis rather than the script",
            )
        return sentences

    def _answer(
        self,
        request: Request[PitchParameters],
        sentences: list[Sentence],
        rows: Sequence[Tokenized],
        vectors: Any,
    ) -> Answer:
        assert isinstance(request.item, TextItem)
        long = sum(row.truncated for row in rows)
        mode = request.parameters.too_long or self.model.manifest.text.too_long
        if long and mode == "refuse":
            return LimitExceeded(
                f"{request.item.shown} has {long} sentences that are longer than the encoder's input",
                limit="tokens",
                remedy="parameters.too_long = truncate measures them by their beginnings",
            )
        analysis = self.analyzer.analyze_sentences(
            request.item.text, sentences, vectors, request.parameters.temperature
        )
        report = InputReport(
            characters=len(request.item.text),
            tokens=sum(row.full_length for row in rows),
            used_tokens=sum(len(row) for row in rows),
            truncated=bool(long),
        )
        return analysis.model_copy(update={"input": report})
