"""From scores to outcomes: some patients of a cohort, cycle after cycle. A patient's numbers depend on nothing else."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..biology.delivery import DoseCourse
from ..biology.kidney import KidneyParameters
from ..biology.marrow import COUNTS, MarrowParameters, blood_course, ctcae_grade
from ..biology.tumour import RECIST, TumourParameters, recist
from ..catalog._cohort import population
from ..errors import DomainError
from ..kinetics.pbpk import PBPK, pbpk
from ..physics import RADIATIONS
from ..physics import nuclide as nuclide_of
from ..transport.spheres import RegionMass, self_s_values
from ._courses import KidneyState, TumourState, merged
from ._layout import DAYS_PER_YEAR, EXCRETION_H, ORGANS, axes, layout
from ._scores import Scores, value_at
from .spec import CohortSpec

__all__ = ["simulate"]

Array = npt.NDArray[np.float64]

RTOL = 1e-4  # of the kinetics: doses are then within 2e-5
_MEDIA = {"kidneys": "kidney", "liver": "liver", "spleen": "spleen"}
_HALF_LIVES = 20.0
_MOST_TUMOUR = 0.05  # of the body mass, for the kinetics
_SHORTEST_SD_D = 42.0
_GRID_G = np.geomspace(1e-3, 1e5, 8 * 24 + 1)


@dataclass(frozen=True)
class _Clock:
    """Times of the kinetics in minutes: excretion, the two that give the half-life, the end of all decay."""

    out_min: Array
    early: int
    late: int
    excretion: tuple[int, ...]
    per_min: float

    @classmethod
    def of(cls, name: str) -> _Clock:
        half = nuclide_of(name).half_life_h
        pair = (24.0, 168.0) if half > 100.0 else (0.15 * half, 1.05 * half)
        end = max(_HALF_LIVES * half, pair[1], EXCRETION_H[-1]) + 1.0
        hours = np.unique([*EXCRETION_H, *pair, end])
        at = {float(h): i for i, h in enumerate(hours)}
        return cls(hours * 60.0, at[pair[0]], at[pair[1]], tuple(at[h] for h in EXCRETION_H), np.log(2.0) / half / 60.0)


@functools.lru_cache(maxsize=8)
def _model(agent: str, parameters: str, lesions: tuple[str, ...]) -> PBPK:
    return pbpk(agent, parameters=parameters, lesions=dict.fromkeys(lesions, 50.0))


@functools.lru_cache(maxsize=8)
def _reference(agent: str, parameters: str) -> tuple[float, float]:
    """Of the reference patient with 200 mL of tumour: share of megalin, and decays in plasma per amount (min)."""
    model = pbpk(agent, parameters=parameters, lesions={"bulk": 200.0})
    clock = _Clock.of(model.nuclide)
    found = _solved(model, {}, clock, 1)
    peptide = model.parameters["peptide_nmol"].value
    share = found["int_megalin"][0, -1] / found["int_kidneys"][0, -1]
    return float(share), float(found["int_plasma"][0, -1] / peptide)


@functools.lru_cache(maxsize=32)
def _s_times_mass(nuclide: str, medium: str) -> Array:
    """S m of a sphere for one decay of the parent and all that follow in place, ln [radiation, grid], Gy g per decay."""
    from ..kinetics.pbpk import _born_per_decay

    chain = nuclide_of(nuclide).chain
    s = self_s_values({"r": RegionMass(_GRID_G, medium, "a grid")}, chain).s.values[:, 0, 0]
    total = np.einsum("mnr,n->rm", s, _born_per_decay(chain)) * _GRID_G
    return np.asarray(np.log(np.maximum(total, 1e-300)))


def _self_s(nuclide: str, medium: str, mass_g: Array) -> tuple[Array, Array]:
    """Gy per decay of the parent from low- and from high-LET radiation [sample]."""
    table, at = _s_times_mass(nuclide, medium), np.log(mass_g)
    grid = np.log(_GRID_G)
    by = {r: np.exp(np.interp(at, grid, table[i])) / mass_g for i, r in enumerate(RADIATIONS)}
    return by["electron"] + by["photon"], by["alpha"] + by["recoil"]


@functools.lru_cache(maxsize=8)
def _cross_s(nuclide: str) -> tuple[tuple[str, float], ...]:
    """Gy to red marrow per decay of the parent in other regions, photons alone, in the reference body."""
    from ..kinetics.pbpk import _born_per_decay
    from ..transport.bodies import organ_s_values

    s = organ_s_values(nuclide, regions=["kidneys", "liver", "spleen", "red_marrow", "remainder"])
    born = _born_per_decay(nuclide_of(nuclide).chain)
    photons = s.sel(target="red_marrow", radiation="photon")
    return tuple((r, float(photons.sel(source=r).values @ born)) for r in ("kidneys", "liver", "spleen", "remainder"))


def _solved(model: PBPK, given: dict[str, Any], clock: _Clock, n: int) -> Any:
    start = model.parameters["amino_acid_start_min"].value
    given = {**given, "lambda_per_min": clock.per_min, "start_min": start}
    return model.compiled.solve(clock.out_min, given, start_min=start, rtol=RTOL, samples=n)


# --- who they are ----------------------------------------------------------------------------------------------------


class _Patients:
    """Covariates of some patients, as the models want them."""

    def __init__(self, spec: CohortSpec, first: int, n: int) -> None:
        self.spec, self.n = spec, n
        self.half_life_h = nuclide_of(catalog.agent(spec.agent).nuclide).half_life_h
        self.scores = Scores(spec.seed, first, n, *spec.correlation_matrix())
        self.rho = population(spec.population).between_lesions
        draw = self.draw
        self.female = self.scores.uniform("share_female") < spec.quantity("share_female").value
        height = np.where(
            self.female,
            value_at(spec.quantity("height_female"), self.scores.normal("height_female")),
            value_at(spec.quantity("height_male"), self.scores.normal("height_male")),
        )
        self.age = draw("age")
        self.mass = draw("bmi") * (height / 100.0) ** 2
        self.surface = np.sqrt(height * self.mass / 3600.0)  # mosteller1987
        aged = spec.quantity("egfr_per_y_of_age").value ** (self.age - 60.0)
        self.egfr = draw("egfr_at_60_y") * aged
        self.gfr = self.egfr * self.surface / 1.73
        self.size = self.surface / spec.quantity("body_surface_reference").value
        self.burden = np.minimum(draw("burden"), 0.6 * _MOST_TUMOUR * 1000.0 * self.mass)
        self.activity_MBq = spec.treatment.activity_MBq(self.mass)

    def draw(self, name: str) -> Array:
        """A covariate [sample]."""
        return value_at(self.spec.quantity(name), self.scores.normal(name))

    def of_lesion(self, name: str, j: int) -> Array:
        """A covariate of lesion j [sample]."""
        return value_at(self.spec.quantity(name), self.scores.lesion(name, j, self.rho[name].value))

    def every_cycle(self, name: str, cycle: int) -> Array:
        """A covariate drawn anew for a cycle [sample]."""
        return value_at(self.spec.quantity(name), self.scores.own(f"{name} of a cycle", cycle))

    def lesion_volumes(self) -> list[Array]:
        """Target lesions, together at most 40 % of the burden; the bulk is the rest."""
        k = self.spec.lesions.targets
        made = [np.minimum(self.of_lesion("target_volume", j), 0.4 * self.burden / k) for j in range(k)]
        return [*made, self.burden - sum(made)]

    def kinetics(self, model: PBPK) -> dict[str, Array]:
        """Parameters of the whole-body model that do not change from cycle to cycle."""
        base = {name: q.value for name, q in model.parameters.items()}
        given: dict[str, Array] = {
            "body_mass_kg": self.mass,
            "bsa_m2": self.surface,
            "haematocrit": self.draw("haematocrit"),
            "output_per_plasma_per_min": base["output_per_plasma_per_min"] * self.draw("cardiac_output"),
            "peptide_nmol": self.draw("peptide"),
            "phi": np.minimum(base["phi"] * self.draw("phi"), 1.0),
            "volume_lungs_L": base["volume_lungs_L"] * self.size,
            "amino_acids": np.full(self.n, base["amino_acids"] if self.spec.treatment.amino_acids else 0.0),
        }
        for organ in ORGANS:
            given[f"volume_{organ}_L"] = base[f"volume_{organ}_L"] * self.size * self.draw(f"volume_{organ}")
        for organ in _MEDIA:
            given[f"r0_{organ}_nM"] = base[f"r0_{organ}_nM"] * self.draw(f"r0_{organ}")
            given[f"k_rel_{organ}_per_min"] = base[f"k_rel_{organ}_per_min"] * self.draw(f"k_rel_{organ}")
        share, _ = _reference(self.spec.agent, self.spec.parameters)
        self.f_megalin = self.draw("f_megalin")
        given["cl_megalin_L_per_min"] = base["cl_megalin_L_per_min"] * self.f_megalin / share
        given["r0_kidneys_nM"] = given["r0_kidneys_nM"] * (1.0 - self.f_megalin) / (1.0 - share)
        for j, name in enumerate(self.spec.lesion_names):
            given[f"r0_{name}_nM"] = base[f"r0_{name}_nM"] * self.of_lesion("r0_tumour", j)
            given[f"k_rel_{name}_per_min"] = base[f"k_rel_{name}_per_min"] * self.of_lesion("k_rel_tumour", j)
            given[f"perfusion_{name}_per_min"] = self.of_lesion("perfusion", j)
        labelled = self.activity_MBq * 1e6 / (nuclide_of(model.nuclide).decay_constant_per_h / 3600.0) / 6.02214076e14
        if (labelled > given["peptide_nmol"]).any():
            raise DomainError(
                f"treatment.activity: {float(self.activity_MBq.max()):g} MBq of {model.nuclide} are {float(labelled.max()):.3g} nmol of "
                f"labelled peptide, more than the {float(given['peptide_nmol'].min()):.3g} nmol of peptide that some patient gets."
            )
        return given

    def tumours(self, volumes: list[Array]) -> list[TumourState]:
        """The lesions before therapy; the bulk is many lesions and grows exponentially."""
        made = []
        for j, volume in enumerate(volumes):

            def score(name: str, j: int = j) -> Array:
                return (
                    self.scores.lesion("alpha", j, self.rho["alpha"].value)
                    if name == "tumour-course.alpha"
                    else self.scores.own(name)
                )

            p = TumourParameters.from_catalog(score)
            bulk = self.spec.lesion_names[j] == "bulk"
            own = TumourParameters(
                p.alpha_per_Gy, p.alpha_beta_Gy, p.repair_half_time_h, p.high_let, p.growth_percent_per_month, p.clearance_half_time_d,
                "exponential" if bulk else "gompertz", np.maximum(p.carrying_capacity_mL, 3.0 * volume),
            )  # fmt: skip
            made.append(TumourState(own, volume, self.half_life_h))
        return made

    def kidneys(self) -> KidneyState:
        """The kidneys before therapy."""
        return KidneyState(KidneyParameters.from_catalog(self.scores.own), self.egfr, self.half_life_h)


# --- one cycle -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cycle:
    """Doses of one cycle: Gy [sample] by region, low- and high-LET, and effective half-lives in h."""

    low: dict[str, Array]
    high: dict[str, Array]
    half_life_h: dict[str, Array]
    plasma: Array
    excreted: Array
    megalin_share: Array


def _cycle(spec: CohortSpec, model: PBPK, given: dict[str, Array], activity_MBq: Array, mass_kg: Array) -> _Cycle:
    """Kinetics and dose of a cycle."""
    clock = _Clock.of(model.nuclide)
    n = len(activity_MBq)
    found = _solved(model, given, clock, n)
    values = model.compiled.model.check_values(given)
    per_min = activity_MBq * 1e6 * 60.0 / given["peptide_nmol"]  # decays per nmol min
    span = (clock.out_min[clock.late] - clock.out_min[clock.early]) / 60.0
    decays = {r: found[f"int_{r}"][:, -1] * per_min for r in (*_MEDIA, "plasma", "rest", *spec.lesion_names)}
    low, high, half = {}, {}, {}
    for r in (*_MEDIA, *spec.lesion_names):
        medium = _MEDIA.get(r, "soft-tissue")
        litres = given[f"volume_{r}_L"] if r in _MEDIA else given[f"volume_{r}_mL"] / 1000.0
        s_low, s_high = _self_s(model.nuclide, medium, litres * 1000.0 * catalog.medium(medium).density.value)
        low[r], high[r] = decays[r] * s_low, decays[r] * s_high
        parts = ("v", "t", "b", "n", "m") if r == "kidneys" else ("v", "i", "b", "n")
        amount = sum(found[f"{r}_{p}"] for p in parts)
        fall = np.log(amount[:, clock.early] / amount[:, clock.late]) / span + clock.per_min * 60.0
        half[r] = np.log(2.0) / np.maximum(fall, clock.per_min * 60.0)
    share = np.asarray(values["V_marrow"] / values["V_plasma"], dtype=float)
    own = share * decays["plasma"]
    s_low, s_high = _self_s(
        model.nuclide, "red-marrow", given["volume_red_marrow_L"] * 1000.0 * catalog.medium("red-marrow").density.value
    )
    sources = {r: decays[r] for r in _MEDIA}
    sources["remainder"] = decays["rest"] + (1.0 - share) * decays["plasma"] + sum(decays[r] for r in spec.lesion_names)
    cross = sum(sources[r] * s for r, s in _cross_s(model.nuclide)) * (mass_kg / 73.0) ** (-2.0 / 3.0)
    low["red_marrow"], high["red_marrow"] = own * s_low + cross, own * s_high
    return _Cycle(
        low, high, half, found["int_plasma"][:, -1] / given["peptide_nmol"],
        found["excreted"][:, list(clock.excretion)] / given["peptide_nmol"][:, None],
        found["int_megalin"][:, -1] / found["int_kidneys"][:, -1],
    )  # fmt: skip


def _marrow(spec: CohortSpec, patients: _Patients, cycle: _Cycle) -> tuple[Array, Array]:
    """Low- and high-LET marrow dose of a cycle that the blood counts answer to, Gy [sample]."""
    if not spec.marrow_measured:
        return cycle.low["red_marrow"], cycle.high["red_marrow"]
    target = catalog.outcome_model("blood-course").targets["marrow_dose_per_cycle"]
    median = target.value / np.sqrt(1.0 + (float(target.u or 0.0) / target.value) ** 2)
    _, plasma = _reference(spec.agent, spec.parameters)
    dose = median * patients.activity_MBq / 7400.0 * cycle.plasma / plasma * patients.draw("marrow_dose_residual")
    return dose, np.zeros_like(dose)


def simulate(spec: CohortSpec, first: int, n: int) -> dict[str, npt.NDArray[Any]]:
    """Patients `first` to `first + n - 1`: every variable of `layout` as array [sample, ...].

    Parameters
    ----------
    spec : CohortSpec
    first, n : int

    Returns
    -------
    dict of str to array
    """
    patients = _Patients(spec, first, n)
    model = _model(spec.agent, spec.parameters, spec.lesion_names)
    fixed = patients.kinetics(model)
    volumes = patients.lesion_volumes()
    tumours, kidneys = patients.tumours(volumes), patients.kidneys()
    where = axes(spec)
    starts, last = spec.start_d, spec.outcome.follow_up_years * DAYS_PER_YEAR
    cycles: list[_Cycle] = []
    sizes: list[list[Array]] = []
    imaged: list[list[Array]] = [[] for _ in tumours]
    function: list[Array] = []
    marrow: list[tuple[Array, Array]] = []
    kept = np.ones(n)
    for c, begin in enumerate(starts):
        end = starts[c + 1] if c + 1 < len(starts) else last + 1.0
        now = _this_cycle(patients, fixed, tumours, kidneys, c, kept)
        kept = kept * (1.0 - patients.every_cycle("receptor_loss", c))
        sizes.append([t.volume_mL() for t in tumours])
        found = _cycle(spec, model, now, patients.activity_MBq, patients.mass)
        cycles.append(found)
        marrow.append(_marrow(spec, patients, found))
        days = [t - begin for t in where["image_d"] if begin <= t < end]
        for j, name in enumerate(spec.lesion_names):
            if name == "bulk" and c + 1 == len(starts):
                break  # nobody asks what it does after the last cycle; it is the last of the lesions
            y = tumours[j].advance(found.low[name], found.high[name], found.half_life_h[name], end - begin, days)
            imaged[j].append(tumours[j].volume_mL(y))
        days = [t - begin for t in where["function_d"] if begin <= t < end]
        y = kidneys.advance(
            found.low["kidneys"], found.high["kidneys"], found.half_life_h["kidneys"], end - begin, days
        )
        function.append(kidneys.egfr(y))
    made = _covariates(patients, fixed) | _doses(spec, cycles, marrow, sizes)
    made |= _response([merged(v) for v in imaged[:-1]], where["image_d"])
    made |= {"egfr": merged(function), "kidney_bed": kidneys.bed_Gy}
    made |= _blood(spec, patients, marrow)
    return {name: np.ascontiguousarray(made[name], dtype=v.dtype) for name, v in layout().items()}


def _this_cycle(
    patients: _Patients, fixed: dict[str, Array], tumours: list[TumourState], kidneys: KidneyState, c: int, kept: Array
) -> dict[str, Array]:
    """Parameters of the kinetics with what the cycles before have done: filtration, tumours, receptors."""
    given = dict(fixed)
    given["gfr_L_per_min"] = patients.gfr / 1000.0 * kidneys.egfr() / patients.egfr
    given["cl_megalin_L_per_min"] = fixed["cl_megalin_L_per_min"] * patients.every_cycle("kidney_change", c)
    sizes = [t.volume_mL() for t in tumours]
    fit = np.minimum(1.0, _MOST_TUMOUR * 1000.0 * patients.mass / sum(sizes))
    for name, tumour, size in zip(patients.spec.lesion_names, tumours, sizes, strict=True):
        given[f"volume_{name}_mL"] = np.maximum(size * fit, 1e-3)
        given[f"r0_{name}_nM"] = fixed[f"r0_{name}_nM"] * tumour.viable_share * kept
    return given


def _covariates(p: _Patients, fixed: dict[str, Array]) -> dict[str, Array]:
    return {
        "female": p.female.astype(float), "age": p.age, "body_mass": p.mass, "body_surface": p.surface, "egfr_baseline": p.egfr,
        "gfr": p.gfr, "peptide": fixed["peptide_nmol"], "f_megalin": p.f_megalin, "burden": p.burden,
        "activity": p.activity_MBq / 1000.0, **{f"volume_{o}": fixed[f"volume_{o}_L"] * 1000.0 for o in _MEDIA},
    }  # fmt: skip


def _doses(
    spec: CohortSpec, cycles: list[_Cycle], marrow: list[tuple[Array, Array]], sizes: list[list[Array]]
) -> dict[str, Array]:
    regions = (*ORGANS, *spec.lesion_names)
    first = cycles[0]
    nan = np.full_like(first.plasma, np.nan)
    return {
        "dose": np.stack([np.stack([c.low[r] + c.high[r] for r in regions], axis=1) for c in cycles], axis=1),
        "marrow_dose": np.stack([low + high for low, high in marrow], axis=1),
        "effective_half_life": np.stack([first.half_life_h.get(r, nan) for r in regions], axis=1),
        "excreted": first.excreted,
        "megalin_share": first.megalin_share,
        "lesion_volume": np.stack([np.stack(s, axis=1) for s in sizes], axis=1),
    }


def _response(volumes: list[Array], image_d: tuple[float, ...]) -> dict[str, Array]:
    """RECIST of the target lesions, volumes [sample, time] of each."""
    days = np.array(image_d)
    diameters = np.stack([np.cbrt(6.0 * v / np.pi) * 10.0 for v in volumes], axis=1)
    sums, codes = recist(diameters)
    worse = codes == RECIST.index("PD")
    first = np.where(worse.any(axis=1), worse.argmax(axis=1), len(days))
    progression = np.where(first < len(days), days[np.minimum(first, len(days) - 1)], np.nan)
    seen = (np.arange(len(days)) <= first[:, None]) & (days > 0.0)
    seen &= (codes != RECIST.index("SD")) | (days >= min(_SHORTEST_SD_D, days[-1]))
    best = np.where(seen, codes, len(RECIST)).min(axis=1)
    return {"sum_of_diameters": sums, "recist": codes, "best_response": best, "progression": progression}


def _blood(spec: CohortSpec, patients: _Patients, marrow: list[tuple[Array, Array]]) -> dict[str, Array]:
    """Lowest counts and worst grades of each cycle."""
    entry, n = catalog.outcome_model("blood-course"), patients.n
    low, high = (np.stack([m[i] for m in marrow], axis=1) for i in range(2))
    total = low + high
    relative = total / total[:, :1]
    course = DoseCourse.simple(
        {"red_marrow": low[:, 0]}, effective_half_life_h=patients.draw("marrow_half_life"), cycles=len(marrow),
        interval_d=spec.treatment.interval_d, high_let_dose_Gy_per_cycle={"red_marrow": high[:, 0]}, relative_activities=relative,
    )  # fmt: skip
    baseline = {c: entry.values[f"baseline_{c}"].at_score(patients.scores.own(f"baseline_{c}")) for c in COUNTS}
    starts = spec.start_d
    days = np.unique(np.concatenate([*(np.arange(b, b + 57.0, 3.0) for b in starts), [starts[-1] + 120.0]]))
    found = blood_course(course, baseline, MarrowParameters.from_catalog(patients.scores.own), times_d=days)
    nadir, when, grade = (np.zeros((n, len(starts), len(COUNTS))) for _ in range(3))
    for c, begin in enumerate(starts):
        end = starts[c + 1] if c + 1 < len(starts) else np.inf
        inside = np.flatnonzero((days >= begin) & (days <= end))
        for k, name in enumerate(COUNTS):
            values = found[name].values[:, inside]
            at = values.argmin(axis=1)
            nadir[:, c, k] = values[np.arange(n), at]
            when[:, c, k] = days[inside][at] - begin
            grade[:, c, k] = ctcae_grade(nadir[:, c, k], name, spec.outcome.ctcae, lower_limit=found.lower_limits[name])
    return {"nadir": nadir, "nadir_day": when, "grade": grade}
