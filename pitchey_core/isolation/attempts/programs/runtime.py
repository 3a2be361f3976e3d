"""Programs that use, or abuse, their language's runtime, and channels between sandboxes."""

from __future__ import annotations

from typing import Final

from pitchey_core.isolation.attempts.attempt import Attempt, Seen
from pitchey_core.isolation.policy import Layer
from pitchey_core.isolation.report import Verdict

__all__ = ["ATTEMPTS"]

_FAKED: Final = """
say("HELD", "about to leave with status 137")
os._exit(137)
"""
_OVERFLOW: Final = """
import resource
core = resource.getrlimit(resource.RLIMIT_CORE)
# One byte is less than nothing: it keeps the host's handler of core dumps away, too.
say("HELD" if max(core) <= 1 and min(core) >= 0 else "BREACH", f"core dumps of {core}")
sys.setrecursionlimit(10**7)
def deeper(n):
    return [deeper(n + 1)]
deeper(0)
"""
_IMPORTS: Final = """
for name in ("pitchey_core", "pydantic", "pluggy"):
    try:
        __import__(name)
    except ImportError:
        say("HELD", f"no module {name}")
    else:
        say("BREACH", f"import {name}")
left = [name for name in sys.modules if name.startswith("pitchey")]
say("BREACH" if left else "HELD", f"modules of the runner: {left}")
"""
_NATIVE: Final = """
import ctypes
c = libc()
fd = c.open(T["secret"].encode(), 0)
say("HELD" if fd < 0 else "BREACH", f"open by the C library: {errno.errorcode.get(ctypes.get_errno(), 0)}")
if fd >= 0:
    say("BREACH", os.read(fd, 64))
attempt("a library of its own", lambda: ctypes.CDLL(T["jobs"] + "/none.so"))
"""
# All permissions are granted: the walls of the operating system have to hold alone.
_JAVASCRIPT: Final = """
const T = JSON.parse(Deno.args[0]);
async function attempt(what, action) {
  try {
    const got = await action();
    console.log(`BREACH ${what} ${got ?? ""}`);
  } catch (error) {
    console.log(`HELD ${what}: ${error.code ?? error.name}`);
  }
}
await attempt("read a file of the host", () => Deno.readTextFile(T.secret));
await attempt("read through node:fs", async () => (await import("node:fs")).readFileSync(T.secret, "utf8"));
await attempt("read through a link of /proc", () => Deno.readTextFile("/proc/self/root" + T.secret));
await attempt("TCP", async () => { (await Deno.connect({ hostname: "127.0.0.1", port: T.tcp })).close(); });
await attempt("fetch", async () => (await fetch(`http://127.0.0.1:${T.tcp}/`)).status);
await attempt("socket with a path", async () => {
  (await Deno.connect({ transport: "unix", path: T.unix })).close();
});
await attempt("another program reads it", async () => {
  const done = await new Deno.Command("/bin/cat", { args: [T.secret] }).output();
  if (!done.success) throw new Error("it could not");
  return new TextDecoder().decode(done.stdout);
});
await attempt("foreign functions", () => {
  const library = Deno.dlopen("libc.so.6", { mount: {
    parameters: ["buffer", "buffer", "buffer", "u64", "pointer"], result: "i32" } });
  const text = (words) => new TextEncoder().encode(words + "\\0");
  if (library.symbols.mount(text("none"), text("/tmp"), text("tmpfs"), 32n, null) !== 0) throw new Error("refused");
});
await attempt("environment", () => {
  const found = Deno.env.get("PITCHEY_ATTEMPT_SECRET");
  if (!found) throw new Error("not there");
  return found;
});
"""
_SHARED: Final = """
import fcntl
def locked():
    with open(T["lock"]) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
attempt("lock a file of the host", locked)
def segment():
    name = "/dev/shm/" + T["name"]
    fd = os.open(name, os.O_CREAT | os.O_RDWR, 0o600)
    os.unlink(name)
    os.close(fd)
attempt("leave something in /dev/shm", segment)
"""
_RAISED: Final = """
import resource
def raised():
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_CPU):
        hard = resource.getrlimit(kind)[1]
        if hard == resource.RLIM_INFINITY:
            return f"limit {kind} is infinite"
        try:
            resource.setrlimit(kind, (hard, hard + 1))
        except ValueError:
            continue
        return f"limit {kind} was raised"
    raise PermissionError(errno.EPERM, "")
attempt("raise its limits", raised)
"""


def _fooled(seen: Seen) -> str | None:
    if seen.verdict is Verdict.RUNTIME_ERROR:
        return None
    return f"the exit status was taken for a verdict: {seen.verdict}"


def _blamed(seen: Seen) -> str | None:
    crashed = {Verdict.RUNTIME_ERROR, Verdict.SIGNAL, Verdict.MEMORY}
    return None if seen.verdict in crashed else f"verdict {seen.verdict}"


ATTEMPTS: Final = (
    Attempt(
        40,
        "a faked exit status",
        (),
        _FAKED,
        "verdict runtime-error, whatever the status",
        observe=_fooled,
    ),
    Attempt(
        40,
        "stack overflow and core dump",
        (Layer.RLIMITS,),
        _OVERFLOW,
        "no core dump, an honest verdict",
        observe=_blamed,
    ),
    Attempt(40, "import the runner's modules", (Layer.ROOT,), _IMPORTS, "ImportError"),
    Attempt(
        40,
        "native code through ctypes",
        (Layer.ROOT, Layer.LANDLOCK, Layer.PRIVILEGES),
        _NATIVE,
        "the operating system's walls hold",
        alone=(Layer.ROOT, Layer.LANDLOCK),
    ),
    Attempt(
        40,
        "JavaScript with every permission",
        (Layer.ROOT, Layer.NAMESPACES, Layer.SECCOMP),
        _JAVASCRIPT,
        "the operating system's walls hold",
        language="javascript",
        limits={"memory_bytes": 512 * 1024**2, "address_space_bytes": None},
    ),
    Attempt(
        41,
        "locks and memory shared between sandboxes",
        (Layer.ROOT, Layer.LANDLOCK),
        _SHARED,
        "ENOENT or EACCES",
    ),
    Attempt(
        42,
        "raise its own limits",
        (Layer.RLIMITS, Layer.PRIVILEGES),
        _RAISED,
        "EPERM",
    ),
)
