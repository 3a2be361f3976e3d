"""A thousand queued jobs through the runner, against the same requests to ``litserve`` on loopback.

``litserve`` (not among our dependencies: ``pip install litserve``) runs the same model with the same code for tokens,
batches and head, in two workers, up to 32 requests together; it is warm before the clock starts. Our clock holds the
start of the slots and the loading of the model, and what a server does not give: a store that loses no job, limits,
and costs. Where ``litserve`` is missing, the peer is the same work in this process, without any queue.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import Bench, at_least, expect, run_benchmark
from workbench import Workbench, pitchey_run, workbench

JOBS = 1000
CLIENTS = 64
MODEL = "sentiment-v1"

SERVER = """
import sys
import litserve
from pitchey_inference.loaded import MODELS_IN_USE
from pitchey_inference.tasks.base import Request, TextItem
from pitchey_inference.tasks.text_classification import ClassificationParameters, TextClassificationTask

class Sentiment(litserve.LitAPI):
    def setup(self, device):
        self.task = TextClassificationTask(MODELS_IN_USE.builtin("sentiment-v1", 1))
        self.task.run([Request(TextItem("warm"), ClassificationParameters())])
    def decode_request(self, request):
        return request["text"]
    def batch(self, inputs):
        return inputs
    def predict(self, texts):
        return self.task.run([Request(TextItem(text), ClassificationParameters()) for text in texts])
    def unbatch(self, output):
        return output
    def encode_response(self, output):
        return {"label": output.label, "score": output.score}

if __name__ == "__main__":
    api = Sentiment(max_batch_size=32, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2, timeout=60)
    server.run(port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False, log_level="error")
"""


def measure(bench: Bench) -> None:
    with workbench() as bench_folder:
        texts = [
            f"a wonderful film number {number} about the sea and the people who live by it"
            for number in range(JOBS)
        ]
        served = importlib.util.find_spec("litserve") is not None
        peer = "litserve" if served else "no queue at all"
        row = bench.compare(
            f"{JOBS} jobs, {MODEL}",
            against=peer,
            unit="jobs/s",
            by="ratio",
            goal=at_least(0.95) if served else None,
        )
        bench.fact("clients of litserve", CLIENTS if served else "not installed")
        if served:
            with _server(bench_folder.root) as port:
                for number in bench.rounds():
                    other = _requests(port, texts)
                    row.add(JOBS / _batch(bench_folder, texts, number), JOBS / other)
        else:
            for number in bench.rounds():
                row.add(JOBS / _batch(bench_folder, texts, number), JOBS / _alone(texts))


def _batch(bench_folder: Workbench, texts: list[str], number: int) -> float:
    entries = [
        {"type": "inference", "payload": {"model": MODEL, "text": f"{text} {number}"}} for text in texts
    ]
    path = bench_folder.root / f"jobs-{number}.yaml"
    path.write_text(json.dumps({"jobs": entries}))
    own = {"PITCHEY_STORE": bench_folder.store_url, "PITCHEY_DATA_DIR": str(bench_folder.root / "data")}
    done = subprocess.run(
        [str(pitchey_run()), "batch", str(path), "--json"], capture_output=True, env={**os.environ, **own}
    )
    expect(done.returncode == 0, f"the batch failed: {done.stderr.decode()[-500:]}")
    last = json.loads(done.stdout.splitlines()[-1])
    expect(last["completed"] == JOBS, f"{last['completed']} of {JOBS} jobs are completed")
    return float(last["wall_seconds"])


def _alone(texts: list[str]) -> float:
    from pitchey_inference.loaded import MODELS_IN_USE
    from pitchey_inference.tasks.base import Request, TextItem
    from pitchey_inference.tasks.text_classification import ClassificationParameters, TextClassificationTask

    task = TextClassificationTask(MODELS_IN_USE.builtin(MODEL, 1))
    began = time.perf_counter()
    answers = task.run([Request(TextItem(text), ClassificationParameters()) for text in texts])
    expect(len(answers) == JOBS, "answers are missing")
    return time.perf_counter() - began


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    script = folder / "server.py"
    script.write_text(SERVER)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, str(script), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        else:
            expect(truth=False, words="litserve does not start")
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _requests(port: int, texts: list[str]) -> float:
    async def every() -> float:
        found: list[Any] = []
        waiting = iter(texts)

        async def ask() -> None:
            # One connection, kept open: as cheap as a client can be.
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for text in waiting:
                body = json.dumps({"text": text}).encode()
                head = (
                    "POST /predict HTTP/1.1",
                    "Host: x",
                    "Content-Type: application/json",
                    f"Content-Length: {len(body)}",
                )
                writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
                answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
                found.append(json.loads(await reader.readexactly(length))["label"])
            writer.close()

        began = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(CLIENTS)))
        took = time.perf_counter() - began
        expect(found.count("positive") == JOBS, "litserve does not answer as it should")
        return took

    return asyncio.run(every())


if __name__ == "__main__":
    run_benchmark("queued inference", measure)
