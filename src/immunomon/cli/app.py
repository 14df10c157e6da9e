"""The ``immunomon`` command itself: what every command is registered with, and the options that several share."""

from __future__ import annotations

import re
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer
from typer.core import TyperGroup
from typer.main import get_command_from_info
from typer.models import CommandInfo

from immunomon.cli.following import following
from immunomon.errors import nearest

__all__ = [
    "COMMANDS",
    "ByOption",
    "Commands",
    "DataOffset",
    "DataSet",
    "Jobs",
    "PanelOption",
    "PlanOption",
    "ReasonOption",
    "RunArgument",
    "SeedOption",
    "StudyOption",
    "app",
    "is_quiet",
    "one_of",
]

# What stands in the help, group by group; a command's module is imported when it is called.
COMMANDS: dict[str, dict[str, str]] = {
    "Start": {
        "demo": "Simulate a trial and take it all the way to its report: what the program does, in minutes.",
        "docs": "List the documentation's pages, or show one, such as the docs/trust.md that a message names.",
        "all": "Check, run, assess, compare, mechanism, export, report; what is up to date is kept.",
    },
    "Study": {
        "init": "Make a new study folder to edit: study.yaml, samples.csv and what to do next.",
        "propose-panel": "Propose a panel from an FCS file's header, marking what is guessed or left blank.",
        "check": "Read everything and print every problem at once, with file, line, place and remedy.",
        "simulate": "Make a synthetic trial: real FCS files, with the truth beside them.",
    },
    "Run": {
        "run": "Gate every file of a study and write its tables; what is already done is kept.",
        "import": "Make a run from counts gated elsewhere: tidy CSV, a FlowJo table, a workspace's counts.",
        "status": "Say how far a run is: files, rate, time left, failures, what is stale and what renews it.",
        "review": "Look at every gate in the browser, move those that are wrong, approve samples.",
        "override": "Move a gate, drop samples or accept a warning, with who and why.",
        "lock": "Freeze a run: a later change needs a reason and lists what moved.",
        "report": "Write one self-contained HTML page of a run: study, gating plots, trajectories, tables.",
    },
    "Look": {
        "quality": "Judge acquisitions: clogs, surges, steps, drifts, margins, Time, too few events.",
        "steadiness": "Say which bridge samples break Westgard's rules, and in which population or marker.",
        "precision": "Say how much repeats of one specimen differ: within a run, between runs, days and operators.",
        "normalise": "Bring batches together by their bridge samples, as the study declares.",
        "embed": "Lay out the cells of all patients and visits on one map (UMAP): table, record and picture.",
        "project": "Place a run's cells, later visits included, on a fixed atlas; say which samples are unlike it.",
        "explore": "Write a panel's atlas as a page to explore: colour it, compare visits, brush a region.",
        "cluster": "Cluster all cells of a panel, name the clusters, and list those that changed most. Exploratory.",
        "notebooks": (
            "Copy the notebooks, set up for a run: first look, atlas, change from baseline, your own strategy."
        ),
    },
    "Answer": {
        "assess": "Say who responded, what was adverse, and what the escalation rule says: tables and one page.",
        "compare": "Say what changed, in whom and at which dose: tables, forest plots, and one page of sentences.",
        "mechanism": (
            "Say whether the immune change goes with the platelets, precedes them, and follows exposure. Exploratory."
        ),
        "power": "Say how small a change a number of patients can detect, from the run's own variances.",
    },
    "Deliver": {
        "export": "Write frequencies and changes into a database (all or nothing, repeatable), or cells as AnnData.",
        "deliver": (
            "Deliver a run as files with a manifest: tables, SDTM, ADaM, Dataset-JSON, REDCap, ImmPort, MIFlowCyt."
        ),
        "check-delivery": "Check a delivery against the rules of docs/delivery-rules.md.",
        "specify-transfer": "Write a data transfer specification from a study: files, columns, units, codes.",
        "reconcile": "Compare the samples with a sponsor's list of subjects and visits, and open queries.",
    },
    "Files": {
        "info": "Show an FCS file's header, channels, matrix, number of events and repairs, or what a workspace holds.",
        "gate": "Gate FCS files without a study: one row per file and population.",
        "compensate": "Make a compensation matrix from single-stained controls.",
        "export-events": "Write a population's raw events as an FCS 3.1 file, with the original file's keywords.",
        "export-gates": "Write placed gates for other programs: a run's, or a strategy's with fixed borders.",
    },
    "Check the program": {
        "audit": "Verify a run's trail, its files and what it was made from, or every row of a database.",
        "trace": "Print a number's whole way, from file to delivery.",
        "verify": "Recompute a run's numbers with other code and compare.",
        "validate": "Measure the gates against simulated truth and write the results.",
    },
}
_MODULES = {"docs": "pages", "lock": "audit", "import": "import_table", "all": "everything", "demo": "everything"}


