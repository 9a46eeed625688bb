"""Mistakes on the command line in our words: click's own speak of its types and name no remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from popnas import files
from popnas.command_lines import as_typed
from popnas.errors import closest, nearest

_ARGUMENT = re.compile(r"`([a-z_]+)`")
_NO_NUMBER = re.compile(r"('.*') is not a valid (?:integer|float)(?: range)?\.", re.DOTALL)
_EXTRA = re.compile(r"Got unexpected extra arguments? \((.*)\)", re.DOTALL)
_NO_COMMAND = re.compile(r"No such command '(.*?)'\.", re.DOTALL)
_OUT_OF_RANGE = re.compile(r"(\S+) is not in the range .*\.", re.DOTALL)


def reword(error: click.ClickException, arguments: Sequence[str]) -> click.ClickException:
    """The same mistake of these arguments, with the rule for a number, the purpose of an option that is
    missing, and the options and commands that there are."""
    if isinstance(error, click.MissingParameter) and isinstance(error.param, click.Option):
        return click.UsageError(_missing(error.param, _context(error), arguments), error.ctx)
    if isinstance(error, click.NoSuchOption):
        return _no_such_option(error)
    if isinstance(error, click.UsageError) and (found := _NO_COMMAND.match(error.message)):
        return click.UsageError(_no_such_command(found[1], _context(error)), error.ctx)
    if isinstance(error, click.UsageError) and (found := _EXTRA.fullmatch(error.message)):
        return click.UsageError(_extra(found[1], _context(error)), error.ctx)
    if not isinstance(error, click.BadParameter) or error.param is None:
        return error
    for pattern in (_NO_NUMBER, _OUT_OF_RANGE):
        found = pattern.fullmatch(error.message)
        if found is not None:
            message = f"must be {_rule(error.param.type)}, got {found[1]}."
            return click.BadParameter(message, error.ctx, error.param)
    return error


def with_options(text: str, command: click.Command | None) -> str:
    """A message of the rooms below, which name an argument as Python knows it (`cell`), with the option that
    hands it over (--spec)."""
    given = [param for param in command.params if isinstance(param, click.Option)] if command else []
    options = {param.name: max(param.opts, key=len) for param in given}
    return _ARGUMENT.sub(lambda found: options.get(found[1], found[0]), text)


def _missing(option: click.Option, context: click.Context, arguments: Sequence[str]) -> str:
    """An option that must be given, and how a word that stands there without it is given."""
    purpose = f" ({option.help.rstrip('.')})" if option.help else ""
    lack = f"{option.opts[0]} {option.make_metavar(context)} is missing{purpose}.{_runs(option)}"
    words = _bare(context, arguments)
    if not words:
        return lack
    is_path = isinstance(option.type, click.Path)
    if len(words) > 1 or not (files.exists(Path(words[0])) if is_path else words[0].startswith("[")):
        return f"{context.command_path} takes no argument '{' '.join(words)}': {lack}"
    command = as_typed(*context.command_path.split()[1:], option.opts[0], words[0])
    return f"{context.command_path} takes no argument '{words[0]}': {lack} It is given with: {command}"


def _bare(context: click.Context, arguments: Sequence[str]) -> list[str]:
    """The words on the command line that are no option's."""
    words = list(arguments)
    for name in context.command_path.split()[1:]:
        words = words[words.index(name) + 1 :] if name in words else []
    try:
        return context.command.make_parser(context).parse_args(words)[1]
    except click.UsageError:
        return []


def _no_such_command(name: str, context: click.Context) -> str:
    group = context.command
    known = group.list_commands(context) if isinstance(group, click.Group) else []
    hint = nearest(name, known) or f" Its commands: {', '.join(known)}."
    return f"{context.command_path} has no command '{name}'.{hint}"


def _runs(option: click.Option) -> str:
    """How an option for a run is written, and the runs that there are; "" for another option."""
    if option.metavar != "RUN":
        return ""
    from popnas.runs.folder import LOGS, runs_in

    return f" Write it as in {option.opts[0]} {LOGS}/NAME. {runs_in(LOGS)}".rstrip()


