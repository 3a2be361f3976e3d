"""Labels for stretches of a text: names, places, whatever the model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from pitchey_core.errors import InputError
from pitchey_inference.outputs import Entity, TokenClassification
from pitchey_inference.runtime.batching import batches_by_length
from pitchey_inference.runtime.encoder import token_feeds
from pitchey_inference.runtime.tokens import Tokenized
from pitchey_inference.tasks.base import Answer, Request, Stop, Task, never
from pitchey_inference.tasks.scores import labels_of, probabilities
from pitchey_inference.tasks.text_classification import known_inputs, output_name
from pitchey_inference.tasks.texts import Prepared, TextParameters, merge_answers, prepare_texts, report_of

__all__ = ["TokenClassificationTask", "TokenParameters", "entities_of"]

_OUTSIDE = {"O", "LABEL_0"}


class TokenParameters(TextParameters):
    """What a job may say.

    Attributes:
        labels: Only these, without ``B-`` and ``I-``; default: all.
        threshold: Least score.
        temperature: Logits are divided by it.
    """

    labels: list[str] | None = Field(None, min_length=1)
    threshold: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)
    temperature: float = Field(1.0, ge=0.001, le=1000, allow_inf_nan=False)


class TokenClassificationTask(Task[TokenParameters]):
    """Token classification with BIO labels, joined into stretches."""

    parameters = TokenParameters

    def run(self, requests: Sequence[Request[TokenParameters]], stop: Stop = never) -> list[Answer]:
        """See :meth:`~pitchey_inference.tasks.base.Task.run`."""
        model = self.model
        prepared = prepare_texts(model, model.tokens, requests)
        scores = self._scores(prepared, stop)
        found: list[Answer] = []
        for request, text, row, raw in zip(
            prepared.requests, prepared.texts, prepared.rows, scores, strict=True
        ):
            labels = labels_of(model.manifest, raw.shape[-1])
            try:
                spread = probabilities(raw, model.manifest, request.parameters.temperature)
            except InputError as error:
                found.append(error)
                continue
            kept = [
                entity
                for entity in entities_of(text, row, spread, labels)
                if entity.score >= request.parameters.threshold
                and (request.parameters.labels is None or entity.label in request.parameters.labels)
            ]
            found.append(TokenClassification(entities=kept, input=report_of(text, row)))
        return merge_answers(prepared, found)

    def _scores(self, prepared: Prepared[TokenParameters], stop: Stop) -> list[Any]:
        model = self.model
        scores: list[Any] = [None] * len(prepared.rows)
        lengths = [len(row) for row in prepared.rows]
        if not lengths:
            return scores
        tokens = model.session.batch_tokens
        for batch in batches_by_length(lengths, max_rows=model.max_rows, max_tokens=tokens):
            feeds = token_feeds([prepared.rows[number] for number in batch], model.tokens.pad_id)
            name = output_name(model)
            (raw,) = model.session.run(known_inputs(feeds, model.session, model), [name], stop=stop)
            if raw.ndim != 3 or raw.shape[:2] != feeds["input_ids"].shape:
                raise InputError(
                    f"model {model.manifest.name!r} puts out {list(raw.shape)}; "
                    f"{[*feeds['input_ids'].shape, 'labels']} was expected"
                )
            for place, number in enumerate(batch):
                scores[number] = raw[place, : lengths[number]]
        return scores


def entities_of(text: str, row: Tokenized, spread: Any, labels: Sequence[str]) -> list[Entity]:
    """Join tokens into stretches. The first token of a word decides for the word; a word goes on with the one before
    if both have the same label and it does not begin a new one (``B-``).

    Args:
        spread: Probabilities, ``[tokens, labels]``.
    """
    found: list[_Stretch] = []
    current: _Stretch | None = None
    last_end = -1
    for number, (begin, end) in enumerate(row.offsets):
        if row.special[number] or end <= begin:
            continue
        score = float(spread[number].max())
        start = begin + len(text[begin:end]) - len(text[begin:end].lstrip())
        same_word = (
            start == last_end and text[start - 1 : start].isalnum() and text[start : start + 1].isalnum()
        )
        last_end = end
        if same_word:
            if current is not None:
                current.add(end, score)
            continue
        prefix, label = _parts(labels[int(spread[number].argmax())])
        if label in _OUTSIDE:
            current = None
        elif current is not None and label == current.label and prefix not in ("B", "S", "U"):
            current.add(end, score)
        else:
            current = _Stretch(label, start, end, [score])
            found.append(current)
    return [each.entity(text) for each in found]


@dataclass(slots=True)
class _Stretch:
    label: str
    start: int
    end: int
    scores: list[float]

    def add(self, end: int, score: float) -> None:
        self.end = end
        self.scores.append(score)

    def entity(self, text: str) -> Entity:
        mean = sum(self.scores) / len(self.scores)
        piece = text[self.start : self.end]
        return Entity(label=self.label, score=round(mean, 6), start=self.start, end=self.end, text=piece)


def _parts(label: str) -> tuple[str, str]:
    """``B-PER`` as ``B`` and ``PER``; a label without such a prefix as it is."""
    prefix, dash, rest = label.partition("-")
    return (prefix, rest) if dash and prefix in ("B", "I", "E", "S", "L", "U") else ("", label)
