"""Slots: warm child processes in which jobs run, shared by the runner and :func:`pitchey_core.run`.

::

    host (supervisor, or your program)
      └─ warden   one per slot: fork server, subreaper, lifeline, limits, log       warden.py
           └─ worker   runs the processor in its main thread                        worker.py, attempt.py
                └─ ffmpeg, … started through pitchey_core.process
"""

from pitchey_core.slots.occupancy import forget_occupancy, occupants, open_occupancy
from pitchey_core.slots.slot import Executor, LocalExecutor, Outcome, Report, Slot, SlotReport, new_tag

__all__ = [
    "Executor",
    "LocalExecutor",
    "Outcome",
    "Report",
    "Slot",
    "SlotReport",
    "forget_occupancy",
    "new_tag",
    "occupants",
    "open_occupancy",
]
