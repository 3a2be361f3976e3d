"""``pitchey-run inference`` and ``pitchey-run models``, as users call them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from inference_models import add_model, hub_classifier, save
from pitchey_cli import Cli


@pytest.fixture
def cli(tmp_path: Path, model_cache: Path) -> Iterator[Cli]:
    made = Cli(tmp_path, {"PITCHEY_MODEL_CACHE": str(model_cache)})
    yield made
    made.close()


def test_a_text(cli: Cli) -> None:
    ran = cli("inference", "-m", "sentiment-v1", "--text", "A wonderful film.", "--json")
    assert ran.code == 0, ran.err
    assert ran.data["facts"]["label"] == "positive"
    shown = cli("inference", "-m", "sentiment-v1", "--text", "A wonderful film.", "--no-json").out
    assert shown.startswith("label: positive\nscore: 0.")


def test_providers_are_named_by_the_environment(cli: Cli) -> None:
    cli.environment["PITCHEY_ORT_PROVIDERS"] = "tpu"
    ran = cli("inference", "-m", "sentiment-v1", "--text", "A wonderful film.", "--json")
    assert ran.code == 2
    assert ran.data["error"]["message"].startswith("PITCHEY_ORT_PROVIDERS: 'tpu'")


def test_a_file_and_options(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "pitch.txt").write_text("The sea is calm. Anna paints the sea. Storms come. Anna goes.")
    ran = cli("inference", "pitch.txt", "--model", "summarizer-v3", "--max-sentences", "1", "--json")
    assert len(ran.data["facts"]["result"]["sentences"]) == 1


def test_a_path_relative_to_where_one_is(cli: Cli, tmp_path: Path) -> None:
    save(add_model(), tmp_path / "m.onnx")
    ran = cli("inference", "-m", "m.onnx", "--input-data", '{"tensors": {"x": [[1, 2, 3]]}}', "--json")
    assert ran.data["facts"]["result"]["outputs"]["y"]["data"] == [[2, 4, 6]]


def test_a_mistyped_name(cli: Cli) -> None:
    ran = cli("inference", "-m", "sentiment-v2", "--text", "x", "--json")
    assert ran.code == 2
    assert "did you mean 'sentiment-v1'" in ran.data["error"]["remedy"]


def test_models_are_listed_and_shown(cli: Cli, tmp_path: Path) -> None:
    names = {line["name"]: line for line in cli("models", "list", "--json").lines}
    assert names["summarizer-v3"]["task"] == "summary"
    assert names["sentiment-v1"]["origin"] == "plugin"
    shown = cli("models", "show", "minilm", "--json").data
    assert shown["licence"] == "Apache-2.0"
    assert shown["text"]["max_tokens"] == 256
    own = cli("models", "show", str(hub_classifier(tmp_path / "own")), "--json").data
    assert own["labels"] == ["negative", "positive"]
    assert cli("models", "show", "minilmm").code == 2


def test_models_of_the_settings(cli: Cli, tmp_path: Path) -> None:
    folder = hub_classifier(tmp_path / "tuned")
    (tmp_path / "pitchey.toml").write_text(f'[plugins.inference.models]\n"sentiment-v1" = "{folder}"\n')
    (row,) = (line for line in cli("models", "--json").lines if line["name"] == "sentiment-v1")
    assert row["origin"] == "settings"
    ran = cli("inference", "-m", "sentiment-v1", "--text", "good film", "--json")
    assert ran.data["facts"]["model"]["name"] == "tuned"


def test_verify(cli: Cli, tmp_path: Path) -> None:
    ran = cli("models", "verify", "--json")
    assert ran.code == 0, ran.err
    assert all(line["ok"] for line in ran.lines)
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    ran = cli("models", "verify", "bad.onnx", "--json")
    assert ran.code == 1
    assert ran.data["error"]["class"] == "InputError"


def test_pull_wants_a_url(cli: Cli) -> None:
    ran = cli("models", "pull", "folder/of/mine")
    assert ran.code == 2
    assert "is not remote" in ran.err


def test_bench(cli: Cli) -> None:
    ran = cli("models", "bench", "minilm", "--seconds", "0.1", "--json")
    assert ran.code == 0, ran.err
    assert all(row["together"] > 0 for row in ran.data["rows"])
