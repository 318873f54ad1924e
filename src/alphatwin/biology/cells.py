"""Survival of every cell of a cluster, exact in the statistics of hits, and control from the sum of survivors.

Alphas arrive as a compound Poisson process: N_j decays in cell j, each of which gives the nucleus of cell i the specific
energy z with a density that depends on the distance alone. The response to sum z and to the dose d of electrons is

    -ln s = a_L d + sum_k [a z_k + (1 - G) b z_k^2] + G (sqrt(b) sum_k z_k + sqrt(b_L) d)^2

(linear-quadratic with dual-radiation interaction; G of Lea and Catcheside reduces what two tracks do together, never what
one track does alone). The square is a Gaussian mean of exponentials, centred at any y0,

    exp(-G y^2) = exp(G y0^2 - 2 G y0 y) E[exp(i w sqrt(2G) (y - y0))],  w standard normal,

so survival needs nothing but sums over pairs of decays times transforms of single tracks, at some complex s:

    S_i = E exp{ ... + sum_j N_j sum_tracks p [exp(-s_w z - (1 - G) b z^2) - 1] }

y0 is put near the saddle point, the effect that the surviving cells have had; then 16 Gauss-Hermite nodes hold at every dose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..dose._medium import MEDIUM
from ..dose.cells import (
    Cluster,
    ClusterDose,
    alpha_reach_um,
    cluster_dose,
    contact_or_more,
    medium_sums,
    neighbour_sums,
)
from ..errors import DomainError, suggestion
from ..physics.nuclides import activities
from ..physics.nuclides import nuclide as nuclide_of
from ..transport._pairs import alpha_nodes, alpha_transforms, chain_transforms, gray_per_MeV, moments, tilted
from ._checks import Floats, checked
from .bystander import BystanderSignal
from .models import LinearQuadratic, SingleHit
from .protraction import lea_catcheside_curve

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CellSurvival", "chain_lea_catcheside", "survival"]

Complex = NDArray[np.complex128]
Response = LinearQuadratic | SingleHit

EVENTS = ("decay", "atom")
_NODES = 16
_SPACING = 2.0  # of the centres y0, in units of the integrand's own width
_NEAR_ZERO = 1.5  # sqrt(2G) y up to which y0 = 0 serves all cells
_STEPS, _SADDLE_STEP = 3, 2.0  # Newton steps to y0, and the spacing of the points that they start from
_NEGLIGIBLE = -300.0  # ln S below which the saddle point's own value is taken
_LIVES = 16.0  # mean lives of the parent after which its curve is cut
_EVERY_HIT_KILLS = 1e9  # 1/Gy
_LEVELS = 6  # Chebyshev levels of a dose-modifying factor that varies from cell to cell


@dataclass(frozen=True, eq=False)
class CellSurvival:
    """Survival of every cell, and what follows for the whole cluster.

    Attributes
    ----------
    log_survival : DataArray[cell]
        ln S; 0 for dead cells, which count nowhere.
    dose : ClusterDose
    response, low_let : LinearQuadratic or SingleHit
        Of alphas' specific energy, and of electrons' and photons' dose.
    events : {"decay", "atom"}
    clonogenic_fraction : float
    notes : tuple of str
    bystander : BystanderSignal or None
        The signal that was added, if any.
    log_not_hit, log_direct : Array[cell]
        ln of the chance that no alpha hits the nucleus; ln S without the signal.
    """

    log_survival: xr.DataArray
    dose: ClusterDose
    response: Response
    low_let: Response
    events: str
    clonogenic_fraction: float = 1.0
    notes: tuple[str, ...] = ()
    _of_mean_dose: Floats = field(repr=False, default_factory=lambda: np.zeros(0))
    bystander: BystanderSignal | None = None
    log_not_hit: Floats = field(repr=False, default_factory=lambda: np.zeros(0))
    log_direct: Floats = field(repr=False, default_factory=lambda: np.zeros(0))

    @property
    def survival(self) -> Floats:
        """S[cell]."""
        return np.asarray(np.exp(self.log_survival.values))

    @property
    def surviving_fraction(self) -> float:
        """Mean over the living cells."""
        return float(self.survival[self.dose.alive].mean())

    @property
    def direct_surviving_fraction(self) -> float:
        """Mean over the living cells without the bystander signal; the same as `surviving_fraction` where there is none."""
        return float(np.exp(self.log_direct[self.dose.alive]).mean())

    @property
    def mean_dose_surviving_fraction(self) -> float:
        """What the same response says of each cell's mean dose: hits forgotten, too low."""
        return float(np.exp(self._of_mean_dose[self.dose.alive]).mean())

    @property
    def expected_survivors(self) -> float:
        """Sum of S over living clonogenic cells."""
        return float(self.survival[self.dose.alive].sum()) * self.clonogenic_fraction

    @property
    def tumour_control(self) -> float:
        """Chance that no clonogen survives, exp(-expected survivors)."""
        return float(np.exp(-self.expected_survivors))

    @property
    def zero_hit_share(self) -> float:
        """Expected share of the living cells that no alpha hits, with the events that were asked for."""
        return float(np.exp(self.log_not_hit[self.dose.alive]).mean())


