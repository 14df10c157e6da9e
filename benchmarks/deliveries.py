"""Deliveries of a whole run: how long each form takes, and whether other programs read and work out the same numbers.

    python benchmarks/deliveries.py RUN [--study STUDY] [--json deliveries.json]

Every SAS transport file is read by pandas and compared value by value; BASE, CHG and PCHG of ADCP are worked out again
from CP alone; Define-XML is validated by the schema that odmlib carries. Exit 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import odmlib
import pandas as pd
import xmlschema

from immunomon.outputs.delivery.dataset import Dataset
from immunomon.outputs.delivery.deliver import FORMATS, deliver_run
from immunomon.outputs.delivery.read import read_delivery

_TESTS = ["USUBJID", "CPTSTPNL", "CPTESTCD", "CPSBMRKS", "CPCELSTA", "CPMRKSTR"]
_SCHEMA = Path(odmlib.__file__).parent / "schemas/define/2.1/define2-1-0.xsd"


def main() -> None:
    """Measure and print; exit 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--study", type=Path)
    parser.add_argument("--json", type=Path, help="Write the numbers into this file, too.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = _measured(given.run, given.study, Path(folder))
    print("\n".join(f"{name:<28} {value:>12,}" for name, value in found.items()))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")
    raise SystemExit(1 if found["values_that_differ"] or found["define_errors"] or found["adcp_that_differ"] else 0)


def _measured(run: Path, study: Path | None, folder: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for kind in FORMATS:
        start = time.perf_counter()
        deliver_run(run, folder / kind, kind=kind, study=study)
        found[f"seconds_{kind}"] = round(time.perf_counter() - start, 1)
    datasets = read_delivery(folder / "adam")
    compared = differ = 0
    for path in sorted((folder / "adam").glob("*/*.xpt")):
        there = _compared(path, datasets[path.stem.upper()])
        compared, differ = compared + there[0], differ + there[1]
    schema = xmlschema.XMLSchema(str(_SCHEMA))
    defines = sorted((folder / "adam").glob("*/define.xml"))
    found |= {"values_compared": compared, "values_that_differ": differ}
    found["define_errors"] = sum(len(list(schema.iter_errors(str(path)))) for path in defines)
    return found | _adcp(folder / "adam")


def _compared(path: Path, dataset: Dataset) -> tuple[int, int]:
    frame = pd.read_sas(path, format="xport", encoding="ascii")
    if len(frame) != len(dataset):
        return len(dataset) * len(dataset.variables), len(dataset)
    differ = 0
    for variable in dataset.variables:
        theirs = [_as_ours(value) for value in frame[variable.name]]
        differ += sum(a != b for a, b in zip(theirs, dataset.column(variable.name), strict=True))
    return len(dataset) * len(dataset.variables), differ


def _as_ours(value: object) -> object:
    if value != value or value == "":
        return None
    # pandas reads the zero of a transport file as 5.4e-79.
    return 0.0 if isinstance(value, float) and abs(value) < 1e-78 else value


def _adcp(folder: Path) -> dict[str, float]:
    cp = pd.read_sas(folder / "sdtm" / "cp.xpt", format="xport", encoding="ascii").fillna(dict.fromkeys(_TESTS, ""))
    adcp = pd.read_sas(folder / "adam" / "adcp.xpt", format="xport", encoding="ascii")
    adcp = adcp[adcp["PARAMTYP"] != "DERIVED"]
    base = cp[(cp["CPBLFL"] == "Y")].set_index(_TESTS)["CPSTRESN"]
    rows = cp.join(base.rename("AGAIN"), on=_TESTS).set_index(["USUBJID", "CPSEQ"])
    rows = rows.loc[list(zip(adcp["USUBJID"], adcp["SRCSEQ"], strict=True))].reset_index()
    change = (rows["CPSTRESN"] - rows["AGAIN"]).where(rows["CPBLFL"] != "Y").to_numpy()
    percent = 100 * change / rows["AGAIN"].to_numpy()
    pairs = ((rows["AGAIN"].to_numpy(), "BASE"), (change, "CHG"), (percent, "PCHG"))
    wrong = sum(int((~_same(again, adcp[name].to_numpy())).sum()) for again, name in pairs)
    return {"adcp_changes": int(adcp["CHG"].notna().sum()), "adcp_that_differ": wrong}


def _same(one: object, other: object) -> pd.Series[bool]:
    first, second = pd.Series(one, dtype=float), pd.Series(other, dtype=float)
    return ((first - second).abs() <= 1e-9 + 1e-12 * second.abs()) | (first.isna() & second.isna())


if __name__ == "__main__":
    main()
