"""Hook implementations."""

from __future__ import annotations

from collections.abc import Sequence

from pitchey_core.hooks import CommandSpec, ProcessorSpec, QueueDefaults, ToolSpec, hookimpl

__all__ = ["pitchey_commands", "pitchey_processors", "pitchey_tools"]

_QUEUE = QueueDefaults(batch_size=5, batch_wait=1.0, retries=2, min_slots=1, max_slots=4)


def _spec(
    name: str, target: str, summary: str, *, aliases: tuple[str, ...] = (), tools: tuple[str, ...] = ()
) -> ProcessorSpec:
    return ProcessorSpec(
        name=name,
        target=f"pitchey_testkit.{target}",
        summary=summary,
        aliases=aliases,
        resources="lite",
        wall_limit=60.0,
        queue=_QUEUE,
        tools=tools,
    )


@hookimpl
def pitchey_processors() -> Sequence[ProcessorSpec]:
    """All of them."""
    return [
        _spec("test-noop", "quiet:Noop", "Do nothing"),
        _spec("test-echo", "quiet:Echo", "Write a text artifact", aliases=("test-say",)),
        _spec("test-copy", "quiet:Copy", "Copy a file; can plan"),
        _spec("test-sleep", "quiet:Sleep", "Sleep until cancelled"),
        _spec("test-async", "quiet:AsyncSleep", "Sleep in an event loop"),
        _spec("test-batch", "quiet:Batch", "Take several jobs in one call"),
        _spec("test-child", "quiet:Child", "Run the program sleep", tools=("sleep",)),
        _spec("test-fail", "failing:Fail", "Raise an error of choice"),
        _spec("test-crash", "failing:Crash", "Take the process down"),
        _spec("test-spin", "hostile:Spin", "Hold the GIL in C and ignore cancellation"),
        _spec("test-hog", "hostile:Hog", "Allocate memory"),
        _spec("test-daemon", "hostile:Daemon", "Leave a daemon in its own session behind"),
        _spec("test-mischief", "hostile:Mischief", "Misuse the process of a job"),
        _spec("test-leftover", "hostile:Leftover", "Leave a process beside the launcher of sandboxes"),
        _spec("test-flood", "hostile:Flood", "Print a lot"),
    ]


@hookimpl
def pitchey_tools() -> Sequence[ToolSpec]:
    """The ``sleep`` of the system."""
    return [ToolSpec("sleep", remedies={"*": "install coreutils"})]


@hookimpl
def pitchey_commands() -> Sequence[CommandSpec]:
    """A verb of a plugin."""
    return [CommandSpec("test-hello", "Greet from a plugin", "pitchey_testkit.command:hello")]
