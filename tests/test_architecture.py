"""The rules of the design that a machine can hold."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


RULES = {
    "process": set(),
    "images": set(),
    "commands": {"images", "process"},
    "stats": set(),
    "functions": {"process"},
    "trainable": {"commands", "functions", "process"},
    "spec": {"commands", "functions", "trainable", "process"},
    "plan": {"commands", "functions", "spec", "trainable", "process"},
    "ledger": {"commands", "trainable", "process"},
    "samples": {"ledger", "trainable"},
    "tracking": {"ledger", "plan", "spec", "process"},
    "launch": {"commands", "images", "ledger", "plan", "spec", "trainable", "process"},
    "sources": {"ledger", "plan", "spec", "trainable", "tracking"},
    "analysis": {"ledger", "plan", "spec", "trainable", "stats"},
    "report": {"analysis", "images", "samples", "ledger", "plan", "spec", "stats", "process"},
    "notebook": {"analysis", "report", "samples", "ledger", "plan", "spec"},
    "watch": {"analysis", "report", "ledger", "plan", "spec"},
}
"""What each package may import of Ablate, beside the modules at the top, which import none."""
RULES["driver"] = RULES.keys() - {"driver"}
RULES["cli"] = RULES.keys() - {"cli"}
SHIMS = {"run.py", "sample.py", "evaluate.py", "compare.py", "__init__.py"}
"""They are what people import and start, and belong to no room."""


def room_of(name):
    first = name.split(".")[0]
    return first if (ROOT / "ablate" / first).is_dir() else "top"


def of_ablate(path):
    """The rooms that a file imports, within functions and for types alone, too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ablate"):
            base = node.module.partition(".")[2]
            yield from (room_of(base or alias.name) for alias in node.names)


def test_imports_run_downhill():
    for path in (ROOT / "ablate").rglob("*.py"):
        place = path.relative_to(ROOT / "ablate")
        if str(place) in SHIMS or path.name == "__main__.py":
            continue
        room = "top" if len(place.parts) == 1 else place.parts[0]
        allowed = {room, "top"} | RULES.get(room, set())
        if str(place) == "events.py":
            allowed.add("trainable")  # what it says of a run
        assert set(of_ablate(path)) <= allowed, path


def test_no_test_imports_another():
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^ *(from|import) (tests\.|test_)", text, re.M), path


def test_every_test_stands_in_the_folder_of_its_room():
    """At the top of `tests/` stands what is of the top of `ablate/`, or of the house as a whole."""
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders <= {*RULES, "flow"}
    assert len(list((ROOT / "tests").glob("*.py"))) <= 10


def test_the_top_is_small_and_no_package_is_without_a_rule():
    assert len(list((ROOT / "ablate").glob("*.py"))) <= 18
    folders = {path.parent.name for path in (ROOT / "ablate").glob("*/__init__.py")}
    assert folders == set(RULES)
    assert len(folders) >= 8


def test_only_launch_imports_ray_and_nothing_here_imports_torch():
    for path in (ROOT / "ablate").rglob("*.py"):
        names = set(imports_of(path))
        assert "torch" not in names or path.name == "opened.py", path  # samples, as tensors
        if not str(path.relative_to(ROOT / "ablate")).startswith("launch/ray/"):
            assert "ray" not in names, path


def test_flow_matching_training_imports_neither_ray_nor_wandb_and_of_ablate_the_contract_alone():
    for path in (ROOT / "trainables" / "flow").rglob("*.py"):
        assert not {"ray", "wandb"} & set(imports_of(path)), path
        text = path.read_text(encoding="utf-8").replace("from ablate.trainable.contract import", "")
        assert not re.search(r"^\s*(from|import) ablate", text, re.M), path


