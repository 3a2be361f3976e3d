"""In a slot, the launcher of sandboxes stays warm between jobs, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import anyio
from workplace import exists

from pitchey_core.host import Host
from pitchey_core.process import descendants
from pitchey_core.registry import Registry
from pitchey_core.slots import LocalExecutor, new_tag


def _launchers(warden: int) -> set[int]:
    found = set()
    for pid in descendants(warden):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        if b"isolation/jail" in command and b"jail" not in Path(f"/proc/{parent}/cmdline").read_bytes():
            found.add(pid)
    return found


def test_the_launcher_stays(tmp_path: Path) -> None:
    host = Host.from_settings(Registry.load(), data_dir=str(tmp_path / "data"))
    orders = [
        host.order(
            "code",
            {"language": "python", "code": f"import os\nif os.fork(): print({number})\nelse: os.setsid()"},
            job_id=f"job-{number}",
            base_dir=tmp_path / "data",
        )
        for number in range(3)
    ]
    seen = []

    async def main() -> None:
        slot = await LocalExecutor().open_slot(new_tag("test"))
        try:
            for number, order in enumerate(orders):
                (outcome,) = await slot.run([order], together=False)
                assert outcome.error is None
                assert outcome.facts is not None
                assert outcome.facts["stdout"] == f"{number}\n"
                seen.append(_launchers(slot._process.pid))
        finally:
            await slot.close()

    anyio.run(main)
    assert len(seen[0]) == 1
    assert seen[0] == seen[1] == seen[2]
    assert not any(exists(pid) for pid in seen[0])