def survival(
    these: Cluster,
    response: Response,
    *,
    low_let: Response | None = None,
    dose_modifying_factor: ArrayLike = 1.0,
    low_let_dose_modifying_factor: ArrayLike = 1.0,
    events: str = "decay",
    clonogenic_fraction: float = 1.0,
    bystander: BystanderSignal | None = None,
    dose: ClusterDose | None = None,
) -> CellSurvival:
    """Survival of every cell, exact for hits that are Poisson distributed, at any dose.

    Parameters
    ----------
    these : Cluster
    response : LinearQuadratic or SingleHit
        Response of a nucleus to specific energy from alphas; its `g` reduces what two tracks do together.
    low_let : LinearQuadratic or SingleHit, optional
        Response to electrons and photons, whose dose is continuous; the same as `response` when left out.
    dose_modifying_factor, low_let_dose_modifying_factor : float or array (cell,)
        1/OER: by how much a cell feels its dose, above 0 and at most 10.
    events : {"decay", "atom"}
        ``"decay"``: every decay of the chain is independent of all others. ``"atom"``: the decays that one atom of the
        parent leads to belong together (they start from one cell), which leaves more cells without a hit.
    clonogenic_fraction : float
        Of the living cells, above 0 and at most 1.
    bystander : BystanderSignal, optional
        Cells that an alpha hits send a signal that harms others, with the chance to be hit as their strength; it adds to
        the harm of cells that no alpha hits (and that survive their electrons), or of all. Its numbers are yours.
    dose : ClusterDose, optional
        Of the same cluster, when it was made before.

    Returns
    -------
    CellSurvival

    Raises
    ------
    DomainError
        A response without a transform, factors out of range, unknown events.

    References
    ----------
    Roeske and Stinchcomb 2006 (roeske2006) for the transform of single hits; Zaider and Rossi 1980 (zaider1980) for the
    sum of square roots; docs/clusters.md.

    Examples
    --------
    >>> from alphatwin.dose.cells import spheroid
    >>> ball = spheroid("Po-210", decays_per_cell=5.0, radius_um=50.0)
    >>> s = survival(ball, LinearQuadratic(0.3, 0.03))
    >>> s.surviving_fraction > s.mean_dose_surviving_fraction
    True
    """
    import xarray as xr

    if not isinstance(these, Cluster):
        raise DomainError(f"{these!r} is no cluster; make one with spheroid, monolayer or cluster.")
    for what, given in (("response", response), ("low_let", low_let)):
        if given is not None and not isinstance(given, LinearQuadratic | SingleHit):
            raise DomainError(
                f"{what} is {given!r}; survival of a cluster takes LinearQuadratic or SingleHit: the transform of others "
                "is not closed."
            )
    if events not in EVENTS:
        raise DomainError(f"No kind of event {events!r}. {suggestion(events, EVENTS)}There is decay and atom.")
    if not 0 < clonogenic_fraction <= 1:
        raise DomainError(f"clonogenic_fraction is {clonogenic_fraction!r}; it lies above 0 and is at most 1.")
    if low_let is not None and low_let.g != response.g:
        raise DomainError(
            f"low_let has G {low_let.g:g} and response {response.g:g}; both radiations share one dose-rate curve."
        )
    other = response if low_let is None else low_let
    factor = _factors("dose_modifying_factor", dose_modifying_factor, len(these))
    low_factor = _factors("low_let_dose_modifying_factor", low_let_dose_modifying_factor, len(these))
    found = cluster_dose(these) if dose is None else dose
    if len(found.alive) != len(these):
        raise DomainError(f"The dose given is of {len(found.alive)} cells, the cluster has {len(these)}.")
    low_dose = found.low_let_Gy * low_factor
    alpha_dose = np.maximum(found.total_Gy - found.low_let_Gy, 0.0)
    work = _Work(these, response, other, events, alpha_dose, low_dose)
    log_s = direct = np.where(found.alive, work.log_survival(factor), 0.0)
    not_hit = -np.asarray(found.mean_hits.values)
    if events == "atom" and these.has_alphas:
        not_hit = np.where(found.alive, work.log_not_hit(), 0.0)
    if bystander is not None:
        e = np.sqrt(other.beta_per_Gy2) * low_dose
        spared = not_hit - other.alpha_per_Gy * low_dose - response.g * e**2
        signal = bystander.of_cluster(these, -np.expm1(not_hit))
        log_s = np.where(found.alive, bystander.log_survival(direct, spared, signal), 0.0)
    y = np.sqrt(response.beta_per_Gy2) * alpha_dose * factor + np.sqrt(other.beta_per_Gy2) * low_dose
    mean = -(response.alpha_per_Gy * alpha_dose * factor + other.alpha_per_Gy * low_dose + response.g * y**2)
    return CellSurvival(
        xr.DataArray(log_s, dims=("cell",), attrs={"units": "1", "long_name": "ln of surviving fraction"}),
        found, response, other, events, clonogenic_fraction, _notes(these, events, bystander), np.where(found.alive, mean, 0.0),
        bystander, not_hit, direct,
    )  # fmt: skip


