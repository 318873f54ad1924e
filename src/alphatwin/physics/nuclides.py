"""Nuclides: half-life, decay modes, progeny, emissions; activities and numbers of decays of whole chains.

Data are those of ICRP Publication 107 (emissions, branching, half-lives), corrected by the catalogue's override table
where newer evaluations differ (NUBASE2020 half-lives, ENSDF photon yields). Each correction that was applied is listed
in ``Nuclide.overridden``; ``nuclide(name, overrides=False)`` gives ICRP-107 as published.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..catalog import NuclideOverride, nuclide_overrides
from ..errors import CatalogError, DomainError, missing
from ..units import SECONDS_PER_HOUR
from . import RADIATIONS, _chains, _decay_data
from ._chains import ChainTable

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from scipy.interpolate import PchipInterpolator

__all__ = ["ChainTable", "Nuclide", "activities", "chain_table", "decays", "nuclide", "nuclide_names"]

_DECAYS_PER_MBQ_H = 1e6 * SECONDS_PER_HOUR
_BETA_BINS = 200
_LINE_TOLERANCE_KEV = 1.0
_OVERRIDE_UNITS = {**{u: s for u, s in _decay_data.SECONDS.items() if u != "m"}, "min": 60.0, "ns": 1e-9}
_KINDS = {  # radiation -> ICRP-107 emission lists that carry lines, and what we call them; betas are apart
    "alpha": {"alpha": "alpha"},
    "recoil": {"alpha recoil": "recoil"},
    "electron": {"IE": "conversion", "auger": "auger"},
    "photon": {"gamma": "gamma", "X": "x", "annihilation": "annihilation"},
}


@dataclass(frozen=True)
class _Lines:
    """Lines of one radiation: energy_MeV[line], yield_per_decay[line], kind[line]."""

    energy_MeV: np.ndarray
    yield_per_decay: np.ndarray
    kind: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Nuclide:
    """A radionuclide, its decay and what it emits.

    Attributes
    ----------
    name : str
        E.g. ``"Ac-225"``.
    half_life_h : float
        Half-life, h.
    half_life_source : str
        Key in the bibliography.
    modes : tuple of str
        Of ``alpha``, ``beta-``, ``EC``, ``beta+``, ``IT``, ``SF``, as far as ICRP-107 carries them.
    progeny : mapping of str to float
        Direct daughters, stable ones included, and their branching fractions as published: the sum may miss 1 by a
        neglected branch (At-217: 0.99988) or by fission.
    chain : tuple of str
        The radioactive members of the chain, itself first, every parent before its daughters.
    overridden : tuple of NuclideOverride
        Catalogue entries that replaced an ICRP-107 value of this nuclide.
    sources : tuple of str
        Bibliography keys of everything above.
    not_carried : mapping of str to float
        Energy in MeV per decay of ICRP-107 emissions that alphatwin does not transport (``fission`` fragments,
        ``neutron``, ``betaD``: delayed betas of the fragments). Empty for all but 28 fissioning nuclides.
    """

    name: str
    half_life_h: float
    half_life_source: str
    modes: tuple[str, ...]
    progeny: Mapping[str, float]
    chain: tuple[str, ...]
    overridden: tuple[NuclideOverride, ...] = field(repr=False)
    sources: tuple[str, ...]
    not_carried: Mapping[str, float]
    _overrides: bool = field(repr=False)
    _lines: Mapping[str, _Lines] = field(repr=False)
    _beta_means: np.ndarray = field(repr=False)
    _beta_table: np.ndarray = field(repr=False)

    @property
    def decay_constant_per_h(self) -> float:
        """ln 2 / half-life, 1/h."""
        return math.log(2.0) / self.half_life_h

    @property
    def stable_progeny(self) -> tuple[str, ...]:
        """Stable nuclides at the end of the chain."""
        return tuple(n for n in _decay_data.descendants(self.name) if n not in set(self.chain))

    def branching_to(self, name: str) -> float:
        """Expected number of decays of a nuclide, once all is over, per decay of this one.

        Parameters
        ----------
        name : str
            A radionuclide; 0 when it is not in the chain, 1 for the nuclide itself.

        Returns
        -------
        float

        Raises
        ------
        CatalogError
            The name is unknown or stable.

        Examples
        --------
        >>> nuclide("Ac-225").branching_to("Tl-209")
        0.020897...
        """
        wanted = _canonical(name)
        table = chain_table(self.name, overrides=self._overrides)
        if wanted not in table.names:
            return 0.0
        start = np.zeros(len(table.names))
        start[table.names.index(self.name)] = 1.0
        return float(_chains.total_integrals(table, start)[table.names.index(wanted)])

    def energy_MeV(self, radiation: str, *, chain: bool = False) -> float:
        """Mean energy emitted per decay as one radiation, MeV.

        Parameters
        ----------
        radiation : str
            ``alpha``, ``recoil``, ``electron`` (beta-, beta+, conversion and Auger) or ``photon`` (gamma, X,
            annihilation).
        chain : bool
            Add all progeny, each as often as it decays per decay of this nuclide, however long that takes: for
            progeny that outlive the patient (Bi-207 after At-211) use `decays` over the time of interest.

        Returns
        -------
        float

        Raises
        ------
        DomainError
            Unknown radiation.

        Examples
        --------
        >>> round(nuclide("Ac-225").energy_MeV("alpha"), 4)
        5.7872
        >>> round(nuclide("Ac-225").energy_MeV("alpha", chain=True), 2)
        27.48
        """
        lines = self._of(radiation)
        total = math.fsum(lines.energy_MeV * lines.yield_per_decay)
        if radiation == "electron":
            total += math.fsum(self._beta_means[:, 0] * self._beta_means[:, 1])
        if not chain:
            return total
        return total + math.fsum(
            self.branching_to(n) * nuclide(n, overrides=self._overrides).energy_MeV(radiation) for n in self.chain[1:]
        )

    def emissions(self, radiation: str) -> pd.DataFrame:
        """What one decay emits as one radiation.

        Parameters
        ----------
        radiation : str
            ``alpha``, ``recoil``, ``electron`` or ``photon``.

        Returns
        -------
        pandas.DataFrame
            Columns ``energy_MeV``, ``yield_per_decay``, ``kind``: ``alpha``; ``recoil``; ``beta`` (the full spectrum
            in 200 bins, each at its mean energy), ``conversion``, ``auger``; ``gamma``, ``x``, ``annihilation``.
            The number and the energy of the betas sum to those of the ICRP-107 branches.

        Raises
        ------
        DomainError
            Unknown radiation.

        Examples
        --------
        >>> alphas = nuclide("Po-212").emissions("alpha")
        >>> [float(round(e, 4)) for e in alphas["energy_MeV"]], alphas["kind"][0]
        ([8.7851], 'alpha')
        """
        import pandas as pd

        lines = self._of(radiation)
        energy, yields, kind = lines.energy_MeV, lines.yield_per_decay, lines.kind
        if radiation == "electron" and len(self._beta_means):
            beta_energy, beta_yield = self._beta_bins()
            energy = np.concatenate([beta_energy, energy])
            yields = np.concatenate([beta_yield, yields])
            kind = ("beta",) * len(beta_energy) + kind
        return pd.DataFrame({"energy_MeV": energy, "yield_per_decay": yields, "kind": list(kind)})

    def beta_spectrum(self, energy_MeV: float | np.ndarray) -> np.ndarray:
        """Beta spectrum dN/dE, all branches and both signs, per MeV per decay.

        Shape-preserving cubic (PCHIP) interpolation of the ICRP-107 table; zero above its end.

        Parameters
        ----------
        energy_MeV : float or ndarray
            Kinetic energy, MeV, not negative.

        Returns
        -------
        ndarray
            Same shape, 1/MeV.

        Raises
        ------
        DomainError
            A negative energy or one that is not a number; or a nuclide whose tabulated spectrum holds the betas of
            fission fragments too.

        Examples
        --------
        >>> float(nuclide("Y-90").beta_spectrum(2.5))
        0.0
        """
        energy = np.asarray(energy_MeV, dtype=float)
        if not (energy >= 0).all():
            raise DomainError(f"A beta spectrum was asked at {energy_MeV!r} MeV; kinetic energies are 0 MeV or more.")
        if "betaD" in self.not_carried:
            raise DomainError(
                f"The ICRP-107 beta spectrum of {self.name} includes the betas of its fission fragments and cannot be "
                "taken apart; emissions('electron') gives the mean energy of each beta branch."
            )
        if not len(self._beta_table):
            return np.zeros(energy.shape)
        end = self._beta_table[-1, 0]
        inside = self._pchip()(np.minimum(energy, end))
        return np.where(energy <= end, np.maximum(inside, 0.0), 0.0)  # rounding at the end-point

    def _of(self, radiation: str) -> _Lines:
        if radiation not in self._lines:
            raise DomainError(f"No radiation {radiation!r}; it is one of {', '.join(RADIATIONS)}.")
        return self._lines[radiation]

    def _pchip(self) -> PchipInterpolator:
        from scipy.interpolate import PchipInterpolator

        return PchipInterpolator(self._beta_table[:, 0], self._beta_table[:, 1])

    def _beta_bins(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean energy and yield of each bin of the spectrum, number and energy those of the branches.

        Interpolation misses both by less than 0.3 % (N-16, cut off at 9 MeV: 2.4 %); the branches are right.
        """
        means = self._beta_means
        if "betaD" in self.not_carried:
            return means[:, 0], means[:, 1]
        number, energy = float(means[:, 1].sum()), float((means[:, 0] * means[:, 1]).sum())
        curve = self._pchip()
        edges = np.linspace(self._beta_table[0, 0], self._beta_table[-1, 0], _BETA_BINS + 1)
        knots = np.union1d(edges, self._beta_table[:, 0])  # between knots the spectrum is one cubic
        node, weight = np.polynomial.legendre.leggauss(3)  # exact to degree 5: energy times a cubic has 4
        half, middle = np.diff(knots) / 2, (knots[1:] + knots[:-1]) / 2
        at = middle[:, None] + half[:, None] * node
        density = curve(at) * weight * half[:, None]
        bin_of = np.clip(np.searchsorted(edges, middle) - 1, 0, _BETA_BINS - 1)
        yields = np.bincount(bin_of, density.sum(axis=1), _BETA_BINS)
        energies = np.bincount(bin_of, (density * at).sum(axis=1), _BETA_BINS)
        some = yields > 0
        yields, energies = yields[some], energies[some]
        mean = energies / yields * (energy / number) / (energies.sum() / yields.sum())
        return mean, yields * (number / yields.sum())


