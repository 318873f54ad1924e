"""The whole-body model fitted to one patient: a library of virtual patients, weighted by the patient's measurements.

    posterior(z) ~ N(z; 0, I) x prod_j L(y_j | f_j(z)),    y ~ N(f, (p f)^2 + s^2);   below a limit: Phi((limit - f)/sd)

z are the standard-normal scores of every parameter of `PBPK` that has a prior, f the activity that the model computes for
them. No derivatives and no tuning: the model is run for the whole library at once. Where few draws carry the weight, further
draws are made near what was found (adaptive multiple importance sampling, Cornuet et al., Scand J Stat 2012;39:798); where
that does not help either, the fit is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..draws import Draws
from ..errors import DomainError, FitError, missing
from ._importance import Measured, Weighted, adaptive
from .daughters import FreeDaughters, InPlace, chain_kinetics
from .pbpk import PBPK, pbpk
from .values import Kinetics

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["IndividualFit", "Observation", "fit_individual"]

Array = npt.NDArray[np.float64]

LEAST_ESS = 100.0  # effective draws below which no fit is handed out
WANTED_ESS = 1000.0
ROUNDS = 12
_PART = 20_000  # samples of the model at a time
_FARTHEST = 4.5  # a parameter's score; what lies beyond in the tails of a proposal may be no patient at all


@dataclass(frozen=True)
class Observation:
    """Measured activity of one region at one time.

    Attributes
    ----------
    region : str
        Of the model: ``kidneys``, ``liver``, a lesion by its name.
    time_h : float
        After the start of the infusion.
    activity_MBq : float
        Of the labelling nuclide, present at that time (not decay-corrected); the limit where censored.
    relative_sd : float
        Of the measurement *and* of the model about it, together; 0.1 by default.
    sd_MBq : float
        Added to it in quadrature.
    censored : bool
        The activity was below `activity_MBq`.
    """

    region: str
    time_h: float
    activity_MBq: float
    relative_sd: float = 0.1
    sd_MBq: float = 0.0
    censored: bool = False

    def __post_init__(self) -> None:
        for name, least in (("time_h", 0.0), ("activity_MBq", 0.0)):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value > least):
                raise DomainError(f"{self.region}: {name} is {value!r}; it must be above zero.")
        if not (
            math.isfinite(self.relative_sd)
            and 0 <= self.relative_sd <= 2
            and 0 <= self.sd_MBq < math.inf
            and self.relative_sd + self.sd_MBq > 0
        ):
            raise DomainError(
                f"{self.region}: relative_sd is {self.relative_sd!r} and sd_MBq {self.sd_MBq!r}; one at least above zero, such as relative_sd=0.1."
            )


@dataclass(frozen=True, eq=False)
class IndividualFit:
    """One patient's parameters and doses, as weighted draws.

    Attributes
    ----------
    model : PBPK
    observations : tuple of Observation
    parameters : mapping of str to array[sample]
        Draws of every parameter that was not known; equally weighted draws come from `resampled`.
    weight : array[sample]
        Sums to one.
    dose_Gy_per_GBq : DataArray[sample, region]
    effective_sample_size : float
    rounds : tuple of float
        Effective draws after the library and after each round of refinement.
    known, activity_MBq
        What was held.
    """

    model: PBPK
    observations: tuple[Observation, ...]
    parameters: Mapping[str, Array]
    weight: Array
    dose_Gy_per_GBq: xr.DataArray
    effective_sample_size: float
    rounds: tuple[float, ...]
    known: Mapping[str, float]
    activity_MBq: float
    _prior: Mapping[str, tuple[float, float]] = field(default_factory=dict, repr=False)

    def interval(self, values: npt.ArrayLike, level: float = 0.9) -> tuple[float, float, float]:
        """Low end, median and high end of the central interval of a quantity [sample]."""
        v = np.asarray(values, dtype=float)
        if v.shape != self.weight.shape or not 0 < level < 1:
            raise DomainError(
                f"One value for each of the {len(self.weight)} draws is needed, and a level between 0 and 1."
            )
        order = np.argsort(v, kind="stable")
        cumulative = np.cumsum(self.weight[order]) - 0.5 * self.weight[order]
        low, middle, high = np.interp([(1 - level) / 2, 0.5, (1 + level) / 2], cumulative, v[order])
        return float(low), float(middle), float(high)

    def doses(self, level: float = 0.9) -> dict[str, tuple[float, float, float]]:
        """Low end, median, high end of the dose of each region, Gy/GBq."""
        return {
            str(r): self.interval(self.dose_Gy_per_GBq.sel(region=r).values, level)
            for r in self.dose_Gy_per_GBq["region"].values
        }

    def learnt(self) -> dict[str, float]:
        """How much narrower each parameter became: 1 - sd of its logarithm after over before; most informed first."""
        made = {}
        for name, v in self.parameters.items():
            sd = self._prior[name][1]
            logs = np.log(np.maximum(v, 1e-300))
            mean = float(self.weight @ logs)
            after = math.sqrt(max(float(self.weight @ (logs - mean) ** 2), 0.0))
            made[name] = 1.0 - after / sd if sd > 0 else 0.0
        return dict(sorted(made.items(), key=lambda item: -item[1]))

    def resampled(self, n: int = 1000, seed: int = 1) -> dict[str, Array]:
        """Equally weighted draws [n] of all parameters, known ones among them, for `PBPK.simulate`."""
        if n < 1:
            raise DomainError(f"n is {n}; at least one draw is needed.")
        chosen = self._chosen(n, seed)
        return {k: v[chosen] for k, v in self.parameters.items()} | {k: np.full(n, v) for k, v in self.known.items()}

    def _chosen(self, n: int, seed: int) -> npt.NDArray[np.int64]:
        stream = np.random.Generator(np.random.Philox(key=np.array([seed, 3], dtype=np.uint64)))
        places = (stream.random() + np.arange(n)) / n
        return np.asarray(
            stream.permutation(np.minimum(np.searchsorted(np.cumsum(self.weight), places), len(self.weight) - 1))
        )

    def to_kinetics(self, n: int = 500, *, daughters: InPlace | FreeDaughters | None = None, seed: int = 1) -> Kinetics:
        """The patient's curves in every region, n of them, for decays and dose.

        Raises
        ------
        DomainError
            A chain without a word on its daughters.
        """
        from ..physics import nuclide as nuclide_of

        if daughters is None and len(nuclide_of(self.model.nuclide).chain) > 1:
            raise DomainError(
                f"{self.model.nuclide} has daughters; say where they decay: daughters=InPlace(), or FreeDaughters(...)."
            )
        drawn: dict[str, Any] = dict(self.resampled(n, seed))
        curves = self.model.exponentials(activity_MBq=self.activity_MBq, **drawn)
        return chain_kinetics(curves, self.model.nuclide, daughters or InPlace())


def fit_individual(
    agent: str | PBPK,
    observations: Sequence[Observation],
    *,
    library: int = 20_000,
    activity_MBq: float = 7400.0,
    peptide_nmol: float | None = None,
    known: Mapping[str, float] | None = None,
    seed: int = 1,
    progress: Callable[[str], None] | None = None,
) -> IndividualFit:
    """Fit the whole-body model to the activities measured in one patient.

    Parameters
    ----------
    agent : str or PBPK
        A catalogue id, or a model with the patient's lesions (``pbpk(agent, lesions=...)``).
    observations : sequence of Observation
    library : int
        Virtual patients drawn from the priors of the catalogue, 1000 to 1 000 000.
    activity_MBq, peptide_nmol : float
        Given to the patient.
    known : mapping of str to float, optional
        Parameters that were measured (``gfr_L_per_min``, ``volume_kidneys_L``); they are held.
    seed : int
    progress : callable, optional

    Returns
    -------
    IndividualFit

    Raises
    ------
    FitError
        No observation; fewer than 100 effective draws after all rounds: the model cannot be brought to the measurements with
        parameters that its priors allow, or the measurements are said to be more exact than they are.
    DomainError
        A region or parameter that the model does not have, a number out of range.

    Examples
    --------
    >>> measured = [Observation("kidneys", 24.0, 190.0), Observation("kidneys", 96.0, 80.0)]
    >>> fit = fit_individual("lu177-dotatate", measured, library=4000, peptide_nmol=139.0)
    >>> fit.effective_sample_size > 100
    True
    """
    model = agent if isinstance(agent, PBPK) else pbpk(agent)
    held = {k: float(v) for k, v in (known or {}).items()}
    if peptide_nmol is not None:
        held["peptide_nmol"] = float(peptide_nmol)
    points = _checked(model, observations, library, held)
    normal = Draws(int(library), seed).normal
    names = [k for k, q in model.parameters.items() if q.uncertain and k not in held]
    first = np.stack([normal(f"pbpk {k}") for k in names], axis=1)
    score = _Score(model, names, held, points, activity_MBq)
    score.check()
    found = adaptive(
        score,
        first,
        score.measured(),
        per_round=max(2000, int(library) // 2),
        wanted=WANTED_ESS,
        rounds=ROUNDS,
        seed=seed,
        progress=progress or (lambda text: None),
    )
    size = found.sizes[-1]
    if size < LEAST_ESS:
        raise FitError(
            f"The model could not be fitted: {size:.0f} effective draws of {len(found.z)}, below {LEAST_ESS:g}. {score.worst(found)}"
            "Check units and decay correction; give the lesions and known sizes of this patient; allow a larger relative_sd "
            "(the model's own error counts); or take a larger library."
        )
    drawn = model.at_scores(_lookup(names, found.z), without=held)
    import xarray as xr

    dose = xr.DataArray(
        np.concatenate(score.doses), dims=("sample", "region"), coords={"region": list(model.dosed)},
        attrs={"units": "Gy/GBq", "long_name": "absorbed dose per administered activity, self dose"},
    )  # fmt: skip
    before = {k: np.log(np.maximum(v, 1e-300)) for k, v in model.at_scores(_lookup(names, first), without=held).items()}
    prior = {k: (float(v.mean()), float(v.std())) for k, v in before.items()}
    return IndividualFit(model, points, drawn, found.weight, dose, size, found.sizes, held, float(activity_MBq), prior)


def _checked(
    model: PBPK, observations: Sequence[Observation], library: int, held: Mapping[str, float]
) -> tuple[Observation, ...]:
    points = tuple(observations)
    if not points:
        raise FitError("No observation was given; a fit needs one measured activity at least.")
    for point in points:
        if point.region not in model.regions:
            raise missing("region", point.region, model.regions)
    if len({(p.region, p.time_h) for p in points}) < len(points):
        raise FitError("A region stands there twice at one time; give each measurement once.")
    if isinstance(library, bool) or not 1000 <= library <= 1_000_000:
        raise DomainError(f"library is {library!r}; it holds 1000 to 1000000 virtual patients.")
    for name in held:
        if name not in model.parameters:
            raise missing("parameter", name, model.parameters)
    return points


def _lookup(names: Sequence[str], z: Array) -> Callable[[str], Array]:
    column = {f"pbpk {k}": z[:, j] for j, k in enumerate(names)}
    return lambda name: column[name]


class _Score:
    """Log-likelihood of draws; keeps the doses that came with them."""

    def __init__(
        self,
        model: PBPK,
        names: Sequence[str],
        held: Mapping[str, float],
        points: Sequence[Observation],
        activity_MBq: float,
    ) -> None:
        self.model, self.names, self.held, self.points = model, names, held, points
        self.activity_MBq = activity_MBq
        self.times = np.unique([p.time_h for p in points])
        self.doses: list[Array] = []
        self.at: list[Array] = []

    def __call__(self, z: Array) -> Array:
        """Minus infinity where a score lies beyond 4.5 or the model refuses the patient (organs that do not fit into it)."""
        inside = (np.abs(z) <= _FARTHEST).all(1)
        near = np.clip(z, -_FARTHEST, _FARTHEST)
        parts = [self._part(near[i : i + _PART]) for i in range(0, len(z), _PART)]
        return np.where(inside, np.concatenate(parts), -np.inf)

    def _part(self, z: Array) -> Array:
        try:
            return self._told(z)
        except DomainError:
            if len(z) > 1:
                return np.concatenate([self._part(half) for half in np.array_split(z, 2)])
        self.doses.append(np.zeros((1, len(self.model.dosed))))
        self.at.append(np.zeros((1, len(self.points))))
        return np.array([-np.inf])

    def _told(self, z: Array) -> Array:
        from scipy.special import log_ndtr

        drawn: dict[str, Any] = {**self.model.at_scores(_lookup(self.names, z), without=self.held), **self.held}
        result = self.model.simulate(float(self.times[-1]), activity_MBq=self.activity_MBq, times_h=self.times, **drawn)
        curve = result.activity.isel(nuclide=0)
        at = np.stack(
            [curve.sel(region=p.region).values[:, np.searchsorted(self.times, p.time_h)] for p in self.points], axis=1
        )
        self.doses.append(result.absorbed_dose_Gy_per_GBq.sel(region=list(self.model.dosed)).values)
        self.at.append(at)
        y = np.array([p.activity_MBq for p in self.points])
        relative = np.array([p.relative_sd for p in self.points])
        sd = np.sqrt((relative * at) ** 2 + np.array([p.sd_MBq for p in self.points]) ** 2)
        u = (y - at) / sd
        told = np.where([p.censored for p in self.points], log_ndtr(u), -0.5 * u * u - np.log(sd))
        return np.asarray(told.sum(1))

    def check(self) -> None:
        """The patient with the medians of all priors can be: what is wrong with it is wrong with what was given."""
        self._told(np.zeros((1, len(self.names))))
        self.doses.clear()
        self.at.clear()

    def measured(self) -> Measured:
        """What guides the proposals: logarithms, and their relative variances."""
        y = np.array([p.activity_MBq for p in self.points])
        variance = np.array([p.relative_sd**2 + (p.sd_MBq / p.activity_MBq) ** 2 for p in self.points])
        used = ~np.array([p.censored for p in self.points])
        return Measured(lambda: np.log(np.maximum(np.concatenate(self.at), 1e-12)), np.log(y), variance, used)

    def worst(self, found: Weighted) -> str:
        """The measurement that the library holds worst."""
        at = np.concatenate(self.at)
        inside = [
            min(float((at[:, j] < p.activity_MBq).mean()), float((at[:, j] > p.activity_MBq).mean()))
            for j, p in enumerate(self.points)
        ]
        j = int(np.argmin(inside))
        p = self.points[j]
        low, high = np.quantile(at[:, j], [0.01, 0.99])
        return f"{p.region} at {p.time_h:g} h is {p.activity_MBq:g} MBq, where 98 % of the virtual patients have {low:.3g} to {high:.3g} MBq. "
