"""Bystander signal: hit cells release something that diffuses, decays, and harms others who were not hit.

No decay length, threshold or largest effect of a tumour was found in a source that could be read (catalogue entry
``bystander``): they are arguments without defaults, and what comes out is a what-if.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..dose._neighbours import far_sums, lattice_sums
from ..dose.cells import Cluster
from ..errors import DomainError
from ._checks import Floats, checked

__all__ = ["BystanderSignal"]

_PAIRS = 20_000_000  # distances held at once
_LENGTHS = 40.0  # decay lengths beyond which exp(-r/l) is nothing
_FEW = 3000  # cells off a lattice up to which every pair is summed


@dataclass(frozen=True)
class BystanderSignal:
    """Steady concentration C = sum over emitters q exp(-r/l)/(4 pi r), and the chance p_max (1 - exp(-C/C0)) to die of it.

    C is counted in units of q/D um^-1: one emitter at distance r gives exp(-r/l)/(4 pi r). Emitters are cells that were
    hit, so give each cell its hit probability 1 - exp(-n) as its strength.

    Parameters
    ----------
    reach_um : float
        l = sqrt(D x lifetime), decay length in um.
    characteristic_concentration_per_um : float
        C0 in 1/um, the concentration at which 1 - 1/e, 63 %, of p_max is reached.
    largest_effect : float
        p_max, 0 to 1.
    acts_on : {"not_hit", "all"}
        Whether the signal adds to the harm of cells that are not hit, or of all.
    cell_radius_um : float
        A cell does not see its own source closer than this; also the distance that is put for a cell itself.

    References
    ----------
    Nikjoo and Khvostunov 2003 (nikjoo2003bystander) for the diffusing signal, Brenner, Little and Sachs 2001
    (brenner2001bad) for the saturating effect.

    Examples
    --------
    >>> signal = BystanderSignal(reach_um=100.0, characteristic_concentration_per_um=1e-3, largest_effect=0.3, cell_radius_um=5.0)
    >>> c = signal.concentration([[0.0, 0.0, 0.0]], [1.0], at_um=[[50.0, 0.0, 0.0], [200.0, 0.0, 0.0]])
    >>> [round(float(v), 6) for v in c]
    [0.000965, 5.4e-05]
    """

    reach_um: float
    characteristic_concentration_per_um: float
    largest_effect: float
    cell_radius_um: float = 5.0
    acts_on: Literal["not_hit", "all"] = "not_hit"

    def __post_init__(self) -> None:
        for name in ("reach_um", "characteristic_concentration_per_um", "cell_radius_um"):
            checked(name, getattr(self, name), above=0.0)
        checked("largest_effect", self.largest_effect, at_least=0.0)
        if self.largest_effect > 1.0 or self.acts_on not in ("not_hit", "all"):
            raise DomainError(
                f"largest_effect is {self.largest_effect:g} (0 to 1 is meant), acts_on {self.acts_on!r} (not_hit or all)."
            )

    def _green(self, distance_um: Floats) -> Floats:
        r = np.maximum(distance_um, self.cell_radius_um)
        return np.asarray(np.exp(-r / self.reach_um) / (4.0 * np.pi * r))

    def concentration(self, positions_um: ArrayLike, strength: ArrayLike, at_um: ArrayLike | None = None) -> Floats:
        """C at each place `at_um` [place, 3] (by default the emitters' own), from emitters [cell, 3] of this strength.

        Summed directly, in blocks; a cell's own signal does not reach it.

        Raises
        ------
        DomainError
            Shapes that do not fit, a negative strength.
        """
        emitters = checked("positions_um", positions_um)
        amount = checked("strength", strength, at_least=0.0)
        places = emitters if at_um is None else checked("at_um", at_um)
        if emitters.ndim != 2 or emitters.shape[1] != 3 or places.ndim != 2 or places.shape[1] != 3:
            raise DomainError(f"Positions have shapes {emitters.shape} and {places.shape}; (cell, 3) is meant.")
        if amount.shape != emitters.shape[:1]:
            raise DomainError(
                f"strength has shape {amount.shape}; one value for each of {len(emitters)} cells is meant."
            )
        found = np.empty(len(places))
        block = max(1, _PAIRS // max(1, len(emitters)))
        for start in range(0, len(places), block):
            here = places[start : start + block]
            distance = np.sqrt(
                np.maximum((here**2).sum(1)[:, None] + (emitters**2).sum(1)[None, :] - 2.0 * here @ emitters.T, 0.0)
            )
            green = self._green(distance)
            if at_um is None:
                rows = np.arange(start, start + len(here))
                green[rows - start, rows] = 0.0
            found[start : start + block] = green @ amount
        return found

    def lattice_concentration(self, strength: ArrayLike, pitch_um: float) -> Floats:
        """C at every site of a cubic lattice of this pitch, strength[x, y, z], by FFT; the same sum as `concentration`.

        Raises
        ------
        DomainError
            An array that is not three-dimensional, or a pitch not above 0.
        """
        from scipy.signal import fftconvolve

        amount = checked("strength", strength, at_least=0.0)
        pitch = float(checked("pitch_um", pitch_um, above=0.0))
        if amount.ndim != 3:
            raise DomainError(f"strength has shape {amount.shape}; a lattice [x, y, z] is meant.")
        offsets = np.meshgrid(*(np.arange(1 - n, n) * pitch for n in amount.shape), indexing="ij")
        kernel = self._green(np.sqrt(sum(o**2 for o in offsets)))
        kernel[tuple(n - 1 for n in amount.shape)] = 0.0
        return np.maximum(
            fftconvolve(amount, kernel, mode="full")[tuple(slice(n - 1, 2 * n - 1) for n in amount.shape)], 0.0
        )

    def effect(self, concentration_per_um: ArrayLike) -> Floats:
        """Chance to die of the signal, p_max (1 - exp(-C/C0))."""
        c = checked("concentration_per_um", concentration_per_um, at_least=0.0)
        return np.asarray(-self.largest_effect * np.expm1(-c / self.characteristic_concentration_per_um))

    def survival(self, direct: ArrayLike, not_hit: ArrayLike, concentration_per_um: ArrayLike) -> Floats:
        """Survival with the signal: direct survival S of each cell, its chance e^-n not to be hit, C at its place.

        "all": S (1 - p). "not_hit": S - e^-n p, since a cell that is not hit survives the direct effect. Where something
        else harms cells that are not hit (electrons beside alphas), give the chance to be spared and to survive that.

        Raises
        ------
        DomainError
            A survival below the chance not to be hit (which it contains), or probabilities outside 0 to 1.
        """
        s = checked("direct", direct, at_least=0.0)
        none = checked("not_hit", not_hit, at_least=0.0)
        if float(s.max()) > 1.0 or (none > s * (1.0 + 1e-9)).any():
            raise DomainError(
                "direct survival must be at most 1 and at least the chance of not being hit, for each cell."
            )
        p = self.effect(concentration_per_um)
        return np.asarray(s * (1.0 - p) if self.acts_on == "all" else np.maximum(s - none * p, 0.0))

    def log_survival(self, log_direct: ArrayLike, log_not_hit: ArrayLike, concentration_per_um: ArrayLike) -> Floats:
        """ln of `survival` from the ln of both, down to any survival; rounding that puts S below its part is mended."""
        s, none = np.asarray(log_direct, dtype=float), np.asarray(log_not_hit, dtype=float)
        p = self.effect(concentration_per_um)
        spared = np.ones_like(s) if self.acts_on == "all" else np.exp(np.minimum(none - s, 0.0))
        with np.errstate(divide="ignore"):
            return np.asarray(s + np.log1p(-spared * p))

    def of_cluster(self, these: Cluster, hit: ArrayLike) -> Floats:
        """C at every cell of a cluster whose living cells emit with these strengths; by FFT on a lattice, else as told there.

        Parameters
        ----------
        these : Cluster
        hit : array (cell,)
            Chance of each cell to have been hit; dead cells send nothing.

        Returns
        -------
        array (cell,)
            1/um.

        Raises
        ------
        DomainError
            Strengths that are negative or do not fit the cells.
        """
        strength = checked("hit", hit, at_least=0.0)
        if strength.shape != (len(these),):
            raise DomainError(f"hit has shape {strength.shape}; one chance for each of {len(these)} cells is meant.")
        strength = np.where(these.alive, strength, 0.0)
        if len(these) == 1 or not strength.any():
            return np.zeros(len(these))
        if these.lattice is not None:
            span = float(np.linalg.norm(np.ptp(these.positions_um, axis=0)))
            reach = min(span * (1.0 + 1e-9), _LENGTHS * self.reach_um + 2.0 * these.cell_radius_um)
            found = lattice_sums(these.lattice, strength, reach, lambda d: self._green(d)[:, None])[:, 0]
            return np.asarray(np.maximum(found, 0.0))
        if len(these) <= _FEW:
            return self.concentration(these.positions_um, strength)
        everywhere = np.ones(len(these), dtype=bool)
        closest = 2.0 * these.cell_radius_um
        found = far_sums(these.positions_um, strength, everywhere, closest, lambda d: self._green(d)[:, None])[:, 0]
        return np.asarray(np.maximum(found, 0.0))
