"""The only door to the catalogue's data: cited entries; load, check, look up, cite.

Every entry is YAML text; every number carries unit, source, locator and whether somebody verified it. An entry that
breaks a rule is refused when it is read, with the file and the place in it.
"""

from __future__ import annotations

import functools
import hashlib
import pathlib
from collections.abc import Iterator
from typing import Any, TypeVar

from ..errors import CatalogError, missing, suggestion
from ._evidence import evidence_tables
from ._outcome import Finding, OutcomeModel, OutcomeParameter, Protector
from .bibliography import Source, sources
from .model import (
    DENSEST_PACKING,
    MOST_INCLUSIONS,
    NTCP,
    AdministeredActivity,
    Agent,
    Anatomy,
    CellLine,
    Cited,
    DaughterFate,
    DoseCoefficient,
    Entry,
    FreeElement,
    Limit,
    Medium,
    Modifier,
    NuclideOverride,
    ParameterSet,
    Placement,
    Quantity,
    RetentionCurve,
    Structure,
    Tissue,
    YieldFormula,
)

__all__ = [
    "DENSEST_PACKING",
    "KINDS",
    "MOST_INCLUSIONS",
    "NTCP",
    "AdministeredActivity",
    "Agent",
    "Anatomy",
    "CellLine",
    "Cited",
    "DaughterFate",
    "DoseCoefficient",
    "Entry",
    "Finding",
    "FreeElement",
    "Limit",
    "Medium",
    "Modifier",
    "NuclideOverride",
    "OutcomeModel",
    "OutcomeParameter",
    "ParameterSet",
    "Placement",
    "Protector",
    "Quantity",
    "RetentionCurve",
    "Source",
    "Structure",
    "Tissue",
    "YieldFormula",
    "agent",
    "anatomy",
    "cell_line",
    "cited_in",
    "daughter_fate",
    "entries",
    "evidence_tables",
    "free_element",
    "load_entry",
    "medium",
    "modifier",
    "nuclide_overrides",
    "outcome_model",
    "parameters",
    "path",
    "protector",
    "sha256",
    "source",
    "sources",
    "structure",
    "tissue_of",
]

_DATA = pathlib.Path(__file__).parent / "data"
KINDS: dict[str, tuple[str, type[Entry]]] = {
    "agent": ("agents", Agent),
    "anatomy": ("anatomy", Anatomy),
    "medium": ("media", Medium),
    "tissue": ("radiobiology", Tissue),
    "element": ("daughters/elements", FreeElement),
    "fate": ("daughters/fates", DaughterFate),
    "structure": ("structures", Structure),
    "cell-line": ("cell_lines", CellLine),
    "parameters": ("parameters", ParameterSet),
    "modifier": ("modifiers", Modifier),
    "outcome": ("outcome", OutcomeModel),
    "protector": ("protectors", Protector),
}
E = TypeVar("E", bound=Entry)


def path(*parts: str) -> pathlib.Path:
    """Place of a data file inside the catalogue (tables made by `transport` live there too)."""
    return _DATA.joinpath(*parts)


def _read_yaml(file: pathlib.Path) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise CatalogError(f"Catalogue file {file.name} is not readable YAML: {error}") from error


def load_entry(data: object, model: type[E], where: str) -> E:
    """Check one entry; refuse it when a number lacks unit, source or locator, or cites an unknown source.

    Raises
    ------
    CatalogError
        With the file and the place inside it.
    """
    from pydantic import ValidationError

    try:
        entry = model.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'top level'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise CatalogError(f"Catalogue entry {where} is refused: {problems}.") from error
    for place, key in (*((p, c.source) for p, c in cited_in(entry)), *_bare_keys(entry)):
        if key not in sources():
            raise CatalogError(
                f"Catalogue entry {where}, {place}: source {key!r} is not in sources.bib. {suggestion(key, sources())}".rstrip()
            )
    return entry


def _bare_keys(entry: Entry) -> Iterator[tuple[str, str]]:
    """Sources that an entry names without a number of their own."""
    if isinstance(entry, Agent):
        yield from ((f"sources.{i}", key) for i, key in enumerate(entry.sources))
        if entry.chelator_source:
            yield "chelator_source", entry.chelator_source
    elif isinstance(entry, DaughterFate):
        yield "site_source", entry.site_source
    elif isinstance(entry, Modifier):
        yield from ((f"sources.{i}", key) for i, key in enumerate(entry.sources))


def cited_in(entry: Entry, place: str = "") -> Iterator[tuple[str, Cited]]:
    """Every cited statement inside an entry, with its place (``doses.0``)."""
    if isinstance(entry, Cited):
        yield place, entry
    for name in type(entry).model_fields:
        yield from _cited_below(getattr(entry, name), f"{place}.{name}" if place else name)


