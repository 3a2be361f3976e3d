"""What can be asked about, and how it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inference_models import add_model, hub_classifier, model_of, save, tensor
from onnx import TensorProto, helper

from pitchey_core.errors import InputError, LimitExceeded, UnknownName, UsageError
from pitchey_core.payload import parse_payload
from pitchey_core.storage import publish, to_path
from pitchey_inference.given import check_items
from pitchey_inference.payload import InferencePayload
from pitchey_inference.reading import document_text

TEXT = "The sea is calm. Anna loves the sea. She paints it. Storms come. The house falls into the sea. Anna lives."


def test_sentiment(ask: Any) -> None:
    facts = ask("sentiment-v1", {"text": "A wonderful, moving film."})
    assert facts.label == "positive"
    assert 0.5 < facts.score <= 1
    flat = ask("sentiment-v1", {"text": "A wonderful, moving film."}, temperature=10)
    assert 0.5 < flat.score < facts.score
    assert (
        ask("sentiment-v1", {"text": "Dull, and a waste of time."}, top_k=1).result.labels[0].label
        == "negative"
    )


def test_a_summary_says_where_its_sentences_stand(ask: Any) -> None:
    facts = ask("summarizer-v3", {"text": TEXT}, max_sentences=2)
    assert len(facts.result.sentences) == 2
    assert facts.result.sentence_count == 6
    for each in facts.result.sentences:
        assert TEXT[each.start : each.end] == each.text
    assert [each.index for each in facts.result.sentences] == sorted(
        each.index for each in facts.result.sentences
    )
    assert facts.summary == " ".join(each.text for each in facts.result.sentences)
    assert len(ask("summarizer-v3", {"text": TEXT}, ratio=0.5).result.sentences) == 3
    assert len(ask("summarizer-v3", {"text": TEXT}).result.sentences) == 3
    assert len(ask("summarizer-v3", {"text": "One."}).result.sentences) == 1


def test_diversity_keeps_a_sentence_from_being_chosen_twice(ask: Any) -> None:
    text = "The ship sinks at night. The ship sinks in the night. A child is saved by a dog. The ship sinks tonight."
    chosen = ask(
        "summarizer-v3", {"text": text}, max_sentences=2, parameters={"diversity": 0.9}
    ).result.sentences
    assert 2 in [each.index for each in chosen]


def test_zero_shot(ask: Any) -> None:
    labels = ["science fiction", "romance", "western"]
    facts = ask("zero-shot-v1", {"text": "The rocket lifts off toward Mars."}, labels=labels)
    assert facts.label == "science fiction"
    assert sum(each.score for each in facts.result.labels) == pytest.approx(1, abs=1e-4)
    assert set(facts.result.similarities) == set(labels)
    flat = ask("zero-shot-v1", {"text": "The rocket lifts off toward Mars."}, labels=labels, temperature=50)
    assert flat.score < 0.4
    with pytest.raises(UsageError, match="needs the parameter labels"):
        ask("zero-shot-v1", {"text": "x"})


def test_embeddings(ask: Any) -> None:
    facts = ask("minilm", ["a film", "a movie"])
    first, second = (np.array(each.vector) for each in facts.results)
    assert first @ second > 0.6
    assert facts.results[0].size == len(first) == 384


def test_many_vectors_go_into_a_file(ask: Any) -> None:
    payload = ask.payload("minilm", [f"film {number}" for number in range(60)])
    job = ask.job(payload)
    facts = ask.processor.process(parse_payload(InferencePayload, payload), job)
    (artifact,) = publish(job.stage.seal())
    matrix = np.load(to_path(artifact.uri))
    assert matrix.shape == (60, 384)
    assert facts.results[0].vector is None
    assert len(facts.model_dump_json()) < 64 * 1024


def test_the_longest_text_is_cut_and_said_so_or_refused(ask: Any) -> None:
    text = "very good film " * 400
    facts = ask("sentiment-v1", {"text": text})
    assert facts.truncated == 1
    assert facts.result.input.truncated
    assert (facts.result.input.tokens, facts.result.input.used_tokens) == (1202, 256)
    assert "cut off" in facts.warnings[0]
    with pytest.raises(LimitExceeded, match=r"1202 tokens.*at most 256"):
        ask("sentiment-v1", {"text": text}, too_long="refuse")


def test_the_text_of_a_file(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "pitch.txt").write_text("\ufeffA wonderful film.", "utf-8")
    assert ask("sentiment-v1", input_url=(tmp_path / "pitch.txt").as_uri()).label == "positive"
    (tmp_path / "old.txt").write_bytes("Ein gro\xdfer, wonderful Film".encode("cp1252"))
    assert ask("sentiment-v1", (tmp_path / "old.txt").as_uri()).label == "positive"


def test_what_is_no_text_is_said_to_be_none(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "deck.pdf").write_bytes(b"%PDF-1.7\n\0\xff\xfe\0")
    with pytest.raises(InputError, match=r"deck\.pdf") as caught:
        ask("sentiment-v1", input_url=(tmp_path / "deck.pdf").as_uri())
    assert "pitchey-run document" in str(caught.value.remedy)


def test_the_json_of_a_document(ask: Any, tmp_path: Path) -> None:
    record = {
        "metadata": {},
        "sections": [
            {
                "kind": "page",
                "number": 1,
                "blocks": [
                    {"kind": "paragraph", "text": "Confidential", "role": "header"},
                    {"kind": "heading", "text": "The Wonderful House"},
                    {"kind": "table", "rows": [["Genre", "Drama"]]},
                ],
            }
        ],
    }
    assert document_text(record) == "The Wonderful House\n\nGenre\tDrama"
    (tmp_path / "deck.json").write_text(json.dumps(record))
    facts = ask("sentiment-v1", input_url=(tmp_path / "deck.json").as_uri())
    assert facts.result.input.characters == len("The Wonderful House\n\nGenre\tDrama")


def test_a_list_of_items_in_a_file(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text(json.dumps(["wonderful", {"text": "terrible"}]))
    facts = ask("sentiment-v1", input_url=(tmp_path / "items.json").as_uri())
    assert [each.label for each in facts.results] == ["positive", "negative"]


def test_a_file_may_not_name_further_files(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text(json.dumps([{"text": "x"}, {"file": "/etc/passwd"}]))
    with pytest.raises(InputError, match="names further files"):
        ask("sentiment-v1", input_url=(tmp_path / "items.json").as_uri())


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ([], UsageError, "empty list"),
        ({}, UsageError, "is empty"),
        ([{"txt": "a"}], UnknownName, r"input_data\[0\]"),
        ({"text": "a", "image": "b"}, UsageError, "2 fields"),
        ({"text": 3}, UsageError, "int, not text"),
        ([3], UsageError, r"input_data\[0\] is int"),
        ({"tensors": {}}, UsageError, "tensors"),
    ],
)
def test_what_is_no_item(given: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        check_items(given)


def test_one_input_and_no_more() -> None:
    with pytest.raises(UsageError, match="given: none"):
        parse_payload(InferencePayload, {"model": "m"})
    with pytest.raises(UsageError, match="and no more"):
        parse_payload(InferencePayload, {"model": "m", "text": "a", "input_data": "b"})


def test_paths_everywhere_in_a_payload_become_urls() -> None:
    from pitchey_core.payload import map_input_files

    data = {
        "model": "./m.onnx",
        "input_data": [
            {"file": "a.txt"},
            "a text",
            {"image": "b.png"},
            {"tensors": {"x": {"file": "c.npy"}, "y": [1]}},
        ],
    }
    mapped = map_input_files(InferencePayload, data, lambda path: f"file:///{path}")
    assert mapped == {
        "model": "file:///./m.onnx",
        "input_data": [
            {"file": "file:///a.txt"},
            "a text",
            {"image": "file:///b.png"},
            {"tensors": {"x": {"file": "file:///c.npy"}, "y": [1]}},
        ],
    }
    assert map_input_files(InferencePayload, {"model": "minilm"}, lambda _: "changed") == {"model": "minilm"}


def test_a_model_that_takes_something_else_says_what(ask: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is tensors; this model takes text"):
        ask("sentiment-v1", {"tensors": {"x": [1]}})
    with pytest.raises(UsageError, match="is a text; this model takes tensors"):
        ask(save(add_model(), tmp_path / "m.onnx"), {"text": "x"})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[1, 2]], r"expected x: float32\[n, 3\], got int64\[1, 2\]"),
        ([1, 2, 3], r"got int64\[3\]"),
        ([["a", "b", "c"]], r"expected x: float32\[n, 3\], got str"),
        ([[1, 2], [3]], "inhomogeneous|expected"),
        ({"data": [1, 2, 3, 4], "shape": [2, 3]}, "cannot reshape"),
        ({"data": [[1, 2, 3]], "dtype": "float31"}, "float31"),
        ({"dato": []}, "dato"),
    ],
)
def test_tensors_that_do_not_fit(ask: Any, tmp_path: Path, value: Any, words: str) -> None:
    path = save(add_model(), tmp_path / "m.onnx")
    with pytest.raises((InputError, UnknownName), match=words):
        ask(path, {"tensors": {"x": value}})


def test_numbers_are_only_cast_where_they_keep_their_value(ask: Any, tmp_path: Path) -> None:
    path = save(add_model(TensorProto.INT8), tmp_path / "m.onnx")
    assert ask(path, {"tensors": {"x": [[1, 2, 3]]}}).result.outputs["y"].data == [[2, 4, 6]]
    for wrong in ([[1, 2, 300]], [[1.5, 2, 3]]):
        with pytest.raises(InputError, match="expected x: int8"):
            ask(path, {"tensors": {"x": wrong}})


def test_missing_tensors_are_listed(ask: Any, tmp_path: Path) -> None:
    node = helper.make_node("Add", ["left", "right"], ["y"])
    path = save(model_of([node], [tensor("left"), tensor("right")], [tensor("y")]), tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r"missing: right: float32\[n, 3\]"):
        ask(path, {"tensors": {"left": [[1, 2, 3]]}})


def test_tensors_from_files_and_strings(ask: Any, tmp_path: Path) -> None:
    path = save(add_model(), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.ones((2, 3), np.float32))
    given = {"tensors": {"x": {"file": (tmp_path / "x.npy").as_uri()}}}
    assert ask(path, given).result.outputs["y"].data == [[2, 2, 2], [2, 2, 2]]
    assert ask(path, input_url=(tmp_path / "x.npy").as_uri()).result.outputs["y"].shape == [2, 3]
    node = helper.make_node("Identity", ["s"], ["y"])
    texts = [tensor(name, TensorProto.STRING, ("n",)) for name in ("s", "y")]
    words = save(model_of([node], texts[:1], texts[1:]), tmp_path / "s.onnx")
    assert ask(words, {"tensors": {"s": ["a", "b"]}}).result.outputs["y"].data == ["a", "b"]


def test_pickles_are_not_read(ask: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], object), allow_pickle=True)
    path = save(add_model(), tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r"x\.npy"):
        ask(path, {"tensors": {"x": {"file": (tmp_path / "x.npy").as_uri()}}})


def test_values_that_json_does_not_know_go_into_a_file(ask: Any, tmp_path: Path) -> None:
    node = helper.make_node("Log", ["x"], ["y"])
    path = save(model_of([node], [tensor("x")], [tensor("y")]), tmp_path / "m.onnx")
    value = ask(path, {"tensors": {"x": [[-1, 0, 1]]}}).result.outputs["y"]
    assert value.data is None
    assert value.artifact == "m-y.npy"


def test_a_classifier_of_the_hub_in_several_labels(ask: Any, tmp_path: Path) -> None:
    folder = hub_classifier(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "problem_type": "multi_label_classification"}))
    facts = ask(folder, {"text": "good bad"})
    assert [round(each.score, 3) for each in facts.result.labels] == [0.881, 0.881]
