"""Many cells: where they lie, how many decays each one has, and the mean dose to every nucleus.

Cells are equal spheres with a concentric nucleus in water; the nucleus is the target. Decays per cell times gray per
decay, summed over the cell itself and all others, is the MIRD equation at the scale of a cell:

    D_i = N_i S(0) + sum over j of N_j S(|r_i - r_j|)

with S from `transport.cell_s_values`. See docs/clusters.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import DomainError, suggestion
from ..physics.nuclides import nuclide as nuclide_of
from ..transport._pairs import AlphaLines, alpha_lines, alpha_nodes, gray_per_MeV, mean_hits, moments
from ..transport._tracks import NodeTable
from ..transport.cells import cell_s_values, checked_cell
from ._chain import chain_places, checked_places, place_notes
from ._medium import MEDIUM, Between, between_cells
from ._neighbours import Kernel, Lattice, far_sums, fill_random, lattice_sums, list_sums, overlapping_pair
from ._uptake import ImageUptake, Labelled, Lognormal, ReceptorHistogram, Table, Uniform, Uptake

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Cluster",
    "ClusterDose",
    "ImageUptake",
    "Labelled",
    "Lognormal",
    "ReceptorHistogram",
    "Table",
    "Uniform",
    "Uptake",
    "alpha_lineal_energy_keV_per_um",
    "cluster",
    "cluster_dose",
    "monolayer",
    "spheroid",
]

Array = npt.NDArray[np.float64]

_UPTAKES = (Uniform, Lognormal, Labelled, ReceptorHistogram, Table, ImageUptake)

MOST_CELLS = 20_000_000
PACKINGS = ("cubic", "close", "random")
MOST_RANDOM = 0.30  # share of the volume; random sequential addition jams near 0.38


# --- the cluster -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Cluster:
    """Cells, their decays, and where in a cell those happen; made by `spheroid`, `monolayer` or `cluster`.

    Attributes
    ----------
    positions_um : Array[cell, 3]
        Centres.
    decays : Array[cell]
        Decays of the parent in or on each cell.
    alive : bool array[cell]
        False in a necrotic core: no target, no survivor, no uptake.
    nuclide : str
    decays_per_parent : mapping
        Decays of each nuclide of the chain per decay of the parent.
    places : mapping of mapping
        Nuclide -> place (``surface``, ``cytoplasm``, ``nucleus``, ``cell``, ``medium``) -> share of its decays; what is
        missing to 1 is lost and gives no dose.
    cell_radius_um, nucleus_radius_um : float
    daughters : mapping of mapping
        Places of the daughters that were given places of their own.
    lattice : Lattice or None
    notes : tuple of str
        What was assumed.
    ball_um : float or None
        Radius of the ball that just holds all cells of a spheroid; between them decays what is in the medium.
    """

    positions_um: Array
    decays: Array
    alive: npt.NDArray[np.bool_]
    nuclide: str
    decays_per_parent: Mapping[str, float]
    places: Mapping[str, Mapping[str, float]]
    cell_radius_um: float
    nucleus_radius_um: float
    daughters: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    lattice: Lattice | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    ball_um: float | None = None

    def __post_init__(self) -> None:
        checked_cell(self.cell_radius_um, self.nucleus_radius_um)
        n = len(self.positions_um)
        if self.positions_um.shape != (n, 3) or self.decays.shape != (n,) or self.alive.shape != (n,):
            raise DomainError(
                f"A cluster has positions {self.positions_um.shape}, decays {self.decays.shape} and alive "
                f"{self.alive.shape}; expected (cell, 3), (cell,), (cell,)."
            )
        if not (np.isfinite(self.positions_um).all() and np.isfinite(self.decays).all() and (self.decays >= 0).all()):
            raise DomainError("Positions must be finite, and decays finite and not negative.")
        if not self.alive.any():
            raise DomainError("No cell of the cluster is alive: the necrotic core takes all of it.")
        for array in (self.positions_um, self.decays, self.alive):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.positions_um)

    @property
    def parent_places(self) -> Mapping[str, float]:
        """Places of the parent's decays."""
        return self.places[self.nuclide]

    @property
    def lost(self) -> dict[str, float]:
        """Share of each nuclide's decays that happen in no cell."""
        return {name: max(0.0, 1.0 - math.fsum(shares.values())) for name, shares in self.places.items()}

    @property
    def alpha_lines(self) -> AlphaLines:
        """Alpha lines of the whole chain, in their places in or on the cells."""
        return alpha_lines(self.decays_per_parent, self.places)

    @property
    def between(self) -> Between | None:
        """Decays in the medium between the cells; None without."""
        shares = {n: p[MEDIUM] for n, p in self.places.items() if p.get(MEDIUM, 0.0) > 0}
        if not shares or self.ball_um is None or not self.decays.any():
            return None
        return between_cells(
            float(self.decays.sum()), self.decays_per_parent, shares, self.ball_um, len(self), self.cell_radius_um
        )

    @property
    def has_alphas(self) -> bool:
        """Whether any alpha is sent out, in a cell or between them."""
        return bool(self.alpha_lines.by_place) or (self.between is not None and bool(self.between.lines().by_place))

    def scaled(self, factor: float) -> Cluster:
        """The same cluster with `factor` times the decays; the original is unchanged."""
        if not (math.isfinite(factor) and factor >= 0):
            raise DomainError(f"Decays cannot be multiplied by {factor!r}.")
        return replace(self, decays=self.decays * factor)

    def with_nuclide(self, nuclide: str, daughters: Mapping[str, Mapping[str, float]] | None = None) -> Cluster:
        """The same cells and decays per cell with another nuclide in the parent's places."""
        name = nuclide_of(nuclide).name
        per_parent, places, own = chain_places(name, self.parent_places, daughters or {})
        notes = (*self.notes[:1], *place_notes(name, places, own))
        return replace(self, nuclide=name, decays_per_parent=per_parent, places=places, daughters=own, notes=notes)


