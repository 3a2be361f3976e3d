"""Programs that never end."""

from __future__ import annotations

from typing import Final

from pitchey_core.isolation.attempts.attempt import Attempt, Seen
from pitchey_core.isolation.policy import Layer
from pitchey_core.isolation.report import Verdict

__all__ = ["ATTEMPTS"]

_SPIN: Final = """
while time.process_time() < 3:
    pass
say("BREACH", "3 s of CPU time")
"""
# Each stays below a limit that holds for each alone.
_SPIN_TOGETHER: Final = """
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        while time.process_time() < 0.8:
            pass
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
say("BREACH", "3.2 s of CPU time in four processes")
"""
_SLEEP: Final = """
time.sleep(4)
say("BREACH", "slept for 4 s")
"""


def _late(seen: Seen) -> str | None:
    return f"the caller waited {seen.seconds:.1f} s" if seen.seconds > 3 else None


_CPU: Final = frozenset({Verdict.TIMEOUT_CPU})
ATTEMPTS: Final = (
    Attempt(
        7,
        "spin for ever",
        (Layer.CGROUP, Layer.RLIMITS),
        _SPIN,
        "verdict timeout-cpu",
        _CPU,
        limits={"cpu_seconds": 1.0, "wall_seconds": 20.0},
        alone=(Layer.CGROUP,),
    ),
    Attempt(
        8,
        "spin in four processes",
        (Layer.CGROUP,),
        _SPIN_TOGETHER,
        "verdict timeout-cpu: the sum counts",
        _CPU,
        limits={"cpu_seconds": 1.0, "wall_seconds": 20.0},
        alone=(Layer.CGROUP,),
    ),
    Attempt(
        9,
        "sleep for ever",
        (),
        _SLEEP,
        "verdict timeout-wall",
        frozenset({Verdict.TIMEOUT_WALL}),
        limits={"wall_seconds": 0.5},
        observe=_late,
    ),
)
