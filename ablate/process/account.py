"""The account and the place that a command runs in, as libraries expect them to be."""

import getpass
import os

from ablate.errors import AblateError

NO_HOME = "/nonexistent"
"""The home of those who have none: nothing can be kept there."""


def settle_in() -> None:
    """Makes up what a user whom the system does not know lacks: libraries fail without.

    Containers are often run by a number alone, without a name and a home.

    Raises:
        AblateError: If the current directory is gone.
    """
    if os.path.expanduser("~") == "~":
        os.environ["HOME"] = NO_HOME
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"uid{os.getuid()}"
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise AblateError("the current directory is gone\n"
                          "  fix: change to one that is there") from error  # fmt: skip
