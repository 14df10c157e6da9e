"""Check a delivery: every rule over everything it applies to; what breaks it, and which rules had nothing to see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from immunomon.outputs.conformance.book import Issue, Rule, Severity
from immunomon.outputs.conformance.received import Received, receive
from immunomon.outputs.conformance.registry import RULES

__all__ = ["Breach", "Report", "check_delivery", "check_received", "received_beside"]

_MOST = 100  # issues that are told one by one, of a rule; the rest is counted


@dataclass(frozen=True)
class Breach:
    """Something that breaks a rule: rule and severity, dataset or file, record or blank, what is wrong, what to do."""

    rule: str
    severity: Severity
    where: str
    record: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Report:
    """What a check found.

    untold: by rule, how many more issues there are than are told; not_applicable: by rule, why it had nothing to look
    at; run: the rules that were checked; records: of all datasets.
    """

    folder: Path
    breaches: tuple[Breach, ...]
    run: tuple[str, ...]
    not_applicable: Mapping[str, str]
    records: int
    files: int
    untold: Mapping[str, int] = field(default_factory=dict)

    def of(self, severity: Severity) -> tuple[Breach, ...]:
        """Return the breaches of one severity."""
        return tuple(breach for breach in self.breaches if breach.severity == severity)

    @property
    def broken(self) -> tuple[str, ...]:
        """The numbers of the rules that are broken."""
        return tuple(dict.fromkeys(breach.rule for breach in self.breaches))


def check_delivery(folder: Path, beside: Path | None = None) -> Report:
    """Read a delivery as it lies in its folder and check it by every rule.

    beside: another form of the same delivery, whose Dataset-JSON files are compared with the transport files here, or
    the other way round. Raises DeliveryFailed if there is no such folder.
    """
    received = receive(folder)
    return check_received(received if beside is None else received_beside(received, receive(beside)))


def received_beside(received: Received, other_form: Received) -> Received:
    """Return a delivery with the datasets of another form of it beside its own."""
    return replace(received, beside=other_form.cdisc)


def check_received(received: Received, rules: Iterable[Rule] = tuple(RULES.values())) -> Report:
    """Check what was received by some rules, by default all."""
    breaches: list[Breach] = []
    run: list[str] = []
    idle: dict[str, str] = {}
    untold: dict[str, int] = {}
    for rule in rules:
        reason = _nothing_to_look_at(rule, received)
        if reason:
            idle[rule.number] = reason
            continue
        run.append(rule.number)
        issues = _issues(rule, received)
        breaches += [
            Breach(rule.number, rule.severity, issue.where, issue.record, issue.message, rule.remedy)
            for issue in issues[:_MOST]
        ]
        if len(issues) > _MOST:
            untold[rule.number] = len(issues) - _MOST
    records = sum(len(table) for table in received.tables)
    return Report(received.folder, tuple(breaches), tuple(run), idle, records, len(received.files), untold)


def _nothing_to_look_at(rule: Rule, received: Received) -> str:
    if not received.cdisc and (rule.needs or rule.scope.of_cdisc):
        return "the delivery has no datasets of SDTM or ADaM"
    missing = [name for name in rule.needs if received.table(name) is None]
    if missing:
        return f"the delivery has no dataset {', '.join(missing)}"
    return "" if rule.scope.select(received) else f"the delivery has no {rule.scope.words}"


def _issues(rule: Rule, received: Received) -> list[Issue]:
    issues: list[Issue] = []
    for part in rule.scope.select(received):
        try:
            issues += rule.check(part, received)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # A stranger's file may hold what no check foresaw: that is said, and the other rules go on.
            where = getattr(part, "name", None) or getattr(part, "file", "")
            issues.append(Issue(str(where), f"could not be judged ({type(error).__name__}: {error})"[:200]))
    return issues
