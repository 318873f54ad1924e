"""What a course does to the blood: platelets, neutrophils, haemoglobin, lymphocytes over cycles, and their CTCAE grade."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .. import catalog
from ..errors import DomainError, missing
from ..units import check_array
from ._checks import Floats, checked, read_only
from .course import TissueParameters
from .delivery import DoseCourse, expect, one, per_sample, solve, time_axis
from .effectiveness import HighLET

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BloodCourse", "Lineage", "MarrowParameters", "PriorMarrowDose", "blood_course", "ctcae_grade"]

_LN2 = float(np.log(2.0))
COUNTS = ("platelets", "neutrophils", "haemoglobin", "lymphocytes")
UNITS = {"platelets": "1e9/L", "neutrophils": "1e9/L", "haemoglobin": "g/dL", "lymphocytes": "1e9/L"}
_LINEAGES = COUNTS[:3]
_FEWEST = 1e-6  # of a full stem pool

# Upper bounds of grades 1 to 4 (a count is in a grade when it lies below its bound); "LLN": lower limit of normal;
# None: no bound on the count. CTCAE grades by count only: transfusion, symptoms and death are not seen.
_Bound = float | Literal["LLN"] | None
_BOUNDS: dict[str, dict[str, tuple[_Bound, _Bound, _Bound, _Bound]]] = {
    "5": {
        "platelets": ("LLN", 75.0, 50.0, 25.0),
        "neutrophils": ("LLN", 1.5, 1.0, 0.5),
        "haemoglobin": ("LLN", 10.0, 8.0, None),
        "lymphocytes": ("LLN", 0.8, 0.5, 0.2),
    },
    "6": {
        "platelets": ("LLN", 75.0, 50.0, 10.0),
        "neutrophils": (1.5, 1.0, 0.5, 0.1),
        "haemoglobin": ("LLN", 10.0, 8.0, None),
    },
}


def ctcae_grade(
    count: ArrayLike, quantity: str, version: Literal["5", "6"], *, lower_limit: ArrayLike
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Grade of a low blood count, 0 to 4, by the bounds of one version of CTCAE.

    Versions differ: of neutrophils, 0.7e9/L is grade 3 in version 5 and grade 2 in version 6; platelets of 20e9/L are
    grade 4 in version 5 and grade 3 in version 6; version 6 has no term for few lymphocytes. Anaemia has no count for
    grade 4.

    Parameters
    ----------
    count : array
        Platelets, neutrophils and lymphocytes in 1e9/L, haemoglobin in g/dL; 0 or more.
    quantity : {"platelets", "neutrophils", "haemoglobin", "lymphocytes"}
    version : {"5", "6"}
        Of CTCAE; always stated, there is no default.
    lower_limit : array
        Lower limit of normal of the laboratory, in the same unit.

    Raises
    ------
    CatalogError
        An unknown quantity, or one that the version does not grade.
    DomainError
        Another version, a negative count.

    References
    ----------
    CTCAE 5.0 and 6.0 (ctcae5, ctcae6).

    Examples
    --------
    >>> int(ctcae_grade(0.7, "neutrophils", "5", lower_limit=2.0)), int(ctcae_grade(0.7, "neutrophils", "6", lower_limit=2.0))
    (3, 2)
    """
    if not any(version == known for known in _BOUNDS):
        raise DomainError(f"CTCAE version {version!r} is not known; state '5' or '6'.")
    if quantity not in _BOUNDS[version]:
        if quantity in COUNTS:
            raise DomainError(f"CTCAE {version} has no grades for low {quantity}; state version '5' for them.")
        raise missing("blood count", quantity, COUNTS)
    value = checked(quantity, count, at_least=0.0)
    limit = checked("lower_limit", lower_limit, above=0.0)
    try:
        grade = np.zeros(np.broadcast_shapes(value.shape, limit.shape), dtype=np.int64)
    except ValueError as error:
        raise DomainError(f"{quantity} {value.shape} and lower_limit {limit.shape} do not go together.") from error
    for number, bound in enumerate(_BOUNDS[version][quantity], start=1):
        if bound is not None:
            grade = np.where(value < (limit if bound == "LLN" else bound), number, grade)
    return grade