def _cited_below(value: object, place: str) -> Iterator[tuple[str, Cited]]:
    if isinstance(value, Entry):
        yield from cited_in(value, place)
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from _cited_below(item, f"{place}.{i}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _cited_below(item, f"{place}.{key}")


@functools.cache
def entries(kind: str) -> dict[str, Any]:
    """All entries of a kind (a key of ``KINDS``), by id, sorted.

    Examples
    --------
    >>> "ac225-dotatate" in entries("agent")
    True
    """
    folder, model = KINDS[kind]
    found: dict[str, Any] = {}
    for file in sorted(path(folder).glob("*.yaml")):
        entry = load_entry(_read_yaml(file), model, f"{folder}/{file.name}")
        identity = str(getattr(entry, "id"))  # noqa: B009
        if identity != file.stem:
            raise CatalogError(f"Catalogue file {folder}/{file.name} holds the id {identity!r}; the two must agree.")
        found[identity] = entry
    return found


def _look_up(kind: str, name: str) -> Any:
    known = entries(kind)
    folded = {k.casefold(): k for k in known}
    key = folded.get(str(name).casefold())
    if key is None:
        raise missing(kind, str(name), known)
    return known[key]


def agent(name: str) -> Agent:
    """The radiopharmaceutical with this id, e.g. ``"ac225-dotatate"``; a miss raises CatalogError with suggestions."""
    found: Agent = _look_up("agent", name)
    return found


def anatomy(name: str) -> Anatomy:
    """The reference individual with this id, e.g. ``"adult-male"``."""
    found: Anatomy = _look_up("anatomy", name)
    return found


def medium(name: str) -> Medium:
    """The catalogue's medium with this id, e.g. ``"water"``."""
    found: Medium = _look_up("medium", name)
    return found


def free_element(name: str) -> FreeElement:
    """Fate of a free daughter element, by symbol, e.g. ``"Bi"``."""
    found: FreeElement = _look_up("element", name)
    return found


def structure(name: str) -> Structure:
    """A structure inside an organ, e.g. ``"kidney-proximal-tubule"``."""
    found: Structure = _look_up("structure", name)
    return found


def cell_line(name: str) -> CellLine:
    """Parameters of a cell line, e.g. ``"v79"``, one set per survival model."""
    found: CellLine = _look_up("cell-line", name)
    return found


def parameters(name: str) -> ParameterSet:
    """A named set of model parameters or measured anchors, e.g. ``"medras"``."""
    found: ParameterSet = _look_up("parameters", name)
    return found


def modifier(name: str) -> Modifier:
    """What a drug or a repair deficiency does to the response of cells, e.g. ``"5-fu"``."""
    found: Modifier = _look_up("modifier", name)
    return found


def outcome_model(name: str) -> OutcomeModel:
    """Parameters of an outcome model: ``"tumour-course"``, ``"kidney-course"``, ``"blood-course"``."""
    found: OutcomeModel = _look_up("outcome", name)
    return found


def protector(name: str) -> Protector:
    """A drug that spares tissue, with the findings for and against it, e.g. ``"a1m"``."""
    found: Protector = _look_up("protector", name)
    return found


def daughter_fate(agent_id: str) -> DaughterFate:
    """Retention of daughters for an agent: the entry that names it, else the general one."""
    fates = entries("fate").values()
    for wanted in (agent_id, "*"):
        for fate in fates:
            if wanted in fate.applies_to:
                found: DaughterFate = fate
                return found
    raise missing("fate", agent_id, entries("fate"))


def tissue_of(region: str) -> Tissue:
    """Radiobiology that serves a region: an entry that names it, else the one for ``"other"``.

    ``kidney_left`` finds ``kidneys``; a tumour name such as ``tumour_liver_1`` finds ``tumour``.
    """
    known: list[Tissue] = list(entries("tissue").values())
    for tissue in known:
        if region in tissue.regions:
            return tissue
    for tissue in known:
        if any(region.startswith(f"{stem.rstrip('s')}_") for stem in tissue.regions):
            return tissue
    return next(t for t in known if "other" in t.regions)


@functools.cache
def nuclide_overrides() -> tuple[NuclideOverride, ...]:
    """Half-lives and photon yields that replace dated ICRP-107 values."""
    file = path("nuclides", "overrides.yaml")
    rows = _read_yaml(file) or []
    return tuple(load_entry(row, NuclideOverride, f"nuclides/overrides.yaml[{i}]") for i, row in enumerate(rows))


def source(key: str) -> Source:
    """The bibliography entry with this key."""
    if key not in sources():
        raise missing("source", key, sources())
    return sources()[key]


@functools.cache
def sha256() -> str:
    """SHA-256 of every data file, in the order of their paths."""
    digest = hashlib.sha256()
    for file in sorted(f for f in _DATA.rglob("*") if f.is_file()):
        digest.update(file.relative_to(_DATA).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
