"""What a course does to tumours: growth, killing by the dose rate with repair, clearance of dying cells, RECIST 1.1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .. import catalog
from ..errors import DomainError, missing
from ..units import HOURS_PER_DAY, check_array
from ._checks import Floats, checked, read_only
from .course import TissueParameters
from .delivery import DoseCourse, expect, one, per_sample, solve, time_axis
from .effectiveness import HighLET
from .models import LinearQuadratic
from .modifiers import ResponseModifier
from .protection import Scavenger, given_doses, with_scavenger

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RECIST", "PriorTumourDose", "TumourCourse", "TumourParameters", "recist", "tumour_course"]

DAYS_PER_MONTH = 30.4375
RECIST = ("CR", "PR", "SD", "PD")
_LN2 = float(np.log(2.0))
_SHORTEST_SD_D = 42.0  # six weeks
_NO_CELLS = -1e9  # ln of a population that is not there
_SMALLEST = 1e-300  # mL: what is smaller has no logarithm


@dataclass(frozen=True, eq=False)
class TumourParameters:
    """How a tumour grows and answers to radiation; numbers or arrays [sample].

    Parameters
    ----------
    alpha_per_Gy : array
        Linear coefficient for low-LET radiation, 1/Gy, 0 or more.
    alpha_beta_Gy, repair_half_time_h : array
        alpha/beta in Gy and half-time of repair in h, above 0.
    high_let : HighLET
        RBE of alpha particles and recoils; with r_beta = 0 their killing is linear and nothing of it is repaired.
    growth_percent_per_month : array
        Growth of the viable cells at the volume of the baseline, % in 30.4375 d; may be negative with exponential growth.
    clearance_half_time_d : array
        Half-time of the removal of dying cells, d, above 0.
    law : {"gompertz", "exponential"}
        Gompertz: dV/dt = k V ln(K/V), with k such that growth at baseline is as given.
    carrying_capacity_mL : array
        K, above the baseline volume; used by Gompertz growth only.

    Raises
    ------
    DomainError
        A value outside its range.
    """

    alpha_per_Gy: ArrayLike
    alpha_beta_Gy: ArrayLike
    repair_half_time_h: ArrayLike
    high_let: HighLET
    growth_percent_per_month: ArrayLike
    clearance_half_time_d: ArrayLike
    law: Literal["gompertz", "exponential"] = "gompertz"
    carrying_capacity_mL: ArrayLike = 2000.0

    def __post_init__(self) -> None:
        limits: dict[str, dict[str, float]] = {
            "alpha_per_Gy": {"at_least": 0.0},
            "alpha_beta_Gy": {"above": 0.0},
            "repair_half_time_h": {"above": 0.0},
            "growth_percent_per_month": {"above": -100.0},
            "clearance_half_time_d": {"above": 0.0},
            "carrying_capacity_mL": {"above": 0.0},
        }
        for name, limit in limits.items():
            object.__setattr__(self, name, read_only(np.atleast_1d(checked(name, getattr(self, name), **limit))))
        expect("high_let", self.high_let, HighLET, "HighLET(rbe)")
        if self.law not in ("gompertz", "exponential"):
            raise DomainError(f"law is {self.law!r}; gompertz or exponential is meant.")
        if self.law == "gompertz" and float(np.min(self.growth_percent_per_month)) < 0.0:
            raise DomainError("Gompertz growth is 0 or more; a tumour that shrinks by itself needs law='exponential'.")

    @property
    def samples(self) -> int:
        """Length of the sample axis."""
        names = (
            "alpha_per_Gy",
            "alpha_beta_Gy",
            "repair_half_time_h",
            "growth_percent_per_month",
            "clearance_half_time_d",
        )
        return max(
            *(np.size(getattr(self, n)) for n in names),
            np.size(self.carrying_capacity_mL),
            np.size(self.high_let.rbe),
            np.size(self.high_let.r_beta),
        )

    @classmethod
    def from_catalog(
        cls, scores: Callable[[str], ArrayLike] | None = None, *, tissue: str = "tumour", model: str = "tumour-course"
    ) -> TumourParameters:
        """The catalogue's priors at sampled scores.

        `scores` gives standard-normal scores z[sample] by name (``Draws(...).normal``); without it every parameter is
        its point estimate. alpha/beta, repair and RBE are those of the tissue; the rest those of the outcome model.

        Examples
        --------
        >>> TumourParameters.from_catalog().law
        'gompertz'
        """
        own = TissueParameters.from_catalog(catalog.tissue_of(tissue), scores)
        entry = catalog.outcome_model(model)

        def value(key: str) -> Floats:
            z = np.zeros(1) if scores is None else np.asarray(scores(f"{entry.id}.{key}"), dtype=float)
            return entry.values[key].at_score(z)

        return cls(
            alpha_per_Gy=value("alpha"),
            alpha_beta_Gy=own.alpha_beta_Gy,
            repair_half_time_h=own.repair_half_time_h,
            high_let=own.high_let,
            growth_percent_per_month=value("growth"),
            clearance_half_time_d=value("clearance_half_time"),
            carrying_capacity_mL=value("carrying_capacity"),
        )

    def modified(self, modifiers: Sequence[ResponseModifier]) -> tuple[Floats, Floats, Floats]:
        """alpha and beta for low-LET, alpha for high-LET radiation [sample], under drugs that act on them.

        A factor is used for the radiation it was measured with and for no other: a low-LET modifier leaves the killing
        by alpha particles as it is. A factor that nobody traced is refused by the modifier itself.
        """
        alpha, ratio = (per_sample(k, getattr(self, k), self.samples) for k in ("alpha_per_Gy", "alpha_beta_Gy"))
        beta, high = alpha / ratio, alpha * self.high_let.rbe_m(ratio)
        for drug in modifiers:
            unit = drug.apply(LinearQuadratic(1.0, 1.0), radiation=drug.radiation)
            if drug.radiation == "low_let":
                alpha, beta = alpha * unit.alpha_per_Gy, beta * unit.beta_per_Gy2
            else:
                high = high * unit.alpha_per_Gy
        return np.asarray(alpha), np.asarray(beta), np.asarray(high)


@dataclass(frozen=True, eq=False)
class PriorTumourDose:
    """An earlier treatment of the tumour: part of what is measured at baseline is dying already.

    Parameters
    ----------
    bed_Gy : float or array [sample]
        Biologically effective dose in Gy, as `bed` or the total of a ledger gives it, 0 or more.
    days_before : float or array [sample]
        Days from that treatment to day 0.
    """

    bed_Gy: ArrayLike
    days_before: ArrayLike

    def __post_init__(self) -> None:
        checked("bed_Gy of the prior treatment", self.bed_Gy, at_least=0.0)
        checked("days_before of the prior treatment", self.days_before, at_least=0.0)


@dataclass(frozen=True, eq=False)
class TumourCourse:
    """Tumours over time, [sample, lesion, time]; checked at birth.

    Attributes
    ----------
    volume, viable : DataArray[sample, lesion, time]
        mL; `volume` is viable and dying cells, which is what an image shows.
    diameter : DataArray[sample, lesion, time]
        mm, of the ball with that volume.
    exponent : DataArray[sample, lesion, time]
        -ln of the surviving fraction of cells that radiation reached.
    sum_of_diameters : DataArray[sample, time]
        mm.
    category : DataArray[sample, time]
        RECIST 1.1: CR, PR, SD, PD; see `recist`.
    progression_d : array [sample]
        Day of the first PD; NaN where there is none up to the last day.
    """

    volume: xr.DataArray
    viable: xr.DataArray
    diameter: xr.DataArray
    exponent: xr.DataArray
    sum_of_diameters: xr.DataArray
    category: xr.DataArray
    progression_d: Floats
    parameters: Mapping[str, TumourParameters] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, unit in (("volume", "mL"), ("viable", "mL"), ("diameter", "mm"), ("exponent", "1")):
            check_array(getattr(self, name), ("sample", "lesion", "time"), unit, name)
        check_array(self.sum_of_diameters, ("sample", "time"), "mm", "sum_of_diameters")

    @property
    def best_response(self) -> tuple[str, ...]:
        """Best category of each sample up to its progression; SD only from 42 d after the baseline on, as RECIST asks for

        a shortest time.
        """
        days = self.category.time.values
        late = days - days[0] >= min(_SHORTEST_SD_D, days[-1] - days[0])
        best = []
        for row, end in zip(self.category.values, self.progression_d, strict=True):
            seen = days <= (np.inf if np.isnan(end) else end)
            seen[0] = False  # the baseline is no response
            found = {str(c) for c in row[seen]} - {"SD"}
            found |= {"SD"} if (row[late & seen] == "SD").any() else set()
            best.append(next(c for c in RECIST if c in found))
        return tuple(best)

    def shares(self) -> dict[str, float]:
        """Share of samples by best response."""
        best = self.best_response
        return {c: best.count(c) / len(best) for c in RECIST}

    def growth_percent_per_month(self, from_d: float, to_d: float) -> Floats:
        """Tumour growth rate [sample, lesion] between two days: 100 (exp(ln(V2/V1) / months) - 1), in % a month.

        Raises
        ------
        DomainError
            Days outside the course or in the wrong order.
        """
        days = self.volume.time.values
        if not days[0] <= from_d < to_d <= days[-1]:
            raise DomainError(f"{from_d:g} to {to_d:g} d does not lie within {days[0]:g} to {days[-1]:g} d.")
        logs = np.log(np.maximum(self.volume.values, _SMALLEST))
        at = [np.array([[np.interp(t, days, v) for v in lesions] for lesions in logs]) for t in (from_d, to_d)]
        return np.asarray(100.0 * np.expm1((at[1] - at[0]) / (to_d - from_d) * DAYS_PER_MONTH))


def recist(
    diameters_mm: ArrayLike, *, vanished_below_mm: float = 2.0
) -> tuple[Floats, np.ndarray[Any, np.dtype[np.int64]]]:
    """Sum of diameters and RECIST 1.1 category of target lesions.

    Against the baseline and the smallest sum so far (nadir, baseline included): PD when the sum is 20 % and 5 mm or
    more above the nadir, or when a lesion is seen again after a complete response; else CR when every lesion has
    vanished; else PR when it is 30 % or more below baseline; else SD.

    Parameters
    ----------
    diameters_mm : array [sample, lesion, time]
        Longest diameters; the first time is the baseline.
    vanished_below_mm : float
        What no image shows any more; 0 or more.

    Returns
    -------
    sums : array [sample, time]
        mm.
    codes : array [sample, time]
        Index into ``RECIST``; the baseline is SD.

    Raises
    ------
    DomainError
        A negative diameter, or a baseline without measurable tumour.

    Notes
    -----
    New lesions and non-target lesions are not modelled: PD by them is not seen. A lesion that vanished counts 0. Every
    lesion that is given is a target lesion: no smallest size at baseline, no largest number.

    References
    ----------
    Eisenhauer et al. 2009 (eisenhauer2009).

    Examples
    --------
    >>> sums, codes = recist([[[50.0, 40.0, 34.0, 41.0, 42.0]]])
    >>> [RECIST[c] for c in codes[0]]
    ['SD', 'SD', 'PR', 'PD', 'PD']
    """
    d = checked("diameters_mm", diameters_mm, at_least=0.0)
    if d.ndim != 3:
        raise DomainError(f"diameters_mm has shape {d.shape}; it is [sample, lesion, time].")
    seen = np.where(d < one("vanished_below_mm", vanished_below_mm, at_least=0.0), 0.0, d)
    sums = seen.sum(axis=1)
    if (sums[:, 0] <= 0.0).any():
        raise DomainError("The baseline has no lesion above vanished_below_mm: there is nothing to follow.")
    nadir = np.minimum.accumulate(np.concatenate([sums[:, :1], sums[:, :-1]], axis=1), axis=1)
    codes = np.full(sums.shape, RECIST.index("SD"), dtype=np.int64)
    codes[sums <= 0.7 * sums[:, :1] * (1.0 + 1e-12)] = RECIST.index("PR")
    vanished = (seen == 0.0).all(axis=1)
    codes[vanished] = RECIST.index("CR")
    codes[np.logical_or.accumulate(vanished, axis=1) & ~vanished] = RECIST.index("PD")
    slack = 1e-9 * sums[:, :1]
    codes[(sums >= 1.2 * nadir - slack) & (sums >= nadir + 5.0 - slack)] = RECIST.index("PD")
    codes[:, 0] = RECIST.index("SD")
    return sums, codes


def tumour_course(
    dose: DoseCourse,
    baseline_volume_mL: Mapping[str, ArrayLike],
    parameters: TumourParameters | Mapping[str, TumourParameters] | None = None,
    *,
    times_d: ArrayLike | None = None,
    cold_share: ArrayLike | Mapping[str, ArrayLike] = 0.0,
    cold_cells: Literal["same", "redrawn"] = "same",
    modifiers: Sequence[ResponseModifier] = (),
    prior: PriorTumourDose | None = None,
    scavenger: Scavenger | None = None,
    scavenger_doses: Sequence[tuple[float, float]] | None = None,
    vanished_below_mm: float = 2.0,
) -> TumourCourse:
    r"""Volume of each lesion over time, and the RECIST 1.1 category of their sum.

    .. math:: \dot V_1 = g(V_1) V_1 - k(t) V_1, \quad \dot V_2 = k(t) V_1 - \lambda V_2, \quad
              k = \alpha \dot D_L + \alpha\,\mathrm{RBE}_M \dot D_H + 2 \beta \dot D_q x, \quad
              \dot x = \dot D_q - \mu x

    with viable cells V1, dying cells V2, D_q = D_L + R_beta D_H and g = k_G ln(K/V1) (Gompertz) or constant. Over a
    cycle the integral of k is alpha x BED with the Lea-Catcheside factor of the dose rate, so nothing is counted twice.

    Cells that alpha particles miss: `cold_share` f of the viable cells sees no high-LET dose, the rest sees
    D_H / (1 - f), so that the mean stays the absorbed dose. It is for cells that stay out of reach of a cycle (without
    receptor, far from vessels), as the cell-scale engine counts them; misses by chance alone are in alpha already.

    Parameters
    ----------
    dose : DoseCourse
        Its regions hold every lesion of `baseline_volume_mL`.
    baseline_volume_mL : mapping of lesion to array [sample] or number
        Above 0; 1 mL holds 1 g.
    parameters : TumourParameters, or a mapping of them by lesion, optional
        The catalogue's point estimates when left out.
    times_d : array (time,), optional
        Days on which the tumour is imaged, the first is the baseline; every 7 d to half a year after the last cycle
        when left out. RECIST knows only these days.
    cold_share : array [sample], number, or a mapping by lesion
        f, 0 or more and below 1.
    cold_cells : {"same", "redrawn"}
        Whether the same cells and their offspring stay cold in all cycles, or each cycle draws anew.
    modifiers : sequence of ResponseModifier
        5-FU, PARP inhibitors: see `modifier_of`. An unknown factor is refused.
    prior : PriorTumourDose, optional
        Part of the baseline volume is dying cells of an earlier treatment.
    scavenger, scavenger_doses : Scavenger, sequence of (day, amount)
        Left out, and nothing says otherwise, the tumour is not protected. Given, tumours are taken to be spared as the
        kidneys are, with the same level: the pessimist's question, not a finding.
    vanished_below_mm : float
        Diameter that no image shows.

    Returns
    -------
    TumourCourse

    Raises
    ------
    CatalogError
        A lesion without dose, without parameters or without a cold share.
    DomainError
        A value out of range, a volume above the carrying capacity, sample axes that differ.

    Notes
    -----
    Gompertz growth as in Norton 1988 (norton1988gompertz); repair as in Lea and Catcheside 1942 (lea1942).

    Examples
    --------
    >>> course = DoseCourse.simple({"liver_1": 40.0}, effective_half_life_h=77.0, cycles=4, interval_d=56.0)
    >>> result = tumour_course(course, {"liver_1": 30.0})
    >>> bool(result.volume.values[0, 0, -1] < 30.0)
    True
    """
    expect("dose", dose, DoseCourse, "a DoseCourse")
    expect("baseline_volume_mL", baseline_volume_mL, Mapping, "a mapping of lesion to mL")
    if prior is not None:
        expect("prior", prior, PriorTumourDose, "a PriorTumourDose")
    expect("modifiers", modifiers, Sequence, "a list of ResponseModifier")
    for drug in modifiers:
        expect("modifiers", drug, ResponseModifier, "modifier_of(name) or a ResponseModifier")
    spared = given_doses(scavenger, scavenger_doses, dose)
    lesions = list(baseline_volume_mL)
    if not lesions:
        raise DomainError("baseline_volume_mL names no lesion.")
    own = {x: _of(parameters, x, "tumour parameters") or TumourParameters.from_catalog() for x in lesions}
    for each in own.values():
        expect("parameters", each, TumourParameters, "TumourParameters, or a mapping of them by lesion,")
    times = time_axis(times_d, np.arange(0.0, dose.start_d[-1] + 183.0, 7.0))
    shares: dict[str, ArrayLike] = {x: _of(cold_share, x, "cold share") for x in lesions}
    n = max(
        dose.samples,
        *(np.size(v) for v in baseline_volume_mL.values()),
        *(p.samples for p in own.values()),
        *(np.size(s) for s in shares.values()),
        scavenger.samples if scavenger is not None else 1,
        *((np.size(prior.bed_Gy), np.size(prior.days_before)) if prior is not None else ()),
    )
    states = []
    for x in lesions:
        volume = per_sample(f"baseline volume of {x}", baseline_volume_mL[x], n, above=0.0)
        p, y0 = _kernel_input(own[x], volume, per_sample(f"cold_share of {x}", shares[x], n, at_least=0.0), n,
                              cold_cells, modifiers, prior)  # fmt: skip
        y = solve(0, with_scavenger(p, scavenger), y0, dose, x, times, (0, 1, 2, 3), spared)
        viable = np.exp(y[..., 0]) + np.exp(y[..., 1])
        dying = np.where(np.abs(y[..., 2]) < 1e-8, np.maximum(y[..., 2], 0.0), y[..., 2])  # the solver's tolerance
        states.append((viable * volume[:, None], (viable + dying) * volume[:, None], y[..., 3]))
    notes = _notes(dose, modifiers, shares, cold_cells, prior)
    if scavenger is not None:
        notes += (f"{scavenger.name} is taken to spare the tumour as it spares the kidneys: asked for, not found.",)
    return _result(lesions, times, states, own, notes, vanished_below_mm)


def _of(given: Any, name: str, what: str) -> Any:
    """The entry of a mapping, or the one value that serves all."""
    if not isinstance(given, Mapping):
        return given
    if name not in given:
        raise missing(what, name, given)
    return given[name]


def _kernel_input(
    own: TumourParameters,
    volume: Floats,
    cold: Floats,
    n: int,
    cold_cells: str,
    modifiers: Sequence[ResponseModifier],
    prior: PriorTumourDose | None,
) -> tuple[Floats, Floats]:
    """Parameters and start values of the kernel, in units of the baseline volume and days."""
    if cold_cells not in ("same", "redrawn"):
        raise DomainError(f"cold_cells is {cold_cells!r}; same or redrawn is meant.")
    if float(cold.max()) >= 1.0:
        raise DomainError(f"cold_share holds {cold.max():g}; it must be below 1.")
    alpha, beta, high = (per_sample("tumour parameters", a, n) for a in own.modified(modifiers))
    growth = np.log1p(per_sample("growth_percent_per_month", own.growth_percent_per_month, n) / 100.0) / DAYS_PER_MONTH
    clearance = _LN2 / per_sample("clearance_half_time_d", own.clearance_half_time_d, n)
    room = np.log(per_sample("carrying_capacity_mL", own.carrying_capacity_mL, n) / volume)
    gompertz = own.law == "gompertz"
    if gompertz and float(room.min()) <= 0.0:
        s = int(room.argmin())
        raise DomainError(
            f"A lesion of {volume[s]:.4g} mL is not below the carrying capacity, {volume[s] * np.exp(room[s]):.4g} mL in "
            f"sample {s}; raise carrying_capacity_mL or use law='exponential'."
        )
    ln_viable, dying = _after_prior(prior, alpha, growth, clearance)
    # The growth is that of the viable cells at baseline; they are fewer than the volume after an earlier treatment.
    rate = growth / (room - ln_viable) if gompertz else growth
    p = np.zeros((n, 14))
    p[:, 0] = _LN2 / per_sample("repair_half_time_h", own.repair_half_time_h, n) * HOURS_PER_DAY
    p[:, 1] = per_sample("r_beta", own.high_let.r_beta, n)
    p[:, 2], p[:, 3], p[:, 4], p[:, 5] = alpha, 2.0 * beta, high, rate
    p[:, 6], p[:, 7], p[:, 8], p[:, 9] = room, float(gompertz), clearance, cold
    p[:, 10], p[:, 12] = float(cold_cells == "redrawn"), 1.0
    y0 = np.zeros((n, 4))
    y0[:, 0] = ln_viable + np.log1p(-cold)
    y0[:, 1] = np.where(cold > 0.0, ln_viable + np.log(np.where(cold > 0.0, cold, 1.0)), _NO_CELLS)
    y0[:, 2] = dying
    return p, y0


def _after_prior(
    prior: PriorTumourDose | None, alpha: Floats, growth: Floats, clearance: Floats
) -> tuple[Floats, Floats]:
    """ln of the viable share of the baseline volume, and the share of dying cells of an earlier treatment.

    Survivors grew, the others went; in logarithms, so that a large dose leaves few cells and not none.
    """
    if prior is None:
        return np.zeros_like(alpha), np.zeros_like(alpha)
    days = per_sample("days_before of the prior treatment", prior.days_before, alpha.size)
    killed = alpha * per_sample("bed_Gy of the prior treatment", prior.bed_Gy, alpha.size)
    alive = growth * days - killed
    with np.errstate(divide="ignore"):  # ln 0 where nothing was killed
        left = np.log(-np.expm1(-killed)) - clearance * days
    whole = np.logaddexp(alive, left)
    return np.asarray(alive - whole), np.asarray(np.exp(left - whole))


def _result(
    lesions: list[str], times: Floats, states: list[Any], own: dict[str, TumourParameters], notes: tuple[str, ...],
    vanished_below_mm: float,
) -> TumourCourse:  # fmt: skip
    import xarray as xr

    viable, volume, exponent = (np.stack([s[i] for s in states], axis=1) for i in range(3))
    diameter = np.cbrt(6.0 * volume / np.pi) * 10.0
    sums, codes = recist(diameter, vanished_below_mm=vanished_below_mm)
    first = (codes == RECIST.index("PD")).argmax(axis=1)
    progression = np.where((codes == RECIST.index("PD")).any(axis=1), times[first], np.nan)

    def array(values: Any, unit: str, label: str, dims: tuple[str, ...] = ("sample", "lesion", "time")) -> xr.DataArray:
        coords: dict[str, Any] = {"time": ("time", times, {"units": "d", "long_name": "time from the first cycle"})}
        if "lesion" in dims:
            coords["lesion"] = lesions
        return xr.DataArray(values, dims=dims, coords=coords, attrs={"units": unit, "long_name": label})

    return TumourCourse(
        volume=array(volume, "mL", "tumour volume"),
        viable=array(viable, "mL", "volume of viable cells"),
        diameter=array(diameter, "mm", "diameter of the ball with the tumour volume"),
        exponent=array(exponent, "1", "-ln of the surviving fraction of reached cells"),
        sum_of_diameters=array(sums, "mm", "sum of diameters of target lesions", ("sample", "time")),
        category=array(np.array(RECIST)[codes], "1", "RECIST 1.1 category", ("sample", "time")),
        progression_d=read_only(progression),
        parameters=own,
        notes=notes,
    )


def _notes(
    dose: DoseCourse, modifiers: Sequence[ResponseModifier], shares: Mapping[str, Any], cold_cells: str,
    prior: PriorTumourDose | None,
) -> tuple[str, ...]:  # fmt: skip
    """What was assumed, for the report."""
    notes = ["Tumour: dose does not change with volume; new and non-target lesions are not modelled; RECIST 1.1 sees "
             "only the listed days.", *dose.notes]  # fmt: skip
    high = bool(dose.dose_Gy.sel(radiation=[r for r in ("alpha", "recoil") if r in dose.amplitude.radiation]).any())
    for drug in modifiers:
        notes.append(f"{drug.name}: factors for {drug.radiation.replace('_', '-')} radiation ({drug.source}).")
        if high and drug.radiation == "low_let":
            notes.append(f"{drug.name} changes nothing for alpha particles here: no factor for them was measured.")
        notes.extend(drug.notes)
    if any(np.any(np.asarray(s) > 0.0) for s in shares.values()):
        notes.append(f"A share of the cells is not reached by high-LET radiation ({cold_cells} cells in each cycle).")
    if prior is not None:
        notes.append("The earlier treatment is acute at its date; its survivors grew with today's rate.")
    return tuple(notes)
