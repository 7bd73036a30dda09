import math

import pytest

from ablate.errors import InputError
from ablate.spec.yaml12 import parse_yaml


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 0.001), ("1.5", 1.5), (".5", 0.5), ("-2", -2), ("010", 10), ("0x1F", 31),
        ("off", "off"), ("yes", "yes"), ("no", "no"), ("true", True), ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"), ("~", None), ("", None), (".inf", math.inf), ("'1'", "1"),
        ("[1, a, {b: 2}]", [1, "a", {"b": 2}]), ("1_000", "1_000"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(written, value):
    parsed = parse_yaml(written, "x")
    assert (parsed, type(parsed)) == (value, type(value))


def test_merge_keys_work():
    text = "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n"
    assert parse_yaml(text, "x")["b"] == {"x": 1, "y": 3}


def test_merged_mappings_are_merged_again():
    text = (
        "small: &small {x: 1, y: 1}\n"
        "nets:\n  large: &large\n    <<: *small\n    y: 2\n"
        "base:\n  <<: *large\n  z: 3\n"
    )
    assert parse_yaml(text, "x")["base"] == {"x": 1, "y": 2, "z": 3}


def test_duplicate_keys_are_told_with_their_lines():
    with pytest.raises(InputError) as error:
        parse_yaml("a: 1\nb: {c: 1, c: 2}\na: 3\n", "grid.yaml")
    assert [(p.key, p.locations[0].line, p.message) for p in error.value.problems] == [
        ("a", 3, "the key appears twice in one mapping (first on line 1)"),
        ("b.c", 2, "the key appears twice in one mapping (first on line 2)"),
    ]


def test_what_is_not_yaml_is_told_with_its_place():
    with pytest.raises(InputError, match=r"line 2, column 1: not YAML"):
        parse_yaml("a: [1,\n}", "grid.yaml")
