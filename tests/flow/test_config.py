import pytest

from ablate.driver.data_check import check_data
from ablate.driver.session import plan_notes
from ablate.errors import InputError
from ablate.plan.plan import plan_study
from ablate.spec.load import read_study
from trainables.flow.config.data import DataConfig
from trainables.flow.config.metrics import METRICS
from trainables.flow.config.run import FlowConfig
from trainables.flow.config.shapes import num_parameters

RAW = {"study": "s", "metric": "sliced_w2", "seeds": [1]}


def mistakes(**raw):
    with pytest.raises(InputError) as error:
        read_study({**RAW, **raw}, "x")
    return str(error.value)


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ({"flow": "otcmf"}, "choices: icfm, otcfm, target, vp, si, reflow, module:name of your own "
         "(nearest: otcfm)"),
        ({"arch": "transformer"}, "choices: mlp, dit, unet"),
        ({"aug": "mixup+blur"}, "base.aug = 'mixup+blur': no augmentation 'blur': write none,"
         " one of mixup, noise, dropout, or a sum of them such as mixup+noise"),
        ({"aug": "noise+noise"}, "names an augmentation twice"),
        ({"flow": "reflow", "aug": "mixup"}, "flow reflow trains on fixed pairs of noise and what "
         "its teacher makes of it, which mixup would break up: set aug: none"),
        ({"flow": "si", "sigma": 0.1}, "flow si takes no sigma: set sigma: 0, its noise is gamma"),
        ({"flow": "reflow", "epochs": 1}, "flow reflow needs at least 2 epochs or steps"),
        ({"dtype": "bfloat16", "batch_size": 1}, "dtype bfloat16 needs a batch_size of at least 2"),
        ({"epochs": 3, "steps": 4}, "give epochs or steps, exactly one of the two"),
        ({"epochs": None}, "give epochs or steps, exactly one of the two"),
        ({"data": {"source": "moons", "dim": 3}}, "data.dim is for source gaussians"),
        ({"data": {"rows": 100}}, "data.rows is for sources that are drawn (moons, checkerboard, "
         "gaussians): for others, data.size says how many training rows to take; for source digits "
         "drop rows, set to null (--set base.data.rows=null), or replace the whole mapping "
         "(--set 'base.data={source: digits}')"),
        ({"data": {"source": "moons", "path": "x"}}, "data.path is for sources that are read"),
        ({"data": {"source": "npy"}}, "source npy needs a path: set data.path"),
        ({"data": {"size": "2k"}}, "base.data.size = '2k': "),
        ({"keep_samples": -1}, "base.keep_samples = -1: "),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused(base, told):
    assert told in mistakes(base=base)


def test_how_many_samples_are_kept_is_the_study_s():
    assert "keep_samples is the same in all cells" in mistakes(factors={"keep_samples": [0, 9]})


def test_what_another_source_left_behind_is_told_at_once():
    """As by `--set base.data.source=parquet` on a study of drawn rows."""
    text = mistakes(base={"data": {"source": "parquet", "rows": 1000, "dim": 8}})
    for told in (
        "source parquet needs a path: set data.path", "data.rows is for sources that are drawn",
        "data.dim is for source gaussians",
        "for source parquet drop rows and dim, set to null (--set base.data.rows=null "
        "--set base.data.dim=null), or replace the whole mapping "
        "(--set 'base.data={source: parquet, path: ...}')",
    ):  # fmt: skip
        assert told in text
    nulls = {"source": "parquet", "path": "x", "rows": None, "dim": None}
    assert DataConfig(**nulls) == DataConfig(source="parquet", path="x")


def test_a_refusal_names_the_cell_that_it_is_about():
    text = mistakes(factors={"flow": ["icfm", "reflow"], "aug": ["none", "mixup"]})
    assert "factors.flow[1] and factors.aug[1]: flow reflow trains on fixed pairs" in text
    assert text.endswith("(in 1 of 4 cells: flow=reflow, aug=mixup)")
    fine = {"factors": {"flow": ["icfm", "reflow"], "aug": ["none", "mixup"]},
            "exclude": [{"flow": "reflow", "aug": "mixup"}]}  # fmt: skip
    assert len(plan_study(read_study({**RAW, **fine}, "x")).runs) == 3


def test_steps_replace_epochs():
    config = FlowConfig(steps=100)
    assert (config.epochs, config.steps) == (None, 100)
    assert FlowConfig.model_validate(config.model_dump()) == config


