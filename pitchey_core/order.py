"""A job on its way to a slot: everything that the child process has to know, as JSON data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from pitchey_core.hooks import ProcessorSpec, QueueDefaults
from pitchey_core.resources import Limits

__all__ = ["JobOrder", "pack_orders", "spec_from_record", "unpack_orders"]

_SHARED: Final = ("spec", "limits", "base_dir", "plugin_version", "tools", "fetch_policy", "options")


@dataclass(frozen=True, slots=True)
class JobOrder:
    """One attempt of one job.

    Attributes:
        claim_seq: The fencing token; with ``job_id`` it names this attempt.
        output: URL of the folder to publish in; ``None`` where the caller wants no files.
        base_dir: Local folder under which this attempt's work folder and log come into being on first use.
        plugin_version: What is kept between attempts is kept for that version alone.
        tools: Paths that the settings give for external programs, by tool name.
        fetch_policy: See :class:`pitchey_core.storage.FetchPolicy`; its fields as JSON data.
        options: The plugin's own table of the settings (``plugins.NAME``).
        key: Name of this attempt's folders: unique per claim, so that two attempts can never share one.
    """

    job_id: str
    claim_seq: int
    attempt: int
    spec: ProcessorSpec
    payload: dict[str, Any]
    limits: Limits
    base_dir: Path
    plugin_version: str = "0"
    output: str | None = None
    overwrite: bool = False
    tools: dict[str, str] = field(default_factory=dict)
    fetch_policy: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.job_id}.{self.claim_seq}")

    @property
    def workdir(self) -> Path:
        return self.base_dir / "work" / self.key

    @property
    def scratch_dir(self) -> Path:
        """Local folder that survives attempts."""
        return self.base_dir / "scratch" / f"{self.job_id}-{self.plugin_version}"

    @property
    def log_path(self) -> Path:
        return self.base_dir / "logs" / self.job_id[:2] / f"{self.key}.log"


def pack_orders(orders: Sequence[JobOrder]) -> list[dict[str, Any]]:
    """Orders as JSON data, in groups: what neighbours have in common is said once.

    The jobs of one claim differ in little but their payloads, and their specification is most of an order.
    """
    groups: list[dict[str, Any]] = []
    last: JobOrder | None = None
    own: list[dict[str, Any]] = []
    for order in orders:
        if last is None or not _share(order, last):
            own = []
            groups.append({"shared": _shared_record(order), "orders": own})
        last = order
        own.append(
            {
                "job_id": order.job_id,
                "claim_seq": order.claim_seq,
                "attempt": order.attempt,
                "payload": order.payload,
                "output": order.output,
                "overwrite": order.overwrite,
            }
        )
    return groups


def _share(one: JobOrder, other: JobOrder) -> bool:
    """Whether two orders have the same model. Paths and specifications are slow to compare, and seldom need to be."""
    return (
        one.spec is other.spec
        and one.limits is other.limits
        and one.base_dir is other.base_dir
        and one.tools is other.tools
        and one.fetch_policy is other.fetch_policy
        and one.options is other.options
        and one.plugin_version == other.plugin_version
    ) or all(getattr(one, name) == getattr(other, name) for name in _SHARED)


def unpack_orders(groups: Iterable[dict[str, Any]]) -> list[JobOrder]:
    """The inverse of :func:`pack_orders`."""
    orders = []
    for group in groups:
        shared = _shared_fields(group["shared"])
        orders += [JobOrder(**shared, **own) for own in group["orders"]]
    return orders


def _shared_record(order: JobOrder) -> dict[str, Any]:
    record = {name: getattr(order, name) for name in _SHARED}
    return {
        **record,
        "spec": asdict(order.spec),
        "limits": order.limits.as_record(),
        "base_dir": str(order.base_dir),
    }


def _shared_fields(record: dict[str, Any]) -> dict[str, Any]:
    return {
        **record,
        "spec": spec_from_record(record["spec"]),
        "limits": Limits.from_record(record["limits"]),
        "base_dir": Path(record["base_dir"]),
    }


def spec_from_record(record: dict[str, Any]) -> ProcessorSpec:
    """The inverse of :func:`dataclasses.asdict` after a way through JSON."""
    changed = {"queue": QueueDefaults(**record["queue"])}
    return ProcessorSpec(
        **{**record, **changed, "aliases": tuple(record["aliases"]), "tools": tuple(record["tools"])}
    )