@dataclass(frozen=True, eq=False)
class Lineage:
    """One line of blood cells; numbers or arrays [sample].

    Parameters
    ----------
    mean_transit_time_d : array
        MTT from the proliferating pool to the blood, d: 4 / k_tr. Above 0.
    feedback : array
        gamma, 0 or more: with 0 nothing recovers.
    alpha_per_Gy : array
        Killing of proliferating cells per Gy of low-LET dose, 0 or more.
    residence_d : array, optional
        Mean time in the blood, d; 1 / k_tr when left out (Friberg's model).
    senses : {"blood", "marrow"}
        What the feedback answers to. Friberg's model senses the count in blood. A line that lives long in the blood
        needs the other: its pool would wait for a count that hardly moves, and then overshoot.

    Raises
    ------
    DomainError
        A value outside its range.
    """

    mean_transit_time_d: ArrayLike
    feedback: ArrayLike
    alpha_per_Gy: ArrayLike
    residence_d: ArrayLike | None = None
    senses: Literal["blood", "marrow"] = "blood"

    def __post_init__(self) -> None:
        if self.senses not in ("blood", "marrow"):
            raise DomainError(f"senses is {self.senses!r}; blood or marrow is meant.")
        for name in ("mean_transit_time_d", "feedback", "alpha_per_Gy", "residence_d"):
            if getattr(self, name) is not None:
                strict = name in ("mean_transit_time_d", "residence_d")
                value = checked(name, getattr(self, name), above=0.0 if strict else None, at_least=0.0)
                object.__setattr__(self, name, read_only(np.atleast_1d(value)))

    @property
    def samples(self) -> int:
        """Length of the sample axis."""
        return max(
            np.size(x)
            for x in (self.mean_transit_time_d, self.feedback, self.alpha_per_Gy, self.residence_d)
            if x is not None
        )


@dataclass(frozen=True, eq=False)
class MarrowParameters:
    """How marrow and blood answer to dose; numbers or arrays [sample].

    Parameters
    ----------
    platelets, neutrophils, haemoglobin : Lineage
    high_let : HighLET
        RBE of alpha particles and recoils for marrow, as RBE_M: killing is linear.
    alpha_beta_Gy : array
        Of marrow; only to turn an RBE against 2 Gy fractions into RBE_M.
    stem_alpha_per_Gy, stem_half_time_d : array
        Killing in the slow stem pool and the half-time of its repair, d. 0 per Gy: no stem pool.
    lymphocyte_d0_Gy, lymphocyte_half_time_d : array
        Dose that leaves 37 % of the lymphocytes, Gy, and the half-time of their return, d.
    lymphoid_dose_factor : array
        Dose to circulating and lymphoid lymphocytes over dose to marrow, 0 or more.

    Raises
    ------
    DomainError
        A value outside its range.
    """

    platelets: Lineage
    neutrophils: Lineage
    haemoglobin: Lineage
    high_let: HighLET
    alpha_beta_Gy: ArrayLike = 15.0
    stem_alpha_per_Gy: ArrayLike = 0.0
    stem_half_time_d: ArrayLike = 180.0
    lymphocyte_d0_Gy: ArrayLike = 1.75
    lymphocyte_half_time_d: ArrayLike = 120.0
    lymphoid_dose_factor: ArrayLike = 1.0

    def __post_init__(self) -> None:
        for name in _LINEAGES:
            expect(name, getattr(self, name), Lineage, "a Lineage")
        expect("high_let", self.high_let, HighLET, "HighLET(rbe)")
        for name in self._names():
            strict = name not in ("stem_alpha_per_Gy", "lymphoid_dose_factor")
            value = checked(name, getattr(self, name), above=0.0 if strict else None, at_least=0.0)
            object.__setattr__(self, name, read_only(np.atleast_1d(value)))

    @staticmethod
    def _names() -> tuple[str, ...]:
        return ("alpha_beta_Gy", "stem_alpha_per_Gy", "stem_half_time_d", "lymphocyte_d0_Gy", "lymphocyte_half_time_d",
                "lymphoid_dose_factor")  # fmt: skip

    @property
    def samples(self) -> int:
        """Length of the sample axis."""
        lines = (self.platelets.samples, self.neutrophils.samples, self.haemoglobin.samples)
        return max(*lines, *(np.size(getattr(self, n)) for n in self._names()), np.size(self.high_let.rbe))

    @classmethod
    def from_catalog(
        cls, scores: Callable[[str], ArrayLike] | None = None, *, model: str = "blood-course"
    ) -> MarrowParameters:
        """The catalogue's priors at sampled scores; RBE is that of the tissue ``red_marrow``.

        Examples
        --------
        >>> round(float(MarrowParameters.from_catalog().platelets.feedback[0]), 3)
        0.1
        """
        own = TissueParameters.from_catalog(catalog.tissue_of("red_marrow"), scores)
        entry = catalog.outcome_model(model)

        def value(key: str) -> Floats:
            z = np.zeros(1) if scores is None else np.asarray(scores(f"{entry.id}.{key}"), dtype=float)
            return entry.values[key].at_score(z)

        alpha, gamma, time = value("alpha"), value("feedback"), value("mean_transit_time")
        return cls(
            platelets=Lineage(time, gamma, alpha),
            neutrophils=Lineage(time, gamma, alpha),
            haemoglobin=Lineage(
                value("red_cell_transit_time"), value("red_cell_feedback"), alpha, value("red_cell_residence"), "marrow"
            ),
            high_let=own.high_let,
            alpha_beta_Gy=own.alpha_beta_Gy,
            stem_alpha_per_Gy=value("stem_alpha"),
            stem_half_time_d=value("stem_half_time"),
            lymphocyte_d0_Gy=value("lymphocyte_d0"),
            lymphocyte_half_time_d=value("lymphocyte_half_time"),
            lymphoid_dose_factor=value("lymphoid_dose_factor"),
        )


