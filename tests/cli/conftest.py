import sys

import pytest

from immunomon.cli.main import main


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command line as a user does: return exit status, standard output and standard error."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["immunomon", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return run
