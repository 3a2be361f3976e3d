"""What parsers say about a source that they cannot parse."""

from __future__ import annotations

import json
import re
from typing import Final

from pitchey_code.facts import Finding

__all__ = [
    "JAVASCRIPT_CHECKER",
    "JAVASCRIPT_CHECKER_FILE",
    "PYTHON_CHECKER",
    "PYTHON_CHECKER_FILE",
    "TYPESCRIPT_CHECKER",
    "TYPESCRIPT_CHECKER_FILE",
    "from_checker",
    "from_deno",
    "from_node",
]

PYTHON_CHECKER_FILE: Final = ".pitchey-check.py"
PYTHON_CHECKER: Final = """\
import json, sys, warnings
warnings.simplefilter("ignore")
found = []
with open(sys.argv[1], "rb") as file:
    source = file.read()
try:
    compile(source, sys.argv[1], "exec", dont_inherit=True)
except SyntaxError as error:
    found.append([max(error.lineno or 0, 0), max(error.offset or 0, 0), error.msg or "invalid syntax"])
except (ValueError, RecursionError, MemoryError) as error:
    found.append([0, 0, str(error) or "too complex for the parser"])
print(json.dumps(found))
"""

JAVASCRIPT_CHECKER_FILE: Final = ".pitchey-check.mjs"
JAVASCRIPT_CHECKER: Final = """\
import vm from "node:vm";
const found = [];
try {
  new vm.SourceTextModule(Deno.readTextFileSync(Deno.args[0]));
} catch (error) {
  found.push([0, 0, error.message]);
}
console.log(JSON.stringify(found));
"""
"""Compiles a module and does not evaluate it: V8 knows errors that the parser of ``deno lint`` forgives."""

TYPESCRIPT_CHECKER_FILE: Final = ".pitchey-check-types.mjs"
TYPESCRIPT_CHECKER: Final = """\
import module from "node:module";
import vm from "node:vm";
const found = [];
try {
  const source = Deno.readTextFileSync(Deno.args[0]);
  const script = module.stripTypeScriptTypes?.(source, { mode: "transform" }) ?? "";
  if (!/@|\\baccessor\\b/.test(script)) new vm.SourceTextModule(script);
} catch (error) {
  const [, line, column] = /\\s+at \\S+:(\\d+):(\\d+)\\s*$/.exec(error.message) ?? [null, 0, 0];
  found.push([+line, +column, error.message.split("\\n")[0].replace(/^SyntaxError: /, "")]);
}
console.log(JSON.stringify(found));
"""
"""Translates a module and compiles that. What looks like a decorator is only translated: V8 knows none."""

_DENO_PLACE: Final = re.compile(r"\s+at \S+:(\d+):(\d+)\s*$")
_NODE_PLACE: Final = re.compile(r"^.*:(\d+)\n(?:.*\n)?( *)\^+", re.MULTILINE)


def from_checker(stdout: bytes) -> list[Finding]:
    """Of one of the checkers above."""
    return [Finding(line=line, column=column, message=words) for line, column, words in json.loads(stdout)]


def from_deno(stdout: bytes) -> list[Finding]:
    """Of ``deno lint --json``."""
    found = []
    for error in json.loads(stdout)["errors"]:
        message = str(error["message"])
        place = _DENO_PLACE.search(message)
        line, column = (int(place[1]), int(place[2])) if place else (0, 0)
        words = message.splitlines()[0].removeprefix("SyntaxError: ")
        found.append(Finding(line=line, column=column, message=words))
    return found


def from_node(status: int | None, stderr: bytes) -> list[Finding]:
    """Of ``node --check``."""
    if status == 0:
        return []
    text = stderr.decode("utf-8", "replace")
    said = [line for line in text.splitlines() if line.startswith("SyntaxError: ")]
    if not said:
        raise ValueError("no SyntaxError in what Node says")
    place = _NODE_PLACE.search(text)
    line, column = (int(place[1]), len(place[2]) + 1) if place else (0, 0)
    return [Finding(line=line, column=column, message=said[0].removeprefix("SyntaxError: "))]
