"""The part of the planner for everything beside the main picture: sound, subtitles, attachments, data."""

from __future__ import annotations

from pitchey_core.errors import InputError, UsageError
from pitchey_core.ffmpeg.encoders import AUDIO_ENCODERS, audio_bit_rate
from pitchey_core.ffmpeg.filters import audio_filters, from_the_start, up_to
from pitchey_core.ffmpeg.formats import BITMAP_SUBTITLES, TEXT_SUBTITLES, codec_title, holders, mismatch
from pitchey_core.ffmpeg.media import MediaInfo, StreamInfo, late_by
from pitchey_core.ffmpeg.options import cut_of
from pitchey_core.ffmpeg.steps import Step, StreamReport, Wanted

__all__ = ["plan_attachment", "plan_track"]


# Of a bit rate: below this, another generation of losses costs more than it saves.
_MUCH_MORE = 1.5


def plan_track(
    stream: StreamInfo, info: MediaInfo, wanted: Wanted, name: str
) -> tuple[Step | None, StreamReport]:
    """The plan for a stream that is neither the main picture nor an attachment."""
    match stream.kind:
        case "audio" if wanted.track is not None and stream.index != wanted.track:
            reason = f"{wanted.container.name} holds one track; another one is the main one"
            return None, StreamReport.of(stream, "drop", reason=reason)
        case "audio":
            return _plan_audio(stream, info, wanted, name)
        case "subtitle":
            return _plan_subtitle(stream, wanted)
        case "video" if stream.attached_picture:
            return None, StreamReport.of(stream, "drop", reason="a still picture such as cover art")
        case "video" if not (wanted.picture and wanted.container.picture):
            return None, StreamReport.of(stream, "drop", reason="this output is sound alone")
        case "video":
            return None, StreamReport.of(
                stream, "drop", reason="one picture stream per output; another one is the main one"
            )
    return None, StreamReport.of(
        stream, "drop", reason="data that players ignore (time code, telemetry, chapters' titles)"
    )


def _plan_audio(
    stream: StreamInfo, info: MediaInfo, wanted: Wanted, name: str
) -> tuple[Step | None, StreamReport]:
    box, sound = wanted.container, stream.audio
    if wanted.audio_codec == "none":
        return None, StreamReport.of(stream, "drop", reason="audio_codec=none")
    if wanted.audio_codec == "copy":
        if stream.codec not in box.holds_audio:
            raise InputError(
                f"{name!r}: {codec_title(stream.codec)} sound cannot be copied into {box.name}",
                remedy="leave audio_codec at auto, or use: " + (", ".join(holders(stream.codec)) or "mkv"),
            )
        return Step(stream, "copy", stream.codec), StreamReport.of(
            stream, "copy", codec_title(stream.codec), "audio_codec=copy"
        )
    if sound is None or not stream.decodable or sound.channels == 0:
        return None, StreamReport.of(stream, "drop", reason="there is no decoder for it")
    codec = box.audio if wanted.audio_codec == "auto" else wanted.audio_codec
    if codec not in box.holds_audio:
        raise UsageError(
            f"{box.name} does not hold {codec_title(codec)} sound",
            remedy=f"{codec_title(codec)} fits into: " + ", ".join(holders(codec)),
        )
    late = late_by(info, stream, wanted.start)
    if wanted.duration is not None and late >= wanted.duration:
        return None, StreamReport.of(stream, "drop", reason="nothing of it lies in the part to keep")
    reasons = _why_encode_audio(stream, wanted)
    if late and wanted.from_start:
        reasons.append("it starts late")
    if not reasons:
        return Step(stream, "copy", stream.codec), StreamReport.of(
            stream, "copy", codec_title(stream.codec), "fits as it is"
        )
    encoder = AUDIO_ENCODERS[codec]
    layout, channels = encoder.layout_for(sound.channels, sound.layout, wanted.max_channels)
    rate = audio_bit_rate(encoder, channels, wanted.audio_bitrate)
    shown = [codec_title(codec), layout]
    if rate is not None:
        shown.append(f"{rate // 1000} kb/s")
    if channels < sound.channels:
        shown.append(f"mixed down from {sound.channels} channels")
    fitting = audio_filters(
        sound, encoder, layout, sample_rate=wanted.sample_rate, name_layout=wanted.loudness is not None
    )
    cut = cut_of(info, wanted.start, wanted.duration)
    filters = (
        *up_to(cut.end_of(late, wanted.duration)),
        *(from_the_start(late) if wanted.from_start else ()),
        *fitting,
    )
    step = Step(stream, "encode", codec, filters=filters, audio=encoder, bit_rate=rate, layout=layout)
    return step, StreamReport.of(stream, "encode", ", ".join(shown), "; ".join(reasons))


