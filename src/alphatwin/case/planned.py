"""Kinetics that are computed, not measured: what a case gives the whole-body model, and whether that can be."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from .. import catalog
from ..catalog._pbpk import ModelParameters, model_parameters, parameter_sets
from ..errors import suggestion
from ..units import read_quantity
from ._fields import AmountNmol, ConcentrationNmolPerL, Part, VolumeML, fault, short

if TYPE_CHECKING:
    from .model import Case

__all__ = [
    "FiltrationRate",
    "FiltrationText",
    "PbpkKinetics",
    "PlannedLesion",
    "check_planned",
    "one_source",
    "source_of",
]


class FiltrationRate(Part):
    """Glomerular filtration: absolute, or indexed to 1.73 m^2 of body surface as laboratories report it."""

    basis: Literal["absolute", "indexed"]
    value: float = Field(ge=0, le=300, description="mL/min, or mL/min per 1.73 m^2")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        if isinstance(value, dict):
            return value
        match = _FILTRATION.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise ValueError(
                f"{short(value)} is no filtration rate; write '85 mL/min/1.73m2' (indexed, as laboratories report it) or '85 mL/min'."
            )
        if float(match[1]) > 300:
            raise ValueError(f"{value!r} is more than can be; at most 300 mL/min.")
        return {"basis": "indexed" if match[2] else "absolute", "value": float(match[1])}

    def L_per_min(self, surface_m2: float) -> float:
        """The absolute rate of a body of this surface."""
        return self.value / 1000.0 * (surface_m2 / 1.73 if self.basis == "indexed" else 1.0)


_FILTRATION = re.compile(r"(\d+\.?\d*)\s*mL/min(\s*/\s*1\.73\s*m(?:\^?2|²))?")

FiltrationText = Annotated[
    FiltrationRate,
    WithJsonSchema(
        {
            "type": "string",
            "description": "estimated glomerular filtration rate, indexed to 1.73 m^2 or absolute",
            "examples": ["85 mL/min/1.73m2", "85 mL/min"],
            "unit": "mL/min",
        }
    ),
]


_Rate = Annotated[float, Field(gt=0, le=100)]


class PlannedLesion(Part):
    """One lesion, or several alike taken together, of a computed biodistribution; what is left out is the population's."""

    volume_mL: VolumeML = Field(alias="volume", description="e.g. '40 mL'")
    receptors_nM: ConcentrationNmolPerL | None = Field(
        default=None, alias="receptors", description="target sites per volume, e.g. '20 nmol/L'"
    )
    perfusion_per_min: _Rate | None = Field(default=None, description="plasma flow per volume, mL/(mL min)")
    permeability_per_min: _Rate | None = Field(default=None, description="permeability x surface per volume, 1/min")
    release_per_min: _Rate | None = Field(default=None, description="rate at which cells release what they hold, 1/min")


THROUGHOUT_H = 960.0  # forty days: to the end of the kinetics


def _amino_acids(value: object) -> object:
    """True (throughout), false (none), or how long the infusion lasts."""
    if value is True or value == "throughout":
        return THROUGHOUT_H
    if value is False or value == "none":
        return 0.0
    if not isinstance(value, str):
        raise ValueError(
            f"{short(value)} is not known; write true (throughout), false (none) or a duration, e.g. '4 h'."
        )
    hours = read_quantity(value, "h", "time")
    if hours <= 0:
        raise ValueError(f"{value!r} must be above zero; false stands for none.")
    return hours


class PbpkKinetics(Part):
    """No measured curve: the biodistribution is computed by the whole-body model, with the spread of its priors."""

    source: Literal["pbpk"]
    parameters: str | None = Field(
        default=None, description="a calibrated set of the agent: C (default), A or B for SSTR2"
    )
    peptide_nmol: AmountNmol | None = Field(
        default=None, alias="peptide", description="labelled and unlabelled together, e.g. '140 nmol'"
    )
    amino_acids_h: (
        Annotated[
            float,
            BeforeValidator(_amino_acids),
            WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string", "examples": ["4 h"]}]}),
        ]
        | None
    ) = Field(
        default=None,
        alias="amino_acids",
        description="true (throughout, the default where the agent has it), false, or '4 h'",
    )
    lesions: dict[str, PlannedLesion] = Field(
        default_factory=dict, max_length=30, description="by name, e.g. tumour_liver_1; none by default"
    )
    override: dict[str, float] = Field(
        default_factory=dict, description="parameters of the model held at a value, e.g. {phi: 0.8}"
    )

    @field_validator("lesions")
    @classmethod
    def _lesion_names(cls, value: dict[str, PlannedLesion]) -> dict[str, PlannedLesion]:
        for name in value:
            if not re.fullmatch(r"tumour(_[a-z0-9_]+)?", name) or len(name) > 40:
                raise fault(
                    "names of lesions begin with tumour and are lower case with underscores, e.g. tumour_liver_1.", name
                )
        return value

    @property
    def regions(self) -> dict[str, Any]:
        """Nothing was measured."""
        return {}


def one_source(given: Mapping[str, Any]) -> None:
    """Curves are measured or computed, never both."""
    source = given.get("source", "measured")
    if source not in ("measured", "pbpk"):
        hint = suggestion(str(source), ("measured", "pbpk"))
        text = f"{short(source)} is unknown. {hint}Allowed: measured (curves of this patient), pbpk (the whole-body model)."
        raise fault(text, "kinetics", "source")
    if "source" not in given and "regions" not in given and {"lesions", "peptide", "amino_acids"} & set(given):
        raise fault("is missing; write source: pbpk to have the curves computed.", "kinetics", "source")
    both = [key for key in ("regions", "times_h", "administered_activity") if key in given]
    if source == "pbpk" and both:
        text = (
            f"source: pbpk computes the curves, and {both[0]} gives measured ones; one of the two. Leave source out to use the "
            f"measured curves, or {', '.join(both)} to have them computed."
        )
        raise fault(text, "kinetics", both[0])


