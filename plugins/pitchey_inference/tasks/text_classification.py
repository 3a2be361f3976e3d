"""A label for a text: a fine-tuned transformer, or a small head on the embedding of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from pitchey_core.errors import InputError
from pitchey_inference.outputs import TextClassification
from pitchey_inference.runtime.batching import batches_by_length
from pitchey_inference.runtime.encoder import token_feeds
from pitchey_inference.runtime.model import Model
from pitchey_inference.runtime.sessions import Session, TensorSpec
from pitchey_inference.tasks.base import Answer, Request, Stop, Task, never
from pitchey_inference.tasks.scores import labels_of, probabilities, ranked
from pitchey_inference.tasks.texts import Prepared, TextParameters, merge_answers, prepare_texts, report_of

__all__ = ["ClassificationParameters", "TextClassificationTask", "classifier_rows", "head_feeds"]


class ClassificationParameters(TextParameters):
    """What a job may say to a classifier.

    Attributes:
        temperature: Logits are divided by it, after the model's own calibration: above 1 flattens.
        top_k: Most labels in the answer.
    """

    temperature: float = Field(1.0, ge=0.001, le=1000, allow_inf_nan=False)
    top_k: int | None = Field(None, ge=1)


class TextClassificationTask(Task[ClassificationParameters]):
    """Text classification."""

    parameters = ClassificationParameters

    def run(self, requests: Sequence[Request[ClassificationParameters]], stop: Stop = never) -> list[Answer]:
        """See :meth:`~pitchey_inference.tasks.base.Task.run`."""
        model = self.model
        tokens = model.encoder.tokens if model.manifest.encoder is not None else model.tokens
        prepared = prepare_texts(model, tokens, requests)
        if not prepared.rows:
            return merge_answers(prepared, [])
        raw = classifier_rows(model, prepared, stop)
        labels = labels_of(model.manifest, raw.shape[-1])
        found: list[Answer] = []
        for request, text, row, values in zip(
            prepared.requests, prepared.texts, prepared.rows, raw, strict=True
        ):
            try:
                distribution = probabilities(values, model.manifest, request.parameters.temperature)
            except InputError as error:
                found.append(error)
                continue
            best = ranked(distribution, labels, request.parameters.top_k)
            found.append(
                TextClassification(
                    label=best[0].label, score=best[0].score, labels=best, input=report_of(text, row)
                )
            )
        return merge_answers(prepared, found)


def classifier_rows(model: Model, prepared: Prepared[Any], stop: Stop) -> Any:
    """What the classifier puts out, ``[texts, labels]``."""
    import numpy as np

    if model.manifest.encoder is not None:
        vectors = model.encoder.encode_tokens(prepared.rows, stop=stop)
        feeds = head_feeds(model, vectors, prepared.texts)
        (raw,) = model.session.run(feeds, [output_name(model)], stop=stop)
        return _checked(raw, model, len(prepared.rows))
    rows: list[Any] = [None] * len(prepared.rows)
    lengths = [len(row) for row in prepared.rows]
    for batch in batches_by_length(lengths, max_rows=model.max_rows, max_tokens=model.session.batch_tokens):
        feeds = known_inputs(
            token_feeds([prepared.rows[number] for number in batch], model.tokens.pad_id),
            model.session,
            model,
        )
        (raw,) = model.session.run(feeds, [output_name(model)], stop=stop)
        for number, values in zip(batch, _checked(raw, model, len(batch)), strict=True):
            rows[number] = values
    return np.stack(rows)


def head_feeds(model: Model, vectors: Any, texts: Sequence[str]) -> dict[str, Any]:
    """The inputs of a head: the embedding for its ``float32`` input, the text for its string input, and for the
    others what the model's features function makes of the texts.

    Raises:
        InputError: It has an input that nothing fills.
    """
    import numpy as np

    session: Session = model.session
    feeds: dict[str, Any] = {}
    further = model.features(texts) if model.features is not None else {}
    for name, spec in session.inputs.items():
        if name in further:
            feeds[name] = further[name]
        elif spec.dtype == "float32" and len(spec.shape) == 2:
            if isinstance(spec.shape[1], int) and spec.shape[1] != vectors.shape[1]:
                raise InputError(
                    f"model {model.manifest.name!r} takes {spec}; its encoder makes {vectors.shape[1]} numbers",
                    remedy="name the encoder that it was trained on: encoder.model in model.toml",
                )
            feeds[name] = vectors
        elif spec.dtype == "str":
            column = np.array(texts, object)
            feeds[name] = column.reshape(-1, 1) if len(spec.shape) == 2 else column
        else:
            raise InputError(f"model {model.manifest.name!r} has an input that nothing here fills: {spec}")
    return feeds


def known_inputs(feeds: dict[str, Any], session: Session, model: Model) -> dict[str, Any]:
    """Those of the feeds that the model takes.

    Raises:
        InputError: It takes another one.
    """
    missing = [str(spec) for name, spec in session.inputs.items() if name not in feeds]
    if missing:
        raise InputError(
            f"model {model.manifest.name!r} has inputs that a text model does not have: {', '.join(missing)}",
            remedy='for named tensors of your own: task = "tensors"',
        )
    return {name: array for name, array in feeds.items() if name in session.inputs}


def output_name(model: Model) -> str:
    """The output that holds the scores: the manifest's, else ``logits``, else the first with floats in it.

    Raises:
        InputError: There is none of the manifest's name, or none with floats.
    """
    outputs: dict[str, TensorSpec] = model.session.outputs
    stated = model.manifest.output.name
    if stated is not None:
        if stated not in outputs:
            raise InputError(f"model {model.manifest.name!r} has no output {stated!r}", remedy=_has(outputs))
        return stated
    if "logits" in outputs:
        return "logits"
    for name, spec in outputs.items():
        if spec.dtype.startswith("float"):
            return name
    raise InputError(f"model {model.manifest.name!r} puts out no scores", remedy=_has(outputs))


def _has(outputs: Any) -> str:
    return "it has: " + ", ".join(str(spec) for spec in outputs.values())


def _checked(raw: Any, model: Model, rows: int) -> Any:
    if raw.ndim == 1 and len(raw) == rows:
        return raw.reshape(-1, 1)
    if raw.ndim != 2 or len(raw) != rows:
        raise InputError(
            f"model {model.manifest.name!r} puts out {list(raw.shape)} for {rows} texts; [{rows}, labels] was expected",
            remedy="name the right output: output.name in model.toml",
        )
    return raw
