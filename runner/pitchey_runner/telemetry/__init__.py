"""What operators' tools are told: metrics to scrape, and traces. Nothing of it is imported unless it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pitchey_core.host import Host

if TYPE_CHECKING:
    from pitchey_core.settings import Settings
    from pitchey_runner.store.interface import JobStore
    from pitchey_runner.supervisor import Event, Watcher

__all__ = ["telemetry", "together"]


@contextmanager
def telemetry(
    settings: Settings, store: JobStore, host: Host, say: Callable[[str], None]
) -> Iterator[list[Watcher]]:
    """Watchers for a supervisor, as ``[telemetry]`` asks for; they work while the block runs.

    Args:
        say: Told where the metrics are.

    Raises:
        ConfigError: The address is not free.
        ExtraMissing: The packages are not installed.
    """
    watchers: list[Watcher] = []
    with ExitStack() as stack:
        if settings.telemetry.metrics is not None:
            from pitchey_runner.telemetry.metrics import Metrics, serving

            metrics = Metrics(store, host)
            url = stack.enter_context(serving(metrics, settings.telemetry.metrics))
            say(f"metrics: {url}")
            watchers.append(metrics.watch)
        if settings.telemetry.traces is not None:
            from pitchey_runner.telemetry.tracing import tracing

            watchers.append(stack.enter_context(tracing(settings.telemetry.traces)).watch)
        yield watchers


def together(*watchers: Watcher) -> Watcher:
    """One watcher that tells all, each whatever the others raise; one that nobody reads any more is left out."""
    left = list(watchers)

    def watch(event: Event) -> None:
        errors: list[Exception] = []
        for each in list(left):
            try:
                each(event)
            except BrokenPipeError:
                left.remove(each)
            except Exception as error:  # noqa: BLE001 - the others are to hear of it all the same
                errors.append(error)
        if errors:
            raise errors[0]

    return watch
