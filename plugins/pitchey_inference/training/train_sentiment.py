"""Train ``sentiment-v1`` and write its bundle.

::

    pip install scikit-learn==1.9.1 onnx==1.23.2
    pip download --no-deps --no-binary vaderSentiment vaderSentiment==3.3.2
    python -m pitchey_inference.training.train_sentiment vaderSentiment-3.3.2.tar.gz --out folder

Both packages are needed for this only. On one machine the head comes out bit for bit; on another, embeddings differ in
their last digits (kernels depend on the CPU), and weights by up to one step of their 8 bits.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pitchey_inference.runtime.encoder import Encoder
from pitchey_inference.training.corpus import FOLDS, SETS, Example, read_corpus
from pitchey_inference.training.export import head_graph
from pitchey_inference.training.heads import (
    Head,
    Scores,
    expected_calibration_error,
    fit_head,
    fit_temperature,
)

__all__ = ["Trained", "main", "train"]

_CLEAR: Final = 1.0
_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Trained:
    """What one training gives.

    Attributes:
        temperature: Fitted on the scores that each sentence got from heads trained without it.
        figures: What the card says; accuracies from 0 to 1, by set.
    """

    head: Head
    temperature: float
    figures: dict[str, Any]


def train(examples: Sequence[Example], vectors: npt.NDArray[np.float32]) -> Trained:
    """Cross-validate, fit the temperature, train on everything that is not held out, test on what is."""
    kept = np.array([not each.held_out for each in examples])
    folds = np.array([each.fold for each in examples])
    scores = np.zeros(len(examples))
    for fold in range(FOLDS):
        inside, outside = kept & (folds != fold), kept & (folds == fold)
        scores[outside] = _scores(_fit(examples, vectors, inside), examples, vectors, outside)
    head = _fit(examples, vectors, kept)
    scores[~kept] = _scores(head, examples, vectors, ~kept)

    truth = np.array([each.positive for each in examples])
    film = np.array([each.set == "film" for each in examples])
    temperature = fit_temperature(scores[kept & film], truth[kept & film])
    figures: dict[str, Any] = {
        "temperature": temperature,
        "training_sentences": int(kept.sum()),
        "cross_validation": _by_set(examples, scores, truth, kept),
        "held_out": _by_set(examples, scores, truth, ~kept),
        "held_out_film_clear": _clear(examples, scores, truth, ~kept & film),
        "ece_before": expected_calibration_error(scores[~kept & film], truth[~kept & film]),
        "ece_after": expected_calibration_error(scores[~kept & film] / temperature, truth[~kept & film]),
    }
    return Trained(head, temperature, figures)


def _fit(
    examples: Sequence[Example], vectors: npt.NDArray[np.float32], chosen: npt.NDArray[np.bool_]
) -> Head:
    return fit_head([each for each, yes in zip(examples, chosen, strict=True) if yes], vectors[chosen])


def _scores(
    head: Head, examples: Sequence[Example], vectors: npt.NDArray[np.float32], chosen: npt.NDArray[np.bool_]
) -> Scores:
    return head.scores(
        vectors[chosen], [each.text for each, yes in zip(examples, chosen, strict=True) if yes]
    )


def _by_set(
    examples: Sequence[Example], scores: Scores, truth: npt.NDArray[np.bool_], chosen: npt.NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    found = {}
    for name in SETS:
        mask = chosen & np.array([each.set == name for each in examples])
        positives = float(truth[mask].mean())
        found[name] = {
            "sentences": int(mask.sum()),
            "accuracy": float(((scores > 0) == truth)[mask].mean()),
            "majority": max(positives, 1 - positives),
        }
    return found


def _clear(
    examples: Sequence[Example], scores: Scores, truth: npt.NDArray[np.bool_], chosen: npt.NDArray[np.bool_]
) -> dict[str, float]:
    mask = chosen & np.array([abs(each.rating) >= _CLEAR for each in examples])
    return {"sentences": int(mask.sum()), "accuracy": float(((scores > 0) == truth)[mask].mean())}


def embed(
    texts: Sequence[str], encode: Callable[[Sequence[str]], npt.NDArray[np.float32]], cache: Path | None
) -> npt.NDArray[np.float32]:
    """The embeddings of texts, from the cache where it has them."""
    key = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    file = cache / f"embeddings-{key}.npy" if cache is not None else None
    if file is not None and file.exists():
        known: npt.NDArray[np.float32] = np.load(file, allow_pickle=False)
        return known
    vectors = np.concatenate([encode(texts[at : at + _BATCH]) for at in range(0, len(texts), _BATCH)])
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, vectors, allow_pickle=False)
    return vectors


def main(arguments: Sequence[str] | None = None) -> None:
    """Write ``head.onnx`` and ``figures.json``, and say what the manifest has to hold."""
    parser = argparse.ArgumentParser(description="Train the sentiment model")
    parser.add_argument("sdist", type=Path, help="vaderSentiment-3.3.2.tar.gz")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--cache", type=Path, help="folder that keeps the embeddings")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    examples = read_corpus(options.sdist)
    encoder = Encoder.builtin(threads=options.threads)
    trained = train(examples, embed([each.text for each in examples], encoder.encode, options.cache))
    data = head_graph(trained.head)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "head.onnx").write_bytes(data)
    figures = {**trained.figures, "head_sha256": hashlib.sha256(data).hexdigest(), "head_bytes": len(data)}
    text = json.dumps(figures, indent=2)
    (options.out / "figures.json").write_text(f"{text}\n", "utf-8")
    print(text)  # noqa: T201 - a script says what it did


if __name__ == "__main__":
    main()
