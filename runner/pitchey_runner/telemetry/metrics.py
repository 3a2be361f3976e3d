"""Prometheus metrics: counted as the jobs end, the rest read from the store when somebody asks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pitchey_core.errors import ConfigError, ExtraMissing, OutOfSpace, StoreError
from pitchey_core.host import Host
from pitchey_runner.store.interface import JobFilter, JobState, JobStore, QueueRecord, most_slots
from pitchey_runner.supervisor import Event, JobSettled, JobStarted
from pitchey_runner.telemetry.host_load import HostMeter

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["Metrics", "serving"]

_log = logging.getLogger(__name__)

_COUNTED: Final = tuple(
    state for state in JobState if state not in {JobState.COMPLETED, JobState.CANCELLED}
)  # fmt: skip
_KEPT_SECONDS: Final = 2.0
_DURATION_BUCKETS: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_WAIT_BUCKETS: Final = (0.01, 0.1, 1, 10, 60, 300, 1800, 3600, 21600, 86400)


class Metrics:
    """The metrics of one worker: its own work, its host, and its store.

    :meth:`watch` takes the supervisor's events and only counts. The store is read by the thread that answers a
    scrape, at most every two seconds.
    """

    def __init__(self, store: JobStore, host: Host) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            raise ExtraMissing(
                "metrics need prometheus_client, which is not installed",
                remedy="pip install 'pitchey[metrics]'",
            ) from error
        self.registry = prometheus.CollectorRegistry()
        self._store = store
        self._host = host
        self._meter = HostMeter(host.settings.data_dir)
        self._guard = threading.Lock()
        self._kept: tuple[float, list[Metric]] = (float("-inf"), [])
        self._running: dict[str, str] = {}
        self._attempts = prometheus.Counter(
            "pitchey_job_attempts", "Attempts that ended here.", ["queue", "outcome"], registry=self.registry
        )
        self._duration = prometheus.Histogram(
            "pitchey_job_duration_seconds",
            "Wall time of attempts that ended here.",
            ["queue", "outcome"],
            buckets=_DURATION_BUCKETS,
            registry=self.registry,
        )
        self._wait = prometheus.Histogram(
            "pitchey_job_wait_seconds",
            "From submission to the start of the first attempt, of jobs that started here.",
            ["queue"],
            buckets=_WAIT_BUCKETS,
            registry=self.registry,
        )
        self._cpu = prometheus.Counter(
            "pitchey_job_cpu_seconds",
            "CPU time of attempts that ended here.",
            ["queue"],
            registry=self.registry,
        )
        self._cost = prometheus.Counter(
            "pitchey_job_cost_nanodollars",
            "Cost of attempts that ended here, in billionths of a US dollar.",
            ["queue"],
            registry=self.registry,
        )
        self._busy = prometheus.Gauge(
            "pitchey_jobs_running", "Jobs that run here now.", ["queue"], registry=self.registry
        )
        self.registry.register(_Collector(self))

    def watch(self, event: Event) -> None:
        """Take in what a supervisor tells."""
        match event:
            case JobStarted():
                if event.job_id not in self._running:
                    self._running[event.job_id] = event.type
                    self._busy.labels(event.type).inc()
                if event.attempt == 1 and event.created_at is not None:
                    self._wait.labels(event.type).observe(
                        max(0.0, time.time() - event.created_at.timestamp())
                    )
            case JobSettled():
                if (job_type := self._running.pop(event.job_id, None)) is not None:
                    self._busy.labels(job_type).dec()
                if event.outcome is None or event.usage is None:
                    return
                self._attempts.labels(event.type, event.outcome.value).inc()
                self._duration.labels(event.type, event.outcome.value).observe(event.usage.wall_us / 1e6)
                self._cpu.labels(event.type).inc(event.usage.cpu_us / 1e6)
                self._cost.labels(event.type).inc(event.cost_nanos)

    def gathered(self) -> list[Metric]:
        """What is read from store and host; the last figures while the store cannot be read."""
        with self._guard:
            read_at, kept = self._kept
            if time.monotonic() - read_at < _KEPT_SECONDS:
                return kept
            try:
                kept = [*self._of_store(), *self._of_host(), _up(1)]
            except (StoreError, OutOfSpace) as error:
                _log.warning("the store's metrics cannot be read: %s", error)
                # What the store says of slots is not known now; the settings are.
                kept = [*self._of_host(), self._slots(()), _up(0)]
            self._kept = (time.monotonic(), kept)
            return kept

    def _of_store(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        jobs = GaugeMetricFamily(
            "pitchey_jobs",
            "Jobs of the store that are not finished, and dead letters.",
            labels=["queue", "state"],
        )
        for queue in self._host.registry.processors:
            counts = self._store.counts(JobFilter(states=_COUNTED, types=[queue]))
            for state in _COUNTED:
                jobs.add_metric([queue, state.value], counts.get(state, 0))
        yield jobs
        now = self._store.now()
        workers = GaugeMetricFamily(
            "pitchey_worker_jobs", "Jobs that a worker holds.", labels=["worker", "host"]
        )
        age = GaugeMetricFamily(
            "pitchey_worker_heartbeat_age_seconds",
            "Since a worker was last heard of.",
            labels=["worker", "host"],
        )
        lease = GaugeMetricFamily(
            "pitchey_worker_lease_seconds",
            "How long a worker's claims hold without a heartbeat.",
            labels=["worker", "host"],
        )
        for each in self._store.workers():
            names = [each.info.id, each.info.host]
            workers.add_metric(names, each.active_jobs_count)
            age.add_metric(names, max(0.0, (now - each.seen_at).total_seconds()))
            lease.add_metric(names, each.info.lease_seconds)
        yield from (workers, age, lease)
        yield self._slots(self._store.queues())

    def _slots(self, queues: Sequence[QueueRecord]) -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        slots = GaugeMetricFamily("pitchey_slots_max", "Most slots of a queue here.", labels=["queue"])
        for name in self._host.registry.processors:
            slots.add_metric([name], most_slots(queues, name, self._host.queue(name).max_slots))
        return slots

    def _of_host(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        load = self._meter.look()
        for name, words, value in (
            ("pitchey_host_cpu_ratio", "Share of this host's CPUs that was busy.", load.cpu_percent / 100),
            ("pitchey_host_cpus", "CPUs of this host.", load.cpus),
            ("pitchey_host_memory_total_bytes", "Memory of this host.", load.memory_total),
            ("pitchey_host_memory_available_bytes", "Memory that programs could get.", load.memory_available),
            ("pitchey_host_disk_total_bytes", "Size of the data folder's disk.", load.disk_total),
            ("pitchey_host_disk_free_bytes", "Room on the data folder's disk.", load.disk_free),
        ):
            yield GaugeMetricFamily(name, words, value=value)


def _up(value: int) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily("pitchey_store_up", "Whether the store could be read.", value=value)


class _Collector:
    """Prometheus' protocol of a collector."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> list[Metric]:
        # Nothing is read before somebody asks.
        return []

    def collect(self) -> list[Metric]:
        return self._metrics.gathered()


@contextmanager
def serving(metrics: Metrics, address: str) -> Iterator[str]:
    """Answer ``GET /metrics`` in a thread while the block runs; gives the URL.

    Args:
        address: ``HOST:PORT``, or ``PORT`` alone for this host only; port 0 is any free one.

    Raises:
        ConfigError: It is no address, or it is not free.
    """
    from prometheus_client import start_http_server

    host, _, port = address.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535:
        raise ConfigError(
            f"telemetry.metrics: {address!r} is not HOST:PORT", remedy="for example 127.0.0.1:9464"
        )
    try:
        server, thread = start_http_server(int(port), host, metrics.registry)
    except OSError as error:
        raise ConfigError(
            f"telemetry.metrics: cannot listen on {address}: {error.strerror or error}",
            remedy="choose another port; port 0 is any free one",
        ) from error
    try:
        yield f"http://{_shown(host)}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
