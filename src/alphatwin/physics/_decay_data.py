"""ICRP-107 as installed: emissions and half-lives of one nuclide at a time, and the branching of a chain.

Two installed packages hold the data of ICRP Publication 107. Both are read as files, when first needed, without
importing them: `icrp107_database` (one JSON file per nuclide: half-life, emissions) and `radioactivedecay` (which
nuclide feeds which). The second stores branching fractions as Python objects that only a pickle can read. We do not
unpickle. Its matrix C is a plain array, and C holds the same numbers: with atoms N(t) = C exp(-L t) C^-1 N(0),

    (lambda_i - lambda_j) C_ij = sum over k of b(k -> i) lambda_k C_kj,        C_jj = 1,

the term k = j gives b(j -> i) once the daughters of j are known. The residue of the arithmetic is below 1e-14, the
smallest branch between nuclides 2.8e-9, and published fractions have at most nine decimals: rounding restores them.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import math
import pathlib
from dataclasses import dataclass

import numpy as np

from ..errors import CatalogError

__all__ = [
    "NOT_CARRIED",
    "SECONDS",
    "RawNuclide",
    "atomic_numbers",
    "daughters",
    "descendants",
    "nuclide_names",
    "parse_raw",
    "read_raw",
    "stable_names",
]

SECONDS_PER_YEAR = 365.2422 * 86400.0
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "y": SECONDS_PER_YEAR}
CARRIED = ("alpha", "alpha recoil", "beta-", "beta+", "b-spectra", "IE", "auger", "gamma", "X", "annihilation")
NOT_CARRIED = ("fission", "neutron", "betaD")
_KEYS = frozenset(CARRIED + NOT_CARRIED)
_SMALLEST_BRANCH = 1e-10
_ELEMENTS = (
    "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar", "K", "Ca",
    "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br", "Kr", "Rb", "Sr", "Y",
    "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te", "I", "Xe", "Cs", "Ba", "La", "Ce",
    "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os", "Ir",
    "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U", "Np", "Pu", "Am", "Cm",
    "Bk", "Cf", "Es", "Fm",
)  # fmt: skip


@dataclass(frozen=True)
class RawNuclide:
    """One ICRP-107 file, checked: half-life in seconds and emissions as arrays [line, (energy_MeV, yield)]."""

    name: str
    half_life_s: float
    emissions: dict[str, np.ndarray]


def _folder(package: str, inside: str) -> pathlib.Path:
    spec = importlib.util.find_spec(package)  # finds a top-level package without importing it
    if spec is None or not spec.submodule_search_locations:
        wheel = package.replace("_", "-")
        raise CatalogError(f"The data package {wheel} is not installed: run `pip install {wheel}`.")
    folder = pathlib.Path(spec.submodule_search_locations[0]) / inside
    if not folder.is_dir():
        raise CatalogError(f"The installed {package} has no folder {inside!r}; install the version alphatwin pins.")
    return folder


@functools.cache
def nuclide_names() -> tuple[str, ...]:
    """Names of the 1252 radionuclides of ICRP-107, sorted by element, mass number and isomer."""
    return tuple(sorted((f.stem for f in _folder("icrp107_database", "icrp107").glob("*.json")), key=_order))


def _order(name: str) -> tuple[int, int, str]:
    return (*atomic_numbers(name), name)


def atomic_numbers(name: str) -> tuple[int, int]:
    """Charge and mass number of a nuclide name: ``"Tc-99m"`` -> (43, 99)."""
    element, _, mass = name.partition("-")
    return _ELEMENTS.index(element) + 1, int(mass.rstrip("mn"))


@functools.cache
def read_raw(name: str) -> RawNuclide:
    """Read one ICRP-107 file; anything out of form is a CatalogError that names the field."""
    file = _folder("icrp107_database", "icrp107") / f"{name}.json"
    try:
        data = json.loads(json.loads(file.read_text(encoding="utf-8")))  # the files are JSON inside a JSON string
        return parse_raw(name, data)
    except (ValueError, TypeError, KeyError) as error:
        raise CatalogError(f"ICRP-107 file {file.name} of icrp107-database cannot be used: {error}") from error


def parse_raw(name: str, data: object) -> RawNuclide:
    """Check the fields of one ICRP-107 file; a bad one is a ValueError that names it."""
    if not isinstance(data, dict) or set(data) != {"name", "half_life", "time_unit", "emissions"}:
        raise ValueError("the fields are not name, half_life, time_unit and emissions")
    if data["name"] != name:
        raise ValueError(f"it holds {data['name']!r}")
    if data["time_unit"] not in SECONDS:
        raise ValueError(f"time_unit {data['time_unit']!r} is not one of {', '.join(SECONDS)}")
    half_life_s = float(data["half_life"]) * SECONDS[data["time_unit"]]
    if not (math.isfinite(half_life_s) and half_life_s > 0):
        raise ValueError(f"half_life {data['half_life']!r} is not above zero")
    if not isinstance(data["emissions"], dict) or set(data["emissions"]) != _KEYS:
        raise ValueError(f"emissions are not {', '.join(sorted(_KEYS))}")
    emissions: dict[str, np.ndarray] = {}
    for kind, lines in data["emissions"].items():
        table = np.array(lines, dtype=float) if lines else np.empty((0, 2))
        if table.ndim != 2 or table.shape[1] != 2 or not np.isfinite(table).all() or (table < 0).any():
            raise ValueError(f"emissions[{kind!r}] is not a list of (energy, yield) pairs, finite and not negative")
        if kind == "b-spectra" and len(table) and (np.diff(table[:, 0]) <= 0).any():
            raise ValueError("the energies of the beta spectrum do not increase")
        table.flags.writeable = False
        emissions[kind] = table
    return RawNuclide(name, half_life_s, emissions)


@dataclass(frozen=True)
class _Feeding:
    """The columns of C: for each nuclide its descendants (rows, in the package's parent-first order) and values."""

    names: tuple[str, ...]
    index: dict[str, int]
    rows: tuple[np.ndarray, ...]
    values: tuple[np.ndarray, ...]


@functools.cache
def _feeding() -> _Feeding:
    folder = _folder("radioactivedecay", "icrp107_ame2020_nubase2020")
    try:
        with np.load(folder / "decay_data.npz", allow_pickle=False) as archive:
            names = tuple(str(n) for n in archive["nuclides"])
        with np.load(folder / "c_scipy.npz", allow_pickle=False) as archive:
            indices, indptr, values = archive["indices"], archive["indptr"], archive["data"]
            layout, shape = bytes(archive["format"].item()), tuple(archive["shape"])
    except (OSError, ValueError, KeyError) as error:
        raise CatalogError(f"The decay data of radioactivedecay cannot be read: {error}") from error
    n = len(names)
    if layout != b"csr" or shape != (n, n) or len(indptr) != n + 1 or not np.isfinite(values).all():
        raise CatalogError("The matrix of radioactivedecay is not a square CSR matrix; install the pinned version.")
    row_of = np.repeat(np.arange(n), np.diff(indptr))
    if (row_of < indices).any():
        raise CatalogError("The matrix of radioactivedecay is not ordered parent first; install the pinned version.")
    order = np.lexsort((row_of, indices))
    bounds = np.searchsorted(indices[order], np.arange(n + 1))
    columns = [order[a:b] for a, b in itertools.pairwise(bounds.tolist())]
    return _Feeding(
        names,
        {name: i for i, name in enumerate(names)},
        tuple(row_of[c] for c in columns),
        tuple(values[c] for c in columns),
    )


@functools.cache
def stable_names() -> frozenset[str]:
    """Stable nuclides at the end of ICRP-107 chains."""
    return frozenset(_feeding().names) - frozenset(nuclide_names())


def _decay_constant(name: str) -> float:
    return 0.0 if name in stable_names() else math.log(2.0) / read_raw(name).half_life_s


def descendants(*names: str) -> tuple[str, ...]:
    """The nuclides and all they decay to, stable ones included, every parent before its daughters."""
    feeding = _feeding()
    rows = {int(i) for name in names for i in feeding.rows[feeding.index[name]]}
    return tuple(feeding.names[i] for i in sorted(rows))


@functools.cache
def daughters(name: str) -> dict[str, float]:
    """Direct progeny and branching fractions of a nuclide, ICRP-107; fission fragments are not among them.

    Do not change the dictionary: it is cached.
    """
    feeding = _feeding()
    if name in stable_names():
        return {}
    j = feeding.index[name]
    column = dict(zip(feeding.rows[j].tolist(), feeding.values[j].tolist(), strict=True))
    # flow[i]: what reaches i from the descendants of j between j and i, in the normal mode of decay constant lambda_j
    flow = dict.fromkeys(column, 0.0)
    for k, c_kj in column.items():
        if k != j:
            for child, fraction in daughters(feeding.names[k]).items():
                flow[feeding.index[child]] += fraction * _decay_constant(feeding.names[k]) * c_kj
    own = _decay_constant(name)
    found: dict[str, float] = {}
    for i, c_ij in column.items():
        if i != j:
            fraction = ((_decay_constant(feeding.names[i]) - own) * c_ij - flow[i]) / own
            if abs(fraction) > _SMALLEST_BRANCH:
                found[feeding.names[i]] = round(fraction, 12)
    if any(not 0 < fraction <= 1 for fraction in found.values()) or sum(found.values()) > 1.001:
        raise CatalogError(f"Branching fractions of {name} recovered from radioactivedecay make no sense: {found}.")
    return dict(sorted(found.items(), key=lambda item: -item[1]))
