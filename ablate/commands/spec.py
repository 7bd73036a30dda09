"""A command as the YAML has it: `trainable: {command: ..., read: ...}`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    model_validator,
)

Text = Annotated[str, Strict()]
Seconds = Annotated[float, Field(gt=0)]
Line = Text | tuple[Text, ...]
"""A command line: a text is split as the shell does it, a list is taken as it is; neither runs in a
shell."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FileRead(_Frozen):
    """A file that the script writes anyway: JSON lines, CSV, or TensorBoard's events."""

    file: Text
    """Its path, or a pattern of paths, in the run's directory, else in the script's folder."""
    format: Literal["jsonl", "csv", "tensorboard"] | None = None
    """By default by the file's name."""
    step: Text | None = None
    """The column or key of the step; by default `step`, else the number of the record."""


def _kind_of(read: Any) -> str:
    """A file is told from patterns by its key: a metric cannot be called `file`."""
    is_file = "file" in read if isinstance(read, Mapping) else isinstance(read, FileRead)
    return "in_file" if is_file else "patterns"


Read = Annotated[
    Annotated[FileRead, Tag("in_file")] | Annotated[dict[Text, Text], Tag("patterns")],
    Discriminator(_kind_of),
]
"""Where results are."""


class Command(_Frozen):
    """A training script that is started as a command line, and what is read of it.

    Attributes:
        command: The command line, with placeholders.
        name: Stands for the command in run ids; by default the command as written.
        style: For whom values are written: flags of argparse, or Hydra's overrides.
        read: Where results are: a file, or patterns over what the script prints, by metric, and
            `step`. None: the script calls `ablate.log`.
        samples: A pattern of the paths of pictures, PNG or JPEG, that the report is to show: the
            last ones by name that are there when the script ends.
        checkpoint: A pattern of the paths of the files that it saves for resuming.
        resume: What is added to the command when it resumes: `--resume {latest}`.
        watch: Further files that are code, as patterns below the script's folder.
        config_command: Prints the config that a run really gets, at plan time.
        grace_s: From SIGTERM to SIGKILL.
        stalled_after_s: Without a point and without output, the run has failed.
    """

    command: Line
    name: Text | None = None
    style: Literal["argparse", "hydra"] = "argparse"
    read: Read | None = None
    samples: Text | None = None
    checkpoint: Text | None = None
    resume: Line | None = None
    watch: tuple[Text, ...] = ()
    config_command: Line | None = None
    grace_s: Seconds = 120
    stalled_after_s: Seconds | None = None

    @model_validator(mode="after")
    def _can_resume(self) -> Self:
        if self.resume is not None and self.checkpoint is None:
            raise ValueError("resume needs checkpoint: the files that {latest} is one of")
        return self

    @property
    def identity(self) -> str:
        """What stands for it in run ids."""
        return self.name or line_text(self.command)

    def dump(self) -> dict[str, Any]:
        """As plain values, from which it can be validated again."""
        return self.model_dump(mode="json")


def line_text(line: str | Sequence[str]) -> str:
    """A command line as one text, for people and ids."""
    return line if isinstance(line, str) else " ".join(line)