@dataclass(frozen=True, eq=False)
class PriorMarrowDose:
    """An earlier treatment that took part of the stem pool and of the lymphocytes.

    Parameters
    ----------
    low_let_dose_Gy, high_let_dose_Gy : float or array [sample]
        Marrow dose of that treatment in Gy, 0 or more.
    days_before : float or array [sample]
        Days from it to day 0.
    """

    low_let_dose_Gy: ArrayLike
    days_before: ArrayLike
    high_let_dose_Gy: ArrayLike = 0.0

    def __post_init__(self) -> None:
        for name in ("low_let_dose_Gy", "high_let_dose_Gy", "days_before"):
            checked(f"{name} of the prior treatment", getattr(self, name), at_least=0.0)


@dataclass(frozen=True, eq=False)
class BloodCourse:
    """Blood counts over time; checked at birth.

    Attributes
    ----------
    counts : mapping of name to DataArray[sample, time]
        ``platelets``, ``neutrophils``, ``lymphocytes`` in 1e9/L, ``haemoglobin`` in g/dL.
    stem_pool : DataArray[sample, time]
        Fraction of a full pool.
    lower_limits : mapping of name to float
        Lower limits of normal, in the unit of the count, for grade 1.
    cycle_start_d : tuple of float
        When cycles began.
    """

    counts: Mapping[str, xr.DataArray]
    stem_pool: xr.DataArray
    lower_limits: Mapping[str, float]
    cycle_start_d: tuple[float, ...]
    parameters: MarrowParameters
    notes: tuple[str, ...] = ()
    _baseline: Mapping[str, Floats] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name in COUNTS:
            check_array(self.counts[name], ("sample", "time"), UNITS[name], name)
        check_array(self.stem_pool, ("sample", "time"), "1", "stem_pool")
        for name in ("counts", "lower_limits", "_baseline"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __getitem__(self, name: str) -> xr.DataArray:
        """The counts of one line, ``course["platelets"]``."""
        if name not in self.counts:
            raise missing("blood count", name, COUNTS)
        return self.counts[name]

    def grade(self, name: str, version: Literal["5", "6"]) -> xr.DataArray:
        """CTCAE grade [sample, time] of one count; the version stands in the attributes."""
        found = self[name].copy(data=ctcae_grade(self[name].values, name, version, lower_limit=self.lower_limits[name]))
        return found.assign_attrs({"units": "1", "long_name": f"CTCAE {version} grade of low {name}", "ctcae": version})

    def worst_grade(self, name: str, version: Literal["5", "6"]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Worst CTCAE grade [sample] of one count from the first day to the last, the baseline included."""
        worst: np.ndarray[Any, np.dtype[np.int64]] = self.grade(name, version).values.max(axis=1)
        return worst

    def nadir(self, name: str, cycle: int | None = None) -> dict[str, Floats]:
        """Lowest count of the course, or between the start of one cycle (1, 2, ...) and the next.

        Returns
        -------
        dict
            Arrays [sample]: ``count`` in the unit of the count, ``day`` after day 0 (of the cycle, where one is named),
            ``fraction`` of the baseline of the course.

        Raises
        ------
        CatalogError, DomainError
            An unknown count; a cycle that the course does not have or no output time within it.
        """
        days, values = self[name].time.values, self[name].values
        begin, end = 0.0, np.inf
        if cycle is not None:
            one("cycle", cycle)
            if not 1 <= cycle <= len(self.cycle_start_d) or int(cycle) != cycle:
                raise DomainError(f"cycle is {cycle}; the course has cycles 1 to {len(self.cycle_start_d)}.")
            cycle = int(cycle)
            begin = self.cycle_start_d[cycle - 1]
            end = self.cycle_start_d[cycle] if cycle < len(self.cycle_start_d) else np.inf
        inside = (days >= begin) & (days <= end)
        if not inside.any():
            raise DomainError(f"No output time lies within cycle {cycle}; give more times_d.")
        window = values[:, inside]
        at = window.argmin(axis=1)
        lowest = window[np.arange(len(window)), at]
        return {"count": lowest, "day": days[inside][at] - begin, "fraction": lowest / self._baseline[name]}


def blood_course(
    dose: DoseCourse,
    baseline: Mapping[str, ArrayLike] | None = None,
    parameters: MarrowParameters | None = None,
    *,
    region: str = "red_marrow",
    times_d: ArrayLike | None = None,
    prior: PriorMarrowDose | None = None,
    lower_limits: Mapping[str, float] | None = None,
) -> BloodCourse:
    r"""Blood counts over the cycles of a course.

    .. math:: \dot P = k_{tr} P \left[\left(\frac{S}{X}\right)^{\gamma} - 1\right] - \alpha \dot D P, \quad
              \dot T_i = k_{tr} (T_{i-1} - T_i), \quad \dot C = k_c (T_3 - C)

    .. math:: \dot S = \frac{\ln 2}{T_S} (1 - S) - \alpha_S \dot D S, \quad
              \dot L = \frac{\ln 2}{T_L} (1 - L) - \frac{\psi \dot D}{D_0} L

    every pool over its steady state, D = D_L + RBE_M D_H, with the count X = C that the feedback senses (X = P for red
    cells, which live long). The stem pool S sets the level to which a line returns, so
    that counts fall from cycle to cycle and come back slowly; with S = 1 and k_c = k_tr the first line is Friberg's
    model. Lymphocytes L die directly.

    Parameters
    ----------
    dose : DoseCourse
        With the region `region`.
    baseline : mapping of count to array [sample] or number, optional
        What was measured at day 0, of ``platelets``, ``neutrophils``, ``lymphocytes`` (1e9/L), ``haemoglobin`` (g/dL);
        the catalogue's reference values where left out.
    parameters : MarrowParameters, optional
        The catalogue's point estimates when left out.
    times_d : array (time,), optional
        Daily to 120 d after the last cycle when left out.
    prior : PriorMarrowDose, optional
        The stem pool begins below full, every line at the level that goes with it, lymphocytes below theirs. A measured
        `baseline` holds that past already and stays as it is; a reference value is lowered by it.
    lower_limits : mapping of count to float, optional
        Lower limits of normal of the laboratory; those of the catalogue when left out.

    Returns
    -------
    BloodCourse

    Raises
    ------
    CatalogError
        No dose for the region; an unknown count.
    DomainError
        A value out of range, sample axes that differ.

    References
    ----------
    Friberg et al. 2002 (friberg2002).

    Examples
    --------
    >>> course = DoseCourse.simple({"red_marrow": 0.42}, effective_half_life_h=60.0, cycles=4)
    >>> blood = blood_course(course)
    >>> low = blood.nadir("platelets", cycle=1)
    >>> 30 < float(low["day"][0]) < 40 and 0.6 < float(low["fraction"][0]) < 0.8
    True
    """
    own = parameters if parameters is not None else MarrowParameters.from_catalog()
    expect("dose", dose, DoseCourse, "a DoseCourse")
    expect("parameters", own, MarrowParameters, "MarrowParameters")
    if prior is not None:
        expect("prior", prior, PriorMarrowDose, "a PriorMarrowDose")
    expect("baseline", baseline or {}, Mapping, "a mapping of count to its value")
    expect("lower_limits", lower_limits or {}, Mapping, "a mapping of count to its limit")
    entry = catalog.outcome_model("blood-course")
    start = {
        name: baseline[name] if baseline and name in baseline else entry.values[f"baseline_{name}"].value
        for name in COUNTS
    }
    limits = {name: entry.values[f"lower_limit_{name}"].value for name in COUNTS}
    for given in (baseline or {}, lower_limits or {}):
        for name in given:
            if name not in COUNTS:
                raise missing("blood count", name, COUNTS)
    limits.update({k: one(f"lower limit of {k}", v, above=0.0) for k, v in (lower_limits or {}).items()})
    n = max(
        dose.samples,
        own.samples,
        *(np.size(v) for v in start.values()),
        *(
            (np.size(prior.low_let_dose_Gy), np.size(prior.high_let_dose_Gy), np.size(prior.days_before))
            if prior
            else ()
        ),
    )
    begin = {name: per_sample(f"baseline of {name}", start[name], n, above=0.0) for name in COUNTS}
    times = time_axis(times_d, np.arange(0.0, dose.start_d[-1] + 121.0))
    p, y0 = _kernel_input(own, n, prior)
    y = solve(2, p, y0, dose, region, times, (4, 9, 14, 15, 16))
    relative = {name: y[..., i] for i, name in enumerate(_LINEAGES)} | {"lymphocytes": y[..., 4]}
    initial = {name: y0[:, 5 * i + 4] for i, name in enumerate(_LINEAGES)} | {"lymphocytes": y0[:, 16]}
    full = {name: begin[name] / initial[name] if name in (baseline or {}) else begin[name] for name in COUNTS}
    coords: dict[str, Any] = {"time": ("time", times, {"units": "d", "long_name": "time from the first cycle"})}

    def array(values: Any, unit: str, label: str) -> xr.DataArray:
        import xarray as xr

        return xr.DataArray(values, dims=("sample", "time"), coords=coords, attrs={"units": unit, "long_name": label})

    return BloodCourse(
        counts={name: array(full[name][:, None] * relative[name], UNITS[name], name) for name in COUNTS},
        stem_pool=array(y[..., 3], "1", "stem pool, fraction of a full one"),
        lower_limits=limits,
        cycle_start_d=dose.start_d,
        parameters=own,
        notes=_notes(dose, own, prior),
        _baseline={name: full[name] * initial[name] for name in COUNTS},
    )


def _kernel_input(own: MarrowParameters, n: int, prior: PriorMarrowDose | None) -> tuple[Floats, Floats]:
    """Parameters and start values of the kernel, per day."""
    p = np.zeros((n, 22))
    p[:, 0] = 1.0  # repair does not enter: killing is linear
    rbe = per_sample("rbe", own.high_let.rbe_m(own.alpha_beta_Gy), n)
    p[:, 2] = rbe
    for i, name in enumerate(_LINEAGES):
        line: Lineage = getattr(own, name)
        ktr = 4.0 / per_sample(f"mean transit time of {name}", line.mean_transit_time_d, n)
        leaves = ktr if line.residence_d is None else 1.0 / per_sample(f"residence of {name}", line.residence_d, n)
        p[:, 3 + 5 * i], p[:, 6 + 5 * i], p[:, 7 + 5 * i] = ktr, leaves, float(line.senses == "marrow")
        p[:, 4 + 5 * i] = per_sample(f"feedback of {name}", line.feedback, n)
        p[:, 5 + 5 * i] = per_sample(f"alpha of {name}", line.alpha_per_Gy, n)
    value = {name: per_sample(name, getattr(own, name), n) for name in MarrowParameters._names()}
    p[:, 18], p[:, 19] = value["stem_alpha_per_Gy"], _LN2 / value["stem_half_time_d"]
    p[:, 20] = value["lymphoid_dose_factor"] / value["lymphocyte_d0_Gy"]
    p[:, 21] = _LN2 / value["lymphocyte_half_time_d"]
    y0 = np.ones((n, 17))
    if prior is not None:
        low, high, days = (
            per_sample(f"{name} of the prior treatment", getattr(prior, name), n)
            for name in ("low_let_dose_Gy", "high_let_dose_Gy", "days_before")
        )
        left = 1.0 + np.expm1(-p[:, 18] * (low + rbe * high)) * np.exp(-p[:, 19] * days)
        if float(left.min()) < _FEWEST:
            raise DomainError(
                f"The prior treatment leaves {left.min():.2g} of the stem cells: no marrow that makes blood. Check its dose."
            )
        y0[:, :16] = left[:, None]
        y0[:, 16] = 1.0 + np.expm1(-p[:, 20] * (low + rbe * high)) * np.exp(-p[:, 21] * days)
    return p, y0


def _notes(dose: DoseCourse, own: MarrowParameters, prior: PriorMarrowDose | None) -> tuple[str, ...]:
    notes = [
        "Blood: killing is linear in dose; marrow reserve, bleeding, growth factors and transfusion are not modelled; "
        "doses alone predict toxicity weakly.",
        repr(own.high_let),
        *dose.notes,
    ]
    if prior is not None:
        notes.append(
            "The earlier marrow dose is acute at its date; it has lowered the stem pool, and the lines are in balance with it."
        )
    return tuple(notes)
