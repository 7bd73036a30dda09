"""Small studies for tests."""

from ablate.loading import read_study


def flow_study(storage, **changes):
    """Two flows, two seeds, digits: 4 runs of half a second."""
    raw = {
        "study": "flows",
        "metric": "sliced_w2",
        "base": {"hidden_dim": 64, "num_layers": 2, "epochs": 6},
        "factors": {"flow": ["icfm", "vp"]},
        "seeds": [1, 2],
        "storage": str(storage),
    }
    return read_study({**raw, **changes}, "test")


def toy_study(storage, **changes):
    """A foreign trainable that counts."""
    raw = {
        "study": "toys",
        "trainable": "toy:Counter",
        "metric": "score",
        "mode": "max",
        "base": {"length": 4},
        "factors": {"gain": [1, 2]},
        "seeds": [1, 2],
        "retries": 1,
        "storage": str(storage),
    }
    return read_study({**raw, **changes}, "test")


def by_name(ledger):
    return {row["run_name"]: row for row in ledger.rows.values()}
