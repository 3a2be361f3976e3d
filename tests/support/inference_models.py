"""Small models for tests, made with the ``onnx`` package: good ones, and hostile ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = [
    "add_model",
    "endless_model",
    "external_model",
    "hub_classifier",
    "hub_tagger",
    "image_classifier",
    "model_of",
    "nested_model",
    "save",
    "sha256",
    "tokenizer_json",
    "write_manifest",
]

WORDS = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "good",
    "bad",
    "film",
    "berlin",
    "anna",
    "in",
    "lives",
    ",",
    "the",
    "very",
)
Info = onnx.ValueInfoProto


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Info],
    outputs: Sequence[Info],
    tensors: Mapping[str, Any] | None = None,
    *,
    domains: Sequence[str] = (),
    functions: Sequence[onnx.FunctionProto] = (),
) -> onnx.ModelProto:
    """A model of some nodes."""
    initializers = [
        numpy_helper.from_array(np.asarray(array), name) for name, array in (tensors or {}).items()
    ]
    graph = helper.make_graph(list(nodes), "graph", list(inputs), list(outputs), initializers)
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=opsets, functions=list(functions))
    model.ir_version = 8
    return model


def save(model: onnx.ModelProto, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def tensor(name: str, kind: int = TensorProto.FLOAT, shape: Sequence[int | str] = ("n", 3)) -> Info:
    return helper.make_tensor_value_info(name, kind, list(shape))


def add_model(kind: int = TensorProto.FLOAT, shape: Sequence[int | str] = ("n", 3)) -> onnx.ModelProto:
    """``y = x + x``."""
    return model_of(
        [helper.make_node("Add", ["x", "x"], ["y"])], [tensor("x", kind, shape)], [tensor("y", kind, shape)]
    )


def endless_model() -> onnx.ModelProto:
    """A Loop whose condition stays true for 2**62 rounds."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["cond_in"], ["cond_out"]),
            helper.make_node("Sin", ["v_in"], ["v_out"]),
        ],
        "body",
        [tensor("i", TensorProto.INT64, []), tensor("cond_in", TensorProto.BOOL, []), tensor("v_in")],
        [tensor("cond_out", TensorProto.BOOL, []), tensor("v_out")],
    )
    loop = helper.make_node("Loop", ["rounds", "go", "x"], ["y"], body=body)
    return model_of([loop], [tensor("x")], [tensor("y")], {"rounds": np.int64(2**62), "go": np.array(True)})


def nested_model(depth: int) -> onnx.ModelProto:
    """``If`` within ``If`` within …"""
    branch = helper.make_graph([helper.make_node("Identity", ["x"], ["b0"])], "b", [], [tensor("b0")])
    for level in range(1, depth):
        node = helper.make_node("If", ["c"], [f"b{level}"], then_branch=branch, else_branch=branch)
        branch = helper.make_graph([node], "b", [], [tensor(f"b{level}")])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    return model_of([node], [tensor("x")], [tensor("y")], {"c": np.array(True)})


def external_model(location: str, values: Any = None) -> onnx.ModelProto:
    """``y = x + w``, where ``w`` is kept in another file."""
    values = np.arange(3, dtype=np.float32) if values is None else values
    model = model_of([helper.make_node("Add", ["x", "w"], ["y"])], [tensor("x")], [tensor("y")])
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", str(values.nbytes))):
        weight.external_data.add(key=key, value=value)
    model.graph.initializer.append(weight)
    return model


def tokenizer_json() -> str:
    """Whole words, with the special tokens of BERT around them."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    table = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    # As many files of the hub have it; it must not be used.
    tokenizer.enable_padding(length=64, pad_id=0, pad_token="[PAD]")
    return tokenizer.to_str()


def _classifier(table: Any) -> onnx.ModelProto:
    """The sum of the scores of the words: ``table[words, labels]``."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["scores"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "axis"], ["mask3"]),
        helper.make_node("Mul", ["scores", "mask3"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "one"], ["logits"], keepdims=0),
    ]
    ids = [tensor(name, TensorProto.INT64, ("b", "s")) for name in ("input_ids", "attention_mask")]
    weights = {"table": table, "axis": np.array([2]), "one": np.array([1])}
    return model_of(nodes, ids, [tensor("logits", shape=("b", 2))], weights)


def hub_classifier(folder: Path, *, labels: Sequence[str] = ("negative", "positive")) -> Path:
    """A text classifier in the layout of the hub: "good" is positive, "bad" negative."""
    table = np.zeros((len(WORDS), 2), np.float32)
    table[WORDS.index("good")] = (0, 2)
    table[WORDS.index("bad")] = (2, 0)
    save(_classifier(table), folder / "onnx" / "model.onnx")
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "max_position_embeddings": 16,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(tokenizer_json())
    return folder


def hub_tagger(folder: Path) -> Path:
    """A token classifier: "anna" is a person, "berlin" a place."""
    labels = ("O", "B-PER", "B-LOC", "I-LOC")
    table = np.zeros((len(WORDS), 4), np.float32)
    table[:, 0] = 4
    table[WORDS.index("anna")] = (0, 8, 0, 0)
    table[WORDS.index("berlin")] = (0, 0, 8, 0)
    ids = [tensor("input_ids", TensorProto.INT64, ("b", "s"))]
    node = helper.make_node("Gather", ["table", "input_ids"], ["logits"])
    save(
        model_of([node], ids, [tensor("logits", shape=("b", "s", 4))], {"table": table}),
        folder / "model.onnx",
    )
    config = {
        "architectures": ["BertForTokenClassification"],
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "max_position_embeddings": 16,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(tokenizer_json())
    return folder


def image_classifier(folder: Path) -> Path:
    """Which of red, green and blue a picture has most of."""
    nodes = [helper.make_node("ReduceMean", ["pixels"], ["logits"], axes=[2, 3], keepdims=0)]
    pixels = tensor("pixels", shape=("b", 3, 8, 8))
    save(model_of(nodes, [pixels], [tensor("logits", shape=("b", 3))]), folder / "model.onnx")
    write_manifest(
        folder,
        name="colours",
        task="image-classification",
        labels=["red", "green", "blue"],
        files={"model": {"path": "model.onnx", "sha256": sha256(folder / "model.onnx")}},
        image={"size": [8, 8]},
    )
    return folder


def write_manifest(folder: Path, **table: Any) -> Path:
    """A ``model.toml``; JSON values are TOML values, but for tables."""
    lines: list[str] = []
    later: list[str] = []
    for key, value in table.items():
        if isinstance(value, dict):
            later.append(f"[{key}]")
            later += [f"{name} = {_toml(each)}" for name, each in value.items()]
        else:
            lines.append(f"{key} = {_toml(value)}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.toml"
    path.write_text("\n".join([*lines, *later, ""]))
    return path


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + " }"
    return json.dumps(value)
