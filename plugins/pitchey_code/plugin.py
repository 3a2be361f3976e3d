"""Hook implementations; imports nothing that the extra ``pitchey[code]`` brings."""

from __future__ import annotations

from collections.abc import Sequence

from pitchey_core.hooks import ProcessorSpec, QueueDefaults, ToolSpec, hookimpl

__all__ = ["DENO", "NODE", "pitchey_processors", "pitchey_tools"]

DENO = ToolSpec(
    name="deno",
    bundled="deno:find_deno_bin",
    bundled_requirement="pitchey[code]",
    environment=("HOME",),
)
NODE = ToolSpec(
    name="node",
    executables=("node", "nodejs"),
    remedies={
        "debian": "apt-get install nodejs",
        "fedora": "dnf install nodejs",
        "arch": "pacman -S nodejs",
        "alpine": "apk add nodejs",
    },
)


@hookimpl
def pitchey_processors() -> Sequence[ProcessorSpec]:
    """The ``code`` processor."""
    return [
        ProcessorSpec(
            name="code",
            target="pitchey_code.processor:CodeProcessor",
            summary="Run untrusted Python, JavaScript or TypeScript in a sandbox",
            aliases=("code-execution", "code-executor"),
            resources="lite",
            # Above the payload's 30 s, so that the program's own timer ends it, with a verdict and its output.
            wall_limit=40.0,
            queue=QueueDefaults(batch_size=20, batch_wait=30.0, retries=1, min_slots=2, max_slots=10),
            extra="pitchey[code]",
        )
    ]


@hookimpl
def pitchey_tools() -> Sequence[ToolSpec]:
    """Deno, and Node where JavaScript has to do without it."""
    return [DENO, NODE]
