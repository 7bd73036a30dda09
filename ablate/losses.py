"""To whom a run's result was lost: to the machines that it ran on, or to itself.

What machines lose is missing at random. What a run loses by itself, it loses because it went badly:
the results that are left are of the runs that went well, and look better than their cell is.
"""

import errno
from enum import StrEnum

from ablate.errors import causes_of

_ERRNOS = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV,
        errno.ENXIO, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN,
        errno.ENETUNREACH, errno.ENETRESET, errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED,
        errno.ECONNABORTED, errno.EPIPE, errno.EREMOTEIO,
    }
)  # fmt: skip
"""What the operating system says of disks, mounts and networks."""
_KINDS = frozenset(
    {
        "StorageError", "ConnectionError", "NodeDiedError", "LocalRayletDiedError",
        "ActorUnavailableError", "ObjectLostError", "OutOfDiskError", "RpcError",
        "TaskPlacementGroupRemoved", "ActorPlacementGroupRemoved",
        # Of `ConnectionError` and `ObjectLostError`, for where a name is all that is known:
        "ConnectionResetError", "ConnectionRefusedError", "ConnectionAbortedError",
        "BrokenPipeError", "ObjectFetchTimedOutError", "OwnerDiedError",
        "ObjectReconstructionFailedError", "ReferenceCountingAssertionError",
    }
)  # fmt: skip
"""Exceptions that tell of machines, by name: Ray is not imported for it."""


class Loss(StrEnum):
    """To whom a run's result was lost."""

    INFRASTRUCTURE = "infrastructure"
    """Nodes, disks, networks, and whoever ended the worker."""
    CELL = "cell"
    """The run itself: it diverged, ran out of memory, raised an exception. What is not known, too:
    a worker that died without a word was most often killed for the memory that it took."""

    @classmethod
    def of(cls, written: object) -> "Loss":
        """As it is written: what says nothing known counts against the cell."""
        return cls.INFRASTRUCTURE if written == cls.INFRASTRUCTURE.value else cls.CELL

    @classmethod
    def of_error(cls, error: BaseException) -> "Loss":
        """By what was raised, and what is behind it."""
        lost = any(map(_is_of_machines, causes_of(error)))
        return cls.INFRASTRUCTURE if lost else cls.CELL

    @classmethod
    def of_kind(cls, kind: str) -> "Loss":
        """By an exception's name, where that is all that is known."""
        return cls.INFRASTRUCTURE if kind in _KINDS else cls.CELL


def _is_of_machines(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return True
    return any(kind.__name__ in _KINDS for kind in type(error).__mro__)
