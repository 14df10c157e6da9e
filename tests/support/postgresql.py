"""A PostgreSQL server of our own, in a temporary folder, run by an unprivileged account."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "s3cret"
_SPARING = ("-E", "UTF8", "--no-locale", "-N", "--wal-segsize=1")


class NoServerError(Exception):
    """There is no PostgreSQL here, or it does not start; the message says which."""


@dataclass(frozen=True)
class Server:
    """A running server: how to stop and start it, and where it is."""

    binaries: Path
    home: Path
    port: int
    user: str | None

    @property
    def url(self) -> str:
        """Return the URL of its first database."""
        return f"postgresql://owner:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self, largest_file: int | None = None) -> None:
        """Start it and wait until it answers; largest_file: in bytes, beyond which no file grows: the disk is full."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        # The worst of servers for us: it answers a commit long before it writes it.
        options += " -c autovacuum=off -c full_page_writes=off -c synchronous_commit=off -c wal_writer_delay=10s"
        self._control("-l", str(self.home / "log"), "-o", options, "start", largest_file=largest_file)

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: ``immediate`` is like a power cut."""
        self._control("-m", mode, "stop")

    @property
    def log(self) -> str:
        """What the server wrote into its log."""
        return (self.home / "log").read_text(encoding="utf-8", errors="replace")

    def _control(self, *words: str, largest_file: int | None = None) -> None:
        command = [str(self.binaries / "pg_ctl"), "-D", str(self.home / "data"), "-w", *words]
        _quietly(command, self.user, self.home, largest_file)


@contextmanager
def server() -> Iterator[Server]:
    """Start a server, and take it and its folder away at the end; raises NoServerError where there is none."""
    binaries = _binaries()
    if binaries is None:
        raise NoServerError("neither initdb nor pg_ctl was found")
    user = _account()
    home = Path(tempfile.mkdtemp(prefix="immunomon-pg-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        if user:
            shutil.chown(home, user)
        (home / "password").write_text(PASSWORD, encoding="utf-8")
        (home / "password").chmod(0o644)
        run = [str(binaries / "initdb"), "-D", str(home / "data"), "-U", "owner", "-A", "scram-sha-256"]
        _quietly([*run, "--pwfile", str(home / "password"), *_SPARING], user, home)
        one = Server(binaries, home, port, user)
        one.start()
        try:
            yield one
        finally:
            one.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _binaries() -> Path | None:
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").is_file() and (folder / "pg_ctl").is_file():
            return folder
    found = shutil.which("initdb")
    return Path(found).parent if found and shutil.which("pg_ctl") else None


def _account() -> str | None:
    """Return the unprivileged account a server must run as when we are root, which it refuses to be."""
    if os.name != "posix" or os.getuid() != 0:
        return None
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


def _quietly(command: list[str], user: str | None, folder: Path, largest_file: int | None = None) -> None:
    if largest_file is not None:
        # dash and bash count in other units than bytes, but both know -S -f; 512 bytes is POSIX's.
        command = ["sh", "-c", f'ulimit -S -f {largest_file // 512}; exec "$@"', "sh", *command]
    done = subprocess.run(
        command,
        user=user,
        group=None if user is None else _group_of(user),
        extra_groups=None if user is None else [],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # a pipe would be held open by the server
        stderr=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise NoServerError(f"{Path(command[0]).name} ended with {done.returncode}")


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid
