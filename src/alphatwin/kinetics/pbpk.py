"""Whole-body kinetics of somatostatin-receptor peptides: what the body does with them when there are no images.

    dA_p/dt   = sum_o F_o (C_o,v - C_p) + infusion                        plasma, with lungs and red marrow
    dX_v/dt   = F_o (C_p - C_v) - PS (C_v - C_i)                          spleen and gut drain into the liver
    dX_i/dt   = PS (C_v - C_i) - kon C_i (R0 V - X_b) + koff X_b
    dX_b/dt   = kon C_i (R0 V - X_b) - (koff + k_int) X_b                 bound to receptors
    dX_n/dt   = k_int X_b - k_rel X_n                                     inside cells
    dK_t/dt   = GFR phi C_kv - (GFR phi + CL_meg) C_t - binding           renal tubule; kidney receptors face it
    CL_meg(t) = CL_0 (1 - E(a)) / (1 + C_t / K_meg),  E(a) = Emax a / (a + a50)       a: amino acids

Amounts in nmol, volumes in L, time in minutes, C = amount / its own volume. Labelled and unlabelled peptide behave
alike, so only their total T is solved and the labelled amount is exp(-lambda t) of it: A_r(t) = A_0 exp(-lambda t)
T_r(t) / T_given. Daughters decay where their parent does. The structure follows the whole-body models of Kletting et
al. (J Nucl Med 2016;57:503) with tissues of alike kinetics taken together; the parameters are in the catalogue, with
what each rests on. See docs/pbpk.md.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..catalog._pbpk import ModelParameter, model_parameters
from ..draws import Draws
from ..errors import DomainError, suggestion
from ..physics import nuclide as nuclide_of
from ..transport.spheres import RegionMass, self_s_values
from ._pbpk_model import declare, regions_of
from .compiler import Compiled, compiled
from .compiler.exchange import to_antimony, to_sbml

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["PBPK", "Lesion", "PBPKResult", "pbpk"]

Array = npt.NDArray[np.float64]

_AVOGADRO_PER_NMOL = 6.02214076e14
_HALF_LIVES = 20.0  # of the parent: what is left then is below 1e-6
_SHARES = ("haematocrit", "phi", "f_excreted", "f_return", "amino_acid_emax")
_ANY_SIGN = ("amino_acid_start_min",)
_MEDIA = {"kidneys": "kidney", "liver": "liver", "spleen": "spleen", "red_marrow": "red-marrow"}
_SETS = {"A": "sstr2-a", "B": "sstr2-b"}
_LESION_PARAMETERS = {
    "volume_mL": "volume_{}_mL",
    "r0_nM": "r0_{}_nM",
    "k_rel_per_min": "k_rel_{}_per_min",
    "perfusion_per_min": "perfusion_{}_per_min",
    "ps_per_min": "ps_{}_per_min",
}


@dataclass(frozen=True)
class Lesion:
    """One lesion, or several alike taken together.

    Attributes
    ----------
    volume_mL : float
    r0_nM, k_rel_per_min, perfusion_per_min, ps_per_min : float, optional
        Receptors per volume (nmol/L), release rate, plasma flow and permeability-surface product per volume (1/min);
        what is left out comes from the parameter set.

    Raises
    ------
    DomainError
        A volume that is not above zero, or a negative value.
    """

    volume_mL: float
    r0_nM: float | None = None
    k_rel_per_min: float | None = None
    perfusion_per_min: float | None = None
    ps_per_min: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.volume_mL) and self.volume_mL > 0):
            raise DomainError(f"A lesion has volume_mL = {self.volume_mL!r}; it must be above zero.")
        for name in ("r0_nM", "k_rel_per_min", "perfusion_per_min", "ps_per_min"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise DomainError(f"A lesion has {name} = {value!r}; it must be zero or above.")


@dataclass(frozen=True, eq=False)
class PBPKResult:
    """What became of the peptide.

    Attributes
    ----------
    activity : DataArray[sample, region, nuclide, time]
        MBq. Regions: kidneys, liver, spleen, red_marrow, remainder and the lesions by name.
    time_integrated_activity : DataArray[sample, region, nuclide]
        MBq h, to the end of all decay.
    absorbed_dose_Gy_per_GBq : DataArray[sample, region]
        Self dose of regions as spheres, all radiations added without weight; the remainder has none.
    excreted_fraction : DataArray[sample, time]
        Share of the given peptide that has left the body (decay not counted).
    peptide : DataArray[sample, region, time]
        Total peptide, nmol.
    megalin_share : DataArray[sample]
        Share of the kidneys' decays in what megalin took up.
    notes : tuple of str
    sources : tuple of str
    """

    activity: xr.DataArray
    time_integrated_activity: xr.DataArray
    absorbed_dose_Gy_per_GBq: xr.DataArray
    excreted_fraction: xr.DataArray
    peptide: xr.DataArray
    megalin_share: xr.DataArray
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def effective_half_life_h(self, region: str, between_h: tuple[float, float] = (24.0, 168.0)) -> Array:
        """Effective half-life [sample] of the parent in a region, from its activity at two times within the curve.

        Raises
        ------
        DomainError
            An unknown region, or times outside the curve.
        """
        regions = [str(r) for r in self.activity["region"].values]
        if region not in regions:
            raise DomainError(f"No region {region!r}. {suggestion(region, regions)}Known: {', '.join(regions)}.")
        t = self.activity["time"].values
        a, b = between_h
        if not max(t[0], 0.0) <= a < b <= t[-1] or a == 0:
            raise DomainError(
                f"The curve runs from {t[0]:g} to {t[-1]:g} h; between_h = {between_h} does not lie in it."
            )
        use = (t > 0) & (t >= t[t <= a][-1]) & (t <= t[t >= b][0])
        curve = np.log(self.activity.sel(region=region).values[:, 0, use])
        ends = [np.array([np.interp(x, t[use], row) for row in curve]) for x in (a, b)]
        return np.asarray(np.log(2) * (b - a) / (ends[0] - ends[1]))


@dataclass(frozen=True, eq=False)
class PBPK:
    """A whole-body model of one agent in one species, with its lesions.

    Attributes
    ----------
    agent, nuclide, species, parameter_set : str
    lesions : mapping of str to Lesion
    parameters : mapping of str to ModelParameter
        Value, unit, source, evidence and prior of each; lesions' own parameters carry their name
        (``r0_<lesion>_nM``).
    compiled : Compiled
        The declared model (``compiled.model``) and its tables.
    """

    agent: str
    nuclide: str
    species: str
    parameter_set: str
    lesions: Mapping[str, Lesion]
    parameters: Mapping[str, ModelParameter]
    compiled: Compiled = field(repr=False)

    def prior(self, n: int, seed: int = 1) -> dict[str, Array]:
        """Draws [n] of every parameter that has a prior, each independent of the others.

        Parameters
        ----------
        n : int
            Number of samples; 1 gives the medians.
        seed : int

        Returns
        -------
        dict of str to Array[sample]
            Ready to be handed to `simulate` as overrides. Receptor densities, volumes and flows are correlated in
            patients; that is the business of a cohort, not of this.
        """
        if n < 1:
            raise DomainError(f"n is {n}; at least one sample is needed.")
        draws = Draws(n, seed)
        found = {name: q.at_score(draws.normal(f"pbpk {name}")) for name, q in self.parameters.items() if q.uncertain}
        for name in found:
            if name in _SHARES:
                found[name] = np.clip(found[name], 0.0, 1.0)
        return found

    def simulate(
        self,
        duration_h: float = 336.0,
        peptide_nmol: npt.ArrayLike | None = None,
        activity_MBq: npt.ArrayLike = 7400.0,
        *,
        times_h: npt.ArrayLike | None = None,
        rtol: float = 1e-5,
        **overrides: npt.ArrayLike,
    ) -> PBPKResult:
        """Run the model for one patient or many.

        Parameters
        ----------
        duration_h : float
            The curves end here; the time-integrated activity and the dose do not.
        peptide_nmol : float or array[sample], optional
            Labelled and unlabelled peptide together.
        activity_MBq : float or array[sample]
            Administered activity of the parent at the start of the infusion.
        times_h : array[time], optional
            Output times; by default 60, closer together at the start.
        rtol : float
            Relative tolerance of the solver.
        **overrides : float or array[sample]
            Any of `parameters`.

        Returns
        -------
        PBPKResult

        Raises
        ------
        CaseError
            A parameter that does not exist.
        DomainError
            A negative value, a share above 1, GFR 0, more labelled molecules than peptide, organs that do not fit
            into the body, flows that do not close, or a lesion heavier than the patient.
        """
        times = _times(duration_h, times_h)
        if peptide_nmol is not None:
            overrides = {**overrides, "peptide_nmol": peptide_nmol}
        given = self._checked(overrides)
        given["lambda_per_min"] = nuclide_of(self.nuclide).decay_constant_per_h / 60.0
        activity = np.atleast_1d(np.asarray(activity_MBq, dtype=float))
        values = self.compiled.model.check_values(given)
        n = max(len(activity), *(np.size(v) for v in values.values()), 1)
        if activity.ndim != 1 or len(activity) not in (1, n) or not (np.isfinite(activity) & (activity > 0)).all():
            raise DomainError("activity_MBq must be above zero: one number, or one per sample.")
        self._check_label(activity, values)
        start = float(min(0.0, np.min(values["amino_acid_start_min"])))
        given["start_min"] = start
        horizon = max(duration_h, _HALF_LIVES * nuclide_of(self.nuclide).half_life_h) * 60.0
        between = _grid(times) if len(nuclide_of(self.nuclide).chain) > 1 else np.zeros(0)
        grid = np.unique(np.concatenate([[0.0], between, times]))
        solution = self.compiled.solve(np.append(grid * 60.0, horizon), given, start_min=start, rtol=rtol, samples=n)
        return _result(self, solution, values, np.broadcast_to(activity, (n,)), times, grid)

    def to_sbml(self, **overrides: float) -> str:
        """The model as SBML Level 3 core, for one patient.

        Parameters
        ----------
        **overrides : float
            Any of `parameters`, one number each.

        Returns
        -------
        str
            Amounts in nmol, time in minutes; time 0 is the start of what begins first, amino acids or peptide.

        Raises
        ------
        CaseError, DomainError
            As `simulate`.
        """
        return to_sbml(self.compiled.model, *self._exported(overrides))

    def to_antimony(self, **overrides: float) -> str:
        """The model as Antimony, for one patient; arguments, units and errors as `to_sbml`."""
        return to_antimony(self.compiled.model, *self._exported(overrides))

    def _exported(self, overrides: Mapping[str, float]) -> tuple[dict[str, float], float]:
        many = [name for name, v in overrides.items() if np.ndim(v)]
        if many:
            raise DomainError(f"{many[0]} has several values; a written model holds one patient.")
        given = {name: float(np.asarray(v)) for name, v in self._checked(overrides).items()}
        start = min(0.0, given.get("amino_acid_start_min", self.parameters["amino_acid_start_min"].value))
        lam = nuclide_of(self.nuclide).decay_constant_per_h / 60.0
        return {**given, "lambda_per_min": lam, "start_min": start}, start

    def _checked(self, overrides: Mapping[str, npt.ArrayLike]) -> dict[str, npt.ArrayLike]:
        for name, value in overrides.items():
            if name not in self.parameters:
                raise DomainError(f"The model has no parameter {name!r}. {_nearest(name, self.parameters)}")
            try:
                v = np.asarray(value, dtype=float)
            except (TypeError, ValueError) as error:
                raise DomainError(f"{name} is {value!r}; a number, or one per sample, is needed.") from error
            if name not in _ANY_SIGN and not (v >= 0).all():
                raise DomainError(
                    f"{name} is {float(v[~(v >= 0)].ravel()[0]) if v.ndim else float(v):g} {self.parameters[name].unit}; it must not be negative."
                )
            if name in _SHARES and (v > 1).any():
                raise DomainError(f"{name} is {float(v.max()):g}; a share lies between 0 and 1.")
        gfr = np.asarray(overrides.get("gfr_L_per_min", self.parameters["gfr_L_per_min"].value), dtype=float)
        if (gfr <= 0).any():
            raise DomainError(
                "gfr_L_per_min is 0: this peptide leaves the body by filtration alone, so nothing would leave plasma. "
                "Give the glomerular filtration rate of the patient, above 0 (0.005 L/min for an anuric patient on the edge of dialysis)."
            )
        return dict(overrides)

    def _check_label(self, activity: Array, values: Mapping[str, Any]) -> None:
        per_s = nuclide_of(self.nuclide).decay_constant_per_h / 3600.0
        labelled = activity * 1e6 / per_s / _AVOGADRO_PER_NMOL
        peptide = np.asarray(values["peptide_nmol"], dtype=float)
        if (peptide <= 0).any() or (labelled > peptide * (1 + 1e-9)).any():
            raise DomainError(
                f"{float(np.max(activity)):g} MBq of {self.nuclide} are {float(np.max(labelled)):.3g} nmol of labelled peptide, more than the "
                f"{float(np.min(peptide)):.3g} nmol of peptide given. Raise peptide_nmol or lower activity_MBq."
            )


def _nearest(name: str, known: Mapping[str, object]) -> str:
    """Parameters that hold the word, or are spelt alike; else where to look."""
    holding = [k for k in known if name.casefold() in k.casefold()][:4]
    if holding:
        return f"Did you mean {' or '.join(holding)}?"
    return suggestion(name, known) or "Its parameters are listed by `.parameters`."


def _times(duration_h: Any, times_h: npt.ArrayLike | None) -> Array:
    try:
        last = math.nan if isinstance(duration_h, str) else float(duration_h)
    except (TypeError, ValueError):
        last = math.nan
    if not 0 < last <= 1e5:
        raise DomainError(f"duration_h is {duration_h!r}; it must be above 0 and at most 100000.")
    if times_h is None:
        return np.concatenate([[0.0], np.geomspace(min(0.1, duration_h / 100), duration_h, 59)])
    t = np.atleast_1d(np.asarray(times_h, dtype=float))
    if (
        t.ndim != 1
        or t.size == 0
        or not np.isfinite(t).all()
        or (np.diff(t) <= 0).any()
        or t[0] < 0
        or t[-1] > duration_h
    ):
        raise DomainError(f"times_h must ascend, from 0 to duration_h = {duration_h:g} at most.")
    return t


def _grid(times: Array) -> Array:
    """Times between the output times that the daughters' curves need."""
    last = float(times[-1])
    return np.geomspace(min(1e-3, last / 1e4), last, 240) if last > 0 else np.zeros(1)


def _parameters(chosen: str, lesions: Mapping[str, Lesion]) -> dict[str, ModelParameter]:
    """Physiology, agent, and one set of lesion parameters for each lesion."""
    base = {**model_parameters("human").values, **model_parameters(chosen).values}
    generic = {
        "r0_nM": base.pop("r0_lesion_nM"),
        "k_rel_per_min": base.pop("k_rel_lesion_per_min"),
        "perfusion_per_min": base.pop("perfusion_lesion_per_min"),
        "ps_per_min": base.pop("ps_lesion_per_min"),
    }
    for name, lesion in lesions.items():
        volume = {"value": lesion.volume_mL, "unit": "mL", "source": "alphatwinpbpk", "locator": "given by the user"}
        base[f"volume_{name}_mL"] = ModelParameter.model_validate({**volume, "evidence": "assumed", "verified": False})
        for key, q in generic.items():
            own = getattr(lesion, key)
            given = {
                "value": own,
                "u": None,
                "low": None,
                "high": None,
                "distribution": "lognormal",
                "evidence": "assumed",
            }
            given |= {"verified": False, "note": "given by the user"}
            base[_LESION_PARAMETERS[key].format(name)] = q if own is None else q.model_copy(update=given)
    return base


def pbpk(
    agent: str,
    species: str = "human",
    *,
    parameters: str = "B",
    lesions: Mapping[str, Lesion | float] | None = None,
) -> PBPK:
    """A whole-body model of a somatostatin-receptor peptide.

    Parameters
    ----------
    agent : str
        Catalogue id of an agent that binds SSTR2, e.g. ``"lu177-dotatate"``.
    species : {"human"}
    parameters : {"A", "B"}
        Set A holds the internalisation rate at 0.001 per minute, set B fits it; both are calibrated here.
    lesions : mapping of str to Lesion or float, optional
        By name; a number is the volume in mL. By default one, ``tumour``, of 400 mL; ``{}`` for none.

    Returns
    -------
    PBPK

    Raises
    ------
    CatalogError
        An unknown agent.
    DomainError
        An agent of another target, a species or a set that does not exist, a name of a lesion that is no plain word.

    Notes
    -----
    DOTATOC and DOTATATE share one set: their kinetics are taken to be alike. Sources: Kletting et al., J Nucl Med
    2016;57:503; Siebinga et al., EJNMMI Res 2021;11:73; each parameter names its own.

    Examples
    --------
    >>> model = pbpk("lu177-dotatate", lesions={"liver_lesion": 20.0})
    >>> result = model.simulate(duration_h=168, peptide_nmol=139, activity_MBq=7400)
    >>> bool(0.3 < float(result.absorbed_dose_Gy_per_GBq.sel(region="kidneys").item()) < 0.8)
    True
    """
    entry = catalog.agent(agent)
    if entry.target != "SSTR2":
        raise DomainError(f"The whole-body model is for peptides that bind SSTR2; {entry.id} binds {entry.target}.")
    if species != "human":
        raise DomainError(f"No whole-body model of species {species!r}; there is human.")
    if parameters not in _SETS:
        raise DomainError(f"No parameter set {parameters!r}; there is A (slow internalisation) and B (fitted).")
    given = {"tumour": 400.0} if lesions is None else lesions
    made = {str(name): v if isinstance(v, Lesion) else _lesion(str(name), v) for name, v in given.items()}
    taken = {
        *_MEDIA,
        "remainder",
        "plasma",
        "rest",
        "excreted",
        "megalin",
        "label",
        "lesion",
        "gut",
        "artery",
        "marrow",
        "p",
    }
    for name in made:
        if not name.isidentifier() or name in taken:
            raise DomainError(
                f"A lesion cannot be called {name!r}: use a plain word of letters, digits and _ that is no organ of the model."
            )
    values = _parameters(_SETS[parameters], made)
    return PBPK(
        entry.id,
        entry.nuclide,
        species,
        parameters,
        MappingProxyType(made),
        MappingProxyType(values),
        _compiled(parameters, tuple(made.items())),
    )


def _lesion(name: str, volume_mL: float) -> Lesion:
    try:
        return Lesion(float(volume_mL))
    except (TypeError, ValueError) as error:
        if isinstance(error, DomainError):
            raise
        raise DomainError(f"Lesion {name} is {volume_mL!r}; give its volume in mL as a number, or a Lesion.") from error


@functools.lru_cache(maxsize=32)
def _compiled(parameters: str, lesions: tuple[tuple[str, Lesion], ...]) -> Compiled:
    return compiled(declare(_parameters(_SETS[parameters], dict(lesions)), [name for name, _ in lesions]))


# --- the result ------------------------------------------------------------------------------------------------------


def _by_region(model: PBPK, values: Mapping[str, Any], of: Any) -> dict[str, Array]:
    """Amounts (or integrals) of the reported regions from those of the model's; `of` gives one by its name."""
    share = np.asarray(values["V_marrow"] / values["V_plasma"], dtype=float)
    plasma = of("plasma")
    share = share.reshape(-1, *(1,) * (plasma.ndim - 1)) if share.ndim else share
    named = {r: of(r) for r in ("kidneys", "liver", "spleen")}
    named |= {"red_marrow": plasma * share, "remainder": plasma * (1 - share) + of("rest")}
    return named | {name: of(name) for name in model.lesions}


def _result(
    model: PBPK, solution: Any, values: Mapping[str, Any], activity: Array, times: Array, grid: Array
) -> PBPKResult:
    import xarray as xr

    groups = regions_of(tuple(model.lesions))
    amounts = _by_region(model, values, lambda r: sum(solution[s][:, :-1] for s in groups[r]))
    regions = list(amounts)
    given = np.broadcast_to(np.asarray(values["peptide_nmol"], dtype=float), activity.shape)
    chain = nuclide_of(model.nuclide).chain
    parent = np.stack([amounts[r] for r in regions], axis=1) / given[:, None, None]
    parent = parent * activity[:, None, None] * np.exp(-nuclide_of(model.nuclide).decay_constant_per_h * grid)
    pick = np.searchsorted(grid, times)
    curves = _in_place(chain, parent, grid)[..., pick]
    integrals = _by_region(model, values, lambda r: solution[f"int_{r}"][:, -1])
    tia = np.stack([integrals[r] for r in regions], axis=1) / given[:, None] * activity[:, None] / 60.0
    born = _born_per_decay(chain)
    axes = {"region": regions, "nuclide": list(chain)}
    clock = {"time": ("time", times, {"units": "h"})}
    total = xr.DataArray(
        tia[:, :, None] * born, dims=("sample", "region", "nuclide"), coords=axes,
        attrs={"units": "MBq h", "long_name": "time-integrated activity"},
    )  # fmt: skip
    out = solution["excreted"][:, :-1][:, pick] / given[:, None]
    kidneys = solution["int_kidneys"][:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        megalin = np.where(kidneys > 0, solution["int_megalin"][:, -1] / kidneys, 0.0)
    return PBPKResult(
        activity=xr.DataArray(
            curves,
            dims=("sample", "region", "nuclide", "time"),
            coords=axes | clock,
            attrs={"units": "MBq", "long_name": "activity"},
        ),
        time_integrated_activity=total,
        absorbed_dose_Gy_per_GBq=_dose(model, values, total, activity),
        excreted_fraction=xr.DataArray(
            out,
            dims=("sample", "time"),
            coords=clock,
            attrs={"units": "1", "long_name": "peptide that left the body, share of what was given"},
        ),
        peptide=xr.DataArray(
            np.stack([amounts[r][:, pick] for r in regions], axis=1),
            dims=("sample", "region", "time"),
            coords={"region": regions} | clock,
            attrs={"units": "nmol", "long_name": "peptide, labelled and unlabelled"},
        ),
        megalin_share=xr.DataArray(
            megalin, dims=("sample",), attrs={"units": "1", "long_name": "share of megalin in the kidneys' decays"}
        ),
        notes=_notes(model, chain),
        sources=tuple(sorted({q.source for q in model.parameters.values()})),
    )


def _notes(model: PBPK, chain: tuple[str, ...]) -> tuple[str, ...]:
    told = [
        "Predicted from a population's parameters, not measured in this patient.",
        "Self dose only; red marrow from its blood alone: dose from other organs and from metastases in bone is not in it.",
    ]
    if len(chain) > 1:
        told.append("Daughters decay where their parent decays; the dose adds all radiations without RBE.")
    if "dotatate" not in model.agent:
        told.append(f"Kinetics of DOTATATE stand for {model.agent}.")
    return tuple(told)


def _dose(model: PBPK, values: Mapping[str, Any], tia: xr.DataArray, activity: Array) -> xr.DataArray:
    import xarray as xr

    n = len(activity)
    masses = {}
    for name in (*_MEDIA, *model.lesions):
        litres = values[f"L_{name}"] if name in model.lesions else values[f"volume_{name}_L"]
        medium = _MEDIA.get(name, "soft-tissue")
        grams = np.broadcast_to(np.asarray(litres, dtype=float) * 1000.0 * catalog.medium(medium).density.value, (n,))
        masses[name] = RegionMass(grams, medium, "volume of the model x density")
    chain = [str(v) for v in tia["nuclide"].values]
    s = self_s_values(masses, chain).s.sum("radiation")
    per_gbq = np.zeros((n, len(masses)))
    for i, name in enumerate(masses):
        own = s.sel(target=name, source=name).values
        per_gbq[:, i] = (tia.sel(region=name).values * 3.6e9 * own).sum(axis=1) / activity * 1000.0
    return xr.DataArray(
        per_gbq, dims=("sample", "region"), coords={"region": list(masses)},
        attrs={"units": "Gy/GBq", "long_name": "absorbed dose per administered activity, self dose"},
    )  # fmt: skip


def _branches(chain: Sequence[str]) -> list[list[tuple[int, float]]]:
    """For each member: (parent, branching) of those that feed it."""
    feeds: list[list[tuple[int, float]]] = [[] for _ in chain]
    for p, name in enumerate(chain):
        for daughter, share in nuclide_of(name).progeny.items():
            if daughter in chain:
                feeds[chain.index(daughter)].append((p, float(share)))
    return feeds


def _born_per_decay(chain: Sequence[str]) -> Array:
    """Decays of each member per decay of the first, when none is lost."""
    born = np.zeros(len(chain))
    born[0] = 1.0
    for q, feeds in enumerate(_branches(chain)):
        if q:
            born[q] = sum(share * born[p] for p, share in feeds)
    return born


def _in_place(chain: Sequence[str], parent: Array, grid_h: Array) -> Array:
    """Activity [sample, region, nuclide, grid] of a chain that stays where its parent is.

    dA_q/dt = lambda_q (sum_p b_pq A_p - A_q), exact for an A_p that is straight between grid points.
    """
    out = np.zeros((*parent.shape[:2], len(chain), parent.shape[2]))
    out[:, :, 0] = parent
    for q, feeds in enumerate(_branches(chain)):
        if not feeds:
            continue
        fed = np.zeros_like(parent)
        for p, share in feeds:
            fed += share * out[:, :, p]
        x = nuclide_of(chain[q]).decay_constant_per_h * np.diff(grid_h)
        gone = -np.expm1(-x)
        mean = np.where(x > 1e-6, gone / np.maximum(x, 1e-300), 1 - x / 2)
        for j in range(len(x)):
            a = (
                out[:, :, q, j] * (1 - gone[j])
                + fed[..., j] * (mean[j] - (1 - gone[j]))
                + fed[..., j + 1] * (1 - mean[j])
            )
            out[:, :, q, j + 1] = a
    return out