def _factors(name: str, given: ArrayLike, n: int) -> Floats:
    value = checked(name, given, above=0.0)
    if float(value.max()) > 10 or value.ndim > 1 or (value.ndim == 1 and len(value) != n):
        raise DomainError(
            f"{name} has shape {value.shape} and reaches {value.max():g}; give one value up to 10, or one for each of {n} cells."
        )
    return np.asarray(np.broadcast_to(value, (n,)))


def _notes(these: Cluster, events: str, bystander: BystanderSignal | None) -> tuple[str, ...]:
    how = (
        "every decay of the chain independent"
        if events == "decay"
        else "all decays from one atom of the parent together"
    )
    told = [f"Alpha hits are Poisson distributed, {how}; electrons and photons give each nucleus their mean dose."]
    told.append("Straight alpha tracks without straggling or delta rays: good for a nucleus, not for sites below 2 um.")
    if any("nucleus" in p or "cell" in p for p in these.places.values()):
        told.append("Recoils of decays inside the nucleus count as low-LET dose, not as hits.")
    if these.between is not None and events == "atom":
        told.append("Decays in the medium are independent of the atoms that they came from.")
    if bystander is not None:
        who = "cells that no alpha hits" if bystander.acts_on == "not_hit" else "all cells"
        told.append(
            f"Bystander signal of cells that an alpha hits, decay length {bystander.reach_um:g} um, 63 % of its effect at "
            f"{bystander.characteristic_concentration_per_um:g} per um, at most {100 * bystander.largest_effect:g} %, on {who}: a what-if, for "
            "no such numbers of a tumour are known."
        )
    return tuple(told)


def chain_lea_catcheside(
    parent: str, gray: Mapping[str, float], repair_half_time_h: float, clearance_per_h: float = 0.0
) -> tuple[float, float]:
    """G of the dose rate of a whole chain, and its highest dose rate per unit of dose.

    The activity of every member follows from the parent's at time 0 (Bateman), falls further with the clearance, and is
    weighted with the dose that the member gives.

    Parameters
    ----------
    parent : str
    gray : mapping
        Nuclide -> its dose (any unit) when the parent decays out; members that are not named give none.
    repair_half_time_h : float
        Of sublethal damage.
    clearance_per_h : float
        Biological rate constant of the agent with its daughters, 1/h.

    Returns
    -------
    tuple of two floats
        G, between 0 and 1, and the highest rate in 1/h.

    Raises
    ------
    DomainError
        A half-time or clearance out of range.

    Examples
    --------
    Alphas of 212Bi grow in with 212Pb, whose own dose has G = 0.1237:

    >>> [round(v, 3) for v in chain_lea_catcheside("Pb-212", {"Bi-212": 1.0}, 1.5)]
    [0.119, 0.051]
    """
    whole = nuclide_of(parent)
    checked("clearance_per_h", clearance_per_h, at_least=0.0)
    slowest = whole.decay_constant_per_h + clearance_per_h
    times = np.concatenate([[0.0], np.geomspace(_LIVES / slowest * 1e-6, _LIVES / slowest, 1500)])
    curves = activities({whole.name: 1.0}, times)
    rate = np.zeros(len(times))
    for name, dose in gray.items():
        decays = whole.branching_to(name)
        if dose > 0.0 and decays > 0.0:
            here = np.maximum(curves.sel(nuclide=name).values, 0.0) * np.exp(-clearance_per_h * times)
            rate += here * dose / decays
    if not rate.any():
        return 1.0, 0.0
    g = float(lea_catcheside_curve(times, rate, repair_half_time_h))
    return g, float(rate.max() / np.trapezoid(rate, times))


