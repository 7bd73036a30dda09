"""Functions that never end, as far as their source tells."""

import pytest

from ablate.functions.endless import loops_for_ever


def bare():
    while True:
        yield 1


def left_only_within():
    while 1:
        for _ in range(3):
            break

        def helper():
            return 2

        yield helper


def breaks():
    while True:
        if bare():
            break
    return 1


def returns():
    while True:
        for _ in range(3):
            return 1


def raises():
    with open("x", encoding="utf-8"):
        while True:
            raise ValueError


def by_condition():
    while bare():
        yield 1


class Called:
    def __call__(self):
        while True:
            yield 1


@pytest.mark.parametrize("endless", [bare, left_only_within])
def test_what_nothing_leaves_has_no_end(endless):
    assert loops_for_ever(endless)


@pytest.mark.parametrize("ends", [breaks, returns, raises, by_condition, Called(), print])
def test_what_may_end_or_is_not_to_be_read_is_not_suspected(ends):
    assert not loops_for_ever(ends)