def _number(name: str, value: float, *, low: float = 0.0, zero: bool = False) -> float:
    if isinstance(value, bool | str) or not math.isfinite(value) or not (value > low or (zero and value == low)):
        raise DomainError(f"{name} is {value!r}; it must be a number {'from' if zero else 'above'} {low:g}.")
    return float(value)


def _stream(seed: int, what: str) -> np.random.Generator:
    import hashlib

    key = int.from_bytes(hashlib.sha256(f"{seed}|{what}".encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def cluster(
    positions_um: npt.ArrayLike,
    nuclide: str,
    *,
    decays_per_cell: float,
    cell_radius_um: float = 5.0,
    nucleus_radius_um: float = 4.0,
    source: str | Mapping[str, float] = "surface",
    uptake: Uptake | None = None,
    depth_um: npt.ArrayLike | None = None,
    penetration_depth_um: float = math.inf,
    alive: npt.ArrayLike | None = None,
    daughters: Mapping[str, str | Mapping[str, float]] | None = None,
    lattice: Lattice | None = None,
    ball_um: float | None = None,
    seed: int = 1,
) -> Cluster:
    """Cells at any positions: a patch of tissue, a table, an image.

    Parameters
    ----------
    positions_um : array (cell, 3)
        Centres; no two cells may overlap.
    nuclide : str
        E.g. ``"Ac-225"``; its whole chain follows.
    decays_per_cell : float
        Decays of the parent, mean over the living cells.
    cell_radius_um, nucleus_radius_um : float
    source : str or mapping
        Place of the parent in its cell, or shares by place: ``{"surface": 0.7, "cytoplasm": 0.3}``; in a spheroid also
        ``medium``, uniform in the water between the cells.
    uptake : Uptake
        `Uniform` (default), `Lognormal`, `Labelled`, `ReceptorHistogram`, `ImageUptake` or `Table`.
    depth_um : array (cell,), optional
        Depth of each cell below the surface from which the agent comes in; wanted by `penetration_depth_um`.
    penetration_depth_um : float
        Uptake falls as exp(-depth / this); infinite: no gradient.
    alive : bool array (cell,), optional
        Dead cells are no targets and take up nothing.
    daughters : mapping, optional
        Daughter -> place or shares by place of the atoms that are born here; what is missing to 1 is lost, and its
        progeny with it, also where that has places of its own. A daughter that is not named stays where its parent
        decays: ``{"Bi-213": {"surface": 0.3}}`` loses 70 % of 213Bi and what follows,
        ``{"Bi-213": {"surface": 0.3, "medium": 0.7}}`` lets it decay between the cells of a spheroid. Daughters that
        outlive a year are left out unless they are named.
    lattice : Lattice, optional
        When the positions are a lattice: sums over pairs are then exact and fast.
    ball_um : float, optional
        Radius of the ball about 0 that just holds all cells; `spheroid` gives it, and decays in the medium need it.
    seed : int
        Of the random uptake.

    Returns
    -------
    Cluster

    Raises
    ------
    DomainError
        Overlapping cells, a nucleus that is not smaller than the cell, an unknown place, shares above 1, no cells.
    CatalogError
        An unknown nuclide or daughter.

    Examples
    --------
    >>> pair = cluster([[0, 0, 0], [12, 0, 0]], "Po-210", decays_per_cell=1.0)
    >>> len(pair), pair.decays.tolist()
    (2, [1.0, 1.0])
    """
    checked_cell(cell_radius_um, nucleus_radius_um)
    try:
        where = np.array(positions_um, dtype=float)
    except (TypeError, ValueError) as error:
        raise DomainError("positions_um must be an array of numbers (cell, 3), in um.") from error
    if where.ndim != 2 or where.shape[1] != 3 or not len(where) or not np.isfinite(where).all():
        raise DomainError(
            f"positions_um has the shape {where.shape}; give at least one centre as finite x, y, z in um."
        )
    if len(where) > MOST_CELLS:
        raise DomainError(f"{len(where)} cells are more than the {MOST_CELLS} that are taken.")
    if lattice is None:
        near = overlapping_pair(where, 2 * cell_radius_um)
        if near is not None:
            raise DomainError(
                f"Cells {near[0]} and {near[1]} overlap: their centres are {near[2]:.4g} um apart and their radius is "
                f"{cell_radius_um:g} um, so {2 * cell_radius_um:g} um is the least."
            )
    living = np.ones(len(where), dtype=bool) if alive is None else np.array(alive, dtype=bool)
    if living.shape != (len(where),):
        raise DomainError(f"alive has the shape {living.shape} for {len(where)} cells.")
    if not living.any():
        raise DomainError("No cell of the cluster is alive.")
    decays = np.zeros(len(where))
    if uptake is not None and not isinstance(uptake, _UPTAKES):
        raise DomainError(
            f"uptake is {uptake!r}; give one of {', '.join(u.__name__ for u in _UPTAKES)}, e.g. Lognormal(0.8)."
        )
    if isinstance(uptake, ImageUptake):
        relative = uptake.at(where[living], cell_radius_um)
    else:
        relative = (uptake or Uniform()).relative(int(living.sum()), _stream(seed, "uptake"))
    if math.isfinite(penetration_depth_um) or depth_um is not None:
        _number("penetration_depth_um", min(penetration_depth_um, 1e12))
        if depth_um is None:
            raise DomainError("A penetration depth needs depth_um, the depth of each cell below the surface.")
        relative = relative * np.exp(-np.asarray(depth_um, dtype=float)[living] / penetration_depth_um)
    if not relative.sum() > 0:
        raise DomainError("No living cell takes up the nuclide.")
    decays[living] = relative * (_number("decays_per_cell", decays_per_cell, zero=True) / relative.mean())
    name = nuclide_of(nuclide).name
    per_parent, places, own = chain_places(name, checked_places(name, source), daughters or {})
    if ball_um is None and any(p.get(MEDIUM, 0.0) > 0 for p in places.values()):
        raise DomainError("Decays in the medium are known between the cells of a spheroid, not around other cells.")
    if ball_um is not None and len(where) == 1 and any(p.get(MEDIUM, 0.0) > 0 for p in places.values()):
        raise DomainError("One cell alone has no medium between cells; give the spheroid two cells or more.")
    notes = ["Cells and what is between them are water of unit density; bone, air and vessels are not there."]
    notes += place_notes(name, places, own)
    return Cluster(
        where,
        decays,
        living,
        name,
        per_parent,
        places,
        float(cell_radius_um),
        float(nucleus_radius_um),
        own,
        lattice,
        tuple(notes),
        ball_um,
    )


def spheroid(
    nuclide: str,
    *,
    decays_per_cell: float,
    radius_um: float | None = None,
    cells: int | None = None,
    cell_radius_um: float = 5.0,
    nucleus_radius_um: float = 4.0,
    packing: str = "cubic",
    pitch_um: float | None = None,
    volume_fraction: float = MOST_RANDOM,
    necrotic_radius_um: float = 0.0,
    penetration_depth_um: float = math.inf,
    source: str | Mapping[str, float] = "surface",
    uptake: Uptake | None = None,
    daughters: Mapping[str, str | Mapping[str, float]] | None = None,
    seed: int = 1,
) -> Cluster:
    """A ball of cells.

    Parameters
    ----------
    nuclide, decays_per_cell, cell_radius_um, nucleus_radius_um, source, uptake, daughters, seed
        As in `cluster`.
    radius_um : float
        Centres lie within this radius. Or give
    cells : int
        how many; on a lattice those nearest to the centre.
    packing : {"cubic", "close", "random"}
        Simple cubic lattice, face-centred cubic (close-packed) lattice, or random without overlap.
    pitch_um : float
        Distance of nearest neighbours on a lattice; two cell radii when left out.
    volume_fraction : float
        Of random cells, at most 0.30.
    necrotic_radius_um : float
        Cells whose centre lies within are dead.
    penetration_depth_um : float
        Uptake falls as exp(-depth / this) below the rim.

    Returns
    -------
    Cluster

    Raises
    ------
    DomainError
        As in `cluster`; a lattice whose cells overlap; neither or both of `radius_um` and `cells`.

    Examples
    --------
    >>> len(spheroid("Po-210", decays_per_cell=0.5, radius_um=200.0))
    33401
    """
    checked_cell(cell_radius_um, nucleus_radius_um)
    if packing not in PACKINGS:
        raise DomainError(f"No packing {packing!r}. {suggestion(packing, PACKINGS)}Packings: {', '.join(PACKINGS)}.")
    if (radius_um is None) == (cells is None):
        raise DomainError("Give the spheroid's radius_um or its number of cells, one of the two.")
    if radius_um is not None:
        _number("radius_um", radius_um, zero=True)
    elif not _is_count(cells):
        raise DomainError(f"cells is {cells!r}; give a whole number from 1 to {MOST_CELLS}.")
    _number("necrotic_radius_um", necrotic_radius_um, zero=True)
    pitch = _pitch(pitch_um, cell_radius_um)
    lattice: Lattice | None = None
    if packing == "random":
        where = _random_ball(radius_um, cells, cell_radius_um, volume_fraction, seed)
    else:
        lattice = _ball_of(packing, radius_um, cells, pitch)
        where = lattice.index @ lattice.basis_um
    r = np.linalg.norm(where, axis=1)
    rim = float(r.max())
    return cluster(
        where, nuclide, decays_per_cell=decays_per_cell, cell_radius_um=cell_radius_um, nucleus_radius_um=nucleus_radius_um,
        source=source, uptake=uptake, depth_um=rim - r if math.isfinite(penetration_depth_um) else None,
        penetration_depth_um=penetration_depth_um, alive=r >= necrotic_radius_um, daughters=daughters, lattice=lattice,
        ball_um=rim + cell_radius_um, seed=seed,
    )  # fmt: skip


def monolayer(
    nuclide: str,
    *,
    decays_per_cell: float,
    cells: int,
    cell_radius_um: float = 5.0,
    nucleus_radius_um: float = 4.0,
    packing: str = "close",
    pitch_um: float | None = None,
    source: str | Mapping[str, float] = "surface",
    uptake: Uptake | None = None,
    daughters: Mapping[str, str | Mapping[str, float]] | None = None,
    seed: int = 1,
) -> Cluster:
    """A round layer of cells in one plane: hexagonal (``"close"``) or square (``"cubic"``).

    Parameters, returns, raises: as in `spheroid`; `cells` are those nearest to the centre.

    Examples
    --------
    >>> len(monolayer("At-211", decays_per_cell=1.0, cells=1000))
    1000
    """
    checked_cell(cell_radius_um, nucleus_radius_um)
    if packing not in ("close", "cubic"):
        raise DomainError(
            f"No packing {packing!r} of a layer. {suggestion(packing, ('close', 'cubic'))}Packings: close, cubic."
        )
    if not _is_count(cells):
        raise DomainError(f"cells is {cells!r}; give a whole number from 1 to {MOST_CELLS}.")
    pitch = _pitch(pitch_um, cell_radius_um)
    skew = (0.5, math.sqrt(0.75)) if packing == "close" else (0.0, 1.0)
    basis = pitch * np.array([[1.0, 0.0, 0.0], [*skew, 0.0], [0.0, 0.0, 1.0]])
    m = math.ceil(1.3 * math.sqrt(cells / math.pi) / skew[1]) + 3
    i, j = (a.ravel() for a in np.meshgrid(np.arange(-m, m + 1), np.arange(-m, m + 1), indexing="ij"))
    lattice = _nearest(Lattice(np.stack([i, j, np.zeros_like(i)], axis=1), basis), cells)
    return cluster(
        lattice.index @ basis, nuclide, decays_per_cell=decays_per_cell, cell_radius_um=cell_radius_um,
        nucleus_radius_um=nucleus_radius_um, source=source, uptake=uptake, daughters=daughters, lattice=lattice, seed=seed,
    )  # fmt: skip


def _is_count(cells: object) -> bool:
    return isinstance(cells, int) and not isinstance(cells, bool) and 1 <= cells <= MOST_CELLS


def _pitch(pitch_um: float | None, cell_radius_um: float) -> float:
    least = 2.0 * cell_radius_um
    pitch = least if pitch_um is None else _number("pitch_um", pitch_um)
    if pitch < least * (1 - 1e-9):
        raise DomainError(
            f"pitch_um is {pitch:g} um, but cells of radius {cell_radius_um:g} um overlap below {least:g} um. "
            "Give a larger pitch or smaller cells."
        )
    return max(pitch, least)


def _nearest(lattice: Lattice, count: int) -> Lattice:
    """The lattice points nearest to the origin; equal distances in the order of their index."""
    square = np.round(np.sum((lattice.index @ lattice.basis_um) ** 2, axis=1), 6)
    keep = np.sort(np.argsort(square, kind="stable")[:count])
    return Lattice(lattice.index[keep], lattice.basis_um)


def _ball_of(packing: str, radius_um: float | None, cells: int | None, pitch: float) -> Lattice:
    """Lattice points in a ball: simple cubic, or the even points of a cubic lattice (face-centred)."""
    step = pitch if packing == "cubic" else pitch / math.sqrt(2.0)
    points = 1.0 if packing == "cubic" else 0.5
    reach = radius_um / step if radius_um is not None else (3 * (cells or 1) / (4 * math.pi * points)) ** (1 / 3) + 3
    if points * 4.2 * reach**3 > 2 * MOST_CELLS:
        raise DomainError(f"A spheroid of radius {reach * step:.4g} um has more than {MOST_CELLS} cells.")
    m = math.ceil(reach) + 1
    a = np.arange(-m, m + 1)
    square = (a**2)[:, None, None] + (a**2)[:, None] + a**2
    inside = square <= reach**2 * (1 + 1e-9) if cells is None else square <= (reach + 1) ** 2
    index = np.argwhere(inside) - m
    if packing == "close":
        index = index[index.sum(axis=1) % 2 == 0]
    lattice = Lattice(index, step * np.eye(3))
    return lattice if cells is None else _nearest(lattice, cells)


def _random_ball(radius_um: float | None, cells: int | None, cell_radius_um: float, share: float, seed: int) -> Array:
    """Centres placed at random in a ball so that the cells fill `share` of it."""
    if not 0 < share <= MOST_RANDOM:
        raise DomainError(
            f"volume_fraction is {share!r}; random cells fill above 0 and at most {MOST_RANDOM} of the volume. "
            "Take packing 'cubic' (0.52) or 'close' (0.74) for denser tissue."
        )
    if radius_um is None:
        assert cells is not None
        count, ball = cells, cell_radius_um * (cells / share) ** (1 / 3)
    else:
        ball = radius_um + cell_radius_um
        count = max(1, round(share * (ball / cell_radius_um) ** 3))
    if count > MOST_CELLS:
        raise DomainError(f"{count} cells are more than the {MOST_CELLS} that are taken.")
    stream = _stream(seed, "positions")
    for _ in range(20):
        within = max(ball - cell_radius_um, 1e-6)
        where = fill_random(np.full(3, 2 * within), 2 * cell_radius_um, count, within, stream)
        if len(where) == count:
            return np.asarray(where - within)
        if radius_um is not None:
            raise DomainError(f"Only {len(where)} of {count} cells found room at random; lower volume_fraction.")
        ball *= 1.03  # few cells: their centres have less room than the volume says
    raise DomainError(f"{count} cells found no room at random; lower volume_fraction.")


# --- dose ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ClusterDose:
    """Mean absorbed dose to every nucleus, and how often alphas hit it.

    Attributes
    ----------
    dose : DataArray[cell, origin, radiation]
        Gy; origin ``self`` (decays of the cell itself), ``cross`` (all other cells) and ``medium`` (between them);
        unweighted. Dead cells get 0.
    mean_hits : DataArray[cell]
        Expected alpha hits of the nucleus.
    by_nuclide : DataArray[nuclide, radiation]
        Mean over the living cells, Gy.
    alive : bool array[cell]
    """

    dose: xr.DataArray
    mean_hits: xr.DataArray
    by_nuclide: xr.DataArray
    alive: npt.NDArray[np.bool_]

    @property
    def total_Gy(self) -> Array:
        """Dose[cell]."""
        return np.asarray(self.dose.sum(("origin", "radiation")).values)

    @property
    def low_let_Gy(self) -> Array:
        """Dose[cell] of everything but alphas."""
        return np.asarray(self.dose.sel(radiation="low_let").sum("origin").values)

    @property
    def mean_Gy(self) -> float:
        """Mean over the living cells."""
        return float(self.total_Gy[self.alive].mean())

    @property
    def crossfire_share(self) -> Array:
        """Share of each cell's dose that comes from other cells; 0 where there is no dose."""
        total = self.total_Gy
        cross = self.dose.sel(origin="cross").sum("radiation").values
        return np.asarray(np.divide(cross, total, out=np.zeros_like(total), where=total > 0))

    @property
    def mean_crossfire_share(self) -> float:
        """Share of all dose to living cells that comes from other cells."""
        total = float(self.total_Gy[self.alive].sum())
        return float(self.dose.sel(origin="cross").sum("radiation").values[self.alive].sum()) / total if total else 0.0

    @property
    def zero_hit(self) -> Array:
        """Chance[cell] that no alpha hits the nucleus, exp(-mean hits)."""
        return np.asarray(np.exp(-np.asarray(self.mean_hits.values)))

    @property
    def zero_hit_share(self) -> float:
        """Expected share of the living cells that no alpha hits."""
        return float(self.zero_hit[self.alive].mean())


def alpha_reach_um(these: Cluster, lines: AlphaLines | None = None) -> float:
    """Largest distance of two cells at which an alpha of one hits the nucleus of the other, um; 0 without alphas."""
    far = (these.alpha_lines if lines is None else lines).longest_um
    return far + these.cell_radius_um + these.nucleus_radius_um if far else 0.0


def neighbour_sums(
    these: Cluster, reach_um: float, kernel: Kernel, wanted: npt.NDArray[np.bool_] | None = None, weight: Array | None = None
) -> Array:  # fmt: skip
    """Sum over all other cells of decays times kernel(distance)[columns], by FFT on a lattice, by cell lists off it.

    `wanted` narrows the cells that are asked for; rows of others are not defined. `weight` stands in for the decays.
    """
    closest = 2 * these.cell_radius_um
    amount = these.decays if weight is None else weight
    if reach_um <= closest or not amount.any():
        return np.zeros((len(these), kernel(np.array([closest])).shape[1]))
    if these.lattice is not None:
        return lattice_sums(these.lattice, amount, reach_um, kernel)
    targets = these.alive if wanted is None else wanted
    return list_sums(these.positions_um, amount, targets, closest, reach_um, kernel)


def medium_sums(
    these: Cluster, of: Callable[[tuple[NodeTable, ...], int], Array], names: tuple[str, ...] | None = None
) -> Array:
    """Sum over the alphas that start between the cells, of(nodes)[cell, column]: those of a full ball less those in cells."""
    between = these.between
    assert between is not None
    r = np.linalg.norm(these.positions_um, axis=1)
    out = between.alpha_ball(r, these.nucleus_radius_um, of, names)
    lines = between.lines(names)
    cell = 4 / 3 * math.pi * these.cell_radius_um**3

    def kernel(d: Array) -> Array:
        nodes = alpha_nodes(lines, contact_or_more(these, d), these.cell_radius_um, these.nucleus_radius_um)
        return np.asarray(of(nodes, len(d))) * cell

    out = out - kernel(np.zeros(1))
    return np.asarray(out - neighbour_sums(these, alpha_reach_um(these, lines), kernel, weight=np.ones(len(these))))


def contact_or_more(these: Cluster, distance_um: Array) -> Array:
    """Distances of neighbours, at least two radii (rounding may leave them a hair below); 0 stays the cell itself."""
    return np.where(distance_um > 0, np.maximum(distance_um, 2 * these.cell_radius_um), 0.0)


def _s_values(
    these: Cluster, distance_um: Array, places: Mapping[str, Mapping[str, float]] | None = None
) -> tuple[Array, Array]:
    """Gy to a nucleus per parent decay[distance, nuclide], of alphas and of all else."""
    where = these.places if places is None else places
    distance = contact_or_more(these, distance_um)
    s = cell_s_values(these.nuclide, these.cell_radius_um, these.nucleus_radius_um, distance_um=distance)
    s = s.sel(target="nucleus")
    names = [str(n) for n in s["nuclide"].values]
    share = np.array([[where[n].get(str(p), 0.0) for n in names] for p in s["source"].values])
    per_parent = np.array([these.decays_per_parent[n] for n in names])
    gray = np.einsum("dpnr,pn->dnr", s.values, share) * per_parent[:, None]
    radiation = [str(r) for r in s["radiation"].values]
    alpha = gray[:, :, radiation.index("alpha")]
    return alpha, gray.sum(axis=2) - alpha


def cluster_dose(these: Cluster) -> ClusterDose:
    """Mean absorbed dose to the nucleus of every cell, from itself and from all others, and its expected alpha hits.

    Parameters
    ----------
    these : Cluster

    Returns
    -------
    ClusterDose

    Notes
    -----
    S values of `transport.cell_s_values` at every distance that occurs (lattice) or by splines (elsewhere). Alphas
    end; electrons and photons do not and are summed over all pairs. ``low_let`` is electrons, photons and recoils.

    Examples
    --------
    >>> d = cluster_dose(spheroid("Po-210", decays_per_cell=1.0, radius_um=50.0))
    >>> round(d.mean_crossfire_share, 2)
    0.9
    """
    import xarray as xr

    names = list(these.decays_per_parent)
    lines = these.alpha_lines
    alive = these.alive

    def hits_per_decay(d: Array) -> Array:
        distance = contact_or_more(these, d)
        return mean_hits(alpha_nodes(lines, distance, these.cell_radius_um, these.nucleus_radius_um), len(d))

    own_alpha, own_low = (a[0] for a in _s_values(these, np.zeros(1)))
    own_hits = float(hits_per_decay(np.zeros(1))[0])
    has_alpha = np.flatnonzero(own_alpha > 0)

    def near(d: Array) -> Array:
        return np.concatenate([hits_per_decay(d)[:, None], _s_values(these, d)[0][:, has_alpha]], axis=1)

    def far(d: Array) -> Array:
        return _s_values(these, d)[1]

    n = len(these)
    dose = np.zeros((n, 3, 2))
    by_nuclide = np.zeros((len(names), 2))
    hits = these.decays * own_hits
    mean_decays = float(these.decays[alive].mean())
    by_nuclide[:, 0] += own_alpha * mean_decays
    by_nuclide[:, 1] += own_low * mean_decays
    dose[:, 0, 0], dose[:, 0, 1] = these.decays * own_alpha.sum(), these.decays * own_low.sum()
    if len(has_alpha) and n > 1:
        sums = neighbour_sums(these, alpha_reach_um(these), near)
        hits = hits + sums[:, 0]
        dose[:, 1, 0] = sums[:, 1:].sum(axis=1)
        by_nuclide[has_alpha, 0] += sums[alive, 1:].mean(axis=0)
    if n > 1 and own_low.sum() > 0:
        sums = _low_let_sums(these, far)
        dose[:, 1, 1] = sums.sum(axis=1)
        by_nuclide[:, 1] += sums[alive].mean(axis=0)
    if these.between is not None:
        gray, more = _medium_dose(these, names)
        dose[:, 2] = gray.sum(axis=1)
        by_nuclide += gray[alive].mean(axis=0)
        hits = hits + more
    dose = np.maximum(dose, 0.0)
    dose[~alive] = 0.0
    hits = np.where(alive, np.maximum(hits, 0.0), 0.0)
    coords = {"origin": ["self", "cross", "medium"], "radiation": ["alpha", "low_let"]}
    return ClusterDose(
        xr.DataArray(dose, dims=("cell", "origin", "radiation"), coords=coords, attrs={"units": "Gy", "long_name": "absorbed dose to the nucleus"}),
        xr.DataArray(hits, dims=("cell",), attrs={"units": "1", "long_name": "expected alpha hits of the nucleus"}),
        xr.DataArray(by_nuclide, dims=("nuclide", "radiation"), coords={"nuclide": names, "radiation": ["alpha", "low_let"]},
                     attrs={"units": "Gy", "long_name": "mean dose to the nuclei of living cells"}),
        alive,
    )  # fmt: skip


def alpha_lineal_energy_keV_per_um(these: Cluster) -> float | None:
    """Dose mean of the lineal energy of alphas in living nuclei, keV/um; None where no alpha reaches one.

    y_D = z_D m / (4r/3), z_D = sum z^2 / sum z over single alphas: every member of the chain from its own places, from the
    cell itself, its neighbours and the medium. Straight tracks without delta rays.

    Examples
    --------
    >>> round(alpha_lineal_energy_keV_per_um(spheroid("Po-210", decays_per_cell=1.0, radius_um=50.0)), 1)
    147.2
    """
    per_MeV, lines = gray_per_MeV(these.nucleus_radius_um), these.alpha_lines

    def both(nodes: tuple[NodeTable, ...], n: int) -> Array:
        return np.stack(moments(nodes, per_MeV, n), axis=1)

    def kernel(d: Array) -> Array:
        where = contact_or_more(these, d)
        return both(alpha_nodes(lines, where, these.cell_radius_um, these.nucleus_radius_um), len(d))

    sums = these.decays[:, None] * kernel(np.zeros(1))
    if len(these) > 1:
        sums = sums + neighbour_sums(these, alpha_reach_um(these), kernel)
    if these.between is not None and these.between.lines().by_place:
        sums = sums + medium_sums(these, both)
    first, second = sums[these.alive].sum(axis=0)
    return float(second / first / per_MeV / (4 / 3 * these.nucleus_radius_um) * 1e3) if first > 0 else None


def _medium_dose(these: Cluster, names: list[str]) -> tuple[Array, Array]:
    """Dose[cell, nuclide, radiation] and alpha hits[cell] from decays between the cells."""
    between = these.between
    assert between is not None
    gray, hits = np.zeros((len(these), len(names), 2)), np.zeros(len(these))
    per_MeV = gray_per_MeV(these.nucleus_radius_um)

    def hits_and_gray(nodes: tuple[NodeTable, ...], n: int) -> Array:
        return np.stack([mean_hits(nodes, n), moments(nodes, per_MeV, n)[0]], axis=1)

    r = np.linalg.norm(these.positions_um, axis=1)
    cell = 4 / 3 * math.pi * these.cell_radius_um**3
    inside = {n: {"cell": cell * between.per_um3.get(n, 0.0) / max(these.decays_per_parent[n], 1e-300)} for n in names}

    def low(d: Array) -> Array:
        return _s_values(these, d, inside)[1]

    own = low(np.zeros(1))[0]
    if own.sum() > 0:
        gray[:, :, 1] = -own - _low_let_sums(these, low, np.ones(len(these)))
    for i, name in enumerate(names):
        if name not in between.per_um3:
            continue
        gray[:, i, 1] += between.low_let_ball_Gy(r, name)
        if between.lines((name,)).by_place:
            sums = medium_sums(these, hits_and_gray, (name,))
            hits += sums[:, 0]
            gray[:, i, 0] = sums[:, 1]
    return np.maximum(gray, 0.0), np.maximum(hits, 0.0)


def _low_let_sums(these: Cluster, kernel: Kernel, weight: Array | None = None) -> Array:
    """Sums of electrons and photons over all other cells[cell, nuclide]."""
    amount = these.decays if weight is None else weight
    if these.lattice is None:
        return far_sums(these.positions_um, amount, these.alive, 2 * these.cell_radius_um, kernel)
    from scipy.interpolate import CubicSpline

    extent = float(np.linalg.norm(np.ptp(these.positions_um, axis=0))) * (1 + 1e-9)
    at = np.geomspace(2 * these.cell_radius_um, max(extent, 2.02 * these.cell_radius_um), 200)
    spline = CubicSpline(np.log(at), kernel(at), axis=0)
    return lattice_sums(these.lattice, amount, extent, lambda d: np.asarray(spline(np.log(np.clip(d, at[0], at[-1])))))


def at_mean_dose(these: Cluster, dose_Gy: float, made: ClusterDose | None = None) -> tuple[Cluster, ClusterDose]:
    """The cluster with its decays scaled so that the mean dose to living nuclei is `dose_Gy`, and its dose."""
    _number("dose_Gy", dose_Gy)
    found = made or cluster_dose(these)
    if found.mean_Gy <= 0:
        raise DomainError("The cluster gets no dose, so it cannot be scaled to one.")
    factor = dose_Gy / found.mean_Gy
    scaled = [a.copy(data=a.values * factor) for a in (found.dose, found.mean_hits, found.by_nuclide)]
    return these.scaled(factor), ClusterDose(scaled[0], scaled[1], scaled[2], found.alive)
