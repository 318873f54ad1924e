"""The report as a frozen value: everything a case led to, before it is drawn or written."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import missing

if TYPE_CHECKING:
    import xarray as xr

    from ..biology import Effect, Ledger, NextActivity
    from ..case import Case
    from ..catalog import Cited
    from ..dose import Dose
    from ..kinetics import Curve, Decays, Kinetics
    from ..transport import SValues
    from .evidence import AgentEvidence

__all__ = [
    "Course",
    "Input",
    "NucleusHits",
    "Provenance",
    "Report",
    "Sensitivity",
    "StructureCells",
    "StructureResult",
    "WhatIf",
    "stats",
]

DISCLAIMER = "Research software. Not a medical device: no result here may decide a treatment without independent check."


def stats(values: Any) -> dict[str, float]:
    """Mean, standard deviation and percentiles over the sample axis, nine digits."""
    x = np.asarray(values, dtype=float).ravel()
    p05, p50, p95 = np.quantile(x, (0.05, 0.5, 0.95))
    sd = float(np.std(x, ddof=1)) if x.size > 1 else 0.0
    made = {"mean": float(np.mean(x)), "sd": sd, "p05": float(p05), "p50": float(p50), "p95": float(p95)}
    return {k: float(f"{v:.9g}") for k, v in made.items()}


@dataclass(frozen=True, eq=False)
class Course:
    """The stages of one course, each the value that its room made; kinetics, decays and dose are of one cycle."""

    agent: str
    nuclide: str
    cycle_activities_MBq: tuple[float, ...]
    kinetics: Kinetics
    decays: Decays
    s_values: SValues
    dose: Dose
    effect: Effect

    @property
    def cycles(self) -> int:
        """Number of cycles."""
        return len(self.cycle_activities_MBq)

    @property
    def scale(self) -> float:
        """Whole course over first cycle."""
        return sum(self.cycle_activities_MBq) / self.cycle_activities_MBq[0]

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions that have a dose."""
        return tuple(str(r) for r in self.dose.dose["region"].values)


@dataclass(frozen=True, eq=False)
class NucleusHits:
    """Alpha hits of a nucleus over the course, the share of cells none hits, survival where asked; arrays [sample]."""

    mean_hits: np.ndarray
    not_hit: np.ndarray
    survival: np.ndarray | None


@dataclass(frozen=True, eq=False)
class StructureCells:
    """Hits of the nuclei of one kind of cells in a structure, over the course; arrays [sample].

    `not_hit` is the mean over places in the zone of exp(-hits there); z in Gy, of one alpha through a nucleus.
    """

    zone: str
    nucleus_diameter_um: float
    mean_hits: np.ndarray
    not_hit: np.ndarray
    z_frequency_mean_Gy: np.ndarray
    z_dose_mean_Gy: np.ndarray


