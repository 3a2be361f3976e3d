"""Bundles that mean harm, or are just broken: what they say is not believed, and they hurt nobody else's job."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inference_models import add_model, external_model, hub_classifier, model_of, save, tensor, write_manifest
from onnx import TensorProto, helper

from pitchey_core.errors import ConfigError, InputError, LimitExceeded, PitcheyError
from pitchey_inference.checks import ModelLimits, check_model, survey

X = {"tensors": {"x": [[1, 2, 3]]}}


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
        "modules.json",
        "1_Pooling/config.json",
    ],
)
@pytest.mark.parametrize(
    "value",
    [
        [],
        5,
        "text",
        {"id2label": {"a": 1}},
        {"id2label": {"0": None, "1": {}}},
        {"architectures": 5},
        {"architectures": [None]},
        {"max_position_embeddings": "many", "model_type": "roberta"},
        {"model_max_length": -1},
        {"size": {"height": 3}},
        {"size": 1.5},
        {"size": {"shortest_edge": "x"}},
        {"entries": 5},
        {"pooling_mode_cls_token": []},
    ],
    ids=str,
)
def test_configurations_of_the_hub_that_make_no_sense(
    ask: Any, tmp_path: Path, name: str, value: Any
) -> None:
    folder = hub_classifier(tmp_path / "m")
    if name == "preprocessor_config.json":
        (folder / "config.json").write_text(
            json.dumps({"architectures": ["XForImageClassification"], "id2label": {}})
        )
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(value))
    good = ask.payload("sentiment-v1", {"text": "a good film"})
    first, found = ask.together([good, ask.payload(folder, {"text": "good"})])
    assert first.label == "positive"
    # It is understood, or refused with words of ours; what it must not be is a defect.
    assert type(found).__name__ != "ProcessorError", found


def test_a_configuration_too_large_to_be_one_is_not_read(ask: Any, tmp_path: Path) -> None:
    folder = hub_classifier(tmp_path / "m")
    with (folder / "config.json").open("r+b") as file:
        file.truncate(10 * 1024**3)
    with pytest.raises(InputError, match=r"config\.json cannot be read"):
        ask(folder, {"text": "good"})


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"type": "WordPiece", "vocab": {}, "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                   "max_input_chars_per_word": 100}},
        {"model": {"type": "WordLevel", "vocab": {"good": 0}, "unk_token": "none"}},
        {"model": {"type": "BPE", "vocab": {}, "merges": [["a", "b"]]}},
        {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": False}},
        {"padding": {"strategy": "x"}},
        {"padding": {"pad_id": "x"}},
        {"added_tokens": [5]},
        {"added_tokens": 5},
        {"post_processor": {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_tokenizers_that_make_no_sense(ask: Any, tmp_path: Path, change: dict[str, Any]) -> None:
    folder = hub_classifier(tmp_path / "m")
    record = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**record, **change}))
    good = ask.payload("sentiment-v1", {"text": "a good film"})
    first, found = ask.together([good, ask.payload(folder, {"text": "an unheard of film"})])
    assert first.label == "positive"
    assert not isinstance(found, PitcheyError) or isinstance(found, InputError), found


def test_a_head_that_stands_on_itself(ask: Any, tmp_path: Path) -> None:
    save(add_model(), tmp_path / "m.onnx")
    write_manifest(
        tmp_path,
        name="m",
        task="text-classification",
        files={"model": {"path": "m.onnx"}},
        encoder={"model": str(tmp_path)},
    )
    with pytest.raises(InputError, match="stands on"):
        ask(tmp_path, {"text": "x"})


@pytest.mark.parametrize(
    "image",
    [
        {"std": [0.0, 1.0, 1.0]},
        {"size": [0, 3]},
        {"size": [100_000, 3]},
    ],
)
def test_pictures_that_nobody_can_make(ask: Any, tmp_path: Path, image: dict[str, Any]) -> None:
    save(add_model(), tmp_path / "m.onnx")
    write_manifest(
        tmp_path, name="m", task="image-classification", files={"model": {"path": "m.onnx"}}, image=image
    )
    with pytest.raises(ConfigError, match="image"):
        ask(tmp_path, {"image": (tmp_path / "x.png").as_uri()})


@pytest.mark.parametrize("text", ["rescale = inf", "mean = [nan, 0.0, 0.0]", "std = [1.0, inf, 1.0]"])
def test_figures_of_a_manifest_are_finite(ask: Any, tmp_path: Path, text: str) -> None:
    save(add_model(), tmp_path / "m.onnx")
    head = 'name = "m"\ntask = "image-classification"\nfiles.model = { path = "m.onnx" }\n[image]\n'
    (tmp_path / "model.toml").write_text(head + text)
    with pytest.raises(ConfigError, match="image"):
        ask(tmp_path, {"image": "x.png"})


@pytest.mark.parametrize("path", [".", "./", "a/..", "..", "/etc/passwd", "a//../../b", "x\0y", "a\\b", ""])
def test_paths_in_a_manifest_stay_inside(ask: Any, tmp_path: Path, path: str) -> None:
    head = f'name = "m"\ntask = "tensors"\nfiles.model = {{ path = {json.dumps(path)} }}\n'
    (tmp_path / "model.toml").write_text(head)
    with pytest.raises((ConfigError, InputError)):
        ask(tmp_path, X)


@pytest.mark.parametrize("role", ["model", "tokenizer", "card"])
def test_links_of_a_bundle_stay_inside(ask: Any, tmp_path: Path, role: str) -> None:
    folder = hub_classifier(tmp_path / "m")
    (tmp_path / "outside").write_text("secret")
    name = {"model": "onnx/model.onnx", "tokenizer": "tokenizer.json", "card": "README.md"}[role]
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="leads out of"):
        ask(folder, {"text": "good"})


def test_a_link_to_a_folder_outside_is_no_part_of_a_bundle(ask: Any, tmp_path: Path) -> None:
    folder = hub_classifier(tmp_path / "m")
    (folder / "onnx").rename(tmp_path / "elsewhere")
    (folder / "onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out of"):
        ask(folder, {"text": "good"})


def test_a_pipe_is_no_model(ask: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.onnx")
    with pytest.raises(InputError):
        ask(tmp_path / "m.onnx", X)


def test_every_place_that_a_tensor_names_is_looked_at() -> None:
    """The runtime might take another one than the last."""
    model = external_model("/etc/passwd")
    model.graph.initializer[0].external_data.add(key="location", value="w.bin")
    with pytest.raises(InputError, match="not a file beside the model"):
        check_model(model.SerializeToString(), "m.onnx", ModelLimits())


@pytest.mark.parametrize(
    ("key", "value"), [("offset", "999999"), ("offset", "-1"), ("length", "99999999"), ("offset", "x")]
)
def test_tensors_that_reach_out_of_their_file(ask: Any, tmp_path: Path, key: str, value: str) -> None:
    weights = np.array([10, 20, 30], np.float32)
    (tmp_path / "m.onnx.data").write_bytes(weights.tobytes())
    model = external_model("m.onnx.data", weights)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == key:
            entry.value = value
    with pytest.raises(InputError, match="cannot be loaded"):
        ask(save(model, tmp_path / "m.onnx"), X)


def test_operators_that_read_files_are_refused() -> None:
    node = helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft", ep_cache_context="/etc/passwd")
    model = model_of([node], [tensor("x")], [tensor("y")], domains=["com.microsoft"])
    with pytest.raises(InputError, match="EPContext"):
        check_model(model.SerializeToString(), "m.onnx", ModelLimits())


def test_content_longer_than_its_tensor_costs_nothing() -> None:
    model = add_model()
    model.graph.initializer.append(
        TensorProto(name="w", data_type=TensorProto.INT64, dims=[1], raw_data=bytes(64 * 1024**2))
    )
    assert survey(model.SerializeToString()).tensor_bytes == 8


def test_a_shape_from_the_outside_of_a_loop_is_not_forgotten() -> None:
    """A large tensor that a graph within the graph makes."""
    make = helper.make_node("ConstantOfShape", ["shape"], ["b"])
    branch = helper.make_graph([make], "b", [], [tensor("b", shape=("r", "s"))])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    tensors = {"c": np.array(True), "shape": np.array([1 << 20, 1 << 14])}
    model = model_of([node], [tensor("x")], [tensor("y", shape=("r", "s"))], tensors)
    with pytest.raises(LimitExceeded, match="bytes in one tensor"):
        check_model(model.SerializeToString(), "m.onnx", ModelLimits())


@pytest.mark.parametrize("providers", ["tpu", "CPU,nonsense", "cuda"])
def test_nonsense_of_providers_is_every_jobs_own_error(
    ask: Any, fresh: None, monkeypatch: pytest.MonkeyPatch, providers: str
) -> None:
    monkeypatch.setenv("PITCHEY_ORT_PROVIDERS", providers)
    found = ask.together([ask.payload("sentiment-v1", {"text": "x"})] * 2)
    assert all(isinstance(each, ConfigError) for each in found), found
    assert all("PITCHEY_ORT_PROVIDERS" in each.message for each in found)


def test_providers_of_commas_are_none(monkeypatch: pytest.MonkeyPatch, ask: Any, fresh: None) -> None:
    monkeypatch.setenv("PITCHEY_ORT_PROVIDERS", " , ,")
    assert ask("sentiment-v1", {"text": "x"}).runtime.providers == ["CPUExecutionProvider"]


def test_more_vcpus_than_the_host_has_are_not_asked_for(ask: Any, fresh: None) -> None:
    ask.bench.limits = ask.bench.limits.with_(vcpus=999.0)
    assert ask("sentiment-v1", {"text": "x"}).runtime.threads == len(os.sched_getaffinity(0))