def _no_such_option(error: click.NoSuchOption) -> click.UsageError:
    """With the nearest option, or all that the command has."""
    context = _context(error)
    options = [
        name
        for option in context.command.get_params(context)
        if isinstance(option, click.Option)
        for name in [*option.opts, *option.secondary_opts]
    ]
    near = nearest(error.option_name, [name for name in options if name.startswith("--")])
    field = _as_field(error.option_name, context, only_exact=bool(near))
    # All commands are loaded to look into them: only where nothing else is known.
    hint = field or _of_others(error.option_name, context) or near or f" Its options: {', '.join(options)}."
    return click.UsageError(f"{context.command_path} has no option '{error.option_name}'.{hint}", error.ctx)


def _of_others(option: str, context: click.Context) -> str:
    """ " ... is an option of ..." with the commands that have it; "" where none has, or so many that it tells
    nothing."""
    found = [
        path
        for path, command in _commands(context.find_root())
        if any(option in param.opts for param in command.params)
    ]
    return f" {option} is an option of {', '.join(found)}." if 0 < len(found) <= 5 else ""


def _commands(context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Every command below one, as one types it."""
    group = context.command
    if not isinstance(group, click.Group):
        return
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = click.Context(command, info_name=name, parent=context)
        yield below.command_path, command
        yield from _commands(below)


def _as_field(option: str, context: click.Context, *, only_exact: bool) -> str:
    """ " It is a field ..." for an option that is named as a field of the configuration, which the command's
    --set would change; "" where there is none."""
    if not any(getattr(param, "metavar", None) == "a.b=V" for param in context.command.params):
        return ""
    from popnas.config.messages import fields

    key = option.lstrip("-").replace("-", "_")
    by_name: dict[str, list[str]] = {}
    for place in fields():
        for name in {place, place.rpartition(".")[2]}:
            by_name.setdefault(name, []).append(place)
    if key in by_name:
        return f" It is a field of the configuration: {_set(by_name[key])}."
    near = None if only_exact else closest(key, by_name)
    return f" Did you mean the field '{near}'? It is set with {_set(by_name[near])}." if near else ""


def _set(places: Sequence[str]) -> str:
    return " or ".join(f"--set {place}=V" for place in places)


def _extra(words: str, context: click.Context) -> str:
    """Words behind a command that it does not take."""
    first = words.split()[0]
    if re.match(r"[a-z_]+\.[\w.]+=", first):
        hint = f" A field is changed with --set {first}."
    else:
        hint = next(filter(None, (_of_others(name, context) for name in _run_together(context))), "")
        hint = hint or _by_option(first, context)
    return f"{context.command_path} takes no argument '{words}'.{hint}"


def _by_option(word: str, context: click.Context) -> str:
    """How to give a command a file or folder that was given as an argument; "" if it takes none."""
    for param in context.command.params:
        is_free = context.get_parameter_source(param.name or "") is not click.core.ParameterSource.COMMANDLINE
        if isinstance(param, click.Option) and param.metavar in ("CONFIG", "RUN") and is_free:
            words = [*context.command_path.split()[1:], param.opts[0], word]
            return f" It is given with {param.opts[0]}: {as_typed(*words)}"
    return ""


def _run_together(context: click.Context) -> list[str]:
    """`-jms` of another command is read as -j with the value ms: the short options with their values."""
    return [
        f"{name}{value}"
        for param in context.command.params
        if isinstance(value := context.params.get(param.name or ""), str)
        for name in param.opts
        if len(name) == 2
    ]


def _context(error: click.UsageError) -> click.Context:
    return error.ctx or click.Context(click.Command("popnas"))


def _rule(kind: click.ParamType) -> str:
    is_whole = isinstance(kind, click.types.IntParamType)
    words = ["a whole number" if is_whole else "a number"]
    if isinstance(kind, click.IntRange | click.FloatRange):
        if kind.min is not None:
            words.append(f"{'above' if kind.min_open else 'at least'} {kind.min:g}")
        if kind.max is not None:
            words.append(f"{'below' if kind.max_open else 'at most'} {kind.max:g}")
    return ", ".join(words[:1] + [" and ".join(words[1:])] * (len(words) > 1))
