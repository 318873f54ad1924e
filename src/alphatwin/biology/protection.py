"""Radical scavengers in the kidney: how much is there, and what share of the damage it takes away.

A scavenger acts after the radiation: it removes radicals, and so spares *indirect* damage. Its effect is small where
damage is direct, which is the case for alpha particles. It changes no uptake and, unless somebody asks for it, nothing
in a tumour. Amino acids act on uptake and belong to the kinetics; both can be combined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import catalog
from ..errors import DomainError
from ..units import HOURS_PER_DAY
from ._checks import Floats, checked, read_only
from .delivery import one

__all__ = ["Scavenger", "scavenger"]

_LN2 = float(np.log(2.0))
_ARRAYS = ("plasma_half_times_h", "plasma_shares", "kidney_half_time_h", "largest_effect", "half_effect_level",
           "high_let_share")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scavenger:
    r"""A radical scavenger that is filtered into the kidneys and taken up there.

    Plasma falls with two half-times, the kidney takes up in proportion to plasma and breaks the protein down,

    .. math:: p(t) = \sum_i w_i 2^{-t/T_i}, \quad \dot k = k_{in} p - k_{deg} k, \quad
              L(t) = \frac{\mathrm{dose}}{\mathrm{reference}} \frac{k(t)}{\max k}, \quad
              E = \frac{E_{max} L}{L_{50} + L}.

    The level L is 1 at the peak of one reference dose, so that k_in cancels. Low-LET dose counts (1 - E) in the linear
    term of BED, high-LET dose (1 - f E).

    Parameters
    ----------
    name : str
        Stands in the report.
    plasma_half_times_h : array [2] or [sample, 2]
        T_i in h, above 0.
    plasma_shares : array [2] or [sample, 2]
        w_i, summing to 1.
    kidney_half_time_h : array [sample]
        Half-time of breakdown in the kidney, h.
    largest_effect : array [sample]
        E_max, 0 to 1: share of low-LET (linear) damage that an endless amount removes.
    half_effect_level : array [sample]
        L_50, above 0, in peaks of one reference dose.
    high_let_share : array [sample]
        f, 0 to 1.
    notes : tuple of str
        The evidence, for and against; stands beside every prediction.

    Raises
    ------
    DomainError
        A value outside its range.

    Examples
    --------
    >>> drug = Scavenger("test", [0.5, 2.0], [0.5, 0.5], 2.0, 0.4, 0.25, 0.3)
    >>> [round(float(x), 3) for x in drug.effect([0.0, 1.0, 24.0], [(0.0, 1.0)])[0]]
    [0.0, 0.305, 0.007]
    """

    name: str
    plasma_half_times_h: ArrayLike
    plasma_shares: ArrayLike
    kidney_half_time_h: ArrayLike
    largest_effect: ArrayLike
    half_effect_level: ArrayLike
    high_let_share: ArrayLike
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key in _ARRAYS:
            above = 0.0 if key in ("plasma_half_times_h", "kidney_half_time_h", "half_effect_level") else None
            value = checked(f"{key} of {self.name}", getattr(self, key), above=above, at_least=0.0)
            value = np.atleast_2d(value) if key.startswith("plasma") else np.atleast_1d(value)
            object.__setattr__(self, key, read_only(value))
        for key in ("plasma_half_times_h", "plasma_shares"):
            if np.shape(getattr(self, key))[-1] != 2:
                raise DomainError(f"{key} of {self.name} needs two values, for the fast and the slow phase.")
            if np.ndim(getattr(self, key)) != 2:
                raise DomainError(f"{key} of {self.name} is [2] or [sample, 2].")
        sizes = {len(getattr(self, key)) for key in _ARRAYS} - {1}
        if len(sizes) > 1 or any(np.ndim(getattr(self, key)) != 1 for key in _ARRAYS[2:]):
            raise DomainError(
                f"{self.name} mixes {sorted(sizes)} samples; every array has one sample or the same many."
            )
        for key in ("largest_effect", "high_let_share"):
            if float(np.max(getattr(self, key))) > 1.0:
                raise DomainError(f"{key} of {self.name} holds {np.max(getattr(self, key)):g}; it is a share, 0 to 1.")
        if not np.allclose(np.sum(self.plasma_shares, axis=-1), 1.0, atol=1e-9):
            raise DomainError(f"plasma_shares of {self.name} must sum to 1.")

    @property
    def samples(self) -> int:
        """Length of the sample axis."""
        return max(len(getattr(self, key)) for key in _ARRAYS)

    def level_terms(self) -> tuple[Floats, Floats]:
        """Amplitudes and rates in 1/d, each [sample, 3], of the kidney level after one reference dose at time 0."""
        n = self.samples
        shares = np.broadcast_to(np.asarray(self.plasma_shares), (n, 2))
        fall = _LN2 / np.broadcast_to(np.asarray(self.plasma_half_times_h), (n, 2))
        breakdown = _LN2 / np.broadcast_to(np.asarray(self.kidney_half_time_h), (n,))[:, None]
        gap = breakdown - fall
        close = np.abs(gap) < 1e-6 * breakdown
        fall = np.where(close, breakdown * (1.0 - 1e-6), fall)  # equal rates: a millionth apart instead of a limit
        taken = shares / (breakdown - fall)
        amplitude = np.concatenate([taken, -taken.sum(axis=1, keepdims=True)], axis=1)
        rate = np.concatenate([fall, breakdown], axis=1)
        return amplitude / _peak(amplitude, rate)[:, None], rate * HOURS_PER_DAY

    def level(self, times_h: ArrayLike, doses: Sequence[tuple[float, float]]) -> Floats:
        """Kidney level [sample, time] in peaks of one reference dose.

        Parameters
        ----------
        times_h : array (time,)
            Hours from the start of the course.
        doses : sequence of (day, amount)
            Day of each dose and its size in reference doses, both 0 or more.
        """
        times = np.atleast_1d(checked("times_h", times_h, at_least=0.0)) / HOURS_PER_DAY
        amplitude, rate = self.level_terms()
        total = np.zeros((self.samples, times.size))
        for day, amount in dose_list(doses):
            after = np.maximum(times - day, 0.0)[None, :, None]
            given = amount * (amplitude[:, None, :] * np.exp(-rate[:, None, :] * after)).sum(axis=-1)
            total += np.where(times >= day, given, 0.0)
        return np.maximum(total, 0.0)

    def effect(self, times_h: ArrayLike, doses: Sequence[tuple[float, float]]) -> Floats:
        """E(t) [sample, time]: share of the linear low-LET damage that is scavenged; arguments as in `level`."""
        level = self.level(times_h, doses)
        most, half = (np.asarray(x)[:, None] for x in (self.largest_effect, self.half_effect_level))
        return np.asarray(most * level / (half + level))


def dose_list(doses: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Pairs of day and amount, checked."""
    try:
        pairs = [(day, amount) for day, amount in doses]
    except (TypeError, ValueError) as error:
        raise DomainError(f"scavenger_doses is {repr(doses)[:60]}; it is a list of pairs (day, amount).") from error
    return [(one("day of a scavenger dose", day, at_least=0.0), one("amount of a scavenger dose", amount, at_least=0.0))
            for day, amount in pairs]  # fmt: skip


