"""From a file, a preset or a mapping to a RunConfig, with all mistakes at once."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from popnas import files
from popnas.config import jsonc, messages, preset_files, rules
from popnas.config.declarations import NAMES_OF
from popnas.config.names import NameRules
from popnas.config.plain import plain
from popnas.config.run_config import RunConfig
from popnas.errors import ConfigError, Problem, UserError, closest, must_be
from popnas.printable import quoted
from popnas.records import Json, part

Source = str | Path | Json | RunConfig

_MAX_FILE_BYTES = 1 << 20
# Stands in for a malformed text so that the rules can look at the rest; what it causes is not reported.
_PLACEHOLDER = "?"


@dataclass
class _Document:
    """What was read: the value, the words for where it is from, and where each value stands."""

    value: Any
    name: str
    lines: dict[jsonc.Path, int] = field(default_factory=dict)
    set_paths: set[tuple[str, ...]] = field(default_factory=set)

    def with_origin(self, path: messages.Path, problem: Problem) -> Problem:
        """The problem with the line, or the change, that it comes from."""
        if any(path[: len(changed)] == changed for changed in self.set_paths):
            hint = messages.quoting_hint(path, problem.value)
            return Problem(problem.place, problem.value, f"{problem.message}{hint} (from `sets`)")
        line = self.lines.get(path)
        return Problem(problem.place, problem.value, f"{problem.message} (line {line})") if line else problem


def load(source: Source, *, sets: Sequence[str] = (), names: NameRules | None = None) -> RunConfig:
    """Read and check a configuration.

    Args:
        source: path of a JSON file (`//` comments allowed), name of a preset, or a mapping; its values may be
            NumPy's, paths or enumerations, too (`plain`).
        sets: changes "section.key=value"; the value is read as JSON, else as a text.
        names: the registries' names; without them only the form is checked.

    Raises:
        ConfigError: with all mistakes at once.
    """
    document = _read(source, is_whole=True)
    problems = _apply_sets(document, sets)
    return _check(document, problems, names)


def data_path(source: Source, *, sets: Sequence[str] = ()) -> str | None:
    """`dataset.path` as a configuration gives it, whatever else is wrong with that; None if it gives none."""
    try:
        document = _read(source, is_whole=True)
    except ConfigError:
        return None
    _apply_sets(document, sets)
    section = document.value.get("dataset") if isinstance(document.value, dict) else None
    path = section.get("path") if isinstance(section, dict) else None
    return path if isinstance(path, str) and path else None


def document_of(source: Source, *, is_whole: bool = True) -> Json:
    """What a file, a preset or a mapping holds, unchecked, or a partial one. Raises ConfigError: it cannot be
    read, or is no object."""
    document = _read(source, is_whole=is_whole)
    if not isinstance(document.value, dict):
        raise ConfigError([_no_object(document.value)], document.name)
    return document.value


def merge(
    base: RunConfig, partial: Source, *, sets: Sequence[str] = (), names: NameRules | None = None
) -> RunConfig:
    """`base` with the fields that a partial configuration (path, partial preset or mapping) gives.

    Sections are merged field by field; a partial that names an optimizer's `type` replaces the whole
    optimizer, since schedules belong to it. Raises ConfigError with all mistakes of the partial at once.
    """
    document = _read(partial, is_whole=False)
    problems = _apply_sets(document, sets)
    if isinstance(document.value, dict):
        document.value = _merged(base, base.to_json(), document.value)
    return _check(document, problems, names)


def check_form(base: RunConfig, partial: Source, *, sets: Sequence[str] = ()) -> None:
    """Refuse sections and fields of a partial configuration that there are not, and values that no such field
    may have; what is right only together with others is not looked at.

    Raises:
        ConfigError: with all mistakes at once.
    """
    document = _read(partial, is_whole=False)
    problems = _apply_sets(document, sets)
    if not isinstance(document.value, dict):
        raise ConfigError([_no_object(document.value)], document.name)
    document.value = _merged(base, base.to_json(), document.value)
    problems += _validate(document)[1]
    if problems:
        raise ConfigError(problems, document.name)


def changed(config: RunConfig, changes: Json) -> RunConfig:
    """The configuration with fields ("section.key", deeper with more dots) set to other values.

    Raises:
        ConfigError: with all mistakes at once; names of registered parts are not looked up again.
    """
    document = _Document(config.to_json(), "the changed configuration")
    for key, value in changes.items():
        problems = _set(document.value, tuple(key.split(".")), value)
        assert not problems, problems  # our own code names the fields
    return _check(document, [], None)


def schema(names: NameRules | None = None) -> Json:
    """The JSON Schema of a configuration, for editors: they complete the registries' `names`, and accept
    others.
    """
    found = _with_names(messages.whole_schema(), names.by_family() if names else {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "popnas configuration",
        **{key: value for key, value in found.items() if key != "title"},
    }


def _with_names(node: Any, families: Mapping[str, Sequence[str]]) -> Any:
    if isinstance(node, list):
        return [_with_names(item, families) for item in node]
    if not isinstance(node, dict):
        return node
    rest = {key: _with_names(value, families) for key, value in node.items() if key != NAMES_OF}
    known = families.get(node.get(NAMES_OF, ""))
    return rest | {"anyOf": [{"enum": list(known)}, {"type": "string"}]} if known else rest


def _read(source: Source, *, is_whole: bool) -> _Document:
    if not isinstance(source, str | PathLike):
        return _without_schema_key(_Document(_given_document(source), "the configuration"))
    text, name = _text_of(source, is_whole=is_whole)
    try:
        parsed = jsonc.parse(text)
    except jsonc.JsonError as error:
        where = f"line {error.line}, column {error.column}"
        raise ConfigError([Problem(where, None, f"{error.message}.")], name) from None
    return _without_schema_key(_Document(parsed.value, name, parsed.lines))


def _given_document(source: Any) -> dict[str, Any]:
    document = plain(source.to_json() if isinstance(source, RunConfig) else source)
    if not isinstance(document, dict):
        what = f"is given as a mapping, a file's path or a preset's name, got {messages.show(document)}."
        raise ConfigError([Problem("", source, f"a configuration {what}")], "the choice of a configuration")
    return document


def _without_schema_key(document: _Document) -> _Document:
    """`$schema` tells an editor which schema a file follows; it says nothing about the run."""
    if isinstance(document.value, dict):
        document.value.pop("$schema", None)
    return document


def _text_of(source: str | PathLike[str], *, is_whole: bool) -> tuple[str, str]:
    presets = preset_files.preset_names() if is_whole else preset_files.partial_preset_names()
    name = str(source)
    if isinstance(source, str) and source in presets:
        return preset_files.preset_text(source) or "", f"the preset '{source}'"
    path = files.user_path(name)
    try:
        return files.read_text(path, limit=_MAX_FILE_BYTES, may_be_stream=True), quoted(name)
    except OSError as error:
        is_missing = files.trouble(path) == "it does not exist"
        problem = f"cannot be read: {files.reason(error)}. Give a JSON file or a preset's name."
    if is_missing:
        problem = _nothing_there(name, presets, is_whole=is_whole)
    raise ConfigError(
        [Problem(quoted(messages.shorten(name, 200)), name, problem)], "the choice of a configuration"
    )


def _nothing_there(name: str, presets: list[str], *, is_whole: bool) -> str:
    if is_whole and name in preset_files.partial_preset_names():
        return (
            "is a partial configuration, for model selection or final training; a search needs a whole one."
        )
    complaint = files.not_here(name)
    if complaint is not None:
        return f"{complaint}."
    stem = Path(name).name.removesuffix(".json")
    preset = stem if stem in presets else closest(stem, presets)
    found = [files.near(files.user_path(name)), None if preset is None else f"the preset '{preset}'"]
    meant = [f"'{found[0]}'" if found[0] else None, found[1]]
    hint = " or ".join(choice for choice in meant if choice)
    hint = f" Did you mean {hint}?" if hint else ""
    return f"is neither a file nor a preset.{hint} The presets are: {', '.join(presets)}."


def _apply_sets(document: _Document, sets: Sequence[str]) -> list[Problem]:
    if isinstance(sets, str) or not isinstance(sets, Sequence):
        raise UserError(
            f"`sets` must be a list of texts 'section.key=value', got {messages.show(plain(sets))}."
        )
    problems = []
    for change in sets:
        must_be(change, str, "each of `sets`", may_be_none=False)
        key, equals, text = change.partition("=")
        path = tuple(key.strip().split("."))
        if not equals or not all(path):
            message = f"must be written section.key=value, got '{messages.shorten(change)}'."
            problems.append(Problem("`sets`", change, message))
            continue
        document.set_paths.add(path)
        problems.extend(_set(document.value, path, _given(path, text)))
    return problems


def _given(path: tuple[str, ...], text: str) -> Any:
    """What a change says: JSON, else a text; a field that holds a text takes whatever else as it stands."""
    try:
        value = jsonc.parse(text).value
    except jsonc.JsonError:
        return text
    return value if isinstance(value, str | None) or not messages.is_text(path) else text


def _set(document: Any, path: tuple[str, ...], value: Any) -> list[Problem]:
    node = document
    for depth, key in enumerate(path[:-1]):
        if not isinstance(node, dict):
            return []  # the document itself is malformed, which is reported
        outer = path[: depth + 1]
        if not messages.exists(outer):
            unknown = messages.unknown_key(outer)
            return [Problem(unknown.place, unknown.value, f"{unknown.message} (from `sets`)")]
        if not messages.is_section(outer):
            return [Problem(messages.place(path), value, f"'{key}' has no keys of its own. (from `sets`)")]
        if node.get(key) is None:
            node[key] = {}
        node = node[key]
    if isinstance(node, dict):
        node[path[-1]] = value
    return []


def _merged(base: BaseModel, whole: Json, partial: Json) -> Json:
    merged = dict(whole)
    for key, value in partial.items():
        current = getattr(base, key, None)
        is_replaced = key == "optimizer" and isinstance(value, dict) and "type" in value
        if isinstance(current, BaseModel) and isinstance(value, dict) and not is_replaced:
            merged[key] = _merged(current, part(whole, key), value)
        else:
            merged[key] = value
    return merged


def _check(document: _Document, problems: list[Problem], names: NameRules | None) -> RunConfig:
    if not isinstance(document.value, dict):
        raise ConfigError([_no_object(document.value)], document.name)
    _fill_named_defaults(document.value, names)
    config, form_problems = _validate(document)
    malformed = [problem.place for problem in form_problems]
    problems = problems + form_problems
    if config is not None:
        for problem in rules.mistakes(config, names, malformed):
            problems.append(document.with_origin(_path_of(problem.place), problem))
    if problems or config is None:
        raise ConfigError(problems, document.name)
    return config


def _no_object(value: Any) -> Problem:
    return Problem("", value, f"must be an object of sections {{...}}, got {messages.show(value)}.")


def _fill_named_defaults(document: dict[str, Any], names: NameRules | None) -> None:
    """A registered task brings its own default operators and score metric, a registered evaluator its own
    executor."""
    if names is None:
        return
    named = [_at(document, "dataset", "type"), _at(document, "others", "evaluator")]
    task, evaluator = (name if isinstance(name, str) else "" for name in named)
    if (facts := names.task(task)) is not None:
        _fill(document, "search_space", "operators", list(facts.default_operators))
        _fill(document, "search_strategy", "score_metric", facts.score_metrics[0])
    if evaluator in names.evaluators:
        _fill(document, "others", "executor", {})
        _fill(document["others"], "executor", "kind", names.evaluators[evaluator].executor)


def _at(document: Any, section: str, key: str) -> Any:
    fields = document.get(section)
    return fields.get(key) if isinstance(fields, dict) else None


def _fill(document: Any, section: str, key: str, value: Any) -> None:
    """Give a field its default where it is absent or null; what is malformed is reported elsewhere."""
    fields = document.setdefault(section, {})
    if isinstance(fields, dict) and fields.get(key) is None and value is not None and value != []:
        fields[key] = value


def _validate(document: _Document) -> tuple[RunConfig | None, list[Problem]]:
    """The configuration and its mistakes of form; if any, a stand-in without the malformed fields."""
    try:
        return RunConfig.model_validate(document.value), []
    except ValidationError as error:
        found = messages.problems_of(error, document.value)
    problems = [document.with_origin(path, problem) for path, problem in found]
    stand_in = copy.deepcopy(document.value)
    for _ in range(3):
        for path, _problem in found:
            _leave_out(stand_in, path)
        try:
            return RunConfig.model_validate(stand_in), problems
        except ValidationError as error:
            found = messages.problems_of(error, stand_in)
    return None, problems


def _leave_out(document: dict[str, Any], path: messages.Path) -> None:
    """Remove the value at `path`, or put something valid there, so that the rest can be looked at."""
    if path in (("dataset",), ("dataset", "type")):
        document["dataset"] = {"name": _PLACEHOLDER} if len(path) == 1 else document["dataset"]
        document["dataset"]["type"] = _PLACEHOLDER
        return
    parents: list[Any] = [document]
    for step in path[:-1]:
        node = parents[-1]
        is_there = (
            step in node if isinstance(node, dict) else isinstance(node, list) and step in range(len(node))
        )
        if not is_there:
            break
        parents.append(node[step])
    node, last = parents[-1], path[len(parents) - 1]
    if len(parents) < len(path):
        return  # it went with a value around it
    if isinstance(node, list) and isinstance(last, int) and messages.schema_at(path).kind == "string":
        node[last] = _PLACEHOLDER
    elif isinstance(node, dict) and last in node:
        node.pop(last)
    elif len(parents) > 1:  # a required key that is missing, or a number in a pair: the whole value goes
        parents[-2].pop(path[-2])


def _path_of(place: str) -> messages.Path:
    """The path of a place that a rule reports; rules use plain keys and one index at most."""
    steps: list[str | int] = []
    for step in place.split("."):
        key, bracket, index = step.partition("[")
        steps.append(key)
        if bracket and index[:-1].isdigit():
            steps.append(int(index[:-1]))
    return tuple(steps)


def to_text(document: Json) -> str:
    """A configuration's JSON as files hold it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
