"""Checks of what can be known without running a job: registration, models, options."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args, get_origin

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from pitchey_core.errors import UnknownName
from pitchey_core.host import Host
from pitchey_core.payload import Alias, FromFile, Payload, Positional, marker, parse_payload
from pitchey_core.process import run
from pitchey_core.processor import AnyProcessor, Facts, Processor
from pitchey_core.testing.subject import Subject
from pitchey_core.testing.workbench import Workbench

__all__ = ["DeclaredChecks"]

_FLAG = re.compile(r"-[A-Za-z]|--[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FIELD = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LIGHT = {"pitchey_core", "pluggy"}


class DeclaredChecks(Subject):
    """Registration, payload and facts models, and the command line that follows from them."""

    def test_is_registered_through_an_entry_point(self, workbench: Workbench) -> None:
        """``pip install`` alone makes the processor known."""
        registered = workbench.registry.registered(workbench.processor)
        assert registered.plugin.distribution is not None, (
            f"{registered.plugin} was registered by hand; name it in [project.entry-points.'pitchey.plugins']"
        )
        broken = [failure for failure in workbench.registry.failures if failure.plugin == registered.plugin]
        assert broken == []

    def test_specification_and_class_agree(self, workbench: Workbench, subject: AnyProcessor) -> None:
        """What is listed before the class is imported is true of the class."""
        spec = workbench.registry.spec(workbench.processor)
        assert subject.spec == spec
        assert isinstance(subject, Processor)
        assert issubclass(subject.payload_model, Payload)
        assert issubclass(subject.facts_model, Facts)
        assert subject.payload_model is not Payload, "declare a payload model of your own"
        assert spec.summary.strip(), "summary is what --help shows"
        assert "\n" not in spec.summary, "summary is one line"
        Host.from_settings(workbench.registry).instance(spec.resources)
        assert spec.wall_limit > 0
        assert spec.queue.batch_size >= 1
        assert spec.queue.retries >= 0
        assert 0 <= spec.queue.min_slots <= spec.queue.max_slots
        assert spec.queue.max_slots >= 1
        unknown = [tool for tool in spec.tools if tool not in workbench.registry.tools]
        assert unknown == [], "no installed plugin offers these tools: implement pitchey_tools"

    def test_hook_module_imports_nothing_heavy(self, workbench: Workbench) -> None:
        """Listing plugins is paid for by every call of ``pitchey-run``."""
        registered = workbench.registry.registered(workbench.processor)
        module = registered.plugin.module.partition(":")[0]
        own = {module.partition(".")[0], registered.spec.target.partition(".")[0]}
        code = (
            "import json, sys\n"
            "before = set(sys.modules)\n"
            f"import {module}\n"
            "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
        )
        done = run([sys.executable, "-I", "-c", code], tool="python")
        loaded = set(json.loads(done.stdout.splitlines()[-1]))
        foreign = loaded - own - _LIGHT - set(sys.stdlib_module_names)
        # The interpreter's own build data has a name that the list of the standard library cannot know.
        heavy = sorted(name for name in foreign if not name.startswith("_sysconfigdata"))
        assert not heavy, f"{module} imports {', '.join(heavy)}; import them where the processor's class is"

    def test_payload_model_is_strict(
        self, workbench: Workbench, subject: AnyProcessor, given: Mapping[str, Any]
    ) -> None:
        """Unknown fields are errors, and a payload does not change after validation."""
        model = subject.payload_model
        assert model.model_config.get("extra") == "forbid", "a payload model must not accept unknown fields"
        assert model.model_config.get("frozen") is True, "a payload model must be frozen"
        payload = parse_payload(
            model, Host.from_settings(workbench.registry).normalise(self.processor, given)
        )
        with pytest.raises(UnknownName):
            parse_payload(model, {**payload.model_dump(mode="json"), "no_such_field": 1})
        for name in model.model_fields:
            with pytest.raises(ValidationError):
                setattr(payload, name, getattr(payload, name))

    def test_payload_survives_json(
        self, workbench: Workbench, subject: AnyProcessor, given: Mapping[str, Any]
    ) -> None:
        """A payload is stored as JSON and read by another process, once more each time it is retried."""
        host = Host.from_settings(workbench.registry)
        stored = host.normalise(self.processor, given)
        again = json.loads(json.dumps(stored, allow_nan=False))
        assert parse_payload(subject.payload_model, again) == parse_payload(subject.payload_model, stored)
        assert host.normalise(self.processor, again) == stored

    def test_schemas_can_be_derived(self, subject: AnyProcessor) -> None:
        """``pitchey-run schema`` shows them."""
        accepted = subject.payload_model.model_json_schema(mode="validation")
        reported = subject.facts_model.model_json_schema(mode="serialization")
        json.dumps([accepted, reported], allow_nan=False)
        silent = [name for name, field in subject.payload_model.model_fields.items() if not field.description]
        assert silent == [], "these payload fields have no description, which is their help text"

    def test_command_line_can_be_derived(self, subject: AnyProcessor) -> None:
        """Each field becomes one argument or option that can be told from all others."""
        fields = subject.payload_model.model_fields
        badly_named = [name for name in fields if not _FIELD.fullmatch(name)]
        assert badly_named == [], "field names are lower-case words joined by '_'"
        flags: Counter[str] = Counter(flag for name, field in fields.items() for flag in _flags(name, field))
        malformed = [flag for flag in flags if not _FLAG.fullmatch(flag)]
        assert malformed == [], "an alias is -x or --some-words"
        assert [flag for flag, count in flags.items() if count > 1] == [], "two fields claim one option"
        texts = [name for name, field in fields.items() if marker(field, FromFile) and not _takes_text(field)]
        assert texts == [], "FromFile is for fields that take text"
        positional = [field for field in fields.values() if marker(field, Positional)]
        assert not any(_is_many(field) for field in positional[:-1]), "only the last argument can be repeated"
        required = [field.is_required() for field in positional]
        assert required == sorted(required, reverse=True), (
            "an argument that is required follows an optional one"
        )


def _flags(name: str, field: FieldInfo) -> list[str]:
    if marker(field, Positional):
        return []
    words = name.replace("_", "-")
    alias = marker(field, Alias)
    negative = [f"--no-{words}"] if bool in _kinds(field.annotation) else []
    return [f"--{words}", *negative, *(alias.flags if alias else ())]


def _kinds(annotation: object) -> list[object]:
    return [annotation, *get_args(annotation)]


def _takes_text(field: FieldInfo) -> bool:
    return str in _kinds(field.annotation)


def _is_many(field: FieldInfo) -> bool:
    return any(
        get_origin(kind) in (list, tuple, set, frozenset, Sequence, Collection)
        for kind in _kinds(field.annotation)
    )
