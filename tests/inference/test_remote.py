"""Models at URLs and on the hub: pulled once, checked, and read from the cache afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from inference_models import add_model, hub_classifier, save, sha256, write_manifest

from pitchey_core.errors import Cancelled, ConfigError, ExtraMissing, InputError, TransientError
from pitchey_core.storage import FetchPolicy
from pitchey_inference.bundles.hub import parse_hub_url
from pitchey_inference.bundles.opening import Access, open_bundle, pull
from pitchey_inference.bundles.pulled import alone, pulled_models

ACCESS = Access(FetchPolicy(schemes=frozenset({"memory", "file", "https"})), lambda url: Path(url))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PITCHEY_MODEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def memory() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()


def upload(files: Any, folder: Path, to: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            files.pipe(f"{to}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def test_a_folder_at_a_url(memory: Any, tmp_path: Path) -> None:
    upload(memory, hub_classifier(tmp_path / "m"), "/models/reviews")
    bundle = open_bundle("memory://models/reviews", ACCESS)
    assert (bundle.manifest.name, bundle.manifest.task) == ("reviews", "text-classification")
    assert bundle.manifest.files["model"].sha256 == sha256(tmp_path / "m" / "onnx" / "model.onnx")
    memory.store.clear()
    assert open_bundle("memory://models/reviews", ACCESS).read("model")


def test_a_file_at_a_url(memory: Any, tmp_path: Path) -> None:
    memory.pipe("/models/twice.onnx", save(add_model(), tmp_path / "m.onnx").read_bytes())
    assert open_bundle("memory://models/twice.onnx", ACCESS).manifest.task == "tensors"


def test_a_manifest_with_a_wrong_checksum_leaves_nothing(
    memory: Any, tmp_path: Path, own_cache: Path
) -> None:
    save(add_model(), tmp_path / "b" / "m.onnx")
    files = {"model": {"path": "m.onnx", "sha256": "0" * 64}}
    write_manifest(tmp_path / "b", name="b", task="tensors", files=files)
    upload(memory, tmp_path / "b", "/b")
    with pytest.raises(InputError, match="its manifest says 0000"):
        open_bundle("memory://b", ACCESS)
    assert list((own_cache / "pulled").iterdir()) == []


def test_a_cached_file_that_was_changed_is_noticed(memory: Any, tmp_path: Path) -> None:
    memory.pipe("/twice.onnx", save(add_model(), tmp_path / "m.onnx").read_bytes())
    bundle = open_bundle("memory://twice.onnx", ACCESS)
    (bundle.folder / "twice.onnx").write_bytes(b"something else")
    with pytest.raises(InputError, match="checksum"):
        open_bundle("memory://twice.onnx", ACCESS).read("model")
    pull("memory://twice.onnx", ACCESS, refresh=True)
    assert open_bundle("memory://twice.onnx", ACCESS).read("model")


def test_no_model_at_a_url(memory: Any) -> None:
    with pytest.raises(InputError, match="is no model"):
        open_bundle("memory://nothing", ACCESS)


def test_the_policy_holds_for_what_is_in_the_cache_too(memory: Any, tmp_path: Path) -> None:
    memory.pipe("/twice.onnx", save(add_model(), tmp_path / "m.onnx").read_bytes())
    open_bundle("memory://twice.onnx", ACCESS)
    with pytest.raises(InputError, match="may not be fetched"):
        open_bundle("memory://twice.onnx", Access(FetchPolicy(), lambda url: Path(url)))
    with pytest.raises(InputError, match="may not be fetched"):
        open_bundle("hf://org/name", Access(FetchPolicy(schemes=frozenset({"file"})), lambda url: Path(url)))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("hf://org/name", ("org/name", "main")),
        ("hf://org/na.me-x@v1.0", ("org/na.me-x", "v1.0")),
        ("hf://org/name@refs/pr/3", ("org/name", "refs/pr/3")),
    ],
)
def test_urls_of_the_hub(url: str, expected: tuple[str, str]) -> None:
    assert parse_hub_url(url) == expected


@pytest.mark.parametrize("url", ["hf://name", "hf://a/b/c", "hf://a/../b", "hf://a/b@", "hf://a/b@../x"])
def test_what_names_no_model_of_the_hub(url: str) -> None:
    with pytest.raises(InputError, match="names no model"):
        parse_hub_url(url)


# -- a hub on loopback, as far as huggingface_hub talks to it ------------------------------------------------------


@dataclass
class Hub:
    """Serves one repository by the paths of the real one."""

    folder: Path
    commit: str = "c" * 40
    lie: bool = False
    requests: list[str] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        self.requests.append(f"{handler.command} {path}")
        if path.startswith("/api/models/org/name"):
            self._send(handler, json.dumps(self.listing()).encode(), {"Content-Type": "application/json"})
        elif path.startswith("/org/name/resolve/"):
            name = path.split("/", 5)[5]
            file = self.folder / name
            if file.is_file():
                etag = hashlib.sha256(file.read_bytes()).hexdigest()
                headers = {"ETag": f'"{etag}"', "X-Repo-Commit": self.commit, "Accept-Ranges": "bytes"}
                self._send(handler, file.read_bytes(), headers)
            else:
                self._missing(handler, "EntryNotFound")
        else:
            self._missing(handler, "RepoNotFound")

    def listing(self) -> dict[str, Any]:
        siblings = []
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                entry: dict[str, Any] = {
                    "rfilename": path.relative_to(self.folder).as_posix(),
                    "size": path.stat().st_size,
                }
                if path.suffix == ".onnx":
                    digest = "0" * 64 if self.lie else sha256(path)
                    entry["lfs"] = {"sha256": digest, "size": path.stat().st_size, "pointerSize": 130}
                siblings.append(entry)
        return {"id": "org/name", "modelId": "org/name", "sha": self.commit, "siblings": siblings, "tags": []}

    def _send(self, handler: BaseHTTPRequestHandler, data: bytes, headers: dict[str, str]) -> None:
        handler.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            handler.send_header(key, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(data)

    def _missing(self, handler: BaseHTTPRequestHandler, code: str) -> None:
        handler.send_response(404)
        handler.send_header("X-Error-Code", code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    served = Hub(hub_classifier(tmp_path / "served"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf-cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield served
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_model_of_the_hub_is_there_offline_afterwards(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = open_bundle("hf://org/name@main", ACCESS)
    assert (bundle.manifest.name, bundle.manifest.task) == ("name", "text-classification")
    assert bundle.manifest.labels == ["negative", "positive"]
    assert bundle.read("model")
    asked = len(hub.requests)
    assert open_bundle("hf://org/name@main", ACCESS).read("tokenizer")
    assert len(hub.requests) == asked


def test_a_file_that_is_not_the_hubs_is_refused(hub: Hub) -> None:
    hub.lie = True
    with pytest.raises(InputError, match="the hub says 0000"):
        open_bundle("hf://org/name", ACCESS)


def test_no_such_model_on_the_hub(hub: Hub) -> None:
    with pytest.raises(InputError, match="does not exist"):
        open_bundle("hf://org/other", ACCESS)


def test_a_hub_that_cannot_be_reached_is_a_passing_fault(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(TransientError, match="cannot be reached"):
        open_bundle("hf://org/name", ACCESS)


def test_without_the_extra_the_remedy_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ExtraMissing) as caught:
        open_bundle("hf://org/name", ACCESS)
    assert caught.value.remedy == "pip install 'pitchey[hf]'"


# -- the cache --------------------------------------------------------------------------------------------------

PULL = """
import sys
from pathlib import Path
from pitchey_core.storage import FetchPolicy
from pitchey_inference.bundles.opening import Access, pull
policy = FetchPolicy(schemes=frozenset({"http"}), allow_private_addresses=True)
print(pull(sys.argv[1], Access(policy, Path), refresh=False).folder)
"""


class Slow(BaseHTTPRequestHandler):
    """Counts who asks, and answers after a while."""

    content = b""
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        if self.path.startswith("/m.onnx"):
            self.asked.append(self.path)
            time.sleep(0.5)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        """Not to the terminal."""


def test_processes_that_want_the_same_model_fetch_it_once(tmp_path: Path, own_cache: Path) -> None:
    Slow.content, Slow.asked = save(add_model(), tmp_path / "m.onnx").read_bytes(), []
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/m.onnx"
        command = [sys.executable, "-c", PULL, url]
        pulls = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        folders = {each.communicate(timeout=60)[0].strip() for each in pulls}
        server.shutdown()
    assert [each.returncode for each in pulls] == [0, 0, 0]
    assert len(folders) == 1
    assert sha256(Path(folders.pop()) / "m.onnx") == sha256(tmp_path / "m.onnx")
    assert len(Slow.asked) == 1
    assert not [each for each in (own_cache / "pulled").iterdir() if each.name.startswith(".")]


def test_whoever_waits_for_a_download_can_be_cancelled(memory: Any, tmp_path: Path, own_cache: Path) -> None:
    memory.pipe("/m.onnx", save(add_model(), tmp_path / "m.onnx").read_bytes())
    access = Access(ACCESS.policy, ACCESS.fetch, lambda: True)
    with alone(own_cache, "memory://m.onnx"), pytest.raises(Cancelled):
        pull("memory://m.onnx", access, refresh=False)


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"url": 5, "files": {}}', '{"files": []}'])
def test_a_damaged_record_is_none(memory: Any, tmp_path: Path, own_cache: Path, record: str) -> None:
    memory.pipe("/m.onnx", save(add_model(), tmp_path / "m.onnx").read_bytes())
    pulled = pull("memory://m.onnx", ACCESS, refresh=False)
    (pulled.folder / "pulled.json").write_text(record)
    assert pulled_models(own_cache) == []
    assert pull("memory://m.onnx", ACCESS, refresh=False) == pulled
    assert pulled_models(own_cache) == [pulled]


def test_a_cache_that_is_no_folder_is_named_with_the_setting(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe("/m.onnx", save(add_model(), tmp_path / "m.onnx").read_bytes())
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PITCHEY_MODEL_CACHE", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="file cannot be used: Not a directory") as caught:
        pull("memory://m.onnx", ACCESS, refresh=False)
    assert "PITCHEY_MODEL_CACHE" in str(caught.value.remedy)


FULL = """
import os, sys
from pathlib import Path
from pitchey_core.errors import OutOfSpace
from pitchey_core.storage import FetchPolicy
from pitchey_inference.bundles.opening import Access, pull
from pitchey_inference.builtin import builtin_encoder
import fsspec
fsspec.filesystem("memory").pipe("/m.onnx", Path(sys.argv[1]).read_bytes() + bytes(4 * 1024**2))
try:
    pull("memory://m.onnx", Access(FetchPolicy(schemes=frozenset({"memory"})), Path), refresh=False)
except OutOfSpace as error:
    print("full", error.remedy)
# No room for a copy of the graph: the model itself is there all the same.
print(builtin_encoder().encode(["a film"]).shape)
print(sorted(path.name for path in Path(os.environ["PITCHEY_MODEL_CACHE"]).rglob("*.tmp")))
"""


def test_a_full_disk_is_said_and_built_in_models_work(tmp_path: Path) -> None:
    """On a file system of 1 MB, in a namespace of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    path = save(add_model(), tmp_path / "m.onnx")
    mount = f'mount -t tmpfs -o size=1m none {folder} && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    done = subprocess.run(
        [*command, sys.executable, "-c", FULL, str(path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PITCHEY_MODEL_CACHE": str(folder)},
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    full, shape, left = done.stdout.splitlines()
    assert full.startswith("full free some space")
    assert (shape, left) == ("(1, 384)", "[]")
