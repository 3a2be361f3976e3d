"""Media files that ffmpeg cannot write: built byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["pgs_subtitles", "with_external_reference"]

_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"dinf"}


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        assert size >= 8, "only plain 32-bit boxes are made here"
        yield kind, data[place + 8 : place + size]
        place += size


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _alias(name: str) -> bytes:
    """A Macintosh alias record that leads to a file in the same folder."""
    encoded = name.encode()
    path = b"vol:" + encoded
    head = bytes(10) + bytes([3]) + b"vol".ljust(27, b"\0") + bytes(12)
    head += (
        bytes([len(encoded)]) + encoded.ljust(63, b"\0") + bytes(16) + struct.pack(">HH", 1, 1) + bytes(16)
    )
    padded = path + b"\0" * (len(path) % 2)
    return head + struct.pack(">HH", 2, len(path)) + padded + struct.pack(">HH", 0xFFFF, 0)


def with_external_reference(movie: bytes, name: str) -> bytes:
    """A MOV (index last) with every data reference pointing to the file ``name`` beside it."""
    alias = _alias(name)
    reference = struct.pack(">II", 0, 1) + _box(b"alis", struct.pack(">I", 0) + alias)

    def rebuild(data: bytes) -> bytes:
        return b"".join(
            _box(kind, rebuild(body) if kind in _CONTAINERS else reference if kind == b"dref" else body)
            for kind, body in _boxes(data)
        )

    return rebuild(movie)


def pgs_subtitles(begin: float, end: float, size: tuple[int, int] = (320, 180)) -> bytes:
    """A Blu-ray subtitle stream (.sup) with one grey box between two times in seconds."""
    width, height = 32, 8

    def segment(seconds: float, kind: int, body: bytes) -> bytes:
        return b"PG" + struct.pack(">IIBH", int(seconds * 90000), 0, kind, len(body)) + body

    def composition(number: int, *, shown: bool) -> bytes:
        head = struct.pack(">HHBHBBBB", *size, 0x10, number, 0x80 if shown else 0, 0, 0, int(shown))
        return head + (struct.pack(">HBBHH", 0, 0, 0, 20, 20) if shown else b"")

    window = struct.pack(">BBHHHH", 1, 0, 20, 20, width, height)
    palette = bytes([0, 0, 1, 180, 128, 128, 255])
    line = bytes([0, 0x80 | width, 1, 0, 0])
    pixels = line * height
    picture = struct.pack(">HBB", 0, 0, 0xC0) + (len(pixels) + 4).to_bytes(3, "big")
    picture += struct.pack(">HH", width, height) + pixels
    return b"".join(
        [
            segment(begin, 0x16, composition(0, shown=True)),
            segment(begin, 0x17, window),
            segment(begin, 0x14, palette),
            segment(begin, 0x15, picture),
            segment(begin, 0x80, b""),
            segment(end, 0x16, composition(1, shown=False)),
            segment(end, 0x17, window),
            segment(end, 0x80, b""),
        ]
    )