def source_of(value: object) -> str:
    """Tag of a kinetics part, given or made."""
    source = value.get("source") if isinstance(value, dict) else getattr(value, "source", None)
    return "pbpk" if source == "pbpk" else "measured"


# --- what must go together ---------------------------------------------------------------------------------------------


def check_planned(case: Case, kinetics: PbpkKinetics) -> None:
    """Refuse what the whole-body model cannot do with this case, with its place."""
    agent, species = catalog.agent(case.treatment.agent), catalog.anatomy(case.patient.anatomy).species
    sets = parameter_sets(agent.target, species)
    if not sets:
        others = [n for n, a in catalog.entries("agent").items() if parameter_sets(a.target, species)]
        text = f"there is no whole-body model of {agent.id} in the {species}. Give measured curves, or one of {', '.join(others)}."
        raise fault(text, "treatment", "agent")
    if model_parameters(next(iter(sets.values()))).transfers:
        text = (
            f"the model of {agent.id} gives decays on bone surfaces, whose dose needs the geometry of bone: a case cannot carry it. "
            "Use alphatwin.pbpk for the decays."
        )
        raise fault(text, "treatment", "agent")
    if kinetics.parameters is not None and kinetics.parameters not in sets:
        hint = suggestion(kinetics.parameters, sets)
        text = f"no parameter set {short(kinetics.parameters)} of {agent.target}. {hint}There is {', '.join(sets)}."
        raise fault(text, "kinetics", "parameters")
    own = model_parameters(sets[kinetics.parameters or list(sets)[-1]])
    _check_masses(case, kinetics, own)
    _check_overrides(kinetics, own, species)
    if kinetics.amino_acids_h and "amino_acids" not in own.values:
        raise fault(
            f"{agent.id} is not taken up by megalin; amino acids are no part of its model.", "kinetics", "amino_acids"
        )
    if case.patient.egfr is not None and case.patient.egfr.value == 0 and "phi" in own.values:
        text = (
            f"0 mL/min: {agent.id} leaves the body by filtration, so nothing would leave the plasma. Give a rate above zero "
            "(5 mL/min for a patient on the edge of dialysis)."
        )
        raise fault(text, "patient", "egfr")


def _check_masses(case: Case, kinetics: PbpkKinetics, own: ModelParameters) -> None:
    """Organs that the model has; together with the lesions no heavier than the body."""
    body_g = case.body_mass_kg * 1000.0
    known = sorted(
        name.removeprefix("volume_").removesuffix("_L")
        for name in (*model_parameters(own.species).values, *own.values)
        if name.startswith("volume_") and name.endswith("_L")
    )
    total = 0.0
    for name, mass in case.patient.organ_masses_g.items():
        if name not in known:
            text = f"the model has no such organ. {suggestion(name, known)}It has {', '.join(known)}."
            raise fault(text, "patient", "organ_masses", name)
        total += mass
        if mass > body_g:
            text = f"{name} weighs {mass / 1000:.3g} kg, more than the body ({body_g / 1000:g} kg)."
            raise fault(text, "patient", "organ_masses", name)
    density = catalog.medium("soft-tissue").density.value
    for name, lesion in kinetics.lesions.items():
        mass = lesion.volume_mL * density
        total += mass
        if mass > body_g:
            text = f"{name} weighs {mass / 1000:.3g} kg, more than the patient ({body_g / 1000:g} kg). Check the unit."
            raise fault(text, "kinetics", "lesions", name, "volume")
    if total > body_g:
        text = f"lesions and organs together weigh {total / 1000:.3g} kg, more than the patient ({body_g / 1000:g} kg)."
        raise fault(text, "kinetics", "lesions")


_GIVEN_ELSEWHERE = {
    "gfr_L_per_min": "patient.egfr",
    "body_mass_kg": "patient.body_mass",
    "bsa_m2": "patient.height",
    "peptide_nmol": "kinetics.peptide",
    "amino_acids": "kinetics.amino_acids",
    "amino_acid_duration_min": "kinetics.amino_acids",
}


def _check_overrides(kinetics: PbpkKinetics, own: ModelParameters, species: str) -> None:
    base = [*model_parameters(species).values, *own.values]
    known = [name for name in base if "_lesion" not in name and not name.startswith("volume_")]
    for name, value in kinetics.override.items():
        place = ("kinetics", "override", name)
        if name in _GIVEN_ELSEWHERE:
            raise fault(f"is given as {_GIVEN_ELSEWHERE[name]}.", *place)
        if name.startswith("volume_"):
            raise fault("volumes are given as patient.organ_masses and kinetics.lesions.<name>.volume.", *place)
        if name not in known:
            near = [k for k in known if name.casefold() in k.casefold()][:4]
            hint = f"Did you mean {' or '.join(near)}? " if near else suggestion(name, known)
            text = f"the model has no such parameter. {hint}docs/pbpk.md lists them; those of a lesion stand under kinetics.lesions."
            raise fault(text, *place)
        if not (math.isfinite(value) and value >= 0) and name != "amino_acid_start_min":
            raise fault(f"{value:g} must be zero or above.", *place)
