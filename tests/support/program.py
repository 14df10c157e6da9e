"""The real program, each time in a process of its own, forked from one that has imported everything already."""

from __future__ import annotations

import ctypes
import os
import resource
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Timer

from immunomon import cli

LONGEST_SECONDS = 180
Limit = Callable[[], object]
_SERVER = get_context("forkserver")
_COMMANDS = sorted(path.stem for path in Path(str(cli.__file__)).parent.glob("[a-z]*.py"))
_SERVER.set_forkserver_preload([f"{cli.__name__}.{name}" for name in _COMMANDS])


def immunomon(
    *words: object, limit: Limit | None = None, stdout: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program; fails if it does not end.

    limit: called in the new process before the program begins; stdout: where standard output goes instead.
    """
    with _started(words, limit, stdout) as (process, outputs):
        return _ended(words, process, outputs)


def alone(*words: object, limit: Limit) -> subprocess.CompletedProcess[str]:
    """Run the program from its very start, with the memory that it alone takes; limit: as ``immunomon`` has it."""
    command = [sys.executable, "-m", "immunomon.cli.main", *map(str, words)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=LONGEST_SECONDS,
        check=False,
        preexec_fn=limit,
    )


def stopped(words: list[object], number: signal.Signals, at: Callable[[], bool]) -> subprocess.CompletedProcess[str]:
    """Start the program, send it a signal as soon as something is so, and wait for its end."""
    with _started(words) as (process, outputs):
        deadline = time.monotonic() + LONGEST_SECONDS
        while process.is_alive() and not at() and time.monotonic() < deadline:
            time.sleep(0.002)
        if process.is_alive():
            os.kill(process.pid, number)
        return _ended(words, process, outputs)


@contextmanager
def module_alone(module: str, *words: object, environment: Mapping[str, str]) -> Iterator[ForkServerProcess]:
    """Yield a process that is ``python -m module words``, forked as the program is; it is killed in the end."""
    process = _SERVER.Process(target=_run_module, args=(module, [*map(str, words)], dict(environment)))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def with_memory(most: int) -> Limit:
    """Let the program have so many bytes of memory."""
    return partial(resource.setrlimit, resource.RLIMIT_AS, (most, most))


def with_room(largest: int) -> Limit:
    """Let no file be larger than so many bytes, as on a disk that is nearly full.

    No bytecode is kept by such a process: Python 3.11 and 3.12 do not look how much of it was written, and every
    later process would find a module cut short (https://github.com/python/cpython/issues/126606).
    """
    return partial(_limit_room, largest)


def _limit_room(largest: int) -> None:
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # for the processes that it starts
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))


def bound_by_permissions() -> None:
    """Take from root what lets it write where permissions forbid it, in Linux's way; others have it not."""
    libc, process, sets = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(process, sets) != 0:
        raise OSError("the privileges of this process are not known")
    sets[0] &= ~2  # of what is effective: CAP_DAC_OVERRIDE
    if libc.capset(process, sets) != 0:
        raise OSError("this privilege may not be given up here")


@contextmanager
def _started(
    words: object, limit: Limit | None = None, stdout: str | None = None
) -> Iterator[tuple[ForkServerProcess, list[Connection]]]:
    pipes = [_SERVER.Pipe(duplex=False) for _ in ("output", "errors")]
    written = [end for _, end in pipes]
    process = _SERVER.Process(target=_run, args=([*map(str, words)], *written, limit, stdout))
    process.start()
    for end in written:
        end.close()
    too_long = Timer(LONGEST_SECONDS, process.kill)
    too_long.start()
    try:
        yield process, [end for end, _ in pipes]
    finally:
        too_long.cancel()
        process.kill()
        process.join()


def _ended(words: object, process: ForkServerProcess, outputs: list[Connection]) -> subprocess.CompletedProcess[str]:
    with ThreadPoolExecutor(len(outputs)) as readers:
        out, errors = readers.map(_text, outputs)
    process.join()
    return subprocess.CompletedProcess(words, process.exitcode, out, errors)


def _text(output: Connection) -> str:
    with output, os.fdopen(os.dup(output.fileno()), encoding="utf-8") as stream:
        return stream.read()


def _run_module(module: str, words: list[str], environment: dict[str, str]) -> None:
    """Be a module's command line, in a session of its own and without a word."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.environ |= environment
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _run(words: list[str], output: Connection, errors: Connection, limit: Limit | None, stdout: str | None) -> None:
    """Be the program, as its own process begins: its words, its standard streams, its signals, its limits."""
    os.setsid()
    os.dup2(os.open(stdout, os.O_WRONLY) if stdout else output.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    output.close()
    errors.close()
    # A shell lets what it starts in the background ignore Ctrl-C, and nohup a closed terminal: not this process.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    sys.argv = ["immunomon", *words]
    if limit is not None:
        limit()
    from immunomon.cli.main import main

    main()
