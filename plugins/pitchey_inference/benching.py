"""``pitchey-run models bench``: what a text model does on this host."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pitchey_core.errors import PitcheyError, UsageError
from pitchey_inference.bundles.opening import Access
from pitchey_inference.catalog import Catalog
from pitchey_inference.checks import ModelLimits
from pitchey_inference.loaded import MODELS_IN_USE, Ready
from pitchey_inference.parameters import parse_parameters
from pitchey_inference.tasks.base import Request, TextItem

__all__ = ["bench_model"]

_TEXT: Final = (
    "a young painter buys the old house by the sea to finish her last work and hears steps at night"
)
_WORDS: Final = _TEXT.split()
_LENGTHS: Final = (8, 40, 160)
_TOGETHER: Final = 32


def bench_model(
    name: str, catalog: Catalog, access: Access, options: Mapping[str, Any], *, threads: int, seconds: float
) -> dict[str, Any]:
    """Texts a second, one by one and together, by length; and the time to load.

    Args:
        seconds: To measure for, in all.

    Raises:
        UsageError: The model does not take texts.
    """
    limits = ModelLimits.from_options(options)
    ready = MODELS_IN_USE.get(name, catalog, access, threads=threads, limits=limits)
    if TextItem not in ready.task.accepts:
        raise UsageError(f"model {name!r} takes no texts, and only those are measured")
    began = time.perf_counter()
    _ask(ready, [_text(8, 0)])
    loaded = time.perf_counter() - began
    share = seconds / (2 * len(_LENGTHS))
    rows = [
        {
            "words": words,
            "one_by_one": _rate(ready, words, 1, share),
            "together": _rate(ready, words, _TOGETHER, share),
        }
        for words in _LENGTHS
    ]
    providers = ready.model.sessions[-1].providers if ready.model.sessions else ()
    return {
        "model": name,
        "threads": threads,
        "load_seconds": loaded,
        "providers": list(providers),
        "rows": rows,
    }


def _rate(ready: Ready, words: int, together: int, seconds: float) -> float:
    done = 0
    began = time.perf_counter()
    while True:
        _ask(ready, [_text(words, done + number) for number in range(together)])
        done += together
        passed = time.perf_counter() - began
        if passed >= seconds:
            return round(done / passed, 2)


def _text(words: int, number: int) -> str:
    return " ".join(_WORDS[(number + place) % len(_WORDS)] for place in range(words))


def _ask(ready: Ready, texts: Sequence[str]) -> None:
    needed = {"labels": ["drama", "comedy"]} if ready.model.manifest.task == "zero-shot" else {}
    parameters = parse_parameters(ready.task.parameters, needed, ready.model.manifest.task)
    for answer in ready.task.run([Request(TextItem(text), parameters) for text in texts]):
        if isinstance(answer, PitcheyError):
            raise answer
