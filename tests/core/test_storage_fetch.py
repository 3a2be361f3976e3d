"""Fetching inputs: local files, a real HTTP server, and fsspec's file systems."""

from __future__ import annotations

import contextlib
import http.server
import importlib.util
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from pitchey_core.errors import Cancelled, ExtraMissing, InputError, LimitExceeded, OutOfSpace, TransientError
from pitchey_core.storage import FetchPolicy, fetch, to_url

OPEN = FetchPolicy(allow_private_addresses=True)
IN_MEMORY = FetchPolicy(schemes=frozenset({"memory"}))
BODY = os.urandom(3 * 1024**2 + 17)


def test_a_local_file_is_not_copied(tmp_path: Path) -> None:
    source = tmp_path / "-a\n'b\udcff.bin"
    source.write_bytes(BODY)
    fetched = fetch(to_url(source, tmp_path), tmp_path / "into", policy=FetchPolicy())
    assert (fetched.path, fetched.bytes) == (source, len(BODY))
    assert not (tmp_path / "into").exists()
    with pytest.raises(LimitExceeded) as caught:
        fetch(to_url(source, tmp_path), tmp_path, policy=FetchPolicy(), max_bytes=10)
    assert caught.value.limit == "input"


def test_bad_local_inputs(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"x")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    expected = {
        "clop.mp4": r"clop\.mp4 does not exist\n  → did you mean 'clip\.mp4'\?",
        "no/such/folder": "does not exist",
        "clip.mp4/x": "does not exist",
        ".": "is a folder",
        "empty": "is empty",
        "fifo": "not a regular file",
        "loop": "Too many levels of symbolic links",
        "x" * 300: "File name too long",
    }
    for name, words in expected.items():
        with pytest.raises(InputError, match=words):
            fetch(to_url(name, tmp_path), tmp_path, policy=FetchPolicy())
    with pytest.raises(InputError, match="not a regular file"):
        fetch("file:///dev/zero", tmp_path, policy=FetchPolicy())


@pytest.fixture
def unreadable(tmp_path: Path) -> Iterator[Path]:
    """A file that this process may not read: root, who may read everything, is somebody else for a while."""
    source = tmp_path / "secret"
    source.write_bytes(b"x")
    source.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield source
    os.seteuid(user)


def test_an_unreadable_file(unreadable: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="may not be read"):
        fetch(to_url(unreadable, tmp_path), tmp_path, policy=FetchPolicy())


