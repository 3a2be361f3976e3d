"""Groups of the kernel: they limit, count, freeze and die, and nothing of them is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pitchey_core.process import process_start_ticks, read_process
from pitchey_core.process.cgroup_places import delegate, owned_name, places
from pitchey_core.process.cgroups import Cgroup, remove_leftovers

MIB = 1024**2


@pytest.fixture
def group() -> Iterator[Cgroup]:
    made = Cgroup.make(owned_name("test"))
    if made is None:
        pytest.skip("no cgroup hierarchy is writable here")
    yield made
    assert made.kill()
    assert made.remove()
    assert Cgroup.existing(made.name) is None


@pytest.fixture
def start(group: Cgroup) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Python code that runs in the group."""
    started: list[subprocess.Popen[bytes]] = []

    def in_group(code: str) -> subprocess.Popen[bytes]:
        enter = f"from pitchey_core.process.cgroups import Cgroup; Cgroup.existing({group.name!r}).enter()\n"
        process = subprocess.Popen(
            [sys.executable, "-c", enter + textwrap.dedent(code)], stdout=subprocess.PIPE
        )
        started.append(process)
        return process

    yield in_group
    group.kill()
    for process in started:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


SLEEPS = "import time; print('in', flush=True); time.sleep(600)"


def test_what_takes_more_memory_than_its_group_has_is_killed_and_told_from_other_deaths(
    group: Cgroup, start: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    group.limit(memory_bytes=64 * MIB)
    other = start(SLEEPS)
    line(other)
    other.kill()
    assert other.wait() == -signal.SIGKILL
    assert group.oom_kills() == 0
    greedy = start("taken = bytearray(1 << 30)")
    assert greedy.wait() == -signal.SIGKILL
    assert group.oom_kills() == 1
    assert 32 * MIB < group.peak_bytes() <= 64 * MIB


def test_a_limit_can_be_raised_and_lowered_again(
    group: Cgroup, start: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    for limit in (64, 512, 128):
        group.limit(memory_bytes=limit * MIB)
    holding = start("taken = b'x' * (80 << 20); import time; print(len(taken), flush=True); time.sleep(600)")
    line(holding)
    assert 80 * MIB < group.memory_bytes() < 128 * MIB
    with pytest.raises(OSError, match="busy"):
        group.limit(memory_bytes=32 * MIB)
    assert holding.poll() is None


def test_the_cache_of_files_is_not_what_a_group_needs(
    group: Cgroup, start: Callable[[str], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    group.limit(memory_bytes=256 * MIB)
    path = tmp_path / "large"
    process = start(
        f"""
        block = b'x' * (1 << 20)
        with open({str(path)!r}, 'wb') as file:
            for _ in range(100):
                file.write(block)
        print('written', flush=True)
        import time; time.sleep(600)
        """
    )
    line(process)
    assert group.memory_bytes() < 50 * MIB


def test_a_fork_bomb_comes_to_an_end(group: Cgroup, start: Callable[[str], subprocess.Popen[bytes]]) -> None:
    group.limit(processes=8)
    process = start(
        """
        import os, time
        count = 0
        try:
            while True:
                if os.fork() == 0:
                    time.sleep(600)
                count += 1
        except BlockingIOError:
            print(count, flush=True)
        time.sleep(600)
        """
    )
    assert int(line(process)) == 7
    assert len(group.pids()) == 8


def test_a_frozen_group_makes_no_headway_and_goes_on_where_it_was(
    group: Cgroup, start: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    process = start("import time\nfor n in range(10_000):\n    print(n, flush=True); time.sleep(0.01)")
    line(process)
    assert group.freeze()
    used = group.cpu_us()
    assert used > 0
    time.sleep(0.3)
    assert group.cpu_us() - used < 20_000
    assert group.thaw()
    assert int(line(process)) == 1


def test_what_is_frozen_can_be_killed(group: Cgroup, start: Callable[[str], subprocess.Popen[bytes]]) -> None:
    process = start(SLEEPS)
    line(process)
    assert group.pids() == [process.pid]
    assert group.freeze()
    assert group.kill()
    assert process.wait(5) == -signal.SIGKILL
    assert group.pids() == []


def test_groups_of_dead_owners_are_removed_with_what_is_in_them_and_others_stay(group: Cgroup) -> None:
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
                import os, subprocess, sys
                from pitchey_core.process.cgroup_places import owned_name
                from pitchey_core.process.cgroups import Cgroup
                left = Cgroup.make(owned_name("test"))
                child = subprocess.Popen(["sleep", "600"], preexec_fn=left.enter, stdout=subprocess.DEVNULL)
                left.freeze()
                print(left.name, child.pid, flush=True)
                sys.stdin.read()
                """
            ),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    name, pid = line(owner).split()
    # Others may be found as well, of tests beside this one that kill what owns them.
    assert name not in remove_leftovers()
    owner.kill()
    owner.communicate()
    assert (entry := read_process(int(pid)))
    assert entry.alive
    assert name in remove_leftovers()
    entry = read_process(int(pid))
    assert entry is None or not entry.alive
    assert Cgroup.existing(name) is None
    assert Cgroup.existing(group.name) is not None


def test_no_group_is_made_inside_of_another(start: Callable[[str], subprocess.Popen[bytes]]) -> None:
    process = start(
        """
        from pitchey_core.process.cgroup_places import owned_name
        print(Cgroup.make(owned_name("test")), flush=True)
        """
    )
    assert line(process) == "None"


def test_a_group_of_version_2_is_delegated_only_to_who_is_alone_in_it() -> None:
    unified = next((each for each in places() if each.unified), None)
    if unified is None:
        pytest.skip("no hierarchy of version 2 is writable here")
    folder = unified.folder / owned_name("test")
    folder.mkdir()
    other = subprocess.Popen(["sleep", "600"])
    code = f"""
        import os, sys
        from pathlib import Path
        from pitchey_core.process.cgroup_places import delegate
        folder = Path({str(folder)!r})
        (folder / "cgroup.procs").write_text(str(os.getpid()))
        print(delegate(folder, []), flush=True)
        sys.stdin.readline()
        print(delegate(folder, []), (folder / "cgroup.procs").read_text().split(), flush=True)
        (folder.parent / "cgroup.procs").write_text(str(os.getpid()))
    """
    try:
        (folder / "cgroup.procs").write_text(str(other.pid))
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert line(process) == "False"
        (unified.folder / "cgroup.procs").write_text(str(other.pid))
        assert process.communicate(b"\n")[0].decode().strip() == "True []"
        assert not delegate(folder, ["no-such-controller"])
    finally:
        other.kill()
        other.wait()
        for each in (*(child for child in folder.iterdir() if child.is_dir()), folder):
            each.rmdir()


def test_a_name_tells_its_owner() -> None:
    ticks = process_start_ticks(os.getpid())
    assert owned_name("slot").endswith(f"-{os.getpid()}-{ticks}")


def test_a_group_goes_with_those_that_were_made_inside_of_it(group: Cgroup) -> None:
    inner = [folder / "inner" / "innermost" for folder in group._all()]
    for each in inner:
        each.mkdir(parents=True)
    assert group.remove()
    assert not any(each.exists() for each in inner)
