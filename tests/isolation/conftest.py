"""A sandbox, and Python code to run in it, from the warm interpreter or from one that is started."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from textwrap import dedent
from typing import Any

import pytest
from sandboxed import POLICY, Run, python

from pitchey_core.isolation import Sandbox, SandboxReport


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def run(sandbox: Sandbox) -> Run:
    """Runs Python source in a sandbox: ``run(source, *arguments, warm=True, **changes of the policy)``."""

    def run(
        source: str,
        *arguments: str,
        warm: bool = True,
        on: Sandbox | None = None,
        env: dict[str, str] | None = None,
        files: dict[str, bytes] | None = None,
        options: dict[str, Any] | None = None,
        **changes: Any,
    ) -> SandboxReport:
        return (on or sandbox).run(
            python(*arguments, warm=warm, env=env),
            replace(POLICY, **changes),
            files={"main.py": dedent(source).encode(), **(files or {})},
            **(options or {}),
        )

    return run
