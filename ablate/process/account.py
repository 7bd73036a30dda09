"""Makes the account and the directory of a command what libraries expect."""

import getpass
import os

from ablate.errors import AblateError

NO_HOME = "/nonexistent"
"""The home of users without one; nothing can be written there."""


def settle_in() -> None:
    """Makes up a name and a home for users without them, since libraries fail otherwise.

    Containers are often run under a bare user id.

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
                          "  fix: change to one that exists") from error  # fmt: skip
