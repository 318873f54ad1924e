"""How a course delivers its dose: the dose rate of each region, nuclide and radiation over all cycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DomainError, missing
from ..units import HOURS_PER_DAY, check_array
from ._checks import Floats, checked, read_only
from .course import HIGH_LET, LOW_LET

if TYPE_CHECKING:
    import xarray as xr

    from ..kinetics import Kinetics
    from ..transport import SValues

__all__ = ["DoseCourse"]

_DIMS = ("sample", "region", "nuclide", "radiation", "term")
_LN2 = float(np.log(2.0))
_CANCELS = 1e-9  # a dose may be negative by this share of the sizes that it is summed from


@dataclass(frozen=True, eq=False)
class DoseCourse:
    """Dose rate of a course as sums of exponentials: each cycle adds its own, and what earlier cycles left goes on.

    The dose rate of a region by nuclide and radiation is

        R(t) = sum over cycles c with t >= start_c of s_c sum over terms of amplitude exp(-rate (t - start_c)).

    Parameters
    ----------
    amplitude : DataArray[sample, region, nuclide, radiation, term]
        Gy/h, of a cycle with relative activity 1; radiations are alpha, recoil, electron, photon.
    rate : DataArray[sample, term]
        Effective rates, 1/h, above 0.
    start_d : tuple of float
        Day on which each cycle begins, increasing, the first 0 or later.
    relative_activities : array [cycle] or [sample, cycle]
        s_c, 0 or more; with a sample axis, cycles may differ between samples.
    notes : tuple of str
        What was assumed, for the report.

    Raises
    ------
    UnitError
        Wrong dims or units.
    DomainError
        Cycles out of order, lengths that differ, a dose that is negative, unknown radiations.

    Examples
    --------
    Four cycles of 5 Gy of electrons to the kidneys, eight weeks apart, effective half-life 51 h:

    >>> course = DoseCourse.simple({"kidneys": 5.0}, effective_half_life_h=51.0, cycles=4, interval_d=56.0)
    >>> round(float(course.dose_Gy.sel(region="kidneys").sum()), 6)
    20.0
    """

    amplitude: xr.DataArray
    rate: xr.DataArray
    start_d: tuple[float, ...]
    relative_activities: Floats
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_array(self.amplitude, _DIMS, "Gy/h", "dose-rate amplitude")
        check_array(self.rate, ("sample", "term"), "1/h", "dose-rate rate")
        checked("dose-rate rate", self.rate.values, above=0.0)
        unknown = [str(r) for r in self.amplitude.radiation.values if str(r) not in (*HIGH_LET, *LOW_LET)]
        if unknown:
            raise DomainError(f"The course holds the radiation {', '.join(unknown)}; known: {HIGH_LET + LOW_LET}.")
        if self.amplitude.sizes["term"] != self.rate.sizes["term"]:
            raise DomainError(
                f"amplitude has {self.amplitude.sizes['term']} terms, rate {self.rate.sizes['term']}; one rate a term."
            )
        start = checked("start_d", self.start_d, at_least=0.0)
        if start.ndim != 1 or (np.diff(start) <= 0.0).any():
            raise DomainError(f"start_d is {list(self.start_d)}; cycles start one after the other, from day 0 on.")
        relative = np.atleast_2d(checked("relative_activities", self.relative_activities, at_least=0.0))
        if relative.ndim != 2 or relative.shape[1] != start.size:
            raise DomainError(
                f"relative_activities has shape {np.shape(self.relative_activities)} for {start.size} cycles; give "
                "[cycle] or [sample, cycle]."
            )
        sizes = {self.amplitude.sizes["sample"], self.rate.sizes["sample"], relative.shape[0]} - {1}
        if len(sizes) > 1:
            raise DomainError(f"The course mixes {sorted(sizes)} samples; every array has one sample or the same many.")
        object.__setattr__(self, "start_d", tuple(float(x) for x in start))
        object.__setattr__(self, "relative_activities", read_only(relative))
        size = (abs(self.amplitude) / self.rate).sum("term")
        if bool(((self.amplitude / self.rate).sum("term") < -_CANCELS * size).any()):
            raise DomainError("A dose of the course is negative: check the amplitudes of the dose rate.")

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions."""
        return tuple(str(r) for r in self.amplitude.region.values)

    @property
    def samples(self) -> int:
        """Length of the sample axis."""
        return max(int(self.amplitude.sizes["sample"]), int(self.rate.sizes["sample"]), len(self.relative_activities))

    @property
    def dose_Gy(self) -> xr.DataArray:
        """Absorbed dose of the whole course [sample, region, nuclide, radiation] in Gy."""
        import xarray as xr

        per_cycle = (self.amplitude / self.rate).sum("term").values
        total = per_cycle * self.relative_activities.sum(axis=1)[:, None, None, None]
        coords = {k: self.amplitude.coords[k].values for k in ("region", "nuclide", "radiation")}
        attrs = {"units": "Gy", "long_name": "absorbed dose of the course"}
        return xr.DataArray(total, dims=_DIMS[:-1], coords=coords, attrs=attrs)

    def scaled(self, factor: float) -> DoseCourse:
        """The course with every activity times `factor`, one number of 0 or more."""
        return replace(self, relative_activities=self.relative_activities * one("factor", factor, at_least=0.0))

    @classmethod
    def simple(
        cls,
        dose_Gy_per_cycle: Mapping[str, ArrayLike],
        *,
        effective_half_life_h: ArrayLike | Mapping[str, ArrayLike],
        cycles: int = 1,
        interval_d: float = 56.0,
        high_let_dose_Gy_per_cycle: Mapping[str, ArrayLike] | None = None,
        nuclide: str = "",
        relative_activities: ArrayLike | None = None,
    ) -> DoseCourse:
        """One exponential per region, equal cycles at equal intervals.

        Parameters
        ----------
        dose_Gy_per_cycle : mapping of region to array [sample] or number
            Low-LET dose of a cycle in Gy.
        effective_half_life_h : array [sample], number, or a mapping of them by region
            In h, above 0.
        cycles, interval_d : int, float
            Number of cycles and days from one to the next.
        high_let_dose_Gy_per_cycle : mapping of region to array, optional
            Dose from alpha particles and recoils of a cycle in Gy, with the same half-life.
        nuclide : str
            Name for the report.
        relative_activities : array [cycle] or [sample, cycle], optional
            All 1 when left out.

        Raises
        ------
        DomainError
            No region, no cycle, a negative dose, a half-life or interval that is not above 0.

        Examples
        --------
        >>> course = DoseCourse.simple({"tumour": 0.0}, effective_half_life_h=60.0, cycles=2,
        ...                            high_let_dose_Gy_per_cycle={"tumour": 3.0}, nuclide="Ac-225")
        >>> course.start_d, float(course.dose_Gy.sum())
        ((0.0, 56.0), 6.0)
        """
        import xarray as xr

        for what, mapping in (("dose_Gy_per_cycle", dose_Gy_per_cycle),
                            ("high_let_dose_Gy_per_cycle", high_let_dose_Gy_per_cycle or {})):  # fmt: skip
            expect(what, mapping, Mapping, "a mapping of region to Gy")
        high = dict(high_let_dose_Gy_per_cycle or {})
        regions = list(dict.fromkeys([*dose_Gy_per_cycle, *high]))
        if not regions:
            raise DomainError("A course needs at least one region with its dose per cycle.")
        number = one("cycles", cycles)
        if number < 1 or int(number) != number:
            raise DomainError(f"cycles is {cycles!r}; it must be a whole number of 1 or more.")
        interval = one("interval_d", interval_d, above=0.0)
        half: dict[str, Floats] = {}
        for r in regions:
            given = effective_half_life_h
            if isinstance(given, Mapping):
                if r not in given:
                    raise missing("effective half-life", r, given)
                given = given[r]
            half[r] = _LN2 / np.atleast_1d(checked(f"effective_half_life_h of {r}", given, above=0.0))
        shared = not isinstance(effective_half_life_h, Mapping)
        doses = {
            (r, i): np.atleast_1d(checked(f"dose per cycle of {r}", d.get(r, 0.0), at_least=0.0))
            for i, d in enumerate((high, dose_Gy_per_cycle))
            for r in regions
        }
        n = max(np.size(x) for x in (*half.values(), *doses.values()))
        half = {r: per_sample(f"rate of {r}", x, n) for r, x in half.items()}
        doses = {(r, i): per_sample(f"dose per cycle of {r}", x, n) for (r, i), x in doses.items()}
        terms = 1 if shared else len(regions)
        rate, amplitude = np.ones((n, terms)), np.zeros((n, len(regions), 1, 2, terms))
        for j, r in enumerate(regions):
            k = 0 if shared else j
            rate[:, k] = half[r]
            for i in range(2):
                amplitude[:, j, 0, i, k] = doses[r, i] * half[r]
        coords: dict[str, Any] = {"region": regions, "nuclide": [nuclide], "radiation": ["alpha", "electron"]}
        return cls(
            xr.DataArray(amplitude, dims=_DIMS, coords=coords, attrs={"units": "Gy/h"}),
            xr.DataArray(rate, dims=("sample", "term"), attrs={"units": "1/h"}),
            tuple(interval * c for c in range(int(number))),
            np.ones(int(number))
            if relative_activities is None
            else checked("relative_activities", relative_activities),
        )

    @classmethod
    def from_kinetics(
        cls,
        kinetics: Kinetics,
        s_values: SValues,
        *,
        start_d: Sequence[float],
        relative_activities: ArrayLike | None = None,
        regions: Sequence[str] | None = None,
    ) -> DoseCourse:
        """The dose rate of measured or modelled kinetics by the MIRD equation, nuclide by nuclide.

        Parameters
        ----------
        kinetics : Kinetics
            Activity curves of the first cycle.
        s_values : SValues
            Gy per decay.
        start_d, relative_activities
            As in the class; the activities are relative to the cycle of `kinetics` (all 1 when left out).
        regions : sequence of str, optional
            Targets to keep; all when left out.

        Raises
        ------
        CatalogError
            A region that is no target of the S values.
        """
        import xarray as xr

        from ..dose import dose_rate_terms

        targets = [str(t) for t in s_values.s.target.values]
        wanted = list(regions) if regions is not None else targets
        for r in wanted:
            if r not in targets:
                raise missing("region", r, targets)
        nuclides = [str(x) for x in s_values.s.nuclide.values]
        radiations = [str(x) for x in s_values.s.radiation.values]
        by_nuclide = []
        for name in nuclides:
            own = replace(s_values, s=s_values.s.sel(nuclide=[name]))
            by_nuclide.append(
                [
                    dose_rate_terms(kinetics.amplitude, own, (r,))
                    .sel(region=wanted)
                    .transpose("sample", "region", "term")
                    for r in radiations
                ]
            )
        values = np.stack([np.stack([t.values for t in row], axis=2) for row in by_nuclide], axis=2)
        coords: dict[str, Any] = {"region": wanted, "nuclide": nuclides, "radiation": radiations}
        cycles = np.size(checked("start_d", start_d, at_least=0.0))
        return cls(
            xr.DataArray(values, dims=_DIMS, coords=coords, attrs={"units": "Gy/h"}),
            kinetics.rate,
            tuple(np.atleast_1d(start_d)),
            np.ones(cycles) if relative_activities is None else checked("relative_activities", relative_activities),
            notes=("The dose rate of the first cycle holds for all, scaled with the activity.",) if cycles > 1 else (),
        )

    def by_let(self, region: str) -> tuple[Floats, Floats, Floats]:
        """Low- and high-LET amplitudes in Gy/d and their rates in 1/d, each [sample, term], of one region."""
        if region not in self.regions:
            raise missing("region", str(region), self.regions)
        own = self.amplitude.sel(region=region).sum("nuclide")
        parts = [own.sel(radiation=[r for r in kind if r in own.radiation.values]).sum("radiation").values for kind in
                 (LOW_LET, HIGH_LET)]  # fmt: skip
        n = self.samples
        low, high, rate = (np.broadcast_to(a, (n, a.shape[-1])) * HOURS_PER_DAY for a in (*parts, self.rate.values))
        used = (low != 0.0).any(axis=0) | (high != 0.0).any(axis=0)
        if not used.any():
            used[:1] = True
        return low[:, used].copy(), high[:, used].copy(), rate[:, used].copy()


