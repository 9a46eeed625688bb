"""The reference pages have everything there is: they are made of the declarations themselves."""

from __future__ import annotations

import importlib
import re
import sys

import pytest

import popnas
from popnas.config import RunConfig, load
from popnas.registry import Registry

from .pages import DOCS


@pytest.fixture(scope="module")
def site():
    """The modules in docs/_site, by name."""
    sys.path.insert(0, str(DOCS / "_site"))
    try:
        yield {
            name: importlib.import_module(name)
            for name in ("fields", "commands", "parts", "field_costs", "licences")
        }
    finally:
        sys.path.remove(str(DOCS / "_site"))


def _leaves(node, prefix=""):
    for key, value in node.items():
        if isinstance(value, dict) and key not in ("constraints", "class_labels_remapping"):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_every_field_has_a_heading_its_default_and_what_it_costs(site):
    text = site["fields"].markdown()
    shown = set(re.findall(r"^### `(.+)`$", text, re.MULTILINE))
    sizes = {"dataset.resize": {"width": 8, "height": 8}}
    config = load(
        {"dataset": {"type": "image_classification", "name": "digits", "resize": sizes["dataset.resize"]}}
    )
    assert set(_leaves(config.to_json())) <= shown | {
        "search_space.operators",
        "search_strategy.score_metric",
    }
    missing = shown - set(site["field_costs"].COSTS)
    assert not missing, f"write in docs/_site/field_costs.py what these cost: {sorted(missing)}"
    assert set(site["field_costs"].COSTS) == shown, "a field of docs/_site/field_costs.py is gone"
    assert text.count("- **default:**") == text.count("- **holds:**") == len(shown)


@pytest.mark.parametrize(
    "said",
    [
        "a whole number, at least 1 and at most 32",
        "- **default:** `128`",
        "published searches use 5",
        '`"auto"`, `"CPU"`',
        "- **default:** none: it must be given",
    ],
)
def test_fields_say_bounds_defaults_and_reasons(site, said):
    assert said in site["fields"].markdown()


def test_every_section_is_there(site):
    text = site["fields"].markdown()
    assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == list(RunConfig.model_fields)


def test_every_command_is_there_with_all_its_options(site):
    text = site["commands"].markdown()
    found = [*site["commands"].commands()]
    assert len(found) >= 35
    for name, command, _ in found:
        part = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert f"Usage: {name}" in part
        shown = [option.opts[-1] for option in command.params if not getattr(option, "hidden", False)]
        assert [option for option in shown if option.startswith("-") and option not in part] == [], name


def test_every_registered_part_is_in_a_table(site):
    text = site["parts"].markdown()
    rooms = {
        "popnas.operators": "REGISTRY",
        "popnas.predictors": "REGISTRY",
        "popnas.objectives": "REGISTRY",
        "popnas.evaluators": "REGISTRY",
        "popnas.executors": "REGISTRY",
        "popnas.trackers": "REGISTRY",
        "popnas.tasks": "REGISTRY",
        "popnas.datasets": "SOURCES",
    }
    for room, attribute in rooms.items():
        registry = getattr(importlib.import_module(room), attribute)
        assert isinstance(registry, Registry)
        assert [name for name in registry.names() if f"`{name}`" not in text] == [], room
    for kind in ("adamW", "SGDW: M momentum", "radam: A alpha", "cdr: P period, T t_mul, M m_mul, A alpha"):
        assert f"- `{kind}`" in text


def test_every_public_name_is_on_the_page_of_the_api():
    page = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^\.\. auto\w+:: popnas\.(\w+)$", page, re.MULTILINE))
    assert shown == set(popnas.__all__) - {"__version__"}


@pytest.mark.parametrize("name", sorted(set(popnas.__all__) - {"__version__"}))
def test_public_names_and_their_public_methods_explain_themselves(name):
    thing = getattr(popnas, name)
    assert (thing.__doc__ or "").strip(), name
    if isinstance(thing, type):
        own = [key for key, value in vars(thing).items() if not key.startswith("_") and callable(value)]
        assert [key for key in own if not (getattr(thing, key).__doc__ or "").strip()] == []


def test_the_licence_of_every_dependency_is_stated(site):
    packages = site["licences"].needed()
    assert {"numpy", "torch", "pydantic", "click"} <= {each.metadata["Name"].lower() for each in packages}
    unknown = [each.metadata["Name"] for each in packages if site["licences"].licence(each) == "not stated"]
    assert unknown == []
