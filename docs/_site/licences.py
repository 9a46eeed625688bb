"""The licences of everything that popnas installs, as its own metadata state them."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(.*)")


def needed() -> list[Distribution]:
    """What `pip install popnas` brings, without extras, popnas apart, by name."""
    found: dict[str, Distribution] = {}
    pending = ["popnas"]
    while pending:
        name = pending.pop()
        try:
            package = distribution(name)
        except PackageNotFoundError:  # for another system or another Python
            continue
        if key(package.name) not in found:
            found[key(package.name)] = package
            pending += requirements(package)
    return [found[name] for name in sorted(found) if name != "popnas"]


def requirements(package: Distribution) -> list[str]:
    """The keys of what a package requires without extras, wherever it is installed."""
    found = [_REQUIREMENT.match(text) for text in package.requires or []]
    return [key(each[1]) for each in found if each and "extra ==" not in each[2]]


def key(name: str) -> str:
    """A package's name as the index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence(package: Distribution) -> str:
    """The licence that a package names: as expression, else by classifiers, else in a line of text."""
    facts = package.metadata
    expression = facts.get("License-Expression")
    classes = [line.split(" :: ")[-1] for line in facts.get_all("Classifier") or [] if "License ::" in line]
    text = (facts.get("License") or "").strip().splitlines()
    return expression or ", ".join(classes) or (text[0] if text else "not stated")


def markdown() -> str:
    """A table of packages, versions and licences."""
    rows = [f"| {each.metadata['Name']} | {each.version} | {licence(each)} |" for each in needed()]
    return "\n".join(["| package | version | licence |", "|---|---|---|", *rows, ""])
