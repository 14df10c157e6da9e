"""The ``immunomon`` command line: all commands registered, and what goes wrong on purpose said in one message."""

from __future__ import annotations

from importlib import import_module

import typer

from immunomon.cli.app import app
from immunomon.errors import BadSpec, ImmunomonError, counted

__all__ = ["app", "main"]

# Importing a topic registers its commands; they are listed in this order.
TOPICS = (
    "trial",
    "files",
    "controls",
    "quality",
    "steadiness",
    "statistics",
    "assessments",
    "results",
    "clusters",
    "delivery",
    "audit",
)
for _topic in TOPICS:
    import_module(f"immunomon.cli.commands.{_topic}")


def main() -> None:
    """Run the command line; what goes wrong on purpose is one message and exit status 1, not a traceback."""
    try:
        app()
    except BadSpec as error:
        typer.echo("\n".join(str(problem) for problem in error.problems), err=True)
        typer.echo(f"{counted(len(error.problems), 'problem')}; nothing was done.", err=True)
        raise SystemExit(1) from None
    except ImmunomonError as error:
        typer.echo(f"immunomon: {error}", err=True)
        raise SystemExit(1) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(
            f"immunomon: {where}{error.strerror or error}; check the path, its permissions and the disk", err=True
        )
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        typer.echo("immunomon: stopped; start it again to go on.", err=True)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
