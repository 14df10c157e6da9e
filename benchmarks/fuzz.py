"""Spoil files at random and read them: nothing but our own error, no hang, no memory out of proportion.

    python benchmarks/fuzz.py --cases 100000 [--seed 1] [--of fcs,flowjo10,matrix] [--json fuzz.json]

Of FCS files and, in equal parts, of the documents of ``fuzz_documents.py``: workspaces, Gating-ML, matrices, tables.

Each FCS case is a small file that is right (floats, doubles, integers of many widths, text; one or two data sets),
spoiled in one to four ways: bytes changed, cut out or doubled; offsets and keywords given other numbers; the end cut
off. It must read within the time limit into as many events and channels as its header says, or be refused with
BadFcs; what Python and NumPy allocate on the way must stay below 4 times the file's size and a fixed room for the
interpreter's own objects. Exit 1 with the first files that fail, kept in --keep for a look.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from fuzz_documents import Document, documents, packed, tried
from fuzz_documents import spoiled as spoiled_document

from immunomon.cytometry.formats.fcs import read_fcs, read_header
from immunomon.errors import BadFcs, ImmunomonError

SECONDS = 2.0
TIMES_SIZE = 4
DOCUMENT_TIMES_SIZE = 100  # a tree of Python objects
ROOM = 2_000_000  # bytes: keywords as Python objects, one block of events
BEGIN = 4096  # of DATA in each data set
NUMBERS = [0, 1, 7, 8, 10, 57, 58, 255, 1023, 4095, 4096, 65535, 10**6, 2**31, 2**32, 10**12, 10**17, 10**30]
WORDS = [
    "",
    " ",
    "-1",
    "x",
    "*",
    "nan",
    "inf",
    "1e999",
    "0,0",
    "4,1",
    "38,1",
    "1,2",
    "4,3,2,1",
    "3,4,1,2",
    "I",
    "F",
    "D",
    "A",
]


def keywords(channels: int, events: int, kind: str, bits: list[int]) -> dict[str, str]:
    """Return the keywords of a file that is right."""
    words = {"$BYTEORD": random.choice(["1,2,3,4", "4,3,2,1"]), "$DATATYPE": kind, "$MODE": "L", "$NEXTDATA": "0"}
    words |= {"$PAR": str(channels), "$TOT": str(events), "$TIMESTEP": "0.01"}
    for number, width in enumerate(bits, start=1):
        size = 2**width if kind == "I" else 262144
        amplifier = random.choice(["0,0", "4,1"]) if kind == "I" else "0,0"
        words |= {f"$P{number}N": f"FL{number}-A", f"$P{number}S": f"CD{number}", f"$P{number}R": str(size)}
        words |= {f"$P{number}B": str(width) if width else "*", f"$P{number}E": amplifier}
    words[f"$P{channels}N"] = "Time"
    words["$SPILLOVER"] = "2,FL1-A,FL2-A,1,0.1,0,1"
    return words


def data_set(*, another: bool = False) -> bytes:
    """Return one data set of random structure that is right; another: one follows it."""
    channels, events = random.randint(1, 12), random.randint(0, 300)
    kind = random.choice("FFDIIIA")
    widths = {"F": [32], "D": [64], "I": random.choice([[8], [16], [24], [32], [10], [8, 16, 32, 64]]), "A": [0]}[kind]
    if kind == "A" and random.random() < 0.5:
        widths = [48]
    bits = [random.choice(widths) for _ in range(channels)]
    words = keywords(channels, events, kind, [width // 8 if kind == "A" else width for width in bits])
    size = -(-events * sum(bits) // 8)
    if kind in "FD":
        values = np.random.default_rng(random.getrandbits(32)).normal(500, 300, events * channels)
        order = "<" if words["$BYTEORD"].startswith("1") else ">"
        data = values.astype(f"{order}f{widths[0] // 8}").tobytes()
    elif kind == "A":
        texts = [f"{random.randrange(10**5):>6}" for _ in range(events * channels)]
        data = "".join(texts).encode() if bits[0] else " ".join(texts).encode()
    else:
        data = random.randbytes(size)
    if another:
        words["$NEXTDATA"] = str(BEGIN + len(data))
    return assembled(words, data)


def assembled(words: dict[str, str], data: bytes) -> bytes:
    """Return HEADER, TEXT and DATA."""
    words = {**words, "$BEGINDATA": str(BEGIN), "$ENDDATA": str(BEGIN + len(data) - 1)}
    delimiter = random.choice("/|\\\x0c")
    text = (delimiter + delimiter.join(part for pair in words.items() for part in pair) + delimiter).encode()
    offsets = (58, 57 + len(text), BEGIN, BEGIN + len(data) - 1, 0, 0)
    version = random.choice(["2.0", "3.0", "3.1", "3.2"])
    head = f"FCS{version}    ".encode() + "".join(f"{offset:>8}" for offset in offsets).encode()
    return (head + text).ljust(BEGIN) + data


def spoiled(content: bytes) -> bytes:
    """Return a file spoiled in one to four ways, most of them in its first 2,000 bytes."""
    data = bytearray(content)
    for _ in range(random.randint(1, 4)):
        way = random.randrange(8)
        reach = len(data) if random.random() < 0.2 else min(len(data), 2000)
        place = random.randrange(max(1, reach))
        if way == 0:
            data[place : place + 1] = bytes([random.randrange(256)])
        elif way == 1:
            data[place : place + random.randint(1, 40)] = random.randbytes(random.randint(0, 40))
        elif way == 2:
            del data[random.randrange(len(data) + 1) :]
        elif way == 3:
            field = 10 + 8 * random.randrange(6)
            data[field : field + 8] = f"{random.choice([*NUMBERS, len(data)]):>8}"[:8].encode()
        elif way in (4, 5):
            data = other_value(data)
        elif way == 6:
            step = random.choice([58, 4096, len(data), random.randrange(len(data) + 1)])
            data = with_value(data, b"$NEXTDATA", str(step).encode())
        else:
            data += data[place : place + random.randint(1, 400)]
    return bytes(data)


def other_value(data: bytearray) -> bytearray:
    """Return a file with another value at one keyword."""
    keys = [
        b"$PAR",
        b"$TOT",
        b"$BEGINDATA",
        b"$ENDDATA",
        b"$DATATYPE",
        b"$BYTEORD",
        b"$MODE",
        b"$TIMESTEP",
        b"$BEGINSTEXT",
    ]
    keys += [f"$P{random.randint(1, 12)}{letter}".encode() for letter in "BBRREGNS"]
    value = random.choice([*map(str, NUMBERS), *WORDS, str(random.randrange(5000))])
    return with_value(data, random.choice(keys), value.encode())


def with_value(data: bytearray, key: bytes, value: bytes) -> bytearray:
    """Return a file with this value at a keyword, and TEXT as long as before where blanks allow that."""
    delimiter = bytes(data[58:59])
    found = data.find(delimiter + key + delimiter) if delimiter else -1
    if found < 0:
        return data
    begin = found + len(key) + 2
    end = data.find(delimiter, begin)
    if end < 0:
        return data
    return data[:begin] + value.ljust(end - begin) + data[end:]


def failure(path: Path, size: int) -> tuple[str, str]:
    """Return what came of reading a file, and what is wrong with that ('' if nothing)."""
    tracemalloc.clear_traces()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    began = time.perf_counter()
    try:
        header, events = read_fcs(path)
        outcome = "repaired" if header.deviations else "read"
        wrong = "" if events.values.shape == (header.event_count, len(header.channels)) else "another shape than said"
        if random.random() < 0.2 and read_header(path) != header:
            wrong = "read_header says something else than read_fcs"
    except BadFcs as error:
        outcome, wrong = (
            "refused",
            "" if str(path) in str(error) and "; " in str(error) else f"no name or remedy: {error}",
        )
    except BaseException as error:  # every other error is a failure: that is what the fuzzer is for
        outcome, wrong = "failed", f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - began
    peak = tracemalloc.get_traced_memory()[1] - before
    if seconds > SECONDS:
        wrong = f"{seconds:.1f} s"
    if peak > TIMES_SIZE * size + ROOM:
        wrong = f"{peak} bytes for a file of {size}"
    return outcome, wrong


def document_failure(document: Document, path: Path, fcs: Path) -> tuple[str, str]:
    """Return what came of reading a document, and what is wrong with that ('' if nothing)."""
    size = path.stat().st_size
    tracemalloc.clear_traces()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    began = time.perf_counter()
    try:
        tried(document, path, fcs)
        outcome, wrong = "read", ""
    except ImmunomonError as error:
        said = str(path) in str(error) and "; " in str(error)
        outcome, wrong = "refused", "" if said else f"no name or remedy: {error}"
    except BaseException as error:  # every other error is a failure: that is what the fuzzer is for
        outcome, wrong = "failed", f"{type(error).__name__}: {error}"
    peak = tracemalloc.get_traced_memory()[1] - before
    if time.perf_counter() - began > SECONDS:
        wrong = f"{time.perf_counter() - began:.1f} s"
    if peak > DOCUMENT_TIMES_SIZE * size + ROOM:
        wrong = f"{peak} bytes for a document of {size}"
    return outcome, wrong


def document_cases(kinds: Sequence[str], cases: int, keep: Path) -> dict[str, object]:
    """Return how many documents of each kind were read and refused, and what failed."""
    known = documents()
    counts: Counter[str] = Counter()
    failures: list[str] = []
    tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        fcs = Path(folder) / "a.fcs"
        fcs.write_bytes(named_events())
        for kind in kinds:  # what is spoiled must be right before
            whole = Path(folder) / f"whole{known[kind].suffix}"
            whole.write_bytes(packed(known[kind].whole) if known[kind].is_packed else known[kind].whole)
            tried(known[kind], whole, fcs)
        for number in range(cases):
            kind = kinds[number % len(kinds)]
            path = Path(folder) / f"case{known[kind].suffix}"
            content = spoiled_document(known[kind])
            path.write_bytes(content)
            outcome, wrong = document_failure(known[kind], path, fcs)
            if wrong.endswith(
                f"for a document of {len(content)}"
            ):  # a module that was loaded on the way does not count
                outcome, wrong = document_failure(known[kind], path, fcs)
            counts[f"{kind} {outcome}"] += 1
            if wrong:
                failures.append(f"{kind} {number}: {wrong[:300]}")
                keep_for_a_look(keep / f"{kind}{number}{path.suffix}", content)
            if len(failures) >= 20:
                break
    tracemalloc.stop()
    return {"cases": sum(counts.values()), **dict(sorted(counts.items())), "failures": failures}


def keep_for_a_look(path: Path, content: bytes) -> None:
    """Keep what failed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def named_events() -> bytes:
    """Return a small FCS file with the channels that the documents name."""
    words = {"$BYTEORD": "1,2,3,4", "$DATATYPE": "F", "$MODE": "L", "$NEXTDATA": "0", "$PAR": "4", "$TOT": "50"}
    for number, name in enumerate(("FSC-A", "A", "B", "Time"), start=1):
        words |= {f"$P{number}N": name, f"$P{number}B": "32", f"$P{number}R": "1000", f"$P{number}E": "0,0"}
    words |= {"$SPILLOVER": "2,A,B,1,0.1,0,1", "$TIMESTEP": "0.01", "$BTIM": "10:00:00", "$ETIM": "10:01:33"}
    return assembled(words, np.random.default_rng(1).uniform(0, 1000, (50, 4)).astype("<f4").tobytes())


