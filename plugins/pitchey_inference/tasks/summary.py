"""Extractive summary: whole sentences of the text, chosen for being central and for not repeating one another.

Centrality is a sentence's mean similarity with all others (degree centrality; with the whole graph of a short text it
orders sentences as LexRank's walk does, Erkan and Radev 2004, and needs no iteration). To it comes what a sentence has
room to say: its length, up to 20 words. Choosing is maximal marginal relevance (Carbonell and Goldstein 1998).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from pitchey_core.errors import PitcheyError
from pitchey_inference.outputs import Summary, SummarySentence
from pitchey_inference.tasks.base import Answer, Request, Stop, Task, never
from pitchey_inference.tasks.splitting import SplitText, encode_sentences
from pitchey_inference.tasks.texts import TextParameters

__all__ = ["SummaryParameters", "SummaryTask", "centrality", "choose", "worth"]

_DEFAULT_SENTENCES = 3
# Both chosen on the tuning part of the evaluation set.
_LENGTH_WEIGHT = 0.5
_FULL_WORDS = 20


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
        split = encode_sentences(self.model, requests, stop)
        return [
            each if isinstance(each, PitcheyError) else _summary(each, request.parameters)
            for each, request in zip(split, requests, strict=True)
        ]


def _summary(split: SplitText, parameters: SummaryParameters) -> Summary:
    sentences, vectors = split.sentences, split.vectors
    scores = centrality(vectors)
    worths = worth(scores, [each.text for each in sentences])
    chosen = choose(vectors, worths, parameters.count(len(sentences)), parameters.diversity)
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
        input=split.report,
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


def worth(scores: Any, texts: Sequence[str]) -> Any:
    """What sentences are chosen by: their centrality, and up to 0.5 for their length (in full from 20 words on).

    Args:
        scores: Centrality of each sentence.
    """
    import numpy as np

    words = np.array([len(text.split()) for text in texts], np.float64)
    return np.asarray(scores, np.float64) + _LENGTH_WEIGHT * np.minimum(1, words / _FULL_WORDS)


def choose(vectors: Any, scores: Any, count: int, diversity: float) -> list[int]:
    """The numbers of the chosen sentences, best first; of equals the earlier one.

    Args:
        scores: What they are worth; scaled here, so that the best has 1.
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
