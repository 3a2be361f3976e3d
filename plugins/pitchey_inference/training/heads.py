"""Two linear heads and their sum: one on the embedding of a text, one on its words and their parts.

The head on words is a logistic regression on log-count ratios (Wang and Manning, ACL 2012, "NB-SVM").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pitchey_inference.models.sentiment_v1.features import BUCKETS, buckets_of
from pitchey_inference.training.corpus import Example

__all__ = ["Head", "Scores", "expected_calibration_error", "fit_head", "fit_temperature"]

Scores = npt.NDArray[np.float64]

# Chosen by cross-validation on what is not held out.
_EMBEDDING_C: Final = 10.0
_WORDS_C: Final = 10.0
_WORDS_SHARE: Final = 1.0
# Films are what this is for: a sentence of another set counts half.
_OTHER_SETS: Final = 0.5
# Of both solvers; tight, so that another machine's rounding does not end elsewhere.
_TOLERANCE: Final = 1e-6
_ITERATIONS: Final = 5000
_BINS: Final = 15


@dataclass(frozen=True, slots=True)
class Head:
    """A linear model whose score is a logit: positive above 0.

    Attributes:
        embedding: Weights, ``float32[384]``.
        table: Weight of each bucket, ``int8[BUCKETS + 1]`` in units of ``scale``; the last, which pads, is 0.
        intercept: Added to both.
    """

    embedding: npt.NDArray[np.float32]
    table: npt.NDArray[np.int8]
    scale: float
    intercept: float

    def scores(self, vectors: npt.NDArray[np.float32], texts: Sequence[str]) -> Scores:
        """Logits of texts, as the exported graph computes them."""
        words = np.zeros(len(texts))
        for number, text in enumerate(texts):
            buckets = buckets_of(text)
            if buckets:
                words[number] = (
                    self.table[buckets].astype(np.float64).sum() * self.scale / len(buckets) ** 0.5
                )
        scores: Scores = vectors.astype(np.float64) @ self.embedding + words + self.intercept
        return scores


def fit_head(examples: Sequence[Example], vectors: npt.NDArray[np.float32]) -> Head:
    """Train on examples and their embeddings. The same input gives the same head on the same machine.

    Sentences count by the square root of their mean rating's distance from 0: raters who agree teach more.
    """
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-not-found,import-untyped,unused-ignore]

    truth = np.array([each.positive for each in examples])
    weights = np.array(
        [abs(each.rating) ** 0.5 * (1 if each.set == "film" else _OTHER_SETS) for each in examples]
    )
    counts = _counts(examples)
    ratios = _log_count_ratios(counts, truth)

    def fitted(features: Any, c: float) -> Any:
        model = LogisticRegression(C=c, tol=_TOLERANCE, max_iter=_ITERATIONS)
        return model.fit(features, truth, sample_weight=weights)

    on_vectors = fitted(vectors.astype(np.float64), _EMBEDDING_C)
    on_words = fitted(_scaled(counts).multiply(ratios).tocsr(), _WORDS_C)
    table = np.append(on_words.coef_[0] * ratios * _WORDS_SHARE, 0.0)
    scale = float(np.abs(table).max() / 127)
    return Head(
        on_vectors.coef_[0].astype(np.float32),
        np.rint(table / scale).astype(np.int8),
        scale,
        float(on_vectors.intercept_[0] + on_words.intercept_[0] * _WORDS_SHARE),
    )


def _counts(examples: Sequence[Example]) -> Any:
    """Which buckets each text has: a sparse matrix of zeros and ones."""
    from scipy.sparse import csr_matrix  # type: ignore[import-not-found,import-untyped,unused-ignore]

    rows = [buckets_of(each.text) for each in examples]
    starts = np.cumsum([0, *(len(row) for row in rows)])
    columns = np.concatenate([np.array(row, np.int64) for row in rows])
    return csr_matrix((np.ones(len(columns)), columns, starts), (len(rows), BUCKETS))


def _scaled(counts: Any) -> Any:
    lengths = np.maximum(np.asarray(counts.sum(axis=1)), 1)
    return counts.multiply(1 / np.sqrt(lengths)).tocsr()


def _log_count_ratios(counts: Any, truth: npt.NDArray[np.bool_]) -> Scores:
    """How much more often each bucket is in positive texts than in negative ones, by logarithm, smoothed by one."""
    positive = np.asarray(counts[truth].sum(axis=0)).ravel() + 1
    negative = np.asarray(counts[~truth].sum(axis=0)).ravel() + 1
    ratios: Scores = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
    return ratios


def fit_temperature(scores: Scores, truth: npt.NDArray[np.bool_]) -> float:
    """What logits have to be divided by to have the least log loss; by golden section between 0.2 and 20."""
    low, high = np.log(0.2), np.log(20.0)
    ratio = (5**0.5 - 1) / 2
    while high - low > 1e-6:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if _log_loss(scores / np.exp(left), truth) < _log_loss(scores / np.exp(right), truth):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _log_loss(logits: Scores, truth: npt.NDArray[np.bool_]) -> float:
    return float(np.logaddexp(0, np.where(truth, -logits, logits)).mean())


def expected_calibration_error(logits: Scores, truth: npt.NDArray[np.bool_]) -> float:
    """How far stated and true probability lie apart: ECE over 15 bins of equal width of the stated label's score."""
    score = 1 / (1 + np.exp(-np.abs(logits)))
    right = (logits > 0) == truth
    bins = np.minimum(((score - 0.5) * 2 * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(score[bins == number].mean() - right[bins == number].mean()) * (bins == number).mean()
        for number in range(_BINS)
        if (bins == number).any()
    ]
    return float(sum(gaps))
