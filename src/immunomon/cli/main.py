"""The ``immunomon`` command line as a program: signals, and what goes wrong on purpose in one message."""

from __future__ import annotations

import errno
import io
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

import typer

from immunomon.cli.app import app
from immunomon.errors import BadSpec, ImmunomonError, counted
from immunomon.files import naming

__all__ = ["app", "main"]

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class _Stopped(BaseException):
    """A signal asks the program to end; no exception of Python's, so that nothing on the way takes it for its own."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)


def _stop(number: int, _: FrameType | None) -> None:
    raise _Stopped(number)


def _listen() -> None:
    """Let what is being written be cleaned up when somebody or the system stops the program."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _stop)


def main() -> None:
    """Run the command line; what goes wrong on purpose is one message and exit status 1, not a traceback."""
    _listen()
    for stream in (sys.stdout, sys.stderr):  # a console without a character shows its code: nothing ends for that
        with suppress(OSError):  # what it writes to has become a pipe since it was opened
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app()
        finally:
            _flush()
    except _Stopped as error:
        promise = "no file is half-written, and what a run has gated is kept"
        _say(f"immunomon: stopped by {error}; {promise}. To go on, start it again with the same command.")
        raise SystemExit(128 + error.number) from None
    except BadSpec as error:
        _say("\n".join(str(problem) for problem in error.problems))
        _say(f"{counted(len(error.problems), 'problem')}; nothing was done.")
        raise SystemExit(1) from None
    except ImmunomonError as error:
        _say(f"immunomon: {error}")
        raise SystemExit(1) from None
    except MemoryError:
        _say("immunomon: there is not enough memory; close other programs, use fewer --jobs or a larger machine")
        raise SystemExit(1) from None
    except OSError as error:
        _say(_of_system(error))
        raise SystemExit(1) from None


def _flush() -> None:
    """Write out what was printed: that a redirection cannot hold it is known only now."""
    try:
        with naming(Path("standard output")):
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter would try it again
        raise


def _of_system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    remedy = "check the path, its permissions and the disk"
    if os.name == "nt" and isinstance(error, PermissionError):
        remedy = "close it where it is open (in Excel, say), then start it again"
    if error.errno in _FULL:
        where = where or "standard output: "  # files are named where they are written
        remedy = "make room on the disk, or give another place, and start it again"
    return f"immunomon: {where}{error.strerror or error}; {remedy}"


def _say(text: str) -> None:
    pages = dict.fromkeys(re.findall(r"\bdocs/([\w-]+)\.md", text))
    with suppress(OSError):  # the terminal may be gone
        typer.echo("\n".join([text, *(f"To read docs/{page}.md: immunomon docs {page}" for page in pages)]), err=True)


if __name__ == "__main__":
    main()
