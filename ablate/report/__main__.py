"""`python -m ablate.report STUDY_DIR`."""

import sys

from ablate.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["report", *sys.argv[1:]]))
