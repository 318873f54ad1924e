"""Hit statistics: the distribution of specific energy z in a nucleus or a cell, from one event and from many.

One alpha leaves z with the single-event density f1(z), known here as quadrature nodes (weight, z) of `_tracks`. Events
are independent, so their number is Poisson and the sum over them a compound Poisson variable:

    E[exp(-s z)] = exp(n (T1(s) - 1)),   T1(s) = sum over nodes of weight exp(-s z) / sum over nodes of weight

exactly, for any mixture of sources and nuclides. Means, survival and the zero-hit probability exp(-n) need no histogram;
f(z) itself comes from one FFT on a lattice, with the zero-hit weight kept apart. See docs/cells.md.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .._jit import njit
from ..errors import DomainError
from ..physics.matter import medium as material_of
from ..physics.nuclides import nuclide as nuclide_of
from ..units import JOULE_PER_MEV
from . import _delta_rays, _places, _tracks
from ._components import Component, Site, unit_component
from ._given import number, numbers, one_of, switch
from ._places import Where

__all__ = ["PLACES", "SMALLEST_CSDA_UM", "Component", "SpecificEnergy", "specific_energy"]

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]
Values = npt.NDArray[Any]  # floats or complex, a power series, or one number

PLACES = _places.PLACES
SMALLEST_CSDA_UM = 2.0  # diameter of a site below which straight tracks without delta rays are refused
EVENTS = ("decay", "atom")
_TURN = 15.0  # |s| z over single events that the 12-point nodes resolve to 1e-6
_LARGEST_TURN = 120.0
_GAUSS_HERMITE_LIMIT = 6.0  # sqrt(2 beta) z up to which Gauss-Hermite integrates exp(-beta z^2) safely
_SOURCES = ("kellerer1971", "stinchcomb1992", "roeske1997", "icru36")
CONTINUOUS = (
    "Electrons, photons and (unless asked for as part of the hits) recoils are no hits here: their mean dose is added as "
    "a constant, without fluctuation."
)


# --- the distribution ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class SpecificEnergy:
    """Distribution of the specific energy z in one target; made by `specific_energy`.

    Attributes
    ----------
    nuclide, target : str
    cell_radius_um, nucleus_radius_um : float
    decays : float
        Of the parent.
    components : tuple of Component
        By nuclide and place.
    continuous_dose_Gy : float
        Dose that every target gets for certain (electrons, photons, recoils when asked for).
    events : {"decay", "atom"}
        What counts as one event: one alpha, or all alphas that one atom of the parent and its progeny send out.
    model : str
        How tracks deposit energy, in words.
    sources : tuple of str
    """

    nuclide: str
    target: str
    cell_radius_um: float
    nucleus_radius_um: float
    decays: float
    components: tuple[Component, ...]
    continuous_dose_Gy: float
    events: str
    model: str
    sources: tuple[str, ...]
    _mass_kg: float = field(repr=False)
    _chord_um: float = field(repr=False)
    _states: tuple[tuple[_places.Branch, ...], ...] = field(repr=False, default=())

    def __repr__(self) -> str:
        found = f"{self.mean_hits:.4g} hits by alphas" if self.has_alphas else "no alphas, so no hits"
        return (
            f"SpecificEnergy({self.nuclide}, {self.target} of a cell of {self.cell_radius_um:g} um with a nucleus of "
            f"{self.nucleus_radius_um:g} um, {self.decays:g} decays: {found}, mean {self.mean_dose_Gy:.4g} Gy)"
        )

    @property
    def has_alphas(self) -> bool:
        """Whether anything in the chain, where it decays, sends out alphas that count as events."""
        return any(c.hits_per_decay > 0 and c.decays > 0 for c in self.components)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is and is not in the distribution.

        Examples
        --------
        >>> specific_energy("Lu-177", cell_radius_um=5, nucleus_radius_um=4).notes[0]
        'Lu-177 sends out no alpha that reaches the nucleus: there are no events, and z is its continuous part alone.'
        """
        if not self.has_alphas:
            start = (
                f"{self.nuclide} sends out no alpha that reaches the {self.target}: there are no events, and z is its "
            )
            return (f"{start}continuous part alone.", CONTINUOUS)
        return (f"Events are alphas: {self.model}.", CONTINUOUS)

    # --- one event ---------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _moments(self) -> tuple[float, float, float]:
        """n, n <z>, n <z^2> over events."""
        per_decay = [
            np.array([0.0, c.weight @ c.z_Gy, 0.5 * (c.weight @ c.z_Gy**2)]) for c in self.components
        ]  # power series of E[exp(t z)] - 1 in t, to t^2
        n = -float(self._exponent([np.array(-c.hits_per_decay) for c in self.components], _product, np.array(1.0)))
        series = self._exponent(per_decay, _series_product, np.array([1.0, 0.0, 0.0]))
        return n, float(series[1]), 2.0 * float(series[2])  # cumulants: all of a compound Poisson are n <z^k>

    @property
    def mean_hits(self) -> float:
        """n: expected number of events in the target."""
        return self._moments[0]

    @property
    def hit_probability(self) -> float:
        """Expected events per decay of the parent: the chance of a hit for one alpha per decay, more for a chain."""
        return self._moments[0] / self.decays

    @property
    def zero_hit_probability(self) -> float:
        """exp(-n): the share of targets without an event."""
        return math.exp(-self._moments[0])

    @property
    def mean_dose_Gy(self) -> float:
        """Mean of z: n z_F, and what is continuous."""
        return self._moments[1] + self.continuous_dose_Gy

    @property
    def z_frequency_mean_Gy(self) -> float:
        """z_F: mean of z over single events."""
        n, first, _ = self._moments
        return first / n if n > 0 else math.nan

    @property
    def z_dose_mean_Gy(self) -> float:
        """z_D = <z^2>/<z> over single events; variance of f(z) = mean hit dose x z_D."""
        _, first, second = self._moments
        return second / first if first > 0 else math.nan

    @property
    def variance_Gy2(self) -> float:
        """Variance of z over targets."""
        return self._moments[2]

    @property
    def _keV_per_um_per_Gy(self) -> float:
        return self._mass_kg / JOULE_PER_MEV * 1e3 / self._chord_um

    @property
    def y_frequency_mean_keV_per_um(self) -> float:
        """y_F: lineal energy, energy of an event over the mean chord 4V/S (sphere: 4r/3)."""
        return self.z_frequency_mean_Gy * self._keV_per_um_per_Gy

    @property
    def y_dose_mean_keV_per_um(self) -> float:
        """y_D, as y_F."""
        return self.z_dose_mean_Gy * self._keV_per_um_per_Gy

    def _exponent(
        self, per_decay: Sequence[Values], multiply: Callable[[Values, Values], Values], one: Values
    ) -> Values:
        """ln E of a functional with E = 1 + per_decay for one decay of each component, over all events."""
        if self.events == "decay":
            total = np.zeros_like(per_decay[0]) if per_decay else np.zeros_like(one)
            for c, k in zip(self.components, per_decay, strict=True):
                total = total + c.decays * k
            return total
        done: dict[int, Values] = {}
        for state in reversed(range(len(self._states))):  # daughters come after their parents
            total = one * 0 + one
            for branch in self._states[state]:
                onward = one * (1.0 - sum(p for p, _ in branch.next))
                for chance, follower in branch.next:
                    onward = onward + chance * done[follower]
                if branch.component >= 0:  # given this branch, the alpha is certain
                    onward = multiply(one + per_decay[branch.component] / branch.alpha_chance, onward)
                total = total + branch.chance * (onward - one)
            done[state] = total
        return np.asarray(self.decays * (done[0] - one))

    # --- many events -------------------------------------------------------------------------------------------------

    def laplace(self, s_per_Gy: npt.ArrayLike) -> Complex:
        """E[exp(-s z)] over targets, zero hits and the continuous part included.

        Parameters
        ----------
        s_per_Gy : real or complex, any shape
            1/Gy; ``-1j * omega`` gives the characteristic function. Im(s) times the largest z of a single event goes up
            to 120; beyond, the transform is that of the edges of f1 and no model holds.

        Returns
        -------
        complex array of the same shape

        Raises
        ------
        DomainError
            What is no finite number; an imaginary part beyond that limit.

        Examples
        --------
        >>> z = specific_energy("Po-210", cell_radius_um=5, nucleus_radius_um=4, decays=10)
        >>> survival = float(z.laplace(1 / 0.5).real)  # the z0 model: a cell survives z with chance exp(-z/z0)
        >>> round(survival, 4)
        0.4456
        """
        s, panels = self._resolved(s_per_Gy)
        found = np.exp(self._log_laplace(s.ravel(), panels) - s.ravel() * self.continuous_dose_Gy)
        return np.asarray(found.reshape(s.shape))

    def single_event_laplace(self, s_per_Gy: npt.ArrayLike) -> Complex:
        """T1(s) = integral of f1(z) exp(-s z) dz, of any shape; real or complex s in 1/Gy.

        Examples
        --------
        >>> z = specific_energy("Po-210", cell_radius_um=5, nucleus_radius_um=4)
        >>> complex(z.single_event_laplace(0.0))
        (1+0j)
        """
        s, panels = self._resolved(s_per_Gy)
        if self.mean_hits <= 0:
            raise DomainError("No alpha reaches the target: there is no single event.")
        return np.asarray((1.0 + self._log_laplace(s.ravel(), panels) / self.mean_hits).reshape(s.shape))

    def _resolved(self, s_per_Gy: npt.ArrayLike) -> tuple[Complex, int]:
        """s, checked, and the panels that its fastest exp(-s z) needs."""
        try:
            given = np.asarray(s_per_Gy)
            s = np.asarray(given, dtype=np.complex128)
        except (TypeError, ValueError):
            given = s = np.array(np.nan)
        if given.dtype.kind not in "iufc" or not bool(np.all(np.isfinite(s))):
            raise DomainError(f"s given as {s_per_Gy!r}; give finite real or complex numbers in 1/Gy.")
        turn = float(np.max(np.abs(s.imag), initial=0.0)) * self._largest_Gy
        if turn > _LARGEST_TURN:
            raise DomainError(
                f"s has an imaginary part of {float(np.max(np.abs(s.imag))):.3g}/Gy, which turns exp(-s z) by "
                f"{turn:.3g} rad over the z of single events; the nodes resolve {_LARGEST_TURN:g}. For more, transform "
                "pdf(z) yourself."
            )
        fastest = max(turn, min(float(np.max(s.real, initial=0.0)) * self._largest_Gy, _LARGEST_TURN))
        return s, 2 ** max(0, math.ceil(math.log2(max(fastest, 1e-9) / _TURN)))

    @functools.cached_property
    def _largest_Gy(self) -> float:
        """Largest z of a single alpha."""
        return max((float(c.z_Gy.max()) for c in self.components if len(c.z_Gy)), default=0.0)

    def _log_laplace(self, s: Complex, panels: int = 1) -> Complex:
        per_decay = [_sum_of_exponentials(*c.nodes(panels), s) for c in self.components]
        return self._exponent(per_decay, _product, np.ones(s.shape, dtype=complex))

    @functools.cached_property
    def _lattice(self) -> tuple[float, Array]:
        """Step and expected events[lattice point] (mass of f(z) without the zero-hit weight)."""
        if self.mean_hits <= 0:
            raise DomainError("No alpha reaches the target: f(z) is all at zero.")
        step, mass, _ = self._tilted_lattice(0.0)
        mass[0] = max(mass[0] - self.zero_hit_probability, 0.0)
        return step, mass

    def _tilted_lattice(self, s: float) -> tuple[float, Array, float]:
        """Step and mass[point] of f(z) exp(-s z), zero hits included, scaled to sum 1; and the logarithm of the scale.

        The step is z_F/100, in many events up to sd/400; a Chernoff bound leaves 1e-13 beyond the end.
        """
        n, mean, second = self._moments
        top = self._range(s, 1e-13)[1]
        largest = self._largest_Gy
        step = max(min(mean / n / 100, largest / 200), math.sqrt(second) / 400 if s == 0 else 0.0, top / 2**19)
        points = int(2 ** math.ceil(math.log2(top / step + 2)))
        # the transform of hats is that of the points times sinc^2, which many events would sum up to a wider f(z); few
        # events keep it, for there it only rounds the edges of f1
        omega = math.pi * np.fft.rfftfreq(points)
        hat = np.sinc(omega / math.pi) ** 2 if n > 100 else np.ones(len(omega))
        damping = np.exp(-s * step * np.arange(points))
        per_decay = [np.fft.rfft(c.lattice(step, points) * damping) / hat - c.hits_per_decay for c in self.components]
        exponent = self._exponent(per_decay, _product, np.ones(len(omega), dtype=complex))
        scale = float(exponent[0].real)
        return step, np.maximum(np.fft.irfft(np.exp(exponent - scale), points), 0.0), scale

    @property
    def lattice(self) -> tuple[Array, Array]:
        """z[point] in Gy and the probability of each; sums to 1 less the zero-hit probability.

        Number exactly, mean to 1e-7, variance to 1e-4 (1e-3 at 1e5 hits); the lattice starts at the continuous dose.
        """
        step, mass = self._lattice
        z: Array = self.continuous_dose_Gy + step * np.arange(len(mass), dtype=np.float64)
        return z, mass

    def pdf(self, z_Gy: npt.ArrayLike) -> Array:
        """f(z), 1/Gy, of targets that were hit at least once; its integral is 1 - exp(-n).

        Parameters
        ----------
        z_Gy : float or array of any shape
            Gray, 0 or more.

        Returns
        -------
        Array of the same shape

        Notes
        -----
        Targets without a hit have weight `zero_hit_probability` at z = `continuous_dose_Gy`; they are not in the pdf.

        Examples
        --------
        >>> z = specific_energy("Po-210", cell_radius_um=5, nucleus_radius_um=4, decays=50)
        >>> grid = np.linspace(0, 20, 4001)
        >>> round(float(np.trapezoid(z.pdf(grid), grid)) + z.zero_hit_probability, 4)
        1.0
        """
        z = numbers("z_Gy", z_Gy)
        step, mass = self._lattice
        return _density(z - self.continuous_dose_Gy, step, mass)

    def single_event_pdf(self, z_Gy: npt.ArrayLike) -> Array:
        """f1(z), 1/Gy, of any shape; for independent decays only (``events="decay"``)."""
        z = numbers("z_Gy", z_Gy)
        step, mass = self._single_lattice
        return _density(z, step, mass / self.mean_hits)

    @functools.cached_property
    def _single_lattice(self) -> tuple[float, Array]:
        if self.events != "decay":
            raise DomainError('A single event is one alpha only with events="decay"; ask with that.')
        if self.mean_hits <= 0:
            raise DomainError("No alpha reaches the target: there is no single event.")
        top = self._largest_Gy * 1.05
        points = 401
        step = top / (points - 1)
        total = np.zeros(points)
        for c in self.components:
            total += c.decays * c.lattice(step, points, finer=3)
        return step, total

    def expectation(self, function: Callable[[Array], Array]) -> float:
        """Mean of a function of z over all targets, those without a hit included; an FFT knows nothing below 1e-15.

        Raises
        ------
        DomainError
            What is given is no function.
        """
        if not callable(function):
            raise DomainError(f"function given as {function!r}; give a function of z in Gy, e.g. lambda z: z > 1.")
        if self.mean_hits <= 0:
            return float(np.asarray(function(np.array([self.continuous_dose_Gy]))).ravel()[0])
        z, mass = self.lattice
        at_rest = float(np.asarray(function(np.array([self.continuous_dose_Gy]))).ravel()[0])
        return float(np.asarray(function(z)) @ mass) + self.zero_hit_probability * at_rest

    def survival(self, alpha_per_Gy: float, beta_per_Gy2: float = 0.0, *, method: str = "auto") -> float:
        """Mean of exp(-alpha z - beta z^2) over targets: linear-quadratic survival with exact hit statistics.

        Parameters
        ----------
        alpha_per_Gy, beta_per_Gy2 : float
            Of the cell's response to z, not negative.
        method : {"auto", "hermite", "lattice"}
            ``"hermite"``: exp(-beta (z - y)^2) is the mean of exp(i w sqrt(2 beta) (z - y)) over standard normal w, so
            survival is a Gauss-Hermite sum of `laplace` (no f(z) needed), y being the mean z of those that survive; safe
            while sqrt(2 beta) |z - y| < 6 for all z that matter. ``"lattice"``: sum over f(z), tilted to where the
            survivors are, good to 2e-4 of S. ``"auto"``: the first while it is safe. Both hold however small S is.

        Returns
        -------
        float

        Raises
        ------
        DomainError
            Negative coefficients, an unknown method, or ``"hermite"`` where it is not safe.

        Examples
        --------
        >>> z = specific_energy("Po-210", cell_radius_um=5, nucleus_radius_um=4, decays=10)
        >>> round(z.survival(1.2, 0.05), 4), round(z.survival(1.2, 0.05, method="lattice"), 4)
        (0.5743, 0.5743)
        """
        alpha, beta = number(alpha_per_Gy), number(beta_per_Gy2)
        if not (alpha >= 0 and beta >= 0 and math.isfinite(alpha + beta)):
            raise DomainError(
                f"Survival asked with alpha {alpha_per_Gy!r}/Gy, beta {beta_per_Gy2!r}/Gy2; both are 0 or more."
            )
        one_of("method", method, ("auto", "hermite", "lattice"))
        d = self.continuous_dose_Gy
        certain = math.exp(-alpha * d - beta * d * d)
        alpha += 2 * beta * d  # of the events alone
        if beta == 0 or self.mean_hits == 0:
            return certain * math.exp(float(self._log_laplace(np.array([alpha + 0j]))[0].real))
        y = self._surviving_mean(alpha, beta)
        low, high = self._range(alpha + 2 * beta * y, 1e-10)
        reach = math.sqrt(2 * beta) * max(high - y, y - low)
        safe = reach < _GAUSS_HERMITE_LIMIT
        if method == "hermite" and not safe:
            raise DomainError(
                f"sqrt(2 beta) z spans {reach:.3g}, and Gauss-Hermite nodes are safe below {_GAUSS_HERMITE_LIMIT:g}: "
                'use method="lattice" (or "auto").'
            )
        if method == "lattice" or not safe:
            step, mass, scale = self._tilted_lattice(alpha + 2 * beta * y)
            z = step * np.arange(len(mass), dtype=np.float64)
            return certain * math.exp(scale + beta * y * y) * float(mass @ np.exp(-beta * (z - y) ** 2))
        node, weight = _hermite()
        turn = 1j * node * math.sqrt(2 * beta)
        exponent = self._log_laplace(np.asarray(alpha + 2 * beta * y - turn, dtype=np.complex128)) - turn * y
        scale = float(exponent.real.max())
        return certain * math.exp(scale + beta * y * y) * float(weight @ np.exp(exponent - scale).real)

    def _surviving_mean(self, alpha: float, beta: float) -> float:
        """y = mean of z weighted with exp(-(alpha + 2 beta y) z): where exp(-alpha z - beta z^2) f(z) has its weight."""
        small = 1e-6 / (alpha + beta * self._moments[1] + 1.0)
        low, high = 0.0, self._moments[1]
        for _ in range(12):
            y = 0.5 * (low + high)
            # the derivative of an analytic function by a small imaginary step, without cancellation
            at = np.array([complex(alpha + 2 * beta * y, small)])
            mean = -float(self._log_laplace(at)[0].imag) / small
            low, high = (y, high) if mean > y else (low, y)
        return 0.5 * (low + high)

    def _range(self, s: float, chance: float) -> tuple[float, float]:
        """Lower and upper z that f(z) exp(-s z) leaves with at most this relative chance each (Chernoff bounds)."""
        _, mean, second = self._moments
        largest = self._largest_Gy
        theta = np.geomspace(1e-4, 60.0, 80) / max(second / mean, largest)
        here = float(self._log_laplace(np.array([s + 0j]))[0].real)
        up = self._log_laplace((s - theta).astype(complex)).real - here
        down = self._log_laplace((s + theta).astype(complex)).real - here
        high = float(np.min((up - math.log(chance)) / theta))
        return max(float(np.max((math.log(chance) - down) / theta)), 0.0), high


