"""Labels of the job's own, by similarity: which label's embedding is nearest to the text's.

This is no entailment model: it knows what texts are about, and little of negation or degree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_validator

from pitchey_inference.outputs import ZeroShot
from pitchey_inference.tasks.base import Answer, Request, Stop, Task, never
from pitchey_inference.tasks.scores import no_numbers, ranked
from pitchey_inference.tasks.texts import TextParameters, merge_answers, prepare_texts, report_of

__all__ = ["ZeroShotParameters", "ZeroShotTask"]

_MOST_REMEMBERED = 4096


class ZeroShotParameters(TextParameters):
    """What a job may say.

    Attributes:
        labels: To choose from.
        template: A sentence around each label, with ``{}`` in its place.
        temperature: Scales the distribution: above 1 flattens, below 1 sharpens.
        top_k: Most labels in the answer.
    """

    labels: list[str] = Field(min_length=1, max_length=1000)
    template: str = Field("This is about {}.", max_length=500)
    temperature: float = Field(1.0, ge=0.001, le=1000, allow_inf_nan=False)
    top_k: int | None = Field(None, ge=1)

    @field_validator("labels")
    @classmethod
    def _distinct(cls, value: list[str]) -> list[str]:
        if any(not label.strip() for label in value):
            raise ValueError("a label is empty")
        if len(set(value)) != len(value):
            raise ValueError("a label is there twice")
        return value

    @field_validator("template")
    @classmethod
    def _has_place(cls, value: str) -> str:
        if "{}" not in value:
            raise ValueError("there is no {} for the label in it")
        return value


class ZeroShotTask(Task[ZeroShotParameters]):
    """Zero-shot classification by cosine similarity."""

    parameters = ZeroShotParameters

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._remembered: dict[str, Any] = {}

    def run(self, requests: Sequence[Request[ZeroShotParameters]], stop: Stop = never) -> list[Answer]:
        """See :meth:`~pitchey_inference.tasks.base.Task.run`."""
        import numpy as np

        encoder = self.model.encoder
        prepared = prepare_texts(self.model, encoder.tokens, requests)
        vectors = encoder.encode_tokens(prepared.rows, stop=stop)
        self._remember([_sentences(each.parameters) for each in prepared.requests], stop)
        found: list[Answer] = []
        for request, text, row, vector in zip(
            prepared.requests, prepared.texts, prepared.rows, vectors, strict=True
        ):
            if not np.isfinite(vector).all():
                found.append(no_numbers(self.model.manifest))
                continue
            answer = self._answer(request.parameters, vector)
            found.append(answer.model_copy(update={"input": report_of(text, row)}))
        return merge_answers(prepared, found)

    def _answer(self, parameters: ZeroShotParameters, vector: Any) -> ZeroShot:
        import numpy as np

        near = np.array([float(vector @ self._remembered[each]) for each in _sentences(parameters)])
        scaled = near / (self.model.manifest.temperature * parameters.temperature)
        weights = np.exp(scaled - scaled.max())
        best = ranked(weights / weights.sum(), parameters.labels, parameters.top_k)
        similarities = {
            label: round(float(value), 6) for label, value in zip(parameters.labels, near, strict=True)
        }
        return ZeroShot(label=best[0].label, score=best[0].score, labels=best, similarities=similarities)

    def _remember(self, wanted: Sequence[Sequence[str]], stop: Stop) -> None:
        if len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.clear()
        new = list(dict.fromkeys(each for group in wanted for each in group if each not in self._remembered))
        if new:
            for sentence, vector in zip(new, self.model.encoder.encode(new, stop=stop), strict=True):
                self._remembered[sentence] = vector


def _sentences(parameters: ZeroShotParameters) -> list[str]:
    return [parameters.template.replace("{}", label) for label in parameters.labels]
