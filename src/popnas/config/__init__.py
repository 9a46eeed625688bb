"""The JSON configuration as typed settings, and the presets.

`load` reads a file, a preset or a mapping and reports all mistakes at once; `merge` lays a partial
configuration over a run's own. A field is declared once, in `sections.py`, with its default, bounds and
description: schema, messages and documentation follow from that. Rules between fields are functions in
`rules.py` (mistakes) and `no_effect.py` (warnings): add one there. `after_search.py` lists what the stages
after the search do not look at, `leftovers.py` the keys of older versions, which `older/` rewrites.

Nothing here may import torch or any room above `pareto`: names of operators, tasks and executors are handed
in as `NameRules`.
"""

from popnas.config import after_search
from popnas.config import no_effect as _no_effect  # its rules register themselves  # noqa: F401
from popnas.config.declarations import bounds
from popnas.config.loading import (
    Source,
    changed,
    check_form,
    data_path,
    document_of,
    load,
    merge,
    schema,
    to_text,
)
from popnas.config.names import EvaluatorFacts, NameRules, TaskFacts
from popnas.config.older.migrating import Migration, migrated
from popnas.config.optimizers import OptimizerSpec, SchedulerSpec, parse_optimizer, parse_scheduler
from popnas.config.plain import plain
from popnas.config.preset_files import partial_preset_names, preset_description, preset_names, preset_text
from popnas.config.rules import warnings
from popnas.config.run_config import RunConfig
from popnas.config.sections import (
    ArchitectureConfig,
    DataAugmentationConfig,
    DatasetConfig,
    ExecutorConfig,
    LookaheadConfig,
    OptimizerConfig,
    OthersConfig,
    ResizeConfig,
    SearchSpaceConfig,
    SearchStrategyConfig,
    TrainingConfig,
)

__all__ = [
    "ArchitectureConfig",
    "DataAugmentationConfig",
    "DatasetConfig",
    "EvaluatorFacts",
    "ExecutorConfig",
    "LookaheadConfig",
    "Migration",
    "NameRules",
    "OptimizerConfig",
    "OptimizerSpec",
    "OthersConfig",
    "ResizeConfig",
    "RunConfig",
    "SchedulerSpec",
    "SearchSpaceConfig",
    "SearchStrategyConfig",
    "Source",
    "TaskFacts",
    "TrainingConfig",
    "after_search",
    "bounds",
    "changed",
    "check_form",
    "data_path",
    "document_of",
    "load",
    "merge",
    "migrated",
    "parse_optimizer",
    "parse_scheduler",
    "partial_preset_names",
    "plain",
    "preset_description",
    "preset_names",
    "preset_text",
    "schema",
    "to_text",
    "warnings",
]