@functools.cache
def _hermite() -> tuple[Array, Array]:
    node, weight = np.polynomial.hermite_e.hermegauss(48)
    keep = node >= 0  # pairs +-w are complex conjugates
    return node[keep], weight[keep] * 2 / math.sqrt(2 * math.pi)


def _product(a: Values, b: Values) -> Values:
    return np.asarray(a * b)


def _series_product(a: Array, b: Array) -> Array:
    """Product of two power series cut after t^2."""
    return np.array([a[0] * b[0], a[0] * b[1] + a[1] * b[0], a[0] * b[2] + a[1] * b[1] + a[2] * b[0]])


def _density(z: Array, step: float, mass: Array) -> Array:
    """Density on a lattice of hat functions: straight between points; half a hat at zero."""
    height = mass / step
    height[0] *= 2.0
    found = np.interp(z, step * np.arange(len(mass)), height, left=0.0, right=0.0)
    return np.asarray(np.where(z < 0, 0.0, found))


def _sum_of_exponentials(weight: Array, z: Array, s: Complex) -> Complex:
    """sum of weight (exp(-s z) - 1), for each s; in blocks, so that memory stays small."""
    found = np.zeros(s.shape, dtype=complex)
    if np.all(s.imag == 0):
        for i in range(0, len(z), 4096):
            found += np.expm1(-np.outer(s.real, z[i : i + 4096])) @ weight[i : i + 4096]
        return found
    _exponential_sum(weight, z, s, found)
    return found


