"""The documentation is complete, and what it says exists."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import click
import pytest

import pitchey_core
import pitchey_runner
from pitchey_code.facts import CodeFacts, VerdictName
from pitchey_code.payload import CodePayload
from pitchey_core import errors, hooks
from pitchey_core.errors import PitcheyError
from pitchey_core.hooks import PitcheySpec, load_target
from pitchey_core.isolation import Layer
from pitchey_core.isolation.attempts import ATTEMPTS
from pitchey_core.settings import Settings
from pitchey_document.limits import DocumentLimits
from pitchey_document.payload import DocumentPayload, OutputKind
from pitchey_document.security import SecurityFacts
from pitchey_inference.builtin import SUMMARIES
from pitchey_inference.bundles.manifest import TASKS, Manifest
from pitchey_inference.checks import ModelLimits
from pitchey_inference.loaded import TASK_CLASSES
from pitchey_inference.payload import InferencePayload
from pitchey_media.builtin import read_presets
from pitchey_media.payload import MediaPayload
from pitchey_media.schema import Preset
from pitchey_runner.cli.app import app
from pitchey_runner.cli.processors import Processors
from pitchey_video.payload import VideoPayload

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS, *ROOT.glob("examples/*/README.md")]
TEXT = {page: page.read_text("utf-8") for page in PAGES}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def code_names(text: str) -> set[str]:
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return set(re.findall(r"[\w.-]+", " ".join(re.findall(r"`([^`]+)`", prose))))


def error_classes(cls: type[PitcheyError] = PitcheyError) -> Iterator[type[PitcheyError]]:
    if cls.__module__ == errors.__name__:
        yield cls
    for sub in cls.__subclasses__():
        yield from error_classes(sub)


def setting_keys(model: type, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():  # type: ignore[attr-defined]
        annotation = field.annotation
        inner = [each for each in (annotation, *get_args(annotation)) if hasattr(each, "model_fields")]
        named = getattr(annotation, "__origin__", None) is dict
        if inner:
            middle = {"queues": "TYPE.", "processors": "TYPE.", "instance_types": "NAME."}.get(name, "")
            yield from setting_keys(inner[0], f"{prefix}{name}.{middle}")
        else:
            yield f"{prefix}{name}.NAME" if named else f"{prefix}{name}"


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group) and not isinstance(command, Processors):
            yield from commands(command, f"{prefix}{name} ")


VERBS = {name: command for name, command in commands(app) if not name.startswith("test-")}


def test_every_hook_and_every_field_of_a_specification_is_documented() -> None:
    known = code_names(page("hooks.md"))
    assert {name for name in vars(PitcheySpec) if name.startswith("pitchey_")} <= known
    for name in hooks.__all__:
        cls = getattr(hooks, name)
        if name.endswith(("Spec", "Entry", "Defaults")):
            assert name in known | code_names(page("library.md"))
            assert {field.name for field in fields(cls)} <= known, name


def test_every_error_is_documented_with_its_exit_code_and_whether_it_is_retried() -> None:
    rows = {
        match[1]: (match[2], match[3])
        for match in re.finditer(r"^\| `(\w+)` \| (\d) \| ([\w ]+) \|", page("errors.md"), re.MULTILINE)
    }
    classes = {cls.__name__: cls for cls in error_classes()}
    assert set(rows) == set(classes)
    for name, (code, retried) in rows.items():
        assert int(code) == classes[name].exit_code, name
        assert retried in {"yes" if classes[name].retryable else "no", "as recorded"}, name


def test_every_setting_is_documented() -> None:
    documented = set(re.findall(r"^\| `([^`]+)` \|", page("settings.md"), re.MULTILINE))
    assert documented == {key.replace("plugins.NAME.NAME", "plugins.NAME") for key in setting_keys(Settings)}


def test_every_public_name_is_documented() -> None:
    assert {*pitchey_core.__all__, *pitchey_runner.__all__} <= code_names(page("library.md"))


def test_every_extra_is_documented() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) <= code_names(page("settings.md"))


def test_every_field_of_the_video_payload_is_documented() -> None:
    assert set(VideoPayload.model_fields) <= code_names(page("video.md"))


def test_every_field_and_limit_of_documents_is_documented() -> None:
    known = code_names(page("document.md"))
    assert set(DocumentPayload.model_fields) <= known
    assert set(DocumentLimits.model_fields) <= known
    assert {field.name for field in fields(SecurityFacts)} <= known
    assert set(get_args(OutputKind)) <= known


def test_every_preset_and_every_key_of_one_is_documented() -> None:
    known = code_names(page("media.md"))
    assert set(MediaPayload.model_fields) <= known
    assert set(read_presets()) <= known
    for name, field in Preset.model_fields.items():
        table = next(
            (t for t in (field.annotation, *get_args(field.annotation)) if hasattr(t, "model_fields")), None
        )
        keys = {name} if table is None else {f"{name}.{key}" for key in table.model_fields}
        assert keys <= known | {f"{name}{each}" for each in known if each.startswith(".")}, name


def test_everything_about_models_is_documented() -> None:
    known = code_names(page("inference.md"))
    assert set(InferencePayload.model_fields) <= known
    assert set(SUMMARIES) | set(TASKS) <= known
    assert {*ModelLimits.model_fields, "PITCHEY_ORT_PROVIDERS", "PITCHEY_MODEL_CACHE"} <= known
    for name in TASKS:
        assert set(load_target(TASK_CLASSES[name]).parameters.model_fields) <= known, name
    for name, field in Manifest.model_fields.items():
        table = next(
            (t for t in (field.annotation, *get_args(field.annotation)) if hasattr(t, "model_fields")), None
        )
        assert ({name} if table is None else {f"{name}.{key}" for key in table.model_fields}) <= known, name


def test_everything_about_programs_is_documented() -> None:
    known = code_names(page("code.md"))
    assert set(CodePayload.model_fields) <= known
    assert set(get_args(VerdictName)) <= known
    own = {"partial", "ran", "language", "runtime", "isolated", "warnings"}
    assert set(CodeFacts.model_fields) - own <= known


def test_every_layer_and_every_attempt_is_documented() -> None:
    text = page("sandbox.md")
    assert {str(layer) for layer in Layer} <= code_names(text)
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]*) \| ([^|]+) \|$", text, re.MULTILINE)
    assert [(int(number), title) for number, title, *_ in rows] == [
        (attempt.number, attempt.title) for attempt in ATTEMPTS
    ]
    assert [(by, alone.strip()) for _, _, by, alone, _ in rows] == [
        (", ".join(attempt.layers) or "supervisor", ", ".join(attempt.alone)) for attempt in ATTEMPTS
    ]


def test_every_verb_is_documented() -> None:
    text = page("cli.md")
    for name, command in VERBS.items():
        if not command.hidden and name != "plugins list":
            assert re.search(rf"`(pitchey-run )?{name}\b", text), name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_and_options_in_the_docs_exist(path: Path) -> None:
    for line in re.findall(r"pitchey-run ([^`\n|]+)", TEXT[path]):
        words = line.split()
        verb = words[0]
        if not re.fullmatch(r"[a-z]+", verb) or verb == "watermark":
            continue
        assert verb in VERBS, line
        known = set().union(
            *(
                option.opts + option.secondary_opts
                for name, command in VERBS.items()
                if name == verb or name.startswith(f"{verb} ")
                for option in command.get_params(click.Context(command))
            )
        )
        for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", line):
            assert option in known | {"--help", "--store", "--json", "--no-json", "--debug"}, line


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXT[path]):
        if "://" not in link:
            assert (path.parent / link).exists(), link


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_python_examples_compile(path: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", TEXT[path], re.DOTALL):
        ast.parse(block)


def test_the_readme_holds_one_line_for_each_of_the_two_commands() -> None:
    for name in ("demo", "tests"):
        match = re.search(
            rf"<!-- {name} -->\n```sh\n(.*?)\n```\n<!-- /{name} -->", TEXT[ROOT / "README.md"], re.DOTALL
        )
        assert match is not None
        assert "\n" not in match[1]
    assert "README.md" in (ROOT / ".ci" / "run").read_text()
