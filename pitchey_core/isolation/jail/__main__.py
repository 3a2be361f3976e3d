"""Started by path with ``python -I -S -B``: finds its own modules, and none of what else is installed beside them."""

import os
import sys
import types


def _package(name: str, folder: str) -> None:
    # Without running its ``__init__``, which would load what is of no use here.
    package = types.ModuleType(name)
    package.__path__ = [folder]
    sys.modules[name] = package


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    isolation = os.path.dirname(here)
    core = os.path.dirname(isolation)
    _package("pitchey_core", core)
    _package("pitchey_core.isolation", isolation)
    _package("pitchey_core.isolation.jail", here)
    _package("pitchey_core.process", os.path.join(core, "process"))
    from pitchey_core.isolation.jail.launcher import main

    main(sys.argv[1:])
