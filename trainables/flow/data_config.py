"""Where a run's rows come from, as its config says it: free of torch."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator

Int = Annotated[int, Strict()]

SIZES = {"1k": 1_000, "5k": 5_000, "10k": 10_000}
DEFAULT_ROWS = 5_000
DEFAULT_DIM = 2
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
    rows: Annotated[Int, Field(ge=10)] | None = None
    """How many rows are drawn (null: 5,000), before they are split."""
    dim: Annotated[Int, Field(ge=1)] | None = None
    """Width of the rows of `gaussians` (null: 2)."""
    size: Size = "all"
    """Training rows: 1k, 5k, 10k, all or a number; smaller sizes are subsets of larger ones."""
    split_seed: Int = 0
    """Decides validation part, test part and nested subsets, for runs of all seeds alike."""

    @model_validator(mode="after")
    def _keys_go_with_the_source(self) -> Self:
        if self.source in FILES and self.path is None:
            raise ValueError(f"source {self.source} needs a path: set data.path")
        if self.source not in FILES and self.path is not None:
            raise ValueError(
                "data.path is read only with source parquet or npy: set data.source: parquet"
            )
        if self.rows is not None and self.source not in SYNTHETIC:
            raise ValueError(
                f"data.rows is for drawn sources ({', '.join(sorted(SYNTHETIC))}): "
                "data.size says how many training rows to take"
            )
        if self.dim is not None and self.source != "gaussians":
            raise ValueError("data.dim is for source gaussians: drop it")
        return self
