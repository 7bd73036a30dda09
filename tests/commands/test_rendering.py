"""What a command's placeholders become: what a script receives is what the study says."""

import glob
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from commanded import SCRIPTS

from ablate.commands.render import CONFIG_FILE, RunContext, render, render_text, write_config
from ablate.commands.spec import Command
from ablate.commands.values import hydra_text

SAYS = f"{sys.executable} {SCRIPTS / 'says.py'}"
ODD = ["a b", "it's", '"', "$HOME", "; rm", "*", "", "é", "a\\", "-x", "--lr=1", "{lr}", "a,b"]


def context(config=None, tmp="/run dir", **more):
    return RunContext(
        config={} if config is None else config, seed=7, run_dir=str(tmp), run_id="0123abcd",
        run_name="lr=0.1-s7", **more,
    )  # fmt: skip


def words(line, config=None, style="argparse", resume=None, **more):
    checkpoint = None if resume is None else "*.pt"
    command = Command(command=line, style=style, resume=resume, checkpoint=checkpoint)
    return render(command, context(config, **more))


def received(line, config=None, **more):
    done = subprocess.run(words(line, config, **more), capture_output=True, check=True)
    return json.loads(done.stdout)["words"]


def test_a_value_is_one_word_whatever_it_holds():
    for value in ODD:
        assert received(f"{SAYS} --name {{name}} x-{{name}}", {"name": value}) == [
            "--name", value, f"x-{value}",
        ]  # fmt: skip


def test_numbers_read_back_as_they_were():
    for number in (0.1, 1e-05, 1 / 3, 5e-324, 1e22, -1e-07, 3, -4, 10**20):
        [_, word] = received(f"{SAYS} --x {{x}}", {"x": number})
        assert type(number)(word) == number


def test_placeholders_of_ablate_and_of_nested_keys():
    line = "{python} t.py {seed} {run_id} {run_name} {run_dir} {num_gpus} {optimizer.lr} {{x}}"
    assert words(line, {"optimizer": {"lr": 0.5}}, num_gpus=0.25) == [
        sys.executable, "t.py", "7", "0123abcd", "lr=0.1-s7", "/run dir", "1", "0.5", "{x}",
    ]  # fmt: skip


def test_all_keys_as_flags_of_argparse():
    config = {
        "lr": -1e-05, "amp": True, "slow": False, "clip": None, "sizes": [1, 2], "name": "-x",
        "net": {"depth": 3},
    }  # fmt: skip
    assert words("t {overrides}", config) == [
        "t", "--lr=-1e-05", "--amp", "--sizes", "1", "2", "--name=-x", "--net.depth", "3",
        "--seed", "7",
    ]  # fmt: skip


def test_what_is_passed_under_its_own_name_is_not_passed_twice():
    config = {"optimizer": {"lr": 0.1}, "depth": 2, "size": 3}
    line = "t --seed {seed} --lr {optimizer.lr} --out x/{depth} -s {size} {overrides}"
    rendered = words(line, config, varied=("optimizer.lr", "depth"))
    # A varied key in a folder's name has not reached the script yet.
    assert rendered[-2:] == ["--depth", "2"]
    assert "--optimizer.lr" not in rendered
    assert "--size" not in rendered


def test_a_shell_that_is_called_gets_quoted_values():
    script = "cd / && printf '%s\\n' {name} {overrides}"
    done = subprocess.run(
        words(["bash", "-c", script], {"name": "a 'b' $HOME; ls"}), capture_output=True, text=True
    )
    assert done.stdout.splitlines()[0] == "a 'b' $HOME; ls"


def test_a_resumed_run_gets_its_checkpoint_and_a_new_one_does_not():
    resume = "--resume {latest} --from {step} --attempt {attempt}"
    assert words("t {seed}", resume=resume) == ["t", "7"]
    assert words("t {seed}", resume=resume, latest="/c d.pt", step=30, attempt=2) == [
        "t", "7", "--resume", "/c d.pt", "--from", "30", "--attempt", "2",
    ]  # fmt: skip


