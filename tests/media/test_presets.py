"""Presets are data: where they come from, how they inherit, and what is wrong with bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pitchey_media.plugin
from pitchey_core.errors import ConfigError, UnknownName
from pitchey_core.hooks import CatalogEntry, hookimpl
from pitchey_core.registry import PluginInfo, Registry
from pitchey_media.builtin import read_presets
from pitchey_media.catalog import Catalog, Layer, read_preset_file
from pitchey_media.schema import box_of, parse_preset


def catalog(**layers: dict[str, dict[str, Any]]) -> Catalog:
    return Catalog([Layer("plugins", read_presets()), *(Layer(k, v) for k, v in layers.items())])


@pytest.mark.parametrize("name", read_presets())
def test_every_built_in_preset_is_valid_and_says_what_it_is(name: str) -> None:
    assert catalog().preset(name).summary


def test_inheritance_is_deep_and_rates_replace_one_another() -> None:
    mine = {
        "small": {"extends": "web-optimized", "video": {"size": "360p", "bitrate": 500_000}},
        "smaller": {"extends": "small", "video": {"quality": {"vmaf": 80}}, "audio": {"channels": 1}},
    }
    found = catalog(settings=mine).preset("smaller")
    assert (found.video.size, found.video.profile, found.audio.bitrate) == ("360p", "high", 160_000)
    assert (found.video.crf, found.video.bitrate, found.audio.channels) == (None, None, 1)
    assert found.video.quality is not None
    assert catalog(settings=mine).preset("small", {"video": {"crf": 30}}).video.bitrate is None


def test_a_preset_may_refine_the_one_of_its_name_below() -> None:
    layers = {
        "settings": {"web-optimized": {"extends": "web-optimized", "video": {"crf": 20}}},
        "file": {"web-optimized": {"extends": "web-optimized", "video": {"size": "480p"}}},
    }
    found = catalog(**layers)
    assert (found.preset("web-optimized").video.crf, found.preset("web-optimized").video.size) == (20, "480p")
    assert found.origin("web-optimized") == "file"
    # Others that extend it get the refined one.
    assert found.preset("mobile-optimized").container == "mp4"


def test_circles_and_unknown_names() -> None:
    circle = {"a": {"extends": "b"}, "b": {"extends": "c"}, "c": {"extends": "a"}}
    with pytest.raises(ConfigError, match="extends itself: a → b → c → a"):
        catalog(settings=circle).preset("a")
    with pytest.raises(UnknownName, match=r"unknown preset 'web-optimised'") as caught:
        catalog().preset("web-optimised")
    assert "web-optimized" in str(caught.value.remedy)
    with pytest.raises(UnknownName, match="unknown preset 'nothing'"):
        catalog(settings={"a": {"extends": "nothing"}}).preset("a")


@pytest.mark.parametrize("name", ["../x", "a b", "p%v", "4:3", "", "-x", "x" * 65])
def test_names_that_no_file_could_have(name: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a preset"):
        catalog(file={name: {}}).preset(name)


def test_what_is_no_table() -> None:
    with pytest.raises(ConfigError, match="preset 'x' is int, not a table"):
        catalog(settings={"x": 5}).preset("x")  # type: ignore[dict-item]


def test_hostile_files(tmp_path: Path) -> None:
    chain = {f"p{n}": {"extends": f"p{n + 1}"} for n in range(1500)}
    with pytest.raises(ConfigError, match="in a row"):
        catalog(file=chain).preset("p0")
    file = tmp_path / "deep.toml"
    file.write_text("x = " + "[" * 5000)
    with pytest.raises(ConfigError, match=r"'deep\.toml' is not a preset file"):
        read_preset_file(file, "deep.toml")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"video": {"sise": "720p"}}, r"video\.sise"),
        ({"video": {"size": "huge"}}, r"video\.size"),
        ({"container": "mp5"}, "unknown container 'mp5'"),
        ({"container": "webm", "video": {"codec": "h264"}}, "webm does not hold h264"),
        ({"container": "mp3", "audio": {"codec": "flac"}}, "mp3 does not hold flac sound"),
        ({"video": {"crf": 20, "quality": {"vmaf": 90}}}, "give one of crf and quality"),
        ({"video": {"quality": {"vmaf": 90, "min_crf": 30, "max_crf": 20}}}, "min_crf"),
        ({"audio": {"codec": "none", "loudness": -14}}, "loudness needs sound"),
        ({"output": "hls"}, "needs a table hls"),
        ({"output": "hls", "hls": {"rungs": []}}, r"hls\.rungs"),
        (
            {"output": "hls", "video": {"key_seconds": 4}, "hls": {"rungs": [{"size": "360p", "max_bitrate": 500000}]}},
            "not a multiple of key_seconds",
        ),
        ({"output": "hls", "video": {"codec": "vp9"}, "hls": {"rungs": [{"size": "360p", "max_bitrate": 500000}]}},
         "made of h264 and aac"),
        ({"waveform": {"colour": "blue"}}, r"waveform\.colour"),
        ({"container": "m4a", "audio": {"codec": "none"}}, "holds nothing but sound"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_preset("mine", table)
    assert "preset 'mine'" in str(caught.value)


def test_sizes() -> None:
    assert [box_of(each) for each in ("source", "720p", "360p", "640x200")] == [
        None,
        (1280, 720),
        (640, 360),
        (640, 200),
    ]


@pytest.mark.parametrize("text", ["[a", "a = 1", "\xff"])
def test_files_that_are_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"'mine\.toml'"):
        read_preset_file(file, "mine.toml")


class OtherPlugin:
    """A third party's presets: one as a table, one as a function, one that is neither."""

    @hookimpl
    def pitchey_catalog(self) -> list[CatalogEntry]:
        return [
            CatalogEntry("preset", "theirs", "Small", f"{__name__}:THEIRS"),
            CatalogEntry("preset", "made", "Made", f"{__name__}:made"),
            CatalogEntry("model", "not-a-preset", "…", "x:Y"),
        ]


THEIRS = {"extends": "mobile-optimized", "summary": "Small", "video": {"size": "240p"}}


def made() -> dict[str, Any]:
    return {"container": "opus"}


def test_third_parties_offer_presets_through_the_hook() -> None:
    registry = Registry()
    registry.register(pitchey_media.plugin)
    registry.register(OtherPlugin(), PluginInfo("other", "other", None, None))
    entries = {name: each.spec for name, each in registry.catalog("preset").items()}
    found = Catalog.of(entries, {"presets": {"mine": {"extends": "theirs"}}})
    assert found.preset("mine").video.size == "240p"
    assert found.preset("made").container == "opus"
    assert "not-a-preset" not in found.names
