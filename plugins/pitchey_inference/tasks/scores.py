"""From what a classifier puts out to probabilities, and from them to labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pitchey_core.errors import InputError
from pitchey_inference.bundles.manifest import Manifest
from pitchey_inference.outputs import LabelScore

__all__ = ["labels_of", "no_numbers", "probabilities", "ranked"]


def no_numbers(manifest: Manifest) -> InputError:
    """The error of an answer that is NaN or infinite."""
    return InputError(f"model {manifest.name!r} puts out values that are no numbers (NaN or infinite)")


def labels_of(manifest: Manifest, size: int) -> list[str]:
    """The labels of an output with ``size`` values; numbered where the manifest has none.

    Raises:
        InputError: The manifest has another number of them.
    """
    if not manifest.labels:
        return [f"LABEL_{number}" for number in range(max(size, 2))]
    if len(manifest.labels) != size and not (size == 1 and len(manifest.labels) == 2):
        raise InputError(
            f"model {manifest.name!r} has {len(manifest.labels)} labels in its manifest, and puts out {size} values",
            remedy="correct labels in model.toml (or id2label in config.json)",
        )
    return list(manifest.labels)


def probabilities(raw: Any, manifest: Manifest, temperature: float) -> Any:
    """Distributions of the last axis, ``float64``.

    One value alone is the logit (or probability) of the second of two labels.

    Args:
        raw: Logits or probabilities, as the manifest says.
        temperature: Of the job; the model's own is applied, too. Above 1 flattens, below 1 sharpens.

    Raises:
        InputError: They are not finite.
    """
    import numpy as np

    values = np.asarray(raw, np.float64)
    if not np.isfinite(values).all():
        raise no_numbers(manifest)
    scale = manifest.temperature * temperature
    if manifest.output.kind == "probabilities":
        values = np.clip(
            values, 1e-12, 1 - 1e-12 if values.shape[-1] == 1 or manifest.output.multi_label else 1
        )
        if values.shape[-1] == 1 or manifest.output.multi_label:
            values = np.log(values) - np.log1p(-values)
        else:
            values = np.log(values)
    if manifest.output.multi_label:
        return 1 / (1 + np.exp(-np.clip(values / scale, -500, 500)))
    if values.shape[-1] == 1:
        values = np.concatenate([np.zeros_like(values), values], axis=-1)
    values = values / scale
    values = np.exp(values - values.max(axis=-1, keepdims=True))
    return values / values.sum(axis=-1, keepdims=True)


def ranked(distribution: Any, labels: Sequence[str], top_k: int | None) -> list[LabelScore]:
    """Labels by probability, most probable first; equal ones in the order of the labels."""
    order = sorted(range(len(labels)), key=lambda number: -float(distribution[number]))
    return [
        LabelScore(label=labels[number], score=round(float(distribution[number]), 6))
        for number in order[:top_k]
    ]
