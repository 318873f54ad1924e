"""Energy windows of a chain: the activity of each imaged daughter by itself, and how far from equilibrium it is.

Counts of window w in the duration d are a sum over nuclides q::

    C_w = d sum_q K_wq A_q,       K_wq = sum over lines in the window of efficiency x yield, plus what scatters into it

The yields are those of `physics.nuclides` (ICRP-107 with the catalogue's overrides). 225Ac is seen through 221Fr (218 keV) and
213Bi (440 keV), 227Th by itself and through 223Ra, 212Pb at 239 keV and through 208Tl (583 and 2615 keV).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..draws import Draws
from ..errors import DomainError, ImageError, missing
from ..physics.nuclides import chain_table
from ..physics.nuclides import nuclide as nuclide_of
from ._calibration import _above_zero, _not_negative
from ._recovery import Array

__all__ = ["ChainActivities", "WindowResponse", "equilibrium_ratio", "photon_yield", "unmix"]

LEAST_YIELD = 1e-4  # photons per decay: less is no signal of a nuclide
WORST_CONDITION = 1e4


def photon_yield(nuclide: str, window_keV: tuple[float, float]) -> float:
    """Photons per decay of one nuclide (not of its daughters) with an energy inside a window.

    Parameters
    ----------
    nuclide : str
    window_keV : (float, float)
        Lower and upper limit; both belong to it.

    Returns
    -------
    float

    Raises
    ------
    ImageError
        A window whose limits are not in order.
    CatalogError
        An unknown nuclide.

    Examples
    --------
    >>> round(photon_yield("Fr-221", (207, 229)), 3), round(photon_yield("Bi-213", (396, 484)), 3)
    (0.114, 0.259)
    """
    low, high = _window(window_keV)
    lines = nuclide_of(nuclide).emissions("photon")
    energy = lines["energy_MeV"].to_numpy() * 1e3
    return float(lines["yield_per_decay"].to_numpy()[(energy >= low) & (energy <= high)].sum())


@dataclass(frozen=True, eq=False)
class WindowResponse:
    """What each window counts of each nuclide.

    Attributes
    ----------
    windows, nuclides : tuple of str
    cps_per_MBq : array[window, nuclide]
    sd : array[window, nuclide]
        Standard uncertainty of each number, taken as independent.
    common_relative_sd : float
        Of the whole matrix: a common calibration source.
    notes : tuple of str

    Examples
    --------
    >>> response = WindowResponse(("218keV", "440keV"), ("Fr-221", "Bi-213"), [[5.0, 1.2], [0.0, 7.0]], 0.05)
    >>> response.cross_talk("218keV", "Bi-213")
    0.1714...
    """

    windows: tuple[str, ...]
    nuclides: tuple[str, ...]
    cps_per_MBq: Array
    sd: Array
    common_relative_sd: float = 0.0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = tuple(nuclide_of(n).name for n in self.nuclides)
        k = np.array(self.cps_per_MBq, dtype=float)
        shape = (len(self.windows), len(names))
        if k.shape != shape or not np.isfinite(k).all() or (k < 0).any():
            raise ImageError(
                f"cps_per_MBq has shape {k.shape}; it needs one number from 0 for each of {shape[0]} windows and {shape[1]} nuclides."
            )
        for kind, named in (("window", self.windows), ("nuclide", names)):
            if len(set(named)) < len(named):
                raise ImageError(f"A {kind} is named twice: {', '.join(named)}.")
        if shape[0] < shape[1]:
            raise ImageError(
                f"{shape[0]} windows cannot tell {shape[1]} nuclides apart. Add a window, or leave out the nuclides that are in "
                "equilibrium with their parent."
            )
        given = np.asarray(self.sd, dtype=float)
        if (given.ndim and given.shape != shape) or not np.isfinite(given).all() or (given < 0).any():
            raise ImageError(
                "sd takes one number that is not negative for each entry of cps_per_MBq (or one relative for all)."
            )
        sd = k * float(given) if not given.ndim else given.copy()
        _not_negative(self.common_relative_sd, "common_relative_sd", "1")
        norm = np.linalg.norm(k, axis=0)
        if (norm == 0).any():
            raise ImageError(f"No window counts anything of {names[int(np.argmin(norm))]}.")
        if np.linalg.cond(k / norm) > WORST_CONDITION:
            raise ImageError(
                f"These windows cannot tell {' and '.join(names)} apart: they count them in the same proportion."
            )
        for array in (k, sd):
            array.setflags(write=False)
        object.__setattr__(self, "cps_per_MBq", k)
        object.__setattr__(self, "sd", sd)
        object.__setattr__(self, "nuclides", names)

    def cross_talk(self, window: str, nuclide: str) -> float:
        """Counts of a nuclide in a window over its counts in the window that sees it best."""
        if window not in self.windows:
            raise missing("window", window, self.windows)
        name = nuclide_of(nuclide).name
        if name not in self.nuclides:
            raise missing("nuclide in these windows", name, self.nuclides)
        column = self.cps_per_MBq[:, self.nuclides.index(name)]
        return float(column[self.windows.index(window)] / column.max())

    @classmethod
    def from_yields(
        cls,
        windows_keV: Mapping[str, tuple[float, float]],
        nuclides: Sequence[str],
        cps_per_Mphoton_s: Mapping[str, float],
        *,
        relative_sd: float,
        scatter: Mapping[tuple[str, str], float] | None = None,
        scatter_relative_sd: float = 0.3,
    ) -> WindowResponse:
        """From the camera's efficiency for unscattered photons in each window, and the yields of the nuclides.

        Parameters
        ----------
        windows_keV : mapping of str to (float, float)
        nuclides : sequence of str
        cps_per_Mphoton_s : mapping of str to float
            Counts per second in the window for 1e6 photons emitted per second with an energy inside it (one number per window:
            measured with any nuclide that has a line there).
        relative_sd : float
            Of each efficiency; yields are taken as exact.
        scatter : mapping of (window, nuclide) to float, optional
            Counts in that window from photons of the nuclide that were emitted above it, as a share of the nuclide's counts in
            the window that sees it best. Measured after scatter correction; 0 where not given.
        scatter_relative_sd : float

        Returns
        -------
        WindowResponse

        Raises
        ------
        ImageError
            A window without efficiency, a nuclide with no line in any window.
        """
        names = tuple(windows_keV)
        for key in names:
            if key not in cps_per_Mphoton_s:
                raise ImageError(f"No efficiency is given for the window {key!r}; supply cps_per_Mphoton_s[{key!r}].")
            _above_zero(cps_per_Mphoton_s[key], f"cps_per_Mphoton_s[{key!r}]", "counts per 1e6 photons")
        members = tuple(nuclide_of(n).name for n in nuclides)
        yields = np.array([[photon_yield(n, windows_keV[w]) for n in members] for w in names]).reshape(
            len(names), len(members)
        )
        for j, name in enumerate(members):
            if yields[:, j].max(initial=0.0) < LEAST_YIELD:
                raise ImageError(
                    f"{name} emits fewer than 1e-4 photons per decay in these windows: {', '.join(names)}."
                )
        direct = yields * np.array([cps_per_Mphoton_s[w] for w in names])[:, None]
        spread = np.zeros_like(direct)
        for (window, name), share in (scatter or {}).items():
            if window not in names or nuclide_of(name).name not in members:
                raise missing(
                    "pair of window and nuclide", f"{window}, {name}", [f"{w}, {m}" for w in names for m in members]
                )
            j = members.index(nuclide_of(name).name)
            spread[names.index(window), j] = (
                _not_negative(share, f"scatter[{window!r}, {name!r}]", "1") * direct[:, j].max()
            )
        sd = np.hypot(direct * _not_negative(relative_sd, "relative_sd", "1"), spread * scatter_relative_sd)
        lines = [
            f"{m} {yields[i, j]:.4g} in {w}"
            for i, w in enumerate(names)
            for j, m in enumerate(members)
            if yields[i, j] > 0
        ]
        return cls(names, members, direct + spread, sd, notes=(f"Photons per decay: {', '.join(lines)}.",))


@dataclass(frozen=True, eq=False)
class ChainActivities:
    """Activity of each nuclide in a region from several windows.

    Attributes
    ----------
    nuclides : tuple of str
    activity_MBq : array[nuclide]
        Mean over the acquisition; not clipped at zero.
    covariance_MBq2 : array[nuclide, nuclide]
        Counts and response together.
    samples_MBq : array[sample, nuclide]
        Normal, with that mean and covariance.
    """

    nuclides: tuple[str, ...]
    activity_MBq: Array
    covariance_MBq2: Array
    samples_MBq: Array
    notes: tuple[str, ...] = ()

    def of(self, nuclide: str) -> tuple[float, float]:
        """Activity of one nuclide and its standard uncertainty, MBq."""
        i = self._index(nuclide)
        return float(self.activity_MBq[i]), math.sqrt(float(self.covariance_MBq2[i, i]))

    def ratio(self, daughter: str, parent: str) -> tuple[float, float]:
        """A_daughter / A_parent and its standard uncertainty, first order, with their covariance.

        Raises
        ------
        ImageError
            The parent's activity is less than three standard uncertainties: no ratio can be formed.
        """
        i, j = self._index(daughter), self._index(parent)
        a, b, v = self.activity_MBq[i], self.activity_MBq[j], self.covariance_MBq2
        if b < 3 * math.sqrt(v[j, j]):
            raise ImageError(
                f"{self.nuclides[j]} is not seen in this region ({b:.3g} +- {math.sqrt(v[j, j]):.2g} MBq): a ratio to it means nothing."
            )
        r = a / b
        variance = (v[i, i] - 2 * r * v[i, j] + r * r * v[j, j]) / b**2
        return float(r), math.sqrt(max(float(variance), 0.0))

    def out_of_equilibrium(self, daughter: str, parent: str, carrier: str) -> tuple[float, float]:
        """Measured ratio over the ratio in transient equilibrium with the carrier: 1 where every daughter stays.

        Above 1 the daughter collects here (free 213Bi in kidneys), below 1 it leaves.
        """
        value, sd = self.ratio(daughter, parent)
        balance = equilibrium_ratio(daughter, parent, carrier)
        return value / balance, sd / balance

    def _index(self, name: str) -> int:
        wanted = nuclide_of(name).name
        if wanted not in self.nuclides:
            raise missing("nuclide in these windows", wanted, self.nuclides)
        return self.nuclides.index(wanted)


def unmix(
    counts: npt.ArrayLike,
    response: WindowResponse,
    *,
    duration_s: float,
    draws: Draws,
    background: npt.ArrayLike = 0.0,
    counts_sd: npt.ArrayLike | None = None,
    where: str = "region",
) -> ChainActivities:
    """Activity of each nuclide in one region from its counts in each window.

    Generalised least squares ``A = (K' W K)^-1 K' W C/d`` with W the inverse variance of the counts; with as many windows as
    nuclides this is ``K^-1 C/d`` whatever the weights. Covariance: ``G (V_C/d^2 + V_K) G'`` with G the same operator and V_K the
    variance of sum_q K_wq A_q from that of K, plus the common part of the response.

    Parameters
    ----------
    counts : array[window]
        Inside the region, in the order of the windows.
    response : WindowResponse
    duration_s : float
    draws : Draws
        Scores "windows WHERE i".
    background : array[window] or float
        Counts that are no activity of the region, taken off.
    counts_sd : array[window], optional
        Of the counts; Poisson (at least one count) without it, which reconstructed images are not quite.
    where : str
        Names the scores.

    Returns
    -------
    ChainActivities

    Raises
    ------
    ImageError
        Not one number for each window, negative sd, no duration.

    Examples
    --------
    >>> response = WindowResponse(("218keV", "440keV"), ("Fr-221", "Bi-213"), [[5.0, 1.2], [0.0, 7.0]], 0.0)
    >>> seen = unmix([5.0 * 60 + 1.2 * 90, 7.0 * 90], response, duration_s=60, draws=Draws(1))
    >>> [float(round(a, 3)) for a in seen.activity_MBq]
    [1.0, 1.5]
    """
    _above_zero(duration_s, "duration_s", "s")
    n = len(response.windows)
    c = np.asarray(counts, dtype=float)
    if c.shape != (n,) or not np.isfinite(c).all():
        raise ImageError(
            f"Counts of {c.size} windows were given; {n} finite numbers are needed: {', '.join(response.windows)}."
        )
    sd = np.sqrt(np.maximum(c, 1.0)) if counts_sd is None else np.asarray(counts_sd, dtype=float)
    if sd.shape != (n,) or not np.isfinite(sd).all() or (sd <= 0).any():
        raise ImageError(f"counts_sd takes one number above zero for each of {n} windows.")
    net = (c - np.broadcast_to(np.asarray(background, dtype=float), (n,))) / duration_s
    k, u = response.cps_per_MBq, sd / duration_s
    operator = np.linalg.pinv(k / u[:, None]) / u
    a = operator @ net
    by_response = (response.sd**2) @ (a * a)
    covariance = operator @ np.diag(u**2 + by_response) @ operator.T + np.outer(a, a) * response.common_relative_sd**2
    covariance = (covariance + covariance.T) / 2
    size, axes = np.linalg.eigh(covariance)
    root = (axes * np.sqrt(np.clip(size, 0, None))) @ axes.T
    z = np.stack([draws.normal(f"windows {where} {i + 1}") for i in range(len(a))], axis=1)
    notes = list(response.notes)
    for i, name in enumerate(response.nuclides):
        if a[i] < 0:
            notes.append(
                f"{name} in {where} is {a[i]:.3g} +- {math.sqrt(covariance[i, i]):.2g} MBq: not seen, and not clipped at zero."
            )
    return ChainActivities(response.nuclides, a, covariance, a + z @ root, tuple(notes))


def equilibrium_ratio(daughter: str, parent: str, carrier: str) -> float:
    """A_daughter / A_parent in transient equilibrium with a carrier that outlives both, nothing leaving.

    ``A_i = lambda_i/(lambda_i - lambda_carrier) sum_j f_ij A_j`` down the chain (Bateman 1910).

    Parameters
    ----------
    daughter, parent : str
        Members of the carrier's chain; the parent may be the carrier.
    carrier : str

    Returns
    -------
    float

    Raises
    ------
    DomainError
        A member that lives longer than the carrier: there is no equilibrium.
    CatalogError
        A nuclide that is not in the chain.

    Examples
    --------
    >>> round(equilibrium_ratio("Bi-213", "Fr-221", "Ac-225"), 4), round(equilibrium_ratio("Tl-208", "Pb-212", "Pb-212"), 4)
    (1.0031, 0.399)
    """
    table = chain_table(carrier)
    first = table.decay_constant_per_h[0]
    ratios = np.zeros(len(table.names))
    ratios[0] = 1.0
    wanted = [nuclide_of(n).name for n in (daughter, parent)]
    for name in wanted:
        if name not in table.names:
            raise missing(f"nuclide in the chain of {table.names[0]}", name, table.names)
    for i in range(1, len(table.names)):
        feed = float(table.branching[i] @ ratios)
        rate = table.decay_constant_per_h[i]
        if feed > 0 and rate <= first:
            if table.names[i] in wanted:
                raise DomainError(
                    f"{table.names[i]} lives longer than {table.names[0]}: the two come to no equilibrium."
                )
            feed = 0.0
        ratios[i] = feed * rate / (rate - first) if feed else 0.0
    a, b = (float(ratios[table.names.index(name)]) for name in wanted)
    if b == 0:
        raise DomainError(f"{wanted[1]} is not in equilibrium with {table.names[0]}; no ratio can be formed.")
    return a / b


def _window(window_keV: tuple[float, float]) -> tuple[float, float]:
    low, high = float(window_keV[0]), float(window_keV[1])
    if not (math.isfinite(high) and 0 <= low < high):
        raise ImageError(f"A window goes from a lower to a higher energy in keV; given was {low:g} to {high:g}.")
    return low, high
