"""The section of a study file about acquisition quality: when a file is remarked on, fails, or loses its events."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from immunomon.findings import Findings
from immunomon.shape import SpecModel
from immunomon.study.model.quality import QualityLimits

__all__ = ["QualitySpec", "check_quality"]

Percent = Annotated[float, Field(ge=0, le=100)]


class QualitySpec(SpecModel):
    """When a file's acquisition is remarked on, when it fails, and whether flagged events are left out."""

    min_events: int = Field(500, ge=0, le=1_000_000_000, description="A file with fewer events fails.")
    signal_shift: float = Field(
        0.08,
        gt=0,
        lt=0.5,
        description="A channel's mean rank (0 to 1) may be this far from its usual level over a stretch of events.",
    )
    rate_factor: float = Field(
        2.5, gt=1, le=1000, description="The flow rate may be this many times faster or slower than usual."
    )
    margin_percent: Percent = Field(5, description="More events than this at the end of a channel's range: a warning.")
    warn_percent: Percent = Field(2, description="More events than this off the usual course: a warning.")
    fail_percent: Percent = Field(
        30, description="More events than this off the usual course, or at the end of one channel's range: failed."
    )
    exclude_flagged: bool = Field(False, description="Whether flagged events are left out of every population.")

    def model(self) -> QualityLimits:
        """Return the section as a value."""
        return QualityLimits(**self.model_dump())


def check_quality(spec: QualitySpec, findings: Findings) -> None:
    """Note in ``findings`` what the section gets wrong: a failure that comes before its warning."""
    for name, percent in (("warn_percent", spec.warn_percent), ("margin_percent", spec.margin_percent)):
        if percent > spec.fail_percent:
            message = f"{spec.fail_percent:g} is below {name} {percent:g}"
            findings.add(("quality", "fail_percent"), message, "a failure must be worse than a warning")
