"""Sessions of ONNX Runtime: created once in a process, shared, and given up when they need too much room."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pitchey_core.errors import Cancelled, InputError
from pitchey_inference.runtime.batching import DEVICE_BATCH_TOKENS, MAX_BATCH_TOKENS
from pitchey_inference.runtime.library import onnx_runtime
from pitchey_inference.runtime.providers import chosen_providers

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["SESSIONS", "Session", "SessionCache", "TensorSpec", "open_session"]

_QUICK_SECONDS: Final = 0.1
"""A model whose last run took less is run in the calling thread, which saves the handing over. A cancelled job waits
at most that long."""
_POLL_SECONDS: Final = 0.05
_DEFAULT_CACHE_BYTES: Final = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output of a model.

    Attributes:
        dtype: As numpy calls it: ``float32``, ``int64``, ``str``; of anything but a tensor, as ONNX calls it.
        shape: ``None`` or a name where a dimension is free.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        dims = ", ".join("?" if dim is None else str(dim) for dim in self.shape)
        return f"{self.name}: {self.dtype}[{dims}]"


class Session:
    """A loaded model. Safe for several threads.

    Attributes:
        key: What it was loaded from.
        inputs, outputs: By name, in the model's order.
        providers: Those that it runs on, best first.
        load_seconds: Wall time of loading it.
        loaded_at: When that was done, by the monotonic clock.
        bytes: Estimate of the memory that it holds.
        bare: The runtime's own session.
    """

    def __init__(self, key: str, session: Any, *, size: int, load_seconds: float, threads: int) -> None:
        self.key = key
        self.bytes = size
        self.load_seconds = load_seconds
        self.loaded_at = time.monotonic()
        self.threads = threads
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        self.inputs = {each.name: _spec(each) for each in session.get_inputs()}
        self.outputs = {each.name: _spec(each) for each in session.get_outputs()}
        self.bare = session
        self._run = session.run
        self._last_seconds = _QUICK_SECONDS

    @property
    def batch_tokens(self) -> int:
        """Most padded tokens of one run of a text model."""
        return MAX_BATCH_TOKENS if self.providers[:1] == ("CPUExecutionProvider",) else DEVICE_BATCH_TOKENS

    def run(
        self,
        feeds: Mapping[str, Array],
        outputs: Sequence[str] | None = None,
        *,
        stop: Callable[[], bool] | None = None,
    ) -> list[Array]:
        """Compute outputs (all, by default) from inputs by name.

        Args:
            stop: Asked while it runs; when true the run is broken off.

        Raises:
            Cancelled: ``stop()`` was true.
            InputError: The model refuses the inputs, or fails on them.
        """
        began = time.perf_counter()
        try:
            if stop is None or self._last_seconds < _QUICK_SECONDS:
                return list(self._run(outputs, feeds))
            return self._run_watched(feeds, outputs, stop)
        except Cancelled:
            raise
        except Exception as error:
            # The runtime's own classes say no more than its message does.
            raise InputError(f"the model failed: {_first_line(error)}") from error
        finally:
            self._last_seconds = time.perf_counter() - began

    def _run_watched(
        self, feeds: Mapping[str, Array], outputs: Sequence[str] | None, stop: Callable[[], bool]
    ) -> list[Array]:
        """In another thread: signals that bring a cancellation are seen by the main thread, once it is in Python."""
        onnxruntime = onnx_runtime()

        options = onnxruntime.RunOptions()
        done = threading.Event()
        found: list[Any] = []
        failed: list[BaseException] = []

        def work() -> None:
            try:
                found.extend(self._run(outputs, feeds, options))
            except BaseException as error:  # noqa: BLE001 - it is raised where the caller waits
                failed.append(error)
            finally:
                done.set()

        threading.Thread(target=work, name="onnx-run", daemon=True).start()
        while not done.wait(_POLL_SECONDS):
            if stop():
                options.terminate = True
                done.wait()
                raise Cancelled("the model was stopped")
        if failed:
            raise failed[0]
        return found


@dataclass(slots=True)
class _Slot:
    ready: threading.Event = field(default_factory=threading.Event)
    session: Session | None = None
    error: BaseException | None = None


class SessionCache:
    """Sessions by key, least recently used out first. Whoever asks for one that is being loaded waits for it.

    Args:
        max_bytes: Estimated bytes of all sessions together; the one in use stays in any case.
    """

    def __init__(self, max_bytes: int = _DEFAULT_CACHE_BYTES) -> None:
        self.max_bytes = max_bytes
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, load: Callable[[], Session]) -> Session:
        """The session of that key; ``load`` is called where there is none. Its error is everybody's who waits."""
        with self._lock:
            slot = self._slots.get(key)
            mine = slot is None
            if slot is None:
                slot = self._slots[key] = _Slot()
            self._slots.move_to_end(key)
        if mine:
            self._fill(key, slot, load)
        else:
            slot.ready.wait()
        if slot.error is not None:
            raise slot.error
        assert slot.session is not None
        return slot.session

    def _fill(self, key: str, slot: _Slot, load: Callable[[], Session]) -> None:
        try:
            slot.session = load()
        except BaseException as error:
            slot.error = error
            with self._lock:
                self._slots.pop(key, None)
            raise
        finally:
            slot.ready.set()
        self._trim(key)

    def _trim(self, kept: str) -> None:
        with self._lock:
            sizes = {key: slot.session.bytes for key, slot in self._slots.items() if slot.session is not None}
            total = sum(sizes.values())
            for key in list(sizes):
                if total <= self.max_bytes:
                    return
                if key != kept:
                    total -= sizes[key]
                    del self._slots[key]

    def keys(self) -> list[str]:
        """The keys of the sessions in memory, least recently used first."""
        with self._lock:
            return list(self._slots)

    def clear(self) -> None:
        """Give up all sessions; those in use live until their run ends."""
        with self._lock:
            self._slots.clear()


