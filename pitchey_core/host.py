"""This host's settings applied to jobs: what an order says, what a result costs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitchey_core.capacity import Capacity, gpu_devices, host_capacity, host_vcpus
from pitchey_core.errors import ConfigError, PartialFailure, PitcheyError
from pitchey_core.hooks import ProcessorSpec, QueueDefaults, load_target
from pitchey_core.order import JobOrder
from pitchey_core.payload import map_input_files, parse_payload
from pitchey_core.pricing import PriceBook, Usage
from pitchey_core.processor import Result
from pitchey_core.registry import Registry
from pitchey_core.resources import INSTANCE_TYPES, InstanceType, Limits, instance_type
from pitchey_core.slots import Executor, LocalExecutor, Outcome, SlotPolicy
from pitchey_core.storage import Manifest, publish, to_url

if TYPE_CHECKING:
    from pitchey_core.settings import Settings

__all__ = ["Host"]


@dataclass(frozen=True, slots=True)
class Host:
    """The installed plugins under this host's settings.

    Attributes:
        prices: What attempts cost here.
    """

    registry: Registry
    settings: Settings
    prices: PriceBook = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prices", self.settings.prices.as_price_book())

    @classmethod
    def from_settings(cls, registry: Registry, **overrides: Any) -> Host:
        """With the settings of ``pitchey.toml`` and the environment; ``overrides`` win over both.

        Raises:
            ConfigError: A setting is wrong; the message names its key path.
        """
        from pitchey_core.settings import load_settings  # costs a tenth of a second

        return cls(registry, load_settings(overrides=overrides).settings)

    def executor(self) -> Executor:
        """Where slots run here: this host, or what the setting ``executor`` names.

        Raises:
            ConfigError: No installed plugin offers it.
        """
        name = self.settings.executor
        if name == "local":
            return LocalExecutor(policy=self.slot_policy)
        if name not in self.registry.executors:
            known = ", ".join(["local", *self.registry.executors])
            raise ConfigError(f"executor: {name!r} is not installed", remedy=f"known: {known}")
        executor: Executor = load_target(self.registry.executors[name].spec.target)()
        return executor

    @property
    def slot_policy(self) -> SlotPolicy:
        """How slots are kept here."""
        slots = self.settings.slots
        return SlotPolicy(self.settings.host.cgroups, slots.recycle_jobs, int(slots.recycle_bytes))

    @property
    def capacity(self) -> Capacity:
        """What jobs may use of this host."""
        return host_capacity(self.settings.host)

    @property
    def devices(self) -> tuple[str, ...]:
        """The accelerators that jobs may use, by name."""
        return gpu_devices(self.settings.host)

    # -- before a job -------------------------------------------------------------------------------------------

    def queue(self, name: str) -> QueueDefaults:
        """The settings of a processor's queue: its own defaults under the configuration's figures."""
        given = self.settings.queues.get(name)
        defaults = self.registry.spec(name).queue
        if given is None:
            return defaults
        figures = given.model_dump(exclude_none=True, exclude={"retry_rules"})
        rules = tuple(each.as_rule() for each in given.retry_rules)
        return replace(defaults, **figures, retry_rules=(*rules, *defaults.retry_rules))

    def instance(self, name: str) -> InstanceType:
        """An instance type, as configured here or as built in.

        Raises:
            UnknownName: There is none of that name.
        """
        configured = self.settings.instance_types.get(name)
        if configured is None:
            return instance_type(name)
        base = INSTANCE_TYPES.get(name)
        return InstanceType(
            name,
            configured.vcpus or (base.vcpus if base else 1.0),
            configured.memory_bytes or (base.memory_bytes if base else 2 * 1024**3),
            configured.gpus,
        )

    def instance_for(self, name: str, instance_name: str) -> InstanceType:
        """What a job of processor ``name`` reserves here and may not exceed, with that instance type.

        Nobody has asked for the memory of a processor's own default. Where the host has less, its jobs get what there
        is. What a configuration says, or a job that names another instance type, is taken at its word.

        Raises:
            UnknownName: There is no such processor or instance type.
        """
        instance = self.instance(instance_name)
        spec = self.registry.spec(name)
        given = self.settings.processors.get(spec.name)
        asked = given is not None and given.instance_type is not None
        if asked or instance_name in self.settings.instance_types or instance_name != spec.resources:
            return instance
        return replace(instance, memory_bytes=min(instance.memory_bytes, self.capacity.memory_bytes))

    def spec(self, name: str) -> ProcessorSpec:
        """A processor's specification under this host's settings."""
        spec = self.registry.spec(name)
        given = self.settings.processors.get(spec.name)
        return replace(spec, **_specified(given)) if given else spec

    def limits(self, spec: ProcessorSpec, *, memory_factor: float = 1.0) -> Limits:
        """What a job of that processor may use here. More vCPUs than the host has are clamped to what it has, and so
        is what a job gets of memory beyond its instance type, or by its processor's default."""
        instance = self.instance_for(spec.name, spec.resources)
        memory = instance.memory_bytes
        if memory_factor > 1:
            memory = max(memory, min(int(memory * memory_factor), self.capacity.memory_bytes))
        vcpus = min(instance.vcpus, self.settings.host.vcpus or host_vcpus())
        return Limits(wall_seconds=spec.wall_limit, memory_bytes=memory, vcpus=vcpus, gpus=instance.gpus)

    def normalise(self, name: str, payload: Mapping[str, Any], *, base: Path | None = None) -> dict[str, Any]:
        """A payload as it is stored: validated, and its paths (relative to ``base``) made absolute URLs.

        Raises:
            UnknownName, UsageError: The processor does not exist or the payload is wrong.
        """
        model = self.registry.processor(name).payload_model
        folder = base or Path.cwd()
        given = map_input_files(model, payload, lambda value: to_url(value, folder))
        return parse_payload(model, given).model_dump(mode="json", exclude_unset=True)

    def order(
        self,
        name: str,
        payload: Mapping[str, Any],
        *,
        job_id: str,
        base_dir: Path,
        output: str | Path | None = None,
        overwrite: bool = False,
        claim_seq: int = 1,
        attempt: int = 1,
        memory_factor: float = 1.0,
        overrides: Mapping[str, Any] | None = None,
        normalised: bool = False,
    ) -> JobOrder:
        """The order for one attempt.

        Args:
            payload: As the user wrote it, or as :meth:`normalise` has returned it.
            normalised: The latter; then nothing of the processor is imported here.
            base_dir: Where work folders and logs come into being.
            overrides: Fields of the specification that this job has of its own (``wall_limit``, ``resources``).

        Raises:
            UnknownName, UsageError: The processor does not exist or the payload is wrong.
        """
        spec = self.spec(name)
        if overrides:
            spec = replace(spec, **overrides)
        version = self.registry.registered(name).plugin.version or "0"
        return JobOrder(
            job_id=job_id,
            claim_seq=claim_seq,
            attempt=attempt,
            spec=spec,
            payload=dict(payload) if normalised else self.normalise(name, payload),
            limits=self.limits(spec, memory_factor=memory_factor),
            base_dir=base_dir,
            plugin_version=version,
            output=None if output is None else to_url(output, Path.cwd()),
            overwrite=overwrite,
            tools=dict(self.settings.tools),
            fetch_policy=self.settings.fetch.as_policy().as_record(),
            options=dict(self.settings.plugins.get(spec.name, {})),
        )

    # -- after a job --------------------------------------------------------------------------------------------

    def price(self, usage: Usage, limits: Limits) -> int:
        """Cost of an attempt in nano-dollars."""
        return self.prices.cost(usage, reserved_memory_bytes=limits.memory_bytes or 0)

    def result(self, outcome: Outcome, *, typed: bool = True) -> Result[Any]:
        """The Result of an outcome, as it will be once its manifest is published.

        Args:
            typed: Read the facts back into the processor's model, which imports its module; else leave them out.
        """
        if isinstance(outcome.error, PartialFailure) and outcome.facts is not None:
            # Records of errors go without them; they are the result's.
            outcome.error.facts = outcome.facts
        manifest = Manifest.from_record(outcome.manifest) if outcome.manifest else None
        artifacts = tuple(manifest.artifacts) if manifest else ()
        usage, gpus = outcome.usage, outcome.order.limits.gpus
        if artifacts or usage.bytes_out or gpus:
            usage = usage.with_(
                bytes_out=sum(artifact.bytes for artifact in artifacts), gpu_us=usage.wall_us * gpus
            )
        facts = None
        if typed and outcome.facts is not None:
            model = self.registry.processor(outcome.order.spec.name).facts_model
            facts = model.model_validate(outcome.facts)
        return Result(
            job_id=outcome.order.job_id,
            status=_status(outcome.error),
            artifacts=artifacts,
            facts=facts,
            usage=usage,
            cost_nanos=self.price(usage, outcome.order.limits),
            error=outcome.error,
        )

    def conclude(self, outcome: Outcome) -> Result[Any]:
        """Publish what an outcome staged, and return its Result; for callers without a store."""
        result = self.result(outcome)
        if outcome.manifest is not None:
            try:
                publish(Manifest.from_record(outcome.manifest))
            except PitcheyError as error:
                return replace(result, status="failed", artifacts=(), facts=None, error=error)
        return result


def digest(*parts: object) -> str:
    """SHA-256 over JSON data, stable across processes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _specified(settings: Any) -> dict[str, Any]:
    names = {"wall_limit": "wall_limit", "instance_type": "resources"}
    return {names[key]: value for key, value in settings.model_dump(exclude_none=True).items()}


def _status(error: PitcheyError | None) -> str:
    if error is None:
        return "completed"
    return "cancelled" if type(error).__name__ == "Cancelled" else "failed"