@dataclass(frozen=True, eq=False)
class StructureResult:
    """Dose to the zones of a structure of a region, beside the region's mean; over the whole course.

    Attributes
    ----------
    structure, name, region : str
    dose_Gy : dict zone -> Array[sample, nuclide, radiation]
    mass_share : dict zone -> Array[sample]
        Of the structure.
    nuclides, radiations : tuple of str
    over_mean : dict zone -> Array[sample]
        Absorbed dose of the zone over the mean absorbed dose of the region.
    cells : dict of StructureCells
    places : tuple of str
        Sentences: where the decays are.
    unverified : tuple of str
        Names of the numbers of this structure that nobody has verified.
    gaps, sources : tuple of str
    """

    structure: str
    name: str
    region: str
    dose_Gy: Mapping[str, np.ndarray]
    mass_share: Mapping[str, np.ndarray]
    nuclides: tuple[str, ...]
    radiations: tuple[str, ...]
    over_mean: Mapping[str, np.ndarray]
    cells: Mapping[str, StructureCells]
    places: tuple[str, ...]
    unverified: tuple[str, ...]
    gaps: tuple[str, ...]
    sources: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, as in summary.json."""
        zones = {}
        for zone, dose in self.dose_Gy.items():
            by_radiation, by_nuclide = dose.sum(axis=1), dose.sum(axis=2)
            zones[zone] = {
                "absorbed_dose_Gy": {
                    **{r: stats(by_radiation[:, i]) for i, r in enumerate(self.radiations)},
                    "total": stats(by_radiation.sum(axis=1)),
                },
                "absorbed_dose_by_nuclide_Gy": {u: stats(by_nuclide[:, i]) for i, u in enumerate(self.nuclides)},
                "over_mean_dose": stats(self.over_mean[zone]),
            }
        cells = {
            name: {
                "zone": c.zone,
                "nucleus_diameter_um": c.nucleus_diameter_um,
                "mean_hits_per_nucleus": stats(c.mean_hits),
                "cells_not_hit": stats(c.not_hit),
                "z_frequency_mean_Gy": stats(c.z_frequency_mean_Gy),
                "z_dose_mean_Gy": stats(c.z_dose_mean_Gy),
            }
            for name, c in self.cells.items()
        }
        return {
            "name": self.name,
            "zones": zones,
            "cells": cells,
            "places": list(self.places),
            "unverified": list(self.unverified),
            "sources": list(self.sources),
        }


@dataclass(frozen=True)
class Sensitivity:
    """One input moved alone: the answer at one standard deviation below and above."""

    name: str
    low: float
    high: float

    @property
    def swing(self) -> float:
        """How far the answer moves."""
        return abs(self.high - self.low)


@dataclass(frozen=True)
class WhatIf:
    """Another choice of model, at the point estimate: what the answer would be."""

    name: str
    value: float
    reference: float
    why: str


@dataclass(frozen=True)
class Input:
    """A published or given number that the result used."""

    name: str
    text: str
    source: str
    locator: str
    verified: bool
    note: str = ""

    @classmethod
    def of(cls, name: str, entry: Cited) -> Input:
        """From a catalogue entry."""
        value, unit = getattr(entry, "value", None), getattr(entry, "unit", "")
        spread = ""
        if getattr(entry, "u", None):
            spread = f" ± {entry.u:g}"  # type: ignore[attr-defined]
        elif getattr(entry, "distribution", "") in ("uniform", "triangular"):
            spread = f" ({entry.low:g} to {entry.high:g}, {entry.distribution})"  # type: ignore[attr-defined]
        terms = getattr(entry, "terms", ())
        if terms:
            shares = " + ".join(f"{t.fraction:g} at {t.half_life_h:g} h" for t in terms)
            text = f"{shares} ({entry.half_lives}), {unit}"  # type: ignore[attr-defined]
        else:
            text = f"{value:g}{spread} {unit}".strip() if value is not None else str(unit)
        return cls(name, text.removesuffix(" 1"), entry.source, entry.locator, entry.verified, entry.note)


@dataclass(frozen=True)
class Provenance:
    """Enough to run the same case again; text only."""

    software: str
    code_sha256: str
    case_sha256: str
    catalog_sha256: str
    seed: int
    samples: int
    python: str
    libraries: Mapping[str, str]
    options: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Report:
    """What a case led to; made by ``alphatwin.run``.

    ``summary()`` is the content of summary.json, ``html()`` the page, ``dataset()`` the arrays of result.nc,
    ``write(parent)`` puts the three into a folder named after the case.
    """

    case: Case
    course: Course
    curves: Mapping[str, Curve]
    curve_samples: Mapping[str, tuple[np.ndarray, np.ndarray]]
    point: Course
    ledgers: Mapping[str, Ledger]
    ntcp: Mapping[str, tuple[str, np.ndarray]]
    cells: Mapping[str, NucleusHits]
    structures: tuple[StructureResult, ...]
    next_cycle: NextActivity | None
    planned_limit: NextActivity | None
    answer_tissue: str
    sensitivity: tuple[Sensitivity, ...]
    sensitivity_centre: float
    what_if: tuple[WhatIf, ...]
    assumptions: tuple[str, ...]
    gaps: tuple[str, ...]
    inputs: tuple[Input, ...]
    provenance: Provenance

    @property
    def activity_only(self) -> tuple[str, ...]:
        """Regions with decays but no dose, such as free daughters in blood."""
        return tuple(r for r in self.course.kinetics.regions if r not in self.course.regions)

    # --- numbers ---------------------------------------------------------------------------------------------------

    def region(self, name: str) -> dict[str, Any]:
        """The numbers of one region, as in summary.json; over the whole course.

        Raises
        ------
        CatalogError
            The case has no such region; the message names those it has.
        """
        course = self.course
        if name not in course.regions:
            raise missing("region", name, course.regions)
        dose = course.dose.by_radiation.sel(region=name) * course.scale
        by_nuclide = course.dose.dose.sel(region=name).sum("radiation") * course.scale
        effect = course.effect
        return {
            "mass_g": stats(course.s_values.mass_g.sel(region=name)),
            "time_integrated_activity_MBq_h": self._activity(course.s_values.parts(name)),
            "absorbed_dose_Gy": {
                **{str(r): stats(dose.sel(radiation=r)) for r in dose["radiation"].values},
                "total": stats(dose.sum("radiation")),
            },
            "absorbed_dose_by_nuclide_Gy": {
                str(u): stats(by_nuclide.sel(nuclide=u)) for u in by_nuclide["nuclide"].values
            },
            "absorbed_dose_per_activity_Gy_per_MBq": stats(dose.sum("radiation") / sum(course.cycle_activities_MBq)),
            "rbe_weighted_dose_Gy": stats(effect.rbe_weighted_dose.sel(region=name)),
            "bed_Gy": stats(effect.bed.sel(region=name)),
            "eqd2_Gy": stats(effect.eqd2.sel(region=name)),
            "lea_catcheside_g": stats(effect.g.sel(region=name)),
            **self._cells(name),
            **self._structures(name),
        }

    def _cells(self, name: str) -> dict[str, Any]:
        """Hits of a nucleus, for a course with alphas."""
        hits = self.cells.get(name)
        if hits is None:
            return {}
        made = {"mean_hits_per_nucleus": stats(hits.mean_hits), "cells_not_hit": stats(hits.not_hit)}
        return {"cells": made if hits.survival is None else {**made, "survival": stats(hits.survival)}}

    def _structures(self, name: str) -> dict[str, Any]:
        """Dose to the zones of the region's structures, and hits of their cells, where the case asks for them."""
        mine = {s.structure: s.as_dict() for s in self.structures if s.region == name}
        return {"structures": mine} if mine else {}

    def _activity(self, regions: list[str]) -> dict[str, dict[str, float]]:
        tia = self.course.decays.time_integrated_activity_MBq_h.sel(region=regions).sum("region") * self.course.scale
        return {str(u): stats(tia.sel(nuclide=u)) for u in tia["nuclide"].values}

    @property
    def evidence(self) -> AgentEvidence | None:
        """Studies of people that were given this agent, with conflicts and gaps; None when the store has none."""
        from .evidence import agent_evidence

        return agent_evidence(self.course.agent)

    def summary(self) -> dict[str, Any]:
        """The content of summary.json: plain dictionaries, lists and numbers."""
        from . import tables

        return tables.summary(self)

    def text(self) -> str:
        """The answer for a terminal: at most 80 columns."""
        from . import tables

        return tables.text(self)

    def dataset(self) -> xr.Dataset:
        """Every array of the result, with units, as written to result.nc."""
        from . import files

        return files.dataset(self)

    def html(self) -> str:
        """The report as one self-contained page that opens offline."""
        from . import page

        return page.render(self)

    def write(self, parent: str | pathlib.Path = ".") -> pathlib.Path:
        """Write report.html, summary.json and result.nc into a folder named after the case.

        Parameters
        ----------
        parent : str or Path
            Where the folder is made.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        OutputError
            The folder cannot be written; nothing half-written is left behind.
        """
        from . import files

        return files.write(self, pathlib.Path(parent))
