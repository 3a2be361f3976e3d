"""What is in an ONNX file: read from its bytes, as the messages of ``onnx.proto3`` say, without the runtime.

Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
"""

from __future__ import annotations

import math
from collections import ChainMap, Counter
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pitchey_inference.checks.wire import Damaged, fields, varints

__all__ = ["ELEMENT_BYTES", "ExternalTensor", "Survey", "survey"]

MAX_DEPTH: Final = 64
"""Graphs within graphs; deeper is not looked at, and so refused."""

ELEMENT_BYTES: Final = {
    1: 4.0, 2: 1.0, 3: 1.0, 4: 2.0, 5: 2.0, 6: 4.0, 7: 8.0, 8: 1.0, 9: 1.0, 10: 2.0, 11: 8.0, 12: 4.0, 13: 8.0,
    14: 8.0, 15: 16.0, 16: 2.0, 17: 1.0, 18: 1.0, 19: 1.0, 20: 1.0, 21: 0.5, 22: 0.5, 23: 0.5, 24: 1.0,
}  # fmt: skip
"""Bytes of an element by ``TensorProto.DataType``."""

_EXTERNAL: Final = 1
Shapes: TypeAlias = MutableMapping[str, list[int]]
_RANGE_QUANTISED: Final = {"DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"}
_SHAPED_BY_INPUT: Final = {"ConstantOfShape": 0, "Expand": 1, "RandomNormal": -1, "RandomUniform": -1}


@dataclass(frozen=True, slots=True)
class ExternalTensor:
    """A tensor whose content is in another file."""

    tensor: str
    location: str


@dataclass(slots=True)
class Survey:
    """Counts over the whole file, with all graphs within graphs and all functions.

    Attributes:
        nodes: Number of operators.
        operators: How often each occurs; ``domain::name`` outside of the standard domain.
        domains: Of operators and imports; the standard one is ``""``.
        own_domains: Those of functions that the file itself defines.
        loops: Number of Loop and Scan.
        depth: Of graphs within graphs; 1: there are none.
        largest_tensor, tensor_bytes: Declared bytes of stored tensors: of the largest, and of all.
        requested_bytes: Largest tensor that the graph makes out of a stored shape.
        external: Tensors that are kept in other files.
        quantises_by_range: Results of a row depend on the other rows of its run.
    """

    nodes: int = 0
    operators: Counter[str] = field(default_factory=Counter)
    domains: set[str] = field(default_factory=set)
    own_domains: set[str] = field(default_factory=set)
    loops: int = 0
    depth: int = 0
    largest_tensor: int = 0
    tensor_bytes: int = 0
    requested_bytes: int = 0
    external: list[ExternalTensor] = field(default_factory=list)

    @property
    def quantises_by_range(self) -> bool:
        return any(name.rpartition("::")[2] in _RANGE_QUANTISED for name in self.operators)


def survey(data: bytes) -> Survey:
    """Look through an ONNX file.

    Raises:
        Damaged: It is none.
    """
    reader = _Reader()
    for number, value in fields(memoryview(data)):
        if number == 7:
            reader.graph(_message(value), 1)
        elif number == 8:
            reader.opset(_message(value))
        elif number == 20:
            for part, graph in fields(_message(value)):
                if part in (1, 2):
                    reader.graph(_message(graph), 1)
        elif number == 25:
            reader.function(_message(value))
    if reader.found.depth == 0:
        raise Damaged("there is no graph in it")
    return reader.found


