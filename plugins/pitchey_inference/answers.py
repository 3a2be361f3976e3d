"""From answers to facts and artifacts: what is small stands in the facts, what is large in files."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pitchey_core.errors import PitcheyError
from pitchey_core.naming import portable_stem, stem_of
from pitchey_inference.outputs import Embedding, Failure, Output, Tensors, TensorValue
from pitchey_inference.tasks.base import Answer

if TYPE_CHECKING:
    from pitchey_core.context import JobContext
    from pitchey_inference.payload import InferencePayload

__all__ = ["Placed", "place"]

_INLINE_BYTES: Final = 128 * 1024
"""Answers up to this size, as JSON, stand in the facts (which may have twice as much)."""
_INLINE_VALUES: Final = 4096
"""Values of a tensor, likewise."""


class Placed:
    """Answers as the facts hold them.

    Attributes:
        artifact: Where they are, if not in ``outputs``.
    """

    def __init__(self, outputs: list[Output], artifact: str | None) -> None:
        self.outputs = outputs
        self.artifact = artifact


def place(answers: Sequence[Answer], payload: InferencePayload, job: JobContext, model: str) -> Placed:
    """Write what is large into artifacts.

    Raises:
        UsageError: Something is large, and the job has no output folder.
    """
    stem = _stem(payload, model)
    outputs = [
        Failure(error=answer.as_record()) if isinstance(answer, PitcheyError) else answer
        for answer in answers
    ]
    outputs = [_with_files(each, number, len(outputs), stem, job) for number, each in enumerate(outputs)]
    wants_npy = payload.all_parameters.get("format") == "npy"
    if any(isinstance(each, Embedding) for each in outputs) and (wants_npy or _size(outputs) > _INLINE_BYTES):
        outputs = _with_matrix(outputs, stem, job)
    if _size(outputs) <= _INLINE_BYTES:
        return Placed(outputs, None)
    name = f"{stem}-results.json"
    path = job.artifact(name, "application/json")
    with path.open("w", encoding="utf-8") as file:
        file.write("[\n")
        for number, each in enumerate(outputs):
            file.write(",\n" if number else "")
            json.dump(each.model_dump(mode="json"), file, ensure_ascii=False, allow_nan=False)
        file.write("\n]\n")
    return Placed([], name)


def _stem(payload: InferencePayload, model: str) -> str:
    if payload.output_name is not None:
        return portable_stem(payload.output_name)
    return stem_of(payload.input_url) if payload.input_url is not None else portable_stem(model)


def _size(outputs: Sequence[Output]) -> int:
    total = 0
    for each in outputs:
        total += len(each.model_dump_json())
        if total > _INLINE_BYTES:
            break
    return total


def _with_matrix(outputs: Sequence[Output], stem: str, job: JobContext) -> list[Output]:
    """All vectors in one file, row by row; a failed item's row is zeros."""
    import numpy as np

    size = next(each.size for each in outputs if isinstance(each, Embedding))
    matrix = np.zeros((len(outputs), size), np.float32)
    for number, each in enumerate(outputs):
        if isinstance(each, Embedding):
            matrix[number] = each.vector
    np.save(job.artifact(f"{stem}-embeddings.npy", "application/x-npy"), matrix, allow_pickle=False)
    return [
        each.model_copy(update={"vector": None}) if isinstance(each, Embedding) else each for each in outputs
    ]


def _with_files(output: Output, number: int, count: int, stem: str, job: JobContext) -> Output:
    if not isinstance(output, Tensors):
        return output
    values = {}
    middle = f"-{number:05}" if count > 1 else ""
    taken: set[str] = set()
    for name, value in output.outputs.items():
        # Names of outputs may differ by what names of files cannot keep.
        part = base = portable_stem(name)
        for further in itertools.count(2):
            if part.casefold() not in taken:
                break
            part = f"{base}-{further}"
        taken.add(part.casefold())
        values[name] = _told(value, f"{stem}{middle}-{part}.npy", job)
    return output.model_copy(update={"outputs": values})


def _as_text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _told(value: TensorValue, name: str, job: JobContext) -> TensorValue:
    import numpy as np

    array: Any = value.data
    if array.dtype.kind in "OUS":
        return value.model_copy(update={"data": np.frompyfunc(_as_text, 1, 1)(array).tolist()})
    finite = array.dtype.kind in "biu" or bool(np.isfinite(array).all())
    if array.size <= _INLINE_VALUES and finite:
        return value.model_copy(update={"data": array.tolist()})
    # JSON knows no NaN.
    np.save(job.artifact(name, "application/x-npy"), array, allow_pickle=False)
    return value.model_copy(update={"data": None, "artifact": name})