def test_the_whole_config_as_a_file(tmp_path):
    run = context({"net": {"depth": 3}, "clip": None}, tmp_path)
    [_, path] = render(Command(command="t {config}"), run)
    assert path == str(write_config(run)) == str(tmp_path / CONFIG_FILE)
    assert json.loads(Path(path).read_text()) == {"net": {"depth": 3}, "clip": None, "seed": 7}


def test_paths_take_names_of_the_environment_and_leave_them_to_shells(monkeypatch):
    monkeypatch.setenv("SCRATCH", "/tmp/[s]")
    monkeypatch.setenv("HOME", "/home/a")
    path = "${SCRATCH}/{run_name}-${{NAME}}/*.pt"
    assert render_text(path, context({}), glob.escape).startswith("/tmp/[[]s]/")
    assert render_text("~/x/{seed}", context({})).startswith("/home/a/x/")
    script = ["bash", "-c", "python train.py {seed} --data ${SCRATCH}"]
    assert words(script, {})[2].endswith(" --data ${SCRATCH}")


def test_paths_have_their_values_escaped():
    assert render_text("{run_dir}/*.pt", context({}, "/a[1]"), lambda v: v.replace("[", "[[]")) == (
        "/a[[]1]/*.pt"
    )


@pytest.mark.parametrize("value", [
    None, True, 0.1, 1e-05, 1e22, math.inf, -3, "adam", "adam w", "it's", 'a "b"', "a\\", "a\\'b",
    "null", "True", "1", "1e-5", "0x1", "nan", "", "a,b", "[x]", "{a}", "x=1", "a:b", "é", "/a b/c",
    "resnet-50", "1k", "choice(a,b)", "tab\tx", "-x", "~x", [1, 2, "a b", [None]], {}, [],
    {"a": 1, "b c": "x y", "d": {"e": [1]}}, {"a.b": "null"},
], ids=repr)  # fmt: skip
def test_hydra_reads_values_as_they_are(value):
    parser = pytest.importorskip("hydra.core.override_parser.overrides_parser").OverridesParser
    text = hydra_text(value)
    assert " " not in text or " " in str(value)
    assert plain(parser.create().parse_override(f"key={text}").value()) == value


def plain(value):
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else getattr(value, "text", value)


HYDRA_APP = """
import hydra, json
from omegaconf import OmegaConf

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config):
    print(json.dumps(OmegaConf.to_container(config, resolve=True)))

main()
"""
HYDRA_CONFIG = """
defaults: [{optimizer: sgd}, _self_]
seed: 0
name: none
sizes: [1]
out: null
"""


def test_a_hydra_script_gets_overrides_and_a_folder_of_its_own(tmp_path):
    pytest.importorskip("hydra")
    conf = tmp_path / "conf"
    (conf / "optimizer").mkdir(parents=True)
    (tmp_path / "train.py").write_text(HYDRA_APP)
    (conf / "config.yaml").write_text(HYDRA_CONFIG)
    (conf / "optimizer" / "sgd.yaml").write_text("lr: 0.1")
    (conf / "optimizer" / "adam.yaml").write_text("lr: 0.001\nbeta: 0.9")
    line = f"{sys.executable} {tmp_path / 'train.py'} out={{run_dir}}/x {{overrides}}"
    config = {"optimizer": "adam", "optimizer.lr": 1e-05, "name": "it's, x=1", "sizes": [2, 3]}
    run = tmp_path / "run, [1]"
    done = subprocess.run(
        words(line, config, style="hydra", tmp=run), capture_output=True, text=True, cwd=tmp_path
    )
    assert json.loads(done.stdout or done.stderr) == {
        "optimizer": {"lr": 1e-05, "beta": 0.9}, "seed": 7, "name": "it's, x=1", "sizes": [2, 3],
        "out": f"{run}/x",
    }  # fmt: skip
    assert (run / ".hydra" / "overrides.yaml").is_file()
    assert not (tmp_path / "outputs").exists()
