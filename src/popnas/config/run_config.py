"""The whole configuration as one immutable value."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from popnas.cells import SearchSpace
from popnas.config.declarations import Section
from popnas.config.plain import plain
from popnas.config.sections import (
    ArchitectureConfig,
    DatasetConfig,
    OthersConfig,
    SearchSpaceConfig,
    SearchStrategyConfig,
    TrainingConfig,
)
from popnas.records import Json


class RunConfig(Section):
    """A run's configuration: only `dataset.type` and `dataset.name` or `dataset.path` are required.

    Built by `popnas.config.load`, which also checks the rules between fields. `to_json()` loads back to an
    equal value.
    """

    search_space: SearchSpaceConfig = Field(default_factory=SearchSpaceConfig)
    search_strategy: SearchStrategyConfig = Field(
        default_factory=SearchStrategyConfig,
        description="How many cells are trained, and what is good.",
    )
    training_hyperparameters: TrainingConfig = Field(default_factory=TrainingConfig)
    architecture_hyperparameters: ArchitectureConfig = Field(default_factory=ArchitectureConfig)
    dataset: DatasetConfig
    others: OthersConfig = Field(
        default_factory=OthersConfig,
        description="Everything about a run that is neither data nor network.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_dependent_defaults(cls, document: Any) -> Any:
        return resolve(document)

    def to_json(self) -> Json:
        """The configuration as JSON values, every field filled in; loads back equal.

        One that was made without the names of `load` leaves out what only its task can fill in.
        """
        content: dict[str, Any] = self.model_dump(mode="json")
        for section, key in (("search_space", "operators"), ("search_strategy", "score_metric")):
            if not content[section][key]:
                del content[section][key]
        return content

    @property
    def wanted_objectives(self) -> tuple[str, ...]:
        """What the search optimises or constrains, the score first."""
        strategy = self.search_strategy
        beside = () if self.others.pnas_mode else strategy.additional_pareto_objectives
        return tuple(dict.fromkeys(("score", *beside, *strategy.constraints)))

    @property
    def space(self) -> SearchSpace:
        """The cells that can be proposed."""
        fields = self.search_space
        return SearchSpace(fields.operators, fields.blocks, fields.lookback_depth)


def resolve(document: Any) -> Any:
    """Fill in the defaults that depend on other fields; what is malformed is left as it is."""
    document = plain(document)
    if not isinstance(document, dict):
        return document
    if _at(document, "others", "pnas_mode") is True:
        _default(document, "search_strategy", "additional_pareto_objectives", [])
        _default(document, "search_strategy", "max_exploration_children", 0)
    optimizer = _at(document, "training_hyperparameters", "optimizer")
    if isinstance(optimizer, dict) and str(optimizer.get("type")).startswith("radam"):
        optimizer.setdefault("scheduler", None)
    dataset = document.get("dataset")
    if isinstance(dataset, dict) and dataset.get("val_test_batch_size") is None:
        dataset["val_test_batch_size"] = dataset.get(
            "batch_size", DatasetConfig.model_fields["batch_size"].default
        )
    return document


def _at(document: dict[str, Any], section: str, key: str) -> Any:
    found = document.get(section)
    return found.get(key) if isinstance(found, dict) else None


def _default(document: dict[str, Any], section: str, key: str, value: Any) -> None:
    fields = document.setdefault(section, {})
    if isinstance(fields, dict):
        fields.setdefault(key, value)
