"""Which failures another attempt cannot help."""

from ablate.losses import Loss
from ablate.trainable.hosted_trial import TimeLimit

_MISTAKES = (NameError, TypeError, AttributeError, SyntaxError, NotImplementedError)
"""Of code, which makes them again. Not of modules: those may be on another machine."""


def is_final(error: BaseException) -> bool:
    """Whether a trial that failed by an error fails for good: it would fail so again."""
    if isinstance(error, TimeLimit):
        return True
    return isinstance(error, _MISTAKES) and Loss.of_error(error) is Loss.CELL
