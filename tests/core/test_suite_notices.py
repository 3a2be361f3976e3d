"""The conformance suite fails where it should: each of these processors breaks one promise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest_plugins = ("pytester",)

SUITE = """
import pitchey_testkit.broken
import pytest
from pitchey_core.registry import PluginInfo, Registry
from pitchey_core.testing import ProcessorSuite


class TestBroken(ProcessorSuite):
    processor = {processor!r}

    def load_registry(self):
        registry = Registry.load()
        info = PluginInfo("broken", "pitchey_testkit.broken", {distribution!r}, "0")
        registry.register(pitchey_testkit.broken, info)
        return registry

{body}
"""

EMPTY = """
    payload = {}
"""
SLOW = """
    payload = {}
    slow_payload = {"seconds": 30}
"""
NOT_SLOW = """
    payload = {}
    slow_payload = {"seconds": 0}
"""
INPUT = """
    @pytest.fixture
    def payload(self, tmp_path):
        (tmp_path / "input").write_bytes(b"x")
        return {"input_url": str(tmp_path / "input")}
"""
BAD_NUMBER = """
    payload = {}
    bad_payloads = [{"number": "three"}]
"""

Check = Callable[..., pytest.RunResult]


@pytest.fixture
def check(pytester: pytest.Pytester) -> Check:
    """Runs one check of the suite on a processor."""

    def run(processor: str, name: str, body: str, distribution: str | None = "a-package") -> pytest.RunResult:
        pytester.makepyfile(SUITE.format(processor=processor, distribution=distribution, body=body))
        return pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", name)

    return run


@pytest.mark.parametrize(
    ("processor", "name", "body", "words"),
    [
        ("broken-around", "test_artifacts_are_as_described", EMPTY, "preview.txt"),
        ("broken-around", "test_killed_in_the_middle", SLOW, "has left files in the output folder"),
        ("broken-random", "test_names_are_the_same_each_time", EMPTY, "names must follow from the payload"),
        ("broken-litter", "test_completes_in_this_process", EMPTY, "temporary file"),
        ("broken-falling", "test_progress_rises", EMPTY, "0.8, 0.2"),
        ("broken-short", "test_progress_rises", EMPTY, "at the end"),
        ("broken-short", "test_caller_gives_up", NOT_SLOW, "make it take longer"),
        ("broken-forgetful", "test_completes_in_this_process", EMPTY, "reserved but not written"),
        ("broken-loose", "test_payload_model_is_strict", EMPTY, "must not accept unknown fields"),
        ("broken-clashing", "test_command_line_can_be_derived", EMPTY, "two fields claim one option"),
        ("broken-silent", "test_schemas_can_be_derived", EMPTY, "have no description"),
        ("broken-picky", "test_bad_payloads_are_refused", BAD_NUMBER, "ProcessorError"),
        ("broken-unfetched", "test_missing_input", INPUT, "ProcessorError"),
        ("broken-unfetched", "test_usage_is_measured", INPUT, "inputs are read through job.fetch"),
        ("broken-big", "test_completes_in_this_process", EMPTY, "the facts of the job are"),
        ("broken-nonumber", "test_completes_in_this_process", EMPTY, "not JSON compliant"),
        ("broken-promising", "test_specification_and_class_agree", EMPTY, "no-such-tool"),
        ("broken-loose", "test_hook_module_imports_nothing_heavy", EMPTY, "pydantic"),
    ],
    ids=lambda value: value if value.startswith(("broken", "test")) else "",
)
def test_a_broken_promise_is_noticed(check: Check, processor: str, name: str, body: str, words: str) -> None:
    result = check(processor, name, body)
    result.assert_outcomes(failed=1, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines([f"*{words.replace('[', '[[]')}*"])


@pytest.mark.slow
def test_a_job_that_does_not_stop_is_noticed(check: Check) -> None:
    result = check("broken-deaf", "test_cancelled_in_the_middle", SLOW)
    result.stdout.fnmatch_lines(["*it did not stop within 5 s*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_plugin_registered_by_hand_is_noticed(check: Check) -> None:
    result = check("broken-short", "test_is_registered", EMPTY, distribution=None)
    result.stdout.fnmatch_lines(["*was registered by hand*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_an_unknown_processor_is_noticed(check: Check) -> None:
    result = check("brokn-short", "test_is_registered", EMPTY)
    result.stdout.fnmatch_lines(["*did you mean 'broken-short'*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_suite_without_a_processor_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "from pitchey_core.testing import ProcessorSuite\nclass TestNothing(ProcessorSuite):\n    pass\n"
    )
    result = pytester.runpytest_inprocess(
        "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "entry_point"
    )
    result.stdout.fnmatch_lines(["*must say which processor it tests*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