# --- the sum ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Work:
    """What `survival` computes with; everything per cell is an array[cell]."""

    these: Cluster
    response: Response
    low: Response
    events: str
    alpha_dose: Floats
    low_dose: Floats

    def log_survival(self, factor: Floats) -> Floats:
        """ln S for a dose-modifying factor per cell: interpolated in it when it varies (ln S is smooth)."""
        alive = self.these.alive
        low, high = float(factor[alive].min()), float(factor[alive].max())
        if high - low < 1e-9 * high:
            return self._at(high, factor)
        angle = np.pi * (np.arange(_LEVELS) + 0.5) / _LEVELS
        node = 0.5 * (low + high) + 0.5 * (high - low) * np.cos(angle)
        sign = np.where(np.arange(_LEVELS) % 2 == 0, 1.0, -1.0) * np.sin(angle)
        top, bottom = np.zeros(len(factor)), np.zeros(len(factor))
        at_node = np.full(len(factor), -1)
        kept = []
        for k in range(_LEVELS):
            value = self._at(float(node[k]), factor)
            kept.append(value)
            gap = factor - node[k]
            hit = np.abs(gap) < 1e-12 * high
            at_node[hit] = k
            part = sign[k] / np.where(hit, 1.0, gap)
            top += part * value
            bottom += part
        out = top / bottom
        for k in range(_LEVELS):
            out = np.where(at_node == k, kept[k], out)
        return np.asarray(out)

    def _at(self, q: float, factor: Floats) -> Floats:
        """ln S of all cells as if the factor of all were q."""
        a, b, g = self.response.alpha_per_Gy * q, self.response.beta_per_Gy2 * q**2, self.response.g
        e = np.sqrt(self.low.beta_per_Gy2) * self.low_dose
        straight = -self.low.alpha_per_Gy * self.low_dose
        if b * g == 0.0:
            kappa = self._kappa(np.array([a + 0j]), (1 - g) * b)[:, 0].real
            return np.asarray(straight - g * e**2 + kappa)
        y = self._estimate(a, b, g, e)
        spread, known = np.zeros(len(e)), np.full(len(e), np.inf)
        if float(y[self.these.alive].max()) * np.sqrt(2 * g) > _NEAR_ZERO:
            for _ in range(_STEPS):
                y, spread, known = self._saddle(y, a, b, g, e)
        else:
            y = np.zeros(len(e))
        return np.asarray(straight + self._gaussian_mean(y, spread, known, (a, b, g), e))

    def _gaussian_mean(
        self, y: Floats, spread: Floats, known: Floats, lq: tuple[float, float, float], e: Floats
    ) -> Floats:
        """ln of the mean over w, about centres y0 near y; `known` is its saddle-point value, used where S is negligible."""
        a, b, g = lq
        node, weight = np.polynomial.hermite_e.hermegauss(_NODES)
        node, weight = node[node > 0], 2.0 * weight[node > 0] / np.sqrt(2 * np.pi)
        width = np.sqrt(2 * g)
        out = np.where(np.isfinite(known), known, 0.0)
        open_ = self.these.alive & (known > _NEGLIGIBLE)
        if not open_.any():
            return out
        step = _SPACING / (width * np.sqrt(1 + 2 * g * b * float(spread[open_].max())))
        centre = np.round(y / step) * step
        for y0 in np.unique(centre[open_]):
            here = (centre == y0) & open_
            narrow = 1.0 / np.sqrt(
                1 + 2 * g * b * float(spread[here].mean())
            )  # the integrand is so much narrower than w
            w = narrow * node
            part = weight * narrow * np.exp(0.5 * (node**2 - w**2))
            kappa = self._kappa(a + 2 * g * y0 * np.sqrt(b) - 1j * w * width * np.sqrt(b), (1 - g) * b, here)[here]
            exponent = kappa + 1j * w * width * (e[here, None] - y0)
            top = exponent.real.max(axis=1)
            total = np.exp(exponent - top[:, None]).real @ part
            out[here] = g * y0**2 - 2 * g * y0 * e[here] + top + np.log(np.where(total > 0, total, np.nan))
        return out

    def _estimate(self, a: float, b: float, g: float, e: Floats) -> Floats:
        """y of the cells that survive, roughly: a gamma-like compound Poisson law whose mean is tilted by exp(-s z).

        The mean of z falls from D to D / (1 + s z_D / 2)^2; s = a + 2 G sqrt(b) y.
        """
        first, second = moments(self._nodes(np.zeros(1)), gray_per_MeV(self.these.nucleus_radius_um), 1)
        z_dose = float(second[0] / first[0]) if first[0] > 0 else 0.2
        low, high = e.copy(), e + np.sqrt(b) * self.alpha_dose
        for _ in range(12):
            y = 0.5 * (low + high)
            s = a + 2 * g * np.sqrt(b) * y
            above = e + np.sqrt(b) * self.alpha_dose / (1 + 0.5 * s * z_dose) ** 2 < y
            low, high = np.where(above, low, y), np.where(above, y, high)
        return np.asarray(0.5 * (low + high))

    def _saddle(self, y: Floats, a: float, b: float, g: float, e: Floats) -> tuple[Floats, Floats, Floats]:
        """One Newton step to the y at which the real exponent is least, the tilted variance there, and the value.

        f(y) = G y^2 - 2 G y e + kappa(a + 2 G sqrt(b) y), f' = 2 G (y - e - sqrt(b) m), f'' = 2 G (1 + 2 G b v), with the
        tilted mean m and variance v of z; ln of the mean over w is close to min f - ln(1 + 2 G b v) / 2.
        """
        these = self.these
        step = _SADDLE_STEP / np.sqrt(2 * g)
        centre = np.round(y / step) * step
        nearest, spread, value = y.copy(), np.zeros(len(y)), np.zeros(len(y))
        gray = gray_per_MeV(these.nucleus_radius_um)
        for y0 in np.unique(centre[these.alive]):
            here = (centre == y0) & these.alive
            s = a + 2 * g * y0 * np.sqrt(b)

            def kernel(distance: Floats, s: float = s) -> Floats:
                return tilted(self._nodes(distance), gray, s, (1 - g) * b, len(distance))

            sums = these.decays[here, None] * kernel(np.zeros(1))
            if len(these) > 1:
                sums = sums + neighbour_sums(these, alpha_reach_um(these), kernel, here)[here]
            if these.between is not None:

                def of(nodes: Any, n: int, s: float = s) -> Floats:
                    return tilted(nodes, gray, s, (1 - g) * b, n)

                sums = sums + medium_sums(these, of)[here]
            kappa, mean, variance = sums.T
            slope = 2 * g * (y0 - e[here] - np.sqrt(b) * mean)
            curve = 2 * g * (1 + 2 * g * b * variance)
            nearest[here] = np.maximum(y0 - slope / curve, 0.0)
            spread[here] = variance
            least = g * y0**2 - 2 * g * y0 * e[here] + kappa - slope**2 / (2 * curve)
            value[here] = least - 0.5 * np.log(1 + 2 * g * b * variance)
        return nearest, spread, value

    def _nodes(self, distance: Floats) -> Any:
        t = self.these
        return alpha_nodes(t.alpha_lines, contact_or_more(t, distance), t.cell_radius_um, t.nucleus_radius_um)

    def _kappa(self, s: Complex, square: float, wanted: NDArray[np.bool_] | None = None) -> Complex:
        """Sum over all cells of decays times the transform of one decay: [cell, s]."""
        these = self.these
        kernel = self._kernel(s, square)
        own = kernel(np.zeros(1))[0]
        out = these.decays[:, None] * own
        if len(these) > 1:
            cross = neighbour_sums(these, alpha_reach_um(these), lambda d: _split(kernel(d)), wanted)
            out = out + cross[:, : len(s)] + 1j * cross[:, len(s) :]
        if these.between is not None:
            gray = gray_per_MeV(these.nucleus_radius_um)
            free = medium_sums(these, lambda nodes, n: _split(alpha_transforms(nodes, gray, s, square, n)))
            out = out + free[:, : len(s)] + 1j * free[:, len(s) :]
        return np.asarray(out)

    def log_not_hit(self) -> Floats:
        """ln of the chance of no hit: every hit kills in the limit of a large s."""
        return self._kappa(np.array([_EVERY_HIT_KILLS + 0j]), 0.0)[:, 0].real

    def _kernel(self, s: Complex, square: float) -> Callable[[Floats], Complex]:
        t = self.these
        places, daughters = ({n: {p: x for p, x in shares.items() if p != MEDIUM} for n, shares in given.items()}
                             for given in (t.places, t.daughters))  # fmt: skip

        def of(distance: Floats) -> Complex:
            return chain_transforms(
                t.nuclide, t.decays_per_parent, places[t.nuclide], daughters, places, contact_or_more(t, distance),
                (t.cell_radius_um, t.nucleus_radius_um), s, square, together=self.events == "atom",
            )  # fmt: skip

        return of


def _split(value: Complex) -> Floats:
    return np.concatenate([value.real, value.imag], axis=1)
