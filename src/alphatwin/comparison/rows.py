"""Alpha emitters beside beta emitters in numbers: one cell, a ball of cells, equal dose and equal decays.

Every row carries how it was obtained and from which sources; what is not known is left empty with the reason. Nothing
here is a model of its own: the rows call physics, transport, dose and biology.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..biology.cells import chain_lea_catcheside
from ..biology.cells import survival as cell_survival
from ..biology.damage import (
    complex_share,
    dsb_yield,
    misrepair_share,
    nuclear_dna_Gbp,
    repair_directly,
    ssb_yield,
    track_positions,
    uniform_encounters,
    yield_formula,
)
from ..biology.models import GY_UM2_PER_KEV_PER_UM, LinearQuadratic
from ..biology.oxygen import AIR_MMHG, OsmkOER
from ..dose._chain import left_out
from ..dose.cells import Cluster, ClusterDose, Labelled, cluster_dose, spheroid
from ..errors import DomainError
from ..physics.matter import medium
from ..physics.nuclides import Nuclide
from ..physics.nuclides import nuclide as nuclide_of
from ..transport.cells import cell_s_values, point_energy
from ..transport.hits import specific_energy
from .values import Comparison, Conditions, Row, Value

__all__ = ["compare"]

Array = npt.NDArray[np.float64]

_NORMAL_MMHG = 40.0  # well supplied tissue
_SEEN = 0.01  # lines with a smaller yield per decay of the parent are not named in a range
_SAMPLED_TRACKS = 40
_LEAVES_H = 1e-4  # a free ion that lives less than 0.4 s does not get far


@dataclass(frozen=True, eq=False)
class _Alphas:
    """Alpha lines of the chain, and what they do while they cross the nucleus from the surface of the cell."""

    energy_MeV: Array
    number: Array  # per decay of the parent
    let: Array  # keV/um at the nodes
    path: Array  # um of track per decay of the parent at the nodes; their sum is the mean path in the nucleus

    @property
    def track_let(self) -> float:
        return float(self.path @ self.let / self.path.sum())

    @property
    def dose_let(self) -> float:
        return float(self.path @ self.let**2 / (self.path @ self.let))

    @property
    def dose_share(self) -> Array:
        return np.asarray(self.path * self.let)


def _members(parent: Nuclide) -> list[tuple[Nuclide, float]]:
    """Members of the chain that decay during a treatment, with their decays per decay of the parent."""
    late = left_out(parent.name)
    return [(nuclide_of(n), parent.branching_to(n)) for n in parent.chain if n not in late]


def _lines(parent: Nuclide, radiation: str) -> tuple[Array, Array]:
    energy, number = [], []
    for member, decays in _members(parent):
        table = member.emissions(radiation)
        energy.append(table["energy_MeV"].to_numpy(dtype=float))
        number.append(table["yield_per_decay"].to_numpy(dtype=float) * decays)
    return np.concatenate(energy), np.concatenate(number)


def _alphas(parent: Nuclide, cell: float, nucleus: float) -> _Alphas | None:
    """psi(x) = [Rn^2 - (Rc - x)^2]/(4 Rc x), the chance that a point at x from the surface lies in the nucleus."""
    energy, number = _lines(parent, "alpha")
    if not len(energy):
        return None
    water = medium("water")
    highest = water.let_keV_per_um("alpha", 0.75)
    node, weight = np.polynomial.legendre.leggauss(32)
    let, path = [], []
    for e, n in zip(energy, number, strict=True):
        reach = water.csda_range_um("alpha", e)
        low, high = cell - nucleus, min(cell + nucleus, reach)
        if high <= low:
            continue
        x = low + 0.5 * (high - low) * (node + 1.0)
        psi = (nucleus**2 - (cell - x) ** 2) / (4.0 * cell * x)
        left = np.maximum(water.energy_after("alpha", np.maximum(reach - x, 0.0)), 1e-3)
        let.append(np.clip(water.let_keV_per_um("alpha", left), 1.0, highest))
        path.append(n * 0.5 * (high - low) * weight * psi)
    return _Alphas(energy, number, np.concatenate(let), np.concatenate(path))


@dataclass(frozen=True, eq=False)
class _Electrons:
    energy_MeV: Array
    number: Array

    @property
    def emitted_MeV(self) -> float:
        return float(self.energy_MeV @ self.number)

    @property
    def track_let(self) -> float:
        """Mean LET along whole tracks, sum E / sum R, of electrons of 10 keV and more (of 1 keV where these carry < 1 %)."""
        water, far = medium("water"), self.energy_MeV >= 0.01
        if self.energy_MeV[far] @ self.number[far] <= 0.01 * self.emitted_MeV:
            far = self.energy_MeV >= 1e-3
        e, n = self.energy_MeV[far], self.number[far]
        return float(1e3 * (n @ e) / (n @ water.csda_range_um("electron", e))) if n.sum() > 0.0 else math.nan

    @property
    def break_let(self) -> float:
        """LET at which breaks are read off: not above the 3 keV/um to which the yield of electrons is known."""
        return min(self.track_let, 3.0) if math.isfinite(self.track_let) else 3.0


@dataclass(frozen=True, eq=False)
class _Case:
    """What the rows of one nuclide share."""

    nuclide: Nuclide
    conditions: Conditions
    alphas: _Alphas | None
    electrons: _Electrons
    alpha_Gy: float  # to the nucleus of the cell itself, per decay of the parent with its chain in place
    low_Gy: float
    hits: float
    z_frequency_Gy: float
    g: float
    start_rate_per_h: float

    @property
    def low_share(self) -> float:
        return self.low_Gy / (self.alpha_Gy + self.low_Gy)

    @property
    def alpha_leads(self) -> bool:
        return self.alpha_Gy > self.low_Gy

    @property
    def track_Gy(self) -> float:
        """Mean dose to the nucleus by one track that crosses it: z_F of alphas, LET times mean chord of electrons."""
        if self.alpha_leads:
            return self.z_frequency_Gy
        r = self.conditions.nucleus_radius_um  # mean chord 4r/3 over a volume 4 pi r^3/3
        return GY_UM2_PER_KEV_PER_UM * self.electrons.track_let / (math.pi * r**2)

    def spectrum(self) -> tuple[Array, Array]:
        """LET and share of dose in the nucleus, alphas and electrons together."""
        let, share = np.array([self.electrons.track_let if self.low_Gy > 0 else 0.2]), np.array([self.low_share])
        if self.alphas is not None:
            own = self.alphas.dose_share
            let = np.concatenate([self.alphas.let, let])
            share = np.concatenate([own / own.sum() * (1.0 - self.low_share), share])
        return let, share


def _case(name: str, conditions: Conditions) -> _Case:
    parent = nuclide_of(name)
    cell, nucleus = conditions.cell_radius_um, conditions.nucleus_radius_um
    alphas = _alphas(parent, cell, nucleus)
    energy, number = _lines(parent, "electron")
    table = cell_s_values(parent.name, cell, nucleus).sel(target="nucleus", source="surface")
    alpha_Gy, gray = 0.0, {}
    for member, decays in _members(parent):
        s = table.sel(nuclide=member.name) * decays
        alpha, low = float(s.sel(radiation="alpha")), float(s.sel(radiation=["electron", "photon"]).sum())
        alpha_Gy += alpha
        gray[member.name] = (low, low + alpha)
    z = specific_energy(parent.name, cell_radius_um=cell, nucleus_radius_um=nucleus) if alphas is not None else None
    g, start = _protraction(parent, gray, conditions)
    return _Case(
        parent, conditions, alphas, _Electrons(energy, number), alpha_Gy, sum(low for low, _ in gray.values()),
        z.hit_probability if z else 0.0, z.z_frequency_mean_Gy if z else math.nan, g, start,
    )  # fmt: skip


def _protraction(parent: Nuclide, gray: dict[str, tuple[float, float]], conditions: Conditions) -> tuple[float, float]:
    """G of the low-LET dose rate of the chain in place, and the highest rate of all dose per unit of dose in 1/h.

    `gray` holds low-LET and total dose of each member per decay of the parent.
    """
    clearance = math.log(2.0) / conditions.biological_half_life_h
    low, total = ({name: pair[i] for name, pair in gray.items()} for i in (0, 1))
    g, _ = chain_lea_catcheside(parent.name, low, conditions.repair_h, clearance)
    return g, chain_lea_catcheside(parent.name, total, conditions.repair_h, clearance)[1]


# --- rows ------------------------------------------------------------------------------------------------------------


def _range_text(low: float, high: float) -> str:
    a, b = f"{low:.3g}", f"{high:.3g}"
    return a if a == b else f"{a}-{b}"


class _Table:
    """Collects rows; one function call per nuclide."""

    def __init__(self, cases: Sequence[_Case]) -> None:
        self.cases = cases
        self.rows: list[Row] = []

    def add(
        self, key: str, group: str, label: str, unit: str, value: Callable[[_Case], Value], how: str,
        sources: Sequence[str] = (), *, verified: bool = True,
    ) -> None:  # fmt: skip
        values: list[Value] = []
        for case in self.cases:
            found = value(case)
            values.append(None if isinstance(found, float) and not math.isfinite(found) else found)
        self.rows.append(Row(key, group, label, unit, tuple(values), how, tuple(sorted(set(sources))), verified))


def _physics_rows(table: _Table) -> None:
    group, data = "Decay", ("icrp107", "nubase2020")
    table.add("half_life_h", group, "half-life", "h", lambda c: c.nuclide.half_life_h, "nuclear data", data)
    table.add("alphas", group, "alphas per decay, chain in place", "", lambda c: float(c.alphas.number.sum()) if c.alphas else 0.0,
              "yields of all members that decay within a year, times their decays per decay of the parent", data)  # fmt: skip
    table.add("alpha_MeV", group, "alpha energy per decay", "MeV", lambda c: float(c.alphas.energy_MeV @ c.alphas.number) if c.alphas else 0.0,
              "yields times energies, chain in place", data)  # fmt: skip
    table.add("electron_MeV", group, "electron energy per decay", "MeV", lambda c: c.electrons.emitted_MeV,
              "beta, conversion and Auger electrons, chain in place", data)  # fmt: skip

    def alpha_energies(c: _Case) -> Value:
        if c.alphas is None:
            return None
        seen = c.alphas.energy_MeV[c.alphas.number > _SEEN]
        return _range_text(float(seen.min()), float(seen.max()))

    def electron_top(c: _Case) -> Value:
        tops = []
        for m, n in _members(c.nuclide):
            table = m.emissions("electron")
            seen = (table["kind"].astype(str) == "beta") | (table["yield_per_decay"] * n > _SEEN)
            if n > _SEEN and seen.any():
                tops.append(float(table["energy_MeV"][seen].max()))
        return max(tops) if tops else None

    table.add("alpha_energies", group, "alpha energies", "MeV", alpha_energies, "lines with a yield above 1 %", data)
    table.add("electron_highest", group, "highest electron energy", "MeV", electron_top,
              "upper end of the beta spectra (centre of the last of 200 bins) or highest conversion or Auger line above 1 %", data)  # fmt: skip

    group, water = "Range and LET", medium("water")
    stopping = (*data, "astar", "icru49", "estar", "icru37")

    def alpha_range(c: _Case) -> Value:
        if c.alphas is None:
            return None
        seen = c.alphas.energy_MeV[c.alphas.number > _SEEN]
        return _range_text(
            water.csda_range_um("alpha", float(seen.min())), water.csda_range_um("alpha", float(seen.max()))
        )

    table.add(
        "alpha_range_um",
        group,
        "range of alphas in water",
        "um",
        alpha_range,
        "CSDA range of the lines above 1 %",
        stopping,
    )
    table.add("electron_range_um", group, "range of the highest electron", "um",
              lambda c: float(water.csda_range_um("electron", top)) if isinstance(top := electron_top(c), float) else None, "CSDA range at the highest energy", stopping)  # fmt: skip
    table.add("electron_r90_um", group, "90 % of electron energy within", "um", lambda c: _r90(c, "electron"),
              "Monte Carlo point kernel over full spectra, chain in place", (*stopping, "moliere1948"))  # fmt: skip
    table.add("alpha_let", group, "alpha LET, track mean", "keV/um", lambda c: c.alphas.track_let if c.alphas else None,
              "mean over the path inside the nucleus, from the cell's surface", stopping)  # fmt: skip
    table.add("alpha_let_dose", group, "alpha LET, dose mean", "keV/um", lambda c: c.alphas.dose_let if c.alphas else None,
              "mean over the dose to the nucleus, from the cell's surface", stopping)  # fmt: skip
    table.add("electron_let", group, "electron LET, track mean", "keV/um",
              lambda c: c.electrons.track_let if math.isfinite(c.electrons.track_let) else None,
              "sum of energy over sum of CSDA range, electrons of 10 keV and more (of 1 keV where these carry < 1 %)", stopping)  # fmt: skip
    table.add("low_let_share", group, "low-LET share of nucleus dose", "%", lambda c: 100.0 * c.low_share,
              "cellular S values, nucleus <- surface, of electrons and photons over all but recoils", (*stopping, "goddu1994sphere"))  # fmt: skip


def _r90(case: _Case, radiation: str) -> Value:
    """Distance that holds 90 % of the energy which electrons lay down around a point source."""
    from ..physics import RADIATIONS
    from ..transport._cell_geometry import GRID_UM

    row = RADIATIONS.index(radiation)
    total = sum(decays * point_energy(m.name, "water").within_MeV[row] for m, decays in _members(case.nuclide))
    within = np.asarray(total)
    return float(np.interp(0.9 * within[-1], within, GRID_UM)) if within[-1] > 0.0 else None


def _damage_rows(table: _Table) -> None:
    group, dna = "DNA damage", nuclear_dna_Gbp()
    kundrat = yield_formula("alpha").source
    model = (kundrat, catalog.parameters("dna-damage").values["nuclear_dna"].source, "astar", "icru49")

    def dsb_per_Gy(c: _Case) -> float:
        low = float(dsb_yield("electron", c.electrons.break_let))
        if c.alphas is None:
            return low * dna
        high = float(c.alphas.dose_share @ np.asarray(dsb_yield("alpha", c.alphas.let)) / c.alphas.dose_share.sum())
        return (high * (1.0 - c.low_share) + low * c.low_share) * dna

    def alpha_dsb_per_Gy(c: _Case) -> float:
        if c.alphas is None or not c.alpha_leads:
            return float(dsb_yield("electron", c.electrons.break_let)) * dna
        return (
            float(c.alphas.dose_share @ np.asarray(dsb_yield("alpha", c.alphas.let)) / c.alphas.dose_share.sum()) * dna
        )

    table.add("dsb_per_Gy", group, "DSB per Gy and nucleus", "1/Gy", dsb_per_Gy,
              f"PARTRAC yields, energy-weighted along the tracks inside the nucleus, {dna:g} Gbp; alphas and electrons by their dose",
              model, verified=False)  # fmt: skip
    table.add("dsb_per_track", group, "DSB per track through a nucleus", "", lambda c: c.track_Gy * alpha_dsb_per_Gy(c),
              "mean dose of one track (alpha: frequency mean of hits from the surface; electron: LET times the mean chord) times the yield",
              model, verified=False)  # fmt: skip

    def ssb_per_Gy(c: _Case, dsb: float) -> float:
        low_ssb, low_dsb = (float(f("electron", c.electrons.break_let)) * dna for f in (ssb_yield, dsb_yield))
        return max(low_ssb + 2.0 * (low_dsb - dsb), 0.0)

    ssb_how = (
        "low LET: a round number of the textbooks. Alphas: an upper estimate, the strand ends per Gy taken as those of low LET "
        "(nearly constant over LET, nikjoo2001), two of them in each DSB; simulations see fewer SSB as LET rises (chen2021)"
    )
    ssb_sources = ("ward1988", "nikjoo2001", "chen2021", kundrat)
    table.add("ssb_per_Gy", group, "SSB per Gy (alpha: at most)", "1/Gy", lambda c: ssb_per_Gy(c, dsb_per_Gy(c)),
              ssb_how, ssb_sources, verified=False)  # fmt: skip
    table.add("ssb_per_track", group, "SSB per track (alpha: at most)", "", lambda c: c.track_Gy * ssb_per_Gy(c, alpha_dsb_per_Gy(c)),
              f"mean dose of one track times the yield; {ssb_how}", ssb_sources, verified=False)  # fmt: skip
    dose, decays = table.cases[0].conditions.dose_Gy, table.cases[0].conditions.decays
    table.add("dsb_at_dose", group, f"DSB in a nucleus at {dose:g} Gy", "", lambda c: dose * dsb_per_Gy(c), "yield times dose", model, verified=False)  # fmt: skip
    table.add("dsb_at_decays", group, f"DSB at {decays:g} decays, cell alone", "",
              lambda c: decays * (c.alpha_Gy + c.low_Gy) * dsb_per_Gy(c), "yield times S value, nucleus <- surface, times decays",
              (*model, "goddu1994sphere"), verified=False)  # fmt: skip
    table.add("complex_share", group, "share of DSB that are complex", "%",
              lambda c: 100.0 * (complex_share("alpha").value * (1 - c.low_share) + complex_share("electron").value * c.low_share if c.alphas else complex_share("electron").value),
              "track-structure simulations, a further strand break within ten base pairs; two anchors, by dose", ("nikjoo2001",), verified=False)  # fmt: skip

    def repaired(c: _Case) -> float:
        values = catalog.parameters("medras").values
        failure = values["failure"].value
        if not c.alpha_leads:
            breaks = dsb_per_Gy(c) * c.conditions.dose_Gy * c.g  # G: the breaks that are open at the same time
            eta = 2.0 * breaks * uniform_encounters(values["sigma"].value) / (
                values["skew_base"].value + (1 - values["skew_base"].value) * (1 - math.exp(-values["skew_rate"].value * values["sigma"].value)))  # fmt: skip
            return 100.0 * (1.0 - failure) * (1.0 - float(misrepair_share(eta)))
        r = c.conditions.nucleus_radius_um
        density = c.track_Gy * alpha_dsb_per_Gy(c) / (4.0 * r / 3.0)
        wrong, breaks = 0.0, 0
        for k in range(_SAMPLED_TRACKS):
            places = track_positions(r, 1, density, seed=1, history=k)
            if len(places):
                wrong += repair_directly(places, r, repeats=20, seed=k + 1)[0] * len(places)
                breaks += len(places)
        return 100.0 * (1.0 - failure) * (1.0 - wrong / breaks)

    table.add("repaired", group, "DSB rejoined to their own end", "%", repaired,
              "alpha-led: ends along one track simulated one by one, track width left out; beta: mean field at the given dose, breaks thinned by G",
              ("medrasmc", "mcmahon2016", kundrat), verified=False)  # fmt: skip


def _responses(case: _Case) -> tuple[LinearQuadratic, LinearQuadratic]:
    """Response to alphas and to electrons in air, OSMK, with the G of the nuclide."""
    model = OsmkOER(case.conditions.cell_line)
    if case.alphas is not None:
        alpha, beta, _ = model.mixed_coefficients(case.alphas.let, case.alphas.dose_share, AIR_MMHG)
    low_alpha, low_beta, _ = model.mixed_coefficients([0.2], [1.0], AIR_MMHG)
    low = LinearQuadratic(low_alpha, low_beta, case.g)
    return (LinearQuadratic(alpha, beta, case.g) if case.alphas is not None else low), low


def _mixed(case: _Case) -> tuple[float, float]:
    """alpha and beta of the mixture in air, by dose."""
    high, low = _responses(case)
    f = case.low_share if case.alphas is not None else 1.0
    alpha = high.alpha_per_Gy * (1 - f) + low.alpha_per_Gy * f
    return alpha, (math.sqrt(high.beta_per_Gy2) * (1 - f) + math.sqrt(low.beta_per_Gy2) * f) ** 2


def _effect_rows(table: _Table) -> None:
    conditions = table.cases[0].conditions
    osmk = ("inaniwa2021osmk", "kiefer1986", "chatterjee1976", "inaniwa2018")
    model = OsmkOER(conditions.cell_line)
    line = catalog.cell_line(conditions.cell_line).name.split(",")[0]
    group = "Oxygen"

    def oer(pressure: float) -> Callable[[_Case], Value]:
        return lambda c: model.mixed_oer(*c.spectrum(), pressure)

    what = (
        f"OSMK-2021, {line} cells at {model.survival:g} survival, against air; over the spectrum of LET in the nucleus"
    )
    table.add("oer_air", group, "OER in air", "", oer(AIR_MMHG), "1 by definition", osmk, verified=False)
    table.add(
        "oer_normal",
        group,
        f"OER in normal tissue, {_NORMAL_MMHG:g} mmHg",
        "",
        oer(_NORMAL_MMHG),
        what,
        osmk,
        verified=False,
    )
    table.add(
        "oer_hypoxic",
        group,
        f"OER at {conditions.hypoxia_mmHg:g} mmHg",
        "",
        oer(conditions.hypoxia_mmHg),
        what,
        osmk,
        verified=False,
    )
    table.add("oer_anoxic", group, "OER in anoxia", "", oer(0.0), what, osmk, verified=False)

    group, dose = "Killing", conditions.dose_Gy

    def one_lethal_Gy(c: _Case) -> float:
        alpha, beta = _mixed(c)
        beta = beta * c.g
        return 2.0 / (alpha + math.sqrt(alpha**2 + 4.0 * beta)) if beta > 0.0 else 1.0 / alpha

    table.add("dose_per_lethal_Gy", group, "dose for one lethal event", "Gy", one_lethal_Gy,
              f"-ln S = 1 with the OSMK response of {line} cells in air, G of this nuclide", osmk, verified=False)  # fmt: skip
    table.add("tracks_per_lethal", group, "tracks through a nucleus for it", "", lambda c: one_lethal_Gy(c) / c.track_Gy,
              "that dose over the mean dose of one track: alphas where they lead, else electrons",
              osmk, verified=False)  # fmt: skip

    measured = catalog.parameters("alpha-lethality").values["v79_at211_traversals"]
    table.add(
        "tracks_measured", group, "the same, measured in V79 cells", "",
        lambda c: measured.value if c.nuclide.name == "At-211" else None,
        "traversals of the nucleus at D0, 211At; the model's cells and nuclei are others. No such count was read for the rest",
        (measured.source,), verified=measured.verified,
    )  # fmt: skip

    def shoulder(c: _Case) -> float:
        alpha, beta = _mixed(c)
        return 100.0 * c.g * beta * dose / (alpha + c.g * beta * dose)

    def acute_shoulder(c: _Case) -> str:
        alpha, beta = _mixed(c)
        share = beta * 2.0 / (alpha + beta * 2.0)
        return "none" if share < 0.1 else ("slight" if share < 0.25 else "yes")

    table.add("shoulder", group, "shoulder of the acute curve", "", acute_shoulder,
              "quadratic share of the effect of 2 Gy given at once: none below 10 %, slight below 25 %", osmk, verified=False)  # fmt: skip
    table.add("quadratic_share", group, f"quadratic share, {dose:g} Gy, with G", "%", shoulder,
              "G beta D / (alpha + G beta D)", osmk, verified=False)  # fmt: skip


def _rate_rows(table: _Table) -> None:
    conditions = table.cases[0].conditions
    osmk, dose = ("inaniwa2021osmk", "kiefer1986", "chatterjee1976", "inaniwa2018"), conditions.dose_Gy
    group = "Dose rate"
    curve = (
        "dose rate of electrons and photons to the nucleus, whole chain in place, exact decay; measured-curve form of G"
    )
    table.add("g", group, "G of Lea and Catcheside", "", lambda c: c.g, f"{curve}; repair half-time {conditions.repair_h:g} h", ("lea1942", "dale1985"), verified=False)  # fmt: skip
    table.add(
        "start_rate",
        group,
        f"highest rate for {dose:g} Gy",
        "Gy/h",
        lambda c: dose * c.start_rate_per_h,
        curve,
        ("icrp107",),
    )
    table.add("rate_matters", group, "acute dose of the same effect", "Gy", lambda c: _acute_equivalent(_mixed(c), c.g, dose),
              f"acute dose with the effect of {dose:g} Gy given at the nuclide's own rate: what is lost to repair is the dose-rate effect", osmk, verified=False)  # fmt: skip


def _acute_equivalent(response: tuple[float, float], g: float, dose: float) -> float:
    alpha, beta = response
    effect = alpha * dose + g * beta * dose**2
    return 2.0 * effect / (alpha + math.sqrt(alpha**2 + 4.0 * beta * effect)) if beta > 0.0 else dose


def _cell_rows(table: _Table) -> None:
    c0 = table.cases[0].conditions
    sources = ("icrp107", "goddu1994sphere", "astar", "icru49", "estar", "moliere1948")
    group = "One cell, on its surface"
    table.add("gray_per_decay", group, "nucleus dose per decay", "Gy", lambda c: c.alpha_Gy + c.low_Gy, "S value nucleus <- surface, chain in place", sources)  # fmt: skip
    table.add("decays_for_dose", group, f"decays for {c0.dose_Gy:g} Gy, cell alone", "", lambda c: c0.dose_Gy / (c.alpha_Gy + c.low_Gy), "dose over S value", sources)  # fmt: skip
    table.add("hits_at_dose", group, f"alpha hits of the nucleus at {c0.dose_Gy:g} Gy", "",
              lambda c: c.hits * c0.dose_Gy / (c.alpha_Gy + c.low_Gy), "hit probability per decay of the parent times its decays", sources)  # fmt: skip
    table.add("dose_at_decays", group, f"nucleus dose at {c0.decays:g} decays", "Gy", lambda c: c0.decays * (c.alpha_Gy + c.low_Gy), "S value times decays", sources)  # fmt: skip


def _cluster_rows(table: _Table) -> dict[str, dict[str, list[float]]]:
    """Crossfire by size and labelled fraction; survival at equal dose and at equal decays."""
    c0 = table.cases[0].conditions
    geometry = {"cell_radius_um": c0.cell_radius_um, "nucleus_radius_um": c0.nucleus_radius_um}
    sources, osmk = _BALL_SOURCES, ("inaniwa2021osmk", "roeske2006")
    middle = c0.cluster_radii_um[len(c0.cluster_radii_um) // 2]
    shares: dict[str, dict[float, float]] = {}
    found: dict[str, dict[str, float]] = {}
    curves: dict[str, dict[str, list[float]]] = {"crossfire": {"x": list(c0.cluster_radii_um)}}
    doses = np.linspace(0.0, 4.0 * c0.dose_Gy, 7)
    curves["survival"] = {"x": [float(d) for d in doses]}
    curves["bare"] = {"x": [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.9]}
    curves["oxygen"] = {"x": [0.1, 0.3, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0]}
    model = OsmkOER(c0.cell_line)
    apart: dict[str, dict[float, tuple[float, float]]] = {}
    for case in table.cases:
        name = case.nuclide.name
        common: dict[str, Any] = dict(decays_per_cell=1.0, **geometry)
        shares[name] = {}
        for radius in c0.cluster_radii_um:
            ball = spheroid(name, radius_um=radius, **common)
            dose = cluster_dose(ball)
            shares[name][radius] = dose.mean_crossfire_share
            if radius == middle:
                all_labelled, all_dose = ball, dose
        own, cross = (float(all_dose.dose.sel(origin=o).sum("radiation").mean()) for o in ("self", "cross"))
        apart[name] = {f: _by_label(own, cross, len(all_labelled), f) for f in c0.labelled_fractions}
        few = spheroid(name, radius_um=middle, uptake=Labelled(c0.labelled_fraction), **common)
        few_dose = cluster_dose(few)
        high, low = _responses(case)

        def surviving(
            ball: Cluster, unit: ClusterDose, decays: float, high: LinearQuadratic = high, low: LinearQuadratic = low,
            felt: tuple[float, float] = (1.0, 1.0),
        ) -> tuple[float, float]:  # fmt: skip
            """Survival and share without a hit of a ball whose dose at one decay per cell is known."""
            dose = ClusterDose(unit.dose * decays, unit.mean_hits * decays, unit.by_nuclide * decays, unit.alive)
            result = cell_survival(ball.scaled(decays), high, low_let=low, dose=dose, dose_modifying_factor=felt[0],
                                   low_let_dose_modifying_factor=felt[1])  # fmt: skip
            return result.surviving_fraction, result.zero_hit_share

        at_dose, zero = surviving(all_labelled, all_dose, c0.dose_Gy / all_dose.mean_Gy)
        hypoxic, _ = surviving(all_labelled, all_dose, c0.dose_Gy / all_dose.mean_Gy, felt=_felt(case, c0.hypoxia_mmHg))
        few_at_dose, few_zero = surviving(few, few_dose, c0.dose_Gy / few_dose.mean_Gy)
        at_decays, _ = surviving(all_labelled, all_dose, c0.decays)
        found[name] = {
            "dose_at_decays": all_dose.mean_Gy * c0.decays, "at_dose": at_dose, "zero": zero, "hypoxic": hypoxic, "few_at_dose": few_at_dose, "few_zero": few_zero,
            "at_decays": at_decays,
        }  # fmt: skip
        curves["bare"][name] = [100.0 * _by_label(own, cross, len(all_labelled), f)[1] for f in curves["bare"]["x"]]
        curves["oxygen"][name] = [float(model.mixed_oer(*case.spectrum(), p)) for p in curves["oxygen"]["x"]]
        curves["crossfire"][name] = [100.0 * shares[name][r] for r in c0.cluster_radii_um]
        curves["survival"][name] = [
            surviving(few, few_dose, float(d) / few_dose.mean_Gy)[0] if d > 0 else 1.0 for d in doses
        ]

    _crossfire_rows(table, shares, apart, middle)
    labelled = f"{100 * c0.labelled_fraction:g} % labelled"
    group = f"Ball of {middle:g} um, equal absorbed dose"
    how = "exact hit statistics of every cell with the OSMK response in air (alphas and electrons apart), G of the nuclide"
    table.add("sf_dose", group, f"survival at {c0.dose_Gy:g} Gy, all labelled", "", lambda c: found[c.nuclide.name]["at_dose"], how, (*sources, *osmk), verified=False)  # fmt: skip
    table.add("zero_hit", group, "cells that no alpha hits", "%", lambda c: 100.0 * found[c.nuclide.name]["zero"] if c.alphas else None, "exp(-mean hits), mean over cells", sources)  # fmt: skip
    table.add("sf_hypoxic", group, f"survival, hypoxic, {c0.hypoxia_mmHg:g} mmHg", "", lambda c: found[c.nuclide.name]["hypoxic"],
              f"{how}; every cell feels its dose divided by the OER, alphas and electrons apart", (*sources, *osmk), verified=False)  # fmt: skip
    table.add("sf_dose_few", group, f"survival, {labelled}", "", lambda c: found[c.nuclide.name]["few_at_dose"], how, (*sources, *osmk), verified=False)  # fmt: skip
    table.add("zero_hit_few", group, f"not hit, {labelled}", "%", lambda c: 100.0 * found[c.nuclide.name]["few_zero"] if c.alphas else None, "exp(-mean hits), mean over cells", sources)  # fmt: skip
    group = f"Ball of {middle:g} um, equal decays"
    table.add("ball_dose", group, f"dose at {c0.decays:g} decays per cell", "Gy", lambda c: found[c.nuclide.name]["dose_at_decays"], "cellular S values summed over the ball", sources)  # fmt: skip
    table.add("sf_decays", group, "survival", "", lambda c: found[c.nuclide.name]["at_decays"], how, (*sources, *osmk), verified=False)  # fmt: skip
    return curves


_BALL_SOURCES = ("icrp107", "goddu1994sphere", "astar", "icru49", "estar", "moliere1948")


def _crossfire_rows(
    table: _Table, shares: dict[str, dict[float, float]], apart: dict[str, dict[float, tuple[float, float]]], middle: float
) -> None:  # fmt: skip
    """Reach; share of the dose from others by size of the ball, and by labelled fraction in the middle one."""
    c0, sources = table.cases[0].conditions, _BALL_SOURCES
    group = "Crossfire"
    table.add("reach_um", group, "reach of crossfire", "um",
              lambda c: float(medium("water").csda_range_um("alpha", float(c.alphas.energy_MeV[c.alphas.number > _SEEN].max()))) if c.alphas and c.alpha_leads else _r90(c, "electron"),
              "alpha-led: range of the longest alpha above 1 %; beta: distance with 90 % of the electron energy", sources)  # fmt: skip
    for radius in c0.cluster_radii_um:
        table.add(f"crossfire_{radius:g}um", group, f"from others, ball of {radius:g} um", "%",
                  lambda c, r=radius: 100.0 * shares[c.nuclide.name][r],  # type: ignore[misc]
                  "share of the nuclei's dose from other cells, touching cells on a cubic lattice, all labelled, chain in place", sources)  # fmt: skip
    for f in c0.labelled_fractions:
        told = f"{100 * f:g} % labelled"
        how = f"mean over random labels of a ball of {middle:g} um with the same decays in fewer cells, chain in place"
        table.add(f"crossfire_labelled_{100 * f:g}", group, f"{told}: from others", "%",
                  lambda c, f=f: 100.0 * apart[c.nuclide.name][f][0], f"share of the dose of cells with the nuclide; {how}", sources)  # type: ignore[misc]  # fmt: skip
        table.add(f"bare_dose_{100 * f:g}", group, f"{told}: bare/labelled", "%",
                  lambda c, f=f: 100.0 * apart[c.nuclide.name][f][1], f"mean nucleus dose of cells without the nuclide over that of cells with it; {how}", sources)  # type: ignore[misc]  # fmt: skip


def _by_label(own: float, cross: float, cells: int, fraction: float) -> tuple[float, float]:
    """Crossfire share of labelled cells, and dose of bare over labelled cells, when a fraction at random carries all decays.

    `own` and `cross` are mean doses with all cells labelled. Another cell carries 1/fraction with the chance
    (f n - 1)/(n - 1) beside a labelled cell, f n/(n - 1) beside a bare one.
    """
    if cells < 2:
        return 0.0, 0.0
    beside = max(fraction * cells - 1.0, 0.0) / (cells - 1.0) / fraction * cross
    labelled = own / fraction + beside
    return beside / labelled, cells / (cells - 1.0) * cross / labelled


def _felt(case: _Case, pressure: float) -> tuple[float, float]:
    """1/OER of alphas over their spectrum in the nucleus, and of electrons."""
    model = OsmkOER(case.conditions.cell_line)
    low = 1.0 / float(model.mixed_oer([0.2], [1.0], pressure))
    if case.alphas is None:
        return low, low
    return 1.0 / float(model.mixed_oer(case.alphas.let, case.alphas.dose_share, pressure)), low


def _other_rows(table: _Table) -> None:
    group = "Beyond the track"
    reach = catalog.parameters("bystander").values["reach_tissue"]
    table.add("bystander_um", group, "bystander effects seen up to", "um", lambda c: reach.value,
              "microbeam experiment in reconstructed tissue; a property of tissue, no difference by nuclide is known", (reach.source,), verified=reach.verified)  # fmt: skip

    def leaving(c: _Case) -> Value:
        names = [
            n
            for n in _freed(c.nuclide)
            if n in {m.name for m, _ in _members(c.nuclide)} and nuclide_of(n).half_life_h > _LEAVES_H
        ]
        return " ".join(names) if names else "none"

    def later_alphas(c: _Case) -> Value:
        if c.alphas is None:
            return None
        first = {c.nuclide.name} if "alpha" in c.nuclide.modes else set()
        late = sum(n * m.energy_MeV("alpha") for m, n in _members(c.nuclide) if m.name not in first)
        return 100.0 * late / float(c.alphas.energy_MeV @ c.alphas.number)

    def retained(c: _Case) -> Value:
        fate = catalog.daughter_fate("*")
        mothers = [(q.parent, q.daughter, q.value) for q in fate.retained if q.site == "surface"]
        for parent, _, value in mothers:
            if parent == c.nuclide.name and value < 1.0:
                return 100.0 * value
        return None

    table.add("daughters", group, "daughters that may leave", "", leaving,
              "progeny set free by an alpha recoil (which breaks any chelate) or by conversion in DOTA (212Bi), living longer than 0.4 s and less than a year", ("icrp107", "kruijff2015daughters", "mirzadeh1993chelate"))  # fmt: skip
    table.add("daughter_alpha", group, "alpha energy of daughters", "%", later_alphas, "share of the chain's alpha energy that the parent's own decay does not carry", ("icrp107",))  # fmt: skip
    table.add("retained", group, "first daughter stays on cell", "%", retained, "catalogue of daughter fates, any agent, decay at the cell's surface; an estimate; a dash where it has none",
              ("kruijff2015daughters", "mirzadeh1993chelate"), verified=False)  # fmt: skip


def _freed(parent: Nuclide) -> list[str]:
    """Radioactive members that are born by an alpha decay, and 212Bi, which leaves DOTA after conversion."""
    born: list[str] = []
    for name in parent.chain:
        member = nuclide_of(name)
        for daughter in member.progeny:
            freed = "alpha" in member.modes and _by_alpha(name, daughter)
            if (
                daughter in parent.chain
                and daughter not in born
                and (freed or (name, daughter) == ("Pb-212", "Bi-212"))
            ):
                born.append(daughter)
    return born


def _by_alpha(mother: str, daughter: str) -> bool:
    """An alpha decay lowers the mass number by four."""
    return int(mother.split("-")[1].rstrip("mn")) - int(daughter.split("-")[1].rstrip("mn")) == 4


def compare(nuclides: Sequence[str], conditions: Conditions | None = None) -> Comparison:
    """Alpha and beta emitters side by side, at equal absorbed dose and at equal decays.

    Parameters
    ----------
    nuclides : sequence of str
        One to ten, e.g. ``["Ac-225", "Pb-212", "At-211", "Lu-177", "Y-90"]``; each with its chain in place, members that
        outlive a year left out.
    conditions : Conditions, optional

    Returns
    -------
    Comparison
        `rows` with sources; see `report.compare_text` and `report.compare_page` for its forms.

    Raises
    ------
    DomainError
        No nuclide, more than ten, the same twice, or one that emits neither alphas nor electrons.
    CatalogError
        An unknown nuclide.

    Examples
    --------
    >>> both = compare(["At-211", "Lu-177"], Conditions(cluster_radii_um=(10.0, 25.0)))
    >>> both.value("shoulder", "At-211"), both.value("shoulder", "Lu-177")
    ('none', 'yes')
    """
    setting = conditions or Conditions()
    if isinstance(nuclides, str):
        raise DomainError(f"nuclides is the text {nuclides!r}; give a list of names.")
    if not isinstance(nuclides, Iterable):
        raise DomainError(f"nuclides is {nuclides!r}; give a list of names.")
    names = [nuclide_of(str(n)).name for n in nuclides]
    if not 1 <= len(names) <= 10:
        raise DomainError(f"{len(names)} nuclides; a comparison has one to ten.")
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise DomainError(f"{', '.join(twice)} is named twice; name each nuclide once.")
    cases = []
    for name in names:
        parent = nuclide_of(name)
        if not (len(_lines(parent, "alpha")[0]) or len(_lines(parent, "electron")[0])):
            raise DomainError(f"{name} emits neither alpha particles nor electrons; there is nothing to compare.")
        cases.append(_case(name, setting))
    table = _Table(cases)
    _physics_rows(table)
    _damage_rows(table)
    _effect_rows(table)
    _rate_rows(table)
    _cell_rows(table)
    curves = _cluster_rows(table)
    _other_rows(table)
    gaps = [g for p in ("dna-damage", "medras", "bystander") for g in catalog.parameters(p).gaps]
    notes = (
        "Every daughter decays where its parent did, save members that outlive a year, which are left out (207Bi of 211At).",
        "Straight alpha tracks without delta rays; recoils are left out of the dose to the nucleus.",
        "Crossfire of labelled and bare cells is the mean over random labels; survival with few labelled cells is one draw of them.",
        "Survival rests on parameters of one cell line that were not read in their paper; compare nuclides, not hospitals.",
        *gaps,
    )
    return Comparison(tuple(names), setting, tuple(table.rows), curves, notes)
