"""Staging and publishing, with a crash at every step."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from pitchey_core.errors import InputError, OutOfSpace, OutputExists, ProcessorError, TransientError
from pitchey_core.storage import Artifact, Manifest, Stage, discard_stale, publish, to_path, to_url

NAMES = ("video.mp4", "thumbs/1.jpg", "thumbs/2.jpg")


def content(name: str, generation: str = "new") -> bytes:
    return f"{generation} {name} ".encode() * 20_000


def staged(output: Path, key: str = "job.1", *, overwrite: bool = False) -> Stage:
    stage = Stage(to_url(output, Path("/")), key, overwrite=overwrite, workdir=output.parent / "work")
    for name in NAMES:
        stage.path(name, "application/octet-stream").write_bytes(content(name))
    return stage


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def assert_published(output: Path, artifacts: list[Artifact]) -> None:
    assert files_below(output) == {*NAMES, "manifest.json"}
    assert not (output / ".pitchey-staging").exists()
    for artifact, name in zip(artifacts, NAMES, strict=True):
        assert artifact.name == name
        assert artifact.media_type == "application/octet-stream"
        assert to_path(artifact.uri) == output / name
        assert (output / name).read_bytes() == content(name)
        assert artifact.bytes == len(content(name))
        assert artifact.sha256 == hashlib.sha256(content(name)).hexdigest()
        assert Artifact.from_record(artifact.as_record()) == artifact
    summary = json.loads((output / "manifest.json").read_bytes())
    assert summary == {"job_id": "job", "artifacts": [artifact.as_record() for artifact in artifacts]}


def test_staged_files_are_invisible_until_published(tmp_path: Path) -> None:
    output = tmp_path / "a\n'b" / "out"
    stage = staged(output)
    assert all(not (output / name).exists() for name in NAMES)
    manifest = stage.seal()
    assert Manifest.from_record(json.loads(json.dumps(manifest.as_record()))) == manifest
    artifacts = publish(manifest)
    assert_published(output, artifacts)
    # Again, as after a crash that lost the acknowledgement.
    assert publish(manifest) == artifacts
    assert_published(output, artifacts)
    stage.discard()
    assert_published(output, artifacts)


def test_a_later_manifest_is_not_guessed_at(tmp_path: Path) -> None:
    record = staged(tmp_path / "out").seal().as_record()
    with pytest.raises(ValueError, match="version 2"):
        Manifest.from_record({**record, "version": 2})


def test_nothing_is_created_before_the_first_output(tmp_path: Path) -> None:
    stage = Stage(to_url("out", tmp_path), "job.1", overwrite=False, workdir=tmp_path / "work")
    stage.discard()
    assert publish(stage.seal()) == []
    assert list(tmp_path.iterdir()) == []


def test_discard_removes_what_the_stage_made_and_no_more(tmp_path: Path) -> None:
    stage = staged(tmp_path / "new" / "out")
    stage.discard()
    stage.discard()
    assert list(tmp_path.iterdir()) == []
    output = tmp_path / "there"
    output.mkdir()
    first, second = staged(output, "job.1"), staged(output, "other.1")
    first.discard()
    assert publish(second.seal())
    assert files_below(output) == {*NAMES, "manifest.json"}
    third = staged(tmp_path / "used")
    (tmp_path / "used" / "foreign").touch()
    third.discard()
    assert files_below(tmp_path / "used") == {"foreign"}


def test_existing_outputs_are_refused_at_once_or_at_last(tmp_path: Path) -> None:
    output = tmp_path / "out"
    stage = staged(output)
    manifest = stage.seal()
    (output / "thumbs").mkdir()
    (output / NAMES[1]).write_bytes(b"somebody else's")
    with pytest.raises(OutputExists, match=r"1\.jpg appeared"):
        publish(manifest)
    assert (output / NAMES[1]).read_bytes() == b"somebody else's"
    assert {name for name in files_below(output) if not name.startswith(".pitchey")} == {NAMES[1]}
    stage.discard()
    with pytest.raises(OutputExists, match="--overwrite"):
        staged(output)
    artifacts = publish(staged(output, overwrite=True).seal())
    assert_published(output, artifacts)


def test_a_dangling_link_counts_as_existing(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").symlink_to("nowhere")
    with pytest.raises(OutputExists):
        staged(tmp_path)
    publish(staged(tmp_path, overwrite=True).seal())
    assert not (tmp_path / "video.mp4").is_symlink()


def test_a_manifest_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    output = tmp_path / "website"
    output.mkdir()
    (output / "manifest.json").write_text('{"name": "a web app"}')
    with pytest.raises(OutputExists, match=r"manifest\.json"):
        staged(output)
    assert (output / "manifest.json").read_text() == '{"name": "a web app"}'
    (output / "manifest.json").unlink()
    publish(staged(output, "first.1").seal())
    other = Stage(to_url(output, Path("/")), "second.1", overwrite=False, workdir=tmp_path)
    other.path("more", "text/plain").write_bytes(b"x")
    publish(other.seal())
    assert json.loads((output / "manifest.json").read_bytes())["job_id"] == "second"


def test_bad_names(tmp_path: Path) -> None:
    stage = Stage(to_url(tmp_path, Path("/")), "job.1", overwrite=False, workdir=tmp_path)
    stage.path("a/b", "text/plain")
    for name in ("a/b", "A/B", "a", "a/b/c", "../x", "/x", "", "manifest.json"):
        with pytest.raises(InputError):
            stage.path(name, "text/plain")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        stage.path("folder", "text/plain")
    for key in ("", "../x", "a/b", ".", "..", ".hidden", "a b"):
        with pytest.raises(ValueError, match="staging key"):
            Stage(to_url(tmp_path, Path("/")), key, overwrite=False, workdir=tmp_path)
    with pytest.raises(InputError, match="over HTTP"):
        Stage("https://example.org/x", "job.1", overwrite=False, workdir=tmp_path)


def test_an_output_that_was_never_written(tmp_path: Path) -> None:
    stage = staged(tmp_path)
    stage.path("forgotten", "text/plain")
    with pytest.raises(ProcessorError, match="'forgotten' was reserved but not written"):
        stage.seal()
    stage.drop("forgotten")
    link = stage.path("link", "text/plain")
    link.symlink_to("/etc/passwd")
    with pytest.raises(ProcessorError, match="'link'"):
        stage.seal()
    stage.drop("link")
    os.mkfifo(stage.path("fifo", "text/plain"))
    with pytest.raises(ProcessorError, match="not a regular file"):
        stage.seal()
    stage.drop("fifo")
    publish(stage.seal())
    assert files_below(tmp_path) == {*NAMES, "manifest.json"}


def test_an_output_that_somebody_removed(tmp_path: Path) -> None:
    for overwrite in (False, True):
        output = tmp_path / str(overwrite)
        stage = staged(output, overwrite=overwrite)
        manifest = stage.seal()
        (stage.folder / NAMES[2]).unlink()
        with pytest.raises(TransientError, match="neither staged nor published"):
            publish(manifest)


def test_a_later_jobs_output_is_not_mistaken_for_a_loss(tmp_path: Path) -> None:
    manifest = staged(tmp_path, overwrite=True).seal()
    first = publish(manifest)
    (tmp_path / NAMES[0]).write_bytes(b"written by a later job")
    assert publish(manifest) == first
    assert (tmp_path / NAMES[0]).read_bytes() == b"written by a later job"


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    stage = Stage("file:///sys/pitchey", "job.1", overwrite=False, workdir=tmp_path)
    with pytest.raises(InputError, match="cannot be written"):
        stage.path("a", "text/plain")
    (tmp_path / "file").touch()
    with pytest.raises(InputError):
        staged(tmp_path / "file" / "out")


def test_stale_staging_folders_of_the_job_go(tmp_path: Path) -> None:
    for key in ("job.1", "job.2", "job.3", "job.x", "job2.1"):
        staged(tmp_path, key, overwrite=True)
    removed = discard_stale(to_url(tmp_path, Path("/")), "job.3")
    assert sorted(folder.name for folder in removed) == ["job.1", "job.2"]
    left = {folder.name for folder in (tmp_path / ".pitchey-staging").iterdir()}
    assert left == {"job.3", "job.x", "job2.1"}
    assert discard_stale(to_url(tmp_path / "none", Path("/")), "job.1", own=True) == []
    assert discard_stale("memory://x", "job.1") == []


def test_a_later_claims_staging_is_never_stale(tmp_path: Path) -> None:
    for key in ("job.2", "job.9", "job.10"):
        staged(tmp_path, key, overwrite=True)
    removed = discard_stale(to_url(tmp_path, Path("/")), "job.9", own=True)
    assert sorted(folder.name for folder in removed) == ["job.2", "job.9"]
    assert [folder.name for folder in (tmp_path / ".pitchey-staging").iterdir()] == ["job.10"]


@pytest.mark.parametrize("output", ["/proc/self/mem/out", f"/{'n' * 300}", "/sys/out"])
def test_where_nothing_can_be_removed_nothing_is_raised(output: str, tmp_path: Path) -> None:
    assert discard_stale(to_url(output, Path("/")), "job.2", own=True) == []
    Stage(to_url(output, Path("/")), "job.2", overwrite=True, workdir=tmp_path).discard()


CRASH = """
import json, os, sys
sys.path[:0] = json.loads(sys.argv[3])
from pitchey_core.storage import Manifest, publish
manifest = Manifest.from_record(json.load(open(sys.argv[1])))
at, when = sys.argv[2].split(":")
steps = 0
def wrap(name):
    original = getattr(os, name)
    def step(*arguments, **keywords):
        global steps
        steps += 1
        if steps == int(at) and when == "before":
            os._exit(77)
        try:
            return original(*arguments, **keywords)
        finally:
            if steps == int(at) and when == "after":
                os._exit(77)
    setattr(os, name, step)
