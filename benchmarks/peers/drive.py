"""``drive.py APP setup``, ``APP enqueue noop|slow COUNT``, ``APP left``: for the interpreter that has the peers."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time


def main() -> None:
    app = importlib.import_module(sys.argv[1])
    match sys.argv[2:]:
        case ["setup"]:
            getattr(app, "setup", lambda: None)()
        case ["enqueue", what, count]:
            numbers = [-1] * int(count) if what == "noop" else list(range(int(count)))
            app.enqueue(numbers[:1] if what == "noop" else [])
            began = time.perf_counter()
            app.enqueue(numbers)
            print(json.dumps(len(numbers) / (time.perf_counter() - began)))
        case ["left"]:
            print(json.dumps(app.left()))
    sys.stdout.flush()
    # Some of the clients keep threads that never end.
    os._exit(0)


main()
