"""What an editor, a shell or a copy in text mode makes of a journal's bytes."""

from __future__ import annotations

_ENCODINGS = (
    (b"\xef\xbb\xbf{", "utf-8-sig"),
    (b"\xff\xfe{\0", "utf-16"),
    (b"\xfe\xff\0{", "utf-16"),
    (b'{\0"\0', "utf-16-le"),
    (b'\0{\0"', "utf-16-be"),
)
"""How a journal begins in each: one changed byte makes none of them."""


def plain_form(data: bytes) -> tuple[bytes, str | None]:
    """A journal's bytes as popnas writes them (UTF-8, LF), and what was made of them, in words; None if
    nothing. No line loses anything: they hold ASCII only."""
    encoding = next((name for begin, name in _ENCODINGS if data.startswith(begin)), None)
    text, found = data, list[str]()
    if encoding is not None:
        try:
            text = data.decode(encoding).encode()
        except UnicodeDecodeError:
            return data, None
        begins = "begins with a byte order mark" if encoding == "utf-8-sig" else "is UTF-16 text"
        found.append(begins)
    if 0 < text.count(b"\n") == text.count(b"\r\n"):
        text = text.replace(b"\r\n", b"\n")
        found.append("has line ends of Windows (CR LF)")
    return (text, " and ".join(found)) if found else (data, None)