def nuclide_names() -> tuple[str, ...]:
    """Names of all radionuclides (ICRP-107), by element and mass number.

    Examples
    --------
    >>> len(nuclide_names())
    1252
    """
    return _decay_data.nuclide_names()


@functools.cache
def _folded_names() -> dict[str, str]:
    return {n.casefold(): n for n in nuclide_names()}


def _spellings(asked: str) -> list[str]:
    """What a spelling such as ``225Ac``, ``ac225`` or ``99m-Tc`` can mean, folded, as element and mass."""
    match = re.fullmatch(r"([a-z]{1,2})\s*-?\s*(\d+[mn]?)", asked.casefold())
    if match:
        return [f"{match[1]}-{match[2]}"]
    match = re.fullmatch(r"(\d+)\s*-?\s*([a-z]{1,4}|[mn]\s*-\s*[a-z]{1,2}|[mn]\s+[a-z]{1,2})", asked.casefold())
    if not match:
        return []
    letters = re.sub(r"[\s-]", "", match[2])  # "99mo" is mass 99 of Mo, or 99m of O: what exists is meant
    return [f"{letters}-{match[1]}"] + ([f"{letters[1:]}-{match[1]}{letters[0]}"] if letters[0] in "mn" else [])


def _canonical(name: str) -> str:
    """The name as in every result, ``Ac-225``, of any spelling that can mean one nuclide only."""
    asked = str(name).strip()
    meant = dict.fromkeys([asked.casefold(), *_spellings(asked)])
    found = [_folded_names()[m] for m in meant if m in _folded_names()]
    if len(found) == 1:
        return found[0]
    if found:
        raise CatalogError(f"{asked!r} can mean {' or '.join(found)}; write one of these.")
    for stable in _decay_data.stable_names():
        if stable.casefold() in meant:
            raise CatalogError(f"{stable} is stable: it has no activity and emits nothing. Name a radionuclide.")
    raise missing("nuclide", asked, nuclide_names())


