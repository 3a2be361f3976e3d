"""The head of ``sentiment-v1`` as an ONNX graph."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from pitchey_inference.models.sentiment_v1.features import BUCKETS
from pitchey_inference.training.heads import Head

__all__ = ["head_graph"]

# Read by every ONNX Runtime that the plugin accepts.
_OPSET: Final = 17
_IR_VERSION: Final = 8


def head_graph(head: Head) -> bytes:
    """The graph of a head, the same bytes for the same head.

    Inputs are ``embedding`` (``float32[n, 384]``) and ``buckets`` (``int64[n, k]``, padded with ``BUCKETS``); the
    output ``logits`` (``float32[n, 2]``) is for negative and positive. Only standard operators, none on strings: those
    would need a locale.
    """
    from onnx import TensorProto, helper, numpy_helper  # type: ignore[import-not-found,import-untyped,unused-ignore]

    def constant(name: str, values: Any, dtype: Any) -> Any:
        return numpy_helper.from_array(np.ascontiguousarray(values, dtype), name)

    size = len(head.embedding)
    nodes = [
        helper.make_node("MatMul", ["embedding", "embedding_weights"], ["from_embedding"]),
        helper.make_node("Gather", ["table", "buckets"], ["gathered"]),
        helper.make_node("Cast", ["gathered"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["weights", "columns"], ["sum"], keepdims=1),
        helper.make_node("Less", ["buckets", "padding"], ["present"]),
        helper.make_node("Cast", ["present"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["ones", "columns"], ["count"], keepdims=1),
        # A text without words has no bucket, and a sum of 0.
        helper.make_node("Max", ["count", "one"], ["divisible"]),
        helper.make_node("Sqrt", ["divisible"], ["length"]),
        helper.make_node("Div", ["sum", "length"], ["normal"]),
        helper.make_node("Mul", ["normal", "scale"], ["from_words"]),
        helper.make_node("Add", ["from_embedding", "from_words"], ["both"]),
        helper.make_node("Add", ["both", "intercept"], ["score"]),
        # Two labels, half the score each way: their softmax is the logistic function of the score.
        helper.make_node("Mul", ["score", "signs"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "sentiment-v1",
        [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", size]),
            helper.make_tensor_value_info("buckets", TensorProto.INT64, ["n", "k"]),
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [
            constant("embedding_weights", head.embedding.reshape(size, 1), np.float32),
            constant("table", head.table, np.int8),
            constant("columns", [1], np.int64),
            constant("padding", BUCKETS, np.int64),
            constant("one", 1, np.float32),
            constant("scale", head.scale, np.float32),
            constant("intercept", head.intercept, np.float32),
            constant("signs", [[-0.5, 0.5]], np.float32),
        ],
    )
    model = helper.make_model(
        graph,
        producer_name="pitchey",
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    data: bytes = model.SerializeToString(deterministic=True)
    return data
