"""Programs in three languages: what they are given, how they end, what is kept of them."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from attempt_support import deno_path

from pitchey_core.errors import Cancelled, InputError, LimitExceeded, OutputExists, ToolMissing, UsageError
from pitchey_core.processor import MAX_FACTS_BYTES

needs_deno = pytest.mark.skipif(deno_path() is None, reason="Deno is not installed")
LANGUAGES = [
    "python",
    pytest.param("javascript", marks=needs_deno),
    pytest.param("typescript", marks=needs_deno),
]

ECHO = {
    "python": "import sys; print(sys.stdin.read().upper(), sys.argv[1:], open('in/a.txt').read());"
    "open('out.txt', 'w').write('made')",
    "javascript": "const text = await new Response(Deno.stdin.readable).text();"
    "console.log(text.toUpperCase(), Deno.args, Deno.readTextFileSync('in/a.txt'));"
    "Deno.writeTextFileSync('out.txt', 'made');",
}
ECHO["typescript"] = "enum Kind { A = 'x' }\nconst unused: Kind = Kind.A;\n" + ECHO["javascript"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_given_input_arguments_and_files(run: Any, language: str) -> None:
    done = run(
        ECHO[language], language, stdin="hello", args=["one two"], files={"in/a.txt": "from a file"},
        outputs=["**"],
    )  # fmt: skip
    facts = done.facts
    assert facts.verdict == "ok", facts
    assert facts.exit_status == 0
    for part in ("HELLO", "one two", "from a file"):
        assert part in facts.stdout
    source = {"python": "main.py", "javascript": "main.js", "typescript": "main.ts"}[language]
    assert sorted(facts.files) == sorted(["in/a.txt", "out.txt", source])
    assert done.files["out.txt"].read_text() == "made"
    assert facts.isolated == "full"
    assert facts.isolation["seccomp"]
    assert not facts.isolation["seccomp"].startswith(("off", "not enforced"))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("python", "javascript", "limits", "verdict"),
    [
        ("raise SystemExit(7)", "Deno.exit(7)", {}, "runtime-error"),
        ("1 / 0", "throw new Error('no')", {}, "runtime-error"),
        ("while True: pass", "while (true) {}", {"cpu_time": 0.5}, "timeout-cpu"),
        (
            "import time; time.sleep(60)",
            "await new Promise((done) => setTimeout(done, 60000))",
            {"timeout": 0.5},
            "timeout-wall",
        ),
        (
            "kept = []\nwhile True: kept.append(b'x' * 2**20)",
            "const kept = []; while (true) kept.push(new Array(131072).fill(1.5));",
            {"memory_limit": 128},
            "memory",
        ),
        (
            "while True: print('y' * 1000)",
            "while (true) console.log('y'.repeat(1000))",
            {"max_output_bytes": 10000},
            "output-limit",
        ),
    ],
    ids=["status", "exception", "cpu", "wall", "memory", "output"],
)
def test_verdicts(
    run: Any, language: str, python: str, javascript: str, limits: dict[str, Any], verdict: str
) -> None:
    facts = run(python if language == "python" else javascript, language, **limits).facts
    assert facts.verdict == verdict, facts
    if verdict == "output-limit":
        assert facts.captured["stdout"].truncated
        assert len(facts.stdout) <= 10000


def test_a_signal(run: Any) -> None:
    facts = run("import os; os.kill(os.getpid(), 11)").facts
    # The first process of a PID namespace cannot be killed by its own kill().
    assert (facts.verdict, facts.signal) == ("signal", "SIGSEGV")


def test_a_status_proves_nothing(run: Any) -> None:
    for status in (124, 137, 139):
        facts = run(f"import os; os._exit({status})").facts
        assert (facts.verdict, facts.exit_status) == ("runtime-error", status)


def test_what_each_run_used(run: Any) -> None:
    facts = run(
        "x = b'y' * 50_000_000\nimport time\nend = time.process_time() + .2\nwhile time.process_time() < end: pass"
    ).facts
    assert facts.usage.peak_memory_bytes > 50_000_000
    assert facts.usage.cpu_seconds > 0.15
    assert facts.usage.wall_seconds >= 0.2


def test_runs_share_nothing(run: Any) -> None:
    run("open('left.txt', 'w').write('x'); import json; json.left = 1")
    facts = run("import os, json; print(os.listdir('.'), os.listdir('/tmp'), hasattr(json, 'left'))").facts
    assert "left" not in facts.stdout
    assert facts.stdout.endswith("False\n")


def test_a_large_output_goes_to_an_artifact_and_facts_stay_small(run: Any) -> None:
    done = run("print('\\x01' * 300_000)")
    stream = done.facts.captured["stdout"]
    assert stream.artifact == "streams/stdout.txt"
    assert not stream.truncated
    assert done.files[stream.artifact].read_bytes() == b"\x01" * 300_000 + b"\n"
    assert 0 < stream.shown_bytes < 300_000
    assert len(done.facts.model_dump_json()) < MAX_FACTS_BYTES


def test_bytes_that_are_no_text(run: Any) -> None:
    facts = run("import os; os.write(1, b'a\\xffb\\x00c')").facts
    assert facts.stdout == "a\ufffdb\0c"
    assert facts.captured["stdout"].bytes == 5


def test_hostile_outputs_are_refused_and_reported(run: Any) -> None:
    code = (
        "import os; os.symlink('/etc/passwd', 'link.txt'); os.mkfifo('pipe.txt')\n"
        "open(b'\\xff.txt', 'w'); open('good.txt', 'w')"
    )
    facts = run(code, outputs=["*.txt"]).facts
    assert facts.files == ["good.txt"]
    refused = {each.name: each.reason for each in facts.refused}
    assert "link" in refused["link.txt"]
    assert "pipe.txt" in refused
    assert len(refused) == 3


def test_outputs_that_exist_are_not_replaced(run: Any, tmp_path: Path) -> None:
    payload = {"language": "python", "code": "open('a.txt', 'w')", "outputs": ["*"]}
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "a.txt").write_text("mine")
    processor = run.bench.processor
    with pytest.raises(OutputExists):
        processor.process(processor.payload_model(**payload), run.bench.context(payload, folder))


def test_tests(run: Any) -> None:
    tests = [
        {"stdin": "2", "expected_stdout": "4"},
        {"stdin": "3", "expected_stdout": "9  \n\n"},
        {"stdin": "4", "expected_stdout": "15"},
        {"stdin": "x", "expected_stdout": "0"},
    ]
    facts = run("print(int(input()) ** 2)", tests=tests).facts
    assert [each.passed for each in facts.tests] == [True, True, False, False]
    assert facts.passed == 2
    assert facts.tests[2].stdout == "16\n"
    assert facts.verdict == facts.tests[3].verdict == "runtime-error"
    assert "ValueError" in facts.stderr


def test_a_test_that_the_job_has_no_time_for_is_no_failure_of_the_program(run: Any) -> None:
    run.bench.limits = replace(run.bench.limits, wall_seconds=4.5)
    tests = [{"stdin": "0.8", "expected_stdout": ""}, {"stdin": "2.3", "expected_stdout": ""}]
    with pytest.raises(LimitExceeded, match="1 of 2 tests"):
        run("import time; time.sleep(float(input()))", tests=tests, timeout=2.5)


def test_tests_with_half_a_surrogate_pair(run: Any) -> None:
    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    assert run(code, tests=[{"stdin": "\ud800", "expected_stdout": "\ud800"}]).facts.passed == 1


@pytest.mark.parametrize(
    ("language", "bad", "line", "column"),
    [
        ("python", "x = 1\ny = (\n", 2, 5),
        pytest.param("javascript", "let x = 1;\nlet y = ;\n", 2, 9, marks=needs_deno),
        pytest.param("typescript", "let x: number = 1;\nlet y: number = ;\n", 2, 17, marks=needs_deno),
    ],
)
def test_syntax_is_checked_without_running(run: Any, language: str, bad: str, line: int, column: int) -> None:
    facts = run(bad, language, checks=["syntax"]).facts
    assert not facts.ran
    assert facts.verdict == "runtime-error"
    assert [(each.line, each.column) for each in facts.syntax] == [(line, column)]
    assert facts.syntax[0].message
    good = "print(" if language == "python" else "console.log("
    facts = run(f"{good}1)", language, checks=["syntax"]).facts
    assert (facts.verdict, facts.syntax, facts.stdout) == ("ok", [], "")


@needs_deno
@pytest.mark.parametrize("language", ["javascript", "typescript"])
@pytest.mark.parametrize(
    "code",
    [
        'const a = "abc\nconsole.log(a);\n',
        "const a = `abc\n",
        "const r = /abc\n;",
        "let a = 1;\nlet a = 2;\n",
        "const a;",
        "function f(a, a) {}",
        "return 1;",
    ],
    ids=["string", "template", "regexp", "twice", "empty", "parameters", "return"],
)
def test_what_a_parser_alone_would_forgive(run: Any, language: str, code: str) -> None:
    facts = run(code, language, checks=["syntax"]).facts
    assert facts.verdict == "runtime-error"
    (finding,) = facts.syntax
    assert finding.message
    assert "\n" not in finding.message


@needs_deno
def test_the_place_of_a_string_without_an_end(run: Any) -> None:
    facts = run('let x: number = 1;\nconst a: string = "abc\n', "typescript", checks=["syntax"]).facts
    assert [(each.line, each.column) for each in facts.syntax] == [(2, 19)]
    assert "Unterminated" in facts.syntax[0].message


@needs_deno
@pytest.mark.parametrize(
    "code",
    [
        "enum Kind { A = 1 }\nconst kind: Kind = Kind.A;",
        "namespace N { export const x = 1; }",
        "function mark(a: any, b: any) {}\n@mark class Marked { accessor a = 1; @mark m() {} }",
        "abstract class A { constructor(private readonly x: number) {} }",
        "import type { X } from './x.ts';\nexport const z = await Promise.resolve(1) as number satisfies number;",
        "declare const q: { a?: number };\ntype T = { a: 1 };\nlet v: T | undefined;",
    ],
    ids=["enum", "namespace", "decorators", "properties", "module", "types"],
)
def test_typescript_that_is_right(run: Any, code: str) -> None:
    facts = run(code, "typescript", checks=["syntax"]).facts
    assert (facts.verdict, facts.syntax) == ("ok", [])


@pytest.mark.parametrize(
    "code", ["# coding: bogus\nprint(1)", "x=" + "-" * 200_000 + "1"], ids=["coding", "nesting"]
)
def test_a_source_that_the_parser_refuses_as_a_whole(run: Any, code: str) -> None:
    facts = run(code, checks=["syntax"]).facts
    assert facts.verdict == "runtime-error"
    (finding,) = facts.syntax
    assert (finding.line, finding.column) == (0, 0)
    assert finding.message.strip(" :")


def test_a_source_that_breaks_the_parser(run: Any) -> None:
    facts = run("(" * 100_000, checks=["syntax"]).facts
    assert facts.verdict != "ok"


def test_the_language_follows_from_the_file(run: Any, tmp_path: Path) -> None:
    source = tmp_path / "hello.py"
    source.write_bytes(b"\xef\xbb\xbf# coding: utf-8\nprint('gr\xc3\xbc\xc3\x9fe', __file__)")
    facts = run(None, None, code_url=source.as_uri()).facts
    assert facts.language == "python"
    assert facts.stdout.startswith("grüße ")
    assert facts.stdout.endswith("hello.py\n")


@pytest.mark.parametrize("content", ["print(1)".encode("utf-16"), b"print(1)\0", b"#" * 2_000_000])
def test_sources_that_are_not_fit(run: Any, tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "odd.py"
    source.write_bytes(content)
    with pytest.raises(InputError, match=r"odd\.py"):
        run(None, None, code_url=source.as_uri())


def test_inputs_and_standard_input_from_files(run: Any, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"\0\xff")
    (tmp_path / "in.txt").write_bytes(b"a\xffb")
    code = "import sys; print(open('data.bin', 'rb').read(), sys.stdin.buffer.read())"
    facts = run(
        code, inputs=[(tmp_path / "data.bin").as_uri()], stdin_file=(tmp_path / "in.txt").as_uri()
    ).facts
    assert facts.stdout == "b'\\x00\\xff' b'a\\xffb'\n"


def test_two_files_of_one_name(run: Any) -> None:
    with pytest.raises(UsageError, match=r"main\.py"):
        run("print(1)", files={"main.py": "x"})


def test_without_isolation_it_says_so(run: Any, tmp_path: Path) -> None:
    secret = tmp_path / "mine.txt"
    secret.write_text("mine")
    code = f"print(open({str(secret)!r}).read())"
    assert run(code).facts.verdict == "runtime-error"
    facts = run(code, isolation="none").facts
    assert facts.stdout == "mine\n"
    assert facts.isolated == "none"
    assert facts.warnings
    assert facts.isolation["seccomp"] == "off"


@pytest.mark.parametrize("isolation", ["full", "none"])
def test_python_imports_what_lies_beside_it(run: Any, isolation: str) -> None:
    facts = run("import beside", files={"beside.py": "print('found')"}, isolation=isolation).facts
    assert facts.stdout == "found\n"


def test_it_can_be_cancelled(run: Any) -> None:
    answers = iter([False, False, True])
    with pytest.raises(Cancelled):
        run("import time; time.sleep(60)", cancelled=lambda: next(answers, True))


@pytest.fixture
def only_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host with Node and without Deno."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "node").symlink_to(node)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("pitchey_core.tools._bundled", lambda spec: None)


@pytest.mark.usefixtures("only_node")
def test_node_where_there_is_no_deno(run: Any) -> None:
    code = (
        "import fs from 'node:fs'; fs.writeFileSync('out.txt', 'made');"
        "console.log(fs.readFileSync(0, 'utf8').toUpperCase(), process.argv.slice(2), fs.existsSync('/root'))"
    )
    done = run(code, "javascript", stdin="hello", args=["one two"], outputs=["*.txt"])
    facts = done.facts
    assert (facts.verdict, facts.runtime) == ("ok", "node"), facts
    assert facts.stdout == "HELLO [ 'one two' ] false\n"
    assert done.files["out.txt"].read_text() == "made"
    assert run("process.exit(3)", "javascript").facts.exit_status == 3
    facts = run("while (true) {}", "javascript", timeout=0.5).facts
    assert facts.verdict == "timeout-wall"
    facts = run("require('net').connect(80, '127.0.0.1')", "javascript").facts
    assert facts.verdict == "runtime-error"


@pytest.mark.usefixtures("only_node")
def test_what_node_says_of_a_source(run: Any) -> None:
    facts = run("let x = 1;\nlet y = ;\n", "javascript", checks=["syntax"]).facts
    assert (facts.verdict, facts.ran) == ("runtime-error", False)
    assert [(each.line, each.column) for each in facts.syntax] == [(2, 9)]
    assert run("console.log(1)", "javascript", checks=["syntax"]).facts.syntax == []


@pytest.mark.usefixtures("only_node")
def test_node_runs_no_typescript(run: Any) -> None:
    with pytest.raises(ToolMissing, match="deno"):
        run("let x: number = 1", "typescript")


def test_without_deno_and_node(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(
        "pitchey_core.tools._bundled", lambda spec: None
    )  # The wheel is part of this environment.
    with pytest.raises(ToolMissing, match="deno") as missing:
        run("1", "javascript")
    assert "pitchey[code]" in str(missing.value.remedy)


def test_results_are_data(run: Any) -> None:
    done = run("print(1)")
    record = json.loads(done.facts.model_dump_json())
    assert record["verdict"] == "ok"
    assert base64.b64encode(record["stdout"].encode()) == b"MQo="
