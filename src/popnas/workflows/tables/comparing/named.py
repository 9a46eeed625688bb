"""Configurations that are compared under names of their own: as they are written in files, and over the
configuration of the table's own search.

All searches of a comparison share a ground: the table, its fidelity, metric and cells, and the seeds. A named
one differs in how it searches there, and in nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from popnas import config as configurations
from popnas import files
from popnas.config import RunConfig, jsonc
from popnas.config.after_search import leaves
from popnas.errors import ConfigError, Problem
from popnas.records import Json, part
from popnas.workflows.settings import name_rules
from popnas.workflows.tables.comparing.request import NamedConfig

OF_OTHERS = ("predictors", "pnas_mode", "accuracy_predictor_ensemble_units", "predictions_batch_size")
"""Of the section `others` what says how a search searches."""
_SECTIONS = ("search_space", "search_strategy")
_PLACES = (*_SECTIONS, *(f"others.{name}" for name in OF_OTHERS))


def read_partial(path: Path) -> Json:
    """The sections of a configuration's file; what they say is checked by `merged`.

    Raises:
        ConfigError: no file of a JSON object.
    """
    try:
        content = jsonc.parse(files.read_text(path)).value
    except (OSError, jsonc.JsonError) as error:
        why = files.reason(error) if isinstance(error, OSError) else f"line {error.line}: {error.message}"
        message = f"cannot be read: {why}. Give a JSON file of a configuration."
        raise ConfigError([Problem(str(path), None, message)], "the choice of a configuration") from None
    if not isinstance(content, dict):
        message = "must be an object of sections {...}."
        raise ConfigError([Problem(str(path), None, message)], "the choice of a configuration")
    return content


def merged(base: RunConfig, named: NamedConfig) -> RunConfig:
    """The table's own configuration with what a named one says of the search; the ground stays.

    Raises:
        ConfigError: mistakes in any of its sections, also those that are left out, or another ground.
    """
    configurations.check_form(base, named.partial, sets=named.sets)
    if problems := [*_moved_by(named)]:
        raise ConfigError(problems, f"the search '{named.name}'")
    others = {name: value for name, value in part(named.partial, "others").items() if name in OF_OTHERS}
    partial: Json = {**{name: part(named.partial, name) for name in _SECTIONS}, "others": others}
    found = configurations.merge(base, partial, sets=named.sets, names=name_rules())
    if problems := [*_outside(base, found)]:
        raise ConfigError(problems, f"the search '{named.name}'")
    return found


def left_out(base: RunConfig, named: NamedConfig) -> list[str]:
    """What a named configuration's file says beside the search, where the comparison has it otherwise; a
    sentence at most."""
    own = dict(leaves(base.to_json()))
    places = [
        place
        for place, value in leaves(named.partial)
        if not _is_of_search(place) and place != "$schema" and own.get(place) != value
    ]
    if not places:
        return []
    return [
        f"{', '.join(places)}: left out, as all searches of a comparison share table, fidelity, metric and "
        f"seeds. Taken are {_choices()}."
    ]


def _is_of_search(place: str) -> bool:
    return any(place == known or place.startswith(f"{known}.") for known in _PLACES)


def _choices() -> str:
    return f"{', '.join(_PLACES[:-1])} and {_PLACES[-1]}"


def _moved_by(named: NamedConfig) -> Iterator[Problem]:
    """Changes that are none of how a search searches."""
    for change in named.sets:
        place, _, value = change.partition("=")
        if not _is_of_search(place.strip()):
            message = (
                f"{value} would be another ground than the other searches have, who share table, fidelity, "
                f"metric and seeds. A search under a name of its own may change {_choices()}. Leave it out, "
                "or make a comparison of its own over that ground."
            )
            yield Problem(place.strip(), value, message)


def _outside(base: RunConfig, found: RunConfig) -> Iterator[Problem]:
    """Where a search would see other figures, or find cells that are not compared."""
    metric, own = found.search_strategy.score_metric, base.search_strategy.score_metric
    if metric != own:
        message = f"must be {own}, by which all searches of the comparison are judged, got {metric}."
        yield Problem("search_strategy.score_metric", metric, message)
    blocks, most = found.search_space.blocks, base.search_space.blocks
    if blocks > most:
        message = f"must be at most {most}, as in all searches of the comparison, got {blocks}."
        yield Problem("search_space.blocks", blocks, message)
