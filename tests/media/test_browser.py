"""A ladder in a real browser: hls.js plays it, switches rendition and track, seeks, and reaches the end."""

from __future__ import annotations

import http.server
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from media_samples import Samples, ffmpeg

PLAYER = Path(__file__).with_name("player.html")
_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in _NAMES if (path := shutil.which(name))), None)
SECONDS = 9

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt install chromium"),
]


@pytest.fixture(scope="session")
def hls_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The player that most web pages use, from the npm registry."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm: apt install npm")
    folder = tmp_path_factory.mktemp("npm")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), "hls.js@1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        pytest.skip(f"hls.js cannot be installed here: {done.stderr[-200:]}")
    return folder / "node_modules" / "hls.js" / "dist" / "hls.min.js"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves files with byte ranges, which a ladder of single files stands on."""

    files: dict[str, Path]
    ladder: Path
    reports: queue.SimpleQueue[dict[str, Any]]

    def do_GET(self) -> None:
        name = self.path.partition("?")[0]
        path = (
            self.ladder / name.removeprefix("/ladder/")
            if name.startswith("/ladder/")
            else self.files.get(name)
        )
        if path is None or not path.is_file():
            self.send_error(404)
            return
        data, status, headers = path.read_bytes(), 200, {}
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(wanted[1]), int(wanted[2] or len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            data, status = data[first : last + 1], 206
        kinds = {".html": "text/html", ".js": "text/javascript", ".mp4": "video/mp4"}
        headers["Content-Type"] = kinds.get(path.suffix, "application/vnd.apple.mpegurl")
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data)), "Accept-Ranges": "bytes"}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        self.reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def handle(self) -> None:
        # A browser gives up requests that it no longer needs.
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving(ladder: Path, hls_js: Path) -> Iterator[tuple[str, queue.SimpleQueue[dict[str, Any]]]]:
    reports: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    files = {"/": PLAYER, "/hls.js": hls_js}
    handler = type("LadderHandler", (Handler,), {"files": files, "ladder": ladder, "reports": reports})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", reports
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def browsing(url: str, profile: Path) -> Iterator[None]:
    assert CHROMIUM is not None
    quiet = "background-networking component-update sync default-apps extensions"
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio",
        *(f"--disable-{each}" for each in quiet.split()), "--autoplay-policy=no-user-gesture-required",
        "--enable-features=BuiltinHlsPlayer,BuiltInHlsMP4", f"--user-data-dir={profile}", url,
    ]  # fmt: skip
    with (profile.parent / "chromium.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def ladder(make: Callable[..., Any], samples: Samples) -> Path:
    source = samples.folder / "for-browsers.mkv"
    if not source.exists():
        text = source.with_suffix(".srt")
        text.write_text("1\n00:00:01,000 --> 00:00:08,000\nGrüße & hello\n")
        ffmpeg(
            *("-f", "lavfi", "-i", f"testsrc2=s=1280x720:r=25:d={SECONDS}", "-f", "lavfi", "-i", f"sine=d={SECONDS}"),
            *("-f", "lavfi", "-i", f"sine=f=880:d={SECONDS}", "-i", text, "-i", text),
            *(word for number in range(5) for word in ("-map", str(number))),
            *("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"),
            *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"),
            *("-metadata:s:s:0", "language=deu", "-metadata:s:s:0", "title=Deutsch", "-metadata:s:s:1", "language=eng"),
            source,
        )  # fmt: skip
    rungs = [
        {"size": size, "crf": 30, "max_bitrate": rate}
        for size, rate in (("720p", 3_000_000), ("360p", 900_000), ("180p", 400_000))
    ]
    changed = {
        "video": {"speed": "ultrafast", "key_seconds": 1},
        "hls": {"segment_seconds": 3, "rungs": rungs},
    }
    done = make(source, "hls-ladder", overrides=changed)
    return Path(done.files["for-browsers-hls-ladder/master.m3u8"].parent)


def test_hls_js_plays_a_ladder(ladder: Path, hls_js: Path, tmp_path: Path) -> None:
    with serving(ladder, hls_js) as (url, reports), browsing(url, tmp_path / "profile"):
        report = reports.get(timeout=90)
    assert report["errors"] == []
    assert report["levels"] == 3
    assert sorted(report["heights"]) == [180, 360, 720]
    assert report["tracks"] == ["en", "de"]
    assert report["subtitles"] == ["Deutsch de", "eng en"]
    for ((begin, end, words),) in report["cues"]:
        assert (begin, end, words) == (
            pytest.approx(1, abs=0.1),
            pytest.approx(8, abs=0.1),
            "Grüße &amp; hello",
        )
    assert report["ended"]
    assert report["duration"] == pytest.approx(SECONDS, abs=0.2)
    assert report["corrupted"] == 0


def test_the_browsers_own_player_plays_it(ladder: Path, hls_js: Path, tmp_path: Path) -> None:
    with serving(ladder, hls_js) as (url, reports), browsing(f"{url}?native", tmp_path / "profile"):
        report = reports.get(timeout=90)
    if not report["supported"]:
        pytest.skip("this browser has no HLS player of its own")
    assert report["errors"] == []
    assert report["ended"]
    assert report["duration"] == pytest.approx(SECONDS, abs=0.2)
