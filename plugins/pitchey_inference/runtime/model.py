"""A bundle in use: its session, its tokenizer, the encoder below it. Each part is loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pitchey_core.errors import InputError
from pitchey_core.storage import display
from pitchey_inference.bundles.bundle import Bundle
from pitchey_inference.checks import ModelLimits
from pitchey_inference.runtime.batching import MAX_BATCH_ROWS
from pitchey_inference.runtime.encoder import Encoder, Pooling
from pitchey_inference.runtime.loading import Loaded, load_graph
from pitchey_inference.runtime.tokens import MAX_TOKENIZER_BYTES, Tokens

if TYPE_CHECKING:
    from pitchey_inference.runtime.sessions import Session

__all__ = ["Features", "Model"]

_DEEPEST: Final = 4
Features = Callable[[Sequence[str]], dict[str, Any]]


class Model:
    """What a task works with.

    Args:
        threads: Threads inside one operator.
        find: Returns another model by its name, for a head's encoder.
        features: See :class:`~pitchey_inference.coded.CodedModel`.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int,
        limits: ModelLimits,
        find: Callable[[str], Model],
        features: Features | None = None,
    ) -> None:
        self.bundle = bundle
        self.manifest = bundle.manifest
        self.threads = threads
        self.features = features
        self._limits = limits
        self._find = find

    @cached_property
    def loaded(self) -> Loaded:
        """The model's own graph.

        Raises:
            InputError, LimitExceeded: It is damaged, unsafe, or not what its manifest says.
        """
        return load_graph(self.bundle, threads=self.threads, limits=self._limits)

    @property
    def session(self) -> Session:
        return self.loaded.session

    @property
    def sessions(self) -> list[Session]:
        """Those that are loaded: the encoder's and its own."""
        below = self.base.sessions if "base" in self.__dict__ else []
        return [*below, *([self.loaded.session] if "loaded" in self.__dict__ else [])]

    @property
    def sha256(self) -> str | None:
        """Of its own graph, once that is loaded; else what its manifest says."""
        if "loaded" in self.__dict__:
            return self.loaded.sha256
        entry = self.manifest.files.get("model")
        return entry.sha256 if entry is not None else None

    @property
    def max_rows(self) -> int:
        """Most items in one run: one, where the graph's results would depend on their neighbours."""
        stated = self.manifest.dynamic_batches
        together = not self.loaded.quantises_by_range if stated is None else stated
        return MAX_BATCH_ROWS if together else 1

    def find(self, name: str) -> Model:
        """Another model, as a job would name it: for tasks that ask several."""
        return self._find(name)

    @cached_property
    def tokens(self) -> Tokens:
        """Its tokenizer."""
        data = self.bundle.read("tokenizer", MAX_TOKENIZER_BYTES)
        shown = display(str(self.bundle.path("tokenizer")))
        return Tokens(data, self.manifest.text.max_tokens, shown)

    @cached_property
    def base(self) -> Model:
        """The model that the head stands on.

        Raises:
            InputError: The manifest names none, or one that stands on this model.
        """
        if self.manifest.encoder is None:
            raise InputError(
                f"model {self.manifest.name!r} has no encoder", remedy='add: encoder = { model = "minilm" }'
            )
        found = self._find(self.manifest.encoder.model)
        below, seen = found, {id(self)}
        while below.manifest.encoder is not None:
            if id(below) in seen or len(seen) > _DEEPEST:
                raise InputError(
                    f"model {self.manifest.name!r} stands on an encoder that stands on it",
                    remedy="name a model that makes vectors itself: encoder.model in model.toml",
                )
            seen.add(id(below))
            below = below.find(below.manifest.encoder.model)
        return found

    @cached_property
    def encoder(self) -> Encoder:
        """What makes vectors of texts: the encoder that the manifest names, else the model itself."""
        if self.manifest.encoder is not None:
            return self.base.encoder
        settings = self.manifest.text
        return Encoder(
            self.session,
            self.tokens,
            pooling=Pooling(settings.pooling, settings.normalise),
            output=self.manifest.output.name,
            max_rows=self.max_rows,
        )
