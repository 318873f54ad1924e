"""Mice and rats: uptake to dose, growth of the tumour, survival with humane endpoints, the size of a study, man.

``animal_study(case)`` runs a case of animals; see docs/animals.md for the equations and what they rest on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..catalog._animals import animal
from ..errors import missing
from ._animals_dose import TUMOUR, Biodistribution, OrganDose, at_place, biodistribution, organ_doses
from ._animals_group import CAUSES, Group, basis_of, simulate_group
from ._animals_survival import LogRank, SampleSize, compare_groups, sample_size, schoenfeld_events
from ._animals_translation import RULES, HumanDose, Rule, human_doses

if TYPE_CHECKING:
    from ..case.animals import AnimalsCase, Arm, Published

__all__ = [
    "CAUSES",
    "RULES",
    "AnimalStudy",
    "ArmResult",
    "Beside",
    "HumanDose",
    "KnownStudy",
    "LogRank",
    "OrganDose",
    "Pair",
    "Rule",
    "SampleSize",
    "SizeRow",
    "animal_study",
    "compare_groups",
    "sample_size",
    "schoenfeld_events",
]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ArmResult:
    """One arm: its virtual animals and what they came to.

    Attributes
    ----------
    name : str
    group : Group
        The pool: the same virtual animals in every arm, so that arms differ by what they are given.
    members : slice
        The study's own group of the pool; groups share no animal.
    times_d : array [time]
    doses : tuple of OrganDose
        Of the mean animal, per MBq injected in this arm.
    notes : tuple of str
    """

    name: str
    group: Group
    members: slice
    times_d: Array
    doses: tuple[OrganDose, ...]
    notes: tuple[str, ...] = ()

    @property
    def survivors(self) -> float:
        """Share of the pool that reaches no endpoint."""
        return float(1.0 - self.group.event.mean())

    @property
    def cured(self) -> float:
        """Share of the pool without a clonogen left."""
        return float(self.group.cured.mean())

    @property
    def median_d(self) -> float:
        """Median survival of the pool, d; infinite where half survive."""
        from ..evidence.survival_curves import kaplan_meier

        if not self.group.event.any():
            return math.inf
        return kaplan_meier(self.group.end_d, self.group.event).median

    @property
    def mean_of_dead_d(self) -> float:
        """Mean survival of those that reached an endpoint, d; NaN without any."""
        return float(self.group.end_d[self.group.event].mean()) if self.group.event.any() else math.nan

    def causes(self) -> dict[str, float]:
        """Share of the pool by what ended its part."""
        return {name: float((self.group.cause == i).mean()) for i, name in enumerate(CAUSES)}

    def volume_band(self) -> Array:
        """5, 50 and 95 % of the volume in mm^3 [3, time], every virtual animal followed to the end."""
        return np.asarray(np.quantile(self.group.volume_mm3, (0.05, 0.5, 0.95), axis=0))

    def function_at(self, day: float) -> Array | None:
        """Kidney function over that at the start on a day [animal]."""
        if self.group.function is None:
            return None
        return np.array([np.interp(day, self.times_d, row) for row in self.group.function])


@dataclass(frozen=True)
class Pair:
    """Two arms compared: the study's groups, the pools behind them, and the animals that a study needs.

    `growth_delay_d` is the difference of the median days to four times the volume at the start.
    """

    first: str
    second: str
    group: LogRank
    pool: LogRank
    needed: SampleSize
    growth_delay_d: float


@dataclass(frozen=True)
class SizeRow:
    """The same treatment of a tumour of another size."""

    mass_g: float
    dose_Gy_per_MBq: float
    electron_escape: float
    cured: float
    median_d: float
    growth_delay_d: float


@dataclass(frozen=True)
class Beside:
    """A published number and ours."""

    row: Published
    what: str
    unit: str
    ours: float

    @property
    def difference_percent(self) -> float:
        """Ours less the published one, in % of it."""
        return 100.0 * (self.ours / self.row.value - 1.0) if self.row.value else math.nan


@dataclass(frozen=True)
class KnownStudy:
    """An animal study of the same nuclide in the evidence store: what was captured of it, and what was not."""

    title: str
    year: int | None
    captured: str
    status: str
    gap: str


@dataclass(frozen=True, eq=False)
class AnimalStudy:
    """What a case of animals led to.

    Attributes
    ----------
    case : AnimalsCase
    arms : tuple of ArmResult
    pairs : tuple of Pair
    sizes : tuple of SizeRow
        The first treated arm in tumours of other sizes; empty unless asked for.
    human : tuple of HumanDose
    beside : tuple of Beside
    known : tuple of KnownStudy
        What the evidence store holds of this nuclide in animals.
    notes, sources : tuple of str
    """

    case: AnimalsCase
    arms: tuple[ArmResult, ...]
    pairs: tuple[Pair, ...]
    sizes: tuple[SizeRow, ...]
    human: tuple[HumanDose, ...]
    beside: tuple[Beside, ...]
    known: tuple[KnownStudy, ...]
    uptake: Biodistribution
    notes: tuple[str, ...]
    sources: tuple[str, ...]

    def __getitem__(self, name: str) -> ArmResult:
        """The arm of that name."""
        found = {a.name: a for a in self.arms}
        if name not in found:
            raise missing("arm", name, found)
        return found[name]


def animal_study(
    case: AnimalsCase, *, chunk: int = 500, progress: Callable[[str], None] = lambda stage: None
) -> AnimalStudy:
    """Run a case of animals.

    Parameters
    ----------
    case : AnimalsCase
        From ``load_animals``.
    chunk : int
        Animals computed at a time; the result has the same bits for any.
    progress : callable
        Told the name of each stage.

    Returns
    -------
    AnimalStudy

    Raises
    ------
    AlphatwinError
        What the case asks for cannot be done; the message begins with the place in the case.

    Examples
    --------
    >>> from alphatwin.case.animals import load_animals
    >>> case = load_animals({
    ...     "animals": "tiny", "nuclide": "Pb-212", "tumour": {"line": "b16-f1", "mass": "50 mg"},
    ...     "uptake": {"nuclide": "Pb-203", "decay_corrected": True, "times": ["1 h", "4 h", "24 h"], "source": "invented",
    ...                "organs": {"tumour": {"percent_per_g": [12, 10, 4], "sd": [3, 2, 1], "n": 5}}},
    ...     "endpoints": {"tumour_volume": "2000 mm^3", "follow_up": "60 d"},
    ...     "arms": {"control": {"activity": "0 MBq"}, "treated": {"activity": "2 MBq"}},
    ...     "study": {"pool": 20, "studies": 50}})
    >>> study = animal_study(case)
    >>> study["treated"].median_d > study["control"].median_d
    True
    """
    progress("uptake and dose")
    base = biodistribution(case)
    arms = []
    for i, (name, arm) in enumerate(case.arms.items()):
        progress(f"arm {name}")
        own = biodistribution(case, arm) if arm.lysine or arm.uptake_factor else base
        arms.append(_arm(case, name, arm, own, i, chunk))
    progress("comparing arms")
    pairs = tuple(_pair(case, k, a, b, {x.name: x for x in arms}) for k, (a, b) in enumerate(case.pairs()))
    progress("tumour size")
    sizes = _sizes(case, base, chunk)
    progress("translation to man")
    human = human_doses(case, base)
    beside = tuple(_beside(case, base, arms, row) for row in case.published)
    return AnimalStudy(
        case, tuple(arms), pairs, sizes, human, beside, _known(case), base, _notes(case, base), _sources(case, base)
    )


def _arm(case: AnimalsCase, name: str, arm: Arm, uptake: Biodistribution, index: int, chunk: int) -> ArmResult:
    basis = basis_of(case, name, arm, uptake)
    pool, n = case.study.pool, case.study.animals_per_arm
    size = max(int(chunk), 1)
    parts = [simulate_group(case, basis, arm, first, min(size, pool - first)) for first in range(0, pool, size)]
    notes = tuple(f"{name}: {n}" for m in basis.modifiers for n in m.notes[:1])
    doses = organ_doses(case, uptake, basis.kinetics)
    members = slice(index * n, (index + 1) * n)
    return ArmResult(name, Group.joined(parts), members, basis.times_d, doses, notes)


def _pair(case: AnimalsCase, index: int, first: str, second: str, arms: Mapping[str, ArmResult]) -> Pair:
    a, b = arms[first], arms[second]
    group = compare_groups(
        a.group.end_d[a.members], a.group.event[a.members], b.group.end_d[b.members], b.group.event[b.members]
    )
    whole = compare_groups(a.group.end_d, a.group.event, b.group.end_d, b.group.event)
    needed = sample_size(
        a.group.end_d, a.group.event, b.group.end_d, b.group.event, power=case.study.power, alpha=case.study.alpha,
        studies=case.study.studies, seed=case.study.seed, stream=1 + index,
    )  # fmt: skip
    return Pair(first, second, group, whole, needed, _delay(a, b))


def _delay(control: ArmResult, treated: ArmResult) -> float:
    """Difference of the median days to four times the volume; infinite where half of the treated never get there."""
    late, early = _median(treated.group.reach_d), _median(control.group.reach_d)
    return late - early if math.isfinite(early) else math.nan


def _median(values: Array) -> float:
    """Median where some are infinite."""
    ordered = np.sort(values)
    return float(ordered[(ordered.size - 1) // 2])


def _sizes(case: AnimalsCase, base: Biodistribution, chunk: int) -> tuple[SizeRow, ...]:
    """The first treated arm in tumours of other sizes; growth delay against untreated tumours of the same size."""
    treated = next(((n, a) for n, a in case.arms.items() if a.activity > 0), None)
    if treated is None or not case.tumour.sizes:
        return ()
    name, arm = treated
    made = []
    reference = case.tumour.measured_mass or case.tumour.mass
    for mass in case.tumour.sizes:
        tumour = case.tumour.model_copy(update={"mass": mass, "measured_mass": reference})
        own = case.model_copy(update={"tumour": tumour})
        found = _arm(own, name, arm, base, 0, chunk)
        control = _arm(own, "none", arm.model_copy(update={"activity": 0.0, "modifiers": (), "growth_factor": 1.0}), base,
                       0, chunk)  # fmt: skip
        factor = (mass / reference) ** (1.0 - case.tumour.uptake_exponent)
        scaled = base.scaled({TUMOUR: factor})
        here = Biodistribution(scaled.terms, {**scaled.masses_g, TUMOUR: mass}, scaled.sd_of_mean, scaled.between_animals,
                               scaled.models, (), ())  # fmt: skip
        dose = next(o for o in organ_doses(own, here) if o.region == TUMOUR)
        made.append(SizeRow(mass, dose.total, dose.electron_escape, found.cured, found.median_d,
                            _delay(control, found)))  # fmt: skip
    return tuple(made)


# --- what was published ----------------------------------------------------------------------------------------------


def _beside(case: AnimalsCase, base: Biodistribution, arms: list[ArmResult], row: Published) -> Beside:
    found = {a.name: a for a in arms}
    arm = found[row.arm] if row.arm is not None else arms[0]
    if row.quantity == "mean_survival":
        return Beside(row, f"mean survival, {arm.name}", "d", arm.mean_of_dead_d)
    if row.quantity == "median_survival":
        return Beside(row, f"median survival, {arm.name}", "d", arm.median_d)
    if row.quantity == "survivors":
        return Beside(row, f"survivors, {arm.name}", "%", 100.0 * arm.survivors)
    if row.quantity == "kidney_function":
        marker = case.endpoints.kidneys
        day = (row.time if row.time is not None else marker.marker_time if marker else 0.0) / 24.0
        values = arm.function_at(day)
        ours = math.nan if values is None else 100.0 * float(np.mean(values))
        return Beside(row, f"kidney function at {day:g} d, {arm.name}", "%", ours)
    region = TUMOUR if row.quantity == "tumour_dose" else str(row.region)
    if region not in base.terms:
        at_place("published", lambda: _no_region(region, base))
    if row.quantity == "uptake":
        from ..physics.nuclides import nuclide as nuclide_of

        hour = float(row.time or 0.0)
        ours = base.percent_per_g(region, hour, nuclide_of(case.nuclide).decay_constant_per_h)
        return Beside(row, f"{region} at {hour:g} h", "%IA/g", ours)
    dose = next(o for o in arm.doses if o.region == region)
    return Beside(row, f"dose to {region}", "Gy/MBq", dose.total)


def _known(case: AnimalsCase) -> tuple[KnownStudy, ...]:
    """Animal studies of the nuclide in the evidence store, oldest first."""
    from ..evidence import evidence
    from ..physics.nuclides import nuclide as nuclide_of

    store = evidence()
    wanted = nuclide_of(case.nuclide).name
    agents = {a.id for a in store.rows("agent") if a.radionuclide == wanted}
    made = []
    for one in store.rows("study"):
        if one.agent not in agents or one.species not in ("mouse", "rat"):
            continue
        read = [x for x in store.rows("extraction") if x.study == one.id]
        gaps = "; ".join(g.wanted for g in store.rows("gap") if g.study == one.id)
        told = "; ".join(x.note for x in read if x.note) or one.note
        made.append(KnownStudy(one.title, one.year, told, ", ".join(dict.fromkeys(x.status for x in read)), gaps))
    return tuple(sorted(made, key=lambda k: (k.year or 9999, k.title)))


def _no_region(region: str, base: Biodistribution) -> Any:
    raise missing("region with uptake", region, base.terms)


def _notes(case: AnimalsCase, base: Biodistribution) -> tuple[str, ...]:
    line = animal(case.tumour.line)
    told = [
        *base.notes,
        "Self dose alone: what electrons and photons carry from one organ to its neighbours is lost here, and in an animal of "
        "this size neighbours would get a part of it. Paired organs are two spheres.",
        f"{line.name}: {line.gaps[0]}",
        "Dose does not follow the tumour as it grows or shrinks between injections.",
        "Virtual animals differ in tumour mass, uptake, growth, sensitivity and kidneys; what the experiment does not know about "
        "their mean is in the doses and the translation, not in the survival curves.",
        "An animal is cured when no clonogen is left at the lowest viable volume (Poisson); nothing else kills it.",
    ]  # fmt: skip
    if case.endpoints.weight is not None:
        told.append(f"Weight is a proxy of general toxicity, proportional to activity: {case.endpoints.weight.source}.")
    if case.endpoints.kidneys is not None:
        told.append(f"Kidneys: {animal(case.species).gaps[0]}")
    if any(a.protector is not None for a in case.arms.values()):
        told.append(
            "A1M and amifostine spare indirect damage of the kidneys only, by a prior near a small benefit (median of it here); "
            "mice were better off, in man the analogue of A1M failed. See docs/protection.md."
        )
    for name, arm in case.arms.items():
        if arm.source:
            told.append(f"{name}: {arm.source}.")
        for drug in arm.modifiers:
            if drug.source:
                told.append(f"{name}, {drug.name}: {drug.source}.")
    if case.daughters.model == "free":
        told.append("Free daughters move as in man: the catalogue has no rates of rodents.")
    else:
        told.append("Daughters decay where their parent did (in_place).")
    return tuple(dict.fromkeys(told))


def _sources(case: AnimalsCase, base: Biodistribution) -> tuple[str, ...]:
    from .. import catalog

    keys = {*base.sources, "mantel1966", "efron1977", "schoenfeld1983", *(r.source for r in RULES)}
    for entry in (animal(case.tumour.line), animal(case.species)):
        keys |= {q.source for q in entry.values.values()}
    keys |= {row.source for row in case.published}
    for arm in case.arms.values():
        if arm.protector is not None:
            found = catalog.protector(arm.protector.name)
            keys |= {f.source for f in found.findings} | {q.source for q in found.values.values()}
        for drug in arm.modifiers:
            if drug.name in catalog.entries("modifier"):
                keys |= set(catalog.modifier(drug.name).sources)
    return tuple(sorted(k for k in keys if k in catalog.sources()))
