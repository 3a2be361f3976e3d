"""``pitchey-run demo``: a batch over real video, and a report to look at."""

from pitchey_runner.demo.footage import Footage, find_footage
from pitchey_runner.demo.running import Demo, prepare_demo, run_demo

__all__ = ["Demo", "Footage", "find_footage", "prepare_demo", "run_demo"]