def test_roots_hold_also_through_symbolic_links(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.write_bytes(b"x")
    (inside / "file").write_bytes(b"x")
    (inside / "link").symlink_to(outside)
    policy = FetchPolicy(roots=(inside,))
    assert fetch(to_url(inside / "file", tmp_path), tmp_path, policy=policy).bytes == 1
    for path in (outside, inside / "link", inside / ".." / "outside"):
        with pytest.raises(InputError, match="outside of the folders"):
            fetch(to_url(path, tmp_path), tmp_path, policy=policy)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path, _, argument = self.path.partition("?")
        answer = getattr(self, "get_" + path.strip("/").replace(".", "_").replace("%", "_").lower())
        answer(argument)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", headers.pop("Length", str(len(body))))
        self.end_headers()
        self.wfile.write(body)

    def get_body_bin(self, argument: str) -> None:
        self._send(200, BODY)

    def get_empty(self, argument: str) -> None:
        self._send(200, b"")

    def get_status(self, argument: str) -> None:
        self._send(int(argument), b"no")

    def get_redirect(self, argument: str) -> None:
        self._send(302, b"", Location=argument)

    def get_short(self, argument: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[:1000])

    get_a_20_c3_bc = get_body_bin

    def get_unsized(self, argument: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        pass


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, as it does here on purpose, is no news."""


@pytest.fixture
def server() -> Iterator[str]:
    with Quiet(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_http(server: str, tmp_path: Path) -> None:
    first = fetch(f"{server}/body.bin?x=1", tmp_path / "into", policy=OPEN)
    assert first.path == tmp_path / "into" / "body.bin"
    assert first.path.read_bytes() == BODY
    assert first.bytes == len(BODY)
    second = fetch(f"{server}/body.bin", tmp_path / "into", policy=OPEN)
    assert second.path.name == "1-body.bin"
    assert fetch(f"{server}/a ü", tmp_path / "into", policy=OPEN).path.name == "a_ü"
    third = fetch(f"{server}/redirect?/body.bin", tmp_path, policy=OPEN)
    assert third.path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/empty", InputError),
        ("/status?404", InputError),
        ("/status?403", InputError),
        ("/status?410", InputError),
        ("/status?429", TransientError),
        ("/status?500", TransientError),
        ("/status?503", TransientError),
        ("/short", TransientError),
        ("/redirect?file:///etc/passwd", InputError),
        ("/redirect?ftp://127.0.0.1/x", InputError),
        ("/redirect?/redirect?/redirect", InputError),
    ],
)
def test_http_failures_leave_nothing(server: str, tmp_path: Path, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        fetch(server + path, tmp_path, policy=OPEN)
    assert list(tmp_path.iterdir()) == []


def test_a_download_is_bounded_and_can_be_cancelled(server: str, tmp_path: Path) -> None:
    for path in ("/body.bin", "/unsized"):
        with pytest.raises(LimitExceeded):
            fetch(server + path, tmp_path, policy=OPEN, max_bytes=len(BODY) - 1)
        with pytest.raises(Cancelled):
            fetch(server + path, tmp_path, policy=OPEN, cancelled=lambda: True)
    assert list(tmp_path.iterdir()) == []
    assert fetch(server + "/unsized", tmp_path, policy=OPEN, max_bytes=len(BODY)).bytes == len(BODY)


def test_private_addresses_are_refused_by_default(server: str, tmp_path: Path) -> None:
    port = server.rpartition(":")[2]
    hosts = [
        *("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0.0.0.0"),
        *("169.254.169.254", "10.0.0.1", "192.168.1.1", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]"),
        *("100.64.0.1", "224.0.0.1", "[2002:7f00:1::]"),
    ]
    for host in hosts:
        with pytest.raises(InputError, match=r"not public|no host"):
            fetch(f"http://{host}:{port}/body.bin", tmp_path, policy=FetchPolicy())
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(TransientError):
        fetch(f"http://127.0.0.1:{port}/", tmp_path, policy=OPEN)
    for url in ("http://", "http://127.0.0.1:x/", "http://a b/", "http://127.0.0.1:99999/"):
        with pytest.raises(InputError):
            fetch(url, tmp_path, policy=OPEN)


def test_https_verifies_the_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    subprocess.run(
        [
            *(
                openssl,
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
            ),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Quiet(("127.0.0.1", 0), Handler) as httpd:
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            port = httpd.server_port
            with pytest.raises(InputError, match="certificate"):
                fetch(f"https://localhost:{port}/body.bin", tmp_path / "into", policy=OPEN)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            fetched = fetch(f"https://localhost:{port}/body.bin", tmp_path / "into", policy=OPEN)
            assert fetched.path.read_bytes() == BODY
            with pytest.raises(InputError, match="certificate"):
                fetch(f"https://127.0.0.1:{port}/body.bin", tmp_path / "into", policy=OPEN)
        finally:
            httpd.shutdown()
            thread.join()


def test_a_proxy_of_the_environment_is_used(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server)
    monkeypatch.setenv("no_proxy", "")
    # The server reads the absolute URL that a proxy gets as a path, and finds no such thing.
    with pytest.raises((TransientError, InputError)):
        fetch("http://pitchey.invalid/body.bin", tmp_path, policy=OPEN)


def test_policies_survive_json(tmp_path: Path) -> None:
    assert FetchPolicy.from_record({}) == FetchPolicy()
    for policy in (OPEN, IN_MEMORY, FetchPolicy(roots=(tmp_path,)), FetchPolicy(roots=())):
        assert FetchPolicy.from_record(json.loads(json.dumps(policy.as_record()))) == policy


def test_schemes_are_limited(tmp_path: Path) -> None:
    for url in (
        "memory://x",
        "ftp://host/x",
        "data:text/plain,x",
        "zip://x::file:///etc/passwd",
        "gopher://x/",
    ):
        with pytest.raises(InputError):
            fetch(url, tmp_path, policy=FetchPolicy())
    with pytest.raises(InputError, match="chained"):
        fetch("s3://a::file:///etc/passwd", tmp_path, policy=FetchPolicy())


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    fs = fsspec.filesystem("memory")
    folder = f"/{os.urandom(6).hex()}"
    fs.mkdir(folder)
    fs.pitchey_folder = folder
    yield fs
    with contextlib.suppress(FileNotFoundError):
        fs.rm(folder, recursive=True)


def test_fsspec(memory: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    base = memory.pitchey_folder
    memory.pipe(f"{base}/clip one.mp4", BODY)
    memory.pipe(f"{base}/empty", b"")
    fetched = fetch(f"memory:/{base}/clip one.mp4", tmp_path, policy=IN_MEMORY)
    assert fetched.path == tmp_path / "clip_one.mp4"
    assert fetched.path.read_bytes() == BODY
    fetched.path.unlink()
    for name, words in {"missing": "does not exist", "empty": "is empty", "": "is a folder"}.items():
        with pytest.raises(InputError, match=words):
            fetch(f"memory:/{base}/{name}", tmp_path, policy=IN_MEMORY)
    with pytest.raises(LimitExceeded):
        fetch(f"memory:/{base}/clip one.mp4", tmp_path, policy=IN_MEMORY, max_bytes=5)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_driver_names_its_package(tmp_path: Path) -> None:
    if importlib.util.find_spec("adlfs") is None:
        with pytest.raises(ExtraMissing, match="pip install adlfs"):
            fetch("abfs://container/x", tmp_path, policy=FetchPolicy())
    with pytest.raises(InputError, match="cannot be used"):
        fetch("nosuch://x/y", tmp_path, policy=FetchPolicy(schemes=frozenset({"nosuch"})))


def test_hostile_names_make_harmless_files(server: str, tmp_path: Path) -> None:
    for path in ("/../../etc/body.bin", "/%2e%2e%2fbody.bin", "/-i.bin", "/a%00b"):
        with contextlib.suppress(InputError, TransientError):
            fetched = fetch(server + path, tmp_path, policy=OPEN)
            assert fetched.path.parent == tmp_path
            assert not fetched.path.name.startswith(("-", "."))


def test_a_full_disk(server: str, small_disk: Path) -> None:
    with pytest.raises(OutOfSpace):
        fetch(f"{server}/body.bin", small_disk / "into", policy=OPEN)
    assert list((small_disk / "into").iterdir()) == []
