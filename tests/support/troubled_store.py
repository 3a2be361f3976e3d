"""A store that fails for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pitchey_runner.store.interface import JobStore

__all__ = ["TroubledStore"]


class TroubledStore:
    """A store whose named method fails a few times before it works.

    Attributes:
        left: How often it will still fail.
    """

    def __init__(self, store: JobStore, method: str, times: int, error: Callable[[], Exception]) -> None:
        self._store = store
        self._method = method
        self._error = error
        self.left = times

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name != self._method:
            return found

        def troubled(*args: Any, **kwargs: Any) -> Any:
            if self.left > 0:
                self.left -= 1
                raise self._error()
            return found(*args, **kwargs)

        return troubled
