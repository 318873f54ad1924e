"""Whole-body kinetics of radiopharmaceuticals: what the body does with them when there are no images.

    dA_p/dt   = sum_o F_o (C_o,v - C_p) + infusion                        plasma, with lungs and red marrow
    dX_v/dt   = F_o (C_p - C_v) - PS (C_v - C_i)                          spleen and gut drain into the liver
    dX_i/dt   = PS (C_v - C_i) - kon C_i (R0 V - X_b) + koff X_b
    dX_b/dt   = kon C_i (R0 V - X_b) - (koff + k_int) X_b                 bound to receptors
    dX_n/dt   = k_int X_b - k_rel X_n                                     inside cells
    dK_t/dt   = GFR phi C_kv - (GFR phi + CL_meg) C_t - binding           renal tubule; kidney receptors face it
    CL_meg(t) = CL_0 (1 - E(a)) / (1 + C_t / K_meg),  E(a) = Emax a / (a + a50)       a: amino acids

Amounts in nmol, volumes in L, time in minutes, C = amount / its own volume. Labelled and unlabelled peptide behave
alike, so only their total T is solved and the labelled amount is exp(-lambda t) of it: A_r(t) = A_0 exp(-lambda t)
T_r(t) / T_given. A transporter is a receptor that takes in at once (Michaelis-Menten with Km = (koff + k_int)/kon); an
agent without a target moves by linear transfers alone. Species are scaled by `PBPK.scaled`. Daughters decay where their parent does. The structure follows the whole-body models of Kletting et
al. (J Nucl Med 2016;57:503) with tissues of alike kinetics taken together; the parameters are in the catalogue, with
what each rests on. See docs/pbpk.md.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..catalog._pbpk import ModelParameter, ModelParameters, model_parameters, parameter_sets
from ..draws import Draws
from ..errors import DomainError, suggestion
from ..physics import nuclide as nuclide_of
from ._pbpk_curves import exponentials_of, grid_of
from ._pbpk_model import declare, declare_linear, regions_of
from ._pbpk_result import PBPKResult, born_per_decay, notes_of, parent_of, result_of, sites_of
from .compiler import Compiled, Solution, compiled
from .compiler.exchange import to_antimony, to_sbml
from .linear import solve_linear, transfer_matrix

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["PBPK", "Lesion", "PBPKResult", "pbpk"]

_born_per_decay = born_per_decay

Array = npt.NDArray[np.float64]

_AVOGADRO_PER_NMOL = 6.02214076e14
_HALF_LIVES = 20.0  # of the parent: what is left then is below 1e-6
_SHARES = ("haematocrit", "phi", "f_excreted", "f_return", "amino_acid_emax")
_ANY_SIGN = ("amino_acid_start_min",)
_PHYSIOLOGY_OF_LINEAR = ("body_mass_kg", "volume_kidneys_L", "volume_liver_L")
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
    entry : ModelParameters
        The agent's set in the catalogue.
    """

    agent: str
    nuclide: str
    species: str
    parameter_set: str
    lesions: Mapping[str, Lesion]
    parameters: Mapping[str, ModelParameter]
    compiled: Compiled = field(repr=False)
    entry: ModelParameters = field(repr=False)

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """The model's states of each of its spaces."""
        if self.entry.transfers:
            return self.entry.regions
        megalin, held = (name in self.parameters for name in ("cl_megalin_L_per_min", "k_hold_rest_per_min"))
        return regions_of(tuple(self.lesions), self.entry.organs, megalin, held)

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions of a result."""
        if self.entry.transfers:
            return tuple(self.entry.regions)
        organs = [r for r in self.groups if r not in ("plasma", "rest", *self.lesions)]
        return (*organs, "red_marrow", "remainder", *self.lesions)

    @property
    def dosed(self) -> tuple[str, ...]:
        """Regions whose mass the model knows, and that so have a dose."""
        return tuple(r for r in self.regions if f"volume_{r}_L" in self.parameters or r in self.lesions)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of a result must know."""
        return notes_of(self, nuclide_of(self.nuclide).chain)

    @property
    def sources(self) -> tuple[str, ...]:
        """Bibliography keys of the parameters."""
        return tuple(sorted({q.source for q in self.parameters.values()}))

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
        return self.at_scores(Draws(n, seed).normal)

    def at_scores(self, normal: Callable[[str], Array], without: Collection[str] = ()) -> dict[str, Array]:
        """Every parameter that has a prior, at standard-normal scores: zero gives its median; kept in its range.

        Parameters
        ----------
        normal : callable
            ``name -> scores[sample]``, asked for ``"pbpk <parameter>"``; that of `Draws`, for example.
        without : collection of str
            Parameters that are known otherwise and not drawn.

        Returns
        -------
        dict of str to Array[sample]
        """
        found = {}
        for name, q in self.parameters.items():
            if q.uncertain and name not in without:
                drawn = q.at_score(np.asarray(normal(f"pbpk {name}"), dtype=float))
                found[name] = np.clip(drawn, q.low, q.high) if q.low is not None or q.high is not None else drawn
                if name in _SHARES:
                    found[name] = np.clip(found[name], 0.0, 1.0)
        return found

    def scaled(self, body_mass_kg: npt.ArrayLike) -> dict[str, Array]:
        """Overrides that make the reference body of the species lighter or heavier.

        Volumes go with mass; flows, filtration and megalin clearance with mass^0.75; permeability-surface products per
        volume, therefore, with mass^-0.25 (Brown et al., Toxicol Ind Health 1997;13:407, for the flows). Rates of binding,
        internalisation and release are of cells and stay, as receptors per volume do.

        Parameters
        ----------
        body_mass_kg : float or array[sample]

        Returns
        -------
        dict of str to Array[sample]

        Examples
        --------
        >>> mouse = pbpk("lu177-dotatate", "mouse")
        >>> light = mouse.simulate(activity_MBq=1.0, peptide_nmol=0.3, **mouse.scaled(0.020))
        """
        mass = np.atleast_1d(np.asarray(body_mass_kg, dtype=float))
        if not (np.isfinite(mass) & (mass > 0)).all():
            raise DomainError("body_mass_kg must be above zero.")
        ratio = mass / self.parameters["body_mass_kg"].value
        made = {"body_mass_kg": mass}
        powers = {"bsa_m2": 2 / 3, "plasma_per_bsa_L": 1 / 3, "output_per_plasma_per_min": -0.25, "gfr_L_per_min": 0.75}
        powers |= {"cl_megalin_L_per_min": 0.75, "ps_slow_per_min": -0.25}
        organs = [name for name in self.parameters if name.startswith("volume_") and name.endswith("_L")]
        powers |= dict.fromkeys(organs, 1.0)
        powers |= {f"ps_{organ}_per_min": -0.25 for organ in self.entry.organs}
        return made | {k: self.parameters[k].value * ratio**v for k, v in powers.items() if k in self.parameters}

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
            Relative tolerance of the solver. An agent of linear transfers alone (radium) is solved exactly.
        **overrides : float or array[sample]
            Any of `parameters`.

        Notes
        -----
        N patients are one call: hand every parameter in which they differ an array of N, the others a number or
        nothing. ``gfr_L_per_min`` is the coupling to a course of the kidneys (eGFR in mL/min over 1000, times body surface
        over 1.73 m^2 where it is indexed), ``volume_<lesion>_mL`` and ``r0_<lesion>_nM`` that to a course of the tumour:
        what both are at the next cycle goes in, the dose per activity of that cycle comes out. The bits of a sample do
        not depend on the batch. For doses alone, ``times_h=[0.0]`` keeps curves out of memory; more than some 1e5
        samples at a time are better given in parts.

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
        between = _grid(times) if len(nuclide_of(self.nuclide).chain) > 1 else np.zeros(0)
        grid = np.unique(np.concatenate([[0.0], between, times]))
        solution, values, activity = self._solved(grid, peptide_nmol, activity_MBq, overrides, rtol)
        return result_of(self, solution, values, activity, times, grid)

    def exponentials(
        self,
        peptide_nmol: npt.ArrayLike | None = None,
        activity_MBq: npt.ArrayLike = 1.0,
        *,
        rtol: float = 1e-5,
        **overrides: npt.ArrayLike,
    ) -> dict[str, tuple[Array, Array]]:
        """The parent's activity in every region as a sum of exponentials, as `chain_kinetics` takes it.

        Parameters
        ----------
        peptide_nmol, activity_MBq, rtol, **overrides
            As in `simulate`.

        Returns
        -------
        dict of region to (amplitude_MBq[sample, term], rate_per_h[sample, term])
            24 terms with rates from the decay constant upwards, the same in all regions. The time-integrated activity
            is the model's own; the curve follows the model's with the end of the infusion rounded.

        Raises
        ------
        CaseError, DomainError
            As `simulate`.

        Examples
        --------
        >>> from alphatwin.kinetics import InPlace, chain_kinetics, integrate
        >>> model = pbpk("ac225-dotatate")
        >>> curves = model.exponentials(peptide_nmol=100, activity_MBq=8.0)
        >>> decays = integrate(chain_kinetics(curves, model.nuclide, InPlace())).decays
        >>> decays.dims
        ('sample', 'region', 'nuclide')
        """
        parent = nuclide_of(self.nuclide)
        grid = grid_of(_HALF_LIVES * parent.half_life_h)
        solution, values, activity = self._solved(grid, peptide_nmol, activity_MBq, overrides, rtol)
        regions, curve, tia = parent_of(self, solution, values, activity, grid)
        amplitude, rate = exponentials_of(grid, curve, tia, parent.decay_constant_per_h)
        rates = np.tile(rate, (len(activity), 1))
        return {name: (amplitude[:, i], rates) for i, name in enumerate(regions)}

    def decay_sites(
        self,
        peptide_nmol: npt.ArrayLike | None = None,
        activity_MBq: npt.ArrayLike = 1.0,
        *,
        rtol: float = 1e-5,
        **overrides: npt.ArrayLike,
    ) -> xr.DataArray:
        """Where in each region the parent decays: the model's own integrals over all time.

        Parameters
        ----------
        peptide_nmol, activity_MBq, rtol, **overrides
            As in `simulate`.

        Returns
        -------
        DataArray[sample, region, site]
            Shares that sum to one in each region (to zero where nothing decays). Sites: ``plasma``, ``interstitium``,
            ``surface`` (bound to a receptor), ``internalised`` (megalin's uptake too) and ``tubule`` (its fluid).

        Raises
        ------
        CaseError, DomainError
            As `simulate`; an agent that moves by linear transfers alone has no sites.

        Examples
        --------
        >>> sites = pbpk("ac225-dotatate").decay_sites(peptide_nmol=100)
        >>> bool(sites.sel(region="kidneys", site="internalised").item() > 0.9)
        True
        """
        if self.entry.transfers:
            raise DomainError(f"The model of {self.agent} knows compartments alone, no sites inside an organ.")
        grid = np.array([0.0])
        solution, values, _ = self._solved(grid, peptide_nmol, activity_MBq, overrides, rtol, sites=True)
        return sites_of(self, solution, values)

    def _solved(
        self,
        grid_h: Array,
        peptide_nmol: npt.ArrayLike | None,
        activity_MBq: npt.ArrayLike,
        overrides: Mapping[str, npt.ArrayLike],
        rtol: float,
        sites: bool = False,
    ) -> tuple[Solution, Mapping[str, Any], Array]:
        """States at these times and at the end of all decay; the model's values; the activity of each sample."""
        if peptide_nmol is not None:
            overrides = {**overrides, "peptide_nmol": peptide_nmol}
        given = self._checked(overrides)
        parent = nuclide_of(self.nuclide)
        given["lambda_per_min"] = parent.decay_constant_per_h / 60.0
        activity = np.atleast_1d(np.asarray(activity_MBq, dtype=float))
        values = self.compiled.model.check_values(given)
        n = max(len(activity), *(np.size(v) for v in values.values()), 1)
        if activity.ndim != 1 or len(activity) not in (1, n) or not (np.isfinite(activity) & (activity > 0)).all():
            raise DomainError("activity_MBq must be above zero: one number, or one per sample.")
        self._check_label(activity, values)
        start = float(min(0.0, np.min(values.get("amino_acid_start_min", 0.0))))
        given["start_min"] = start
        horizon = max(grid_h[-1], _HALF_LIVES * parent.half_life_h) * 60.0
        times = np.append(grid_h * 60.0, horizon)
        if self.entry.transfers:
            return self._linear(times, values, n), values, np.broadcast_to(activity, (n,))
        model = _compiled(self.entry.id, tuple(self.lesions.items()), True) if sites else self.compiled
        solution = model.solve(times, given, start_min=start, rtol=rtol, samples=n)
        return solution, values, np.broadcast_to(activity, (n,))

    def _linear(self, times_min: Array, values: Mapping[str, Any], n: int) -> Solution:
        """An agent of linear transfers alone, solved exactly: no tolerance, no steps."""
        states = self.compiled.model.state_names
        names = [s.name for s in self.compiled.model.states if s.kind == "amount"]
        rates = {(t.source, t.target): np.asarray(values[t.rate]) / 1440.0 for t in self.entry.transfers}
        given, c = np.array([float(name == "plasma") for name in names]), float(values["lambda_per_min"])
        matrix = transfer_matrix(names, rates, n)
        amounts, sums = solve_linear(matrix, times_min, given, duration_min=values["infusion_min"], decay_per_min=c)
        made = {name: amounts[..., i] for i, name in enumerate(names)}
        made["label"] = np.broadcast_to(np.exp(-c * times_min), (n, len(times_min)))
        for region, members in self.groups.items():
            made[f"int_{region}"] = np.sum([sums[..., names.index(m)] for m in members], axis=0)
        return Solution(states, times_min, np.stack([made[s] for s in states], axis=-1), np.zeros(n, dtype=np.int64))

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
        if "amino_acid_start_min" in self.parameters:
            start = min(0.0, given.get("amino_acid_start_min", self.parameters["amino_acid_start_min"].value))
        else:
            start = 0.0
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
        if "gfr_L_per_min" not in self.parameters:
            return dict(overrides)
        gfr = np.asarray(overrides.get("gfr_L_per_min", self.parameters["gfr_L_per_min"].value), dtype=float)
        if (gfr <= 0).any():
            raise DomainError(
                f"gfr_L_per_min is 0: {self.agent} leaves the body by filtration alone, so nothing would leave plasma. "
                "Give the glomerular filtration rate of the patient, above 0 (0.005 L/min for an anuric patient on the edge of dialysis)."
            )
        return dict(overrides)

    def labelled_nmol(self, activity_MBq: npt.ArrayLike) -> Array:
        """Amount of the labelled molecule that carries this activity, without any unlabelled one."""
        per_s = nuclide_of(self.nuclide).decay_constant_per_h / 3600.0
        return np.asarray(activity_MBq, dtype=float) * 1e6 / per_s / _AVOGADRO_PER_NMOL

    def _check_label(self, activity: Array, values: Mapping[str, Any]) -> None:
        if "peptide_nmol" not in values:
            return
        labelled = self.labelled_nmol(activity)
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


