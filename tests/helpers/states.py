"""Nested states of runs against each other."""

import pytest
import torch


def assert_same(a, b, path=""):
    """Equal to the bit, through nested states."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), path
    elif not _through_parts(assert_same, a, b, path):
        assert a == b, path


def assert_close(a, b, path=""):
    """Within rounding, through nested states; numbers that are counted are equal."""
    if isinstance(a, torch.Tensor):
        torch.testing.assert_close(a, b, rtol=2e-3, atol=2e-4, msg=lambda m: f"{path}: {m}")
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=2e-3, abs=2e-4), path
    elif not _through_parts(assert_close, a, b, path):
        assert a == b, path


def _through_parts(check, a, b, path):
    """Checks the parts of what has some; returns whether it has."""
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            check(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            check(x, y, f"{path}[{i}]")
    else:
        return False
    return True
