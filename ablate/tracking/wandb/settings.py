"""Where the runs of a study go in Weights & Biases, and how; what a shell's variables may say.

Precedence, as for W&B itself: command line, environment, YAML, W&B's own settings files.
"""

import configparser
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ablate.errors import InputError, Problem
from ablate.spec.models import Study
from ablate.spec.tracking import ENTITY_RULE, PROJECT_RULE, entity_problem, project_problem
from ablate.text import quoted

MODES = ("online", "offline", "disabled")
ALIASES = {"dryrun": "offline", "run": "online", "shared": "online"}
"""Names that W&B itself takes for modes."""
DEFAULT_SERVER = "https://api.wandb.ai"

_TAKEN_OVER = re.compile(
    r"WANDB_(API_KEY|IDENTITY_TOKEN_FILE|CREDENTIALS_FILE|CACHE_DIR|CONFIG_DIR|DATA_DIR"
    r"|ARTIFACT_DIR|HTTP_TIMEOUT|INSECURE_DISABLE_SSL|CA_BUNDLE"
    r"|X_EXTRA_HTTP_HEADERS|X_PROXIES|_EXTRA_HTTP_HEADERS|_PROXIES)"
)
"""W&B's variables that say how to reach it. All others belong to a run of the shell's own: one
`WANDB_RUN_ID` would make all runs of a study one."""


@dataclass(frozen=True)
class Destination:
    """Where runs go, as far as it is known without asking W&B."""

    mode: str
    server: str
    entity: str | None
    """None is the account's own; the server says which that is."""
    project: str
    group: str

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def destination(study: Study, given: frozenset[str] = frozenset()) -> Destination:
    """Where the runs of a study go.

    Args:
        study: Its `tracking` is asked after the environment.
        given: The keys of `tracking` that were given on the command line.

    Raises:
        InputError: Where the environment names a mode, project or entity that cannot be.
    """
    files = _settings_files()
    problems = list(_environment_problems(given))
    if problems:
        raise InputError("environment", problems)

    def chosen(key: str, variable: str) -> str | None:
        value = getattr(study.tracking, key)
        if key in given and value is not None:
            return value
        return os.environ.get(variable) or value or files.get(key)

    server = os.environ.get("WANDB_BASE_URL") or files.get("base_url") or DEFAULT_SERVER
    return Destination(
        _mode(study, given, files, server),
        server.rstrip("/"),
        chosen("entity", "WANDB_ENTITY"),
        chosen("project", "WANDB_PROJECT") or study.study,
        study.study,
    )


def given_keys(overrides: Iterable[str]) -> frozenset[str]:
    """The keys of `tracking` among overrides of the command line, `tracking.project=x` each."""
    keys = (override.partition("=")[0].partition(".") for override in overrides)
    names = {rest or "*" for top, _, rest in keys if top == "tracking"}
    return frozenset(("mode", "project", "entity") if "*" in names else names)


def clean_environment(server: str) -> dict[str, str]:
    """The environment of a process that serves all runs: nothing in it is about one run."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("WANDB_") or _TAKEN_OVER.fullmatch(name)
    }
    return {**environment, "WANDB_BASE_URL": server}


def project_url(server: str, entity: str, project: str) -> str:
    """A project's page; that of W&B's own service is at another address than its API."""
    host = "https://wandb.ai" if server == DEFAULT_SERVER else server
    return f"{host}/{quote(entity)}/{quote(project)}"


def group_url(server: str, entity: str, project: str, group: str) -> str:
    """The page of a group of runs."""
    return f"{project_url(server, entity, project)}/groups/{quote(group)}/workspace"


def has_credentials(server: str) -> bool:
    """Whether there is a key for a server: in the environment, W&B's settings or netrc."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    if _settings_files().get("api_key"):
        return True
    named = os.environ.get("NETRC")
    files = ("~/.netrc", "~/_netrc") if named is None else (named,)
    if not any(os.path.exists(os.path.expanduser(file)) for file in files):
        return False
    from requests.utils import get_netrc_auth  # 0.15 s, and W&B's own way to read it

    return get_netrc_auth(server) is not None


def _mode(study: Study, given: frozenset[str], files: Mapping[str, str], server: str) -> str:
    study_mode = study.tracking.mode
    mode = os.environ.get("WANDB_MODE") or study_mode
    if "mode" in given and study_mode != "auto":
        mode = study_mode
    if mode == "auto":
        mode = files.get("mode") or "auto"
    mode = ALIASES.get(mode, mode)
    if mode != "auto" and mode in MODES:
        return mode
    return "online" if has_credentials(server) else "offline"


def _environment_problems(given: frozenset[str]) -> Iterable[Problem]:
    mode, project = os.environ.get("WANDB_MODE"), os.environ.get("WANDB_PROJECT")
    entity = os.environ.get("WANDB_ENTITY")
    if mode and mode not in (*MODES, *ALIASES) and "mode" not in given:
        yield Problem("WANDB_MODE", "is not a W&B mode", mode, MODES)
    if project and project_problem(project) and "project" not in given:
        yield Problem("WANDB_PROJECT", project_problem(project), project, fix=PROJECT_RULE)
    if entity and entity_problem(entity) and "entity" not in given:
        yield Problem("WANDB_ENTITY", entity_problem(entity), entity, fix=ENTITY_RULE)


def _settings_files() -> dict[str, str]:
    """What W&B's settings files say: those of `wandb login` and `wandb offline`."""
    folder = os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb"
    root = Path(os.environ.get("WANDB_DIR") or ".")
    here = root / (".wandb" if (root / ".wandb").exists() else "wandb")
    settings: dict[str, str] = {}
    for path in (Path(os.path.expanduser(folder)), here):
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(path / "settings", encoding="utf-8")
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue  # W&B itself goes on without, too
        if parser.has_section("default"):
            settings.update(parser.items("default"))
    return settings


def command_line(arguments: Sequence[str] | None = None) -> str:
    """The command that this process was started with, as a person would type it."""
    name, *rest = arguments or sys.argv
    path = Path(name)
    if path.name == "__main__.py":
        program = f"python -m {path.parent.name}"
    elif path.suffix == ".py" and path.parent.name == "ablate":
        program = f"python -m ablate.{path.stem}"
    else:
        program = path.name
    return f"{program} {quoted([at_home(argument) for argument in rest])}".strip()


def at_home(text: str) -> str:
    """Text in which this user's home directory is `~`: what is published names no account."""
    home = os.path.expanduser("~")
    if home in ("~", "/", ""):
        return text
    return re.sub(rf"(?<![\w.-]){re.escape(home)}(?=/|$|[^\w.-])", "~", text)
