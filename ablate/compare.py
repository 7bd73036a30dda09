"""`python -m ablate.compare`: see `ablate.cli.compare`."""

import sys

from ablate.cli.compare import build_parser, main

__all__ = ["build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
