"""Files that a hostile program leaves: only what is safe to touch is touched."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sandboxed import MIB, Run

from pitchey_core.isolation import ALL_LAYERS, Layer, Sandbox, SandboxReport, Verdict

ROOTS = pytest.mark.parametrize(
    "layers", [ALL_LAYERS, ALL_LAYERS - {Layer.ROOT}], ids=["own root", "root of the host"]
)


def collect(
    run: Run, source: str, into: Path, *outputs: str, **changes: Any
) -> tuple[SandboxReport, dict[str, str]]:
    report = run(source, options={"outputs": outputs or ("**",), "collect": into}, **changes)
    return report, dict(report.refused)


@ROOTS
def test_what_is_asked_for_is_copied(run: Run, tmp_path: Path, layers: frozenset[Layer]) -> None:
    report, refused = collect(
        run,
        """
        import os
        os.makedirs("a/b/c")
        for name in ("one.txt", "a/two.txt", "a/b/three.txt", "a/b/c/four.txt", "a/other.bin", "ünï cödé.txt"):
            open(name, "w").write(name)
        """,
        tmp_path,
        "*.txt",
        "a/**/t*.txt",
        layers=layers,
    )
    assert report.verdict is Verdict.OK, report
    assert sorted(each.name for each in report.files) == [
        "a/b/three.txt",
        "a/two.txt",
        "one.txt",
        "ünï cödé.txt",
    ]
    for each in report.files:
        assert each.path == tmp_path / each.name
        assert each.path.read_text() == each.name
        assert each.bytes == len(each.name.encode())
    assert refused == {}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("**", ["a/b/x", "a/x", "main.py", "x"]),
        ("**/x", ["a/b/x", "a/x", "x"]),
        ("**/**/b/**/x", ["a/b/x"]),
        ("a/**", ["a/b/x", "a/x"]),
        ("a/*/x", ["a/b/x"]),
        ("*/x/**", ["a/x"]),
        ("**/b", []),
        ("x/x", []),
    ],
)
def test_what_a_pattern_means(run: Run, tmp_path: Path, pattern: str, found: list[str]) -> None:
    source = "import os; os.makedirs('a/b'); [open(each, 'w') for each in ('x', 'a/x', 'a/b/x')]"
    report, _ = collect(run, source, tmp_path, pattern)
    assert sorted(each.name for each in report.files) == found


@pytest.mark.timeout(60)
def test_patterns_that_match_in_very_many_ways_are_no_trap(run: Run, tmp_path: Path) -> None:
    source = """
        import os
        os.makedirs("a/" * 29)
        open("a/" * 29 + "a", "w")
    """
    report, refused = collect(run, source, tmp_path, "/".join(["**", "a"] * 14 + ["b"]), "**/" * 400 + "b")
    assert report.verdict is Verdict.OK, report
    assert (report.files, refused) == ([], {})


def test_files_given_are_there_and_can_be_changed(run: Run, tmp_path: Path) -> None:
    report, _ = collect(
        run,
        "import os; print(open('in/data.txt').read()); open('in/data.txt', 'a').write(' more'); open('in/new', 'w')",
        tmp_path,
        "in/*",
        files={"in/data.txt": b"given"},
    )
    assert report.stdout.data == b"given\n"
    assert (tmp_path / "in/data.txt").read_text() == "given more"
    assert (tmp_path / "in/new").exists()


@ROOTS
def test_no_link_is_followed_and_nothing_special_is_opened(
    run: Run, tmp_path: Path, layers: frozenset[Layer]
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir(mode=0o755)
    (secret / "key").write_text("classified")
    into = tmp_path / "out"
    into.mkdir()
    report, refused = collect(
        run,
        f"""
        import os, socket
        os.symlink({str(secret / "key")!r}, "link")
        os.symlink({str(secret)!r}, "folder")
        os.symlink("/proc/self/environ", "environ")
        os.symlink(".", "loop")
        os.mkfifo("fifo")
        open("real", "w").write("real")
        os.link("real", "hard")
        open("fine", "w").write("fine")
        os.mkdir("closed")
        open("closed/inside", "w").write("x")
        os.chmod("closed", 0)
        """,
        into,
        layers=layers,
    )
    assert report.verdict is Verdict.OK, report
    names = {each.name for each in report.files}
    # A folder that its owner has closed is closed to us as well, unless we are root.
    assert names - {"closed/inside"} == {"fine", "main.py"}
    for name in ("link", "folder", "environ", "loop"):
        assert refused[name] == "not a regular file but a symbolic link"
    assert refused["fifo"] == "not a regular file but a FIFO"
    for name in ("real", "hard"):
        assert refused[name] == "a hard link: it has 2 names"
    assert not any(path.is_symlink() for path in into.rglob("*"))
    assert not any(b"classified" in path.read_bytes() for path in into.rglob("*") if path.is_file())


def test_sizes_and_numbers_are_limited(run: Run, tmp_path: Path) -> None:
    report, refused = collect(
        run,
        """
        import os
        os.truncate(os.open("sparse", os.O_CREAT | os.O_WRONLY), 30 << 20)
        open("large", "wb").write(bytes(3 << 20))
        for n in range(12):
            open(f"s{n:02}", "wb").write(bytes(100_000))
        """,
        tmp_path,
        "[fsl]*",
        file_bytes=32 * MIB,
        output_files=12,
        output_bytes=1_050_000,
    )
    assert report.verdict is Verdict.OK, report
    assert set(refused) > {"large", "sparse"}
    assert set(refused.values()) == {"with it, the files are more than 1050000 bytes together"}
    assert len(report.files) == 10
    report, refused = collect(run, "for n in range(12): open(f'f{n}', 'w')", tmp_path, "f*", output_files=8)
    assert (len(report.files), set(refused.values())) == (8, {"more than 8 files"})


def test_a_sparse_file_of_the_largest_size_is_refused(run: Run, tmp_path: Path) -> None:
    report, refused = collect(
        run,
        "import os; os.truncate(os.open('sparse', os.O_CREAT | os.O_WRONLY), 1 << 40)",
        tmp_path,
        "sparse",
        layers=ALL_LAYERS - {Layer.RLIMITS},
    )
    assert report.verdict is Verdict.OK, report
    assert refused["sparse"].startswith(f"{1 << 40} bytes")


DEEP = """
    import os
    open("shallow", "w")
    for _ in range(3000):
        os.mkdir("x" * 255)
        os.chdir("x" * 255)
    open("deep", "w")
