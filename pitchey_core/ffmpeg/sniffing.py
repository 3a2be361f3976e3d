"""Which demuxer may read a file, decided by its first bytes and never by its name.

ffmpeg itself guesses among some 350 demuxers, and several of those open further files and URLs that the input names:
playlists (HLS, DASH), concat scripts, SDP, image patterns. A file called ``holiday.mp4`` that holds such a script
would make the host fetch what its author likes. So the demuxer is forced, from the list below, or the file refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pitchey_core.errors import InputError

__all__ = ["DEMUXERS", "Sniffed", "sniff"]

_HEAD_BYTES = 64 * 1024
_TS_PACKETS = (188, 192, 204)
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_MXF = bytes.fromhex("060e2b34020501010d0102")
_MOV_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx", b"uuid"}


@dataclass(frozen=True, slots=True)
class Sniffed:
    """Attributes: ``demuxer`` is what ``-f`` takes; ``title`` is what people call the format."""

    demuxer: str
    title: str


DEMUXERS: dict[str, str] = {
    "mov": "MP4/MOV",
    "matroska": "Matroska/WebM",
    "avi": "AVI",
    "mpegts": "MPEG transport stream",
    "mpeg": "MPEG program stream",
    "mpegvideo": "MPEG video",
    "flv": "FLV",
    "ogg": "Ogg",
    "asf": "ASF/WMV",
    "mxf": "MXF",
    "gif": "GIF",
    "yuv4mpegpipe": "YUV4MPEG",
    "nut": "NUT",
    "ivf": "IVF",
    "dv": "DV",
    "rm": "RealMedia",
    "h264": "raw H.264",
    "hevc": "raw HEVC",
    "wav": "WAV",
    "w64": "Wave64",
    "aiff": "AIFF",
    "caf": "CAF",
    "flac": "FLAC",
    "mp3": "MP3",
    "aac": "AAC",
    "ac3": "AC-3",
    "amr": "AMR",
}
"""The demuxers that may read an input, with the names that messages use."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"FLV\x01", "flv"),
    (b"OggS", "ogg"),
    (_ASF, "asf"),
    (_MXF, "mxf"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"YUV4MPEG2 ", "yuv4mpegpipe"),
    (b"nut/multimedia container\0", "nut"),
    (b"DKIF\0\0", "ivf"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"\x00\x00\x01\xb3", "mpegvideo"),
    (b"\x1f\x07\x00", "dv"),
    (b".RMF", "rm"),
    (b"riff\x2e\x91\xcf\x11", "w64"),
    (b"caff", "caf"),
    (b"fLaC", "flac"),
    (b"#!AMR", "amr"),
    (b"\x0b\x77", "ac3"),
)

# What is recognised in order to say what is wrong with it.
_REFUSED: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"\s*#EXTM3U"), "an HLS or M3U playlist: it names further files and URLs to open"),
    (re.compile(rb"\s*ffconcat version"), "an ffmpeg concat script: it names further files to open"),
    (re.compile(rb"\s*file\s+['\"\w/.]"), "an ffmpeg concat script: it names further files to open"),
    (
        re.compile(rb"(?s)\s*<\?xml.{0,2000}<MPD|\s*<MPD"),
        "a DASH manifest: it names further files and URLs to open",
    ),
    (re.compile(rb"v=0\r?\n(?s:.{0,400})^m=", re.MULTILINE), "an SDP description of a network stream"),
    (
        re.compile(rb"(?i)\s*\[playlist\]|\s*<smil|\s*<asx"),
        "a playlist: it names further files and URLs to open",
    ),
    (re.compile(rb"\x89PNG|\xff\xd8\xff|BM....\0\0\0\0|II\*\0|MM\0\*|(?s:RIFF....WEBP)"), "a still picture"),
    (re.compile(rb"%PDF-"), "a PDF document"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive or an office document"),
    (re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE), "a web page"),
)


def _riff(head: bytes) -> str | None:
    if head[:4] in {b"RIFF", b"RF64", b"BW64"}:
        return {b"AVI ": "avi", b"AVIX": "avi", b"WAVE": "wav"}.get(head[8:12])
    if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}:
        return "aiff"
    return None


def _mov(head: bytes) -> str | None:
    return "mov" if head[4:8] in _MOV_BOXES else None


def _transport_stream(head: bytes) -> str | None:
    for size in _TS_PACKETS:
        offset = size - 188 if size == 192 else 0
        syncs = head[offset : offset + size * 8 : size]
        if len(syncs) >= 3 and set(syncs) == {0x47}:
            return "mpegts"
    return None


def _audio_frames(head: bytes) -> str | None:
    if head[:3] == b"ID3" and len(head) >= 10:
        size = (head[6] << 21) | (head[7] << 14) | (head[8] << 7) | head[9]
        after = head[10 + size :]
        if after[:4] == b"fLaC":
            return "flac"
        return "aac" if after[:1] == b"\xff" and len(after) > 1 and after[1] & 0xF6 == 0xF0 else "mp3"
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "aac"
    bitrate_ok, rate_ok = head[2] >> 4 != 0xF, (head[2] >> 2) & 3 != 3
    return "mp3" if head[1] & 0x06 and bitrate_ok and rate_ok else None


def _annex_b(head: bytes) -> str | None:
    start = re.match(rb"\x00\x00\x00?\x01(.)", head, re.DOTALL)
    if start is None:
        return None
    first = start[1][0]
    # A parameter set is always a reference, an access unit delimiter never.
    if not first & 0x80 and (first & 0x1F, first >> 5 > 0) in {(7, True), (9, False)}:
        return "h264"
    return "hevc" if first >> 1 in {32, 33, 35} else None


_TESTS: tuple[Callable[[bytes], str | None], ...] = (_riff, _mov, _transport_stream, _audio_frames, _annex_b)


def sniff(path: Path) -> Sniffed:
    """Recognise a media file by its content.

    Raises:
        InputError: It is empty, a script that names other files, or nothing that Pitchey reads.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise InputError(
            f"{path.name!r} cannot be read: {error.strerror}", remedy="check the path and its permissions"
        ) from error
    if not head:
        raise InputError(f"{path.name!r} is empty (0 bytes)", remedy="copy or download the file again")
    for pattern, what in _REFUSED:
        if pattern.match(head):
            raise InputError(
                f"{path.name!r} is {what}; it is not opened as a video",
                remedy="give the media file itself",
            )
    demuxer = next((name for magic, name in _MAGIC if head.startswith(magic)), None)
    for test in _TESTS:
        demuxer = demuxer or test(head)
    if demuxer is None:
        raise InputError(
            f"{path.name!r} is not a media file that Pitchey reads (it starts with {_shown(head)})",
            remedy="formats: " + ", ".join(DEMUXERS.values()),
        )
    return Sniffed(demuxer, DEMUXERS[demuxer])


def _shown(head: bytes) -> str:
    start = head[:16]
    return (
        repr(start.decode("ascii"))
        if start.isascii() and start.decode("ascii").isprintable()
        else start.hex(" ")
    )
