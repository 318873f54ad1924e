"""What moves the answer: each input alone, and other choices of model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import numpy as np

from .. import catalog, kinetics, transport
from ..case import Case, PbpkKinetics
from ..case.planned import THROUGHOUT_H
from ..draws import Draws, OneAtATime
from ..errors import FitError
from ..physics import nuclide as nuclide_of
from ..report import Sensitivity, WhatIf
from ._account import evaluate
from ._context import Context
from ._planned import model_of, planned, variants
from ._stages import fit_curves

__all__ = ["one_at_a_time", "other_choices"]

Curves = Mapping[str, kinetics.Curve]


def one_at_a_time(
    context: Context, curves: Curves, names: tuple[str, ...], tissue: str
) -> tuple[tuple[Sensitivity, ...], float]:
    """Each input alone at one standard deviation; the scores of one curve are put together in quadrature.

    Returns the rows, largest swing first, and the answer at the point estimate.
    """
    values = evaluate(context.variant(OneAtATime.of(names)), curves).answer(tissue)
    values = np.broadcast_to(values, (2 * len(names) + 1,))
    centre = float(values[0])
    groups: dict[str, list[tuple[float, float]]] = {}
    for i, name in enumerate(names):
        low, high = (float(values[2 * i + k]) - centre for k in (1, 2))
        groups.setdefault(name.split("|")[0], []).append((low, high))
    rows = []
    for name, moves in groups.items():
        low, high = moves[0]
        if len(moves) > 1:
            low = -float(np.sqrt(sum(min(a, b, 0.0) ** 2 for a, b in moves)))
            high = float(np.sqrt(sum(max(a, b, 0.0) ** 2 for a, b in moves)))
        rows.append(Sensitivity(name, centre + low, centre + high))
    rows.sort(key=lambda row: -row.swing)
    return tuple(row for row in rows if row.swing > 1e-6 * abs(centre)), centre


def other_choices(context: Context, curves: Curves, tissue: str, reference: float) -> tuple[WhatIf, ...]:
    """Other choices of model, each at the point estimate; those that change nothing are left out."""
    case = context.case
    nuclide = nuclide_of(catalog.agent(case.treatment.agent).nuclide)
    made: list[WhatIf] = []

    def add(name: str, why: str, changed: Context, other: Curves = curves) -> None:
        value = float(evaluate(changed, other).answer(tissue)[0])
        if abs(value - reference) > 1e-6 * abs(reference):
            made.append(WhatIf(name, value, reference, why))

    point = Draws(1)
    if case.daughters.model == "free" and len(nuclide.chain) > 1:
        stay = case.model_copy(update={"daughters": case.daughters.model_copy(update={"model": "in_place"})})
        add("every daughter decays in place", "no daughter leaves the site of decay", context.variant(point, case=stay))
        add(
            "freed daughters leave the body at once",
            "the difference is what arrives with daughters that were born elsewhere",
            context.variant(point, freed_are_lost=True),
        )
        if planned(case):
            why = "where in an organ the parent decays decides what its daughters do"
            add("one site of decay in each organ", why, context.variant(point, one_site=True))
    if nuclide.energy_MeV("alpha", chain=True) > 0:
        add(
            "RBE taken against 2 Gy fractions (RBE2)",
            "the published RBE does not name its reference; the result takes it against low dose (RBE_M)",
            context.variant(point, rbe_reference="2_gy_fractions"),
        )
        add(
            "skeletal marrow model: 0.61 of the alpha energy",
            "alphas born in marrow also lose energy in bone and fat",
            context.variant(point, marrow=transport.MarrowModel.skeletal()),
        )
    basis = "parenchyma" if case.options.mass_basis == "with_blood" else "with_blood"
    label = "parenchyma alone" if basis == "parenchyma" else "with blood"
    add(
        f"reference masses: {label}",
        "which mass a reference S value is for",
        context.variant(point, case=_with_options(case, mass_basis=basis)),
    )
    if context.human:
        way, label, why = (
            ("spheres", "every region alone, as a sphere", "photons of one region do not reach another")
            if case.options.transport == "body"
            else ("body", "photons of a stylised body", "photons of one region reach the others")
            if case.options.transport == "spheres"
            else ("body", "absorbed fractions of a stylised body", "in place of those of the files")
        )
        add(label, why, context.variant(point, case=_with_options(case, transport=way)))
    if planned(case):
        _other_kinetics(case, add)
        return tuple(made)
    for model, label in (("mono", "mono-exponential curves"), ("average", "curves averaged over models by AICc")):
        other = _with_model(case, model)
        with contextlib.suppress(FitError):  # too few points for it: then it is no choice
            add(label, "the model of the time-activity curve", context.variant(point, case=other), fit_curves(other))
    return tuple(made)


def _other_kinetics(case: Case, add: Callable[[str, str, Context], None]) -> None:
    """Another parameter set, other amino acids, other amounts of peptide."""
    given, point = case.kinetics, Draws(1)
    assert isinstance(given, PbpkKinetics)

    def other(**changed: object) -> Context:
        return Context(case.model_copy(update={"kinetics": given.model_copy(update=changed)}), point)

    for name in variants(case)[1:]:
        add(
            f"parameter set {name}",
            "each set meets published doses of organs, for one patient (A, B) or in the mean of a population (C)",
            other(parameters=name),
        )
    if "amino_acids" in model_of(case, case.treatment.agent).parameters:
        for hours, label in (
            (0.0, "no amino acids"),
            (4.0, "amino acids for 4 h"),
            (THROUGHOUT_H, "amino acids throughout"),
        ):
            add(label, "how long the block of the kidneys' uptake lasts is not known", other(amino_acids_h=hours))
    amount = model_of(case, case.treatment.agent).parameters.get("peptide_nmol")
    if amount is not None:
        own = amount.value if given.peptide_nmol is None else given.peptide_nmol
        for factor, label in ((0.5, "half the peptide"), (2.0, "twice the peptide")):
            add(label, "receptors saturate", other(peptide_nmol=factor * own))


def _with_options(case: Case, **changed: str) -> Case:
    return case.model_copy(update={"options": case.options.model_copy(update=changed)})


def _with_model(case: Case, model: str) -> Case:
    regions = {name: region.model_copy(update={"model": None}) for name, region in case.kinetics.regions.items()}
    return case.model_copy(update={"kinetics": case.kinetics.model_copy(update={"model": model, "regions": regions})})
