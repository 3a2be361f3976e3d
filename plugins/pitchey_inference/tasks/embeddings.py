"""The vector of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from pitchey_inference.outputs import Embedding
from pitchey_inference.tasks.base import Answer, Request, Stop, Task, never
from pitchey_inference.tasks.scores import no_numbers
from pitchey_inference.tasks.texts import TextParameters, merge_answers, prepare_texts, report_of

__all__ = ["EmbeddingParameters", "EmbeddingTask"]


class EmbeddingParameters(TextParameters):
    """What a job may say.

    Attributes:
        format: Where the vectors go: ``json`` into the result (into an artifact where they are many), ``npy`` into an
            artifact ``float32[items, size]``.
    """

    format: Literal["json", "npy"] = Field("json")


class EmbeddingTask(Task[EmbeddingParameters]):
    """Embeddings: mean over the tokens, length one (or as the manifest says)."""

    parameters = EmbeddingParameters

    def run(self, requests: Sequence[Request[EmbeddingParameters]], stop: Stop = never) -> list[Answer]:
        """See :meth:`~pitchey_inference.tasks.base.Task.run`."""
        import numpy as np

        encoder = self.model.encoder
        prepared = prepare_texts(self.model, encoder.tokens, requests)
        vectors = encoder.encode_tokens(prepared.rows, stop=stop)
        found: list[Answer] = [
            Embedding(
                size=len(vector),
                vector=[round(value, 7) for value in vector.tolist()],
                input=report_of(text, row),
            )
            if np.isfinite(vector).all()
            else no_numbers(self.model.manifest)
            for text, row, vector in zip(prepared.texts, prepared.rows, vectors, strict=True)
        ]
        return merge_answers(prepared, found)