class _Reader:
    def __init__(self) -> None:
        self.found = Survey()

    def opset(self, data: memoryview) -> None:
        self.found.domains.add(next((_text(value) for number, value in fields(data) if number == 1), ""))

    def function(self, data: memoryview) -> None:
        domain = ""
        for number, value in fields(data):
            if number == 7:
                self.node(_message(value), 1, {})
            elif number == 9:
                self.opset(_message(value))
            elif number == 10:
                domain = _text(value)
            elif number == 11:
                self.attribute(_message(value), 1, {}, {})
        self.found.own_domains.add(domain)

    def graph(self, data: memoryview, depth: int, outer: Shapes | None = None) -> None:
        if depth > MAX_DEPTH:
            raise Damaged(f"graphs are nested more than {MAX_DEPTH} deep")
        self.found.depth = max(self.found.depth, depth)
        # A graph within a graph sees what is around it.
        shapes: Shapes = ChainMap({}, outer or {})
        nodes: list[memoryview] = []
        for number, value in fields(data):
            if number == 1:
                nodes.append(_message(value))
            elif number == 5:
                self.tensor(_message(value), shapes)
            elif number == 15:
                self.sparse(_message(value))
        for node in nodes:
            self.node(node, depth, shapes)

    def node(self, data: memoryview, depth: int, shapes: Shapes) -> None:
        inputs: list[str] = []
        outputs: list[str] = []
        operator = domain = ""
        constants: Shapes = {}
        for number, value in fields(data):
            if number == 1:
                inputs.append(_text(value))
            elif number == 2:
                outputs.append(_text(value))
            elif number == 4:
                operator = _text(value)
            elif number == 7:
                domain = _text(value)
            elif number == 5:
                self.attribute(_message(value), depth, constants, shapes)
        found = self.found
        found.nodes += 1
        found.operators[f"{domain}::{operator}" if domain not in ("", "ai.onnx") else operator] += 1
        found.domains.add(domain)
        found.loops += operator in ("Loop", "Scan")
        if operator == "Constant" and outputs:
            for each in constants.values():
                shapes[outputs[0]] = each
        at = _SHAPED_BY_INPUT.get(operator)
        if at is not None:
            wanted = constants.get("shape") if at < 0 else shapes.get(inputs[at] if at < len(inputs) else "")
            self.request(wanted or [])

    def request(self, shape: list[int]) -> None:
        # 8 bytes: the largest element that such an operator makes.
        size = 8 * math.prod(max(0, each) for each in shape) if shape else 0
        self.found.requested_bytes = max(self.found.requested_bytes, size)

    def attribute(
        self,
        data: memoryview,
        depth: int,
        constants: Shapes,
        outer: Shapes,
    ) -> None:
        name = ""
        integers: list[int] = []
        for number, value in fields(data):
            if number == 1:
                name = _text(value)
            elif number in (5, 10):
                self.tensor(_message(value), constants)
            elif number in (6, 11):
                self.graph(_message(value), depth + 1, outer)
            elif number in (22, 23):
                self.sparse(_message(value))
            elif number == 8 and len(integers) <= 64:
                integers.extend(varints(value))
        if integers:
            constants[name] = integers

    def sparse(self, data: memoryview) -> None:
        dims: list[int] = []
        for number, value in fields(data):
            if number in (1, 2):
                self.tensor(_message(value), {})
            elif number == 3:
                dims.extend(varints(value))
        self.declare(dims, 8.0)

    def tensor(self, data: memoryview, shapes: Shapes) -> None:
        dims: list[int] = []
        kind = location = 0
        name = ""
        raw: memoryview | None = None
        integers: list[int] = []
        places: list[str] = []
        for number, value in fields(data):
            if number == 1:
                dims.extend(varints(value))
            elif number == 2:
                kind = value if isinstance(value, int) else 0
            elif number == 7 and len(integers) <= 64:
                integers.extend(varints(value))
            elif number == 8:
                name = _text(value)
            elif number == 9:
                raw = _message(value)
            elif number == 13:
                entry = {part: _text(each) for part, each in fields(_message(value))}
                if entry.get(1) == "location":
                    places.append(entry.get(2, ""))
            elif number == 14:
                location = value if isinstance(value, int) else 0
        self.declare(dims, ELEMENT_BYTES.get(kind, 8.0))
        if location == _EXTERNAL or places:
            # All that it names: which of them the runtime takes is the runtime's to know.
            self.found.external += [ExternalTensor(name, each) for each in places or [""]]
        elif kind == 7 and len(dims) <= 1 and (dims[0] if dims else 1) <= 64:
            # A short list of integers may be a shape.
            content = raw[:512].tobytes() if raw is not None else b""
            given = [
                int.from_bytes(content[at : at + 8], "little", signed=True)
                for at in range(0, len(content), 8)
            ]
            shapes[name] = given or integers

    def declare(self, dims: list[int], element: float) -> None:
        if any(dim < 0 for dim in dims):
            raise Damaged("a tensor has a negative size")
        size = math.ceil(math.prod(dims) * element)
        self.found.largest_tensor = max(self.found.largest_tensor, size)
        self.found.tensor_bytes += size


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise Damaged("a number stands where a message belongs")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode("utf-8", "replace")
