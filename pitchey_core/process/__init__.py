"""The one place that starts external programs."""

from pitchey_core.process.launch import clean_environment, interpreter
from pitchey_core.process.limits import Completed, ProcessLimits
from pitchey_core.process.run import run
from pitchey_core.process.tree import (
    TAG_VARIABLE,
    ProcessEntry,
    TreeMemory,
    boot_id,
    descendants,
    kill_tree,
    pid_namespace,
    process_start_ticks,
    processes_with_tag,
    read_process,
    scan_processes,
    tree,
    tree_cpu_us,
    tree_memory,
)

__all__ = [
    "TAG_VARIABLE",
    "Completed",
    "ProcessEntry",
    "ProcessLimits",
    "TreeMemory",
    "boot_id",
    "clean_environment",
    "descendants",
    "interpreter",
    "kill_tree",
    "pid_namespace",
    "process_start_ticks",
    "processes_with_tag",
    "read_process",
    "run",
    "scan_processes",
    "tree",
    "tree_cpu_us",
    "tree_memory",
]
