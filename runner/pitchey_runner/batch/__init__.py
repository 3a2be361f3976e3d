"""Batches: many jobs from one file or folder. Run again, a batch does only what is left to do."""

from pitchey_runner.batch.files import BatchError
from pitchey_runner.batch.items import DEFAULT_OUTPUT, BatchOptions, batch_id_of, read_batch
from pitchey_runner.batch.resuming import Enqueued, enqueue_batch
from pitchey_runner.batch.running import BatchDone, BatchSummary, run_batch

__all__ = [
    "DEFAULT_OUTPUT",
    "BatchDone",
    "BatchError",
    "BatchOptions",
    "BatchSummary",
    "Enqueued",
    "batch_id_of",
    "enqueue_batch",
    "read_batch",
    "run_batch",
]
