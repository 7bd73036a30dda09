"""The table of data sources and their keys, torch-free; `sources.READERS` reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from trainables.flow.config.elsewhere import Table
from trainables.flow.config.ingredient import Int, NameIn

SIZES = {"1k": 1_000, "5k": 5_000, "10k": 10_000}
DEFAULT_ROWS = 5_000
DEFAULT_DIM = 2
MIN_ROWS = 20
"""Before they are split: a tenth of them are two."""
VALIDATION_SHARE = 0.10
TEST_SHARE = 0.20
TRAINING_SHARE = 1 - VALIDATION_SHARE - TEST_SHARE
PARTS = ("train", "validation", "test")
"""What rows are split into. A source may give parts itself; those that it lacks are split off its
training rows, the same shares of them."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where rows come from."""

    keys: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Its own keys, beside those common to all sources, and what null means for each."""
    needs: tuple[str, ...] = ()
    """Those of its keys that are required."""
    num_rows: int | None = None
    """How many rows there are, where that is known without reading them; drawn ones have `rows`."""
    seen_as: tuple[int, ...] | None = None
    """What its flat rows are to people, where networks get them flat all the same."""


SOURCES: Table[Source] = Table(
    {
        "digits": Source(num_rows=1_797, seen_as=(1, 8, 8)),
        "parquet": Source(keys={"path": None, "column": None, "test": None}, needs=("path",)),
        "npy": Source(keys={"path": None, "test": None}, needs=("path",)),
        "moons": Source(keys={"rows": DEFAULT_ROWS}),
        "checkerboard": Source(keys={"rows": DEFAULT_ROWS}),
        "gaussians": Source(keys={"rows": DEFAULT_ROWS, "dim": DEFAULT_DIM}),
    },
    elsewhere=Source(keys={"args": {}}),
)
_OF_SOURCES = {
    "path": "is for sources that are read ({sources})",
    "test": "is for sources that are read ({sources}): a function of your own returns its parts",
    "args": "is for a function of your own (source: module:name)",
    "rows": "is for sources that are drawn ({sources}): for others, data.size says how many "
    "training rows to take",
}
"""Messages for keys that a source does not know, where the default is too terse."""
_UNSET = (None, {})


def _number(size: Any) -> Any:
    return SIZES.get(size, size) if isinstance(size, str) else size


Size = Annotated[
    Annotated[Int, Field(gt=0)] | Literal["1k", "5k", "10k", "all"], BeforeValidator(_number)
]


class DataConfig(BaseModel, frozen=True, extra="forbid"):
    """Where the rows come from and how they are split."""

    source: Annotated[str, NameIn(SOURCES, "data")] = "digits"
    """`digits` (scikit-learn's 8x8 images, 1,797 rows), a file (`parquet`, `npy`), drawn rows
    (`moons` and `checkerboard` in the plane, `gaussians`, a mixture of eight, in any dimension), or
    `module:name`: a function of your own that returns rows, or the parts that they are split into.
    """
    args: Annotated[dict[str, Any], BeforeValidator(lambda args: args or {})] = {}
    """Keyword arguments of a function of your own; `data.args.noise` may be a factor."""
    path: str | None = None
    """A Parquet file or directory, or a .npy file, here or as a URI (`s3://bucket/rows.parquet`)."""
    test: str | None = None
    """The rows of the test part, like `path`, which is then split into two parts."""
    shape: Annotated[tuple[Annotated[Int, Field(ge=1)], ...], Field(min_length=1)] | None = None
    """What a row of numbers stands for, such as [1, 8, 8]: networks and other parts of your own get
    rows of this shape (null: as the source has them)."""
    column: str = "embedding"
    """The column of float lists, for `source: parquet`."""
    rows: Annotated[Int, Field(ge=MIN_ROWS)] | None = None
    """How many rows are drawn (null: 5,000), before the split."""
    dim: Annotated[Int, Field(ge=1)] | None = None
    """Width of the rows of `gaussians` (null: 2)."""
    size: Size = "all"
    """Training rows: 1k, 5k, 10k, all or a number; smaller sizes are subsets of larger ones."""
    split_seed: Annotated[Int, Field(ge=0)] = 0
    """Decides validation part, test part and nested subsets, the same for runs of all seeds."""

    def __hash__(self) -> int:
        """Of all but `args`, a mapping, which are compared."""
        return hash(tuple(value for key, value in self if key != "args"))

    @property
    def is_own(self) -> bool:
        """Whether its rows come from a function of somebody's own."""
        return self.source not in SOURCES

    @model_validator(mode="after")
    def _keys_go_with_the_source(self) -> Self:
        values, row = dict(self), SOURCES[self.source]
        wrong = [
            f"source {self.source} needs a {key}: set data.{key}"
            for key in row.needs
            if values[key] is None
        ]
        foreign_keys = [
            key
            for key in dict.fromkeys(key for source in SOURCES.all_rows for key in source.keys)
            if key not in row.keys and values[key] not in _UNSET
            and type(self).model_fields[key].default in _UNSET
        ]  # fmt: skip
        wrong += [f"data.{key} {_belongs(key)}" for key in foreign_keys]
        if foreign_keys:
            wrong.append(self._without(foreign_keys))
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _without(self, foreign_keys: list[str]) -> str:
        """How to drop keys that another source left behind."""
        nulls = " ".join(f"--set base.data.{key}=null" for key in foreign_keys)
        needed = "".join(f", {key}: ..." for key in SOURCES[self.source].needs)
        return (
            f"for source {self.source} drop {' and '.join(foreign_keys)}, set to null ({nulls}), "
            f"or replace the whole mapping (--set 'base.data={{source: {self.source}{needed}}}')"
        )


def _belongs(key: str) -> str:
    """Which sources know a key, as a sentence about it."""
    names = [name for name, row in SOURCES.items() if key in row.keys]
    sentence = _OF_SOURCES.get(key, f"is for source{'s'[: len(names) > 1]} {{sources}}")
    return sentence.format(sources=", ".join(names))
