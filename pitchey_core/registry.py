"""The typed façade over pluggy: which processors, tools and commands this environment has."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy

from pitchey_core.errors import ExtraMissing, PitcheyError, RegistryError, UnknownName
from pitchey_core.hooks import (
    ENTRY_POINT_GROUP,
    CatalogEntry,
    CommandSpec,
    ExecutorSpec,
    ObserverSpec,
    PitcheySpec,
    ProcessorSpec,
    ToolSpec,
    load_target,
)

if TYPE_CHECKING:
    from pitchey_core.processor import AnyProcessor

__all__ = ["PluginFailure", "PluginInfo", "Registered", "Registry"]

S = TypeVar("S", bound=Hashable)
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A loaded plugin.

    Attributes:
        name: Entry-point name.
        module: The module with the hook implementations.
        distribution: The package that declares it, or ``None`` for one registered by hand.
        version: Version of that package.
    """

    name: str
    module: str
    distribution: str | None
    version: str | None

    def __str__(self) -> str:
        return (
            f"plugin {self.name!r} of {self.distribution or 'no distribution'} {self.version or ''}".rstrip()
        )


@dataclass(frozen=True, slots=True)
class PluginFailure:
    """A plugin that could not be loaded, or one of whose hooks raised; kept so that it can be shown."""

    plugin: PluginInfo
    error: Exception

    def __str__(self) -> str:
        return f"{self.plugin} could not be loaded: {type(self.error).__name__}: {self.error}"


@dataclass(frozen=True, slots=True)
class Registered(Generic[S]):
    """A specification together with the plugin that offered it."""

    spec: S
    plugin: PluginInfo


@dataclass(slots=True)
class Registry:
    """What the installed plugins offer. The caller owns it; there is no global one.

    Build it with :meth:`load`, or empty and :meth:`register` modules by hand (tests, notebooks).
    """

    plugins: list[PluginInfo] = field(default_factory=list)
    failures: list[PluginFailure] = field(default_factory=list)
    _manager: pluggy.PluginManager = field(default_factory=lambda: _new_manager(), repr=False)
    _processors: dict[str, Registered[ProcessorSpec]] = field(default_factory=dict, repr=False)
    _aliases: dict[str, str] = field(default_factory=dict, repr=False)
    _tools: dict[str, Registered[ToolSpec]] = field(default_factory=dict, repr=False)
    _catalog: dict[tuple[str, str], Registered[CatalogEntry]] = field(default_factory=dict, repr=False)
    _commands: dict[str, Registered[CommandSpec]] = field(default_factory=dict, repr=False)
    _executors: dict[str, Registered[ExecutorSpec]] = field(default_factory=dict, repr=False)
    _observers: dict[str, Registered[ObserverSpec]] = field(default_factory=dict, repr=False)
    _instances: dict[str, AnyProcessor] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls) -> Registry:
        """Load every plugin of the ``pitchey.plugins`` entry-point group.

        Entry points are loaded one by one: a broken plugin becomes a :class:`PluginFailure` and the others work.

        Raises:
            RegistryError: Two plugins claim one name; the message names both.
        """
        registry = cls()
        for entry_point in sorted(
            importlib.metadata.entry_points(group=ENTRY_POINT_GROUP), key=lambda e: e.name
        ):
            dist = entry_point.dist
            info = PluginInfo(
                entry_point.name,
                entry_point.value,
                dist.name if dist else None,
                dist.version if dist else None,
            )
            try:
                module = entry_point.load()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a foreign module raises at import
                registry.failures.append(PluginFailure(info, _as_exception(error)))
                continue
            registry.register(module, info)
        return registry

    def register(self, module: object, info: PluginInfo | None = None) -> None:
        """Add one plugin.

        Raises:
            RegistryError: It claims a name that another plugin has.
        """
        if info is None:
            name = str(getattr(module, "__name__", type(module).__name__))
            info = PluginInfo(name, name, None, None)
        try:
            self._manager.register(module, f"{info.distribution}:{info.name}")
        except (ValueError, pluggy.PluginValidationError) as error:
            self.failures.append(PluginFailure(info, error))
            return
        try:
            offered = {
                hook: [spec for specs in self._call(hook, module) for spec in specs] for hook in _HOOKS
            }
        except Exception as error:  # noqa: BLE001 - whatever a foreign hook raises
            self._manager.unregister(module)
            self.failures.append(PluginFailure(info, error))
            return
        self.plugins.append(info)
        for processor in offered["pitchey_processors"]:
            self._add_processor(processor, info)
        for tool in offered["pitchey_tools"]:
            known = self._tools.get(tool.name)
            if known is None or known.spec != tool:
                _add(self._tools, tool.name, Registered(tool, info), "tool")
        for entry in offered["pitchey_catalog"]:
            _add(self._catalog, (entry.kind, entry.name), Registered(entry, info), entry.kind)
        for command in offered["pitchey_commands"]:
            _add(self._commands, command.name, Registered(command, info), "command")
        for executor in offered["pitchey_executors"]:
            _add(self._executors, executor.name, Registered(executor, info), "executor")
        for observer in offered["pitchey_observers"]:
            _add(self._observers, observer.name, Registered(observer, info), "observer")

    def _call(self, hook: str, module: object) -> list[Iterable[Any]]:
        others = [plugin for plugin in self._manager.get_plugins() if plugin is not module]
        caller: Callable[[], list[Iterable[Any]]] = self._manager.subset_hook_caller(hook, others)
        return [list(result) for result in caller()]

    def _add_processor(self, spec: ProcessorSpec, info: PluginInfo) -> None:
        for name in (spec.name, *spec.aliases):
            if not _NAME.fullmatch(name):
                self.failures.append(
                    PluginFailure(info, ValueError(f"{name!r} is not lower-case words joined by '-'"))
                )
                return
            owner = self._processors.get(self._aliases.get(name, name))
            if owner is not None:
                raise _duplicate("processor", name, owner.plugin, info)
        self._processors[spec.name] = Registered(spec, info)
        self._aliases.update(dict.fromkeys(spec.aliases, spec.name))

    @property
    def processors(self) -> Mapping[str, Registered[ProcessorSpec]]:
        """Processors by name, without aliases."""
        return self._processors

    @property
    def tools(self) -> Mapping[str, ToolSpec]:
        return {name: each.spec for name, each in self._tools.items()}

    @property
    def commands(self) -> Mapping[str, Registered[CommandSpec]]:
        return self._commands

    @property
    def executors(self) -> Mapping[str, Registered[ExecutorSpec]]:
        return self._executors

    @property
    def observers(self) -> Mapping[str, Registered[ObserverSpec]]:
        return self._observers

    def catalog(self, kind: str) -> Mapping[str, Registered[CatalogEntry]]:
        """Catalogue entries of one kind, by name."""
        return {name: entry for (its_kind, name), entry in self._catalog.items() if its_kind == kind}

    def spec(self, name: str) -> ProcessorSpec:
        """The specification of a processor, by name or alias.

        Raises:
            UnknownName: There is none; the nearest names are suggested.
            ExtraMissing, RegistryError: It belongs to a plugin that could not be loaded.
        """
        return self.registered(name).spec

    def registered(self, name: str) -> Registered[ProcessorSpec]:
        """Like :meth:`spec`, with the plugin that offers it."""
        found = self._processors.get(self._aliases.get(name, name))
        if found is not None:
            return found
        for failure in self.failures:
            if failure.plugin.name == name:
                raise RegistryError(str(failure), remedy="pitchey-run plugins shows every plugin that failed")
        raise UnknownName("processor", name, [*self._processors, *self._aliases])

    def processor(self, name: str) -> AnyProcessor:
        """The processor itself, imported and instantiated on first use.

        Raises:
            UnknownName: There is none of that name.
            ExtraMissing: It needs packages that are not installed; the remedy installs them.
            RegistryError: Its target does not exist or is not a processor.
        """
        registered = self.registered(name)
        spec = registered.spec
        if spec.name not in self._instances:
            self._instances[spec.name] = load_processor(spec, registered.plugin)
        return self._instances[spec.name]


