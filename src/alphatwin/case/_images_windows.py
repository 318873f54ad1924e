"""Parts of a case of images: another nuclide's dose, energy windows of a chain, and few counts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ._fields import ActivityMBq, Fraction, Part, fault

__all__ = ["EnergyWindow", "LowCountOptions", "TherapyNuclide", "Uptake", "check_windows"]


class Uptake(Part):
    """Uptake of a region with the therapy ligand over that with the imaged one; no physical decay in it."""

    ratio: float = Field(gt=0, le=100)
    sd: Fraction | None = Field(default=None, description="its relative standard uncertainty; default uptake_sd")
    source: str = Field(default="the case", max_length=300)


class TherapyNuclide(Part):
    """Images of a surrogate, dose of the nuclide it stands for: a prediction."""

    nuclide: str = Field(description="whose dose is asked, e.g. Pb-212 where Pb-203 was imaged")
    administered_activity_MBq: ActivityMBq = Field(alias="administered_activity", description="of it, e.g. '100 MBq'")
    agent: str | None = Field(
        default=None, min_length=1, max_length=64, description="its name; default that of the images"
    )
    uptake_sd: Fraction = Field(
        description="relative standard uncertainty of a region's uptake because ligand, mass or day differ; '0 %' says: none"
    )
    uptake: dict[str, Uptake] = Field(default_factory=dict, max_length=100, description="by region; else a ratio of 1")
    largest_extrapolated: Fraction = Field(
        default="50 %",
        validate_default=True,
        gt=0,
        description="most of the integral that may lie after the last image",
    )
    allow_extrapolation: bool = Field(default=False, description="take more, with a warning")


class EnergyWindow(Part):
    """One energy window: which member of the chain it shows, what a count of it is worth, and what else is in it."""

    energy_keV: Annotated[float, Field(gt=0, le=10_000)] = Field(
        description="an energy inside the window, e.g. 218; tells which series it is"
    )
    nuclide: str = Field(description="member of the chain that emits there, e.g. Fr-221")
    cps_per_MBq: float = Field(
        gt=0, le=1e6, description="counts of the reconstruction per second and MBq of that nuclide"
    )
    sd: Fraction = Field(description="standard uncertainty of it beyond calibration.sd, which all windows share")
    crosstalk: dict[str, Fraction] = Field(
        default_factory=dict,
        max_length=5,
        description="other nuclides of the windows: their counts here over their counts in their own window",
    )
    crosstalk_sd: Fraction = Field(default="10 %", validate_default=True, description="relative, of each of them")
    fwhm_mm: float | None = Field(
        default=None, ge=1, le=100, description="resolution in this window, where it differs from recovery.fwhm"
    )


class LowCountOptions(Part):
    """What is done with points whose counts are at the level of the background (net counts below Currie's critical level)."""

    below: Literal["censored", "poisson", "refuse"] = Field(
        default="censored",
        description="censored: only 'not seen' is used of them; poisson: their counts are; refuse: an error",
    )
    noise_factor: float = Field(
        default=1.0, gt=0, le=1000, description="variance over mean of a region's counts; 1 for raw Poisson counts"
    )


def check_windows(windows: dict[str, EnergyWindow]) -> None:
    """At least two windows, one for each nuclide, cross-talk between them only."""
    if len(windows) < 2:
        raise fault("name at least two energy windows; with one, calibration says all.", "windows")
    shown = [w.nuclide for w in windows.values()]
    if len(set(shown)) < len(shown):
        raise fault("each window shows another nuclide.", "windows")
    for name, window in windows.items():
        for q in window.crosstalk:
            if q == window.nuclide or q not in shown:
                others = ", ".join(n for n in shown if n != window.nuclide)
                raise fault(f"{q} is not shown by another window; cross-talk is given for {others}.",
                            "windows", name, "crosstalk")  # fmt: skip