def run(cases: int, seed: int, keep: Path) -> dict[str, object]:
    """Return how many FCS files were read, repaired, refused, and what failed."""
    random.seed(seed)
    counts: Counter[str] = Counter()
    failures: list[str] = []
    slowest = 0.0
    tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.fcs"
        for number in range(cases):
            if number % 20 == 0:
                whole = data_set() if random.random() < 0.8 else data_set(another=True) + data_set()
            content = spoiled(whole)
            path.write_bytes(content)
            began = time.perf_counter()
            outcome, wrong = failure(path, len(content))
            slowest = max(slowest, time.perf_counter() - began)
            counts[outcome] += 1
            if wrong:
                failures.append(f"case {number}: {wrong}")
                keep_for_a_look(keep / f"case{number}.fcs", content)
            if len(failures) >= 20:
                break
    tracemalloc.stop()
    return {"cases": sum(counts.values()), **counts, "slowest_seconds": round(slowest, 3), "failures": failures}


def main() -> int:
    """Run the cases of the command line and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    kinds = ("fcs", *documents())
    parser.add_argument("--of", default=",".join(kinds), help=f"Of {', '.join(kinds)}; the cases are shared evenly.")
    wanted = parser.parse_args()
    chosen = wanted.of.split(",")
    if unknown := sorted(set(chosen) - set(kinds)):
        parser.error(f"no kind '{unknown[0]}'; choose of {', '.join(kinds)}")
    began = time.perf_counter()
    others = [kind for kind in chosen if kind != "fcs"]
    share = wanted.cases * len(others) // len(chosen)
    result = run(wanted.cases - share, wanted.seed, wanted.keep)
    result["documents"] = tried_documents = document_cases(others, share, wanted.keep) if others else {"failures": []}
    result["seconds"] = round(time.perf_counter() - began, 1)
    print(json.dumps(result, indent=1))
    if wanted.json:
        wanted.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 1 if result["failures"] or tried_documents["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
