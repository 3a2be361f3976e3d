"""The suite that every processor passes, third parties' included."""

from __future__ import annotations

from typing import ClassVar

from pitchey_core.testing import ProcessorSuite


class TestCode(ProcessorSuite):
    processor = "code"
    payload: ClassVar = {
        "language": "python",
        "code": "import time\ntime.sleep(0.5)\nopen('answer.txt', 'w').write('42')\nprint('done')",
        "outputs": ["*.txt"],
    }
    slow_payload: ClassVar = {"language": "python", "code": "import time\ntime.sleep(25)"}
    bad_payloads: ClassVar = [
        {"language": "python"},
        {"code": "print(1)"},
        {"language": "cobol", "code": "x"},
        {"language": "python", "code": "print(1)\0"},
        {"language": "python", "code": "print(1)", "timeout": 0},
        {"language": "python", "code": "print(1)", "timeout": 100},
        {"language": "python", "code": "print(1)", "memory_limit": 2048},
        {"language": "python", "code": "print(1)", "files": {"../x": ""}},
        {"language": "python", "code": "print(1)", "files": {"/etc/x": ""}},
        {"language": "python", "code": "print(1)", "outputs": ["/etc/*"]},
        {"language": "python", "code": "print(1)", "isolation": "some"},
        {"language": "python", "code": "print(1)", "checks": ["style"]},
        {"language": "python", "code": "print(1)", "tests": [{"stdin": "1"}]},
        {"language": "python", "code": "print(1)", "args": ["a\0b"]},
    ]
