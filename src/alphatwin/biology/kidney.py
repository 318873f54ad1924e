"""What a course does to the kidneys: delayed loss of nephrons, hyperfiltration of the rest, eGFR and CKD stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .. import catalog
from ..errors import DomainError
from ..units import HOURS_PER_DAY, check_array
from ._checks import Floats, checked, read_only
from .course import TissueParameters
from .delivery import DoseCourse, expect, one, per_sample, solve, time_axis
from .effectiveness import HighLET
from .protection import Scavenger, given_doses, with_scavenger

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CKD_STAGES", "KidneyCourse", "KidneyParameters", "PriorKidneyDose", "ckd_stage", "egfr_ckd_epi_2021",
           "kidney_course"]  # fmt: skip

DAYS_PER_YEAR = 365.25
CKD_STAGES = ("G1", "G2", "G3a", "G3b", "G4", "G5")
_LOWER = (90.0, 60.0, 45.0, 30.0, 15.0)
_LN2 = float(np.log(2.0))


def egfr_ckd_epi_2021(creatinine_mg_dL: ArrayLike, age_y: ArrayLike, sex: Literal["female", "male"]) -> Floats:
    """Estimated GFR in mL/min/1.73 m2 from serum creatinine, CKD-EPI 2021 (without race).

    eGFR = 142 min(S/k, 1)^a max(S/k, 1)^-1.200 0.9938^age (x 1.012 if female); k = 0.7, a = -0.241 for women, k = 0.9,
    a = -0.302 for men.

    Parameters
    ----------
    creatinine_mg_dL : array
        Serum creatinine in mg/dL (umol/L over 88.42), above 0, from an assay traceable to IDMS.
    age_y : array
        Age in years, 18 or more: the equation is for adults.
    sex : {"female", "male"}

    Raises
    ------
    DomainError
        A creatinine that is not above 0 (or above 30 mg/dL: umol/L?), a child, another sex.

    References
    ----------
    Inker et al. 2021 (inker2021).

    Examples
    --------
    >>> round(float(egfr_ckd_epi_2021(0.9, 55.0, "female")), 1)
    75.5
    """
    s = checked("creatinine_mg_dL", creatinine_mg_dL, above=0.0)
    age = checked("age_y", age_y, at_least=18.0)
    if float(s.max()) > 30.0:
        raise DomainError(f"creatinine_mg_dL holds {s.max():g}; that looks like umol/L. Divide by 88.42.")
    if sex not in ("female", "male"):
        raise DomainError(f"sex is {sex!r}; female or male is meant.")
    if {s.ndim, age.ndim} - {0, 1} or {s.size, age.size} - {1, max(s.size, age.size)}:
        raise DomainError(f"creatinine_mg_dL {s.shape} and age_y {age.shape} do not go together; one age a creatinine.")
    k, a, factor = (0.7, -0.241, 1.012) if sex == "female" else (0.9, -0.302, 1.0)
    return np.asarray(142.0 * np.minimum(s / k, 1.0) ** a * np.maximum(s / k, 1.0) ** -1.2 * 0.9938**age * factor)


def ckd_stage(egfr: ArrayLike) -> np.ndarray[Any, np.dtype[np.int64]]:
    """GFR category of KDIGO as an index into ``CKD_STAGES``: G1 from 90, G2 from 60, G3a 45, G3b 30, G4 15, G5 below.

    G1 and G2 are disease only with other signs of damage, which are not modelled.

    References
    ----------
    KDIGO 2024 (kdigo2024).

    Examples
    --------
    >>> [CKD_STAGES[i] for i in ckd_stage([90.0, 89.9, 45.0, 29.0, 14.9])]
    ['G1', 'G2', 'G3a', 'G4', 'G5']
    """
    value = checked("egfr", egfr, at_least=0.0)
    return np.asarray(sum((value < low).astype(np.int64) for low in _LOWER))


@dataclass(frozen=True, eq=False)
class KidneyParameters:
    """How kidneys answer to dose and to age; numbers or arrays [sample].

    Parameters
    ----------
    alpha_beta_Gy, repair_half_time_h : array
        Above 0, in Gy and h.
    high_let : HighLET
        RBE of alpha particles and recoils for late kidney damage.
    loss_percent_per_y : array
        Loss of function a year that the reference BED causes once its delay is over, in % of what is left (at a full
        number of nephrons); 0 or more.
    reference_bed_Gy : array
        BED that causes it, above 0.
    power : array
        The loss grows as (BED / reference)^power, above 0.
    mean_delay_d : array
        Mean time from dose to damage, through three equal steps; above 0.
    compensation : array
        h of eGFR = eGFR_0 n (1 + h (1 - n)), 0 to below 1.
    overload_per_y : array
        Rate at which hyperfiltration wears nephrons out, per year and unit of excess; 0 or more.
    ageing_mL_min_per_y : array
        Natural loss of eGFR a year at baseline, 0 or more.

    Raises
    ------
    DomainError
        A value outside its range.
    """

    alpha_beta_Gy: ArrayLike
    repair_half_time_h: ArrayLike
    high_let: HighLET
    loss_percent_per_y: ArrayLike
    reference_bed_Gy: ArrayLike
    power: ArrayLike
    mean_delay_d: ArrayLike
    compensation: ArrayLike = 0.4
    overload_per_y: ArrayLike = 0.0
    ageing_mL_min_per_y: ArrayLike = 0.9

    def __post_init__(self) -> None:
        for name in self._names():
            strict = name in ("alpha_beta_Gy", "repair_half_time_h", "reference_bed_Gy", "power", "mean_delay_d")
            value = checked(name, getattr(self, name), above=0.0 if strict else None, at_least=0.0)
            object.__setattr__(self, name, read_only(np.atleast_1d(value)))
        expect("high_let", self.high_let, HighLET, "HighLET(rbe)")
        if float(np.max(self.compensation)) >= 1.0:
            raise DomainError(
                f"compensation holds {np.max(self.compensation):g}; at 1 the loss of the first nephrons would cost "
                "nothing. It must be below 1."
            )
        if float(np.max(self.loss_percent_per_y)) >= 100.0:
            raise DomainError("loss_percent_per_y must be below 100 % a year.")

    @staticmethod
    def _names() -> tuple[str, ...]:
        return ("alpha_beta_Gy", "repair_half_time_h", "loss_percent_per_y", "reference_bed_Gy", "power", "mean_delay_d",
                "compensation", "overload_per_y", "ageing_mL_min_per_y")  # fmt: skip

    @property
    def samples(self) -> int:
        """Length of the sample axis."""
        own = (*(getattr(self, n) for n in self._names()), self.high_let.rbe, self.high_let.r_beta)
        return max(np.size(x) for x in own)

    @classmethod
    def from_catalog(
        cls, scores: Callable[[str], ArrayLike] | None = None, *, model: str = "kidney-course"
    ) -> KidneyParameters:
        """The catalogue's priors at sampled scores; alpha/beta, repair and RBE are those of the tissue ``kidneys``.

        Examples
        --------
        >>> float(KidneyParameters.from_catalog().compensation[0])
        0.4
        """
        own = TissueParameters.from_catalog(catalog.tissue_of("kidneys"), scores)
        entry = catalog.outcome_model(model)

        def value(key: str) -> Floats:
            z = np.zeros(1) if scores is None else np.asarray(scores(f"{entry.id}.{key}"), dtype=float)
            return entry.values[key].at_score(z)

        return cls(
            alpha_beta_Gy=own.alpha_beta_Gy,
            repair_half_time_h=own.repair_half_time_h,
            high_let=own.high_let,
            loss_percent_per_y=value("loss"),
            reference_bed_Gy=value("reference_bed"),
            power=value("power"),
            mean_delay_d=value("mean_delay"),
            compensation=value("compensation"),
            overload_per_y=value("overload"),
            ageing_mL_min_per_y=value("ageing"),
        )


@dataclass(frozen=True, eq=False)
class PriorKidneyDose:
    """An earlier treatment of the kidneys whose damage is still coming.

    Parameters
    ----------
    bed_Gy : float or array [sample]
        Biologically effective dose in Gy, e.g. ``ledger.total_Gy("bed")``, 0 or more.
    days_before : float or array [sample]
        Days from that treatment to day 0.
    """

    bed_Gy: ArrayLike
    days_before: ArrayLike

    def __post_init__(self) -> None:
        checked("bed_Gy of the prior treatment", self.bed_Gy, at_least=0.0)
        checked("days_before of the prior treatment", self.days_before, at_least=0.0)


@dataclass(frozen=True, eq=False)
class KidneyCourse:
    """Kidneys over time, [sample, time]; checked at birth.

    Attributes
    ----------
    egfr : DataArray[sample, time]
        mL/min/1.73 m2.
    nephrons : DataArray[sample, time]
        Fraction of the baseline number.
    bed, bed_unprotected, bed_delayed : DataArray[sample, time]
        Gy: received so far; what it would be without the scavenger; what has passed the delay. Prior dose included.
    stage : DataArray[sample, time]
        KDIGO category.
    """

    egfr: xr.DataArray
    nephrons: xr.DataArray
    bed: xr.DataArray
    bed_unprotected: xr.DataArray
    bed_delayed: xr.DataArray
    stage: xr.DataArray
    parameters: KidneyParameters
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        units = {"egfr": "mL/min/1.73 m^2", "nephrons": "1", "bed": "Gy", "bed_unprotected": "Gy", "bed_delayed": "Gy"}
        for name, unit in units.items():
            check_array(getattr(self, name), ("sample", "time"), unit, name)

    def loss_percent_per_y(self, from_d: float = 0.0, to_d: float | None = None) -> Floats:
        """Mean loss of eGFR [sample] in % a year between two days, as a monoexponential fit to their ends gives it."""
        days = self.egfr.time.values
        from_d = one("from_d", from_d)
        last = float(days[-1]) if to_d is None else one("to_d", to_d)
        if not days[0] <= from_d < last <= days[-1]:
            raise DomainError(f"{from_d:g} to {last:g} d does not lie within {days[0]:g} to {days[-1]:g} d.")
        logs = np.log(np.maximum(self.egfr.values, 1e-300))  # kidneys without any function have lost 100 %
        a, b = (np.array([np.interp(t, days, row) for row in logs]) for t in (from_d, last))
        return np.asarray(-100.0 * np.expm1((b - a) / (last - from_d) * DAYS_PER_YEAR))


def kidney_course(
    dose: DoseCourse,
    egfr: ArrayLike,
    parameters: KidneyParameters | None = None,
    *,
    region: str = "kidneys",
    times_d: ArrayLike | None = None,
    nephrons: ArrayLike = 1.0,
    scavenger: Scavenger | None = None,
    scavenger_doses: Sequence[tuple[float, float]] | None = None,
    prior: PriorKidneyDose | None = None,
    clearance_exponent: ArrayLike = 0.0,
) -> KidneyCourse:
    r"""eGFR and CKD stage after a course.

    .. math:: \dot B_0 = (1 - E) \dot D_L + (1 - f E)\, \mathrm{RBE}_M \dot D_H + \frac{2 \dot D_q x}{\alpha/\beta},
              \quad \dot B_i = \frac{3}{\tau} (B_{i-1} - B_i), \; i = 1, 2, 3

    .. math:: \frac{\dot n}{n} = -k_{age} - k_{ref} \left(\frac{B_3}{B_{ref}}\right)^{p} - k_{hf}\, h\, (1 - n)_+,
              \quad \mathrm{eGFR} \propto n\, (1 + h (1 - n))

    B0 ends at the BED of the course (`course_bed` where repair is complete between cycles); E is the effect of a
    scavenger on indirect damage and f its share for high-LET. Rates of functional loss are turned into rates of
    nephron loss with the slope of eGFR at n = 1, 1 - h, so that what is observed is what a parameter says.

    Parameters
    ----------
    dose : DoseCourse
        With the region `region`.
    egfr : array [sample] or number
        At baseline, mL/min/1.73 m2, above 0.
    parameters : KidneyParameters, optional
        The catalogue's point estimates when left out.
    times_d : array (time,), optional
        Monthly to 5 years when left out.
    nephrons : array [sample] or number
        Fraction of a full number that is there at baseline, above 0 and at most 1; below 1 the compensation is used up
        in part already.
    scavenger, scavenger_doses : Scavenger, sequence of (day, amount)
        Day of each dose of the protector, in reference doses; one at the start of every cycle when left out.
    prior : PriorKidneyDose, optional
        BED that was given before and goes on acting.
    clearance_exponent : array [sample] or number
        kappa, 0 or more: kidneys that filter less hold the agent longer, so that the kidney dose of a cycle is that of
        the first times (eGFR at its start / eGFR at baseline)^-kappa. 0: every cycle has the dose of the course.

    Returns
    -------
    KidneyCourse

    Raises
    ------
    CatalogError
        No dose for the region.
    DomainError
        A value out of range, scavenger doses without a scavenger, sample axes that differ.

    Examples
    --------
    >>> course = DoseCourse.simple({"kidneys": 4.5}, effective_half_life_h=51.0, cycles=4)
    >>> result = kidney_course(course, 90.0)
    >>> round(float(result.bed.values[0, -1]), 1)
    19.6
    """
    own = parameters if parameters is not None else KidneyParameters.from_catalog()
    for name, given, kind in (("dose", dose, DoseCourse), ("parameters", own, KidneyParameters),
                              ("prior", prior, PriorKidneyDose), ("scavenger", scavenger, Scavenger)):  # fmt: skip
        if given is not None or kind is DoseCourse:
            expect(name, given, kind, f"a {kind.__name__}")
    drug = given_doses(scavenger, scavenger_doses, dose)
    n = max(
        dose.samples,
        own.samples,
        np.size(egfr),
        np.size(nephrons),
        np.size(clearance_exponent),
        scavenger.samples if scavenger else 1,
        *((np.size(prior.bed_Gy), np.size(prior.days_before)) if prior is not None else ()),
    )
    times = time_axis(times_d, np.arange(0.0, 5 * DAYS_PER_YEAR + 1.0, DAYS_PER_YEAR / 12.0))
    baseline = per_sample("egfr", egfr, n, above=0.0)
    there = per_sample("nephrons", nephrons, n, above=0.0)
    if float(there.max()) > 1.0:
        raise DomainError(f"nephrons holds {there.max():g}; a fraction is at most 1.")
    p, y0 = _kernel_input(own, baseline, there, n, prior)
    p = with_scavenger(p, scavenger)
    kappa = per_sample("clearance_exponent", clearance_exponent, n, at_least=0.0)
    h = p[:, 9:10]

    def function(left: Floats) -> Floats:
        """eGFR over that of baseline, from the fraction of nephrons [sample, time]."""
        return np.asarray(left * (1.0 + h * (1.0 - left)) / (there * (1.0 + h[:, 0] * (1.0 - there)))[:, None])

    if kappa.any() and len(dose.start_d) > 1:
        dose = _fed_back(
            dose,
            kappa,
            lambda course, days: function(np.exp(solve(1, p, y0, course, region, days, (4,), drug)[..., 0])),
        )
    y = solve(1, p, y0, dose, region, times, (0, 3, 4, 5), drug)
    left = np.exp(y[..., 2])
    return _result(
        times, baseline[:, None] * function(left), left / there[:, None], y, own, _notes(dose, own, scavenger, prior)
    )


def _fed_back(dose: DoseCourse, kappa: Floats, function: Callable[[DoseCourse, Floats], Floats]) -> DoseCourse:
    """The course whose cycles are scaled with the function at their start; what a cycle does comes after it starts.

    A pass makes one more cycle exact, so that as many passes as cycles settle it; it stops once nothing moves.
    """
    starts = np.array(dose.start_d)
    days = starts if starts[0] == 0.0 else np.concatenate([[0.0], starts])
    given = np.broadcast_to(dose.relative_activities, (kappa.size, starts.size))
    course, factor = dose, np.ones(given.shape)
    for _ in range(starts.size):
        found = function(course, days)[:, -starts.size :] ** -kappa[:, None]
        moved = float(np.max(np.abs(found - factor)))
        factor = found
        course = replace(dose, relative_activities=given * factor)
        if moved < 1e-9:
            break
    return replace(
        course, notes=(*dose.notes, "The kidney dose of a cycle rises as the filtration at its start falls.")
    )


def _kernel_input(
    own: KidneyParameters, egfr: Floats, there: Floats, n: int, prior: PriorKidneyDose | None
) -> tuple[Floats, Floats]:
    """Parameters and start values of the kernel, per day."""
    value = {name: per_sample(name, getattr(own, name), n) for name in KidneyParameters._names()}
    h = value["compensation"]
    slope = 1.0 - h  # d ln eGFR / d ln n at n = 1
    p = np.zeros((n, 14))
    p[:, 0] = _LN2 / value["repair_half_time_h"] * HOURS_PER_DAY
    p[:, 1] = per_sample("r_beta", own.high_let.r_beta, n)
    p[:, 2] = 1.0 / value["alpha_beta_Gy"]
    p[:, 3] = per_sample("rbe", own.high_let.rbe_m(value["alpha_beta_Gy"]), n)
    p[:, 4] = 3.0 / value["mean_delay_d"]
    # Ageing: the eGFR of baseline falls by the stated mL/min a year.
    at_baseline = 1.0 - h * there / (1.0 + h * (1.0 - there))
    p[:, 5] = value["ageing_mL_min_per_y"] / (egfr * at_baseline) / DAYS_PER_YEAR
    p[:, 6] = -np.log1p(-value["loss_percent_per_y"] / 100.0) / slope / DAYS_PER_YEAR
    p[:, 7], p[:, 8], p[:, 9] = value["reference_bed_Gy"], value["power"], h
    p[:, 10] = value["overload_per_y"] / DAYS_PER_YEAR
    p[:, 12] = 1.0
    y0 = np.zeros((n, 6))
    y0[:, 4] = np.log(there)
    if prior is not None:
        given = per_sample("bed_Gy of the prior treatment", prior.bed_Gy, n)
        x = p[:, 4] * per_sample("days_before of the prior treatment", prior.days_before, n)
        late, term = np.zeros(n), np.ones(n)
        y0[:, 0] = y0[:, 5] = given
        for i in range(3):
            late = late + term
            term = term * x / (i + 1)
            y0[:, 1 + i] = given * (1.0 - np.exp(-x) * late)
    return p, y0


def _result(
    times: Floats, egfr: Floats, nephrons: Floats, y: Floats, own: KidneyParameters, notes: tuple[str, ...]
) -> KidneyCourse:
    import xarray as xr

    def array(values: Any, unit: str, label: str) -> xr.DataArray:
        coords: dict[str, Any] = {"time": ("time", times, {"units": "d", "long_name": "time from the first cycle"})}
        return xr.DataArray(values, dims=("sample", "time"), coords=coords, attrs={"units": unit, "long_name": label})

    return KidneyCourse(
        egfr=array(egfr, "mL/min/1.73 m^2", "estimated GFR"),
        nephrons=array(nephrons, "1", "nephrons, fraction of baseline"),
        bed=array(y[..., 0], "Gy", "biologically effective dose received"),
        bed_unprotected=array(y[..., 3], "Gy", "biologically effective dose without protection"),
        bed_delayed=array(y[..., 1], "Gy", "biologically effective dose after its delay"),
        stage=array(np.array(CKD_STAGES)[ckd_stage(egfr)], "1", "GFR category, KDIGO"),
        parameters=own,
        notes=notes,
    )


def _notes(
    dose: DoseCourse, own: KidneyParameters, scavenger: Scavenger | None, prior: PriorKidneyDose | None
) -> tuple[str, ...]:
    notes = ["Kidneys: even dose; the loss after a delay goes on for life; acute tubular dysfunction is not modelled.",
             repr(own.high_let), *dose.notes]  # fmt: skip
    if scavenger is not None:
        notes += [
            f"{scavenger.name}: a hypothesis; it spares the linear part of indirect damage only.",
            *scavenger.notes,
        ]
    if prior is not None:
        notes.append(
            "The earlier kidney dose is acute at its date and goes on acting; eGFR at baseline holds its past."
        )
    return tuple(notes)
