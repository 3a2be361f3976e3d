"""What a folder of a model says of itself, and whether it is believed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from inference_models import (
    add_model,
    hub_classifier,
    hub_tagger,
    image_classifier,
    save,
    sha256,
    write_manifest,
)

from pitchey_core.errors import ConfigError, ExtraMissing, InputError, UnknownName
from pitchey_inference.bundles.manifest import FileEntry, Manifest, parse_manifest

X = {"tensors": {"x": [[1, 2, 3]]}}


def test_a_bundle_with_a_manifest(ask: Any, tmp_path: Path) -> None:
    save(add_model(), tmp_path / "graph.onnx")
    table = {"path": "graph.onnx", "sha256": sha256(tmp_path / "graph.onnx")}
    write_manifest(tmp_path, name="twice", version="3", task="tensors", licence="MIT", files={"model": table})
    facts = ask(tmp_path, X)
    assert facts.result.outputs["y"].data == [[2, 4, 6]]
    assert (facts.model.name, facts.model.version, facts.model.licence) == ("twice", "3", "MIT")
    assert (facts.model.origin, facts.model.sha256) == ("path", table["sha256"])


def test_a_wrong_checksum_names_both(ask: Any, tmp_path: Path) -> None:
    save(add_model(), tmp_path / "graph.onnx")
    wrong = "0" * 64
    write_manifest(
        tmp_path, name="m", task="tensors", files={"model": {"path": "graph.onnx", "sha256": wrong}}
    )
    with pytest.raises(InputError) as caught:
        ask(tmp_path, X)
    assert wrong in caught.value.message
    assert sha256(tmp_path / "graph.onnx") in caught.value.message


def test_a_file_that_changes_is_read_again(ask: Any, tmp_path: Path) -> None:
    path = save(add_model(), tmp_path / "m.onnx")
    assert ask(path, X).result.outputs["y"].shape == [1, 3]
    save(add_model(shape=("n", 2)), path)
    with pytest.raises(InputError, match="expected x: float32"):
        ask(path, X)


def test_the_layout_of_the_hub_needs_no_manifest(ask: Any, tmp_path: Path) -> None:
    facts = ask(hub_classifier(tmp_path / "reviews"), {"text": "a good film"})
    assert (facts.model.name, facts.model.task) == ("reviews", "text-classification")
    assert facts.label == "positive"
    assert facts.score == pytest.approx(0.880797, abs=1e-5)
    assert ask(tmp_path / "reviews", {"text": "bad bad"}).label == "negative"


def test_a_model_is_replaced_by_name_alone(ask: Any, tmp_path: Path) -> None:
    """A fine-tuned transformer in the place of the built-in head, without a change to any job."""
    ask.bench.options["models"] = {"sentiment-v1": str(hub_classifier(tmp_path / "tuned"))}
    facts = ask("sentiment-v1", {"text": "a good film"})
    assert (facts.model.name, facts.model.origin) == ("tuned", "settings")
    assert facts.label == "positive"


def test_token_classification_says_where(ask: Any, tmp_path: Path) -> None:
    text = "Anna lives in Berlin, the Film"
    facts = ask(hub_tagger(tmp_path / "tags"), {"text": text})
    found = [(each.label, each.text, text[each.start : each.end]) for each in facts.result.entities]
    assert found == [("PER", "Anna", "Anna"), ("LOC", "Berlin", "Berlin")]
    only = ask(tmp_path / "tags", {"text": text}, labels=["LOC"])
    assert [each.label for each in only.result.entities] == ["LOC"]


def test_image_classification(ask: Any, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (40, 20), (10, 240, 10)).save(tmp_path / "green.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    model = image_classifier(tmp_path / "colours")
    facts = ask(model, {"image": (tmp_path / "green.png").as_uri()})
    assert (facts.label, facts.result.width, facts.result.height) == ("green", 40, 20)
    with pytest.raises(InputError, match=r"broken\.png"):
        ask(model, {"image": (tmp_path / "broken.png").as_uri()})


def test_two_graphs_without_a_manifest_are_ambiguous(ask: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(add_model(), tmp_path / f"{name}.onnx")
    with pytest.raises(InputError, match="several") as caught:
        ask(tmp_path, X)
    assert "model.toml" in str(caught.value.remedy)


def test_an_empty_folder_is_no_model(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is no model"):
        ask(tmp_path / "empty", X)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("name = ", ConfigError, "not TOML"),
        ('name = "m"', ConfigError, "task is missing"),
        ('name = "m"\ntask = "text-clasification"', UnknownName, "text-clasification"),
        ('name = "m"\ntask = "tensors"\nlicense = "MIT"', UnknownName, "license"),
        ('name = "m"\ntask = "tensors"\n[text]\nmax_token = 3', UnknownName, "text.max_token"),
        ('name = "m"\ntask = "tensors"\ntemperature = 0', ConfigError, "temperature"),
        ('name = "m"\ntask = "tensors"\n[files]\nmodel = { path = "../x" }', ConfigError, "leads out"),
        (
            'name = "m"\ntask = "tensors"\n[files]\nmodel = { path = "x", sha256 = "1" }',
            ConfigError,
            "SHA-256",
        ),
        (
            'name = "m"\ntask = "tensors"\n[files]\nmodel = { path = "x", package = "p" }',
            ConfigError,
            "sha256",
        ),
    ],
)
def test_wrong_manifests(text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        parse_manifest(text, "model.toml")


def test_a_suggestion_for_a_mistyped_key() -> None:
    with pytest.raises(UnknownName) as caught:
        parse_manifest('name = "m"\ntask = "tensors"\nlicense = "MIT"', "model.toml")
    assert caught.value.suggestions[0] == "licence"


def test_a_package_that_is_missing_names_its_requirement(tmp_path: Path) -> None:
    from pitchey_inference.bundles.bundle import Bundle

    entry = FileEntry(
        path="m.onnx", sha256="0" * 64, package="no_such_package", requirement="pitchey[inference]"
    )
    bundle = Bundle(Manifest(name="m", task="tensors", files={"model": entry}), "m", tmp_path)
    with pytest.raises(ExtraMissing) as caught:
        bundle.read("model")
    assert caught.value.remedy == "pip install 'pitchey[inference]'"


def test_unknown_models_are_suggested(ask: Any) -> None:
    with pytest.raises(UnknownName) as caught:
        ask("sumarizer-v3", {"text": "x"})
    assert caught.value.suggestions[0] == "summarizer-v3"


def test_labels_that_do_not_fit_are_said(ask: Any, tmp_path: Path) -> None:
    folder = hub_classifier(tmp_path / "m", labels=("a", "b", "c"))
    with pytest.raises(InputError, match="has 3 labels"):
        ask(folder, {"text": "good"})


def test_a_policy_of_roots_holds_for_models(ask: Any, tmp_path: Path) -> None:
    from dataclasses import replace

    from pitchey_core.payload import parse_payload

    path = save(add_model(), tmp_path / "outside" / "m.onnx")
    payload = ask.payload(path, X)
    job = ask.job(payload)
    job._order = replace(job._order, fetch_policy={"roots": [str(tmp_path / "inside")]})
    with pytest.raises(InputError, match=r"m\.onnx"):
        ask.processor.process(parse_payload(ask.processor.payload_model, payload), job)


def test_a_broken_tokenizer_is_named(ask: Any, tmp_path: Path) -> None:
    folder = hub_classifier(tmp_path / "m")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        ask(folder, {"text": "good"})
    shutil.rmtree(folder)
