"""Deliver and check: what leaves a run, and whether it keeps the rules that a receiver checks."""

from __future__ import annotations

from pathlib import Path

from immunomon.outputs.conformance import check
from immunomon.outputs.conformance.check import Breach, Report
from immunomon.outputs.conformance.registry import RULES
from immunomon.outputs.delivery.deliver import Delivered, deliver_run

__all__ = ["RULES", "Breach", "Delivered", "Report", "check_delivery", "deliver_run"]


def check_delivery(folder: str | Path, beside: str | Path | None = None) -> Report:
    """Hold a delivery against the rules of docs/delivery-rules.md, as ``immunomon check-delivery`` does.

    beside: another form of the same delivery, whose values are compared. Raises DeliveryFailed if there is no such
    folder.
    """
    return check.check_delivery(Path(folder), None if beside is None else Path(beside))