for name in ("replace", "link", "rename", "fsync", "mkdir", "unlink", "rmdir"):
    wrap(name)
publish(manifest)
"""


@pytest.mark.parametrize("overwrite", [False, True], ids=["add", "replace"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_every_step(tmp_path: Path, overwrite: bool, when: str) -> None:
    """A reader polls all the while; each file is missing, old or new, and never anything between."""
    step = 0
    crashed = True
    while crashed:
        step += 1
        output = tmp_path / f"out-{step}"
        if overwrite:
            (output / "thumbs").mkdir(parents=True)
            for name in NAMES:
                (output / name).write_bytes(content(name, "old"))
        manifest = staged(output, overwrite=overwrite).seal()
        record = tmp_path / "record.json"
        record.write_text(json.dumps(manifest.as_record()))
        with reader(output, overwrite) as seen:
            child = subprocess.run(
                [sys.executable, "-c", CRASH, record, f"{step}:{when}", json.dumps(sys.path)], check=False
            )
            assert child.returncode in (0, 77)
            crashed = child.returncode == 77
            if (output / "manifest.json").exists():
                assert all((output / name).read_bytes() == content(name) for name in NAMES)
            artifacts = publish(manifest)
            assert_published(output, artifacts)
            assert publish(manifest) == artifacts
        assert seen == set()
    # 3 files, 2 or 3 folders to sync, the summary, and the staging folder's removal.
    assert step > 10


@contextlib.contextmanager
def reader(output: Path, overwrite: bool) -> Iterator[set[str]]:
    """Collects the names of files that were seen in a state that must not be."""
    bad: set[str] = set()
    stop = threading.Event()
    allowed = {
        name: {content(name), content(name, "old")} if overwrite else {content(name)} for name in NAMES
    }

    def poll() -> None:
        while not stop.wait(0.0005):
            for name in NAMES:
                try:
                    if (output / name).read_bytes() not in allowed[name]:
                        bad.add(name)
                except FileNotFoundError:
                    if overwrite:
                        bad.add(name)
            with contextlib.suppress(FileNotFoundError):
                json.loads((output / "manifest.json").read_bytes())

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield bad
    finally:
        stop.set()
        thread.join()


def test_publishers_may_race(tmp_path: Path) -> None:
    """Two supervisors may roll the same committed manifest forward."""
    for round_number in range(10):
        output = tmp_path / str(round_number)
        manifest = staged(output, overwrite=bool(round_number % 2)).seal()
        failures: list[BaseException] = []

        def work(manifest: Manifest = manifest, failures: list[BaseException] = failures) -> None:
            try:
                publish(manifest)
            except BaseException as error:  # noqa: BLE001 - shown by the assertion below
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert_published(output, publish(manifest))


def test_a_full_disk_while_staging(small_disk: Path) -> None:
    stage = Stage(to_url(small_disk / "out", Path("/")), "job.1", overwrite=False, workdir=small_disk)
    path = stage.path("big", "text/plain")
    with pytest.raises(OSError, match="No space left") as caught:
        path.write_bytes(bytes(4 << 20))
    assert caught.value.errno == errno.ENOSPC
    stage.discard()
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_while_publishing(small_disk: Path) -> None:
    stage = Stage(to_url(small_disk / "out", Path("/")), "job.1", overwrite=False, workdir=small_disk)
    stage.path("a", "text/plain").write_bytes(b"x")
    manifest = stage.seal()
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(OutOfSpace):
        publish(manifest)
    filler.unlink()
    assert [artifact.name for artifact in publish(manifest)] == ["a"]
    assert files_below(small_disk / "out") == {"a", "manifest.json"}


def refuse_links(source: object, target: object, *, follow_symlinks: bool = True) -> None:
    if not os.path.lexists(source):  # type: ignore[arg-type]
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), source)


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On FAT and exFAT, which have no hard links, a rename that refuses to replace does it."""
    monkeypatch.setattr(os, "link", refuse_links)
    folder = tmp_path / "out"
    manifest = staged(folder).seal()
    assert_published(folder, publish(manifest))
    assert publish(manifest)
    with pytest.raises(OutputExists):
        staged(folder)


