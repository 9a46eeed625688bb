"""Mistakes on the command line in our words: click's own speak of its types and name no remedy."""

from __future__ import annotations

import re

import click

from popnas.errors import nearest

_NO_NUMBER = re.compile(r"('.*') is not a valid (?:integer|float)(?: range)?\.", re.DOTALL)
_OUT_OF_RANGE = re.compile(r"(\S+) is not in the range .*\.", re.DOTALL)


def reword(error: click.ClickException) -> click.ClickException:
    """The same mistake, with the rule for a number, the purpose of an option that is missing, and the options
    that there are."""
    if isinstance(error, click.MissingParameter) and isinstance(error.param, click.Option):
        option = error.param
        purpose = f" ({option.help.rstrip('.')})" if option.help else ""
        name = f"{option.opts[0]} {option.make_metavar(_context(error))}"
        return click.UsageError(f"{name} is missing{purpose}.", error.ctx)
    if isinstance(error, click.NoSuchOption):
        return _no_such_option(error)
    if not isinstance(error, click.BadParameter) or error.param is None:
        return error
    for pattern in (_NO_NUMBER, _OUT_OF_RANGE):
        found = pattern.fullmatch(error.message)
        if found is not None:
            message = f"must be {_rule(error.param.type)}, got {found[1]}."
            return click.BadParameter(message, error.ctx, error.param)
    return error


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
    hint = near or f" Its options: {', '.join(options)}."
    return click.UsageError(f"{context.command_path} has no option '{error.option_name}'.{hint}", error.ctx)


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