def _why_encode_audio(stream: StreamInfo, wanted: Wanted) -> list[str]:
    box = wanted.container
    accepted = box.keeps_audio if wanted.audio_codec == "auto" else {wanted.audio_codec}
    reasons = []
    if stream.codec not in accepted:
        reasons.append(mismatch(stream.codec, box, box.holds_audio))
    sound = stream.audio
    if wanted.max_channels is not None and sound is not None and sound.channels > wanted.max_channels:
        reasons.append(f"more than {wanted.max_channels} channels")
    if wanted.sample_rate is not None and sound is not None and sound.sample_rate != wanted.sample_rate:
        reasons.append(f"{sound.sample_rate} Hz")
    if wanted.loudness is not None:
        reasons.append(f"normalised to {wanted.loudness:g} LUFS")
    if wanted.trimmed and wanted.codec != "copy":
        reasons.append("a part is cut out")
    if wanted.audio_bitrate is not None:
        if wanted.insist_sound:
            reasons.append("a bit rate was asked for")
        elif (stream.bit_rate or 0) > wanted.audio_bitrate * _MUCH_MORE:
            reasons.append(f"much more than {wanted.audio_bitrate // 1000} kb/s")
    if wanted.force is not None and not reasons:
        reasons.append(wanted.force)
    return reasons


def _plan_subtitle(stream: StreamInfo, wanted: Wanted) -> tuple[Step | None, StreamReport]:
    box = wanted.container
    if not wanted.subtitles:
        return None, StreamReport.of(stream, "drop", reason="this output keeps no subtitles")
    if stream.codec in box.copies_subtitles:
        return Step(stream, "copy", stream.codec), StreamReport.of(
            stream, "copy", stream.codec, "fits as it is"
        )
    if stream.codec in BITMAP_SUBTITLES:
        where = "; mkv keeps them" if box.name != "mkv" else ""
        return None, StreamReport.of(stream, "drop", reason=f"{box.name} holds no picture subtitles{where}")
    if box.subtitle is None:
        return None, StreamReport.of(stream, "drop", reason=f"{box.name} holds no subtitles")
    if stream.codec not in TEXT_SUBTITLES or not stream.decodable:
        return None, StreamReport.of(
            stream, "drop", reason=f"{stream.codec} cannot be converted to text subtitles"
        )
    lost = "; styling is lost" if stream.codec in {"ass", "ssa"} else ""
    return (
        Step(stream, "encode", box.subtitle),
        StreamReport.of(stream, "encode", box.subtitle, f"{box.name} does not hold {stream.codec}{lost}"),
    )


def plan_attachment(stream: StreamInfo, wanted: Wanted, keeps_ass: bool) -> tuple[Step | None, StreamReport]:
    """The plan for an attachment: fonts go where styled subtitles go."""
    if wanted.container.attachments and keeps_ass and stream.codec == "unknown":
        return None, StreamReport.of(stream, "drop", reason="it does not say what it is")
    if wanted.container.attachments and keeps_ass:
        return Step(stream, "copy", stream.codec), StreamReport.of(
            stream, "copy", "attachment", "fonts of the subtitles"
        )
    reason = (
        "nothing needs it"
        if wanted.container.attachments
        else f"{wanted.container.name} holds no attachments"
    )
    return None, StreamReport.of(stream, "drop", reason=reason)