def _peak(amplitude: Floats, rate: Floats) -> Floats:
    """Largest value [sample] of sum a exp(-r t), which rises from 0 and falls again."""
    slowest = rate.min(axis=1)
    grid = np.geomspace(1e-5, 20.0, 400)[None, :] / slowest[:, None]
    curve = (amplitude[:, None, :] * np.exp(-rate[:, None, :] * grid[:, :, None])).sum(axis=-1)
    best = curve.argmax(axis=1)
    rows = np.arange(len(grid))
    low, high = grid[rows, np.maximum(best - 1, 0)], grid[rows, np.minimum(best + 1, grid.shape[1] - 1)]
    for _ in range(60):  # bisection on the slope
        mid = 0.5 * (low + high)
        rising = (amplitude * rate * np.exp(-rate * mid[:, None])).sum(axis=1) < 0.0
        low, high = np.where(rising, mid, low), np.where(rising, high, mid)
    return np.asarray((amplitude * np.exp(-rate * (0.5 * (low + high))[:, None])).sum(axis=1))


def scavenger(
    name: str = "a1m",
    *,
    species: str = "human",
    gfr_mL_min: ArrayLike = 90.0,
    scores: Callable[[str], ArrayLike] | None = None,
) -> Scavenger:
    """The catalogue's scavenger with this id.

    Parameters
    ----------
    name : str
        ``"a1m"``: alpha-1-microglobulin.
    species : {"human", "mouse", "rat"}
        Rodents have measured plasma half-times. In man, clearance is theta x GFR, and two compartments of the volumes
        of the entry give the half-times.
    gfr_mL_min : array [sample]
        For man; above 0.
    scores : callable, optional
        Standard-normal scores z[sample] by name, e.g. ``Draws(...).normal``; left out: point estimates.

    Raises
    ------
    CatalogError
        An unknown name.
    DomainError
        Another species, a GFR that is not above 0, or an entry without a traced effect.

    Examples
    --------
    >>> drug = scavenger("a1m")
    >>> 0.0 < float(drug.largest_effect[0]) < 0.5 and any("human" in note for note in drug.notes)
    True
    """
    entry = catalog.protector(name)
    needed = {"largest_effect", "half_effect_level", "high_let_share"}
    if not needed <= set(entry.values):
        raise DomainError(
            f"{entry.name} has no effect parameter that somebody read in a source or stated as a prior: "
            f"{entry.gaps[0] if entry.gaps else 'see its entry'} Give your own: Scavenger(...)."
        )

    def value(key: str) -> Floats:
        z = np.zeros(1) if scores is None else np.asarray(scores(f"{entry.id}.{key}"), dtype=float)
        return entry.values[key].at_score(z)

    if species in ("mouse", "rat"):
        fast, slow = value("rodent_fast_half_time") / 60.0, value("rodent_slow_half_time") / 60.0
        shares = value("rodent_fast_share")
    elif species == "human":
        gfr = checked("gfr_mL_min", gfr_mL_min, above=0.0)
        sieving = value("sieving")
        if gfr.ndim > 1 or {gfr.size, sieving.size} - {1, max(gfr.size, sieving.size)}:
            raise DomainError(
                f"gfr_mL_min has shape {gfr.shape}; give a number or one value for each of {sieving.size} samples."
            )
        clearance_L_h = sieving * gfr * 0.06
        central, other, flow = value("central_volume"), value("peripheral_volume"), value("exchange_flow")
        fast, slow, shares = _two_compartments(clearance_L_h, central, other, flow)
    else:
        raise DomainError(f"species is {species!r}; human, mouse or rat is meant.")
    notes = tuple(f"{f.species}, {f.direction}: {f.statement} ({f.source})" for f in entry.findings)
    return Scavenger(
        name=entry.name,
        plasma_half_times_h=np.stack(np.broadcast_arrays(fast, slow), axis=-1),
        plasma_shares=np.stack(np.broadcast_arrays(shares, 1.0 - shares), axis=-1),
        kidney_half_time_h=value("kidney_half_time"),
        largest_effect=np.clip(value("largest_effect"), 0.0, 1.0),
        half_effect_level=value("half_effect_level"),
        high_let_share=np.clip(value("high_let_share"), 0.0, 1.0),
        notes=notes + entry.gaps,
    )


def _two_compartments(clearance: Floats, central: Floats, other: Floats, flow: Floats) -> tuple[Floats, Floats, Floats]:
    """Half-times in h and the share of the fast phase, after a bolus into the central one of two compartments (L, L/h)."""
    k10, k12, k21 = clearance / central, flow / central, flow / other
    half_sum = 0.5 * (k10 + k12 + k21)
    root = np.sqrt(half_sum**2 - k10 * k21)
    fast, slow = half_sum + root, k10 * k21 / (half_sum + root)
    return np.asarray(_LN2 / fast), np.asarray(_LN2 / slow), np.asarray((fast - k21) / (fast - slow))
