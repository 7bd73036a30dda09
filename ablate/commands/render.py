"""Fills a command's placeholders: what is started for one run."""

import json
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.commands.spec import Command
from ablate.commands.template import (
    VARIABLE,
    Placeholder,
    Word,
    names_in,
    parts_of,
    shell_script,
    words_of,
)
from ablate.commands.values import flag_words, hydra_string, hydra_text, plain_text, plain_words
from ablate.dotted import flatten, split_key

CONFIG_FILE = "config.json"
"""The file in a run's directory that `{config}` names; see `write_config`."""
OVERRIDES = "overrides"
OWN_NAMES = (
    "seed", "run_dir", "run_name", "run_id", "num_gpus", "python", "config", OVERRIDES, "attempt",
)  # fmt: skip
"""Placeholders that are no keys of the config."""
RESUME_NAMES = ("latest", "step")
"""Those of `resume` alone."""
RUN_DIR_KEY = "hydra.run.dir"
_HYDRA_KEY = re.compile(r"[+~]{0,2}[\w.@/$][\w.@/$\-]*", re.ASCII)
_SAFE = re.compile(r"[\w./\-]*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What placeholders stand for in one run.

    Attributes:
        config: The run's config, without its seed.
        seed: Its seed.
        run_dir: Its directory, absolute.
        run_id: Its id.
        run_name: Its name.
        varied: The keys, dotted, that factors set.
        num_gpus: GPUs of its trial; of a share of one, the script sees one.
        attempt: How often it was started before.
        latest: The checkpoint to resume from; None where it begins.
        step: That of the checkpoint, where it is known.
    """

    config: Mapping[Any, Any]
    seed: int
    run_dir: str
    run_id: str
    run_name: str
    varied: tuple[str, ...] = ()
    num_gpus: float = 0
    attempt: int = 0
    latest: str | None = None
    step: int | None = None

    @property
    def own(self) -> dict[str, Any]:
        """The placeholders that are no keys of the config, but for `{overrides}`."""
        return {
            "seed": self.seed,
            "run_dir": self.run_dir,
            "run_name": self.run_name,
            "run_id": self.run_id,
            "num_gpus": math.ceil(self.num_gpus),
            "python": sys.executable,
            "config": str(Path(self.run_dir, CONFIG_FILE)),
            "attempt": self.attempt,
            "latest": self.latest or "",
            "step": 0 if self.step is None else self.step,
        }

    def value(self, name: str) -> Any:
        """What a placeholder stands for.

        Raises:
            KeyError: If the config has no such key.
        """
        own = self.own
        return own[name] if name in own else config_value(self.config, name)


def render(command: Command, context: RunContext) -> list[str]:
    """The words to start for a run, which no shell reads: with `resume` if it resumes.

    Where `{config}` is used, `write_config` has to be called before.

    Args:
        command: A checked command.
        context: The run.

    Raises:
        KeyError: If the config lacks a placeholder's key.
        TemplateError: If the command line cannot be read.
    """
    words = words_of(command.command)
    if context.latest is not None and command.resume is not None:
        words += words_of(command.resume)
    if command.style == "hydra" and not _has_run_dir(words) and shell_script(words) is None:
        words.append((f"{RUN_DIR_KEY}=", Placeholder("run_dir")))
    return _filled(words, context, command.style)


def render_line(command: Command, line: str | tuple[str, ...], context: RunContext) -> list[str]:
    """Another command line of the same style: `config_command`."""
    return _filled(words_of(line), context, command.style)


def render_text(
    text: str, context: RunContext, escape: Callable[[str], str] = lambda value: value
) -> str:
    """A path or a pattern of paths with its placeholders filled, and `${NAME}`, and `~/`.

    Args:
        text: As in the YAML.
        context: The run.
        escape: What values go through: `glob.escape`, say.
    """
    parts = tuple(_expanded(part, escape) if isinstance(part, str) else part
                  for part in parts_of(text))  # fmt: skip
    return os.path.expanduser(_joined(parts, context, lambda value: escape(plain_text(value))))


def write_config(context: RunContext) -> Path:
    """Writes the run's whole config, with its seed, where `{config}` says."""
    path = Path(context.run_dir, CONFIG_FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    config = {**context.config, "seed": context.seed}
    path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    return path


def config_value(config: Mapping[Any, Any], dotted: str) -> Any:
    """The value of a dotted key.

    Raises:
        KeyError: If there is none.
    """
    key, rest = split_key(config, dotted)
    inner = config[key]
    if not rest:
        return inner
    if not isinstance(inner, Mapping):
        raise KeyError(dotted)
    return config_value(inner, rest)


def override_keys(
    words: Sequence[Word], config: Mapping[Any, Any], varied: Sequence[str]
) -> Iterator[tuple[str, Any]]:
    """The keys and values that `{overrides}` passes on, beside the seed.

    Those that factors set, but for those passed under their own name (`--lr {lr}`), and those of
    the config that no placeholder mentions.
    """
    named, mentioned = set(_named_keys(words)), set(names_in(words))
    for key, value in flatten(config):
        above = {key[:at] for at in range(len(key)) if key[at] == "."} | {key}
        is_varied = any(above & {name} or name.startswith(f"{key}.") for name in varied)
        if not above & (named if is_varied else mentioned):
            yield key, value


def _expanded(text: str, escape: Callable[[str], str]) -> str:
    return VARIABLE.sub(lambda found: escape(os.environ.get(found[1], found[0])), text)


def _filled(words: list[Word], context: RunContext, style: str) -> list[str]:
    script = shell_script(words)
    names = {part.name for word in words for part in word if isinstance(part, Placeholder)}
    filled: list[str] = []
    for position, word in enumerate(words):
        overrides = _overrides(words, context, style) if OVERRIDES in names else []
        if word == (Placeholder(OVERRIDES),):
            filled += overrides
        elif position == script:
            filled.append(_joined(word, context, _quoted, shlex.join(overrides)))
        elif style == "hydra" and (split := _hydra_split(word)):
            filled.append(_hydra_word(*split, context, shlex.join(overrides)))
        elif len(word) == 1 and isinstance(word[0], Placeholder):
            filled += _alone(context.value(word[0].name), style)
        else:
            filled.append(_joined(word, context, plain_text, shlex.join(overrides)))
    return filled


def _alone(value: Any, style: str) -> list[str]:
    """The words of a placeholder that is a word by itself."""
    is_nested = isinstance(value, Mapping | list | tuple)
    return [hydra_text(value)] if style == "hydra" and is_nested else plain_words(value)


def _quoted(value: Any) -> str:
    return shlex.join(plain_words(value))


def _overrides(words: Sequence[Word], context: RunContext, style: str) -> list[str]:
    pairs = list(override_keys(words, context.config, context.varied))
    if not {"seed", "config"} & set(names_in(words)):
        pairs = [pair for pair in pairs if pair[0] != "seed"] + [("seed", context.seed)]
    if style == "hydra":
        if shell_script(list(words)) is not None and not _has_run_dir(words):
            pairs.append((RUN_DIR_KEY, context.run_dir))
        return [f"{key}={hydra_text(value)}" for key, value in pairs]
    return [word for key, value in pairs for word in flag_words(key, value)]


def _joined(
    word: Word, context: RunContext, text_of: Callable[[Any], str], overrides: str = ""
) -> str:
    """A word's parts as one text."""
    return "".join(
        part
        if isinstance(part, str)
        else overrides
        if part.name == OVERRIDES
        else text_of(context.value(part.name))
        for part in word
    )


def _hydra_split(word: Word) -> tuple[str, Word] | None:
    """The key and the value of an override `key=value`; None if a word is none."""
    first = word[0] if word else ""
    if not isinstance(first, str):
        return None
    key, equals, rest = first.partition("=")
    if not equals or not _HYDRA_KEY.fullmatch(key):
        return None
    return key, (*([rest] if rest else []), *word[1:])


def _hydra_word(key: str, value: Word, context: RunContext, overrides: str) -> str:
    texts = [part for part in value if isinstance(part, str)]
    if len(value) == 1 and not texts:
        return f"{key}={_joined(value, context, hydra_text, overrides)}"
    if len(texts) == len(value):
        return f"{key}={''.join(texts)}"
    if all(map(_SAFE.fullmatch, texts)):  # a path, say: one string
        return f"{key}={hydra_string(_joined(value, context, plain_text, overrides))}"
    is_quoted = texts[0][:1] in ("'", '"') and value[0] == texts[0]
    return f"{key}={_joined(value, context, plain_text if is_quoted else hydra_text, overrides)}"


def _named_keys(words: Sequence[Word]) -> Iterator[str]:
    """Keys that are passed on under their own name: `--lr {lr}`, `--lr={lr}`, `lr={lr}`."""
    before = ""
    for word in words:
        match word:
            case (Placeholder(name),) if _names(before, name):
                yield name
            case (str(label), Placeholder(name)) if label.endswith("=") and _names(label, name):
                yield name
            case _:
                pass
        before = "".join(part for part in word if isinstance(part, str))


def _names(label: str, key: str) -> bool:
    """Whether a flag is a key's, or that of its last part."""
    flag = label.removesuffix("=").lstrip("-+").replace("-", "_")
    return flag in (key.replace("-", "_"), key.rpartition(".")[2].replace("-", "_"))


def _has_run_dir(words: Sequence[Word]) -> bool:
    return any(
        f"{RUN_DIR_KEY}=" in part for word in words for part in word if isinstance(part, str)
    )
