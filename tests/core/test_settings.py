"""Settings from files, the environment and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import platformdirs
import pytest

from pitchey_core.errors import ConfigError
from pitchey_core.pricing import PriceBook
from pitchey_core.settings import LoadedSettings, load_settings
from pitchey_core.storage import FetchPolicy


def load(start: Path, toml: str | None = None, **keywords: Any) -> LoadedSettings:
    if toml is not None:
        (start / "pitchey.toml").write_text(toml)
    return load_settings(start=start, environ=keywords.pop("environ", {}), **keywords)


def test_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    settings = loaded.settings
    assert settings.data_dir == Path(platformdirs.user_data_dir("pitchey"))
    assert settings.store == f"sqlite:///{settings.data_dir}/pitchey.db"
    assert settings.profile == "development"
    assert settings.prices.as_price_book() == PriceBook()
    assert settings.fetch.as_policy() == FetchPolicy()
    timing = settings.timing
    assert (timing.beat, timing.lease, timing.cancel_poll, timing.kill_grace) == (5.0, 30.0, 0.25, 5.0)
    assert (settings.tools, settings.queues, settings.processors, settings.plugins) == ({}, {}, {}, {})
    assert loaded.file is None
    assert {source for _, _, source in loaded.rows()} == {"default"}


def test_the_real_environment_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITCHEY_STORE", "postgresql://db/jobs")
    monkeypatch.chdir(tmp_path)
    assert load_settings().settings.store == "postgresql://db/jobs"


EXAMPLE = """
store = "postgresql://me:secret@db/jobs"
[queues.video]
retries = 1
max_slots = 2
[queues.media-transcode]
batch_wait = 2.5
[processors.video]
wall_limit = 900
instance_type = "big"
[instance_types.big]
vcpus = 8
memory_bytes = "16GiB"
[prices]
vcpu_second = "0.00003"
[fetch]
schemes = ["file", "s3"]
roots = ["in", "/media"]
[tools]
ffmpeg = "bin/ffmpeg"
deno = "deno"
[plugins.video]
presets = {tiny = {crf = 40}}
[profiles.production]
data_dir = "/var/lib/pitchey"
[profiles.production.queues.video]
max_slots = 16
"""


def test_a_whole_file(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "pitchey.toml").write_text(EXAMPLE)
    loaded = load(below)
    settings = loaded.settings
    assert loaded.file == tmp_path / "pitchey.toml"
    assert settings.queues["video"].model_dump(exclude_defaults=True) == {"retries": 1, "max_slots": 2}
    assert settings.queues["media-transcode"].batch_wait == 2.5
    assert settings.processors["video"].wall_limit == 900
    assert settings.instance_types["big"].memory_bytes == 16 * 1024**3
    assert settings.prices.as_price_book() == PriceBook(vcpu_second=30_000)
    assert settings.fetch.as_policy() == FetchPolicy(
        schemes=frozenset({"file", "s3"}), roots=(tmp_path / "in", Path("/media"))
    )
    assert settings.tools == {"ffmpeg": str(tmp_path / "bin/ffmpeg"), "deno": "deno"}
    assert settings.plugins == {"video": {"presets": {"tiny": {"crf": 40}}}}


def test_each_layer_wins_over_the_one_below(tmp_path: Path) -> None:
    environ = {"PITCHEY_PROFILE": "production", "PITCHEY_QUEUES__VIDEO__BATCH_SIZE": "4"}
    loaded = load(tmp_path, EXAMPLE, environ=environ, overrides={"queues": {"video": {"linger": 0.5}}})
    video = loaded.settings.queues["video"]
    assert (video.retries, video.max_slots, video.batch_size, video.linger) == (1, 16, 4, 0.5)
    assert loaded.settings.data_dir == Path("/var/lib/pitchey")
    rows = {key: (value, source) for key, value, source in loaded.rows()}
    file = str(tmp_path / "pitchey.toml")
    assert rows["queues.video.retries"] == (1, file)
    assert rows["queues.video.max_slots"] == (16, f"{file} [profiles.production]")
    assert rows["queues.video.batch_size"] == (4, "environment PITCHEY_QUEUES__VIDEO__BATCH_SIZE")
    assert rows["queues.video.linger"] == (0.5, "command line")
    assert rows["profile"] == ("production", "environment PITCHEY_PROFILE")
    assert rows["timing.beat"] == (5.0, "default")
    assert rows["store"] == ("postgresql://me:***@db/jobs", file)
    same = {"queues.video.max_slots": 3, "queues.video.retries": None}
    video = load(tmp_path, EXAMPLE, environ=environ, overrides=same).settings.queues["video"]
    assert (video.max_slots, video.retries) == (3, 1)
    winner = load(tmp_path, EXAMPLE, environ={"PITCHEY_QUEUES__VIDEO__MAX_SLOTS": "5", **environ})
    assert winner.settings.queues["video"].max_slots == 5


def test_the_environment_can_say_everything(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        environ={
            "PITCHEY_STORE": "jobs.db",
            "PITCHEY_DATA_DIR": "data",
            "PITCHEY_QUEUES__MEDIA_TRANSCODE__RETRIES": "0",
            "PITCHEY_INSTANCE_TYPES__STANDARD_1__MEMORY_BYTES": "3GiB",
            "PITCHEY_FETCH__SCHEMES": "file,https",
            "PITCHEY_FETCH__ROOTS": '["/a,b", "c"]',
            "PITCHEY_FETCH__ALLOW_PRIVATE_ADDRESSES": "true",
            "PITCHEY_TOOLS__FFMPEG": "/opt/ffmpeg",
            "PITCHEY_TIMING": '{"beat": 1, "lease": 6}',
            "PITCHEY_PLUGINS__VIDEO__CRF": "23",
            "PITCHEY_PLUGINS__VIDEO__NAME": "x y",
            "PITCHEY_SLOT": "worker/slot",
        },
    ).settings
    assert settings.store == f"sqlite:///{tmp_path}/jobs.db"
    assert settings.data_dir == tmp_path / "data"
    assert settings.queues["media-transcode"].retries == 0
    assert settings.instance_types["standard-1"].memory_bytes == 3 * 1024**3
    policy = settings.fetch.as_policy()
    assert policy == FetchPolicy(frozenset({"file", "https"}), (Path("/a,b"), tmp_path / "c"), True)
    assert settings.tools == {"ffmpeg": "/opt/ffmpeg"}
    assert (settings.timing.beat, settings.timing.lease) == (1, 6)
    assert settings.plugins == {"video": {"crf": 23, "name": "x y"}}


def test_a_table_in_one_variable_is_named_as_the_source(tmp_path: Path) -> None:
    rows = load(tmp_path, environ={"PITCHEY_TIMING": '{"beat": 1, "lease": 6}'}).rows()
    assert ("timing.beat", 1.0, "environment PITCHEY_TIMING") in rows


def test_overrides_leave_inner_names_alone(tmp_path: Path) -> None:
    settings = load(tmp_path, overrides={"tools": {"python3.11": "py", "none": None}}).settings
    assert settings.tools == {"python3.11": "py"}


@pytest.mark.parametrize(
    ("given", "store"),
    [
        ("jobs.db", "sqlite:///{base}/jobs.db"),
        ("sqlite:///jobs.db", "sqlite:///{base}/jobs.db"),
        ("sqlite:////var/jobs.db", "sqlite:////var/jobs.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql+psycopg://db/x?y=z", "postgresql+psycopg://db/x?y=z"),
    ],
)
def test_relative_stores_start_at_the_file(tmp_path: Path, given: str, store: str) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "pitchey.toml").write_text(f"store = '{given}'")
    assert load(tmp_path / "below").settings.store == store.format(base=tmp_path)


def test_the_store_follows_the_data_folder(tmp_path: Path) -> None:
    assert load(tmp_path, "data_dir = 'd'").settings.store == f"sqlite:///{tmp_path}/d/pitchey.db"


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (
            "[queues.video]\nretrys = 1",
            r"^queues\.video\.retrys: unknown setting \({file}\)\n  → did you mean 'retries'\?",
        ),
        (
            "[queues.video]\nretries = 'x'",
            r"^queues\.video\.retries: Input should be a valid integer.* \({file}\)",
        ),
        ("[queues.video]\nretries = -1", r"^queues\.video\.retries: .*greater than or equal to 0"),
        ("[queues.video]\nmin_slots = 3\nmax_slots = 2", r"^queues\.video: min_slots \(3\) is larger"),
        ("[queue.video]\nretries = 1", r"^queue: unknown setting \({file}\)\n  → did you mean 'queues'"),
        ("queues = 3", r"^queues: Input should be a valid dictionary"),
        ("[prices]\nvcpu_second = 0.00002", r"^prices\.vcpu_second: Input should be a valid string"),
        ("[prices]\nvcpu_second = '0.0000000001'", r"^prices\.vcpu_second: .*finer than a nano-dollar"),
        ("[prices]\nvcpu_second = '-1'", r"^prices\.vcpu_second: a price cannot be negative"),
        ("[prices]\nvcpu_second = 'cheap'", r"^prices\.vcpu_second: "),
        ("[timing]\nlease = 6", r"^timing: lease \(6\) must be three times beat"),
        ("profile = 'prod'", r"^profile: Input should be 'development', 'staging' or 'production'"),
        (
            "[profiles.prod]\nstore = 'x'",
            r"^profiles\.prod: there is no such profile .*\n  → did you mean 'production'",
        ),
        ("profiles = 3", r"^profiles: not a table"),
        ("[instance_types.big]\nmemory_bytes = 'lots'", r"^instance_types\.big\.memory_bytes: "),
        ("[processors.video]\nwall_limit = 0", r"^processors\.video\.wall_limit: "),
        ("[fetch]\nscheme = ['file']", r"^fetch\.scheme: unknown setting .*\n  → did you mean 'schemes'"),
        ("store = 'a'\nb = = 1", r"{file} is not valid TOML: .*line 2"),
        ("[tools]\nffmpeg = 3", r"^tools\.ffmpeg: Input should be a valid string"),
    ],
)
def test_errors_name_the_key_the_source_and_the_remedy(tmp_path: Path, toml: str, words: str) -> None:
    file = str(tmp_path / "pitchey.toml").replace(".", r"\.")
    with pytest.raises(ConfigError, match="(?s)" + words.replace("{file}", file)):
        load(tmp_path, toml)


def test_errors_of_the_environment_name_the_variable(tmp_path: Path) -> None:
    for name, value, words in (
        (
            "PITCHEY_QUEUES__VIDEO__RETRIES",
            "x",
            r"queues\.video\.retries: .*environment PITCHEY_QUEUES__VIDEO__RETRIES",
        ),
        (
            "PITCHEY_STOER",
            "x",
            r"stoer: unknown setting \(environment PITCHEY_STOER\)\n  → did you mean 'store'",
        ),
        ("PITCHEY_QUEUE__VIDEO__RETRIES", "1", r"queue: unknown setting .*\n  → did you mean 'queues'"),
        ("PITCHEY_FETCH__ROOTS", "[broken", r"fetch\.roots: .*environment PITCHEY_FETCH__ROOTS"),
        ("PITCHEY_TIMING", "soon", r"timing: .*environment PITCHEY_TIMING"),
    ):
        with pytest.raises(ConfigError, match=words):
            load(tmp_path, environ={name: value})
    with pytest.raises(ConfigError, match=r"queues\.video\.retries: .*command line"):
        load(tmp_path, overrides={"queues.video.retries": "x"})


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "pitchey.toml").write_bytes(b"store = '\xff'")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load(tmp_path)


def test_settings_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    settings = load(tmp_path).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.store = "x"  # type: ignore[misc]
