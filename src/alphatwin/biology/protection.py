"""Protection of the kidneys: what keeps activity out of them, and what takes damage away.

A `Scavenger` (A1M, amifostine) acts after the radiation: it removes radicals, and so spares *indirect* damage. Its
effect is small where damage is direct, which is the case for alpha particles. It changes no uptake and, unless somebody
asks for it, nothing in a tumour. An `UptakeBlock` (amino acids, gelatin) competes for megalin: less uptake, the same
damage per dose; it is handed to the whole-body model. Both act on different terms and can be combined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .. import catalog
from ..errors import DomainError
from ..units import HOURS_PER_DAY
from ._checks import Floats, checked, read_only
from .delivery import one, per_sample

if TYPE_CHECKING:
    from .delivery import DoseCourse

__all__ = ["Scavenger", "Schedule", "UptakeBlock", "best_schedule", "scavenger", "spared_bed", "uptake_block"]

_LN2 = float(np.log(2.0))
ARRAYS = ("plasma_half_times_h", "plasma_shares", "kidney_half_time_h", "largest_effect", "half_effect_level",
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
        for key in ARRAYS:
            above = 0.0 if key in ("plasma_half_times_h", "kidney_half_time_h", "half_effect_level") else None
            value = checked(f"{key} of {self.name}", getattr(self, key), above=above, at_least=0.0)
            value = np.atleast_2d(value) if key.startswith("plasma") else np.atleast_1d(value)
            object.__setattr__(self, key, read_only(value))
        for key in ("plasma_half_times_h", "plasma_shares"):
            if np.shape(getattr(self, key))[-1] != 2:
                raise DomainError(f"{key} of {self.name} needs two values, for the fast and the slow phase.")
            if np.ndim(getattr(self, key)) != 2:
                raise DomainError(f"{key} of {self.name} is [2] or [sample, 2].")
        sizes = {len(getattr(self, key)) for key in ARRAYS} - {1}
        if len(sizes) > 1 or any(np.ndim(getattr(self, key)) != 1 for key in ARRAYS[2:]):
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
        return max(len(getattr(self, key)) for key in ARRAYS)

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


def given_doses(
    drug: Scavenger | None, doses: Sequence[tuple[float, float]] | None, course: DoseCourse
) -> tuple[Floats, Floats, list[tuple[float, float]]] | None:
    """What the kernel needs of a protector: level terms and doses; one at the start of each cycle when none are given."""
    if drug is None:
        if doses is not None:
            raise DomainError("scavenger_doses are given without a scavenger.")
        return None
    if not isinstance(drug, Scavenger):
        raise DomainError(f"scavenger is {repr(drug)[:60]}; scavenger(name) or a Scavenger is meant.")
    amplitude, rate = drug.level_terms()
    return amplitude, rate, dose_list([(day, 1.0) for day in course.start_d] if doses is None else doses)


def with_scavenger(parameters: Floats, drug: Scavenger | None) -> Floats:
    """Kernel parameters [sample, 14] with the effect of a protector in the last three."""
    if drug is not None:
        for column, key in ((11, "largest_effect"), (12, "half_effect_level"), (13, "high_let_share")):
            parameters[:, column] = per_sample(key, getattr(drug, key), len(parameters))
    return parameters


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
        ``"a1m"``: alpha-1-microglobulin; ``"amifostine"``.
    species : {"human", "mouse", "rat"}
        Of A1M, rodents have measured plasma half-times; in man, clearance is theta x GFR, and two compartments of the
        volumes of the entry give the half-times. Amifostine has one set of half-times.
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

    if species not in ("human", "mouse", "rat"):
        raise DomainError(f"species is {species!r}; human, mouse or rat is meant.")
    if "plasma_fast_half_time" in entry.values:  # not cleared by filtration
        fast, slow = value("plasma_fast_half_time") / 60.0, value("plasma_slow_half_time") / 60.0
        shares = value("plasma_fast_share")
    elif species in ("mouse", "rat"):
        fast, slow = value("rodent_fast_half_time") / 60.0, value("rodent_slow_half_time") / 60.0
        shares = value("rodent_fast_share")
    else:
        gfr = checked("gfr_mL_min", gfr_mL_min, above=0.0)
        sieving = value("sieving")
        if gfr.ndim > 1 or {gfr.size, sieving.size} - {1, max(gfr.size, sieving.size)}:
            raise DomainError(
                f"gfr_mL_min has shape {gfr.shape}; give a number or one value for each of {sieving.size} samples."
            )
        clearance_L_h = sieving * gfr * 0.06
        central, other, flow = value("central_volume"), value("peripheral_volume"), value("exchange_flow")
        fast, slow, shares = _two_compartments(clearance_L_h, central, other, flow)
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


# --- what keeps activity out -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class UptakeBlock:
    r"""An infusion that competes for megalin, as the whole-body model takes it.

    The level a of the blocker is 1 on its plateau (amino acids: the label's infusion; else the end of the infusion),

    .. math:: CL(a) = CL_0 \left(1 - E_\infty \frac{a}{a + a_{50}}\right), \qquad E_\infty = b (1 + a_{50}),

    so that the share b of megalin uptake is blocked at a = 1. How much less the kidneys take follows from the model:
    what is not filtered cannot be blocked, so an agent that albumin holds in the blood gains little.

    Parameters
    ----------
    name : str
    block : array [sample]
        b, 0 or more; b (1 + a50) at most 1.
    half_level : array [sample]
        a50, above 0.
    plasma_half_time_h : array [sample]
        Above 0.
    duration_h : float
        Of the infusion, above 0.
    start_before_h : float
        Hours before the injection at which it starts; 0 or more.
    amount : float
        Level of the plateau, 0 or more.
    gfr_factor : array [sample]
        Filtration while the infusion runs over that without it, above 0.
    loaded : bool
        Whether the infusion is such that the level is `amount` at its end however long it is (gelatin); else it rises
        to it with the plasma half-time (amino acids).
    notes : tuple of str

    Raises
    ------
    DomainError
        A value outside its range.

    Examples
    --------
    >>> block = uptake_block("amino-acids", duration_h=4.0)
    >>> round(float(block.block[0]), 2), block.start_before_h
    (0.48, 0.5)
    """

    name: str
    block: ArrayLike
    half_level: ArrayLike
    plasma_half_time_h: ArrayLike
    duration_h: float
    start_before_h: float = 0.5
    amount: float = 1.0
    gfr_factor: ArrayLike = 1.0
    loaded: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key, strict in (("block", False), ("half_level", True), ("plasma_half_time_h", True), ("gfr_factor", True)):
            value = checked(f"{key} of {self.name}", getattr(self, key), above=0.0 if strict else None, at_least=0.0)
            object.__setattr__(self, key, read_only(np.atleast_1d(value)))
        one(f"duration_h of {self.name}", self.duration_h, above=0.0)
        for key in ("start_before_h", "amount"):
            one(f"{key} of {self.name}", getattr(self, key), at_least=0.0)
        sizes = {np.size(getattr(self, k)) for k in ("block", "half_level", "plasma_half_time_h", "gfr_factor")} - {1}
        if len(sizes) > 1:
            raise DomainError(f"{self.name} mixes {sorted(sizes)} samples; one, or the same many.")
        most = np.asarray(self.block) * (1.0 + np.asarray(self.half_level))
        if float(most.max()) > 1.0 + 1e-12:
            raise DomainError(
                f"block {float(np.max(self.block)):g} of {self.name} at level 1 asks for more than all at a higher level; "
                f"with half_level {float(np.max(self.half_level)):g} it is at most {1.0 / (1.0 + float(np.max(self.half_level))):.3g}."
            )

    def with_other(self, other: UptakeBlock) -> UptakeBlock:
        """Both infusions at once, acting independently: 1 - b = (1 - b1)(1 - b2), over the longer of the two windows.

        The level is that of the one that stays longer in plasma; hyperfiltration is the larger of the two.
        """
        slow = (
            self
            if np.mean(np.asarray(self.plasma_half_time_h)) >= np.mean(np.asarray(other.plasma_half_time_h))
            else other
        )
        begin = max(self.start_before_h, other.start_before_h)
        end = max(self.duration_h - self.start_before_h, other.duration_h - other.start_before_h)
        b = 1.0 - (1.0 - np.asarray(self.block)) * (1.0 - np.asarray(other.block))
        half = np.asarray(slow.half_level)
        return UptakeBlock(
            f"{self.name} + {other.name}", np.minimum(b, 1.0 / (1.0 + half)), half, slow.plasma_half_time_h, begin + end,
            begin, 1.0, np.maximum(self.gfr_factor, other.gfr_factor), slow.loaded, self.notes + other.notes,
        )  # fmt: skip

    def overrides(self, cl_unblocked_L_per_min: ArrayLike) -> dict[str, ArrayLike]:
        """Parameters of the whole-body model under this infusion, filtration apart.

        Parameters
        ----------
        cl_unblocked_L_per_min : array [sample]
            CL_0, megalin clearance without any blocker.
        """
        k = _LN2 / np.asarray(self.plasma_half_time_h) / 60.0
        level = self.amount / (-np.expm1(-k * 60.0 * self.duration_h) if self.loaded else 1.0)
        b = np.asarray(self.block)
        return {
            "amino_acids": np.asarray(level) * np.ones_like(k),
            "amino_acid_emax": np.minimum(b * (1.0 + np.asarray(self.half_level)), 1.0),
            "amino_acid_half_level": np.asarray(self.half_level),
            "amino_acid_k_per_min": k,
            "amino_acid_start_min": -60.0 * self.start_before_h,
            "amino_acid_duration_min": 60.0 * self.duration_h,
            "cl_megalin_L_per_min": np.asarray(cl_unblocked_L_per_min, dtype=float) * (1.0 - b),
        }


def uptake_block(
    name: str = "amino-acids",
    *,
    duration_h: float = 4.0,
    start_before_h: float | None = None,
    amount: float = 1.0,
    parameters: Mapping[str, ArrayLike] | None = None,
    scores: Callable[[str], ArrayLike] | None = None,
) -> UptakeBlock:
    """The catalogue's blocker of uptake with this id.

    Parameters
    ----------
    name : str
        ``"amino-acids"`` or ``"gelofusine"``.
    duration_h : float
        Of the infusion, above 0.
    start_before_h : float, optional
        Hours before the injection at which it starts; the entry's own when left out.
    amount : float
        In infusions of the label: 1 is what they give.
    parameters : mapping, optional
        Amino acids: ``amino_acid_emax``, ``amino_acid_half_level``, ``amino_acid_k_per_min`` of the whole-body model,
        e.g. from its prior; its point estimates when left out.
    scores : callable, optional
        Standard-normal scores z[sample] by name; left out: point estimates.

    Raises
    ------
    CatalogError
        An unknown name.
    DomainError
        An entry that blocks no uptake, or a value outside its range.

    Examples
    --------
    >>> uptake_block("gelofusine", duration_h=3.0).name
    'Succinylated gelatin (Gelofusine)'
    """
    entry = catalog.protector(name)

    def value(key: str) -> Floats:
        z = np.zeros(1) if scores is None else np.asarray(scores(f"{entry.id}.{key}"), dtype=float)
        return entry.values[key].at_score(z)

    before = entry.values.get("start_before")
    if before is None:
        raise DomainError(
            f"{entry.name} acts on damage, not on uptake: use scavenger({name!r}). Blockers: amino-acids, gelofusine."
        )
    if entry.id == "amino-acids":
        from ..catalog._pbpk import model_parameters

        known = model_parameters("sstr2-c").values
        given: dict[str, ArrayLike] = {k: known[f"amino_acid_{k}"].value for k in ("emax", "half_level", "k_per_min")}
        given |= {k: parameters[f"amino_acid_{k}"] for k in given if parameters and f"amino_acid_{k}" in parameters}
        half = np.asarray(given["half_level"], dtype=float)
        block, half_time = np.asarray(given["emax"]) / (1.0 + half), _LN2 / np.asarray(given["k_per_min"]) / 60.0
    else:
        block, half, half_time = value("block"), value("half_level"), value("plasma_half_time")
    return UptakeBlock(
        entry.name,
        block,
        half,
        half_time,
        duration_h,
        before.value if start_before_h is None else start_before_h,
        amount,
        value("gfr_factor"),
        entry.id != "amino-acids",
        tuple(f"{f.species}, {f.direction}: {f.statement} ({f.source})" for f in entry.findings) + entry.gaps,
    )


# --- when to give a scavenger ----------------------------------------------------------------------------------------

_OFFSETS_H = np.concatenate([[0.0], np.geomspace(2e-3, 96.0, 120)])
_DECAYS_H = np.concatenate([[0.0], np.geomspace(1e-2, 2.5e3, 160)])


@dataclass(frozen=True, eq=False)
class Schedule:
    """When to give the doses of a scavenger after an injection.

    Attributes
    ----------
    times_h : tuple of float
        After the injection, ascending.
    spared_Gy, bed_Gy : array [sample]
        BED that is spared in the kidneys by these doses in one cycle, and the linear BED they act on.
    alone_h, alone_Gy : array
        For a picture: time of a single dose, and the BED that it spares, mean over samples.
    """

    times_h: tuple[float, ...]
    spared_Gy: Floats
    bed_Gy: Floats
    alone_h: Floats
    alone_Gy: Floats


def spared_bed(
    course: DoseCourse,
    drug: Scavenger,
    times_h: Sequence[float],
    rbe_m: ArrayLike,
    *,
    region: str = "kidneys",
    amount: float = 1.0,
) -> Floats:
    r"""BED [sample] in Gy that a scavenger spares in a cycle, by doses at these hours after the injection.

    .. math:: \int_0^\infty E(t) \left(\dot D_L + f\, \mathrm{RBE}_M \dot D_H\right) dt

    Parameters
    ----------
    course : DoseCourse
        Its first cycle counts.
    drug : Scavenger
    times_h : sequence of float
        Of the doses; may be negative: before the injection.
    rbe_m : array [sample] or number
        RBE_M of alpha particles.
    region : str
    amount : float
        Of each dose, in reference doses.

    Raises
    ------
    CatalogError, DomainError
        An unknown region; values out of range.
    """
    at = np.atleast_1d(checked("times_h", times_h))
    one("amount", amount, at_least=0.0)
    low, high, rate = (x / HOURS_PER_DAY for x in course.by_let(region))
    first = np.atleast_2d(course.relative_activities)[:, :1]
    grid = np.unique(np.concatenate([_DECAYS_H, *(np.maximum(at_one + _OFFSETS_H, 0.0) for at_one in at)]))
    amplitude, fall = drug.level_terms()
    fall = fall / HOURS_PER_DAY
    n = max(course.samples, drug.samples, np.size(rbe_m))
    level = np.zeros((drug.samples, grid.size))
    for hour in at:
        after = np.maximum(grid - hour, 0.0)
        given = amount * (amplitude[:, None, :] * np.exp(-fall[:, None, :] * after[None, :, None])).sum(axis=-1)
        level += np.where(grid >= hour, np.maximum(given, 0.0), 0.0)
    most, half, share = (
        np.asarray(x)[:, None] for x in (drug.largest_effect, drug.half_effect_level, drug.high_let_share)
    )
    effect = most * level / (half + level)
    falls = np.exp(-rate[:, :, None] * grid)
    rates = [first * np.einsum("st,stk->sk", a, falls) for a in (low, high)]
    rbe = per_sample("rbe_m", rbe_m, n, at_least=0.0)[:, None]
    return np.asarray(np.trapezoid(effect * (rates[0] + share * rbe * rates[1]), grid, axis=1))


def best_schedule(
    course: DoseCourse,
    drug: Scavenger,
    rbe_m: ArrayLike,
    *,
    doses: int = 1,
    region: str = "kidneys",
    amount: float = 1.0,
    window_h: tuple[float, float] = (0.0, 168.0),
) -> Schedule:
    """The hours at which so many equal doses of a scavenger spare the most BED, mean over samples.

    Each dose is first put where it adds the most to those before it, then all are moved in turn (bounded scalar
    search) until nothing is gained. No chance is involved.

    Parameters
    ----------
    course, drug, rbe_m, region, amount
        As `spared_bed`.
    doses : int
        How many, 1 to 10.
    window_h : (float, float)
        Within which a dose may be given, hours after the injection.

    Returns
    -------
    Schedule

    Raises
    ------
    DomainError
        A number of doses or a window that is none.

    Notes
    -----
    The effect saturates, so doses apart do more than doses together; and a dose in the first hours meets the
    highest dose rate. What the optimum gains over a plain schedule matters more than its hour: see `alone_Gy`.
    """
    from scipy.optimize import minimize_scalar

    if not 1 <= one("doses", doses) <= 10 or int(doses) != doses:
        raise DomainError(f"doses is {doses!r}; a whole number from 1 to 10.")
    low, high = (one("window_h", x) for x in window_h)
    if not high > low:
        raise DomainError(f"window_h is {window_h}; it runs from a time to a later one.")

    def gain(times: Sequence[float]) -> float:
        return float(np.mean(spared_bed(course, drug, times, rbe_m, region=region, amount=amount)))

    grid = low + (high - low) * np.linspace(0.0, 1.0, 43) ** 2  # closer together at the start
    alone = np.array([gain([t]) for t in grid])
    chosen: list[float] = []
    for _ in range(int(doses)):
        chosen.append(float(grid[int(np.argmax([gain([*chosen, t]) for t in grid] if chosen else alone))]))
    best = gain(chosen)
    for _ in range(6):
        before = best
        for i in range(len(chosen)):
            others = chosen[:i] + chosen[i + 1 :]
            j = int(np.argmin(np.abs(grid - chosen[i])))
            around = (float(grid[max(j - 2, 0)]), float(grid[min(j + 2, grid.size - 1)]))
            found = minimize_scalar(
                lambda t, o=others: -gain([*o, t]), bounds=around, method="bounded", options={"xatol": 1e-2}
            )
            if -found.fun > best:
                chosen[i], best = float(found.x), float(-found.fun)
        if best - before <= 1e-6 * max(best, 1e-300):
            break
    low_let, high_let, rate = course.by_let(region)
    first = np.atleast_2d(course.relative_activities)[:, 0]
    doses_Gy = [(a / rate).sum(axis=1) * first for a in (low_let, high_let)]
    times = tuple(sorted(chosen))
    return Schedule(
        times,
        spared_bed(course, drug, times, rbe_m, region=region, amount=amount),
        np.asarray(doses_Gy[0] + np.asarray(rbe_m) * doses_Gy[1]),
        grid,
        alone,
    )