def _overrides_of(name: str, quantity: str) -> tuple[NuclideOverride, ...]:
    return tuple(o for o in nuclide_overrides() if o.nuclide == name and o.quantity == quantity)


def _half_life_h(name: str, overrides: bool) -> tuple[float, tuple[NuclideOverride, ...]]:
    entries = _overrides_of(name, "half_life") if overrides else ()
    if not entries:
        return _decay_data.read_raw(name).half_life_s / SECONDS_PER_HOUR, ()
    if len(entries) > 1:
        raise CatalogError(f"nuclides/overrides.yaml gives the half-life of {name} {len(entries)} times.")
    entry = entries[0]
    if entry.unit not in _OVERRIDE_UNITS:
        raise CatalogError(
            f"nuclides/overrides.yaml gives the half-life of {name} in {entry.unit!r}; "
            f"use one of {', '.join(_OVERRIDE_UNITS)}."
        )
    if entry.value <= 0:
        raise CatalogError(f"nuclides/overrides.yaml gives {name} the half-life {entry.value:g} {entry.unit}.")
    return entry.value * _OVERRIDE_UNITS[entry.unit] / SECONDS_PER_HOUR, entries


def _gamma_lines(name: str, table: np.ndarray, overrides: bool) -> tuple[np.ndarray, tuple[NuclideOverride, ...]]:
    """Gamma lines with overridden yields; ICRP-107's energy stays, so that a line keeps its name."""
    entries = _overrides_of(name, "photon_yield") if overrides else ()
    table = table.copy()
    replaced: set[int] = set()
    for entry in entries:
        distance = np.abs(table[:, 0] * 1e3 - float(entry.energy_keV or 0.0))
        line = int(distance.argmin()) if len(distance) else -1
        if line < 0 or distance[line] > _LINE_TOLERANCE_KEV or line in replaced:
            raise CatalogError(
                f"nuclides/overrides.yaml gives a yield at {entry.energy_keV} keV of {name}; there must be one such "
                f"line, and ICRP-107 must have a gamma within {_LINE_TOLERANCE_KEV:g} keV of it."
            )
        if entry.unit not in ("1", "%") or entry.value < 0:
            raise CatalogError(
                f"nuclides/overrides.yaml: the yield of {name} is {entry.value:g} {entry.unit!r}; give it in % or 1."
            )
        table[line, 1] = entry.value / (100.0 if entry.unit == "%" else 1.0)
        replaced.add(line)
    return table, entries


