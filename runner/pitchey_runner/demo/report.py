"""The demo's report: one HTML file with relative links, that needs no network and no script."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pitchey_core.storage import display, to_path
from pitchey_runner.batch import BatchDone
from pitchey_runner.demo.footage import Footage
from pitchey_runner.store.interface import JobRecord

__all__ = ["write_report"]

_MOST_CHARACTERS: Final = 1500
_STREAM_COLUMNS: Final = ("kind", "codec", "action", "to", "reason")
_PAGE_COLUMNS: Final = ("number", "source", "confidence", "reason")
_STYLE: Final = (Path(__file__).parent / "report.css").read_text("utf-8")


def write_report(folder: Path, footage: Footage, done: BatchDone) -> Path:
    """Write ``report.html`` into ``folder`` and return its path."""
    summary = done.summary.as_record()
    facts = [
        ("jobs", len(done.records)),
        ("completed", summary["completed"] + summary["skipped"]),
        ("failed", summary["failed"]),
        ("wall time", f"{summary['wall_seconds']:.1f} s"),
        ("cost", f"${sum(record.cost_nanos for record in done.records) / 1e9:.6f}"),
    ]
    body = [
        "<header><h1>Pitchey demo</h1>",
        f"<p>{escape(footage.title)}, in {len(done.records)} jobs.</p><dl class=totals>",
        *(f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in facts),
        "</dl></header><main>",
        *(_card(folder, record) for record in done.records),
        f"</main><footer>{escape(footage.credit)}. {escape(footage.note or '')}</footer>",
    ]
    path = folder / "report.html"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
    path.write_text(
        f'<!doctype html><html lang="en"><head>{head}<title>Pitchey demo</title></head>'
        f"<body>{''.join(body)}</body></html>\n",
        "utf-8",
    )
    return path


def _card(folder: Path, record: JobRecord) -> str:
    result: Mapping[str, Any] = record.result or {}
    artifacts: Sequence[Mapping[str, Any]] = result.get("artifacts", ())
    name = Path(display(record.output or record.id)).parent.name
    parts = [
        f"<article><h2>{escape(name)} <span class={escape(record.status)}>{escape(record.status)}</span></h2>",
        f"<p class=settings>{_settings(record.payload)}</p>",
    ]
    if record.error:
        remedy = record.error.get("remedy") or ""
        parts.append(f"<p class=error>{escape(str(record.error.get('message')))} {escape(str(remedy))}</p>")
    parts.append(_media(folder, artifacts))
    facts: Mapping[str, Any] = result.get("facts") or {}
    parts += [
        _numbers(record, result),
        _table(facts.get("streams") or [], _STREAM_COLUMNS),
        _table(facts.get("pages") or [], _PAGE_COLUMNS),
        *(_preset(each) for each in facts.get("presets") or ()),
        _analysis(facts.get("result")),
        _text(artifacts),
        *(f"<p class=note>{escape(str(warning))}</p>" for warning in facts.get("warnings") or ()),
        _files(folder, artifacts),
        "</article>",
    ]
    return "".join(parts)


def _analysis(found: Mapping[str, Any] | None) -> str:
    """What the analysis of a pitch says, in short."""
    if not found or found.get("task") != "pitch-analysis":
        return ""
    genres = ", ".join(f"{each['label']} {each['share']:.0%}" for each in found["genres"][:3])
    missing = ", ".join(each["element"] for each in found["structure"] if not each["present"])
    rows = [
        ("genres", genres),
        ("tone", found["tone"]),
        ("logline", found["logline"]["candidate"]["text"]),
        ("missing", missing or "nothing"),
        ("score", f"{found['score']['total']:.0f} of 100"),
    ]
    return "".join(f"<p><b>{name}</b> {escape(str(value))}</p>" for name, value in rows)


def _settings(payload: Mapping[str, Any]) -> str:
    shown = [
        f"{key}={', '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in payload.items()
        if not key.startswith("input_") and key != "document_url"
    ]
    return " ".join(f"<code>{escape(each)}</code>" for each in shown)


def _media(folder: Path, artifacts: Sequence[Mapping[str, Any]]) -> str:
    pictures = [each for each in artifacts if str(each["media_type"]).startswith("image/")]
    parts = []
    still = next((each for each in pictures if each["media_type"] == "image/jpeg"), None)
    poster = f' poster="{escape(_link(folder, still["uri"]))}"' if still else ""
    for kinds, tag in (
        (("video/mp4", "video/webm", "video/quicktime"), f'video controls preload="metadata"{poster}'),
        (("audio/mp4",), 'audio controls preload="metadata"'),
    ):
        # One is enough to look at; the others are among the files.
        first = next((each for each in artifacts if each["media_type"] in kinds), None)
        if first is not None:
            link = escape(_link(folder, first["uri"]))
            parts.append(f'<{tag} src="{link}"></{tag.partition(" ")[0]}>')
    if pictures:
        images = (
            f'<a href="{escape(_link(folder, each["uri"]))}"><img loading="lazy" alt="{escape(each["name"])}" '
            f'src="{escape(_link(folder, each["uri"]))}"></a>'
            for each in pictures
        )
        parts.append(f"<div class=pictures>{''.join(images)}</div>")
    return "".join(parts)


def _numbers(record: JobRecord, result: Mapping[str, Any]) -> str:
    usage: Mapping[str, Any] = result.get("usage") or {}
    facts: Mapping[str, Any] = result.get("facts") or {}
    rows = [
        ("time", f"{record.processing_time_seconds or 0:.2f} s"),
        ("CPU", f"{usage.get('cpu_us', 0) / 1e6:.2f} s"),
        ("memory", f"{usage.get('peak_memory_bytes', 0) / 1e6:.0f} MB"),
        ("cost", f"${result.get('cost_usd', '0')}"),
        ("in", _summary(facts.get("input"))),
        ("out", _summary(facts.get("output"))),
    ]
    cells = (f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in rows if value)
    return f"<dl>{''.join(cells)}</dl>"


def _summary(file: Mapping[str, Any] | None) -> str:
    if not file:
        return ""
    words = [file.get("format"), file.get("video_codec")]
    if file.get("width"):
        words.append(f"{file['width']} x {file['height']}")
    words += file.get("audio_codecs") or []
    words.append(f"{file.get('bytes', 0) / 1e6:.2f} MB")
    return " · ".join(str(word) for word in words if word)


def _preset(facts: Mapping[str, Any]) -> str:
    """One preset of a job that made several outputs."""
    words = f"<h3>{escape(str(facts['preset']))} <span class={facts['status']}>{facts['status']}</span></h3>"
    return words + _table(facts.get("streams") or [], _STREAM_COLUMNS)


def _table(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    if not records:
        return ""
    rows = (_row([str(each.get(key, "")) for key in columns]) for each in records)
    return f"<table><tr>{''.join(f'<th>{key}</th>' for key in columns)}</tr>{''.join(rows)}</table>"


def _row(cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _text(artifacts: Sequence[Mapping[str, Any]]) -> str:
    """The beginning of the first text among the outputs."""
    path = next((to_path(each["uri"]) for each in artifacts if each["media_type"] == "text/plain"), None)
    if path is None:
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        return f"<pre>{escape(file.read(_MOST_CHARACTERS))}</pre>"


def _files(folder: Path, artifacts: Sequence[Mapping[str, Any]]) -> str:
    rows = "".join(
        f'<li><a href="{escape(_link(folder, each["uri"]))}">{escape(each["name"])}</a> '
        f"{escape(each['media_type'])}, {each['bytes']:,} bytes</li>"
        for each in artifacts
    )
    return f"<details><summary>{len(artifacts)} files</summary><ul>{rows}</ul></details>" if rows else ""


def _link(folder: Path, uri: str) -> str:
    path = to_path(uri)
    return uri if path is None else quote(os.fsencode(os.path.relpath(path, folder.absolute())))
