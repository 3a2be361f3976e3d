"""Who may import whom, and what may be done where. Read from the source, so no import hides from it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from source_tree import ROOT, Module, plugin_packages, production_modules, project

MODULES = production_modules()
PLUGINS = plugin_packages()
OURS = {"pitchey_core", "pitchey_runner", *PLUGINS}
TEST_LIBRARIES = {"pytest", "_pytest", "hypothesis", "moto", "xdist"}
MOST_LINES = 400
NO_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}

STARTERS = {
    "pitchey_core.process.launch": "the one place that starts external programs",
    "pitchey_core.process.run": "names subprocess.PIPE and DEVNULL for it",
    "pitchey_core.process.launcher": "becomes the program, after it has set its limits",
    "pitchey_core.isolation.starting": "starts the launcher of sandboxes, which is no external program",
    "pitchey_core.isolation.jail.launcher": "forks sandboxes",
    "pitchey_core.isolation.jail.cell": "forks the program's process, and becomes the program, behind all walls",
    "pitchey_core.slots.slot": "starts wardens, which are no external programs",
    "pitchey_core.slots.forking": "forks the process of the jobs",
}
"""Modules that may start a process, each with its reason."""

PROGRAM_MODULES = {"subprocess", "multiprocessing", "pty", "concurrent.futures.ProcessPoolExecutor"}
PROGRAM_CALLS = {
    "os": {"fork", "forkpty", "system", "popen", "posix_spawn", "posix_spawnp", "startfile"},
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
    "anyio": {"run_process", "open_process"},
}


def test_plugins_and_runner_know_the_core_and_nobody_else() -> None:
    wrong = [
        f"{module.shown}:{line} imports {name}"
        for module in MODULES
        for line, name in module.imports
        if (top := name.partition(".")[0]) in OURS and top not in {"pitchey_core", module.package}
    ]
    assert wrong == []


def test_the_runner_names_no_plugin() -> None:
    wrong = [
        f"{module.shown}:{line} names {text!r}"
        for module in MODULES
        if module.package in {"pitchey_core", "pitchey_runner"}
        for line, text in module.strings
        if any(text == plugin or text.startswith((f"{plugin}.", f"{plugin}:")) for plugin in PLUGINS)
    ]
    assert wrong == []


def test_production_code_knows_no_test_library_and_no_test_kit() -> None:
    wrong = [
        f"{module.shown}:{line} imports {name}"
        for module in MODULES
        if not module.is_test_kit
        for line, name in module.imports
        if name.partition(".")[0] in TEST_LIBRARIES
        or (name.partition(".")[0] in OURS and "testing" in name.split("."))
    ]
    assert wrong == []


def test_production_code_does_not_ask_whether_it_is_tested() -> None:
    wrong = [
        f"{module.shown}:{line} says {text!r}"
        for module in MODULES
        if not module.is_test_kit
        for line, text in module.strings
        if "PYTEST" in text or text == "pytest"
    ]
    assert wrong == []


def test_no_module_is_too_long() -> None:
    lines = {module.shown: module.path.read_bytes().count(b"\n") for module in MODULES}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_names_say_what_a_module_is_about() -> None:
    wrong = [module.shown for module in MODULES if NO_NAMES & set(module.name.split("."))]
    assert wrong == []


def test_only_one_place_starts_programs() -> None:
    wrong = {
        module.shown: found
        for module in MODULES
        if module.name not in STARTERS and (found := [*_started(module)])
    }
    assert wrong == {}, "use pitchey_core.process"


def test_every_exception_to_that_is_still_needed() -> None:
    starting = {module.name for module in MODULES if any(_started(module))}
    assert set(STARTERS) == starting


def _started(module: Module) -> Iterator[str]:
    for line, name in module.imports:
        if name in PROGRAM_MODULES or name.partition(".")[0] in PROGRAM_MODULES:
            yield f"line {line}: {name}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner, attribute = node.value.id, node.attr
            exec_or_spawn = owner == "os" and attribute.startswith(("exec", "spawn"))
            if exec_or_spawn or attribute in PROGRAM_CALLS.get(owner, ()):
                yield f"line {node.lineno}: {owner}.{attribute}"


def test_there_is_no_shell() -> None:
    wrong = [
        f"{module.shown}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.keyword)
        and node.arg == "shell"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]
    assert wrong == []


def test_nothing_is_pickled() -> None:
    wrong = [
        f"{module.shown}:{line} imports {name}"
        for module in MODULES
        for line, name in module.imports
        if name.partition(".")[0] in {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    ]
    assert wrong == []


def test_packages_entry_points_and_test_folders_agree() -> None:
    table = project()
    wheel = table["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    declared = {path.rpartition("/")[2]: path for path in wheel}
    assert set(declared) == OURS, "the wheel's packages are not those of the source tree"
    assert all((ROOT / path).is_dir() for path in declared.values())
    assert set(table["tool"]["mypy"]["packages"]) == OURS
    points = table["project"]["entry-points"]["pitchey.plugins"]
    assert {f"pitchey_{name}": f"pitchey_{name}.plugin" for name in points} == {
        target.partition(".")[0]: target for target in points.values()
    }
    assert {f"pitchey_{name}" for name in points} == PLUGINS
    for name in points:
        assert name in table["project"]["optional-dependencies"], f"{name} has no extra of its name"
        assert any((ROOT / "tests" / name).glob("test_*.py")), f"{name} has no tests"


def test_every_package_is_typed() -> None:
    table = project()
    for path in table["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert (ROOT / path / "py.typed").is_file(), path


def test_nothing_is_put_off() -> None:
    marks = ("TODO", "FIXME", "XXX")
    folders = [ROOT / "examples", ROOT / "benchmarks"]
    files = [module.path for module in MODULES] + [path for each in folders for path in each.rglob("*.py")]
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        if ".venv" not in path.parts
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if any(mark in line for mark in marks)
    ]
    assert wrong == []
