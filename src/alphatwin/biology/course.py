"""From absorbed dose by radiation to effect: RBE and repair are applied here, once, at the end of the chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DomainError, suggestion
from ..units import check_array
from ._checks import Floats, checked, read_only
from .account import DoseLimit, Ledger, LedgerRow, radionuclide_course
from .complication import ntcp
from .effectiveness import HighLET, RbeReference
from .prescription import TissueBudget
from .protraction import lea_catcheside

if TYPE_CHECKING:
    import xarray as xr

    from ..catalog import NTCP, Tissue

__all__ = ["Effect", "TissueParameters", "effect"]

LOW_LET = ("electron", "photon")
HIGH_LET = ("alpha", "recoil")
_SAME_DOSE = 0.01  # dose-rate terms and dose may differ by this share (photons from other regions, rounding)
_GRAYS = ("bed", "eqd2", "rbe_weighted_dose", "low_let_dose", "high_let_dose")


@dataclass(frozen=True, eq=False)
class TissueParameters:
    """Radiobiology of a region, one value per sample (or one for all).

    Parameters
    ----------
    tissue : str
        Catalogue id it comes from.
    alpha_beta_Gy, repair_half_time_h, rbe : array [sample]
        alpha/beta for photons (above 0), repair half-time (above 0), RBE of alpha particles and recoils (0 or more).
    r_beta, rbe_reference
        See `HighLET`.
    complication : catalogue NTCP, optional
        With standard-normal scores of its two parameters in `d50_score` and `slope_score`.

    Raises
    ------
    DomainError
        A value out of range.
    """

    tissue: str
    alpha_beta_Gy: Floats
    repair_half_time_h: Floats
    rbe: Floats
    r_beta: ArrayLike = 0.0
    rbe_reference: RbeReference = "low_dose"
    complication: NTCP | None = None
    d50_score: ArrayLike = 0.0
    slope_score: ArrayLike = 0.0

    def __post_init__(self) -> None:
        for name, above in (("alpha_beta_Gy", 0.0), ("repair_half_time_h", 0.0), ("rbe", None)):
            value = checked(f"{name} of {self.tissue}", getattr(self, name), above=above, at_least=0.0)
            if value.ndim > 1:
                raise DomainError(f"{name} of {self.tissue} has shape {value.shape}; it is [sample] or a number.")
            object.__setattr__(self, name, read_only(np.atleast_1d(value)))
        _ = self.high_let  # checks r_beta and the reference

    @property
    def high_let(self) -> HighLET:
        """The RBE options of this tissue."""
        return HighLET(self.rbe, self.r_beta, self.rbe_reference)

    @classmethod
    def from_catalog(
        cls,
        entry: Tissue,
        scores: Callable[[str], ArrayLike] | None = None,
        *,
        rbe_reference: RbeReference = "low_dose",
    ) -> TissueParameters:
        """The parameters of a catalogue tissue at sampled scores.

        `scores` gives standard-normal scores z[sample] for a name such as ``kidneys.alpha_beta``,
        ``.repair_half_time``, ``.rbe_alpha``, ``.ntcp_d50``, ``.ntcp_slope``; without it every parameter is its
        point estimate.
        """

        def z(name: str) -> Floats:
            return np.zeros(1) if scores is None else np.asarray(scores(f"{entry.id}.{name}"), dtype=float)

        for quantity, unit in ((entry.alpha_beta, "Gy"), (entry.repair_half_time, "h"), (entry.rbe_alpha, "1")):
            if quantity.unit != unit:
                raise DomainError(f"Tissue {entry.id} gives a parameter in {quantity.unit!r}; {unit!r} is meant.")
        model = next((m for m in entry.ntcp if m.default), entry.ntcp[0] if entry.ntcp else None)
        return cls(
            tissue=entry.id,
            alpha_beta_Gy=entry.alpha_beta.at_score(z("alpha_beta")),
            repair_half_time_h=entry.repair_half_time.at_score(z("repair_half_time")),
            rbe=entry.rbe_alpha.at_score(z("rbe_alpha")),
            rbe_reference=rbe_reference,
            complication=model,
            d50_score=z("ntcp_d50") if model else 0.0,
            slope_score=z("ntcp_slope") if model else 0.0,
        )


@dataclass(frozen=True, eq=False)
class Effect:
    """What a course does to each region; arrays [sample, region], checked at birth.

    ``bed``, ``eqd2``, ``rbe_weighted_dose``, ``low_let_dose``, ``high_let_dose`` are in Gy, over all cycles of the
    course; ``g`` is the Lea-Catcheside factor ("1"); ``ntcp`` maps a region to probabilities [sample].

    Raises
    ------
    UnitError
        An array with other dims or units, or values that are not finite.
    DomainError
        A G outside 0 to 1, or a negative value.
    """

    bed: xr.DataArray
    eqd2: xr.DataArray
    rbe_weighted_dose: xr.DataArray
    g: xr.DataArray
    low_let_dose: xr.DataArray
    high_let_dose: xr.DataArray
    cycle_activities_MBq: tuple[float, ...]
    parameters: Mapping[str, TissueParameters]
    ntcp: Mapping[str, Floats] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (*_GRAYS, "g"):
            array = getattr(self, name)
            check_array(array, ("sample", "region"), "1" if name == "g" else "Gy", name)
            checked(name, array.values, at_least=0.0)
        if float(checked("g", self.g.values, above=0.0).max()) > 1.0:
            raise DomainError(f"g holds {float(self.g.max()):g}; a Lea-Catcheside factor is above 0 and at most 1.")
        for name in ("ntcp", "parameters"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def _region(self, region: str) -> TissueParameters:
        if region not in self.parameters:
            raise DomainError(
                f"No region {region!r} in this effect. {suggestion(region, self.parameters)}"
                f"It has {', '.join(self.parameters)}."
            )
        return self.parameters[region]

    def ledger_row(self, region: str, what: str = "this course", when: str = "") -> LedgerRow:
        """The course as a row of the region's ledger."""
        repr_of = repr(self._region(region).high_let)
        low, high, weighted, value, equivalent = (
            getattr(self, name).sel(region=region).values
            for name in ("low_let_dose", "high_let_dose", "rbe_weighted_dose", "bed", "eqd2")
        )
        return LedgerRow(what, region, when, low, high, weighted, value, equivalent, repr_of)

    def budget(self, region: str, limit: DoseLimit, used_Gy: ArrayLike = 0.0) -> TissueBudget:
        """What a further cycle with the kinetics of this course may cost the region, for `next_activity`."""
        own = self._region(region)
        given = sum(self.cycle_activities_MBq)
        low, high = (getattr(self, n).sel(region=region).values / given for n in ("low_let_dose", "high_let_dose"))
        return TissueBudget(
            low, high, self.g.sel(region=region).values, own.alpha_beta_Gy, own.high_let, limit, used_Gy
        )


