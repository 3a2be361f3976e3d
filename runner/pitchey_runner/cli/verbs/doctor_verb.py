"""``pitchey-run doctor``: is this host fit?"""

from __future__ import annotations

import click

from pitchey_runner.cli.diagnosis import examine
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.diagnosis import show_diagnosis

__all__ = ["doctor_verb"]


@click.command("doctor")
@click.pass_obj
def doctor_verb(invocation: Invocation) -> int:
    """Check this host: external programs with versions and capabilities, plugins, the job store.

    Exit code 3 if something is missing that a processor needs, 1 if a plugin or the store is broken.
    """
    diagnosis = examine(invocation.registry, invocation.loaded.settings)
    show_diagnosis(diagnosis, as_json=invocation.as_json)
    return diagnosis.exit_code
