"""Mistakes in commands are told before anything starts, all at once."""

import pytest
from commanded_studies import READ, command_study, project

from ablate.commands.shell_checks import exit_code_problems
from ablate.driver.run_study import study_record
from ablate.driver.session import execute
from ablate.errors import InputError
from ablate.launch.base import Options
from ablate.plan.command_lines import first_lines
from ablate.plan.plan import plan_study
from ablate.spec.load import load_saved_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return project(tmp_path_factory.mktemp("checks") / "p", {"conf/a.yaml": "x: 1"}, git=False)


def refused(folder, *args, **changes):
    with pytest.raises(InputError) as caught:
        command_study(folder, *args, **changes)
    return str(caught.value)


GOOD = "{python} train.py --lr {lr} --seed {seed}"


@pytest.mark.parametrize(("command", "told"), [
    ("{python} train.py --lr {rl} --seed {seed}", ["{rl}, which is no key", "nearest: lr"]),
    ("{python} trian.py --lr {lr} --seed {seed}", ["no such file", "nearest: train.py"]),
    ("trainer-of-nobody --lr {lr} --seed {seed}", ["the program is not there"]),
    ("./train.py --lr {lr} --seed {seed}", ["cannot be executed", "chmod +x ./train.py"]),
    ("{python} train.py --lr {lr}", ["all seeds would train the same thing", "{overrides}"]),
    ("{python} train.py --seed {seed}", ["factors.lr: lr does not reach the script"]),
    ("{python} train.py {lr} {seed} {latest}", ["{latest} is known where a run resumes"]),
    ("{python} train.py {lr} {seed} {x", ["a { that is no placeholder's"]),
    ("{python} train.py {lr} {seed} 'x", ["no closing quotation"]),
    (GOOD + " | tee log.txt", ["the operator '|' of a shell", "[bash, -c, '...']"]),
    (GOOD + " --data $DATA", ["'$DATA', which a shell would fill in"]),
    (GOOD + " --data ~/data", ["'~/'"]),
    ("cd src && " + GOOD, ["the operator '&' of a shell"]),
    ("CUDA_VISIBLE_DEVICES=1 " + GOOD, ["sets a variable", "env CUDA_VISIBLE_DEVICES=1"]),
    ("{python} -m x --nproc-per-node={num_gpus} {overrides}", ["{num_gpus} is 0"]),
    (GOOD + " --data conf/*.yaml", ["'conf/*.yaml': is a pattern of files"]),
    ("{python} -m nowhere.train {overrides}", ["'nowhere.train': there is no such module"]),
    ("{python} -m conf.train {overrides}", ["'conf.train': there is no such module"]),
    (GOOD + """ --x '{"a": 1}'""", ["write {{ and }} for braces themselves"]),
    (["bash", "-c", "cd . && python train.py {overrides} 2>&1 | tee log"], ["set -o pipefail;"]),
    (["sh", "-c", "python train.py {overrides}; echo done"], ["set -e;", "pass as success"]),
    (["sh", "-c", "python train.py {overrides}\nrm -f x\n"], ["set -e;", "pass as success"]),
    ("", ["trainable.command: is empty"]),
    ([], ["trainable.command: is empty"]),
    (["bash", "-c", "f() { python train.py {overrides}; }; f"], ["that is no placeholder's"]),
], ids=str)  # fmt: skip
def test_a_command_that_cannot_be(folder, command, told):
    said = refused(folder, command, trainable={"command": command, "read": READ})
    for each in told:
        assert each in said


@pytest.mark.parametrize("script", [
    "for i in 1 2; do python train.py {overrides}; done", "(cd .; python train.py {overrides})",
    "{{ python train.py {overrides}; }}", "python train.py {overrides}; exit $?",
    "python train.py {overrides}; code=$?; rm -f x; exit $code",
    "python train.py {overrides} | tee log; exit ${PIPESTATUS[0]}",
    "set -eo pipefail; python train.py {overrides} | tee log; rm -f x",
])  # fmt: skip
def test_a_shell_that_passes_the_exit_code_on(script):
    assert not [*exit_code_problems("command", ["bash", "-c", script])]


