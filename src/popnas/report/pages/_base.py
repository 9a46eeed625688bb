"""The frame of every page: title, links, headed sections, figures inside the file."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from importlib import metadata

from popnas.report import markup
from popnas.report.pages._look import CSS, SCRIPT


def document(title: str, subtitle: str, sections: Sequence[tuple[str, str]]) -> str:
    """A page of headed sections (HTML); the title and subtitle are escaped here."""
    links = "".join(f'<a href="#{_anchor(name)}">{markup.text(name)}</a>' for name, _ in sections)
    body = "".join(
        f'<section id="{_anchor(name)}"><h2>{markup.text(name)}</h2>{content}</section>'
        for name, content in sections
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{markup.text(title)} · popnas</title><style>{CSS}</style></head><body>"
        f'<header><h1>{markup.text(title)}</h1><p class="sub">{markup.text(subtitle)}</p>'
        f"<nav>{links}</nav></header>"
        f"<main>{body}</main><footer>Written by popnas {markup.text(metadata.version('popnas'))}. Everything "
        f"on this page is inside this file.</footer><script>{SCRIPT}</script></body></html>\n"
    )


def figure_html(png: bytes, caption: str) -> str:
    """A PNG inside the page. Its size is given, so that the page does not jump while it loads."""
    width, height = struct.unpack(">II", png[16:24])
    data = base64.b64encode(png).decode()
    return (
        f'<figure><div class="plot"><img width="{width}" height="{height}" '
        f'alt="{markup.text(caption)}" src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{markup.text(caption)}</figcaption></figure>"
    )


def _anchor(title: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in title.lower())