@njit(cache=True)
def _exponential_sum(weight, z, s, found):  # type: ignore[no-untyped-def]
    for k in range(s.shape[0]):
        real, imag = 0.0, 0.0
        for j in range(z.shape[0]):
            decay = math.exp(-s[k].real * z[j])
            angle = s[k].imag * z[j]
            real += weight[j] * (decay * math.cos(angle) - 1.0)
            imag -= weight[j] * decay * math.sin(angle)
        found[k] = complex(real, imag)


# --- making one ------------------------------------------------------------------------------------------------------


def _continuous(site: Site, states: Sequence[tuple[str, str]], decays: Sequence[float], low_let: bool) -> float:
    """Mean dose in Gy of electrons and photons from every place, by the cellular S values."""
    if not low_let:
        return 0.0
    from .cells import cell_s_values

    total = 0.0
    for (name, place), count in zip(states, decays, strict=True):
        if place == "medium":
            raise DomainError(
                "low_let=True cannot take activity in the medium: electrons reach further than the shell of medium that "
                "alphas come from. Give their dose yourself, or leave them out."
            )
        s = cell_s_values(name, site.cell_um, site.nucleus_um, chain=False, medium=site.medium)
        here = s.sel(target=site.target, source=place, radiation=["electron", "photon"]).sum()
        total += count * float(here)
    return total