def test_sizes_are_numbers_under_short_names():
    assert DataConfig(size="1k") == DataConfig(size=1000)
    assert DataConfig(size="10k").size == 10_000
    assert "two cells are the same" in mistakes(factors={"data.size": ["1k", 1000]})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"flow": "target"}, {"flow": "icfm"}),
        ({"flow": "si", "interpolant": "linear"}, {"flow": "icfm"}),
        ({"flow": "si"}, {"flow": "vp"}),
        ({"aug": "mixup", "batch_size": 1}, {"aug": "none", "batch_size": 1}),
        ({"data": {"source": "moons", "rows": 5000}}, {"data": {"source": "moons"}}),
        ({"data": {"column": "x"}}, {}),
        ({"scale": "base"}, {"hidden_dim": 320, "num_layers": 4}),
        ({"gamma": 0.5}, {"gamma": 0.0}),
        ({"aug": "noise", "noise_std": 0.0}, {"aug": "none"}),
        ({"mixup_alpha": 1.0}, {"mixup_alpha": 0.2}),
        ({"patience": 400}, {"patience": None}),
        ({"flow": "reflow", "patience": 150}, {"flow": "reflow", "patience": None}),
        ({"flow": "reflow", "epochs": 5, "patience": 3}, {"flow": "reflow", "epochs": 5}),
        (
            {"epochs": 300, "ema_decay": 0.9999, "data": {"size": 100}},
            {"epochs": 300, "ema_decay": 0.9995, "data": {"size": 100}},
        ),
        ({"schedule": "constant", "final_lr": 0.1}, {"schedule": "constant"}),
    ],
)
def test_one_training_under_two_names(one, other):
    assert FlowConfig(**one).same_training() == FlowConfig(**other).same_training()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"flow": "target", "sigma": 0.1}, {"flow": "icfm", "sigma": 0.1}),
        ({"flow": "si", "gamma": 0.1}, {"flow": "vp"}),
        ({"flow": "otcfm"}, {"flow": "icfm"}),
        ({"aug": "noise"}, {"aug": "none"}),
        ({"flow": "otcfm", "batch_size": 1}, {"flow": "icfm", "batch_size": 1}),
        ({"patience": 299}, {"patience": None}),
        ({"flow": "reflow", "patience": 149}, {"flow": "reflow", "patience": None}),
    ],
)
def test_trainings_that_differ(one, other):
    assert FlowConfig(**one).same_training() != FlowConfig(**other).same_training()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"ema_decay": 0.9999}, {"ema_decay": 0.9998}, True),
        ({"ema_decay": 0.99}, {"ema_decay": 0.9998}, False),
        ({"epochs": 10}, {"steps": 100}, True),
        ({"epochs": 10}, {"steps": 101}, False),
        ({"data": {"size": "all"}}, {"data": {"size": 1280}}, True),
        ({"warmup": 0.05, "epochs": 10}, {"warmup": 5.0, "epochs": 10}, True),
        ({"steps": 100, "patience": 10}, {"steps": 100, "patience": None}, True),
        ({"steps": 100, "patience": 9}, {"steps": 100, "patience": None}, False),
        (
            {"flow": "reflow", "epochs": 11, "patience": 6},
            {"flow": "reflow", "epochs": 11, "patience": None},
            True,
        ),
        (
            {"flow": "reflow", "epochs": 11, "patience": 5},
            {"flow": "reflow", "epochs": 11, "patience": None},
            False,
        ),
        ({"flow": "reflow", "ema_decay": 0.9999}, {"flow": "reflow", "ema_decay": 0.9995}, True),
        ({"flow": "reflow", "epochs": 4}, {"flow": "reflow", "steps": 40}, True),
        # 10 steps of the teacher and 20 of the student, and 15 of each
        (
            {"flow": "reflow", "epochs": 3, "patience": None, "warmup": 2.0, "ema_decay": 0.5},
            {"flow": "reflow", "steps": 30, "patience": None, "warmup": 2.0, "ema_decay": 0.5},
            False,
        ),
    ],
)
def test_with_the_rows_known_more_is_noticed(one, other, same):
    """1,280 training rows, batches of 128: 10 steps an epoch."""
    folded = [FlowConfig(**config).same_training(1280) for config in (one, other)]
    assert (folded[0] == folded[1]) is same


def test_what_the_data_tell_of_twins_is_noted():
    plan = plan_study(read_study({**RAW, "factors": {"ema_decay": [0.9999, 0.9998]}}, "x"))
    assert plan.notes == []
    told = "ema_decay=0.9999 and ema_decay=0.9998 train the same thing under two names"
    assert plan_notes(plan, check_data(plan, plan.runs)) == [told]


def test_the_plan_names_what_is_trained_twice():
    levels = {"a": {"flow": "si"}, "b": {"flow": "vp"}, "c": {"flow": "icfm"}}
    plan = plan_study(read_study({**RAW, "factors": {"path": levels}}, "x"))
    assert plan.notes[1:] == ["path=a and path=b train the same thing under two names"]