def effect(
    dose: xr.DataArray,
    amplitude: xr.DataArray,
    rate: xr.DataArray,
    cycle_activities_MBq: Sequence[float],
    tissues: Mapping[str, TissueParameters],
    *,
    prior: Mapping[str, Ledger] | None = None,
) -> Effect:
    """Apply RBE and repair to the absorbed dose of a course.

    BED per region as in `course_bed`, with G of the region's own low-LET dose rate (`lea_catcheside`).

    Parameters
    ----------
    dose : DataArray[sample, region, radiation]
        Absorbed dose of the first cycle in Gy; radiations are alpha, recoil, electron, photon.
    amplitude : DataArray[sample, region, term]
        Low-LET dose rate of the first cycle, Gy/h: R(t) = sum a exp(-r t); its integral is the low-LET dose within 1 %.
    rate : DataArray[sample, term]
        Effective rates, 1/h.
    cycle_activities_MBq : sequence of float
        Administered activity of each cycle; the dose is that of the first.
    tissues : mapping of region to TissueParameters
        One for every region of `dose`.
    prior : mapping of region to Ledger, optional
        What regions had before; counted in their NTCP, and only there.

    Returns
    -------
    Effect

    Raises
    ------
    UnitError
        Wrong dims or units.
    DomainError
        A region without parameters, unknown radiations, dose-rate terms of another dose, values out of range.

    Examples
    --------
    >>> import xarray as xr
    >>> dose = xr.DataArray([[[2.0, 0.0, 1.0, 0.0]]], dims=("sample", "region", "radiation"), attrs={"units": "Gy"},
    ...                     coords={"region": ["kidneys"], "radiation": ["alpha", "recoil", "electron", "photon"]})
    >>> amplitude = xr.DataArray([[[0.02]]], dims=("sample", "region", "term"), attrs={"units": "Gy/h"},
    ...                          coords={"region": ["kidneys"]})
    >>> rate = xr.DataArray([[0.02]], dims=("sample", "term"), attrs={"units": "1/h"})
    >>> kidneys = TissueParameters("kidneys", alpha_beta_Gy=2.5, repair_half_time_h=2.8, rbe=5.0)
    >>> result = effect(dose, amplitude, rate, [8.0, 8.0], {"kidneys": kidneys})
    >>> [round(float(x[0, 0]), 4) for x in (result.bed, result.rbe_weighted_dose, result.g)]
    [22.0598, 22.0, 0.0748]
    """
    check_array(dose, ("sample", "region", "radiation"), "Gy", "dose")
    check_array(amplitude, ("sample", "region", "term"), "Gy/h", "dose-rate amplitude")
    check_array(rate, ("sample", "term"), "1/h", "dose-rate rate")
    regions = [str(r) for r in dose.coords["region"].values]
    activities = checked("cycle_activities_MBq", cycle_activities_MBq, at_least=0.0)
    if activities.ndim != 1 or activities[0] <= 0.0:
        raise DomainError(
            f"cycle_activities_MBq is {activities.tolist()}; the first cycle, which the dose is for, must be above 0."
        )
    _check_names(dose, amplitude, regions, tissues)
    relative = activities / activities[0]
    low = dose.sel(radiation=[r for r in LOW_LET if r in dose.radiation.values]).sum("radiation").values
    high = dose.sel(radiation=[r for r in HIGH_LET if r in dose.radiation.values]).sum("radiation").values
    a, r = amplitude.sel(region=regions).values, rate.values
    columns: dict[str, list[Floats]] = {name: [] for name in (*_GRAYS, "g")}
    risks: dict[str, Floats] = {}
    for i, region in enumerate(regions):
        own = tissues[region]
        _check_same_dose(region, low[:, i], a[:, i], r)
        g = lea_catcheside(a[:, i], r, own.repair_half_time_h)
        row = radionuclide_course(
            "", region, low[:, i], high[:, i], g, own.alpha_beta_Gy, own.high_let, relative_activities=relative
        )
        for name in _GRAYS:
            columns[name].append(getattr(row, f"{name}_Gy"))
        columns["g"].append(g)
        if own.complication is not None:
            risks[region] = _complication(own, own.complication, row, (prior or {}).get(region))
    n = max(column.size for stack in columns.values() for column in stack)
    return Effect(
        **{name: _array(name, stack, n, regions) for name, stack in columns.items()},
        cycle_activities_MBq=tuple(float(x) for x in activities),
        parameters={region: tissues[region] for region in regions},
        ntcp=risks,
        options=tuple(f"{region}: {tissues[region].high_let!r}" for region in regions),
        notes=_notes(tissues, regions, relative, risks),
    )