def _modes(name: str, progeny: Mapping[str, float], emissions: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Decay modes, from the change of charge and mass number and from the positrons and fragments emitted."""
    z, a = _decay_data.atomic_numbers(name)
    named = {(2, 4): ("alpha",), (-1, 0): ("beta-",), (0, 0): ("IT",)}
    capture = ("EC", "beta+") if len(emissions["beta+"]) else ("EC",)
    found: dict[str, None] = {}
    for daughter in progeny:
        dz, da = _decay_data.atomic_numbers(daughter)
        change = (z - dz, a - da)
        if change != (1, 0) and change not in named:
            raise CatalogError(f"ICRP-107 data let {name} decay to {daughter}, which no decay mode explains.")
        found.update(dict.fromkeys(capture if change == (1, 0) else named[change]))
    if len(emissions["fission"]):
        found["SF"] = None
    return tuple(found)


def nuclide(name: str, *, overrides: bool = True) -> Nuclide:
    """A radionuclide of ICRP-107.

    Parameters
    ----------
    name : str
        Element, hyphen, mass number, ``m`` for an isomer: ``"Ac-225"``, ``"Tc-99m"``; ``"225Ac"``, ``"Ac225"`` and
        ``"99mTc"`` mean the same, and capitals do not matter. Results always say ``"Ac-225"``.
    overrides : bool
        Apply the catalogue's newer half-lives and photon yields; False gives ICRP-107 as published.

    Returns
    -------
    Nuclide
        Frozen and cached.

    Raises
    ------
    CatalogError
        Unknown name (with a suggestion), a stable nuclide, or damaged data.

    Notes
    -----
    ICRP Publication 107, Ann. ICRP 38(3), 2008. A new photon yield replaces one line; conversion electrons, X rays
    and other lines stay those of ICRP-107.

    Examples
    --------
    >>> ac225 = nuclide("Ac-225")
    >>> round(ac225.half_life_h / 24, 4), ac225.half_life_source
    (9.919, 'nubase2020')
    >>> ac225.chain
    ('Ac-225', 'Fr-221', 'At-217', 'Bi-213', 'Po-213', 'Tl-209', 'Pb-209')
    >>> nuclide("225Ac").name, nuclide("tc99m").name
    ('Ac-225', 'Tc-99m')
    >>> nuclide("Ac-22")
    Traceback (most recent call last):
    ...
    alphatwin.errors.CatalogError: No nuclide 'Ac-22' in the catalogue. Did you mean Ac-232 or Ac-228 or Ac-227? \
List them with `alphatwin list nuclide`.
    """
    return _nuclide(_canonical(name), bool(overrides))


@functools.cache
def _nuclide(name: str, overrides: bool) -> Nuclide:
    emissions = _decay_data.read_raw(name).emissions
    half_life_h, new_half_life = _half_life_h(name, overrides)
    gammas, new_gammas = _gamma_lines(name, emissions["gamma"], overrides)
    progeny = _decay_data.daughters(name)
    lines: dict[str, _Lines] = {}
    for radiation, lists in _KINDS.items():
        tables = [gammas if key == "gamma" else emissions[key] for key in lists]
        both = np.concatenate(tables)
        kinds = tuple(kind for kind, table in zip(lists.values(), tables, strict=True) for _ in table)
        lines[radiation] = _Lines(both[:, 0], both[:, 1], kinds)
    overridden = new_half_life + new_gammas
    return Nuclide(
        name=name,
        half_life_h=half_life_h,
        half_life_source=new_half_life[0].source if new_half_life else "icrp107",
        modes=_modes(name, progeny, emissions),
        progeny=MappingProxyType(progeny),
        chain=_chain((name,)),
        overridden=overridden,
        sources=tuple(dict.fromkeys(["icrp107", *(o.source for o in overridden)])),
        not_carried=MappingProxyType(
            {k: math.fsum(emissions[k].prod(axis=1)) for k in _decay_data.NOT_CARRIED if len(emissions[k])}
        ),
        _overrides=overrides,
        _lines=MappingProxyType(lines),
        _beta_means=np.concatenate([emissions["beta-"], emissions["beta+"]]),
        _beta_table=emissions["b-spectra"],
    )


@functools.cache
def _chain(parents: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(n for n in _decay_data.descendants(*parents) if n not in _decay_data.stable_names())


def chain_table(name: str | Iterable[str], *, overrides: bool = True) -> ChainTable:
    """A whole decay chain as numbers, for kinetic models in which daughters grow in.

    Parameters
    ----------
    name : str or iterable of str
        The parent, or several: then the union of their chains.
    overrides : bool
        As in `nuclide`.

    Returns
    -------
    ChainTable
        ``names`` (n), parents before daughters; ``decay_constant_per_h`` [n], 1/h; ``branching`` [daughter, parent].

    Raises
    ------
    CatalogError
        Unknown or stable nuclide.

    Examples
    --------
    >>> names, decay_constant_per_h, branching = chain_table("Bi-213")
    >>> names
    ('Bi-213', 'Po-213', 'Tl-209', 'Pb-209')
    >>> float(branching[names.index("Po-213"), names.index("Bi-213")])
    0.9791
    """
    asked = [name] if isinstance(name, str) else list(name)
    if not asked:
        raise CatalogError("A chain needs at least one nuclide, such as 'Ac-225'.")
    return _chain_table(tuple(sorted({_canonical(n) for n in asked})), bool(overrides))


@functools.cache
def _chain_table(parents: tuple[str, ...], overrides: bool) -> ChainTable:
    names = _chain(parents)
    index = {n: i for i, n in enumerate(names)}
    rates = np.array([math.log(2.0) / _half_life_h(n, overrides)[0] for n in names])
    branching = np.zeros((len(names), len(names)))
    for parent in names:
        for daughter, fraction in _decay_data.daughters(parent).items():
            if daughter in index:
                branching[index[daughter], index[parent]] = fraction
    rates.flags.writeable = branching.flags.writeable = False
    return ChainTable(names, rates, branching)


def _start(activity_MBq: Mapping[str, float], overrides: bool) -> tuple[ChainTable, np.ndarray]:
    """The chain of a mixture and N(0) = A(0) / lambda, in MBq h."""
    if not hasattr(activity_MBq, "items") or not activity_MBq:
        raise DomainError(f"Give activities as {{nuclide: MBq}}, such as {{'Ac-225': 8.0}}; this was {activity_MBq!r}.")
    given: dict[str, float] = {}
    for name, value in activity_MBq.items():
        key = _canonical(name)
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise DomainError(f"The activity of {key} is {value!r}; give a number in MBq.") from error
        if not (math.isfinite(number) and number >= 0):
            raise DomainError(f"The activity of {key} is {number:g} MBq; it must be finite and not negative.")
        if key in given:
            raise DomainError(f"{key} is given twice, with {given[key]:g} and {number:g} MBq.")
        given[key] = number
    table = chain_table(given, overrides=overrides)
    start = np.array([given.get(n, 0.0) for n in table.names]) / table.decay_constant_per_h
    return table, start


def _array(values: np.ndarray, coords: dict[str, Any], units: str, long_name: str) -> xr.DataArray:
    import xarray as xr

    array = xr.DataArray(values, coords=coords, dims=tuple(coords), attrs={"units": units, "long_name": long_name})
    if "time" in coords:
        array["time"].attrs.update(units="h", long_name="time")
    return array


def activities(activity_MBq: Mapping[str, float], times_h: Any, *, overrides: bool = True) -> xr.DataArray:
    """Activity of every member of the chains of a mixture, at any times.

    Exact (Bateman), including in-growth in the first microseconds and half-lives that nearly agree; see `_chains`.
    A generator or an impurity is only another mixture: ``{"Ac-225": 10, "Ac-227": 0.05}``.

    Parameters
    ----------
    activity_MBq : mapping of str to float
        Activity of each nuclide at time 0, MBq; daughters that are not named start at 0.
    times_h : array_like, shape (t,)
        Times after that, h; finite, not negative, in any order. One number counts as one time.
    overrides : bool
        As in `nuclide`.

    Returns
    -------
    xarray.DataArray
        dims (nuclide, time), MBq; parents before daughters.

    Raises
    ------
    DomainError
        A negative, missing or infinite activity or time.
    CatalogError
        Unknown or stable nuclide.

    Examples
    --------
    >>> a = activities({"Pb-212": 100.0}, [0.0, 10.627])
    >>> [round(float(v), 1) for v in a.sel(nuclide="Pb-212")]
    [100.0, 50.0]
    >>> bool((a.sel(nuclide="Bi-212", time=10.627) > 50).item())  # transient equilibrium
    True
    """
    table, start = _start(activity_MBq, overrides)
    try:
        times = np.atleast_1d(np.asarray(times_h, dtype=float))
    except (TypeError, ValueError) as error:
        raise DomainError(f"times_h is {times_h!r}; give a list of numbers, in h.") from error
    if times.ndim != 1 or not times.size:
        raise DomainError(f"times_h has the shape {times.shape}; give a list of at least one time, in h.")
    wrong = ~(np.isfinite(times) & (times >= 0))
    if wrong.any():
        raise DomainError(f"times_h holds {times[wrong][0]:g} h; times must be finite and not negative.")
    found = table.decay_constant_per_h[:, None] * _chains.atoms(table, start, times)
    return _array(found, {"nuclide": list(table.names), "time": times}, "MBq", "activity")


def decays(activity_MBq: Mapping[str, float], duration_h: float = math.inf, *, overrides: bool = True) -> xr.DataArray:
    """Number of decays of every member of the chains of a mixture, from time 0 to a duration.

    The exact time integral of `activities`: 1 MBq h is 3.6e9 decays.

    Parameters
    ----------
    activity_MBq : mapping of str to float
        Activity of each nuclide at time 0, MBq.
    duration_h : float
        h, not negative; ``inf`` waits for the last atom.
    overrides : bool
        As in `nuclide`.

    Returns
    -------
    xarray.DataArray
        dims (nuclide,), a number (units "1").

    Raises
    ------
    DomainError
        A negative or missing activity or duration.
    CatalogError
        Unknown or stable nuclide.

    Examples
    --------
    >>> n = decays({"Lu-177": 1.0})
    >>> bool(abs(n.item() / (3.6e9 * nuclide("Lu-177").half_life_h / 0.6931471805599453) - 1) < 1e-12)
    True
    """
    table, start = _start(activity_MBq, overrides)
    duration = float(duration_h)
    if not duration >= 0:
        raise DomainError(f"duration_h is {duration:g} h; it must not be negative (inf is allowed).")
    found = _chains.integrals(table, start, np.array([duration]))[:, 0] * _DECAYS_PER_MBQ_H
    return _array(found, {"nuclide": list(table.names)}, "1", "number of decays")