@pytest.mark.parametrize(
    ("factors", "differ"),
    [
        ({"flow": ["icfm", "otcfm"]}, "flow"),
        ({"flow": ["icfm", "si", "reflow"]}, "flow"),
        ({"sigma": [0, 0.1]}, "sigma"),
        ({"p": {"a": {"flow": "si", "gamma": 0.1}, "b": {"flow": "si", "gamma": 0.2}}}, "gamma"),
        ({"f": {"a": {"flow": "reflow"}, "b": {"flow": "reflow", "lr": 0.01}}}, "lr"),
    ],
)
def test_losses_are_not_ranked_across_paths(factors, differ):
    text = mistakes(metric="val_loss", factors=factors)
    assert f"measures different things in cells that differ in {differ}\n" in text
    assert "choices: sliced_w2, energy_distance, mmd, straightness\n" in text
    raw = {**RAW, "metric": "val_loss", "factors": factors}
    assert read_study({**raw, "allow_incomparable": True}, "x")
    assert read_study({**raw, "metric": "mmd"}, "x")


@pytest.mark.parametrize("metric", ["energy_distance", "straightness", "val_loss"])
@pytest.mark.parametrize(
    ("source", "factors", "differ"),
    [
        ("digits", {"data.source": ["digits", "moons"]}, "data.source"),
        ("moons", {"data.rows": [300, 5000]}, "data.rows"),
        ("gaussians", {"data.dim": [2, 4]}, "data.dim"),
        ("digits", {"data.split_seed": [0, 1]}, "data.split_seed"),
    ],
)
def test_nothing_is_ranked_across_held_out_rows(metric, source, factors, differ):
    raw = {**RAW, "metric": metric, "base": {"data": {"source": source}}, "factors": factors}
    text = mistakes(**raw)
    assert f"measures different things in cells that differ in {differ}\n" in text
    assert "fix: put each in a block with its own baseline, or write allow_inc" in text
    assert read_study({**raw, "allow_incomparable": True}, "x")
    [name], [levels] = factors, factors.values()
    keys = [{"source": source, name.removeprefix("data."): level} for level in levels]
    own = [{"base": {"data": data}, "factors": {"lr": [0.1, 0.01]}} for data in keys]
    assert read_study({**raw, "factors": {}, "blocks": own}, "x")


def test_sizes_of_one_training_part_are_ranked():
    sizes = {**RAW, "metric": "mmd", "factors": {"data.size": [100, "all"]}}
    assert read_study({**sizes, "base": {"data": {"source": "moons", "rows": 5000}}}, "x")


def test_losses_are_ranked_within_one_path():
    factors = {"lr": [0.1, 0.01], "aug": ["none", "mixup"], "data.size": [100, "all"]}
    assert read_study({**RAW, "metric": "val_loss", "factors": factors}, "x")
    same_path = {"p": {"a": {"flow": "si", "scale": "tiny"}, "b": {"flow": "vp"}}}
    assert read_study({**RAW, "metric": "val_loss", "factors": same_path}, "x")
    otcfm = {"metric": "train_loss", "base": {"flow": "otcfm"}, "factors": {"batch_size": [8, 9]}}
    assert "differ in batch_size" in mistakes(**otcfm)
    assert "differ in aug" in mistakes(metric="train_loss", factors={"aug": ["none", "mixup"]})


def test_nll_is_a_metric_where_it_is_asked_for():
    factors = {"flow": ["icfm", "vp"]}
    text = mistakes(metric="nll", factors=factors)
    assert "metric = 'nll': is not measured in cell flow=icfm" in text
    assert "fix: set base.nll: true" in text
    assert read_study({**RAW, "metric": "nll", "base": {"nll": True}, "factors": factors}, "x")
    ratios = mistakes(metric="nll", base={"nll": True}, factors=factors, log_scale=True)
    assert "log_scale = True: ratios of nll are meaningless: its zero depends on the da" in ratios
    levels = {"asked": {"nll": True}, "not": {"nll": False}}
    assert "two cells are the same" in mistakes(factors={"likelihood": levels})


def test_what_ranks_nothing_is_said():
    assert {name for name, row in METRICS.items() if not row.ranks} == {"train_distance"}


@pytest.mark.parametrize(
    ("arch", "millions"), [("mlp", 1.052224), ("dit", 9.0944), ("unet", 6.901312)]
)
def test_parameter_counts_at_the_width_of_embeddings(arch, millions):
    assert num_parameters(FlowConfig(arch=arch), 1024) == round(millions * 1e6)


def test_parameter_counts_by_hand():
    """In, time, one more layer, out and skip; padding of data widths counts for nothing."""
    config = FlowConfig(hidden_dim=64, num_layers=2)
    assert num_parameters(config, 3) == (4 * 64) + (65 * 64) + (65 * 64) + (65 * 3) + (65 * 3)
