"""`python -m ablate.sample`: see `ablate.cli.sample`."""

import sys

from ablate.cli.sample import build_parser, main

__all__ = ["build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
