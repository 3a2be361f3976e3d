"""Models in use in this process: opened once, kept while their files stay the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pitchey_core.errors import InputError
from pitchey_core.hooks import load_target
from pitchey_core.storage import FetchPolicy, to_path
from pitchey_inference.bundles.opening import Access
from pitchey_inference.catalog import Catalog, Found
from pitchey_inference.checks import ModelLimits
from pitchey_inference.runtime.model import Model
from pitchey_inference.tasks.base import Task

__all__ = ["MODELS_IN_USE", "TASK_CLASSES", "InUse", "Ready"]

TASK_CLASSES: Final = {
    "text-classification": "pitchey_inference.tasks.text_classification:TextClassificationTask",
    "embeddings": "pitchey_inference.tasks.embeddings:EmbeddingTask",
    "zero-shot": "pitchey_inference.tasks.zero_shot:ZeroShotTask",
    "summary": "pitchey_inference.tasks.summary:SummaryTask",
    "token-classification": "pitchey_inference.tasks.token_classification:TokenClassificationTask",
    "image-classification": "pitchey_inference.tasks.image_classification:ImageClassificationTask",
    "tensors": "pitchey_inference.tasks.tensors:TensorTask",
    "pitch-analysis": "pitchey_inference.tasks.pitch_analysis:PitchAnalysisTask",
}
"""The class of each task of a manifest."""
_MOST_MODELS: Final = 32
_DEEPEST: Final = 4


class Ready:
    """A model with its task."""

    def __init__(self, found: Found, model: Model, task: Task[Any]) -> None:
        self.found = found
        self.model = model
        self.task = task


class InUse:
    """Models by what was asked for; least recently used out first. Their sessions are shared by content."""

    def __init__(self) -> None:
        self._ready: OrderedDict[tuple[str, int], Ready] = OrderedDict()
        self._lock = threading.RLock()

    def get(
        self,
        name: str,
        catalog: Catalog,
        access: Access,
        *,
        threads: int,
        limits: ModelLimits,
        depth: int = 0,
    ) -> Ready:
        """The model of a name, path or URL. A file that has changed since is read again.

        Raises:
            UnknownName, InputError, ConfigError, ExtraMissing, TransientError: As for
                :meth:`~pitchey_inference.catalog.Catalog.find`.
        """
        if depth > _DEEPEST:
            raise InputError(f"model {name!r} stands on an encoder that stands on it")
        found = catalog.find(name, access)
        key = (f"{found.bundle.signature} {found.coded} {limits}", threads)
        with self._lock:
            ready = self._ready.get(key)
            if ready is None:

                def find(below: str) -> Model:
                    return self.get(
                        below, catalog, access, threads=threads, limits=limits, depth=depth + 1
                    ).model

                ready = self._ready[key] = _make(found, find, threads, limits)
            self._ready.move_to_end(key)
            while len(self._ready) > _MOST_MODELS:
                self._ready.popitem(last=False)
        return ready

    def builtin(self, name: str, threads: int) -> Model:
        """A model of this package, for code that has no job."""
        from pitchey_inference.plugin import pitchey_catalog

        catalog = Catalog({entry.name: entry for entry in pitchey_catalog()})
        access = Access(FetchPolicy(), _local)
        return self.get(name, catalog, access, threads=threads, limits=ModelLimits()).model

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._ready.clear()


def _local(url: str) -> Path:
    path = to_path(url)
    assert path is not None
    return path


def _make(found: Found, find: Callable[[str], Model], threads: int, limits: ModelLimits) -> Ready:
    coded = found.coded
    features = load_target(coded.features) if coded is not None and coded.features is not None else None
    model = Model(found.bundle, threads=threads, limits=limits, find=find, features=features)
    target = (
        coded.task
        if coded is not None and coded.task is not None
        else TASK_CLASSES[found.bundle.manifest.task]
    )
    cls: type[Task[Any]] = load_target(target)
    return Ready(found, model, cls(model))


MODELS_IN_USE: Final = InUse()
"""Those of this process."""
