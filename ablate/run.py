"""`python -m ablate.run`: see `ablate.cli.run`."""

import sys

from ablate.cli.run import build_parser, main

__all__ = ["build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
