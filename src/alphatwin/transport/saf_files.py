"""Specific absorbed fractions from files of the user's own, and the S values that follow from them.

The files of ICRP Publication 133 (``rcp-am_photon_2016-08-12.SAF`` and its siblings) are not shipped with alphatwin; whoever has them
names their folder. Layout, from descriptions of the electronic supplement and from programs that read it: three lines of
text, the third beginning with the radiation (``Photons``, ``Electrons``, ``Alphas``); a line with the numbers of targets (I4)
and sources (I4), 14 blanks and the energies (F10.5, MeV); a dividing line; then one record of fixed length a pair, all
targets of the first source, then of the second ...: target (A10), ``<-``, source (A10), SAF at every energy (E10, 1/kg), the
energy below which all are 0 (E10; E5 for alphas) and its number (I3). Instead, a CSV file with the columns

    radiation,target,source,energy_MeV,saf_per_kg

serves as well. Nothing is guessed: what does not fit is refused with its line.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import itertools
import math
import os
import pathlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as dc_replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import DomainError, missing
from ..physics import RADIATIONS
from ..physics.nuclides import nuclide as nuclide_of
from ..units import JOULE_PER_MEV
from .spheres import MarrowModel, RegionMass, SValues, self_s_values

if TYPE_CHECKING:
    import xarray as xr

    from .bodies import Basis

__all__ = [
    "FractionSet",
    "SafTable",
    "fraction_set",
    "read_saf",
    "read_saf_csv",
    "read_saf_folder",
    "saf_body_s_values",
    "saf_s_values",
]

Array = npt.NDArray[np.float64]
Radiation = Literal["photon", "electron", "alpha"]

RADIATIONS_OF_FILES: tuple[Radiation, ...] = ("photon", "electron", "alpha")
FILES = {"adult-male": "rcp-am", "adult-female": "rcp-af"}
COLUMNS = ("radiation", "target", "source", "energy_MeV", "saf_per_kg")
_CUT = {"photon": 10, "electron": 10, "alpha": 5}  # width of the field with the energy below which all are 0
_FORTRAN = re.compile(r"^[ ]*[+-]?(\d+\.?\d*|\.\d+)([EeDd][+-]?\d+|[+-]\d+)?[ ]*$")
# Our names of regions, as targets and as sources of the files; names of the files themselves are taken too
TARGETS = {
    "kidneys": "Kidneys", "liver": "Liver", "spleen": "Spleen", "pancreas": "Pancreas", "adrenals": "Adrenals",
    "brain": "Brain", "thyroid": "Thyroid", "thymus": "Thymus", "heart": "Ht-wall", "stomach_wall": "St-stem",
    "small_intestine_wall": "SI-stem", "bladder_wall": "UB-wall", "salivary_glands": "S-glands", "red_marrow": "R-marrow",
    "bone": "Endost-BS", "skin": "Skin", "muscle": "Muscle", "adipose": "Adipose", "pituitary": "P-gland",
    "uterus": "Uterus", "prostate": "Prostate", "lungs": "AI",
}  # fmt: skip
SOURCES = {
    **{n: f for n, f in TARGETS.items() if n not in ("bone", "stomach_wall", "small_intestine_wall", "lungs")},
    "stomach_wall": "St-wall", "small_intestine_wall": "SI-wall", "lungs": "Lungs", "blood": "Blood",
    "stomach_contents": "St-cont", "bladder_contents": "UB-cont",
}  # fmt: skip
_SIDES = ("kidney_left", "kidney_right")
_NOT_APART = ("blood", *_SIDES)  # parts of other regions
_REMAINDER_SHARE = 0.6  # of its mass, at least, that the files must have
_MOST_ABSORBED = 1.1  # above 1, since masses of small organs are rounded to one or two digits
_GONADS = {"adult-male": "Testes", "adult-female": "Ovaries"}


@dataclass(frozen=True, eq=False)
class SafTable:
    """Specific absorbed fractions of one radiation.

    Attributes
    ----------
    radiation : {"photon", "electron", "alpha"}
    energy_MeV : Array[energy]
    targets, sources : tuple of str
        As the file writes them.
    saf_per_kg : Array[target, source, energy]
    """

    radiation: Radiation
    energy_MeV: Array
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    saf_per_kg: Array

    @functools.cached_property
    def _curve(self) -> Any:
        from scipy.interpolate import PchipInterpolator

        return PchipInterpolator(self.energy_MeV, self.saf_per_kg, axis=2)

    def at(self, energy_MeV: npt.ArrayLike) -> Array:
        """SAF [target, source, energy] in 1/kg: monotone cubic in E; below the first energy as there.

        Raises
        ------
        DomainError
            An energy above the last one, or not above 0.
        """
        e = np.asarray(energy_MeV, dtype=float)
        high = float(self.energy_MeV[-1])
        if e.size and not bool(np.all((e > 0) & (e <= high))):
            raise DomainError(f"Energy of {self.radiation} {e.max():g} MeV; the file has SAF above 0 to {high:g} MeV.")
        return np.asarray(np.maximum(self._curve(np.maximum(e, self.energy_MeV[0])), 0.0))


def _text(path: pathlib.Path) -> list[str]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DomainError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    if not raw:
        raise DomainError(f"{path.name} is empty.")
    if b"\0" in raw:
        raise DomainError(f"{path.name} is no text file.")
    return raw.rstrip(b"\x1a").decode("latin-1").splitlines()


def _number(field: str, path: pathlib.Path, line: int, what: str) -> float:
    if not _FORTRAN.match(field):
        raise DomainError(f"{path.name}, line {line}: {what} is {field.strip()!r}, which is no number.")
    body = re.sub(r"(?<=[\d.])([+-]\d+)$", r"E\1", field.strip().replace("D", "E").replace("d", "e"))
    value = float(body)
    if not math.isfinite(value) or value < 0:
        raise DomainError(f"{path.name}, line {line}: {what} is {field.strip()}; it must be 0 or more.")
    return value


def read_saf(path: str | os.PathLike[str]) -> SafTable:
    """Read one file of specific absorbed fractions in the layout of ICRP Publication 133.

    Parameters
    ----------
    path : path
        A photon, electron or alpha file; which, says its third line.

    Returns
    -------
    SafTable

    Raises
    ------
    DomainError
        A file that is truncated, mixed or of another kind, with the line.

    Notes
    -----
    Checked: length of every record, number of records, order of targets and sources, energies that rise, SAF not
    negative, 0 below the stated energy and not at it.
    """
    file = pathlib.Path(path)
    lines = _text(file)
    if len(lines) < 6:
        raise DomainError(f"{file.name} has {len(lines)} lines; a SAF file has 5 lines of heading and one line a pair.")
    radiation = _radiation_of(lines[2], file)
    targets, sources, energy = _heading(lines[3], file)
    width = 22 + 10 * len(energy) + _CUT[radiation] + 3
    records = lines[5:]
    while records and not records[-1].strip():
        records.pop()
    if len(records) != targets * sources:
        raise DomainError(
            f"{file.name} has {len(records)} records, up to line {5 + len(records)}; line 4 says {targets} targets x {sources} "
            f"sources = {targets * sources}. The file is cut off or two were joined."
        )
    values = np.empty((targets, sources, len(energy)))
    labels: list[list[str]] = [[], []]
    for k, record in enumerate(records):
        at, line = (k % targets, k // targets), k + 6
        _place_names(record, at, labels, file, line)
        values[at] = _record(record, width, energy, radiation, file, line)
    return SafTable(radiation, energy, tuple(labels[0]), tuple(labels[1]), values)


def _radiation_of(line: str, file: pathlib.Path) -> Radiation:
    first = (line.split() or [""])[0].casefold()
    found = next((r for r in RADIATIONS_OF_FILES if first.startswith(r)), None)
    if found is None:
        said = "Neutrons are not used here. " if first.startswith("neutron") else ""
        raise DomainError(
            f"{file.name}, line 3 begins with {first!r}; a SAF file says Photons, Electrons or Alphas there. {said}".rstrip()
        )
    named = [r for r in (*RADIATIONS_OF_FILES, "neutron") if r in file.name.casefold()]
    if named and named != [found]:
        raise DomainError(f"{file.name}, line 3: the file holds {found}s, its name says {named[0]}s.")
    return found


def _heading(line: str, file: pathlib.Path) -> tuple[int, int, Array]:
    counts = line[:4].strip(), line[4:8].strip()
    if not all(c.isdigit() and int(c) > 0 for c in counts):
        raise DomainError(
            f"{file.name}, line 4 begins with {line[:8]!r}; expected the numbers of targets and sources (2I4)."
        )
    if line[8:22].strip():
        raise DomainError(f"{file.name}, line 4: columns 9 to 22 hold {line[8:22].strip()!r}; expected blanks.")
    energies: list[float] = []
    for start in range(22, len(line), 10):
        field = line[start : start + 10]
        if not _FORTRAN.match(field):  # the titles of the last two columns
            if start == 22 or re.match(r"^[ ]*[+-.\d]", field):
                raise DomainError(
                    f"{file.name}, line 4: energy {len(energies) + 1} is {field.strip()!r}, which is no number."
                )
            break
        energies.append(_number(field, file, 4, f"energy {len(energies) + 1}"))
    if len(energies) < 2 or any(b <= a for a, b in itertools.pairwise(energies)):
        raise DomainError(f"{file.name}, line 4: the energies do not rise, or there are fewer than two.")
    return int(counts[0]), int(counts[1]), np.array(energies)


def _place_names(record: str, at: tuple[int, int], labels: list[list[str]], file: pathlib.Path, line: int) -> None:
    """Names of the pair; each target and source must come in the same order throughout."""
    if record[10:12] != "<-":
        raise DomainError(f"{file.name}, line {line}: columns 11 and 12 hold {record[10:12]!r}; expected '<-'.")
    for what, name, known, place in zip(
        ("target", "source"), (record[:10].strip(), record[12:22].strip()), labels, at, strict=True
    ):
        if place == len(known):
            if not name or name in known:
                raise DomainError(f"{file.name}, line {line}: the {what} {name!r} has no name or comes twice.")
            known.append(name)
        elif known[place] != name:
            raise DomainError(
                f"{file.name}, line {line}: the {what} is {name!r} where {known[place]!r} is due; records are lost or mixed."
            )


def _record(record: str, width: int, energy: Array, radiation: Radiation, file: pathlib.Path, line: int) -> Array:
    if len(record.rstrip()) != width:
        raise DomainError(f"{file.name}, line {line}: {len(record)} characters; a record of this file has {width}.")
    fields = [record[22 + 10 * i : 32 + 10 * i] for i in range(len(energy))]
    values = np.array([_number(f, file, line, f"SAF {i + 1}") for i, f in enumerate(fields)])
    index = record[width - 3 : width].strip()
    if not index.isdigit() or int(index) > len(energy):
        raise DomainError(f"{file.name}, line {line}: the last field is {index!r}; expected 0 to {len(energy)}.")
    _number(record[22 + 10 * len(energy) : width - 3], file, line, "the cut-off energy")
    first = int(np.flatnonzero(values)[0]) + 1 if np.any(values) else 0
    if first != int(index):
        raise DomainError(
            f"{file.name}, line {line}: the last field says that SAF begin at energy {index}; they begin at {first}."
        )
    return values


def read_saf_csv(path: str | os.PathLike[str]) -> dict[Radiation, SafTable]:
    """Read fractions from a CSV file: columns radiation, target, source, energy_MeV, saf_per_kg; `#` begins a comment.

    Every pair of a radiation has the same energies. A pair that is missing is 0.

    Raises
    ------
    DomainError
        Other columns, a number that is none, a row twice, energies that differ between pairs, with the line.
    """
    file = pathlib.Path(path)
    numbered = [(i, row) for i, row in enumerate(_text(file), start=1) if row.strip() and not row.startswith("#")]
    try:
        rows = [next(csv.reader([row])) for _, row in numbered]  # one by one: a stray quote spoils its line alone
    except csv.Error as error:
        raise DomainError(f"{file.name} is no table that can be read: {error}.") from None
    if not rows or tuple(c.strip() for c in rows[0]) != COLUMNS:
        raise DomainError(
            f"{file.name}, line {numbered[0][0] if numbered else 1}: expected the columns {','.join(COLUMNS)}."
        )
    found: dict[str, dict[tuple[str, str], dict[float, float]]] = {}
    for (line, _), row in zip(numbered[1:], rows[1:], strict=True):
        if len(row) != len(COLUMNS):
            raise DomainError(f"{file.name}, line {line}: {len(row)} fields; expected {len(COLUMNS)}.")
        radiation, target, source = (c.strip() for c in row[:3])
        if radiation not in RADIATIONS_OF_FILES:
            raise DomainError(
                f"{file.name}, line {line}: radiation {radiation!r}; give {', '.join(RADIATIONS_OF_FILES)}."
            )
        energy, value = (_number(c, file, line, n) for c, n in zip(row[3:], COLUMNS[3:], strict=True))
        pair = found.setdefault(radiation, {}).setdefault((target, source), {})
        if energy in pair or energy == 0:
            raise DomainError(f"{file.name}, line {line}: {energy:g} MeV of {target} <- {source} is 0 or comes twice.")
        pair[energy] = value
    return {r: _table_of(r, found[r], file) for r in RADIATIONS_OF_FILES if r in found}


def _table_of(
    radiation: Radiation, pairs: Mapping[tuple[str, str], Mapping[float, float]], file: pathlib.Path
) -> SafTable:
    energies = sorted(next(iter(pairs.values())))
    if len(energies) < 2:
        raise DomainError(f"{file.name}: {radiation}s have one energy; give two or more.")
    targets, sources = (tuple(dict.fromkeys(p[i] for p in pairs)) for i in (0, 1))
    values = np.zeros((len(targets), len(sources), len(energies)))
    for (target, source), curve in pairs.items():
        if sorted(curve) != energies:
            raise DomainError(
                f"{file.name}: {radiation}s of {target} <- {source} have other energies than the first pair."
            )
        values[targets.index(target), sources.index(source)] = [curve[e] for e in energies]
    return SafTable(radiation, np.array(energies), targets, sources, values)


def read_saf_folder(folder: str | os.PathLike[str], anatomy: str = "adult-male") -> dict[Radiation, SafTable]:
    """The files of one reference person in a folder.

    Parameters
    ----------
    folder : path
        With ``rcp-am_photon*.SAF`` (or ``rcp-af...`` for the female), electrons and alphas likewise; or with
        ``<anatomy>.csv``.
    anatomy : str

    Returns
    -------
    dict of str to SafTable
        Photons at least. A nuclide that emits electrons or alphas needs their fractions too.

    Raises
    ------
    DomainError
        No such folder or files, several of one kind, files that do not go together, an absorbed fraction above 1.
    """
    place = pathlib.Path(folder)
    if not place.is_dir():
        raise DomainError(f"There is no folder {place}.")
    table = place / f"{anatomy}.csv"
    if table.exists():
        tables = read_saf_csv(table)
    else:
        tables = {}
        stem = FILES.get(anatomy)
        names = [f for f in sorted(place.iterdir()) if f.suffix.casefold() == ".saf"] if stem else []
        for radiation in RADIATIONS_OF_FILES:
            fit = [f for f in names if re.match(rf"{stem}_{radiation}(?![a-z])", f.name.casefold())]
            if len(fit) > 1:
                raise DomainError(
                    f"{place} has {len(fit)} {radiation} files of {stem}: {', '.join(f.name for f in fit)}."
                )
            if fit:
                tables[radiation] = _checked(read_saf(fit[0]), radiation, fit[0])
    if "photon" not in tables:
        wanted = f"{FILES[anatomy]}_photon*.SAF or " if anatomy in FILES else ""
        raise DomainError(f"{place} has no fractions of photons for {anatomy}; expected {wanted}{anatomy}.csv.")
    first = tables["photon"]
    for table_ in tables.values():
        if not table.exists() and (table_.targets, table_.sources) != (first.targets, first.sources):
            raise DomainError(
                f"The files of {place} do not go together: {table_.radiation}s have other regions than photons."
            )
    _check_absorbed(tables, anatomy, place)
    return tables


def _check_absorbed(tables: Mapping[Radiation, SafTable], anatomy: str, place: pathlib.Path) -> None:
    """Refuse fractions by which a region takes up more energy than was emitted: phi = SAF m, m its reference mass with blood."""
    from .bodies import setting_of

    masses = setting_of(anatomy).masses_g
    for radiation, table in tables.items():
        for name, target in _names(table, anatomy)[0].items():
            if name not in masses or TARGETS.get(name) != SOURCES.get(name):  # a layer of the organ has another mass
                continue
            absorbed = table.saf_per_kg[table.targets.index(target)] * masses[name] / 1e3  # [source, energy]
            if float(absorbed.max()) > _MOST_ABSORBED:
                source, at = (int(i) for i in np.unravel_index(int(absorbed.argmax()), absorbed.shape))
                saf = float(table.saf_per_kg[table.targets.index(target), source, at])
                raise DomainError(
                    f"{place.name}: SAF of {radiation}s of {table.energy_MeV[at]:g} MeV, {target} <- {table.sources[source]}, is "
                    f"{saf:.4g} per kg; times the {masses[name] / 1e3:.4g} kg of the {name.replace('_', ' ')} of {anatomy} that is an absorbed "
                    f"fraction of {float(absorbed.max()):.3g}, and no more than 1 can be absorbed. Are the SAF per kg, of this "
                    "anatomy, for masses with blood?"
                )


def _checked(table: SafTable, radiation: Radiation, file: pathlib.Path) -> SafTable:
    if table.radiation != radiation:
        raise DomainError(f"{file.name}, line 3: the file holds {table.radiation}s, its name says {radiation}s.")
    return table


# --- S values --------------------------------------------------------------------------------------------------------


def saf_s_values(
    nuclides: Sequence[str],
    anatomy: Any,
    folder: str | os.PathLike[str],
    *,
    regions: Sequence[str] | None = None,
    masses_g: Mapping[str, float] | None = None,
    basis: Basis = "with_blood",
) -> xr.DataArray:
    """S = sum y E SAF of every radiation, from the files in a folder; called by `organ_s_values(saf=)`.

    Regions are those of alphatwin, or the names of the files. A mass other than the reference one changes a region's S for
    itself: photons by (reference mass/mass)^(2/3), all else by reference mass/mass (MIRD 11); cross-fire stays. Recoils
    take the SAF of alphas at the lowest energy of the file. `uncertainty` is not a number: the files state none.

    Raises
    ------
    DomainError, CatalogError
        As `read_saf_folder`; a region that the files lack, no reference mass for a mass given.
    """
    from .bodies import Region, s_array, setting_of

    if not isinstance(anatomy, str):
        raise DomainError("saf= goes with a reference human by name, not with a phantom of your own.")
    setting, tables = setting_of(anatomy, basis), read_saf_folder(folder, anatomy)
    photon = tables["photon"]
    as_target, as_source = _names(photon, anatomy)
    both = [n for n in as_target if n in as_source]
    asked = [n for n in both if n not in photon.targets or n in setting.masses_g] if regions is None else list(regions)
    given = dict(masses_g or {})
    for name in (*asked, *given):
        if name not in both:
            raise missing("region", str(name), both)
    if len(set(asked)) != len(asked) or not asked:
        raise DomainError(f"Regions given as {', '.join(asked) or 'none'}; give each once, and at least one.")
    for name in given:
        if name not in setting.masses_g:
            raise DomainError(f"A mass is given for {name}, whose reference mass is not in the anatomy {anatomy}.")
    t = [photon.targets.index(as_target[n]) for n in asked]
    s = [photon.sources.index(as_source[n]) for n in asked]
    ratio = np.array([setting.masses_g[n] / given[n] if n in given else 1.0 for n in asked])
    values = np.zeros((len(asked), len(asked), len(nuclides), len(RADIATIONS)))
    for k, name in enumerate(nuclides):
        for i, radiation in enumerate(RADIATIONS):
            values[:, :, k, i] = _sum(name, radiation, tables)[np.ix_(t, s)]
            own = ratio ** (2 / 3) if radiation == "photon" else ratio
            diagonal = np.arange(len(asked))
            values[diagonal, diagonal, k, i] *= own
    listed = [
        Region(n, given.get(n, setting.masses_g.get(n, math.nan)), setting.media.get(n, "soft-tissue"), {})
        for n in asked
    ]
    told = {"anatomy": anatomy, "body": f"files in {pathlib.Path(folder).name}", "mass_basis": basis}
    return s_array(listed, list(nuclides), values, np.full_like(values, np.nan), told)


def _names(table: SafTable, anatomy: str) -> tuple[dict[str, str], dict[str, str]]:
    """Names of targets and of sources in the files, by ours and by their own."""
    gonads = {"gonads": _GONADS.get(anatomy, "Testes")}
    as_target, as_source = (
        {n: f for n, f in names.items() if f in known} | {f: f for f in known}
        for names, known in ((TARGETS | gonads, table.targets), (SOURCES | gonads, table.sources))
    )
    return as_target, as_source


def _sum(nuclide: str, radiation: str, tables: Mapping[Radiation, SafTable]) -> Array:
    """S [target, source] of all emissions of one kind, Gy per decay."""
    shape = tables["photon"].saf_per_kg.shape[:2]
    lines = nuclide_of(nuclide).emissions(radiation)
    energy = lines["energy_MeV"].to_numpy(dtype=float)
    joules = energy * lines["yield_per_decay"].to_numpy(dtype=float) * JOULE_PER_MEV
    used = joules > 0
    if not np.any(used):
        return np.zeros(shape)
    kind: Any = "alpha" if radiation == "recoil" else radiation
    if kind not in tables:
        raise DomainError(
            f"{nuclide} emits {radiation}s, and the folder has no fractions of {kind}s; add the file, or leave saf= out."
        )
    table = tables[kind]
    at = np.full(int(used.sum()), table.energy_MeV[0]) if radiation == "recoil" else energy[used]
    total = np.zeros(table.saf_per_kg.shape[:2])
    for i in range(0, len(at), 200):  # a beta spectrum has hundreds of energies; keep memory small
        total += table.at(at[i : i + 200]) @ joules[used][i : i + 200]
    return _placed(total, table, tables["photon"])


def _placed(values: Array, table: SafTable, like: SafTable) -> Array:
    """Values [target, source] of one table in the order of another; pairs that it lacks are 0."""
    if (table.targets, table.sources) == (like.targets, like.sources):
        return values
    t = [i for i, n in enumerate(like.targets) if n in table.targets]
    s = [i for i, n in enumerate(like.sources) if n in table.sources]
    found = np.zeros((len(like.targets), len(like.sources)))
    there = [table.targets.index(like.targets[i]) for i in t], [table.sources.index(like.sources[i]) for i in s]
    found[np.ix_(t, s)] = values[np.ix_(*there)]
    return found


# --- S values of a patient -------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FractionSet:
    """The fractions of one reference person, ready for many evaluations.

    Attributes
    ----------
    anatomy : str
    tables : mapping of radiation to SafTable
    told : str
        Folder, and SHA-256 over its files, for the report.
    """

    anatomy: str
    tables: Mapping[Radiation, SafTable]
    told: str
    _kept: dict[tuple[str, str], Array] = field(default_factory=dict, repr=False)

    def s_of(self, nuclide: str, radiation: str) -> Array:
        """S [target, source] of the files, Gy per decay."""
        if (nuclide, radiation) not in self._kept:
            self._kept[nuclide, radiation] = _sum(nuclide, radiation, self.tables)
        return self._kept[nuclide, radiation]


def fraction_set(folder: str | os.PathLike[str], anatomy: str) -> FractionSet:
    """Read a folder for `saf_body_s_values`.

    Raises
    ------
    DomainError
        As `read_saf_folder`; an anatomy that is no human.
    """
    from .bodies import setting_of

    setting_of(anatomy)
    tables = read_saf_folder(folder, anatomy)
    digest = hashlib.sha256()
    for radiation, table in tables.items():
        digest.update(repr((radiation, table.targets, table.sources)).encode())
        digest.update(np.ascontiguousarray(table.energy_MeV).tobytes())
        digest.update(np.ascontiguousarray(table.saf_per_kg).tobytes())
    told = f"{pathlib.Path(folder).name} ({', '.join(tables)}; SHA-256 of the values {digest.hexdigest()[:16]})"
    return FractionSet(anatomy, tables, told)


def saf_body_s_values(
    regions: Mapping[str, RegionMass],
    nuclides: Sequence[str],
    fractions: FractionSet,
    *,
    marrow: MarrowModel | None = None,
) -> SValues:
    """`self_s_values` with the absorbed fractions of the user's files: self and cross, for sampled masses.

    Parameters
    ----------
    regions : mapping of str to RegionMass
        By region name. A region that is no part of the reference person (a tumour) keeps its sphere and neither gives nor
        takes cross-fire. ``"remainder"`` is the mean, by reference mass, over all regions of the files that no other
        region here holds. One kidney has half the mass of both: what both give to it is that of the files, and of photons
        the share of a sphere comes from itself.
    nuclides : sequence of str
        Each alone, without its progeny.
    fractions : FractionSet
    marrow : MarrowModel, optional
        For regions that keep their sphere.

    Returns
    -------
    SValues
        ``s[sample, target, source, nuclide, radiation]`` in Gy per decay, ``cross_fire`` True.

    Raises
    ------
    DomainError
        A region of the reference person, or most of the remainder, that the files lack as target or source; a radiation
        without fractions.

    Notes
    -----
    The files hold for the reference masses with blood. S of a region for itself goes by (reference mass/mass)^(2/3) for
    photons and by reference mass/mass for all else, photons to and from the remainder like its own; cross-fire between
    other regions stays (MIRD 11).
    """
    from .bodies import REMAINDER, setting_of

    own = self_s_values(regions, nuclides, marrow=marrow)
    setting = setting_of(fractions.anatomy)
    photon = fractions.tables["photon"]
    as_target, as_source = _names(photon, fractions.anatomy)
    usable = {n: m for n, m in setting.masses_g.items() if n in as_target and n in as_source and n not in _NOT_APART}
    whole_of = {n: "kidneys" if n in _SIDES else n for n in regions}
    absent = [n for n in regions if n in setting.masses_g and whole_of[n] not in usable and n != "blood"]
    if absent:
        raise DomainError(
            f"The files have no {', '.join(absent)} as target and source; they have {', '.join(sorted(usable)) or 'none'}."
        )
    parts = {n: {w: usable[w] * (0.5 if n in _SIDES else 1.0)} for n, w in whole_of.items() if w in usable}
    if REMAINDER in regions:
        parts[REMAINDER] = _rest(
            usable, {w for n, w in whole_of.items() if n in parts}, setting.masses_g, setting.body_mass_g
        )
    asked = [n for n in regions if n in parts]
    lacking = [n for n in regions if n not in parts]
    into, out = (np.zeros((len(asked), len(names))) for names in (photon.targets, photon.sources))
    for i, name in enumerate(asked):
        whole = sum(parts[name].values())
        for part, mass in parts[name].items():
            into[i, photon.targets.index(as_target[part])] = mass / whole
            out[i, photon.sources.index(as_source[part])] = mass / whole
    place = [list(regions).index(n) for n in asked]
    reference = np.array([sum(parts[n].values()) for n in asked])
    ratio = reference / own.mass_g.to_numpy()[:, place]  # [sample, region]
    values = own.s.to_numpy().copy()
    sides = [asked.index(n) for n in _SIDES if n in asked]
    for k, name in enumerate(own.s["nuclide"].values):
        for i in range(len(RADIATIONS)):
            s = into @ fractions.s_of(str(name), RADIATIONS[i]) @ out.T
            by_mass = ratio ** (2 / 3) if RADIATIONS[i] == "photon" else ratio
            scale = np.ones((len(ratio), *s.shape))
            if REMAINDER in asked and RADIATIONS[i] == "photon":
                rest = asked.index(REMAINDER)
                scale[:, rest, :] = scale[:, :, rest] = by_mass[:, rest, None]
            scale[:, range(len(asked)), range(len(asked))] = by_mass
            found = s * scale
            for side in sides:
                both = 2.0 * found[:, side, side]  # what both sides give to one
                alone = (
                    np.minimum(values[:, place[side], place[side], k, i], both) if RADIATIONS[i] == "photon" else both
                )
                found[:, side, sides] = (both - alone)[:, None]
                found[:, side, side] = alone
            values[np.ix_(range(len(values)), place, place, [k], [i])] = found[..., None, None]
    note = (
        f"Absorbed fractions of the user's files in {fractions.told}, for the reference masses with blood: of a region for "
        "itself by mass^(-1), photons and the remainder by mass^(-2/3), between organs as they are. No uncertainty of "
        "these fractions is among the inputs."
    )
    if lacking:
        note += f" Self dose only, without a place in the files: {', '.join(lacking)}."
    return dc_replace(own, s=own.s.copy(data=values), cross_fire=True, note=note)


def _rest(
    usable: Mapping[str, float], held: Collection[str], masses: Mapping[str, float], body_g: float
) -> dict[str, float]:
    """Reference masses of the regions that make up the remainder; they must be most of it."""
    rest = {n: m for n, m in usable.items() if n not in held}
    whole = body_g - sum(masses[n] for n in held)
    if sum(rest.values()) < _REMAINDER_SHARE * whole:
        absent = sorted((n for n in masses if n not in usable and n not in _NOT_APART), key=lambda n: -masses[n])
        raise DomainError(
            f"The remainder weighs {whole / 1e3:.3g} kg, and the files have {sum(rest.values()) / 1e3:.3g} kg of it as target and "
            f"source ({', '.join(rest) or 'nothing'}); missing, largest first: {', '.join(absent[:6])}. Add them, or use "
            "transport: body."
        )
    return rest