def one(name: str, value: float, **limits: float) -> float:
    """A single number, checked."""
    array = checked(name, value, **limits)
    if array.ndim:
        raise DomainError(f"{name} has shape {array.shape}; it is one number.")
    return float(array)


def expect(name: str, value: Any, kind: type, meant: str) -> None:
    """DomainError when the value is of another kind."""
    if not isinstance(value, kind):
        raise DomainError(f"{name} is {repr(value)[:60]} ({type(value).__name__}); {meant} is meant.")


def time_axis(times_d: ArrayLike | None, default_d: Floats) -> Floats:
    """Output times in days: given and checked, or the default; always from day 0 on and increasing."""
    times = default_d if times_d is None else checked("times_d", times_d, at_least=0.0)
    if times.ndim != 1 or times.size < 2 or (np.diff(times) <= 0.0).any():
        raise DomainError("times_d lists two or more days that increase, the first of them the baseline (0 or later).")
    return np.ascontiguousarray(times)


def per_sample(name: str, value: ArrayLike, n: int, **limits: float) -> Floats:
    """A number or array [sample] as array [n]."""
    array = np.atleast_1d(checked(name, value, **limits))
    if array.ndim != 1 or array.size not in (1, n):
        raise DomainError(f"{name} has shape {np.shape(value)}; give a number or one value for each of {n} samples.")
    return np.broadcast_to(array, (n,))


