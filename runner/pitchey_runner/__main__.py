"""``python -m pitchey_runner`` is ``pitchey-run``."""

import sys

from pitchey_runner.cli import main

if __name__ == "__main__":
    sys.exit(main())