"""


@ROOTS
def test_a_tree_too_deep_to_walk_is_left_and_gone(run: Run, tmp_path: Path, layers: frozenset[Layer]) -> None:
    before = _host_folders()
    with Sandbox() as sandbox:
        report, refused = collect(run, DEEP, tmp_path, layers=layers, on=sandbox)
    assert report.verdict is Verdict.OK, report
    assert {each.name for each in report.files} == {"shallow", "main.py"}
    assert any("folders deep" in reason for reason in refused.values())
    assert _host_folders() - before == set()


def _host_folders() -> set[str]:
    pattern = f"pitchey-sandbox-{os.getpid()}-*"
    return {path.name for path in Path(tempfile.gettempdir()).glob(pattern)}


def test_names_that_are_no_text_are_refused(run: Run, tmp_path: Path) -> None:
    report, refused = collect(
        run,
        """
        for name in (b"new\\nline", b"esc\\x1b[2J", b"\\xff\\xfe"):
            open(name, "w").write("x")
        """,
        tmp_path,
        "n*",
        "e*",
        "*",
    )
    assert {each.name for each in report.files} == {"main.py"}
    assert set(refused.values()) == {"its name is not printable text"}
    assert len(refused) == 3
    for name in refused:
        name.encode()


def test_what_a_killed_program_left_is_collected_too(run: Run, tmp_path: Path) -> None:
    report, _ = collect(
        run, "import time; open('part', 'w').write('x'); time.sleep(600)", tmp_path, "part", wall_seconds=0.5
    )
    assert report.verdict is Verdict.TIMEOUT_WALL
    assert [each.name for each in report.files] == ["part"]


def test_nothing_is_copied_over_what_is_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    _, refused = collect(run, "open('mine', 'w').write('theirs')", tmp_path, "mine")
    assert (tmp_path / "mine").read_text() == "mine"
    assert refused == {"mine": "File exists"}