@pytest.mark.parametrize(("more", "told"), [
    ({"checkpoint": "{run_dir}/*.pt", "resume": "--resume"}, ["trainable.resume", "{latest}"]),
    ({"resume": "--resume {latest}"}, ["resume needs checkpoint"]),
    ({"checkpoint": "*.pt"}, ["trainable.checkpoint = '*.pt'", "the same file for all runs"]),
    ({"samples": "samples/*.png"}, ["trainable.samples", "the same file for all runs"]),
    ({"samples": "{run_dir}/{"}, ["trainable.samples", "no placeholder's"]),
    ({"samples": "{rundir}/*.png"}, ["trainable.samples", "nearest: run_dir"]),
    ({"read": {"file": "log.txt"}}, ["trainable.read.file", "--out {run_dir}"]),
    ({"checkpoint": "/ckpt/*.pt"}, ["trainable.checkpoint", "the same for all runs", "{run_dir}"]),
    ({"checkpoint": "${NOWHERE}/{run_name}/*.pt"}, ["NOWHERE is not set in the environment"]),
    ({"checkpoint": "${HOME}/ckpt/*.pt"}, ["trainable.checkpoint", "the same for all runs"]),
    ({"checkpoint": "{run_dir}/"}, ["names no file"]),
    ({"checkpoint": "{rundir}/*.pt"}, ["{rundir}", "nearest: run_dir"]),
    ({"read": {"file": "{run_dir}/a", "acc": "x"}}, ["read.acc: unknown", "file, format, step"]),
    ({"read": {"acc": None, "f1": 3}}, ["trainable.read.acc = None", "trainable.read.f1 = 3"]),
    ({"read": {"acc": "acc=("}}, ["trainable.read.acc", "not a regular expression"]),
    ({"read": {"acc": "acc=[0-9]+"}}, ["has 0 groups"]),
    ({"read": {"acc": "a(c)c=([0-9]+)"}}, ["has 2 groups"]),
    ({"read": {"loss": "loss=(.*)"}}, ["metric = 'acc': is not read", "choices: loss"]),
    ({"read": {"step": "step=(.*)"}}, ["has no pattern for a metric"]),
    ({"style": "click"}, ["trainable.style = 'click'", "choices: argparse, hydra"]),
    ({"comand": "x"}, ["trainable.comand", "nearest: command"]),
    ({"watch": ["conf/*.yml"]}, ["trainable.watch[0]", "matches no file"]),
    ({"watch": ["/etc/**"]}, ["no pattern below"]),
    ({"config_command": "{python} nowhere.py"}, ["trainable.config_command", "no such file"]),
], ids=str)  # fmt: skip
def test_what_belongs_to_a_command_and_cannot_be(folder, more, told):
    said = refused(folder, GOOD, trainable=more)
    for each in told:
        assert each in said


def test_all_mistakes_are_told_at_once_and_one_cause_once(folder):
    said = refused(folder, "{python} train.py --lr {rl}", trainable={"watch": ["x/**"]},
                   base={"depth": 2}, report_metrics=["loss"])  # fmt: skip
    assert "grid.yaml: 4 mistakes" in said
    assert "factors.lr" not in said  # that {rl} is meant to be it is one mistake


def test_a_key_of_base_that_goes_nowhere_is_no_silent_default(folder):
    said = refused(folder, GOOD, base={"depth": 2})
    assert "base.depth = 2: does not reach the script" in said
    assert command_study(folder, GOOD + " {overrides}", base={"depth": 2})


def test_a_placeholder_that_only_some_cells_have(folder):
    said = refused(folder, GOOD + " --depth {depth}", factors={"lr": [0.1, 0.2], "depth": [1, 2]},
                   when={"depth": {"lr": 0.1}})  # fmt: skip
    assert "{depth}, a key that cells lack: lr=0.2" in said


def test_a_file_of_each_run_may_be_named_by_its_config(folder):
    assert command_study(folder, trainable={"read": {"file": "out/{lr}-{seed}.csv"}})


