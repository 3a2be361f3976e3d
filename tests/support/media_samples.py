"""Inputs for video tests, generated with ffmpeg and kept for the session."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import imageio_ffmpeg
from media_surgery import pgs_subtitles, with_external_reference

__all__ = ["Samples", "ffmpeg"]

_COLOURS = ("red", "lime", "blue", "yellow", "magenta", "cyan", "white", "orange", "gray", "green")


def ffmpeg(*arguments: str | Path) -> None:
    """Run the bundled ffmpeg; raises with its words if it fails."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-nostdin", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _picture(seconds: float, *, size: str = "320x180", rate: str = "25") -> list[str]:
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]


def _tone(seconds: float, *, hertz: int = 440) -> list[str]:
    return ["-f", "lavfi", "-i", f"sine=frequency={hertz}:sample_rate=48000:duration={seconds}"]


_X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
_AAC = ["-c:a", "aac", "-b:a", "64k"]


def _cached(make):
    @functools.wraps(make)
    def get(self: Samples, *args: object) -> Path:
        key = "-".join([make.__name__, *(str(each).replace("/", "_") for each in args)])
        if key not in self.made:
            self.made[key] = make(self, *args)
        return self.made[key]

    return get


class Samples:
    """Each method makes one kind of file, once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[str, Path] = {}

    def _out(self, name: str) -> Path:
        return self.folder / name

    @_cached
    def plain(self, seconds: float = 3) -> Path:
        """H.264 and AAC in mp4: fits as it is. A key frame each second."""
        out = self._out(f"plain-{seconds}.mp4")
        ffmpeg(*_picture(seconds), *_tone(seconds), *_X264, "-g", "25", *_AAC, "-movflags", "+faststart", out)
        return out

    @_cached
    def silent(self) -> Path:
        out = self._out("silent.mp4")
        ffmpeg(*_picture(2), *_X264, out)
        return out

    @_cached
    def sound_only(self) -> Path:
        out = self._out("sound-only.mp4")
        ffmpeg(*_tone(1), *_AAC, out)
        return out

    @_cached
    def rotated(self, degrees: int = 90) -> Path:
        """Left half red, right half blue as stored; a player turns it counter-clockwise."""
        flat, out = self._out("halves.mp4"), self._out(f"rotated-{degrees}.mp4")
        halves = "color=red:s=160x180:d=1[a];color=blue:s=160x180:d=1[b];[a][b]hstack"
        ffmpeg("-f", "lavfi", "-i", halves, *_X264, flat)
        ffmpeg("-display_rotation", str(degrees), "-i", flat, "-c", "copy", out)
        return out

    @_cached
    def odd(self) -> Path:
        out = self._out("odd.mkv")
        ffmpeg(*_picture(1), "-vf", "scale=321:181", "-c:v", "ffv1", "-pix_fmt", "yuv444p", out)
        return out

    @_cached
    def tiny(self) -> Path:
        out = self._out("tiny.mkv")
        ffmpeg("-f", "lavfi", "-i", "color=red:s=1x1:d=1", "-c:v", "ffv1", "-pix_fmt", "bgr0", out)
        return out

    @_cached
    def anamorphic(self) -> Path:
        out = self._out("anamorphic.mp4")
        ffmpeg(*_picture(1, size="240x180"), "-vf", "setsar=4/3", *_X264, out)
        return out

    @_cached
    def variable_rate(self) -> Path:
        """One second at 25 frames a second, then two seconds at every third frame; sound all along."""
        out = self._out("vfr.mp4")
        thin = "select='lt(n,25)+not(mod(n,3))'"
        ffmpeg(*_picture(3), *_tone(3), "-vf", thin, "-fps_mode", "vfr", *_X264, *_AAC, out)
        return out

    @_cached
    def hdr(self, transfer: str = "smpte2084") -> Path:
        out = self._out(f"hdr-{transfer}.mp4")
        ffmpeg(
            *_picture(1), "-vf",
            f"format=yuv420p10le,setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc",
            *("-c:v", "libx265", "-preset", "ultrafast"),
            *("-x265-params", "log-level=error:pools=1:frame-threads=1", "-tag:v", "hvc1", out),
        )  # fmt: skip
        return out

    @_cached
    def interlaced(self) -> Path:
        out = self._out("interlaced.ts")
        ffmpeg(
            *_picture(1, rate="50"), *("-vf", "tinterlace=interleave_top", "-flags", "+ilme+ildct"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "tff=1", "-pix_fmt", "yuv420p", out),
        )  # fmt: skip
        return out

    @_cached
    def surround(self) -> Path:
        out = self._out("surround.mkv")
        six = (
            "sine=frequency=300:sample_rate=48000:duration=1,aformat=channel_layouts=mono,pan=5.1(side)|"
            + "|".join(f"c{n}=c0" for n in range(6))
        )
        ffmpeg(*_picture(1), "-f", "lavfi", "-i", six, *_X264, "-c:a", "ac3", out)
        return out

    @_cached
    def everything(self) -> Path:
        """Two languages, three kinds of subtitles, chapters, a font, a data-like attachment and cover art, in mkv."""
        srt, ass, cover, font = (self._out(n) for n in ("all.srt", "all.ass", "cover.png", "font.ttf"))
        srt.write_text("1\n00:00:00,500 --> 00:00:01,500\nGrüße & hello\n", encoding="utf-8")
        ffmpeg("-i", srt, ass)
        ffmpeg("-f", "lavfi", "-i", "color=green:s=64x64", "-frames:v", "1", cover)
        font.write_bytes(b"\0\1\0\0" + bytes(60))
        pgs = self._out("all.sup")
        pgs.write_bytes(pgs_subtitles(0.5, 1.5))
        chapters = self._out("chapters.txt")
        chapters.write_text(
            ";FFMETADATA1\ntitle=Teaser\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n"
            "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Two\n"
        )
        out = self._out("everything.mkv")
        ffmpeg(
            *_picture(2), *_tone(2), *_tone(2, hertz=880), "-i", srt, "-i", ass, "-i", pgs, "-i", chapters,
            *("-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map", "4", "-map", "5"),
            *("-map_metadata", "6", "-map_chapters", "6", *_X264, *_AAC),
            *("-c:s:0", "srt", "-c:s:1", "ass", "-c:s:2", "copy"),
            *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"),
            *("-metadata:s:s:0", "language=deu"),
            *("-attach", font, "-metadata:s:t:0", "mimetype=application/x-truetype-font"),
            *("-attach", cover, "-metadata:s:t:1", "mimetype=image/png", "-metadata:s:t:1", "filename=cover.png"),
            out,
        )  # fmt: skip
        return out

    @_cached
    def covered(self) -> Path:
        cover, out = self._out("cover-small.png"), self._out("covered.mp4")
        ffmpeg("-f", "lavfi", "-i", "color=green:s=64x64", "-frames:v", "1", cover)
        ffmpeg(
            "-i", self.plain(), "-i", cover, *("-map", "0", "-map", "1", "-c", "copy", "-c:v:1", "png"),
            *("-disposition:v:1", "attached_pic", out),
        )  # fmt: skip
        return out

    @_cached
    def transparent(self) -> Path:
        """Opaque red on the left; on the right white that is fully transparent."""
        out = self._out("transparent.mov")
        sides = (
            "color=red:s=160x180:d=1,format=rgba[a];color=white@0.0:s=160x180:d=1,format=rgba[b];[a][b]hstack"
        )
        ffmpeg("-f", "lavfi", "-i", sides, "-c:v", "png", "-pix_fmt", "rgba", out)
        return out

    @_cached
    def ten_bit(self) -> Path:
        out = self._out("ten-bit.mkv")
        ffmpeg(*_picture(1), "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv422p10le", out)
        return out

    @_cached
    def gif(self) -> Path:
        out = self._out("moving.gif")
        ffmpeg(*_picture(2, rate="10"), out)
        return out

    @_cached
    def colours(self, seconds: int = 10) -> Path:
        """One plain colour with a black box for each second, so that a picture tells its time."""
        out = self._out(f"colours-{seconds}.mp4")
        parts = [
            f"color={_COLOURS[n % len(_COLOURS)]}:s=320x180:r=25:d=1,"
            f"drawbox=x=140:y=70:w=40:h=40:color=black:t=fill[c{n}]"
            for n in range(seconds)
        ]
        joined = ";".join(parts) + ";" + "".join(f"[c{n}]" for n in range(seconds)) + f"concat=n={seconds}"
        ffmpeg("-f", "lavfi", "-i", joined, *_X264, "-g", "250", "-sc_threshold", "0", out)
        return out

    @_cached
    def black_gaps(self) -> Path:
        """Black except for a test picture in the last fifth of each second."""
        out = self._out("black-gaps.mp4")
        ffmpeg(
            *_picture(4),
            *("-vf", "drawbox=t=fill:color=black:enable='lt(mod(t,1),0.6)'", *_X264, "-g", "5", out),
        )
        return out

    @_cached
    def quiet_and_silent(self) -> Path:
        """A quiet track and one of digital silence."""
        out = self._out("quiet.mkv")
        ffmpeg(
            *_picture(4), *_tone(4), "-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo:d=4",
            *("-map", "0", "-map", "1", "-map", "2", "-af:a:0", "volume=-20dB", *_X264, *_AAC, out),
        )  # fmt: skip
        return out

    @_cached
    def motion_jpeg(self) -> Path:
        """White, in the range of JPEG."""
        out = self._out("camera.avi")
        ffmpeg("-f", "lavfi", "-i", "color=white:s=320x180:d=1", "-c:v", "mjpeg", "-pix_fmt", "yuvj422p", out)
        return out

    @_cached
    def late(self, kind: str, seconds: float = 1.0) -> Path:
        """Three seconds of which the sound (or the picture) begins later than the rest."""
        out = self._out(f"late-{kind}-{seconds}.mkv")
        offset = ("-itsoffset", str(seconds))
        before_picture, before_sound = (offset, ()) if kind == "picture" else ((), offset)
        ffmpeg(
            *before_picture, *_picture(3), *before_sound, *_tone(3), "-t", "3", *_X264, "-c:a", "pcm_s16le", out
        )  # fmt: skip
        return out

    @_cached
    def loud_then_quiet(self) -> Path:
        """A transport stream: two seconds loud, four seconds quiet."""
        out = self._out("loud-then-quiet.ts")
        sound = "aevalsrc='if(lt(t,2),0.9,0.05)*sin(2*PI*440*t)':d=6:s=48000"
        ffmpeg(*_picture(6), "-f", "lavfi", "-i", sound, *_X264, "-c:a", "mp2", out)
        return out

    @_cached
    def large(self) -> Path:
        """Full HD at 50 pictures a second, with stereo sound."""
        out = self._out("large.mp4")
        ffmpeg(
            *_picture(3, size="1920x1080", rate="50"), *_tone(3), *_X264, "-crf", "30", *_AAC, "-ac", "2", out
        )  # fmt: skip
        return out

    @_cached
    def dubbed(self) -> Path:
        """Two tracks of AC-3 5.1(side); the second one is the default and has a title."""
        out = self._out("dubbed.mkv")
        tracks = ("-filter_complex", "[1]asplit[p][q];[p]aformat=channel_layouts=5.1(side)[a];"
                  "[q]aformat=channel_layouts=5.1(side)[b]")  # fmt: skip
        ffmpeg(
            *_picture(2), *_tone(2), *tracks, *("-map", "0", "-map", "[a]", "-map", "[b]", *_X264, "-c:a", "ac3"),
            *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra"),
            *("-metadata:s:a:1", "title=Version française", "-disposition:a:0", "0", "-disposition:a:1", "default"),
            out,
        )  # fmt: skip
        return out

    @_cached
    def front_and_centre(self) -> Path:
        """Sound of three channels, 3.0."""
        out = self._out("three.mkv")
        ffmpeg(*_picture(1), *_tone(1), "-af", "aformat=channel_layouts=3.0", *_X264, "-c:a", "flac", out)
        return out

    @_cached
    def undecodable(self) -> Path:
        """An mp4 whose picture is in a codec that nobody knows."""
        out = self._out("undecodable.mp4")
        out.write_bytes(self.plain().read_bytes().replace(b"avc1", b"zzz1"))
        return out

    @_cached
    def long_gop_stream(self, suffix: str) -> Path:
        """Colours, one each second, with a key frame in eight seconds, in a format without an index."""
        out = self._out(f"long-gop.{suffix}")
        codec = ["-c:v", "mpeg2video", "-q:v", "4"] if suffix == "mpg" else _X264
        keys = ["-g", "200", "-sc_threshold", "0" if suffix == "ts" else "1000000000", "-bf", "0"]
        ffmpeg(
            "-i",
            self.colours(20),
            *_tone(20),
            "-map",
            "0:v",
            "-map",
            "1:a",
            *codec,
            *keys,
            "-c:a",
            "mp2",
            out,
        )
        return out

    @_cached
    def short_picture(self) -> Path:
        """A second of picture, three of sound."""
        out = self._out("short-picture.mp4")
        ffmpeg(*_picture(1), *_tone(3), *_X264, *_AAC, out)
        return out

    @_cached
    def raw_h264(self) -> Path:
        """As a transport stream carries it, with access unit delimiters."""
        out = self._out("raw.h264")
        ffmpeg(
            *("-i", self.plain(), "-map", "0:v", "-c", "copy"),
            *("-bsf:v", "h264_mp4toannexb,h264_metadata=aud=insert", out),
        )  # fmt: skip
        return out

    @_cached
    def webm(self) -> Path:
        out = self._out("small.webm")
        ffmpeg(
            *_picture(1), *_tone(1), *("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
            *("-c:a", "libopus", out),
        )  # fmt: skip
        return out

    @_cached
    def cut_off(self, suffix: str = "mp4") -> Path:
        """Index in front, and then only half of the data."""
        whole = self._out(f"whole.{suffix}")
        ffmpeg("-i", self.plain(6), "-c", "copy", "-movflags", "+faststart", whole)
        out = self._out(f"cut-off.{suffix}")
        data = whole.read_bytes()
        out.write_bytes(data[: len(data) // 2])
        return out

    @_cached
    def no_index(self) -> Path:
        """Index at the end, and that end missing."""
        whole, out = self._out("index-last.mp4"), self._out("no-index.mp4")
        ffmpeg("-i", self.plain(), "-c", "copy", whole)
        out.write_bytes(whole.read_bytes()[:50_000])
        return out

    @_cached
    def refers_outside(self) -> tuple[Path, Path]:  # type: ignore[override]
        """A red movie whose index says that the samples are in another file, which is blue."""
        files = []
        for colour in ("red", "blue"):
            out = self._out(f"dref-{colour}.mov")
            ffmpeg("-f", "lavfi", "-i", f"color={colour}:s=64x64:d=1", *_X264, out)
            files.append(out)
        out = self._out("dref.mov")
        out.write_bytes(with_external_reference(files[0].read_bytes(), files[1].name))
        return out, files[1]
