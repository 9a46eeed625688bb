"""Texts from outside (names of classes, files and runs, messages of libraries) where people look at them."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Sequence

# Control characters move the cursor, change colours and titles; these others turn the direction of writing.
# Lone surrogates stand for bytes of file names that are no UTF-8.
_HARMFUL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """`text` with harmful characters as \\x1b; line ends and tabs stay."""
    return _HARMFUL.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """`text` as `printable`, with line ends and tabs as \\n and \\t: a name with a line end must not look
    like a line of ours."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def shortened(text: str, limit: int = 60) -> str:
    """`text` as `one_line`, cut to `limit` characters: names that begin alike end differently."""
    line = one_line(text)
    end = (limit - 3) // 3
    return line if len(line) <= limit else f"{line[: limit - 3 - end]}...{line[-end:]}"


def told_apart(names: Sequence[str], shown: Callable[[str], str] = shortened) -> list[str]:
    """What is `shown` of each name; of different ones that would look alike with a number: a...b (1),
    a...b (2)."""
    alike: dict[str, dict[str, int]] = {}
    for name in names:
        numbers = alike.setdefault(shown(name), {})
        numbers.setdefault(name, len(numbers) + 1)
    looks = [(shown(name), name) for name in names]
    return [f"{look} ({alike[look][name]})" if len(alike[look]) > 1 else look for look, name in looks]


def first_of_all(names: Sequence[str], limit: int) -> str:
    """`a, b, ... (12 in all)`: a line end in a name must not look like a line of ours."""
    more = f", ... ({len(names)} in all)" if len(names) > limit else ""
    return ", ".join(map(one_line, names[:limit])) + more


def quoted(path: object) -> str:
    """A path as one word of a sentence and of a command: in quotes where it holds spaces or what means
    something to a shell; what `one_line` escapes as bash and zsh read it, $'a\\nb'."""
    text = str(path)
    if one_line(text) == text:
        return shlex.quote(text)
    return "$'" + "".join(map(_ansi_c, text)) + "'"


def _ansi_c(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if (shown := one_line(character)) == character or character in "\n\t":
        return shown
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def counted(number: int, noun: str) -> str:
    """ "1 network", "1,234 networks"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def printable_json(document: str) -> str:
    """A JSON document with harmful characters escaped as JSON does it: its values are the same."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


_SECRET_NAMES = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIALS", "KEY")
_SHORTEST_SECRET = 6
_SECRET_PLACES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<=://)()[^/\s@]+(?=@)",  # user and password of an address
        rf"(?<=[?&])([\w.-]*(?:{'|'.join(_SECRET_NAMES)}|sig|signature)=)[^&#\s\"']+",
        # Webhooks of chat services: who has the path may post.
        r"(?<=://)([^\s\"'<>]*hook[^\s\"'<>/]*/)[^\s\"'<>]+",
        r"\b(bearer )[\w.~+/=-]{8,}",
    )
)


def without_secrets(text: str) -> str:
    """`text` with stars for what lets somebody in: users and passwords in addresses, tokens in their queries
    and in headers, paths of webhooks, and values of variables of the environment that are named as secrets
    are."""
    for place in _SECRET_PLACES:
        text = place.sub(r"\1***", text)
    for name, value in os.environ.items():
        is_secret = name.upper().endswith(_SECRET_NAMES)
        if is_secret and len(value) >= _SHORTEST_SECRET:
            for form in (value, repr(value)[1:-1]):  # as it is, and as tracebacks and objects show it
                text = text.replace(form, "***")
    return text
