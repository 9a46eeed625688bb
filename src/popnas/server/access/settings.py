"""What a server is started with, checked before it listens."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from popnas import files
from popnas.errors import UserError
from popnas.printable import quoted
from popnas.storage import storage_errors, write_text

STATE_FOLDER = ".popnas-server"
"""In the folder of runs: the queue, the token and what else outlives the server's process."""

_LEAST_TOKEN = 16
_MOST_TOKEN = 512


@dataclass(frozen=True)
class Webhook:
    """Where changes of jobs are told, and the secret that the messages are signed with."""

    url: str
    secret: str


@dataclass(frozen=True)
class ServerSettings:
    """What the server's own side decides; nothing of it can be changed by a request.

    Attributes:
        root: the folder of runs.
        host, port: where it listens; port 0: a free one.
        token: that of the environment; None: one of the server's own, kept beside the runs.
        names: under which it is reached beside its own address, as `names_of` makes them: hosts, each with
            a port where that is another than its own.
        data_roots: folders that configurations may read data from.
        num_jobs: how many commands run at once; others wait.
        webhook: None: nobody is told.
        stops_runs: whether what runs is stopped when the server ends; else it goes on.
    """

    root: Path
    host: str = "127.0.0.1"
    port: int = 8321
    token: str | None = None
    names: tuple[str, ...] = ()
    data_roots: tuple[Path, ...] = ()
    num_jobs: int = 1
    webhook: Webhook | None = None
    stops_runs: bool = False

    @property
    def state(self) -> Path:
        """What outlives the server's process."""
        return self.root / STATE_FOLDER

    @property
    def is_public(self) -> bool:
        """Whether other machines can reach it."""
        return not _is_loopback(self.host)

    def check(self) -> None:
        """Raises UserError for what would be unsafe or cannot work."""
        if self.is_public and self.token is None:
            raise UserError(
                f"`host` {self.host} can be reached by other machines, which is refused without a token of "
                "your own: put one of 16 characters or more into the environment variable "
                "POPNAS_SERVER_TOKEN, or listen on 127.0.0.1 and come in by an SSH tunnel."
            )
        if self.token is not None and not (
            _LEAST_TOKEN <= len(self.token) <= _MOST_TOKEN
            and self.token.isascii()
            and self.token.isprintable()
        ):
            raise UserError(
                "the token in POPNAS_SERVER_TOKEN must be 16 to 512 printable ASCII characters, and has "
                f"{len(self.token)}."
            )
        if _is_any(self.host) and not self.names:
            raise UserError(
                f"`host` {self.host} stands for every address of this machine: say under which name it is "
                "reached with `names`, as requests for other names are refused."
            )
        for root in self.data_roots:
            if not files.is_folder(root):
                raise UserError(f"the folder of data {quoted(root)} {files.missing(root)}")
        if self.webhook is not None:
            _check_webhook(self.webhook)

    def allowed_hosts(self, port: int) -> frozenset[str]:
        """What may stand in a request's Host header, port included."""
        # No page of another host can send these names, only who is on this machine already.
        own = {"localhost", "127.0.0.1", "[::1]"} if not self.is_public or _is_any(self.host) else set()
        if not _is_any(self.host):
            own.add(f"[{self.host}]" if ":" in self.host else self.host.lower())
        allowed = {f"{name}:{port}" for name in own}
        for name in self.names:
            named, has_port = _host_and_port(name)
            # A browser leaves the usual ports out, and so does a proxy that listens at them.
            is_usual = not has_port or name.endswith((":80", ":443"))
            allowed |= {name if has_port else f"{name}:{port}"} | ({named} if is_usual else set())
        return frozenset(allowed)


def _host_and_port(name: str) -> tuple[str, bool]:
    """A host's name, IPv6 addresses in brackets, and whether a port came with it."""
    host, colon, port = name.rpartition(":")
    return (host, True) if colon and port.isdecimal() and not name.endswith("]") else (name, False)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_any(host: str) -> bool:
    return host in ("0.0.0.0", "::", "")


def _check_webhook(webhook: Webhook) -> None:
    if not webhook.url.startswith(("https://", "http://")) or not webhook.url.isprintable():
        raise UserError(f"`webhook` {webhook.url!r} is no address: it must begin with https:// or http://.")
    if len(webhook.secret) < _LEAST_TOKEN:
        raise UserError(
            "messages to `webhook` are signed: put a secret of 16 characters or more, which the receiver "
            "knows, into the environment variable POPNAS_WEBHOOK_SECRET."
        )


def make_state_folder(settings: ServerSettings) -> None:
    """Make the folder of what outlives the server, for this user alone.

    Raises:
        UserError: it is a link.
        StorageError: the disk refused.
    """
    if settings.state.is_symlink():
        raise UserError(
            f"{quoted(settings.state)} is a link, and what it leads to is never written: remove it."
        )
    with storage_errors(settings.state):
        settings.root.mkdir(parents=True, exist_ok=True)
        settings.state.mkdir(mode=0o700, exist_ok=True)
        settings.state.chmod(0o700)


def own_token(settings: ServerSettings) -> str:
    """The token of the settings, else the one kept beside the runs, which is made at the first start: a
    server that is started again is the same to whoever has it open."""
    if settings.token is not None:
        return settings.token
    path = settings.state / "token"
    try:
        kept = files.read_text(path, limit=_MOST_TOKEN).strip()
    except OSError:
        kept = ""
    if len(kept) >= _LEAST_TOKEN and not path.is_symlink():
        return kept
    made = secrets.token_urlsafe(32)
    write_text(path, made + "\n")
    with storage_errors(path):
        path.chmod(0o600)
    return made


_NAME = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:([0-9]{1,5}))?")


def names_of(hosts: Sequence[str]) -> tuple[str, ...]:
    """Names of hosts, with or without a port, as they are compared; raises UserError for what is none."""
    for host in hosts:
        found = _NAME.fullmatch(host)
        if found is None or not host.isprintable() or (found[3] and not 0 < int(found[3]) < 65536):
            raise UserError(
                f"`names` has {host!r}: give a host's name, with its port where that is not the server's "
                "own, such as 'gpu.example.org' or 'localhost:9000'."
            )
    return tuple(host.lower() for host in hosts)
