"""What alpha particles add to a case of images: hits of nuclei, and where the daughters decay."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .model import NucleusHits, stats

__all__ = [
    "CSV_COLUMNS",
    "NOISY",
    "DaughterRow",
    "Daughters",
    "RegionCells",
    "alpha_lines",
    "alpha_summary",
    "csv_cells",
]


NO_ORGAN = "No organ of the catalogue"
NOISY = "Noise makes more than half of the variance of the hits over the voxels"


@dataclass(frozen=True, eq=False)
class RegionCells:
    """Hits of the nuclei of one region; each `NucleusHits` at the point estimate [1] and over samples [sample].

    Attributes
    ----------
    region, medium : str
    even, even_samples : NucleusHits
        Of the region's mean: every cell sees the same decays per gram.
    voxels, voxels_samples : NucleusHits or None
        Shares of cells averaged over the voxels of the region by mass; None where no voxel is at least half inside.
    spread : float
        Standard deviation of the hits over the voxels, over their mean.
    noise : float
        The part of it that the noise of the images makes; NaN where that is not known.
    """

    region: str
    medium: str
    even: NucleusHits
    even_samples: NucleusHits
    voxels: NucleusHits | None
    voxels_samples: NucleusHits | None
    spread: float
    noise: float


@dataclass(frozen=True)
class DaughterRow:
    """Mean dose of a region for three fates of the daughters, Gy; None where the model has no answer.

    `fate_sd` is the relative standard uncertainty of the report's own dose from where daughters go, 0 in place.
    """

    region: str
    organ: str
    in_place_Gy: float
    free_Gy: float | None
    lost_Gy: float | None
    fate_sd: float = 0.0


@dataclass(frozen=True, eq=False)
class Daughters:
    """Where the daughters decay, and what another fate would mean.

    Attributes
    ----------
    model : {"free", "in_place"}
        What the doses of this report hold.
    entry : str
        Agent of the catalogue whose retained fractions are taken, or "any agent".
    rows : tuple of DaughterRow
    decays : mapping of place to mapping of nuclide to float
        Of `model`, point estimate: regions, places without voxels, and ``excreted``.
    untold : str
        Why the free model has no answer; empty where it has one.
    """

    model: Literal["free", "in_place"]
    entry: str
    rows: tuple[DaughterRow, ...]
    decays: Mapping[str, Mapping[str, float]]
    untold: str = ""

    def where(self, regions: tuple[str, ...]) -> dict[str, dict[str, float]]:
        """Share of each nuclide's decays in the regions, elsewhere in the body, and excreted."""
        made: dict[str, dict[str, float]] = {}
        for q in next(iter(self.decays.values())):
            total = sum(of[q] for of in self.decays.values())
            inside = sum(of[q] for name, of in self.decays.items() if name in regions)
            out = self.decays.get("excreted", {}).get(q, 0.0)
            if total > 0:
                made[q] = {
                    "regions": inside / total,
                    "elsewhere": (total - inside - out) / total,
                    "excreted": out / total,
                }
        return made

    def row(self, region: str) -> DaughterRow:
        """Of one region."""
        return next(r for r in self.rows if r.region == region)


def _of_hits(value: float, samples: np.ndarray) -> dict[str, float]:
    return {"value": float(value), **stats(samples)}


def _hits(point: NucleusHits, samples: NucleusHits) -> dict[str, Any]:
    made = {
        "mean_hits_per_nucleus": _of_hits(point.mean_hits[0], samples.mean_hits),
        "cells_not_hit": _of_hits(point.not_hit[0], samples.not_hit),
    }
    if point.survival is not None and samples.survival is not None:
        made["survival"] = _of_hits(point.survival[0], samples.survival)
    return made


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def alpha_summary(
    cells: tuple[RegionCells, ...], daughters: Daughters | None, regions: tuple[str, ...]
) -> dict[str, Any]:
    """What summary.json has of both."""
    made: dict[str, Any] = {
        "cells": [
            {
                "region": c.region, "medium": c.medium, "even": _hits(c.even, c.even_samples),
                "voxels": None if c.voxels is None or c.voxels_samples is None else _hits(c.voxels, c.voxels_samples),
                "relative_spread_over_voxels": _finite(c.spread), "of_which_noise": _finite(c.noise),
            }
            for c in cells
        ],
        "daughters": None,
    }  # fmt: skip
    if daughters is not None:
        made["daughters"] = {
            "model": daughters.model, "retained_of": daughters.entry, "untold": daughters.untold,
            "regions": [
                {"region": r.region, "counts_as": r.organ, "mean_in_place_Gy": r.in_place_Gy, "mean_free_Gy": r.free_Gy,
                 "mean_freed_lost_Gy": r.lost_Gy, "relative_sd_from_fates": r.fate_sd}
                for r in daughters.rows
            ],
            "decays": {place: dict(of) for place, of in daughters.decays.items()},
            "share_of_decays": daughters.where(regions),
        }  # fmt: skip
    return made


def alpha_lines(
    cells: tuple[RegionCells, ...], daughters: Daughters | None, notes: tuple[str, ...], width: int
) -> list[str]:
    """Lines for a terminal, with those of the notes that change how they are read; none without alphas."""
    if not cells and daughters is None:
        return []
    names = [c.region for c in cells] if daughters is None else [r.region for r in daughters.rows]
    told = {"hits": 3, "not hit %": 4, "by voxels": 5} if cells else {}
    told |= {"in place Gy": 0, "free Gy": 1, "lost Gy": 2} if daughters is not None else {}
    head = f"{'region':18s}" + "".join(f"{words:>{len(words) + 2}s}" for words in told)
    lines = ["", head[:width], "-" * width]
    for name in names:
        row = csv_cells(name, cells, daughters)
        shown = (_short(row[i], 100 if i in (4, 5) else 1).rjust(len(words) + 2) for words, i in told.items())
        lines.append(f"{name[:17]:18s}" + "".join(shown))
    for note in (n for n in notes if n.startswith((NO_ORGAN, NOISY))):
        lines += textwrap.wrap(f"- {note}", width, subsequent_indent="  ")
    return lines


def _short(value: float | None, factor: float = 1.0) -> str:
    return "-" if value is None else f"{factor * value:.3g}"


CSV_COLUMNS = (
    "mean_in_place_Gy", "mean_free_daughters_Gy", "mean_freed_lost_Gy", "mean_hits_per_nucleus", "cells_not_hit",
    "cells_not_hit_by_voxels", "survival", "survival_by_voxels",
)  # fmt: skip


def csv_cells(region: str, cells: tuple[RegionCells, ...], daughters: Daughters | None) -> list[float | None]:
    """One row of regions.csv, from `CSV_COLUMNS`; None where there is nothing to say."""
    row: list[float | None] = [None] * len(CSV_COLUMNS)
    if daughters is not None:
        ends = daughters.row(region)
        row[:3] = ends.in_place_Gy, ends.free_Gy, ends.lost_Gy
    for c in (c for c in cells if c.region == region):
        row[3], row[4] = float(c.even.mean_hits[0]), float(c.even.not_hit[0])
        row[6] = None if c.even.survival is None else float(c.even.survival[0])
        if c.voxels is not None:
            row[5] = float(c.voxels.not_hit[0])
            row[7] = None if c.voxels.survival is None else float(c.voxels.survival[0])
    return row