def test_two_commands_cannot_share_a_name(folder):
    blocks = [
        {"name": name, "base": {"depth": 1}, "factors": {"lr": [0.1, 0.2]},
         "trainable": {"command": f"{GOOD} --depth {{depth}}{more}", "name": "t", "read": READ}}
        for name, more in (("a", ""), ("b", " --seed 1"))
    ]  # fmt: skip
    said = refused(folder, None, trainable="flow_matching", factors={}, blocks=blocks)
    assert "blocks[1].trainable.name = 't': another command has this name" in said


@pytest.mark.parametrize("name", ["config", "attempt", "run_dir"])
def test_a_key_with_the_name_of_a_word_of_ours_is_no_silent_other_value(folder, name):
    said = refused(folder, GOOD + f" --x {{{name}}}", base={name: "conf/a.yaml"})
    assert f"has {{{name}}}, which is a word of Ablate's, and not that key of base" in said
    study = command_study(folder, GOOD + " {overrides}", base={name: "conf/a.yaml"})
    assert f"--{name} conf/a.yaml" in " ".join(first_lines(plan_study(study)))


def test_the_seed_is_no_key_of_a_config(folder):
    levels = {"a": {"lr": 0.1, "seed": 1}, "b": {"lr": 0.2, "seed": 2}}
    said = refused(folder, base={"seed": 3}, factors={"kind": levels})
    assert "base.seed = 3: is given to each run by the study's `seeds`" in said
    assert "factors.kind: sets seed" in said


@pytest.mark.parametrize("line", [
    "{python} train.py \\\n  --lr {lr} \\\n  --seed {seed}\n",
    "{python} train.py \\   --lr {lr} \\ --seed {seed}",
], ids=["as written", "folded"])  # fmt: skip
def test_lines_that_go_on_as_in_a_shell(folder, line):
    study = command_study(folder, line)
    assert " ".join(first_lines(plan_study(study))).endswith("train.py --lr 0.1 --seed 0")


def test_a_line_in_the_place_of_a_command(folder):
    said = refused(folder, None, trainable=f"{GOOD} --x 'a b'")
    assert f"trainable: {{command: \"{GOOD} --x 'a b'\"}}" in said


def test_quotes_keep_what_a_shell_would_read(folder):
    assert command_study(folder, GOOD + " --x 'conf/*.yaml' \"conf/*\" conf/\\*.yaml nowhere/*")
    assert command_study(folder, GOOD + " --x 'a|b' \"c;d\" '$HOME' a\\&b {{x}}")
    for script in (
        "cd . && python train.py {overrides}",
        "cd .; export N={seed}; python train.py {overrides};",
        "set -e\npython train.py {overrides}\necho 'a; b | c'\n",
        "set -eo pipefail; python train.py {overrides} | tee 'a;b'",
        "if true; then\n python train.py {overrides}\nfi\n",
        "cat train.py | python - --x 'a|b' {overrides} || exit 3",
    ):
        assert command_study(folder, ["bash", "-c", script])


def test_a_run_that_would_begin_again_is_told(folder):
    told = " ".join(plan_study(command_study(folder)).notes)
    assert "cut off by a crash or a preemption begin again" in told
    assert "not checked" not in told
    more = {"checkpoint": "{run_dir}/*.pt", "resume": "--resume {latest}"}
    study = command_study(folder, GOOD + " --out {run_dir}", trainable=more)
    assert "begin again" not in " ".join(plan_study(study).notes)


def test_a_report_needs_no_script_and_going_on_does(tmp_path, console):
    folder = project(tmp_path / "p", git=False)
    study = command_study(folder)
    assert execute(study, Options(local=True), console).exit_code == 0
    (folder / "train.py").unlink()
    kept = study.directory / "study.yaml"  # of a version that did not mind
    kept.write_text(kept.read_text().replace("base: {}", "base: {seed: 3}"))
    saved = load_saved_study(study.directory)
    assert len(study_record(study.directory).metrics[0].cells) == 2
    with pytest.raises(InputError, match="no such file"):
        execute(saved, Options(local=True), console)
