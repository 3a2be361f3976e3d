"""Inputs that break things: each fails by itself, with its own error, and whoever shares its batch is served."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inference_models import (
    WORDS,
    add_model,
    hub_classifier,
    hub_tagger,
    image_classifier,
    model_of,
    save,
    sha256,
    tensor,
    write_manifest,
)
from onnx import TensorProto, helper

from pitchey_core.errors import InputError, LimitExceeded, PartialFailure, PitcheyError, UsageError

GOOD = "a good film"


def with_neighbours(ask: Any, bad: dict[str, Any], model: str | Path = "sentiment-v1") -> Any:
    """What the bad job gets between two good ones of the same model, which must be served."""
    good = ask.payload(model, {"text": GOOD})
    first, found, last = ask.together([good, bad, good])
    assert first.label == last.label == "positive"
    return found


@pytest.mark.parametrize("text", ["a \ud800 film", "\udcff", "good \udfff\ud800"])
def test_half_a_character_fails_alone(ask: Any, text: str) -> None:
    found = with_neighbours(ask, ask.payload("sentiment-v1", {"text": text}))
    assert isinstance(found, InputError)
    assert "surrogate" in found.message


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "a\0film",
        "\u202egood\u202c film",
        "e\u0301" * 200,
        "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 50,
        "\ufeffgood",
        "g\u0336" * 1000,
        "\u2028" * 10 + "x",
        "x" * 100_000,
    ],
)
@pytest.mark.parametrize("model", ["sentiment-v1", "minilm", "summarizer-v3", "pitch-analyzer-v2"])
def test_any_unicode_is_answered(ask: Any, model: str, text: str) -> None:
    try:
        facts = ask(model, {"text": text})
    except InputError as error:
        assert "no sentences" in error.message  # noqa: PT017 - either is fine
        return
    assert facts.count == 1
    json.dumps(facts.model_dump(mode="json"), allow_nan=False)


def nan_classifier(folder: Path) -> Path:
    """The word "the" has the score NaN."""
    hub_classifier(folder)
    import onnx

    path = folder / "onnx" / "model.onnx"
    model = onnx.load(path)
    (table,) = [each for each in model.graph.initializer if each.name == "table"]
    values = onnx.numpy_helper.to_array(table).copy()
    values[WORDS.index("the")] = np.nan
    table.CopyFrom(onnx.numpy_helper.from_array(values, "table"))
    save(model, path)
    return folder


def test_an_answer_that_is_no_number_fails_alone(ask: Any, tmp_path: Path) -> None:
    folder = nan_classifier(tmp_path / "m")
    found = with_neighbours(ask, ask.payload(folder, {"text": "the film"}), folder)
    assert isinstance(found, InputError)
    assert "no numbers" in found.message


def test_a_tag_that_is_no_number_fails_alone(ask: Any, tmp_path: Path) -> None:
    folder = hub_tagger(tmp_path / "m")
    import onnx

    model = onnx.load(folder / "model.onnx")
    values = onnx.numpy_helper.to_array(model.graph.initializer[0]).copy()
    values[WORDS.index("very")] = np.inf
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(values, "table"))
    save(model, folder / "model.onnx")
    with pytest.raises(PartialFailure) as caught:
        ask(folder, ["Anna", "very", "Berlin"])
    assert [each["task"] for each in caught.value.facts["results"]] == [
        "token-classification",
        "failed",
        "token-classification",
    ]


def test_a_vector_that_is_no_number_fails_alone(ask: Any, tmp_path: Path) -> None:
    folder = nan_classifier(tmp_path / "m")
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 16}))
    with pytest.raises(PartialFailure) as caught:
        ask(folder, ["good film", "the", "bad film"])
    assert [each["task"] for each in caught.value.facts["results"]] == ["embeddings", "failed", "embeddings"]
    assert "no numbers" in caught.value.facts["results"][1]["error"]["message"]


@pytest.mark.parametrize("temperature", [1e-3, 1000])
@pytest.mark.parametrize("model", ["sentiment-v1", "zero-shot-v1", "pitch-analyzer-v2"])
def test_the_extremes_of_temperature_are_distributions(ask: Any, model: str, temperature: float) -> None:
    labels = {"labels": ["sea", "war"]} if model == "zero-shot-v1" else {}
    facts = ask(model, {"text": GOOD}, temperature=temperature, **labels)
    json.dumps(facts.model_dump(mode="json"), allow_nan=False)


def test_a_temperature_next_to_nothing_is_refused(ask: Any) -> None:
    with pytest.raises(UsageError, match="temperature"):
        ask("sentiment-v1", {"text": GOOD}, temperature=1e-300)


@pytest.mark.parametrize(
    "value",
    [
        {"data": [[1, 2, 3]], "dtype": "U100000000"},
        {"data": [[1, 2, 3]], "dtype": "object"},
        {"data": [[1, 2, 3]], "dtype": "V16"},
        {"data": [[1, 2, 3]], "dtype": ["float32"]},
        {"data": [[1, 2, 3]], "shape": "3"},
        {"data": [[1, 2, 3]], "shape": [2**70]},
        {"data": None},
        {},
        [[1, 2, [3]]],
        [[1e300, 0, 0]],
        [[2**70, 0, 0]],
        [["1", "2", "3"]],
        [[None, 1, 2]],
        [[{}, 1, 2]],
        "text",
    ],
    ids=str,
)
def test_tensors_of_the_wrong_kind(ask: Any, tmp_path: Path, value: Any) -> None:
    path = save(add_model(), tmp_path / "m.onnx")
    good = ask.payload(path, {"tensors": {"x": [[1, 2, 3]]}})
    first, found, last = ask.together([good, ask.payload(path, {"tensors": {"x": value}}), good])
    assert isinstance(found, InputError | UsageError), found
    assert first.result.outputs["y"].data == last.result.outputs["y"].data == [[2, 4, 6]]


def test_strings_keep_their_shape(ask: Any, tmp_path: Path) -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    kinds = [tensor(name, TensorProto.STRING, ("n", 2)) for name in ("x", "y")]
    path = save(model_of([node], [kinds[0]], [kinds[1]]), tmp_path / "m.onnx")
    given = [["a", "é"], ["", "\U0001f3ac"]]
    assert ask(path, {"tensors": {"x": given}}).result.outputs["y"].data == given


def test_outputs_that_are_no_tensors_are_refused(ask: Any, tmp_path: Path) -> None:
    """A sequence, as converters of other libraries like to put out."""
    node = helper.make_node("SequenceConstruct", ["x", "x"], ["y"])
    out = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
    path = save(model_of([node], [tensor("x")], [out]), tmp_path / "m.onnx")
    with pytest.raises(InputError, match="y: seq"):
        ask(path, {"tensors": {"x": [[1, 2, 3]]}})


def test_outputs_whose_names_differ_by_what_files_cannot_keep(ask: Any, tmp_path: Path) -> None:
    names = ["a/b", "a:b", "A/b"]
    nodes = [helper.make_node("Identity", ["x"], [name]) for name in names]
    path = save(model_of(nodes, [tensor("x")], [tensor(name) for name in names]), tmp_path / "m.onnx")
    (tmp_path / "x.npy").write_bytes(_npy(np.full((1, 3), np.nan, np.float32)))
    facts = ask(path, {"tensors": {"x": {"file": (tmp_path / "x.npy").as_uri()}}})
    files = [each.artifact for each in facts.result.outputs.values()]
    assert len({each.lower() for each in files}) == 3


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.npz", b"PK\x03\x04nothing"),
        ("x.npy", b""),
        ("x.npy", b"\x93NUMPY\x01\x00\xff\xff{"),
        (
            "x.npy",
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }\n",
        ),
        ("x.npy", b"\x93NUMPY\x01\x00v\x00" + b"[" * 118),
    ],
)
def test_files_that_are_no_tensors(ask: Any, tmp_path: Path, name: str, content: bytes) -> None:
    path = save(add_model(), tmp_path / "m.onnx")
    (tmp_path / name).write_bytes(content)
    good = ask.payload(path, {"tensors": {"x": [[1, 2, 3]]}})
    bad = ask.payload(path, {"tensors": {"x": {"file": (tmp_path / name).as_uri()}}})
    first, found, _ = ask.together([good, bad, good])
    assert isinstance(found, InputError), found
    assert first.result is not None


def test_an_archive_that_unpacks_to_more_than_is_read_is_refused(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(add_model(), tmp_path / "m.onnx")
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((1024, 1024), np.float32))
    assert (tmp_path / "x.npz").stat().st_size < 64 * 1024
    # A real one would be of 1 GiB.
    monkeypatch.setattr("pitchey_inference.reading._MAX_TENSOR_BYTES", 1024**2)
    with pytest.raises(LimitExceeded, match="unpacks to 4194432 bytes") as caught:
        ask(path, (tmp_path / "x.npz").as_uri())
    assert caught.value.limit == "input"


def test_a_picture_like_a_thread_is_not_blown_up(ask: Any, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (60_000, 1), (10, 240, 10)).save(tmp_path / "thread.png")
    table = {"path": "model.onnx"}
    folder = image_classifier(tmp_path / "m")
    write_manifest(
        folder,
        name="colours",
        task="image-classification",
        labels=["red", "green", "blue"],
        files={"model": {**table, "sha256": sha256(folder / "model.onnx")}},
        image={"size": [8, 8], "resize_to": 8192},
    )
    with pytest.raises(LimitExceeded) as caught:
        ask(folder, {"image": (tmp_path / "thread.png").as_uri()})
    assert caught.value.limit == "pixels"


@pytest.mark.parametrize(
    "name", ["~nobody-has-this-name/m.onnx", "./a\0b.onnx", "file:///etc/passwd", "/dev/zero"]
)
def test_names_of_models_that_lead_nowhere(ask: Any, name: str) -> None:
    found = with_neighbours(ask, {"model": name, "text": GOOD})
    assert isinstance(found, InputError | UsageError), found


def test_a_model_that_may_not_be_read_fails_alone(ask: Any, tmp_path: Path, monkeypatch: Any) -> None:
    path = save(add_model(), tmp_path / "m.onnx")
    read = Path.read_bytes

    def refused(self: Path) -> bytes:
        if self.suffix == ".onnx":
            raise PermissionError(13, "Permission denied", str(self))
        return read(self)

    # Nobody is refused anything as root.
    monkeypatch.setattr(Path, "read_bytes", refused)
    found = with_neighbours(ask, ask.payload(path, {"tensors": {"x": [[1, 2, 3]]}}))
    assert isinstance(found, PitcheyError)
    assert "m.onnx" in found.message
    assert "Permission denied" in found.message


def test_ten_thousand_items(ask: Any, tmp_path: Path) -> None:
    save(add_model(), tmp_path / "m.onnx")
    table = {"path": "m.onnx", "sha256": sha256(tmp_path / "m.onnx")}
    write_manifest(tmp_path, name="m", task="tensors", dynamic_batches=True, files={"model": table})
    items = [{"tensors": {"x": [[number, 0, 0]]}} for number in range(10_000)]
    items[77] = {"tensors": {"x": [["no"]]}}
    with pytest.raises(PartialFailure, match="1 of 10000 items failed") as caught:
        ask(tmp_path, items)
    facts = caught.value.facts
    assert (facts["count"], facts["failed"]) == (10_000, 1)
    assert facts["results_artifact"] == "m-results.json"


def test_a_list_of_nothing_is_refused(ask: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="empty list"):
        ask("sentiment-v1", [])
    (tmp_path / "items.json").write_text("[]")
    with pytest.raises(UsageError, match="empty list"):
        ask("sentiment-v1", (tmp_path / "items.json").as_uri())
    assert ask("sentiment-v1", [GOOD]).count == 1
