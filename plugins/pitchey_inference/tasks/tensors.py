"""Any model at all: named tensors in, named tensors out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from pitchey_core.errors import InputError, PitcheyError, UnknownName
from pitchey_inference.outputs import Tensors, TensorValue
from pitchey_inference.runtime.sessions import TensorSpec
from pitchey_inference.tasks.base import Answer, Parameters, Request, Stop, Task, TensorItem, never

__all__ = ["TensorParameters", "TensorTask", "as_array"]


_MAX_ROWS = 64
"""Most items of one run. Weights that no cache holds are read once for all of them: 57 MB of dense layers do 7 times
as many items a second at 64 as one by one (AMD EPYC, one thread)."""


class TensorParameters(Parameters):
    """What a job may say.

    Attributes:
        outputs: Which outputs to compute; default: all.
    """

    outputs: list[str] | None = Field(None, min_length=1)


class TensorTask(Task[TensorParameters]):
    """Raw tensors. Items run together only where the manifest says that the model's first axis is the item
    (``dynamic_batches = true``): of an unknown graph nobody can tell."""

    parameters = TensorParameters
    accepts = (TensorItem,)

    def run(self, requests: Sequence[Request[TensorParameters]], stop: Stop = never) -> list[Answer]:
        """See :meth:`~pitchey_inference.tasks.base.Task.run`."""
        answers: list[Answer | None] = [None] * len(requests)
        ready: list[tuple[int, dict[str, Any], tuple[str, ...]]] = []
        for number, request in enumerate(requests):
            try:
                assert isinstance(request.item, TensorItem)
                ready.append((number, self._feeds(request.item), self._outputs(request.parameters)))
            except PitcheyError as error:
                answers[number] = error
        for group in self._groups(ready):
            self._run_group(group, answers, stop)
        return [answer for answer in answers if answer is not None]

    def _feeds(self, item: TensorItem) -> dict[str, Any]:
        """The item's tensors as arrays of the model's types and shapes.

        Raises:
            UnknownName: The model has no such input.
            InputError: One is missing, or does not fit; the message says what was expected and what came.
        """
        inputs = self.model.session.inputs
        for name in item.tensors:
            if name not in inputs:
                raise UnknownName(f"input of model {self.model.manifest.name!r}:", name, inputs)
        missing = [str(spec) for name, spec in inputs.items() if name not in item.tensors]
        if missing:
            raise InputError(f"{item.shown}: missing: {', '.join(missing)}")
        return {name: as_array(item.tensors[name], spec) for name, spec in inputs.items()}

    def _outputs(self, parameters: TensorParameters) -> tuple[str, ...]:
        known = self.model.session.outputs
        for name in parameters.outputs or ():
            if name not in known:
                raise UnknownName(f"output of model {self.model.manifest.name!r}:", name, known)
        wanted = tuple(parameters.outputs or known)
        others = [str(known[name]) for name in wanted if "(" in known[name].dtype]
        if others:
            raise InputError(
                f"model {self.model.manifest.name!r} puts out what is no tensor: {', '.join(others)}",
                remedy='name the others: parameters = {"outputs": […]}',
            )
        return wanted

    def _groups(
        self, ready: Sequence[tuple[int, dict[str, Any], tuple[str, ...]]]
    ) -> list[list[tuple[int, dict[str, Any], tuple[str, ...]]]]:
        if not self._stacks():
            return [[each] for each in ready]
        by_kind: dict[Any, list[tuple[int, dict[str, Any], tuple[str, ...]]]] = {}
        for each in ready:
            _, feeds, outputs = each
            rows = {array.shape[:1] for array in feeds.values()}
            shapes = tuple((name, array.shape[1:]) for name, array in sorted(feeds.items()))
            alone = each[0] if len(rows) != 1 else -1
            by_kind.setdefault((shapes, outputs, alone), []).append(each)
        return [
            group[at : at + _MAX_ROWS] for group in by_kind.values() for at in range(0, len(group), _MAX_ROWS)
        ]

    def _stacks(self) -> bool:
        session = self.model.session
        specs = [*session.inputs.values(), *session.outputs.values()]
        free = all(spec.shape and not isinstance(spec.shape[0], int) for spec in specs)
        return bool(self.model.manifest.dynamic_batches) and free

    def _run_group(
        self,
        group: Sequence[tuple[int, dict[str, Any], tuple[str, ...]]],
        answers: list[Answer | None],
        stop: Stop,
    ) -> None:
        import numpy as np

        outputs = group[0][2]
        rows = [next(iter(feeds.values())).shape[0] if feeds else 0 for _, feeds, _ in group]
        try:
            if len(group) == 1:
                feeds = group[0][1]
            else:
                feeds = {name: np.concatenate([each[1][name] for each in group]) for name in group[0][1]}
            found = self.model.session.run(feeds, list(outputs), stop=stop)
        except InputError as error:
            if len(group) == 1:
                answers[group[0][0]] = error
                return
            # One of them is what it fails on: each alone, so that the others get through.
            for each in group:
                self._run_group([each], answers, stop)
            return
        if len(group) == 1:
            answers[group[0][0]] = _told(outputs, found)
            return
        if any(len(array) != sum(rows) for array in found):
            raise InputError(
                f"model {self.model.manifest.name!r} does not keep the first axis for the item",
                remedy="dynamic_batches = false in model.toml",
            )
        at = 0
        kinds = [_dtype(array) for array in found]
        for each, count in zip(group, rows, strict=True):
            answers[each[0]] = _told(outputs, [array[at : at + count] for array in found], kinds)
            at += count


_KNOWN_DTYPES = (
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
    "str",
)  # fmt: skip


def _told(names: Sequence[str], arrays: Sequence[Any], kinds: Sequence[str] | None = None) -> Tensors:
    return Tensors(
        outputs={
            # Nothing to validate: an array came out of the runtime, not from outside.
            name: TensorValue.model_construct(dtype=kind, shape=list(array.shape), data=array)
            for name, array, kind in zip(names, arrays, kinds or map(_dtype, arrays), strict=True)
        }
    )


def _dtype(array: Any) -> str:
    return "str" if array.dtype.kind in "OUS" else str(array.dtype)


def as_array(value: Any, spec: TensorSpec) -> Any:
    """A tensor as the model wants it.

    Args:
        value: An array, nested lists, or ``{"data": …, "dtype": …, "shape": …}``.

    Raises:
        InputError: Its type or shape does not fit.
    """
    import numpy as np

    shape = None
    dtype = None
    if isinstance(value, Mapping):
        known = {"data", "dtype", "shape"}
        for key in value:
            if key not in known:
                raise UnknownName(f"field of the tensor {spec.name!r}:", str(key), known)
        dtype, shape, value = value.get("dtype"), value.get("shape"), value.get("data")
    if spec.dtype == "bfloat16" or "(" in spec.dtype:
        raise InputError(f"the model's input {spec} cannot be given from outside")
    if dtype is not None and dtype not in _KNOWN_DTYPES:
        raise InputError(
            f"tensor {spec.name!r}: {str(dtype)[:80]!r} is no type of tensors",
            remedy=f"one of: {', '.join(_KNOWN_DTYPES)}",
        )
    try:
        array = (
            value if isinstance(value, np.ndarray) else np.array(value, dtype if dtype != "str" else object)
        )
        if shape is not None:
            array = array.reshape(shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"tensor {spec.name!r}: {error}", remedy=f"expected {spec}") from None
    return _fitted(array, spec)


def _fitted(array: Any, spec: TensorSpec) -> Any:
    """Cast where no value changes: whole numbers to integers that hold them, numbers to floats."""
    import numpy as np

    fits = len(array.shape) == len(spec.shape) and all(
        not isinstance(want, int) or want == have for want, have in zip(spec.shape, array.shape, strict=True)
    )
    if fits and spec.dtype != "str" and array.dtype == spec.dtype:
        return array
    mismatch = InputError(f"tensor {spec.name!r}: expected {spec}, got {_dtype(array)}{list(array.shape)}")
    if not fits:
        raise mismatch
    if spec.dtype == "str":
        if array.dtype.kind not in "US" and not all(isinstance(each, str) for each in array.ravel()):
            raise mismatch
        return array.astype(object)
    want = np.dtype(spec.dtype)
    if array.dtype.kind not in "biuf" or (want.kind == "b") != (array.dtype.kind == "b"):
        raise mismatch
    if want.kind in "iu":
        low, high = np.iinfo(want).min, np.iinfo(want).max
        if array.dtype.kind == "f" or (array.size and not (low <= array.min() and array.max() <= high)):
            raise mismatch
    with np.errstate(over="ignore"):
        cast = array.astype(want)
    if want.kind == "f" and not np.array_equal(np.isfinite(cast), np.isfinite(array)):
        raise mismatch
    return cast