def _checked_site(
    cell_radius_um: float, nucleus_radius_um: float, target: str, medium: str, recoil: bool, delta_rays: str | None
) -> Site:
    _tracks.check_cell(cell_radius_um, nucleus_radius_um)
    if delta_rays not in (None, *_delta_rays.MODELS):
        raise DomainError(f"No delta-ray model {delta_rays!r}; there is {', '.join(_delta_rays.MODELS)}, or None.")
    site = Site(
        float(cell_radius_um),
        float(nucleus_radius_um),
        target,
        material_of(medium).name,
        switch("recoil", recoil),
        delta_rays,
    )
    _, outer = _tracks.target_radii(target, site.cell_um, site.nucleus_um)
    if 2 * outer < SMALLEST_CSDA_UM and delta_rays is None:
        raise DomainError(
            f"The target is {2 * outer:g} um across. Below {SMALLEST_CSDA_UM:g} um straight tracks without delta rays "
            "overstate y_F (by about 25 % in 1 um): ask with delta_rays='kiefer-chatterjee'."
        )
    if 2 * outer < _delta_rays.SMALLEST_UM:
        raise DomainError(
            f"The target is {2 * outer:g} um across; the delta-ray model was compared down to 0.5 um and is refused below "
            f"{_delta_rays.SMALLEST_UM:g} um."
        )
    if delta_rays is not None and (target == "cytoplasm" or site.recoil):
        raise DomainError("The delta-ray model holds for whole spheres (nucleus, cell) and without recoils.")
    return site


