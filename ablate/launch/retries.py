"""Which failures another attempt cannot help."""

from ablate.losses import Loss
from ablate.trainable.hosted_trial import TimeLimit

_MISTAKES = (NameError, TypeError, AttributeError, SyntaxError, NotImplementedError)
"""Of code, which makes them again. Not of modules: those may be on another machine."""


def is_final(error: BaseException, was_signalled: bool = False) -> bool:
    """Whether a trial that failed by an error fails for good: it would fail so again.

    Args:
        error: The error.
        was_signalled: Whether somebody was ending its process: then anything may be raised.
    """
    if isinstance(error, TimeLimit):
        return True
    is_mistake = isinstance(error, _MISTAKES) and not was_signalled
    return is_mistake and Loss.of_error(error) is Loss.CELL
