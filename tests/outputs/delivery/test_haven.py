"""R's haven reads the transport files to the same values, where R and haven are."""

import csv
import shutil
import subprocess

import pytest

READ = """
args <- commandArgs(TRUE)
exact <- function(x) ifelse(is.na(x), "", if (is.numeric(x)) sprintf("%.17g", x) else as.character(x))
for (path in list.files(args[1], pattern = "[.]xpt$", recursive = TRUE, full.names = TRUE)) {
  found <- haven::read_xpt(path)
  found[] <- lapply(found, function(x) {
    days <- inherits(x, "Date")
    x <- unclass(haven::zap_formats(haven::zap_label(x)))
    exact(if (days) as.numeric(x) + 3653 else x)  # SAS counts days from 1960, R from 1970
  })
  write.csv(found, file.path(args[2], sub("xpt$", "csv", basename(path))), row.names = FALSE)
}
"""


def haven_is_there():
    script = shutil.which("Rscript")
    said = script and subprocess.run([script, "-e", "library(haven)"], capture_output=True, timeout=120, check=False)
    return bool(said) and said.returncode == 0


def test_haven_reads_every_value_as_it_is(delivered, received, tmp_path):
    if not haven_is_there():
        pytest.skip("no Rscript with haven")
    call = ["Rscript", "-e", READ, str(delivered("adam")), str(tmp_path)]
    subprocess.run(call, check=True, capture_output=True, timeout=600)
    paths = sorted(tmp_path.glob("*.csv"))
    assert len(paths) >= 15
    for path in paths:
        dataset = received("adam")[path.stem.upper()]
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        assert rows[0] == list(dataset.names)
        ours = [["" if v is None else v if isinstance(v, str) else f"{v:.17g}" for v in row] for row in dataset.rows]
        assert rows[1:] == ours, path.name
