"""How good a registration is, and what is wrong with it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

__all__ = ["Quality", "faults"]

WORSE = 0.01  # share of mutual information that may be lost to rounding and sampling


@dataclass(frozen=True)
class Quality:
    """How good a registration is, in numbers.

    Attributes
    ----------
    metric_before, metric_after : float
        Mutual information (nat) with the images as the scanners place them, and registered; NaN where none was computed.
    correlation_before, correlation_after : float
        Of the voxel values inside the fixed image's body.
    dice_before, dice_after : dict of str to float
        Overlap of regions that both time points have, and of ``body (CT)``, the body found in both CTs.
    shift_mm : float
        How far the middle of the fixed body moves.
    largest_shift_mm : float
        The most that any place of the fixed body moves.
    rotation_deg : float
        Angle of the rotation about its axis.
    volume_change : float
        Largest |det(dy/dx) - 1| in the body.
    inverse_consistency_mm : float
        Mean distance in the body between a place and itself, there by this registration and back by one made the
        other way round; NaN if it was not made.
    start : str
        ``scanner`` or ``middles``: where the search began.
    """

    metric_before: float = math.nan
    metric_after: float = math.nan
    correlation_before: float = math.nan
    correlation_after: float = math.nan
    dice_before: dict[str, float] = field(default_factory=dict)
    dice_after: dict[str, float] = field(default_factory=dict)
    shift_mm: float = 0.0
    largest_shift_mm: float = 0.0
    rotation_deg: float = 0.0
    volume_change: float = 0.0
    inverse_consistency_mm: float = math.nan
    start: str = "scanner"


def faults(quality: Quality, shift_mm: float, rotation_deg: float, inconsistency_mm: float) -> list[str]:
    """What broke a limit, in sentences."""
    found = []
    if quality.metric_after < quality.metric_before * (1 - WORSE):
        found.append(
            f"The images agree less after it than before (mutual information {quality.metric_before:.3f} to "
            f"{quality.metric_after:.3f})."
        )
    if quality.shift_mm > shift_mm:
        found.append(f"The body moved {quality.shift_mm:.0f} mm, above the limit of {shift_mm:g} mm.")
    if quality.rotation_deg > rotation_deg:
        found.append(f"The body turned {quality.rotation_deg:.0f} degrees, above the limit of {rotation_deg:g}.")
    if quality.volume_change > 0.5:
        found.append(f"Some place changed its volume by {quality.volume_change:.0%}.")
    if quality.inverse_consistency_mm > inconsistency_mm:
        found.append(
            f"There and back ends {quality.inverse_consistency_mm:.1f} mm away on average, above the limit of "
            f"{inconsistency_mm:g} mm."
        )
    return found