def test_a_file_system_without_links_loses_no_race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", refuse_links)
    folder = tmp_path / "out"
    manifest = staged(folder).seal()
    (folder / NAMES[0]).write_bytes(b"somebody else's")
    with pytest.raises(OutputExists):
        publish(manifest)
    assert (folder / NAMES[0]).read_bytes() == b"somebody else's"


@pytest.fixture
def memory_url() -> Iterator[str]:
    fs = fsspec.filesystem("memory")
    folder = os.urandom(6).hex()
    yield f"memory://{folder}/out"
    with contextlib.suppress(FileNotFoundError):
        fs.rm(f"/{folder}", recursive=True)


def test_remote_outputs(memory_url: str, tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    stage = Stage(memory_url, "job.1", overwrite=False, workdir=tmp_path)
    stage.path("a b/ü.txt", "text/plain").write_bytes(b"hello")
    stage.path("c", "text/plain").write_bytes(b"world")
    assert stage.folder.is_relative_to(tmp_path)
    manifest = stage.seal()
    # As if an earlier call had crashed after the first upload.
    base = memory_url.removeprefix("memory:/")
    fs.pipe(f"{base}/a b/ü.txt", b"hello")
    artifacts = publish(manifest)
    assert artifacts[0].uri == f"{memory_url}/a b/ü.txt"
    assert fs.cat(f"{base}/c") == b"world"
    assert json.loads(fs.cat(f"{base}/manifest.json"))["job_id"] == "job"
    assert publish(manifest) == artifacts
    assert list((tmp_path / "staging").glob("*")) == []
    with pytest.raises(OutputExists):
        Stage(memory_url, "job.2", overwrite=False, workdir=tmp_path).path("c", "text/plain")
    again = Stage(memory_url, "job.2", overwrite=True, workdir=tmp_path)
    again.path("c", "text/plain").write_bytes(b"w0rld")
    publish(again.seal())
    assert fs.cat(f"{base}/c") == b"w0rld"


def test_a_remote_output_that_appears_meanwhile_is_left_alone(memory_url: str, tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    stage = Stage(memory_url, "job.1", overwrite=False, workdir=tmp_path)
    stage.path("c", "text/plain").write_bytes(b"world")
    manifest = stage.seal()
    path = memory_url.removeprefix("memory:/") + "/c"
    fs.pipe(path, b"other")
    with pytest.raises(OutputExists):
        publish(manifest)
    assert fs.cat(path) == b"other"
    stage.discard()
    assert not stage.folder.exists()
