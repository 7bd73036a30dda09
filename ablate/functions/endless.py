"""Whether a function ever ends, as far as its source tells."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_LOOPS = (ast.While, ast.For, ast.AsyncFor)


def loops_for_ever(function: Callable[..., Any]) -> bool:
    """Whether it has a `while True` that nothing written in it leaves."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError, ValueError):  # no source, or a part of a line
        return False
    of_it = tree.body[0] if tree.body else None
    if not isinstance(of_it, ast.FunctionDef):
        return False
    loops = (node for node in _within(of_it) if isinstance(node, ast.While))
    return any(_is_true(loop.test) and not _is_left(loop) for loop in loops)


def _is_true(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and bool(test.value)


def _is_left(loop: ast.While) -> bool:
    if any(isinstance(node, ast.Return | ast.Raise) for node in _within(loop)):
        return True
    return any(isinstance(node, ast.Break) for node in _within(loop, but=_LOOPS))


def _within(node: ast.AST, but: tuple[type[ast.AST], ...] = ()) -> Iterator[ast.AST]:
    """What stands in a node, but in no function or class within it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _OWN_SCOPE):
            yield child
            if not isinstance(child, but):
                yield from _within(child, but)
