"""Extractive summary: whole sentences of the text, chosen for being central and for not repeating one another.

Centrality is a sentence's mean similarity with all others (degree centrality; with the whole graph of a short text it
orders sentences as LexRank's walk does, Erkan and Radev 2004, and needs no iteration). Choosing is maximal marginal
relevance (Carbonell and Goldstein 1998).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from pitchey_core.errors import InputError, LimitExceeded, PitcheyError
from pitchey_inference.outputs import InputReport, Summary, SummarySentence
from pitchey_inference.runtime.tokens import Tokenized
from pitchey_inference.sentences import Sentence, split_sentences
from pitchey_inference.tasks.base import Answer, Request, Stop, Task, TextItem, never
from pitchey_inference.tasks.texts import TextParameters, check_text

__all__ = ["MAX_SENTENCES", "SummaryParameters", "SummaryTask", "centrality", "choose"]

MAX_SENTENCES = 4000
"""Similarities are counted between all pairs: 64 MB of them at this number."""
_DEFAULT_SENTENCES = 3


class SummaryParameters(TextParameters):
    """What a job may say.

    Attributes:
        max_sentences: Most sentences of the summary; default: 3, or what ``ratio`` allows.
        ratio: Part of the text's sentences, above 0 to 1, rounded up.
        diversity: 0 chooses by centrality alone, 1 by difference from what is chosen already.
    """

    max_sentences: int | None = Field(None, ge=1, le=1000)
    ratio: float | None = Field(None, gt=0, le=1, allow_inf_nan=False)
    diversity: float = Field(0.3, ge=0, le=1, allow_inf_nan=False)

    def count(self, sentences: int) -> int:
        """How many of so many sentences to choose."""
        by_ratio = None if self.ratio is None else math.ceil(self.ratio * sentences - 1e-9)
        given = [each for each in (self.max_sentences, by_ratio) if each is not None]
        return max(1, min(given or [_DEFAULT_SENTENCES]))


class SummaryTask(Task[SummaryParameters]):
    """Extractive summaries."""

    parameters = SummaryParameters

    def run(self, requests: Sequence[Request[SummaryParameters]], stop: Stop = never) -> list[Answer]:
        """See :meth:`~pitchey_inference.tasks.base.Task.run`."""
        encoder = self.model.encoder
        answers: list[Answer | None] = [None] * len(requests)
        split: dict[int, list[Sentence]] = {}
        for number, request in enumerate(requests):
            try:
                split[number] = self._sentences(request)
            except PitcheyError as error:
                answers[number] = error
        # The sentences of all texts in one go: that is where full batches come from.
        texts = [sentence.text for sentences in split.values() for sentence in sentences]
        rows = encoder.tokens.encode(texts) if texts else []
        vectors = encoder.encode_tokens(rows, stop=stop)
        at = 0
        for number, sentences in split.items():
            end = at + len(sentences)
            answers[number] = self._answer(requests[number], sentences, rows[at:end], vectors[at:end])
            at = end
        return [answer for answer in answers if answer is not None]

    def _sentences(self, request: Request[SummaryParameters]) -> list[Sentence]:
        text = check_text(request.item, self.model)
        assert isinstance(request.item, TextItem)
        sentences = split_sentences(text)
        if not sentences:
            raise InputError(f"{request.item.shown} has no sentences", remedy="give a text with words in it")
        if len(sentences) > MAX_SENTENCES:
            raise LimitExceeded(
                f"{request.item.shown} has {len(sentences)} sentences; a summary is made of at most {MAX_SENTENCES}",
                limit="sentences",
                remedy="summarise its parts",
            )
        return sentences

    def _answer(
        self,
        request: Request[SummaryParameters],
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
                remedy="parameters.too_long = truncate compares them by their beginnings",
            )
        scores = centrality(vectors)
        chosen = choose(
            vectors, scores, request.parameters.count(len(sentences)), request.parameters.diversity
        )
        picked = [
            SummarySentence(
                index=number,
                start=sentences[number].start,
                end=sentences[number].end,
                text=sentences[number].text,
                score=round(float(scores[number]), 6),
            )
            for number in sorted(chosen)
        ]
        return Summary(
            summary=" ".join(each.text for each in picked),
            sentences=picked,
            sentence_count=len(sentences),
            input=InputReport(
                characters=len(request.item.text),
                tokens=sum(row.full_length for row in rows),
                used_tokens=sum(len(row) for row in rows),
                truncated=bool(long),
            ),
        )


def centrality(vectors: Any) -> Any:
    """Mean similarity of each sentence with the others, ``float64[n]``, 0 to 1.

    Args:
        vectors: ``float32[n, size]`` of length one.
    """
    import numpy as np

    count = len(vectors)
    if count == 1:
        return np.ones(1)
    near = np.clip(np.asarray(vectors, np.float64) @ np.asarray(vectors, np.float64).T, 0, 1)
    return (near.sum(axis=1) - near.diagonal()) / (count - 1)


def choose(vectors: Any, scores: Any, count: int, diversity: float) -> list[int]:
    """The numbers of the chosen sentences, best first; of equals the earlier one.

    Args:
        scores: Centrality; scaled here, so that the most central sentence has 1.
        diversity: Weight of the similarity with what is chosen already.
    """
    import numpy as np

    worth = np.asarray(scores, np.float64)
    worth = worth / worth.max() if worth.max() > 0 else worth
    nearest = np.zeros(len(worth))
    chosen: list[int] = []
    open_ = np.ones(len(worth), bool)
    while len(chosen) < min(count, len(worth)):
        margin = np.where(open_, (1 - diversity) * worth - diversity * nearest, -np.inf)
        # Rounded, so that a difference of rounding errors does not decide.
        best = int(np.argmax(np.round(margin, 6)))
        chosen.append(best)
        open_[best] = False
        nearest = np.maximum(nearest, np.asarray(vectors, np.float64) @ np.asarray(vectors[best], np.float64))
    return chosen