def load_processor(spec: ProcessorSpec, plugin: PluginInfo | None = None) -> AnyProcessor:
    """Import and instantiate the processor that a specification names; see :meth:`Registry.processor`."""
    from pitchey_core.processor import Processor  # brings pydantic, which `--help` must not pay for

    try:
        cls = load_target(spec.target)
    except ModuleNotFoundError as error:
        if spec.extra is None:
            raise RegistryError(f"processor {spec.name!r} cannot be imported: {error}") from error
        raise ExtraMissing(
            f"processor {spec.name!r} needs the package {error.name!r}, which is not installed",
            remedy=f"pip install '{spec.extra}'",
        ) from error
    except PitcheyError:
        raise
    except Exception as error:
        raise RegistryError(
            f"processor {spec.name!r} of {plugin or spec.target} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, Processor)):
        raise RegistryError(
            f"processor {spec.name!r}: {spec.target} is not a subclass of pitchey_core.Processor"
        )
    return cls(spec)


_HOOKS = [name for name in vars(PitcheySpec) if name.startswith("pitchey_")]


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("pitchey")
    manager.add_hookspecs(PitcheySpec)
    return manager


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(f"the module called sys.exit({error})")


def _duplicate(kind: str, name: object, first: PluginInfo, second: PluginInfo) -> RegistryError:
    return RegistryError(
        f"{kind} {name!r} is claimed by {first} and by {second}",
        remedy=f"uninstall one of them: pip uninstall {second.distribution or second.module}",
    )


def _add(table: dict[Any, Registered[Any]], key: Any, entry: Registered[Any], kind: str) -> None:
    owner = table.get(key)
    if owner is not None:
        raise _duplicate(kind, key, owner.plugin, entry.plugin)
    table[key] = entry
