"""From the uptake of an animal to the organs of man: the rules that are in use, and how far they lie apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..draws import Draws
from ..kinetics import Kinetics, chain_kinetics, integrate
from ..physics.nuclides import chain_table
from ..physics.nuclides import nuclide as nuclide_of
from ..transport import RegionMass, self_s_values
from ._animals_dose import TUMOUR, Biodistribution, daughters_of

if TYPE_CHECKING:
    from ..case.animals import AnimalsCase

__all__ = ["RULES", "HumanDose", "Rule", "human_doses"]

Array = npt.NDArray[np.float64]
EXPONENT, EXPONENT_SD = 0.74, 0.16  # of clearance against body mass over 91 substances (hu2001allometric)


@dataclass(frozen=True)
class Rule:
    """How %IA per organ and time go from animal to man.

    `mass`: the activity of an organ is multiplied by (organ/body) of man over that of the animal. `time_power`: rates of
    biology are divided by (body of man / body of the animal) to this power; None draws it.
    """

    name: str
    mass: bool
    time_power: float | None
    source: str
    told: str


RULES = (
    Rule("none", False, 0.0, "sparks1996", "%IA per organ and times as in the animal"),
    Rule("mass", True, 0.0, "kirschner1975", "%IA/g over the body: times body mass of the animal over that of man"),
    Rule("time", False, 0.25, "sparks1996", "times of biology longer by the body masses' ratio to 1/4"),
    Rule("mass and time", True, 0.25, "sparks1996", "both"),
    Rule("allometric", False, None, "hu2001allometric",
         "times longer by the ratio to 1 - b, clearance going with mass to b = 0.74, SD 0.16"),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class HumanDose:
    """Dose to one organ of the reference man per activity, by one rule.

    Attributes
    ----------
    region, rule : str
    Gy_per_GBq : array [sample]
        Over the uncertainty of the animal's mean uptake, and of the exponent where it is drawn.
    """

    region: str
    rule: str
    Gy_per_GBq: Array


def human_doses(case: AnimalsCase, uptake: Biodistribution) -> tuple[HumanDose, ...]:
    r"""Organ doses of the reference adult male by every rule.

    .. math:: \tilde a_h = \frac{1}{A_0} \sum_i f a_i / \left[(r_i - \lambda) k^{-p} + \lambda\right], \quad
              k = M_h/M_a, \quad f = \frac{m_h/M_h}{m_a/M_a} \text{ or } 1

    Self dose alone (no cross-fire between human organs). Tumours are not translated.

    Returns
    -------
    tuple of HumanDose
        By organ that man has in the catalogue, and by rule.
    """
    man = catalog.anatomy("adult-male")
    draws = Draws(case.translation.samples, case.study.seed)
    regions = [r for r in uptake.terms if r != TUMOUR and r in man.regions]
    if not regions:
        return ()
    masses = {r: _mass(man.regions[r]) for r in regions}
    names = tuple(chain_table(case.nuclide)[0])
    s = self_s_values(
        {r: RegionMass(np.array([masses[r]]), man.regions[r].medium, "reference adult male") for r in regions}, names
    )
    ratio = man.body_mass.value / case.body_mass
    made = []
    for rule in RULES:
        # The scale of the animal's mean: one factor per organ; of the exponent: one for all organs.
        power = rule.time_power if rule.time_power is not None else None
        b = np.clip(EXPONENT + EXPONENT_SD * draws.normal("allometric exponent"), 0.3, 1.0) if power is None else None
        nodes = np.unique(np.quantile(1.0 - b, np.linspace(0, 1, 9))) if b is not None else np.array([power])
        per_node = np.stack([
            _dose(case, _human_terms(case, uptake, regions, masses, ratio, rule, float(p)), s) for p in nodes
        ])  # fmt: skip
        for i, region in enumerate(regions):
            mean = np.interp(1.0 - b, nodes, per_node[:, i]) if b is not None else np.full(draws.n, per_node[0, i])
            spread = math.sqrt(math.log1p(uptake.sd_of_mean[region] ** 2))
            made.append(
                HumanDose(region, rule.name, 1e3 * mean * np.exp(spread * draws.normal(f"translated {region}")))
            )
    return tuple(sorted(made, key=lambda d: regions.index(d.region)))


def _mass(entry: Any) -> float:
    """Parenchyma where it is known (what planar studies of published doses use), else the mass with blood."""
    found = entry.mass_parenchyma or entry.mass_with_blood
    return float(found.value)


def _human_terms(
    case: AnimalsCase,
    uptake: Biodistribution,
    regions: list[str],
    masses_g: Mapping[str, float],
    ratio: float,
    rule: Rule,
    power: float,
) -> dict[str, tuple[Array, Array]]:
    decay = nuclide_of(case.nuclide).decay_constant_per_h
    made = {}
    for region in regions:
        a, r = uptake.terms[region]
        factor = masses_g[region] / uptake.masses_g[region] / ratio if rule.mass else 1.0
        made[region] = (a * factor, np.maximum(r - decay, 0.0) * ratio**-power + decay)
    return made


def _dose(case: AnimalsCase, terms: dict[str, tuple[Array, Array]], s: Any) -> Array:
    """Gy/MBq of each region."""
    from ..dose import absorbed_dose

    kinetics = chain_kinetics(terms, case.nuclide, daughters_of(case, tuple(terms)))
    assert isinstance(kinetics, Kinetics)
    return np.asarray(absorbed_dose(integrate(kinetics), s).total.sel(region=list(terms)).values[0])