def test_a_report_loads_neither_ray_nor_torch_nor_wandb(tmp_path):
    from ablate.spec.load import load_study, save_study
    from ablate.study_dir import StudyPaths

    space = ROOT / "search_spaces" / "quickstart.yaml"
    study = load_study(space, [f"storage={tmp_path}"])
    save_study(study, StudyPaths(study.directory))
    code = (
        "import sys; from ablate.cli.main import main; main(['report', sys.argv[1]])\n"
        "assert not {'ray', 'torch', 'wandb'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code, str(study.directory)], check=True, cwd=ROOT)
    assert (study.directory / "report" / "index.html").exists()


def test_planning_loads_neither_ray_nor_torch_nor_wandb():
    code = (
        "import sys; from ablate.cli.run import main\n"
        "main([*sys.argv[1:], '--set', 'seeds=1'])\n"
        "assert 'scipy' not in sys.modules, 'nothing to say of what the design can see'\n"
        "main(sys.argv[1:])\n"
        "assert not {'ray', 'torch', 'wandb'} & set(sys.modules), 'heavy'"
    )
    space = ROOT / "search_spaces" / "quickstart.yaml"
    subprocess.run([sys.executable, "-c", code, str(space), "--plan"], check=True, cwd=ROOT)


def test_the_driver_needs_no_torch_and_training_no_compiler():
    code = (
        "import sys, trainables.flow_matching as face\n"
        "assert 'torch' not in sys.modules, 'heavy'\n"
        "run = {'run_id': 'r', 'run_name': 'r', 'seed': 1, 'config': {'epochs': 1}}\n"
        "trial = face.FlowMatchingTrainable({'runs': [run]})\n"
        "assert trial.train()['done']\n"
        "slow = {'torch._dynamo', 'sympy', 'scipy.optimize', 'pandas.io.formats.style'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_prepared_report_waits_for_no_import(tmp_path):
    """What is got ready while runs train is all that is slow."""
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, 'tests/helpers')\n"
        "from ablate.events import RunReported, RunStarted\n"
        "from ablate.study_dir import StudyPaths\n"
        "from ablate.report.warm_up import Preparation\n"
        "from ablate.report.output import prepare_report, write_report\n"
        "from ablate.report.renderer import Renderer\n"
        "from reports import grid\n"
        "begun = []\n"
        "renderer = Renderer()\n"
        "ready = Preparation(lambda: (begun.append(1), prepare_report(renderer)))\n"
        "ready.on_event(RunStarted('x', 'trial', 1))\n"
        "assert not begun\n"
        "ready.on_event(RunReported('x', [], {}, []))\n"
        "ready.on_event(RunReported('x', [], {}, []))\n"
        "ready._thread.join()\n"
        "assert begun == [1]\n"
        "known = set(sys.modules)\n"
        "folder = Path(sys.argv[1])\n"
        "assert write_report(grid(folder), StudyPaths(folder), renderer) == []\n"
        "renderer.close()\n"
        "late = {name.partition('.')[0] for name in set(sys.modules) - known}\n"
        "assert not late & {'altair', 'jinja2', 'scipy'}, late\n"
        "assert 'vl_convert' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=ROOT)
    assert list(tmp_path.glob("report/figures/*.svg"))


def test_only_the_client_of_the_sink_imports_wandb():
    for path in (ROOT / "ablate").rglob("*.py"):
        if path.parent.name != "sink":
            assert "wandb" not in set(imports_of(path)), path


def test_what_is_shown_goes_through_one_text():
    """A terminal obeys escapes, and Rich takes brackets in plain strings for markup."""
    for path in (ROOT / "ablate").rglob("*.py"):
        if path.name == "screen.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            assert getattr(node, "module", "") != "rich.text", path
            is_print = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "print"
            if is_print and node.args:
                assert not isinstance(node.args[0], ast.Constant | ast.JoinedStr), path


def test_no_verdict_is_told_by_its_text():
    """Whoever asks what a verdict is asks for its kind: its words may then change."""
    from ablate.stats.verdicts import Cause, VerdictKind

    words = {*VerdictKind, *Cause} - {"baseline", "failed"}  # that also mean a cell and a status
    for path in (ROOT / "ablate").rglob("*.py"):
        if path.name == "verdicts.py":
            continue
        texts = {n.value for n in ast.walk(ast.parse(path.read_text("utf-8")))
                 if isinstance(n, ast.Constant) and isinstance(n.value, str)}  # fmt: skip
        assert not words & texts, path


def test_records_of_many_fields_are_built_by_name():
    """Two numbers side by side change places unseen."""
    for path in (ROOT / "ablate").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            made = [ast.unparse(mark) for mark in getattr(node, "decorator_list", [])]
            if isinstance(node, ast.ClassDef) and any("dataclass" in mark for mark in made):
                num_fields = sum(isinstance(part, ast.AnnAssign) for part in node.body)
                assert num_fields <= 6 or any("kw_only" in mark for mark in made), node.name


def test_files_and_functions_stay_readable():
    for path in [*(ROOT / "ablate").rglob("*.py"), *(ROOT / "trainables").rglob("*.py")]:
        text = path.read_text("utf-8")
        assert text.count("\n") <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 50, f"{path}: {node.name}"


def test_rows_of_the_ledger_are_read_as_what_they_are():
    """A status or a column of the ledger's own has one name: a misspelt key is a silent None."""
    from ablate.run_row import COLUMNS

    for path in (ROOT / "ablate").rglob("*.py"):
        if path.name in ("rows.py", "ledger.py"):  # what is on disk may be no whole row
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case (
                    ast.Call(
                        func=ast.Attribute(value=ast.Name(id="row"), attr="get"),
                        args=[ast.Constant(value=name), *_],
                    )
                    | ast.Subscript(value=ast.Name(id="row"), slice=ast.Constant(value=name))
                ):
                    assert name not in COLUMNS, f"{path}:{node.lineno}"
                case _:
                    pass
