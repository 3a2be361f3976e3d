"""``sentiment-v1``: its head, its figures, its script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rated_sentences import rated_sentences

from pitchey_inference.analysis.judge import judge_of
from pitchey_inference.builtin import MODELS
from pitchey_inference.loaded import MODELS_IN_USE
from pitchey_inference.models.sentiment_v1.features import (
    BUCKETS,
    MAX_WORDS,
    bucket_rows,
    buckets_of,
    words_of,
)
from pitchey_inference.runtime.encoder import Encoder
from pitchey_inference.training.corpus import read_corpus
from pitchey_inference.training.heads import expected_calibration_error, fit_temperature

ROOT = Path(__file__).parents[2]
FIGURES = json.loads((ROOT / "plugins/pitchey_inference/training/sentiment_v1.json").read_text("utf-8"))
RATED = [
    json.loads(line) for line in (ROOT / "tests/inference/data/rated.jsonl").read_text("utf-8").splitlines()
]


def positive(texts: list[str]) -> list[float]:
    """The probability of each text that it is positive."""
    judge = judge_of(MODELS_IN_USE.builtin("sentiment-v1", 1))
    return list(judge(texts, Encoder.builtin().encode(texts)))


@pytest.fixture(scope="module")
def judged() -> list[float]:
    return positive([row["text"] for row in RATED])


def right(judged: list[float], name: str) -> float:
    hits = [
        (p > 0.5) == (row["rating"] > 0) for p, row in zip(judged, RATED, strict=True) if row["set"] == name
    ]
    return sum(hits) / len(hits)


def test_it_is_as_right_on_sentences_that_it_never_saw_as_the_card_says(judged: list[float]) -> None:
    assert right(judged, "film") == pytest.approx(0.82, abs=0.01)
    assert FIGURES["held_out"]["film"]["accuracy"] > 0.80
    for name in ("product", "tweets", "editorial"):
        assert right(judged, name) > 0.7


def test_its_probabilities_mean_what_they_say(judged: list[float]) -> None:
    pairs = [(p, row["rating"] > 0) for p, row in zip(judged, RATED, strict=True) if row["set"] == "film"]
    shares = np.array([p for p, _ in pairs])
    truth = np.array([t for _, t in pairs])
    error = expected_calibration_error(np.log(shares / (1 - shares)), truth)
    # 400 sentences in 15 bins are off by some per cent by chance alone.
    assert error < 0.06
    assert FIGURES["ece_after"] < 0.04 < FIGURES["ece_before"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("A wonderful, moving film with a superb cast.", "positive"),
        ("A dull and clumsy mess.", "negative"),
        ("I love every minute of it!", "positive"),
        ("Terrible acting and a boring plot.", "negative"),
    ],
)
def test_a_job_gets_label_and_score(ask: Any, text: str, label: str) -> None:
    facts = ask("sentiment-v1", {"text": text})
    assert facts.label == label
    assert 0.8 < facts.score <= 1


def test_a_text_gets_the_same_score_in_any_company() -> None:
    texts = [row["text"] for row in RATED[:24]]
    together = positive(texts)
    alone = [positive([text])[0] for text in texts]
    assert together == pytest.approx(alone, abs=1e-5)
    assert positive(texts[::-1]) == pytest.approx(together[::-1], abs=1e-5)


@pytest.mark.parametrize("text", ["...", "映画は素晴らしい", "\u00e9\u00e8", "!" * 5000, "word " * 20000])
def test_any_text_has_a_score(text: str) -> None:
    (share,) = positive([text])
    assert 0 <= share <= 1


def test_words_do_not_depend_on_typography_or_case() -> None:
    assert words_of("It\u2019s GREAT, isn't it?!") == ["it's", "great", "isn't", "it", "?", "!"]


def test_buckets_are_the_same_everywhere() -> None:
    # Fixed: the weights of the head belong to these numbers.
    assert buckets_of("a film") == buckets_of("A  film.")
    assert buckets_of("a film") == [48674, 120410, 139333, 209766, 241631, 245315, 246775, 254594]


def test_buckets_are_padded_with_one_that_weighs_nothing() -> None:
    rows = bucket_rows(["", "a much longer text than the other one"])
    assert rows.shape[0] == 2
    assert set(rows[0]) == {BUCKETS}
    assert bucket_rows([""]).shape == (1, 1)
    assert bucket_rows([]).shape == (0, 1)


def test_only_the_first_words_count() -> None:
    long = "word " * MAX_WORDS
    assert buckets_of(long + "splendid") == buckets_of(long)


def test_a_temperature_that_was_put_in_is_found_again() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, 20_000)
    truth = random.random(20_000) < 1 / (1 + np.exp(-logits))
    assert fit_temperature(logits * 1.7, truth) == pytest.approx(1.7, rel=0.05)


def test_the_manifest_says_what_the_training_said() -> None:
    manifest = MODELS_IN_USE.builtin("sentiment-v1", 1).manifest
    assert manifest.labels == ["negative", "positive"]
    assert manifest.temperature == pytest.approx(FIGURES["temperature"], abs=0.001)
    assert manifest.files["model"].sha256 == FIGURES["head_sha256"]


def test_the_rated_sentences_come_with_their_checksum(tmp_path: Path) -> None:
    other = tmp_path / "vaderSentiment-3.3.2.tar.gz"
    other.write_bytes(b"something else")
    with pytest.raises(ValueError, match="has the checksum"):
        read_corpus(other)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_script_makes_the_committed_head(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="pip install scikit-learn: it is needed for training only")
    onnx = pytest.importorskip("onnx")
    from pitchey_inference.training.train_sentiment import main

    main([str(rated_sentences(tmp_path)), "--out", str(tmp_path)])
    made, kept = (
        {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(file).graph.initializer}
        for file in (tmp_path / "head.onnx", MODELS / "sentiment_v1" / "head.onnx")
    )
    # Bit for bit on the machine that made it; kernels of other CPUs round the embeddings otherwise.
    assert np.abs(made["table"].astype(int) - kept["table"].astype(int)).max() <= 1
    for name in ("embedding_weights", "intercept", "scale"):
        np.testing.assert_allclose(made[name], kept[name], rtol=1e-2, atol=1e-2)
    figures = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    for name, found in figures["held_out"].items():
        assert found["accuracy"] == pytest.approx(FIGURES["held_out"][name]["accuracy"], abs=0.003), name