def _parameters(entry: ModelParameters, lesions: Mapping[str, Lesion]) -> dict[str, ModelParameter]:
    """Physiology, agent, and one set of lesion parameters for each lesion."""
    body = model_parameters(entry.species).values
    if entry.transfers:
        return {**{name: body[name] for name in _PHYSIOLOGY_OF_LINEAR}, **entry.values}
    base = {**body, **entry.values}
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
    parameters: str | None = None,
    lesions: Mapping[str, Lesion | float] | None = None,
) -> PBPK:
    """A whole-body model of an agent in a species.

    Parameters
    ----------
    agent : str
        Catalogue id: an agent that binds SSTR2 or PSMA or is taken up by the noradrenaline transporter, or radium
        chloride, e.g. ``"lu177-dotatate"``.
    species : {"human", "mouse", "rat"}
        Animals have somatostatin-receptor peptides alone.
    parameters : str, optional
        A parameter set. Of SSTR2 in man, A holds the internalisation rate at 0.001 per minute and B fits it, both
        calibrated here for one patient; C, the default, is fitted to the means of a population. Others have one set, A.
    lesions : mapping of str to Lesion or float, optional
        By name; a number is the volume in mL. By default one, ``tumour``, of 400 mL (0.2 mL in a mouse, 1 mL in a rat);
        ``{}`` for none. Radium has none.

    Returns
    -------
    PBPK

    Raises
    ------
    CatalogError
        An unknown agent.
    DomainError
        An agent, species or set without a model, a name of a lesion that is no plain word.

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
    known = catalog.agent(agent)
    chosen, entry = _entry(known.id, known.target, species, parameters)
    usual = {"tumour": _USUAL_ML[species]} if not entry.transfers else {}
    given = usual if lesions is None else lesions
    made = {str(name): v if isinstance(v, Lesion) else _lesion(str(name), v) for name, v in given.items()}
    if made and entry.transfers:
        raise DomainError(
            f"The model of {known.id} has no lesions: its transfers are those of a body without metastases."
        )
    taken = {*regions_of((), entry.organs), "red_marrow", "remainder", "excreted", "megalin", "label"}
    taken |= {"lesion", "gut", "artery", "marrow", "p"}
    for name in made:
        if not name.isidentifier() or name in taken:
            raise DomainError(
                f"A lesion cannot be called {name!r}: use a plain word of letters, digits and _ that is no organ of the model."
            )
    return PBPK(
        known.id,
        known.nuclide,
        species,
        chosen,
        MappingProxyType(made),
        MappingProxyType(_parameters(entry, made)),
        _compiled(entry.id, tuple(made.items())),
        entry,
    )


_USUAL_ML = {"human": 400.0, "mouse": 0.2, "rat": 1.0}


def _entry(agent: str, target: str, species: str, parameters: str | None) -> tuple[str, ModelParameters]:
    """The parameter set of an agent in a species, by its variant; the last one where none is named."""
    if species not in _USUAL_ML:
        hint = suggestion(species, _USUAL_ML)
        raise DomainError(f"No whole-body model of species {species!r}. {hint}There is {', '.join(_USUAL_ML)}.")
    sets = parameter_sets(target, species)
    if not sets:
        where = [name for name in _USUAL_ML if parameter_sets(target, name)]
        others = dict.fromkeys(a.target for a in catalog.entries("agent").values() if parameter_sets(a.target, species))
        told = f"there is one for {', '.join(where)}" if where else f"{agent} binds {target}"
        raise DomainError(
            f"No whole-body model of {agent} in the {species}: {told}. In the {species} there are models of agents for {', '.join(others)}."
        )
    chosen = list(sets)[-1] if parameters is None else parameters
    if chosen not in sets:
        raise DomainError(f"No parameter set {parameters!r} of {agent}; there is {', '.join(sets)}.")
    return chosen, model_parameters(sets[chosen])


def _lesion(name: str, volume_mL: float) -> Lesion:
    try:
        return Lesion(float(volume_mL))
    except (TypeError, ValueError) as error:
        if isinstance(error, DomainError):
            raise
        raise DomainError(f"Lesion {name} is {volume_mL!r}; give its volume in mL as a number, or a Lesion.") from error


@functools.lru_cache(maxsize=32)
def _compiled(entry_id: str, lesions: tuple[tuple[str, Lesion], ...], sites: bool = False) -> Compiled:
    entry = model_parameters(entry_id)
    values = _parameters(entry, dict(lesions))
    if entry.transfers:
        return compiled(declare_linear(values, entry.transfers, entry.regions))
    return compiled(declare(values, [name for name, _ in lesions], organs=entry.organs, sites=sites))
