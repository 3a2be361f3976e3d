"""``pitchey-run doctor``: is this host fit?"""

from __future__ import annotations

import click

from pitchey_runner.cli.invocation import Invocation

__all__ = ["doctor_verb"]


@click.command("doctor")
@click.option(
    "--sandbox",
    is_flag=True,
    help="Try to break out of the sandbox, and say which wall stopped each attempt.",
)
@click.pass_obj
def doctor_verb(invocation: Invocation, sandbox: bool) -> int:
    """Check this host: external programs with versions and capabilities, plugins, the job store.

    Exit code 3 if something is missing that a processor needs, 1 if a plugin or the store is broken. With --sandbox:
    1 if an attempt got through, or could not be made.
    """
    if sandbox:
        return _try_sandbox(invocation)
    from pitchey_runner.cli.diagnosis import examine
    from pitchey_runner.cli.render.diagnosis import show_diagnosis

    diagnosis = examine(invocation.registry, invocation.loaded.settings)
    show_diagnosis(diagnosis, as_json=invocation.as_json)
    return diagnosis.exit_code


def _try_sandbox(invocation: Invocation) -> int:
    from pitchey_runner.cli.render.sandbox import show_progress, show_sandbox
    from pitchey_runner.cli.sandbox_diagnosis import examine_sandbox

    live = invocation.live
    found = examine_sandbox(invocation.registry, invocation.loaded.settings, show_progress if live else None)
    if live:
        click.echo("\r\x1b[K", err=True, nl=False)
    show_sandbox(found, as_json=invocation.as_json)
    return found.exit_code
