"""The supervisor claims jobs from a store and has them done in slots."""

from pitchey_runner.supervisor.events import Event, JobProgress, JobSettled, JobStarted, Watcher
from pitchey_runner.supervisor.supervisor import Supervisor

__all__ = ["Event", "JobProgress", "JobSettled", "JobStarted", "Supervisor", "Watcher"]