SESSIONS: Final = SessionCache()
"""The sessions of this process."""


def open_session(
    key: str,
    data: bytes | str,
    *,
    threads: int,
    size: int,
    optimised: bool = False,
    write_optimised: str | None = None,
    external: Mapping[str, bytes] | None = None,
) -> Session:
    """Load a model.

    Args:
        data: The model's content; or the path of a copy that this runtime wrote itself.
        threads: Threads inside one operator.
        size: Estimate of the memory that it will hold, in bytes.
        optimised: ``data`` is such a copy, so the graph is not worked on again.
        write_optimised: Where to write one.
        external: Content of the files that hold the model's large tensors, by name.

    Raises:
        InputError: The runtime refuses it.
    """
    onnxruntime = onnx_runtime()

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_DISABLE_ALL if optimised else level.ORT_ENABLE_ALL
    # Threads that spin between two operators take the CPU from the neighbours' jobs, and win 2 % alone.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if write_optimised is not None:
        options.optimized_model_filepath = write_optimised
    if external:
        options.add_external_initializers_from_files_in_memory(
            list(external), list(external.values()), [len(each) for each in external.values()]
        )
    began = time.perf_counter()
    try:
        session = onnxruntime.InferenceSession(data, options, providers=list(chosen_providers()))
    except Exception as error:
        # As above.
        raise InputError(f"the model cannot be loaded: {_first_line(error)}") from error
    return Session(key, session, size=size, load_seconds=time.perf_counter() - began, threads=threads)


_DTYPES: Final = {
    "float": "float32",
    "double": "float64",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "string": "str",
    "bool": "bool",
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def _spec(found: Any) -> TensorSpec:
    inner = found.type.removeprefix("tensor(").removesuffix(")")
    dtype = _DTYPES.get(inner, found.type) if found.type.startswith("tensor(") else found.type
    return TensorSpec(found.name, dtype, tuple(found.shape or ()))


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:500] if lines else type(error).__name__
