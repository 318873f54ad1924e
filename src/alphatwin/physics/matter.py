"""Matter: what alphas, protons, electrons and photons do in a medium, by name.

Energies are kinetic energies of the whole particle in MeV (not per nucleon), ranges are continuous-slowing-down ranges.
Outside a table's span every method raises DomainError: nothing is extrapolated.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from .. import catalog
from ..errors import CatalogError, DomainError, suggestion
from . import _photons, _stopping
from ._curves import Array, LogCurve

__all__ = ["Material", "medium"]

Floats: TypeAlias = float | npt.ArrayLike
AlphaTable = Literal["astar", "icru90"]
ElectronTable = Literal["estar", "icru90"]

AVOGADRO_PER_MOL = 6.02214076e23
PARTICLES = ("alpha", "proton", "electron")
_PARTS = {
    "alpha": ("total", "electronic", "nuclear"),
    "proton": ("total", "electronic", "nuclear"),
    "electron": ("total", "collision", "radiative"),
}
_TABLE_SOURCES = {
    ("alpha", "astar"): ("astar", "icru49"),
    ("alpha", "icru90"): ("astar", "icru90"),
    ("electron", "estar"): ("estar", "icru37"),
    ("electron", "icru90"): ("estar", "icru90"),
}


@dataclass(frozen=True)
class Material:
    """A medium and its interaction data; made by `medium`, never changed.

    Attributes
    ----------
    name : str
        Catalogue id, e.g. ``"soft-tissue"``.
    alpha_table : {"astar", "icru90"}
        Stopping data for alphas and protons.
    electron_table : {"estar", "icru90"}
        Stopping data for electrons.
    """

    name: str
    alpha_table: AlphaTable = "astar"
    electron_table: ElectronTable = "estar"

    # --- the medium itself -------------------------------------------------------------------------------------------

    @property
    def entry(self) -> catalog.Medium:
        """The catalogue entry: every number with its unit, source and locator."""
        return catalog.medium(self.name)

    @property
    def density_g_per_cm3(self) -> float:
        """Mass density in g/cm3."""
        return self.entry.density.value

    @property
    def mass_fractions(self) -> dict[str, float]:
        """Elemental mass fractions by symbol, scaled to sum to exactly 1."""
        given = self.entry.composition.fractions
        total = sum(given.values())
        return {symbol: value / total for symbol, value in given.items()}

    @property
    def sources(self) -> tuple[str, ...]:
        """Bibliography keys behind this material: its entry and the tables it reads."""
        used = [cited.source for _, cited in catalog.cited_in(self.entry)]
        used += _TABLE_SOURCES["alpha", self.alpha_table] + _TABLE_SOURCES["electron", self.electron_table]
        return tuple(sorted({*used, "xcom", "hubbell1995", "xraylib"}))

    def energy_limits_MeV(self, particle: str) -> tuple[float, float]:
        """First and last energy of the table of ``"alpha"``, ``"proton"``, ``"electron"`` or ``"photon"``."""
        if particle == "photon":
            return _photons.LOW_MEV, _photons.HIGH_MEV
        table = _stopping_table(self, _known(particle))
        return float(table.energy_MeV[0]), float(table.energy_MeV[-1])

    # --- charged particles -------------------------------------------------------------------------------------------

    @overload
    def mass_stopping_power(self, particle: str, energy_MeV: float, part: str = "total") -> float: ...
    @overload
    def mass_stopping_power(self, particle: str, energy_MeV: npt.ArrayLike, part: str = "total") -> Array: ...
    def mass_stopping_power(self, particle: str, energy_MeV: Floats, part: str = "total") -> float | Array:
        """Mass stopping power S/rho in MeV cm2/g.

        Parameters
        ----------
        particle : {"alpha", "proton", "electron"}
        energy_MeV : float or array of any shape
            Kinetic energy of the whole particle.
        part : str
            ``"total"``; for ions ``"electronic"`` or ``"nuclear"``; for electrons ``"collision"`` or ``"radiative"``.

        Returns
        -------
        float or array of the same shape

        Raises
        ------
        DomainError
            An energy outside the table, an unknown particle or part.

        Notes
        -----
        Ions: ASTAR and PSTAR (ICRU Report 49), a cubic spline in logarithms through NIST's points. Electrons: Bethe's
        formula with Sternheimer's density effect and NIST's radiative stopping powers (ICRU Report 37, ESTAR).

        Examples
        --------
        >>> round(medium("water").mass_stopping_power("alpha", 5.0), 1)
        885.5
        """
        if part not in _PARTS[_known(particle)]:
            raise DomainError(
                f"No part {part!r} of the {particle} stopping power; it has {', '.join(_PARTS[particle])}."
            )
        table = _stopping_table(self, particle)
        return self._evaluate(lambda e: table.stopping_power(e, part), particle, energy_MeV)

    @overload
    def csda_range_g_per_cm2(self, particle: str, energy_MeV: float) -> float: ...
    @overload
    def csda_range_g_per_cm2(self, particle: str, energy_MeV: npt.ArrayLike) -> Array: ...
    def csda_range_g_per_cm2(self, particle: str, energy_MeV: Floats) -> float | Array:
        """Continuous-slowing-down range in g/cm2: R(E) = R(1 keV) + integral of dE'/S(E') with S the total.

        R(1 keV) is ASTAR's or PSTAR's own (ions), E/(2 S) as in ESTAR (electrons).

        Raises
        ------
        DomainError
            An energy outside the table, or an unknown particle.

        Examples
        --------
        >>> round(medium("water").csda_range_g_per_cm2("electron", 1.0), 4)
        0.4367
        """
        return self._evaluate(_stopping_table(self, _known(particle)).range_g_per_cm2, particle, energy_MeV)

    @overload
    def csda_range_um(self, particle: str, energy_MeV: float) -> float: ...
    @overload
    def csda_range_um(self, particle: str, energy_MeV: npt.ArrayLike) -> Array: ...
    def csda_range_um(self, particle: str, energy_MeV: Floats) -> float | Array:
        """Continuous-slowing-down range in micrometres, at the medium's density.

        Examples
        --------
        >>> round(medium("water").csda_range_um("alpha", 5.8), 1)
        47.1
        """
        return self.csda_range_g_per_cm2(particle, energy_MeV) * (1e4 / self.density_g_per_cm3)

    @overload
    def let_keV_per_um(self, particle: str, energy_MeV: float) -> float: ...
    @overload
    def let_keV_per_um(self, particle: str, energy_MeV: npt.ArrayLike) -> Array: ...
    def let_keV_per_um(self, particle: str, energy_MeV: Floats) -> float | Array:
        """Unrestricted linear energy transfer in keV/um: the linear *electronic* (collision) stopping power.

        ICRU Report 85: L = dE_el/dl. The nuclear part (ions) and the radiative part (electrons) do not count; use
        `mass_stopping_power` for the total. 1 MeV cm2/g in a medium of 1 g/cm3 is 0.1 keV/um.

        Examples
        --------
        >>> round(medium("water").let_keV_per_um("alpha", 5.0), 1)
        88.5
        """
        part = "collision" if particle == "electron" else "electronic"
        return self.mass_stopping_power(particle, energy_MeV, part) * (0.1 * self.density_g_per_cm3)

    @overload
    def energy_after(self, particle: str, residual_range_um: float) -> float: ...
    @overload
    def energy_after(self, particle: str, residual_range_um: npt.ArrayLike) -> Array: ...
    def energy_after(self, particle: str, residual_range_um: Floats) -> float | Array:
        """Energy (MeV) of a particle that has this CSDA range left; the inverse of `csda_range_um`.

        After a path x, the energy is ``energy_after(p, csda_range_um(p, E) - x)``. Between range 0 and the range at
        the first table energy (1 keV) the energy is a straight line from 0 to 1 keV.

        Raises
        ------
        DomainError
            A negative range, or one above the range at the last table energy.

        Examples
        --------
        >>> water = medium("water")
        >>> round(water.energy_after("alpha", water.csda_range_um("alpha", 5.8) - 20.0), 3)
        4.003
        """
        table = _stopping_table(self, _known(particle))
        to_um = 1e4 / self.density_g_per_cm3
        values = np.asarray(residual_range_um, dtype=float)
        top = float(table.range_g_per_cm2(table.energy_MeV[-1:])[0]) * to_um
        if not bool(np.all((values >= 0) & (values <= top))):
            raise DomainError(
                f"Residual range of {particle} in {self.name} given as {_worst(values, 0.0, top)} um; the table covers "
                f"0 to {top:.6g} um."
            )
        return _like(table.energy_at_range(np.atleast_1d(values) / to_um).reshape(values.shape))

    @overload
    def radiation_yield(self, energy_MeV: float) -> float: ...
    @overload
    def radiation_yield(self, energy_MeV: npt.ArrayLike) -> Array: ...
    def radiation_yield(self, energy_MeV: Floats) -> float | Array:
        """Fraction of an electron's initial energy that leaves as bremsstrahlung while it slows down (ICRU Report 37).

        Examples
        --------
        >>> round(medium("water").radiation_yield(1.0), 5)
        0.00358
        """
        return self._evaluate(_yield_curve(self), "electron", energy_MeV)

    # --- photons -----------------------------------------------------------------------------------------------------

    @overload
    def mass_attenuation(self, energy_MeV: float) -> float: ...
    @overload
    def mass_attenuation(self, energy_MeV: npt.ArrayLike) -> Array: ...
    def mass_attenuation(self, energy_MeV: Floats) -> float | Array:
        """Photon mass attenuation coefficient mu/rho in cm2/g, coherent scattering included; 1 keV to 20 MeV.

        Source: XCOM element cross sections, mixed by mass fraction.

        Raises
        ------
        DomainError
            An energy outside 1 keV to 20 MeV.

        Examples
        --------
        >>> round(medium("water").mass_attenuation(0.1), 4)
        0.1707
        """
        table = _photon_table(self)
        return self._evaluate(lambda e: table.interpolate(e, table.coefficients["total"]), "photon", energy_MeV)

    @overload
    def mass_energy_absorption(self, energy_MeV: float) -> float: ...
    @overload
    def mass_energy_absorption(self, energy_MeV: npt.ArrayLike) -> Array: ...
    def mass_energy_absorption(self, energy_MeV: Floats) -> float | Array:
        """Photon mass energy-absorption coefficient mu_en/rho in cm2/g; 1 keV to 20 MeV.

        mu_en = sum over processes of mu_i f_i, f_i the share of the photon energy that charged particles keep after
        bremsstrahlung: photoelectric 1 less K fluorescence, incoherent <T>/E of Klein-Nishina weighted with S(x, Z),
        pair and triplet 1 - 2 m c^2/E; every electron energy T times 1 - Y(T), and for positrons also less what
        annihilation in flight takes away (the recipe of Hubbell & Seltzer 1995, NISTIR 5632, section 3).

        Raises
        ------
        DomainError
            An energy outside 1 keV to 20 MeV.

        Examples
        --------
        >>> round(medium("water").mass_energy_absorption(0.1), 4)
        0.0255
        """
        table = _photon_table(self)
        return self._evaluate(lambda e: table.interpolate(e, table.energy_absorption), "photon", energy_MeV)

    def photon_interactions(self, energy_MeV: Floats) -> dict[str, Array]:
        """Partial mass coefficients in cm2/g, each with the shape of `energy_MeV`; their sum is `mass_attenuation`.

        Keys: ``photoelectric``, ``coherent``, ``incoherent``, ``pair`` (nuclear and electron field together).

        Raises
        ------
        DomainError
            An energy outside 1 keV to 20 MeV.

        Examples
        --------
        >>> parts = medium("water").photon_interactions([0.1, 2.0])
        >>> parts["pair"].round(6).tolist()
        [0.0, 0.000391]
        """
        table = _photon_table(self)

        def evaluate(name: str) -> Array:
            return np.asarray(
                self._evaluate(lambda e: table.interpolate(e, table.coefficients[name]), "photon", energy_MeV)
            )

        return {name: evaluate(name) for name in _photons.PROCESSES}

    # --- shared ------------------------------------------------------------------------------------------------------

    def _evaluate(self, function: Callable[[Array], Array], particle: str, energy_MeV: Floats) -> float | Array:
        values = np.asarray(energy_MeV, dtype=float)
        low, high = self.energy_limits_MeV(particle)
        if not bool(np.all((values >= low) & (values <= high))):
            raise DomainError(
                f"Energy of {particle} in {self.name} given as {_worst(values, low, high)} MeV; the table covers "
                f"{low:g} to {high:g} MeV and is not extrapolated. Energies are in MeV per particle, not per nucleon."
            )
        return _like(function(np.atleast_1d(values)).reshape(values.shape))


def medium(name: str, *, alpha_table: AlphaTable = "astar", electron_table: ElectronTable = "estar") -> Material:
    """The medium with this catalogue name, e.g. ``"water"`` or ``"kidney"``; cheap, tables are built at first use.

    Parameters
    ----------
    name : str
        Catalogue id; upper and lower case do not matter.
    alpha_table : {"astar", "icru90"}
        ``"icru90"`` shifts the mean excitation energy of water from 75 to 78 eV (ICRU Report 90); water only.
    electron_table : {"estar", "icru90"}
        ``"icru90"`` computes water with I = 78 eV and 0.998 g/cm3 in the density effect; water only.

    Raises
    ------
    CatalogError
        An unknown name (with suggestions) or table.
    DomainError
        An ICRU-90 table for a medium other than water.

    Examples
    --------
    >>> medium("water").density_g_per_cm3
    1.0
    >>> round(medium("water", alpha_table="icru90").csda_range_g_per_cm2("alpha", 5.0) * 1e3, 3)
    3.798
    """
    entry = catalog.medium(name)
    for given, known in ((alpha_table, ("astar", "icru90")), (electron_table, ("estar", "icru90"))):
        if given not in known:
            raise CatalogError(
                f"No stopping table {given!r}; there is {' and '.join(known)}. {suggestion(given, known)}"
            )
        if given == "icru90" and entry.id != "water":
            raise DomainError(f"ICRU Report 90 has no table for {entry.id}: of our media it covers water only.")
    return _material(entry.id, alpha_table, electron_table)


@functools.cache
def _material(name: str, alpha_table: AlphaTable, electron_table: ElectronTable) -> Material:
    return Material(name, alpha_table, electron_table)


def _known(particle: str) -> str:
    if particle not in PARTICLES:
        hint = suggestion(str(particle), PARTICLES)
        raise DomainError(f"No stopping data for {particle!r}; there is {', '.join(PARTICLES)}. {hint}".rstrip())
    return particle


def _worst(values: Array, low: float, high: float) -> str:
    flat = np.atleast_1d(values).ravel()
    return f"{flat[~((flat >= low) & (flat <= high))][0]:g}"


def _like(values: Array) -> float | Array:
    return float(values) if values.ndim == 0 else values


@functools.cache
def _stopping_table(material: Material, particle: str) -> _stopping.StoppingTable:
    entry = material.entry
    if particle != "electron":
        return _stopping.ion_table(particle, entry.alpha_stopping.materials, icru90=material.alpha_table == "icru90")
    if entry.electron_stopping is not None:
        media = {_stopping.star_material(m): w for m, w in entry.electron_stopping.materials.items()}
    else:
        if entry.mean_excitation_energy is None:
            raise CatalogError(f"Medium {entry.id} has neither electron_stopping nor mean_excitation_energy.")
        own = _stopping.ElectronMedium(
            _by_atomic_number(material), entry.density.value, entry.mean_excitation_energy.value
        )
        media = {own: 1.0}
    if material.electron_table == "icru90":
        (water,) = media
        media = {_stopping.ElectronMedium(water.fractions, 0.998, _stopping.WATER_I_ICRU90_EV): 1.0}
    return _stopping.electron_table(media)


def _by_atomic_number(material: Material) -> tuple[tuple[int, float], ...]:
    unknown = [s for s in material.mass_fractions if s not in _stopping.ATOMIC_NUMBER]
    if unknown:
        raise CatalogError(f"Medium {material.name} lists {unknown[0]!r}, which is not the symbol of an element.")
    return tuple(sorted((_stopping.ATOMIC_NUMBER[s], w) for s, w in material.mass_fractions.items()))


@functools.cache
def _yield_curve(material: Material) -> LogCurve:
    return _stopping.radiation_yield_curve(_stopping_table(material, "electron"))


@functools.cache
def _photon_table(material: Material) -> _photons.PhotonTable:
    fractions = _by_atomic_number(material)
    bremsstrahlung = _yield_curve(material)
    electrons_per_g = AVOGADRO_PER_MOL * sum(z * w / _stopping.atomic_weights()[z - 1] for z, w in fractions)
    in_flight = _stopping.annihilation_yield_curve(
        _stopping_table(material, "electron"), _photons.annihilation_in_flight, float(electrons_per_g)
    )
    low = material.energy_limits_MeV("electron")[0]

    def below(curve: LogCurve, energy: Array) -> Array:
        """Below the electron table a yield (under 1e-4 there) falls in proportion to T."""
        return curve(np.maximum(energy, low)) * np.minimum(energy / low, 1.0)

    def kept(energy: Array) -> Array:
        return 1 - below(bremsstrahlung, energy)

    def kept_positron(energy: Array) -> Array:
        return 1 - below(bremsstrahlung, energy) - below(in_flight, energy)

    return _photons.photon_table(fractions, kept, kept_positron)
