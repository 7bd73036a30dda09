"""Records what MLflow would be told: the part of its client that CONTRIBUTING's tracker uses.

Runs are kept in the process. What is wrong to MLflow is wrong here, too: more than 1000 numbers at
once, a parameter that changes, tags that are no text.
"""

import itertools
import sys
from collections import namedtuple
from types import ModuleType, SimpleNamespace

Metric = namedtuple("Metric", "key value timestamp step")
Param = namedtuple("Param", "key value")
RunTag = namedtuple("RunTag", "key value")


def install(patch):
    """Puts the stand-in where `import mlflow` finds it."""
    store = SimpleNamespace(experiments={}, runs={}, ids=itertools.count(1))
    mlflow, entities = ModuleType("mlflow"), ModuleType("mlflow.entities")
    mlflow.MlflowClient = lambda: Client(store)
    vars(entities).update(Metric=Metric, Param=Param, RunTag=RunTag)
    patch.setitem(sys.modules, "mlflow", mlflow)
    patch.setitem(sys.modules, "mlflow.entities", entities)


class Client:
    def __init__(self, store):
        self.store = store

    def get_experiment_by_name(self, name):
        return self.store.experiments.get(name)

    def create_experiment(self, name):
        experiment = SimpleNamespace(experiment_id=str(next(self.store.ids)), name=name, tags={})
        self.store.experiments[name] = experiment
        return experiment.experiment_id

    def set_experiment_tag(self, experiment_id, key, value):
        [found] = [e for e in self.store.experiments.values() if e.experiment_id == experiment_id]
        found.tags[key] = value

    def search_runs(self, experiment_ids, filter_string=""):
        name, _, value = filter_string.removeprefix("tags.").partition(" = ")
        return [
            run for run in self.store.runs.values()
            if run.info.experiment_id in experiment_ids
            if not filter_string or run.data.tags.get(name) == value.strip("'")
        ]  # fmt: skip

    def create_run(self, experiment_id, tags, run_name):
        info = SimpleNamespace(
            run_id=str(next(self.store.ids)), experiment_id=experiment_id, run_name=run_name,
            status="RUNNING",
        )  # fmt: skip
        data = SimpleNamespace(tags=dict(tags), params={})
        self.store.runs[info.run_id] = SimpleNamespace(info=info, data=data, history=[])
        return self.store.runs[info.run_id]

    def log_batch(self, run_id, metrics, params, tags):
        run = self.store.runs[run_id]
        assert len(metrics) <= 1000
        assert all(isinstance(text, str) for pair in [*params, *tags] for text in pair)
        run.history += metrics
        for key, value in params:
            assert run.data.params.setdefault(key, value) == value
        run.data.tags.update(tags)

    def set_terminated(self, run_id, status):
        assert status in ("FINISHED", "FAILED")
        self.store.runs[run_id].info.status = status

    def get_metric_history(self, run_id, key):
        return [metric for metric in self.store.runs[run_id].history if metric.key == key]
