"""The JSON Schema, and configurations that explain themselves."""

import inspect
import json
import re

import pytest

from popnas import config
from popnas.config import messages, sections
from popnas.config.commented import commented_text
from popnas.config.declarations import NAMES_OF
from popnas.config.run_config import RunConfig
from popnas.workflows.settings import load_config, name_rules


def fields(path=()):
    """Paths of all fields and sections."""
    for name in dict.fromkeys(messages.properties(messages.schema_at(path))):
        yield (*path, name)
        yield from fields((*path, name))


def test_every_field_is_described():
    paths = list(fields())
    assert ("training_hyperparameters", "optimizer", "lookahead", "sync_period") in paths
    assert [path for path in paths if not messages.description_at(path)] == []


def test_every_field_states_its_rule():
    assert [path for path in fields() if "a value" in messages.rule_at(path)] == []


def test_schema_is_json_and_names_its_dialect():
    schema = config.schema()
    assert json.loads(json.dumps(schema, allow_nan=False)) == schema
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["required"] == ["dataset"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    "path",
    [
        ("architecture_hyperparameters", "activation_function"),
        ("search_space", "operators"),
        ("training_hyperparameters", "weight_decay"),
        ("dataset", "inference_batch_size"),
    ],
)
def test_schema_allows_null_where_loading_does(path):
    assert messages.rule_at(path).endswith("or null")
    document = {"dataset": {"type": "image_classification", "name": "digits"}}
    document.setdefault(path[0], {})[path[1]] = None
    load_config(document)


def test_editors_are_offered_the_known_tasks_and_accept_others():
    node = config.schema(name_rules())["$defs"]["DatasetConfig"]["properties"]["type"]
    assert node["anyOf"] == [
        {"enum": ["image_classification", "image_segmentation", "time_series_classification"]},
        {"type": "string"},
    ]


def test_editors_are_offered_every_family_of_names():
    families = set(name_rules().by_family())
    assert families == set(re.findall(r'named_by\("([^"]+)"\)', inspect.getsource(sections)))
    assert NAMES_OF not in json.dumps(config.schema(name_rules()))
    assert NAMES_OF not in json.dumps(config.schema())


@pytest.mark.parametrize("name", config.preset_names())
def test_commented_text_loads_back(name, tmp_path):
    document = load_config(name).to_json()
    path = tmp_path / "my.json"
    path.write_text(
        commented_text(document, header=["Mine."], remarks={"search_space.blocks": "Because."}),
        encoding="utf-8",
    )
    text = path.read_text(encoding="utf-8")
    assert load_config(path) == RunConfig.model_validate(document)
    assert text.startswith("// Mine.\n{\n  // Which cells can be found.\n")
    assert "Because." in text
    assert max(map(len, text.splitlines())) <= 110
