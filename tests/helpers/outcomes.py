"""What a study came to, as far as it must not depend on when, where and how often it ran."""

import torch

from ablate.study_dir import StudyPaths


def histories(ledger):
    return {row["run_name"]: ledger.history(i) for i, row in ledger.rows.items()}


def numbers(ledger):
    """Everything of the rows that must not depend on when, where and how often."""
    names = (
        "status",
        "step",
        "epoch",
        "best_step",
        "val_loss_best",
        "val_loss_final",
        "sliced_w2_best",
    )
    return {r["run_name"]: [r.get(n) for n in names] for r in ledger.rows.values()}


def best_weights(study, name):
    return torch.load(StudyPaths(study.directory).best(name), weights_only=True)["weights"]


def kept_files(study):
    """What runs generated, and the data beside it, by file, to the byte."""
    folder = StudyPaths(study.directory).samples("any").parent
    return {path.name: path.read_bytes() for path in folder.iterdir()}
