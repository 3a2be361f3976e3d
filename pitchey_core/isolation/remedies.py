"""What the owner of a host can do about a wall that cannot be built."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from pitchey_core.isolation.policy import Layer
from pitchey_core.process import interpreter

__all__ = ["remedy_for"]

_REMEDIES: Final = {
    Layer.ROOT: "check that what the program reads is there and that this user may read it; the kernel must be Linux "
    "5.12 or later",
    Layer.PRIVILEGES: "run as a plain user, or as root with CAP_SETUID, CAP_SETGID and CAP_SETPCAP",
    Layer.SECCOMP: "use a kernel with CONFIG_SECCOMP_FILTER, on x86_64 or aarch64",
    Layer.LANDLOCK: "boot with landlock in the lsm= list (Linux 5.13 or later), or do not require this layer",
    Layer.CGROUP: "give it more memory",
    Layer.RLIMITS: "raise the hard limits of this process (ulimit -H)",
    "start": "check that the program exists, is executable, and that its folder is among those it may read",
}
_APPARMOR: Final = "kernel.apparmor_restrict_unprivileged_userns"
# Each with the value that forbids user namespaces to ordinary users, and one that allows them.
_SETTINGS: Final = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "10000"),
)
_PROFILE_FILE: Final = "/etc/apparmor.d/pitchey"


def remedy_for(layer: str) -> str:
    """In one line; commands in it can be copied into a shell."""
    if layer == Layer.NAMESPACES:
        return _for_namespaces()
    return _REMEDIES.get(
        layer, "try again; if it persists, pitchey-run doctor --sandbox shows what this host can do"
    )


def _for_namespaces() -> str:
    """What stands in the way differs from host to host, and most say what it is."""
    found = []
    settings = [f"sudo sysctl -w {name}={good}" for name, bad, good in _SETTINGS if _setting(name) == bad]
    if settings:
        found.append("let users make namespaces: " + " && ".join(settings))
    if _setting(_APPARMOR) == "1":
        found.append(
            f"AppArmor lets only named programs make user namespaces here; name this Python: {_profile_command()}; "
            f"or let all programs: sudo sysctl -w {_APPARMOR}=0"
        )
    return "; ".join(found) or (
        "run as root with CAP_SYS_ADMIN, or let users make namespaces: in a container, its runtime has to (Docker: "
        "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined)"
    )


def _profile_command() -> str:
    """Installs a profile that confines nothing, and allows this interpreter what AppArmor denies to strangers."""
    lines = (
        "abi <abi/4.0>,",
        "include <tunables/global>",
        f'profile pitchey "{interpreter()}" flags=(unconfined) {{',
        "  userns,",
        "}",
    )
    text = " ".join(shlex.quote(each) for each in lines)
    return f"printf '%s\\n' {text} | sudo tee {_PROFILE_FILE} && sudo apparmor_parser -r {_PROFILE_FILE}"


def _setting(name: str) -> str | None:
    try:
        return Path("/proc/sys", *name.split(".")).read_text("ascii").strip()
    except OSError:
        return None
