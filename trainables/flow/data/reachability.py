"""Checks within seconds whether remote data can be reached.

Clients of object stores retry for minutes, some for a quarter of an hour, and cannot be
interrupted: so a separate process, which can be killed, asks first.
"""

import functools
import subprocess
import sys

from trainables.flow.data.errors import DataError

ANSWER_TIMEOUT_S = 15.0
"""For a first answer; S3 takes 6 s to give up on a name that does not resolve."""

_LOOK = """
import sys
try:
    from pyarrow import fs
    system, place = fs.FileSystem.from_uri(sys.argv[1])
    system.get_file_info(place)
except Exception as error:
    sys.exit(" ".join((str(error) or type(error).__name__).splitlines()[:1])[:300])
"""


@functools.cache
def check_reachable(uri: str) -> None:
    """Checks once per process whether a file system answers for a URI.

    Raises:
        DataError: If it does not answer, refuses, or is of an unknown kind.
    """
    fix = "check network and credentials, or copy the data and give their local path"
    try:
        # -P: nothing in the working directory may stand in for pyarrow.
        subprocess.run(
            [sys.executable, "-P", "-c", _LOOK, uri], timeout=ANSWER_TIMEOUT_S, check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        waited = f"no answer within {ANSWER_TIMEOUT_S:g} s"
        raise DataError(f"{uri}: cannot be reached ({waited}): {fix}") from error
    except subprocess.CalledProcessError as error:
        cause = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DataError(f"{uri}: cannot be reached ({cause}): {fix}") from error