class Commands(TyperGroup):
    """The commands of COMMANDS: each imported when it is called, so that the help and every command start fast."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - typer's own type of context
        """Return all commands' names, in the order of the help."""
        return [name for group in COMMANDS.values() for name in group]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        """Return a command by its name, None if there is none of this name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        led = self.__dict__.setdefault("_led", {})  # beside typer's own commands, which lack what all have in common
        if cmd_name not in led:
            import_module(f"immunomon.cli.{_MODULES.get(cmd_name, cmd_name.replace('-', '_'))}")
            declared = next(info for info in app.registered_commands if _name(info) == cmd_name)
            led[cmd_name] = _leading_on(_of_typer(declared), cmd_name)
        return led[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """Return the command that the arguments name; an unknown one is refused with the nearest."""
        known = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in known:
            ctx.fail(f"there is no command '{args[0]}'; {nearest(args[0], known)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002
        """Write the groups of commands with their whole sentences."""
        for group, commands in COMMANDS.items():
            with formatter.section(group):
                formatter.write_dl(list(commands.items()))

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run the command; what it returns is the exit status."""
        ctx.exit(super().invoke(ctx) or 0)


def _leading_on(command: Any, name: str) -> Any:  # noqa: ANN401 - typer's own type of command
    """Return a command that takes ``-q`` itself, too, and names the next one when it did what it was asked to."""
    command.params.append(_of_typer(CommandInfo(callback=_only_quiet)).params[0])
    run = command.invoke

    def invoke(context: Any) -> Any:  # noqa: ANN401 - the exit status, or None
        status = run(context)
        if status or is_quiet() or context.params.get("as_json"):
            return status
        if next_command := following(name, context.params):
            typer.echo("Next: immunomon {}    ({})".format(*next_command), err=True)
        return status

    command.invoke = invoke
    return command


_QUIETLY = "Print results and problems only: no progress, no next step."
_quiet = ContextVar("quiet", default=False)


def _be_quiet(value: bool) -> None:
    if value:
        _quiet.set(True)


def _only_quiet(
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help=_QUIETLY, expose_value=False, callback=_be_quiet)
    ] = False,
) -> None:
    """Have the option that every command has."""


def _of_typer(declared: CommandInfo) -> Any:  # noqa: ANN401 - typer's own type of command
    return get_command_from_info(declared, pretty_exceptions_short=False, rich_markup_mode=None)


def is_quiet() -> bool:
    """Say whether the program was asked to print results and problems only (``-q``)."""
    return _quiet.get()


def _name(info: CommandInfo) -> str:
    return info.name or (info.callback.__name__ if info.callback else "")


app = typer.Typer(
    name="immunomon",
    cls=Commands,
    help="Flow cytometry and immune monitoring: FCS files in, subset frequencies and their change from baseline out.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RunArgument = Annotated[Path, typer.Argument(help="The run folder.")]
StudyOption = Annotated[
    Path | None, typer.Option("--study", help="The study's folder; default: the folder above the run.")
]
PanelOption = Annotated[str | None, typer.Option("--panel", "-p", help="The panel; default: the study's first.")]
PlanOption = Annotated[
    Path | None,
    typer.Option("--plan", help="The analysis plan; default: analysis.yaml beside the study, else a default plan."),
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, help="For tests that sample arrangements; the same, the same.")
]
ByOption = Annotated[str, typer.Option("--by", help="Who decides.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it goes into the audit trail.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Files worked on at once; default: one per processor.")
]


def _data_set(text: str) -> int | None:
    if text.casefold() == "auto":
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise typer.BadParameter(f"'{text[:20]}' is no data set; they are counted from 1, or write auto")
    return int(text)


def one_of(kinds: object) -> dict[str, Any]:
    """Return what lets an option be one of some words, a Literal: its help lists them, a refusal names the nearest.

    >>> from typing import Literal
    >>> one_of(Literal["database", "anndata"])["metavar"]
    '[database|anndata]'
    """
    known = get_args(kinds)

    def parsed(text: str) -> str:
        if text not in known:
            raise typer.BadParameter(f"there is no '{text}'; {nearest(text, known)}")
        return text

    return {"parser": parsed, "metavar": f"[{'|'.join(known)}]"}


DataSet = Annotated[
    Any,
    typer.Option(
        "--data-set",
        parser=_data_set,
        metavar="N|auto",
        help="Which one of several; auto (default): the first with events, of an LMD's the FCS 3.0 one.",
    ),
]
DataOffset = Annotated[
    Any,
    typer.Option(
        "--data-offset",
        help="Whose word on where DATA begins, if HEADER and TEXT disagree and the values do not tell.",
        **one_of(Literal["header", "text"]),
    ),
]


@app.callback(invoke_without_command=True)
def _program(
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version and stop.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help=_QUIETLY)] = False,
) -> None:
    _quiet.set(quiet)
    if version:
        from immunomon import __version__

        typer.echo(f"immunomon {__version__}")
        raise typer.Exit
