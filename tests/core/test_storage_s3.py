"""The S3 protocol, spoken by moto's server; only where the driver and the server are installed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pitchey_core.errors import InputError, LimitExceeded, OutputExists, TransientError
from pitchey_core.storage import FetchPolicy, Stage, fetch, open_remote, publish

s3fs = pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")

BODY = os.urandom(7 * 1024**2)

# Both libraries have open sockets and deprecated calls of their own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    # The server's data outlive it within one process.
    name = f"bucket-{os.urandom(6).hex()}"
    s3fs.S3FileSystem().mkdir(name)
    yield f"s3://{name}"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_fetch(bucket: str, tmp_path: Path) -> None:
    s3fs.S3FileSystem().pipe(f"{bucket}/in/clip one.mp4", BODY)
    fetched = fetch(f"{bucket}/in/clip one.mp4", tmp_path, policy=FetchPolicy())
    assert fetched.path.read_bytes() == BODY
    fetched.path.unlink()
    with pytest.raises(InputError, match="does not exist"):
        fetch(f"{bucket}/in/none.mp4", tmp_path, policy=FetchPolicy())
    with pytest.raises(InputError):
        fetch("s3://no-such-bucket/x", tmp_path, policy=FetchPolicy())
    with pytest.raises(InputError, match="folder"):
        fetch(f"{bucket}/in", tmp_path, policy=FetchPolicy())
    with pytest.raises(LimitExceeded):
        fetch(f"{bucket}/in/clip one.mp4", tmp_path, policy=FetchPolicy(), max_bytes=1000)
    assert list(tmp_path.iterdir()) == []


def test_publish(bucket: str, tmp_path: Path) -> None:
    assert open_remote(bucket).atomic_publish
    stage = Stage(f"{bucket}/out", "job.1", overwrite=False, workdir=tmp_path)
    stage.path("video.mp4", "video/mp4").write_bytes(BODY)
    stage.path("thumbs/1 ü.jpg", "image/jpeg").write_bytes(b"jpeg")
    manifest = stage.seal()
    # As if an earlier call had crashed after the first upload.
    s3fs.S3FileSystem().pipe(f"{bucket}/out/video.mp4", BODY)
    artifacts = publish(manifest)
    assert publish(manifest) == artifacts
    fs = s3fs.S3FileSystem()
    assert fs.cat(f"{bucket}/out/video.mp4") == BODY
    assert fs.cat(f"{bucket}/out/thumbs/1 ü.jpg") == b"jpeg"
    assert json.loads(fs.cat(f"{bucket}/out/manifest.json"))["artifacts"] == [
        each.as_record() for each in artifacts
    ]
    assert fetch(artifacts[1].uri, tmp_path, policy=FetchPolicy()).path.read_bytes() == b"jpeg"
    with pytest.raises(OutputExists):
        Stage(f"{bucket}/out", "job.2", overwrite=False, workdir=tmp_path).path("video.mp4", "video/mp4")


def test_an_object_that_appears_meanwhile_is_left_alone(bucket: str, tmp_path: Path) -> None:
    stage = Stage(f"{bucket}/out", "job.1", overwrite=False, workdir=tmp_path)
    stage.path("a", "text/plain").write_bytes(b"ours")
    manifest = stage.seal()
    s3fs.S3FileSystem().pipe(f"{bucket}/out/a", b"else")
    with pytest.raises(OutputExists):
        publish(manifest)
    assert s3fs.S3FileSystem().cat(f"{bucket}/out/a") == b"else"


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(TransientError):
        fetch("s3://bucket/x", tmp_path, policy=FetchPolicy())
    s3fs.S3FileSystem.clear_instance_cache()
