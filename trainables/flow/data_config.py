"""Where a run's rows come from, as its config says it: free of torch."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator

Int = Annotated[int, Strict()]

SIZES = {"1k": 1_000, "5k": 5_000, "10k": 10_000}
DEFAULT_ROWS = 5_000
DEFAULT_DIM = 2
MIN_ROWS = 20
"""Before they are split: a tenth of them are two."""
FILES = frozenset({"parquet", "npy"})
"""Sources that are read from `data.path`."""
SYNTHETIC = frozenset({"moons", "checkerboard", "gaussians"})
"""Sources that are drawn, `data.rows` of them."""


def _number(size: Any) -> Any:
    return SIZES.get(size, size) if isinstance(size, str) else size


Size = Annotated[
    Annotated[Int, Field(gt=0)] | Literal["1k", "5k", "10k", "all"], BeforeValidator(_number)
]


class DataConfig(BaseModel):
    """Where the rows come from and how they are split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Literal["digits", "parquet", "npy", "moons", "checkerboard", "gaussians"] = "digits"
    """`digits` (scikit-learn's 8x8 images, 1,797 rows), a file (`parquet`, `npy`), or drawn rows:
    `moons` and `checkerboard` in the plane, `gaussians` (a mixture of eight) in any dimension."""
    path: str | None = None
    """A Parquet file or directory, or a .npy file, here or as a URI (`s3://bucket/rows.parquet`)."""
    column: str = "embedding"
    """The column of float lists, for `source: parquet`."""
    rows: Annotated[Int, Field(ge=MIN_ROWS)] | None = None
    """How many rows are drawn (null: 5,000), before they are split."""
    dim: Annotated[Int, Field(ge=1)] | None = None
    """Width of the rows of `gaussians` (null: 2)."""
    size: Size = "all"
    """Training rows: 1k, 5k, 10k, all or a number; smaller sizes are subsets of larger ones."""
    split_seed: Annotated[Int, Field(ge=0)] = 0
    """Decides validation part, test part and nested subsets, for runs of all seeds alike."""

    @model_validator(mode="after")
    def _keys_go_with_the_source(self) -> Self:
        wrong: list[str] = []
        if self.source in FILES and self.path is None:
            wrong.append(f"source {self.source} needs a path: set data.path")
        left = [
            key
            for key, (sources, _) in _OF_SOURCES.items()
            if getattr(self, key) is not None and self.source not in sources
        ]
        wrong += [f"data.{key} {_OF_SOURCES[key][1]}" for key in left]
        if left:
            wrong.append(self._without(left))
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _without(self, left: list[str]) -> str:
        """How to be rid of keys that another source has left behind."""
        nulls = " ".join(f"--set base.data.{key}=null" for key in left)
        whole = f"source: {self.source}" + (", path: ..." if self.source in FILES else "")
        return (
            f"for source {self.source} drop {' and '.join(left)}, set to null ({nulls}), "
            f"or replace the whole mapping (--set 'base.data={{{whole}}}')"
        )


_OF_SOURCES = {
    "path": (FILES, "is for sources that are read (parquet, npy)"),
    "rows": (
        SYNTHETIC,
        "is for sources that are drawn (moons, checkerboard, gaussians): of others data.size says "
        "how many training rows to take",
    ),
    "dim": (frozenset({"gaussians"}), "is for source gaussians"),
}
"""Keys that only some sources know, and what to say of them elsewhere."""
