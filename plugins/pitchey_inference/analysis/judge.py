"""The judge of sentiment that an analysis uses: any text classifier with a label ``positive``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pitchey_core.errors import InputError
from pitchey_inference.outputs import TextClassification
from pitchey_inference.runtime.model import Model
from pitchey_inference.tasks.base import Request, TextItem
from pitchey_inference.tasks.scores import labels_of, probabilities
from pitchey_inference.tasks.text_classification import (
    ClassificationParameters,
    TextClassificationTask,
    head_feeds,
    output_name,
)

if TYPE_CHECKING:
    from pitchey_inference.analysis.labels import Vectors
    from pitchey_inference.analysis.pitch import Judge

__all__ = ["judge_of"]

_POSITIVE = "positive"


def judge_of(model: Model, encoder: str = "minilm") -> Judge:
    """A judge from a text classifier.

    A head on the encoder that the analysis uses anyway costs next to nothing: it gets the vectors that are there. Any
    other classifier, such as a fine-tuned transformer in the place of ``sentiment-v1``, reads the sentences itself.

    Args:
        encoder: Name of the encoder that the vectors come from.
    """
    if model.manifest.encoder is not None and model.manifest.encoder.model == encoder:
        return lambda texts, vectors: _by_head(model, texts, vectors)
    task = TextClassificationTask(model)
    return lambda texts, _vectors: _by_task(task, texts)


def _by_head(model: Model, texts: Sequence[str], vectors: Vectors) -> list[float]:
    (raw,) = model.session.run(head_feeds(model, vectors, texts), [output_name(model)])
    labels = [label.lower() for label in labels_of(model.manifest, raw.shape[-1])]
    if _POSITIVE not in labels:
        raise _no_positive(model, labels)
    shares = probabilities(raw, model.manifest, 1.0)
    found: list[float] = shares[:, labels.index(_POSITIVE)].tolist()
    return found


def _by_task(task: TextClassificationTask, texts: Sequence[str]) -> list[float]:
    requests = [Request(TextItem(text, "a sentence"), ClassificationParameters()) for text in texts]
    found = []
    for answer in task.run(requests):
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, TextClassification)
        shares = {each.label.lower(): each.score for each in answer.labels}
        if _POSITIVE not in shares:
            raise _no_positive(task.model, list(shares))
        found.append(shares[_POSITIVE])
    return found


def _no_positive(model: Model, labels: Sequence[str]) -> InputError:
    return InputError(
        f"model {model.manifest.name!r} has no label {_POSITIVE!r}; it has: {', '.join(labels)}",
        remedy="labels in model.toml say how a model's outputs are called",
    )