def _listed_places(parent: str, chain: bool, places: Mapping[str, Where] | None) -> dict[str, dict[str, float]]:
    if not isinstance(places, Mapping | None):
        raise DomainError(f'places given as {places!r}; give a mapping such as {{"Bi-213": "cytoplasm"}}.')
    listed = {nuclide_of(k).name: _places.places_of(k, v) for k, v in (places or {}).items()}
    for name in listed:
        if name not in (nuclide_of(parent).chain if chain else (parent,)):
            raise DomainError(f"A place is given for {name}, which is not in the chain of {parent}.")
    return listed


def specific_energy(
    nuclide: str,
    cell_radius_um: float,
    nucleus_radius_um: float,
    *,
    source: str = "surface",
    target: str = "nucleus",
    decays: float | Mapping[str, float] = 1.0,
    chain: bool = True,
    places: Mapping[str, Where] | None = None,
    recoil: bool = False,
    low_let: bool = False,
    events: str = "decay",
    delta_rays: str | None = None,
    medium: str = "water",
) -> SpecificEnergy:
    """Distribution of the specific energy in a cell's nucleus (or cytoplasm, or whole cell) by alphas of a chain.

    Parameters
    ----------
    nuclide : str
        The parent, e.g. ``"Ac-225"``.
    cell_radius_um, nucleus_radius_um : float
        Concentric spheres, 0.05 to 1000 um.
    source : {"surface", "cytoplasm", "nucleus", "cell", "medium"}
        Where the parent decays, uniformly. ``"medium"``: everywhere outside the cell, without end.
    target : {"nucleus", "cytoplasm", "cell"}
    decays : float or mapping of str to float
        Of the parent, the whole chain following in full (also progeny of long half-life); or of each nuclide by name
        (those not named: none). In the medium they are counted in a volume as large as the cell.
    chain : bool
        With all progeny; otherwise the nuclide alone.
    places : mapping of str to str or to a mapping of str to float, optional
        Where members of the chain decay, if not where they were born: ``{"Bi-213": "cytoplasm"}`` or
        ``{"Fr-221": {"surface": 0.6, "lost": 0.4}}``. Shares sum to 1; what is lost takes its progeny with it.
    recoil : bool
        Add the recoil's energy to the event, where the decay takes place (range about 0.1 um). In the nucleus itself
        this adds tens of percent to the dose; published S values and hit statistics leave it out.
    low_let : bool
        Add the mean dose by electrons and photons as a constant, without fluctuation.
    events : {"decay", "atom"}
        ``"decay"``: every decay of the chain is independent. ``"atom"``: all decays of one parent atom and its progeny
        are one event, places drawn afresh for each; the mean stays, fewer targets are hit, z_D rises.
    delta_rays : {None, "kiefer-chatterjee"}
        Needed for targets less than 2 um across.
    medium : str
        Catalogue id.

    Returns
    -------
    SpecificEnergy

    Raises
    ------
    DomainError
        Radii, places, shares, decays or names that make no sense; a target below 2 um without a delta-ray model.
    CatalogError
        An unknown nuclide or medium.

    Notes
    -----
    Straight tracks, continuous slowing down along the residual range, ICRU 49 stopping powers; every alpha line. Moments
    are quadratures (error below 1e-6 of the model). Range straggling is left out (1 % of the range).

    Examples
    --------
    >>> z = specific_energy("Po-210", cell_radius_um=5, nucleus_radius_um=4, source="nucleus", decays=2)
    >>> round(z.z_frequency_mean_Gy, 4), round(z.z_dose_mean_Gy, 4), round(z.zero_hit_probability, 4)
    (0.1562, 0.2242, 0.1353)
    >>> z = specific_energy("Ac-225", cell_radius_um=10, nucleus_radius_um=6, decays=3,
    ...                     places={"Bi-213": {"cytoplasm": 0.5, "lost": 0.5}})
    >>> [(c.nuclide, c.place, round(c.decays, 3)) for c in z.components][:3]
    [('Ac-225', 'surface', 3.0), ('Fr-221', 'surface', 3.0), ('At-217', 'surface', 3.0)]
    """
    parent = nuclide_of(nuclide).name
    site = _checked_site(cell_radius_um, nucleus_radius_um, target, medium, recoil, delta_rays)
    one_of("kind of event", events, EVENTS)
    one_of("source", source, _tracks.SOURCES)
    switch("chain", chain)
    switch("low_let", low_let)
    for name in nuclide_of(parent).chain if chain else (parent,):
        if nuclide_of(name).not_carried:
            raise DomainError(
                f"{name} fissions: its fragments are no alphas and are not carried here. Leave it out (chain=False is "
                "the parent alone)."
            )
    listed = _listed_places(parent, chain, places)
    tree = _places.chain_tree(parent, chain, source, listed)
    of_parent, counts = _places.decays_of(tree, parent, decays)
    if events == "atom" and (isinstance(decays, Mapping) or any(place == "medium" for _, place in tree.states)):
        raise DomainError('events="atom" needs the decays of the parent as one number, and places within the cell.')
    components: list[Component] = []
    numbered: dict[tuple[str, str], int] = {}
    for (name, place), count in zip(tree.states, counts, strict=True):
        if nuclide_of(name).energy_MeV("alpha") > 0:
            numbered[name, place] = len(components)
            unit = unit_component(name, place, site)
            components.append(replace(unit, decays=count))
    states = _places.branches_of(tree, numbered) if events == "atom" else ()
    start = listed.get(parent, {source: 1.0})
    if events == "atom":  # one state in front: the parent has not chosen its place yet
        ways = tuple((f, tree.states.index((parent, p))) for p, f in start.items() if p != "lost")
        states = _places.with_start(states, ways)
    used = {*_SOURCES, *material_of(medium).sources}
    for name, _ in tree.states:
        used.update(nuclide_of(name).sources)
    if delta_rays is not None:
        used.update(_delta_rays.SOURCES)
    return SpecificEnergy(
        nuclide=parent,
        target=target,
        cell_radius_um=site.cell_um,
        nucleus_radius_um=site.nucleus_um,
        decays=of_parent,
        components=tuple(components),
        continuous_dose_Gy=_continuous(site, tree.states, counts, low_let),
        events=events,
        model=_delta_rays.MODELS[delta_rays] if delta_rays is not None else "straight tracks (CSDA), no delta rays",
        sources=tuple(sorted(used)),
        _mass_kg=site.mass_kg,
        _chord_um=site.chord_um,
        _states=states,
    )