def solve(
    kind: int,
    parameters: Floats,
    start: Floats,
    course: DoseCourse,
    region: str,
    times_d: Floats,
    keep: Sequence[int],
    drug: tuple[Floats, Floats, Sequence[tuple[float, float]]] | None = None,
) -> Floats:
    """The kept states [sample, time, kept] of an outcome model; see `_outcome_kernels`.

    `drug` is (amplitude[sample, term], rate per day[sample, term], doses as pairs of day and amount).
    """
    from ._outcome_kernels import integrate

    n = parameters.shape[0]
    low, high, rate = (np.ascontiguousarray(np.broadcast_to(a, (n, a.shape[1]))) for a in course.by_let(region))
    relative = np.ascontiguousarray(np.broadcast_to(course.relative_activities, (n, len(course.start_d))))
    amplitude, fall, doses = drug if drug is not None else (np.zeros((n, 0)), np.zeros((n, 0)), ())
    events = sorted(
        [(day, c, 0.0) for c, day in enumerate(course.start_d)]
        + [(float(day), -1, float(amount)) for day, amount in doses]
        + [(0.0, -1, 0.0)]
    )
    day, cycle, amount = (np.array(x) for x in zip(*events, strict=True))
    end = max(float(times_d[-1]), float(day[-1])) + 1e-9
    out = np.full((n, times_d.size, len(keep)), np.nan)
    integrate(
        kind,
        np.ascontiguousarray(parameters),
        np.ascontiguousarray(np.broadcast_to(start, (n, start.shape[1]))),
        low,
        high,
        rate,
        relative,
        np.append(day, end),
        cycle.astype(np.int64),
        amount,
        np.ascontiguousarray(np.broadcast_to(amplitude, (n, amplitude.shape[1]))),
        np.ascontiguousarray(np.broadcast_to(fall, (n, fall.shape[1]))),
        times_d,
        np.array(keep, dtype=np.int64),
        out,
    )
    if not np.isfinite(out).all():
        bad = int(np.argmax(~np.isfinite(out).all(axis=(1, 2))))
        raise DomainError(
            f"The course of {region} could not be integrated for sample {bad}: a parameter or a dose is far outside "
            "what patients have."
        )
    return out
