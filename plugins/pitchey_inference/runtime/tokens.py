"""Text to token ids, with a stated limit on the length."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pitchey_core.errors import InputError

__all__ = ["MAX_TOKENIZER_BYTES", "Tokenized", "Tokens"]

MAX_TOKENIZER_BYTES: Final = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class Tokenized:
    """One text as a model reads it.

    Attributes:
        ids, type_ids: Token and segment ids, with the special tokens.
        offsets: Begin and end of each token in the text, in characters; ``(0, 0)`` for special tokens.
        special: 1 for tokens that the tokenizer adds, else 0.
        full_length: Tokens of the whole text, which may be more than ``ids`` holds.
    """

    ids: list[int]
    type_ids: list[int]
    offsets: list[tuple[int, int]]
    special: list[int]
    full_length: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def truncated(self) -> bool:
        return self.full_length > len(self.ids)


class Tokens:
    """A tokenizer (the ``tokenizer.json`` of Hugging Face) that pads nothing and cuts where it is told to.

    Padding and truncation that are baked into the file are ignored: with them every text would cost as much as the
    longest.

    Args:
        data: The file's content.
        max_tokens: Longest input of the model, special tokens included.
        name: For messages.

    Raises:
        InputError: It is no tokenizer, or leaves no room for a text.

    Attributes:
        pad_id: Id of the padding token.
    """

    def __init__(self, data: bytes, max_tokens: int, name: str = "tokenizer.json") -> None:
        if len(data) > MAX_TOKENIZER_BYTES:
            raise InputError(f"{name!r} has {len(data)} bytes; at most {MAX_TOKENIZER_BYTES} are read")
        # Its thread pool would be as large as the host; a job has the threads of its instance type.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_str(data.decode("utf-8"))
            self.pad_id = _pad_id(json.loads(data))
        except Exception as error:
            # The library raises nothing more special.
            raise InputError(f"{name!r} is not a tokenizer: {error}") from error
        self._added = self._tokenizer.num_special_tokens_to_add(False)
        if max_tokens <= self._added:
            raise InputError(f"{name!r} adds {self._added} tokens itself; max_tokens is {max_tokens}")
        self.max_tokens = max_tokens
        self._name = name
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)

    def encode(self, texts: Sequence[str]) -> list[Tokenized]:
        """The token ids of texts; what is longer than ``max_tokens`` loses its end."""
        try:
            encodings = self._tokenizer.encode_batch(list(texts))
        except Exception as error:
            # As above: for example a word that is in no vocabulary, and no token for those.
            raise InputError(f"the model failed: {self._name!r} cannot read the text: {error}") from error
        return [self._tokenized(each) for each in encodings]

    def _tokenized(self, encoding: Any) -> Tokenized:
        cut = sum(len(rest.ids) - self._added for rest in encoding.overflowing)
        return Tokenized(
            encoding.ids,
            encoding.type_ids,
            encoding.offsets,
            encoding.special_tokens_mask,
            len(encoding.ids) + cut,
        )


def _pad_id(record: Any) -> int:
    """From the baked-in padding, or the added token that is called so; 0 where there is none."""
    padding = record.get("padding")
    if isinstance(padding, dict):
        return int(padding["pad_id"])
    added = record.get("added_tokens") or []
    return next((int(each["id"]) for each in added if each.get("content") in ("[PAD]", "<pad>")), 0)