def _complication(own: TissueParameters, model: NTCP, row: LedgerRow, before: Ledger | None) -> Floats:
    """NTCP [sample] of the course on top of what the ledger holds."""
    total = row.counted_Gy(model.quantity)
    if before is not None:
        earlier = before.total_Gy(model.quantity)
        if 1 not in (earlier.size, total.size) and earlier.size != total.size:
            raise DomainError(f"{row.tissue}: the ledger has {earlier.size} samples, this course {total.size}.")
        total = total + earlier
    return read_only(ntcp(model, total, d50_score=own.d50_score, slope_score=own.slope_score))


def _check_names(
    dose: xr.DataArray, amplitude: xr.DataArray, regions: list[str], tissues: Mapping[str, object]
) -> None:
    """Refuse regions without parameters or dose rate, and radiations that nothing would count."""
    missing = [r for r in regions if r not in tissues]
    if missing:
        raise DomainError(f"No tissue parameters for {', '.join(missing)}; given are {', '.join(tissues) or 'none'}.")
    without = [r for r in regions if r not in [str(x) for x in amplitude.coords["region"].values]]
    if without:
        raise DomainError(f"No dose-rate terms for {', '.join(without)}.")
    unknown = [str(x) for x in dose.coords["radiation"].values if str(x) not in (*LOW_LET, *HIGH_LET)]
    if unknown:
        raise DomainError(
            f"dose holds the radiation {', '.join(unknown)}; known are {', '.join((*HIGH_LET, *LOW_LET))}."
        )


def _check_same_dose(region: str, low: Floats, a: Floats, r: Floats) -> None:
    """The dose rate must be that of the low-LET dose: a unit or a region mixed up shows here."""
    integral = np.divide(a, r, out=np.zeros(np.broadcast_shapes(a.shape, r.shape)), where=r > 0.0).sum(axis=-1)
    if not np.allclose(integral, low, rtol=_SAME_DOSE, atol=1e-12):
        raise DomainError(
            f"{region}: the low-LET dose rate integrates to {np.median(integral):.4g} Gy (median), the low-LET dose is "
            f"{np.median(low):.4g} Gy. Both must describe electrons and photons of the first cycle."
        )


def _array(name: str, stack: list[Floats], n: int, regions: list[str]) -> xr.DataArray:
    import xarray as xr

    label = {
        "bed": "biologically effective dose",
        "eqd2": "equieffective dose in 2 Gy fractions",
        "rbe_weighted_dose": "RBE-weighted dose",
        "low_let_dose": "absorbed dose from electrons and photons",
        "high_let_dose": "absorbed dose from alpha particles and recoils",
        "g": "Lea-Catcheside factor",
    }[name]
    values = np.stack([np.broadcast_to(column, (n,)) for column in stack], axis=1)
    attrs = {"units": "1" if name == "g" else "Gy", "long_name": label}
    return xr.DataArray(values, dims=("sample", "region"), coords={"region": regions}, attrs=attrs, name=name)


def _notes(
    tissues: Mapping[str, TissueParameters], regions: list[str], relative: Floats, risks: Mapping[str, Floats]
) -> tuple[str, ...]:
    """What was assumed, for the report."""
    notes = ["BED: no repopulation; each region irradiated evenly; dose proportional to activity."]
    if relative.size > 1:
        notes.append(
            "Cycles: G and dose per activity of the first cycle hold for all; repair is complete between them."
        )
    if any(np.any(np.asarray(tissues[r].r_beta) > 0.0) for r in regions):
        notes.append("R_beta above 0: G of the low-LET dose rate serves the sum of low- and high-LET dose rate.")
    if risks:
        notes.append(
            "NTCP: parameters come from low-LET radiation of the whole organ; outside that (alpha emitters, uneven "
            "dose, other endpoints) the value is an extrapolation."
        )
    return tuple(notes)
