"""Wraps any config model of a trainable, so that every hook has an answer."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ablate.dotted import copied
from ablate.text import first_line, message_of
from ablate.trainable.contract import MetricSpec, Mode, TrainableConfig

Config = Any
"""A validated config: an instance of the model, or a plain mapping without one."""

Specs = tuple[tuple[str, MetricSpec], ...]
"""Metrics by name."""


@dataclass(frozen=True)
class ConfigModel:
    """The hooks of a config model: its own, or the defaults of `TrainableConfig`.

    Attributes:
        model: The pydantic model; None if any config is valid.
        of_study: The metrics that a study's `study_keys` add.
    """

    model: type[BaseModel] | None = None
    of_study: Specs = ()

    @classmethod
    def of(cls, config_class: object) -> "ConfigModel":
        """Wraps a class attribute `Config`, which may not be a model at all."""
        return cls(
            config_class
            if isinstance(config_class, type) and issubclass(config_class, BaseModel)
            else None
        )

    def validate(self, config: Mapping[str, Any]) -> Config:
        """The config with its defaults filled in.

        Raises:
            pydantic.ValidationError: If the model refuses it.
        """
        # A copy: custom validators may modify their input.
        return config if self.model is None else self.model.model_validate(copied(config))

    @property
    def fields(self) -> Mapping[str, FieldInfo]:
        """The keys that a config may have; empty if any are valid."""
        return {} if self.model is None else self.model.model_fields

    @property
    def defaults(self) -> dict[str, Any]:
        """What keys are by default, as plain values; without those that have to be given."""
        values: dict[str, Any] = {}
        for name, field in self.fields.items():
            default = field.get_default(call_default_factory=True)
            if default is not PydanticUndefined:
                is_model = isinstance(default, BaseModel)
                values[name] = default.model_dump(mode="json") if is_model else default
        return values

    @property
    def version(self) -> int:
        """See `TrainableConfig`, as for the hooks below."""
        return self._attribute("version")

    @property
    def unhashed(self) -> frozenset[str]:
        """Keys that do not affect results."""
        return self._attribute("unhashed")

    @property
    def paths(self) -> frozenset[str]:
        """Keys that hold file paths."""
        return self._attribute("paths")

    @property
    def metrics(self) -> Mapping[str, MetricSpec]:
        """The metrics that a study can use."""
        return {**self.own_metrics, **dict(self.of_study)}

    @property
    def own_metrics(self) -> Mapping[str, MetricSpec]:
        """Those of them that every study can use."""
        return self.metrics_of({}, {})

    def metrics_of(
        self, base: Mapping[str, Any], asked: Mapping[str, Mode | None]
    ) -> Mapping[str, MetricSpec]:
        """The metrics that a study can use.

        Raises:
            ConfigError: If a value of its `study_keys` cannot be used.
        """
        if self.model is not None and issubclass(self.model, TrainableConfig):
            return self.model.metrics_of(base, asked)
        own: Mapping[str, MetricSpec] = getattr(self.model, "metrics", {})
        return own if self._has("metrics") else {}

    @property
    def study_keys(self) -> frozenset[str]:
        """Keys that all cells of a study have in common."""
        return self._attribute("study_keys")

    @property
    def smoke(self) -> Mapping[str, Any] | None:
        """Keys that make a run as short as possible."""
        return self._attribute("smoke")

    @property
    def selected_by(self) -> str | None:
        """The metric by which a run chooses its best weights."""
        return self._attribute("selected_by")

    @property
    def shares_draws(self) -> bool:
        """Whether runs of one seed share draws."""
        return self._attribute("shares_draws")

    @property
    def fixed_length(self) -> Mapping[str, Any]:
        """Keys that keep `selected_by` from ending a run early."""
        return self._attribute("fixed_length")

    @property
    def length_keys(self) -> tuple[str, ...]:
        """Keys that say how long a run trains."""
        return self._attribute("length_keys")

    @property
    def split_key(self) -> str | None:
        """The key that decides the split."""
        return self._attribute("split_key")

    def metric(self, name: str) -> MetricSpec:
        """A metric's spec; the default one for a metric that is not declared."""
        return self.metrics.get(name, MetricSpec())

    def measured(self, config: Config, metric: str) -> bool:
        """Whether a run of a config ends with a metric, as far as is known."""
        if metric in dict(self.of_study):
            return True
        if not self._has("measured") or self.model is None:
            return not self.metrics or metric in self.metrics
        says_nothing = type(config).measured is TrainableConfig.measured
        return (says_nothing and not self.metrics) or metric in config.measured()

    def comparison(self, config: Config, metric: str) -> Mapping[str, Any]:
        """What must be equal between two runs for a metric to measure the same thing in both."""
        return config.comparison(metric) if self._has("comparison") else {}

    def scope(self, config: Config, metric: str) -> Mapping[str, str]:
        """What a metric is measured of, by part; one without a name where it comes as a text."""
        if not self._has("scope") or self.model is None:
            return {}
        if not issubclass(self.model, TrainableConfig):
            return {}  # a method of that name of somebody's own is no answer to us
        try:
            found: Any = config.scope(metric)
        except Exception as error:  # noqa: BLE001 - a report is not lost to a sentence of it
            return {"scope": f"unknown: {type(error).__name__}: {first_line(message_of(error))}"}
        parts = found if isinstance(found, Mapping) else {"": found} if found else {}
        return {str(name): str(text) for name, text in parts.items()}

    def held_out(self, config: Config, metric: str) -> float | None:
        """Rows that a metric is measured on, for each row trained on; None where unknown."""
        return config.held_out(metric) if self._has("held_out") else None

    def same_training(self, config: Config) -> Mapping[str, Any] | None:
        """The config, with spellings of the same training made equal; None without the hook."""
        return config.same_training() if self._has("same_training") else None

    def pack_key(self, config: Config) -> Hashable | None:
        """Equal for runs that can share a trial; None for runs that cannot."""
        return config.pack_key() if self._has("pack_key") else None

    def planned_steps(self, config: Config) -> int | None:
        """Steps that a run takes if nothing ends it early; None where unknown."""
        return config.planned_steps() if self._has("planned_steps") else None

    def rows_a_step(self, config: Config) -> int:
        """Rows that one run's step computes on."""
        return config.rows_a_step() if self._has("rows_a_step") else 1

    def gains_on_cpu(self, config: Config) -> bool:
        """Whether packs of small runs also pay off on a CPU."""
        return config.gains_on_cpu() if self._has("gains_on_cpu") else True

    def code(self, config: Config) -> Mapping[str, Sequence[str]]:
        """Modules that a run imports, by the key that names them."""
        is_hook = self.model is not None and issubclass(self.model, TrainableConfig)
        return config.code() if is_hook and self._has("code") else {}

    def idle_keys(self, config: Config) -> Collection[str]:
        """Keys that are set and do nothing in a config."""
        return config.idle_keys() if self._has("idle_keys") else ()

    def pack_note(self, config: Config) -> str:
        """What a plan says of packs of such runs."""
        return config.pack_note() if self._has("pack_note") else ""

    def _attribute(self, name: str) -> Any:
        return getattr(self.model if self._has(name) else TrainableConfig, name)

    def _has(self, name: str) -> bool:
        """Whether the model has a hook; a field of that name is a key instead."""
        return name not in self.fields and hasattr(self.model, name)


ANY_CONFIG = ConfigModel()
"""The model of a trainable that does not declare one."""
