"""`python -m ablate.evaluate`: see `ablate.cli.evaluate`."""

import sys

from ablate.cli.evaluate import build_parser, main

__all__ = ["build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
