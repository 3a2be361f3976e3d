"""The arc of a pitch follows whatever classifier the name ``sentiment-v1`` means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from inference_models import hub_classifier

from pitchey_core.errors import InputError
from pitchey_core.storage import FetchPolicy
from pitchey_inference.analysis.judge import judge_of
from pitchey_inference.bundles.opening import Access
from pitchey_inference.catalog import Catalog
from pitchey_inference.checks import ModelLimits
from pitchey_inference.loaded import MODELS_IN_USE
from pitchey_inference.runtime.encoder import Encoder
from pitchey_inference.runtime.model import Model

TEXTS = ["good good", "bad", "good and bad"]


def model_at(folder: Path) -> Model:
    access = Access(FetchPolicy(), Path)
    return MODELS_IN_USE.get(str(folder), Catalog({}), access, threads=1, limits=ModelLimits()).model


def test_a_head_and_a_whole_model_are_asked_alike() -> None:
    model = MODELS_IN_USE.builtin("sentiment-v1", 1)
    vectors = Encoder.builtin().encode(TEXTS)
    by_vectors, by_text = judge_of(model), judge_of(model, encoder="another")
    assert list(by_vectors(TEXTS, vectors)) == pytest.approx(list(by_text(TEXTS, vectors)), abs=1e-5)


def test_a_transformer_reads_the_sentences_itself(tmp_path: Path) -> None:
    judge = judge_of(model_at(hub_classifier(tmp_path / "model", labels=("NEGATIVE", "POSITIVE"))))
    unused: Any = None
    good, bad, both = judge(TEXTS, unused)
    assert good > 0.8 > both > 0.2 > bad


def test_a_classifier_of_something_else_is_no_judge(tmp_path: Path) -> None:
    judge = judge_of(model_at(hub_classifier(tmp_path / "model", labels=("cat", "dog"))))
    unused: Any = None
    with pytest.raises(InputError, match="no label 'positive'"):
        judge(TEXTS, unused)
