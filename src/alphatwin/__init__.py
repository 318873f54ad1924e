"""alphatwin: targeted alpha therapy, from the decay of one atom to a patient's course.

>>> import alphatwin as at
>>> at.nuclide("Ac-225").chain[:2]
('Ac-225', 'Fr-221')

Research software, not a medical device. Names are imported when they are first used, so that ``import alphatwin``
and ``alphatwin --version`` stay quick. All of them by room are in ``docs/api.md``; the rooms themselves (``at.trials``, ``at.transport`` ...) hold the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "AlphatwinError": "errors",
    "BystanderSignal": "biology.bystander",
    "Calendar": "trials.calendar",
    "Case": "case",
    "CellShape": "transport.cells",
    "Cluster": "dose.cells",
    "Comparison": "comparison",
    "CourseTruth": "trials.truth",
    "Decays": "kinetics",
    "Dose": "dose",
    "DoseCourse": "biology.delivery",
    "Draws": "draws",
    "Effect": "biology",
    "EgfrDecline": "trials.truth",
    "ImageUptake": "dose.cells",
    "Kinetics": "kinetics",
    "Labelled": "dose.cells",
    "LateHazard": "trials.truth",
    "LinearQuadratic": "biology.models",
    "Lognormal": "dose.cells",
    "Probabilities": "trials.truth",
    "ReceptorHistogram": "dose.cells",
    "Report": "report",
    "ResponseModifier": "biology.modifiers",
    "SValues": "transport",
    "SingleHit": "biology.models",
    "SpecificEnergy": "transport.hits",
    "Table": "dose.cells",
    "Uniform": "dose.cells",
    "VoxelPhantom": "transport.voxel_phantoms",
    "absorbed_dose": "dose",
    "absorbed_fraction": "transport",
    "activities": "physics",
    "agent": "catalog",
    "anatomy": "catalog",
    "animal_study": "cohort.animals",
    "bed": "biology",
    "blood_course": "biology.marrow",
    "boin": "trials.interval",
    "boin_boundaries": "trials.interval",
    "boin_table": "trials.interval",
    "cell_s_values": "transport.cells",
    "cluster": "dose.cells",
    "cluster_dose": "dose.cells",
    "cohort": "cohort",
    "compare": "comparison",
    "crm": "trials.continual",
    "crm_design": "trials.continual",
    "decays": "physics",
    "dose_point_kernel": "transport.monte_carlo",
    "dsb_yield": "biology.damage",
    "dvh": "dose.volume",
    "eqd2": "biology",
    "evidence": "evidence",
    "example_path": "case",
    "fit_curve": "kinetics",
    "kidney_course": "biology.kidney",
    "lea_catcheside": "biology",
    "load": "case",
    "load_animals": "case.animals",
    "load_cells": "case.cells",
    "load_images": "case.images",
    "load_maps": "case.maps",
    "load_trial": "trials.spec",
    "medium": "physics",
    "monolayer": "dose.cells",
    "nuclide": "physics",
    "oer": "biology.oxygen",
    "open_result": "report",
    "operating_characteristics": "trials",
    "optimal_course": "run.optimal",
    "organ_s_values": "transport.bodies",
    "pbpk": "kinetics.pbpk",
    "pool": "evidence.pool",
    "pool_estimates": "evidence.pool",
    "protect": "run.protect",
    "protection_trial": "trials.protection_trial",
    "read_voxel_phantom": "transport.voxel_phantoms",
    "run": "run",
    "run_cells": "run.cells",
    "run_images": "run.images",
    "run_maps": "run.maps",
    "run_trial": "trials.running",
    "schema": "case",
    "self_s_values": "transport",
    "shaped_cell_s_values": "transport.cells",
    "simon": "trials.phase_two",
    "source": "catalog",
    "specific_energy": "transport.hits",
    "spheroid": "dose.cells",
    "ssb_yield": "biology.damage",
    "structure": "catalog",
    "structure_dose": "transport.structures",
    "structure_hits": "transport.structures",
    "structure_s_values": "transport.structures",
    "survival": "biology.cells",
    "three_plus_three": "trials.rules",
    "tite_boin": "trials.late",
    "tite_crm": "trials.late",
    "tumour_course": "biology.tumour",
    "validate": "validation",
    "virtual_trials": "trials",
    "voxel_dose": "transport.voxel_dose",
    "voxel_s_values": "transport.monte_carlo",
}
_ROOMS = {home.partition(".")[0] for home in _HOME.values()} - {"errors", "draws"} | {"imaging"}
__all__ = sorted([*_HOME, "__version__"])

if TYPE_CHECKING:
    from .biology import Effect, bed, eqd2, lea_catcheside
    from .biology.bystander import BystanderSignal
    from .biology.cells import survival
    from .biology.damage import dsb_yield, ssb_yield
    from .biology.delivery import DoseCourse
    from .biology.kidney import kidney_course
    from .biology.marrow import blood_course
    from .biology.models import LinearQuadratic, SingleHit
    from .biology.modifiers import ResponseModifier
    from .biology.oxygen import oer
    from .biology.tumour import tumour_course
    from .case import Case, example_path, load, schema
    from .case.animals import load_animals
    from .case.cells import load_cells
    from .case.images import load_images
    from .case.maps import load_maps
    from .catalog import agent, anatomy, source, structure
    from .cohort import cohort
    from .cohort.animals import animal_study
    from .comparison import Comparison, compare
    from .dose import Dose, absorbed_dose
    from .dose.cells import (
        Cluster,
        ImageUptake,
        Labelled,
        Lognormal,
        ReceptorHistogram,
        Table,
        Uniform,
        cluster,
        cluster_dose,
        monolayer,
        spheroid,
    )
    from .dose.volume import dvh
    from .draws import Draws
    from .errors import AlphatwinError
    from .evidence import evidence
    from .evidence.pool import pool, pool_estimates
    from .kinetics import Decays, Kinetics, fit_curve
    from .kinetics.pbpk import pbpk
    from .physics import activities, decays, medium, nuclide
    from .report import Report, open_result
    from .run import run
    from .run.cells import run_cells
    from .run.images import run_images
    from .run.maps import run_maps
    from .run.optimal import optimal_course
    from .run.protect import protect
    from .transport import SValues, absorbed_fraction, self_s_values
    from .transport.bodies import organ_s_values
    from .transport.cells import CellShape, cell_s_values, shaped_cell_s_values
    from .transport.hits import SpecificEnergy, specific_energy
    from .transport.monte_carlo import dose_point_kernel, voxel_s_values
    from .transport.structures import structure_dose, structure_hits, structure_s_values
    from .transport.voxel_dose import voxel_dose
    from .transport.voxel_phantoms import VoxelPhantom, read_voxel_phantom
    from .trials import operating_characteristics, virtual_trials
    from .trials.calendar import Calendar
    from .trials.continual import crm, crm_design
    from .trials.interval import boin, boin_boundaries, boin_table
    from .trials.late import tite_boin, tite_crm
    from .trials.phase_two import simon
    from .trials.protection_trial import protection_trial
    from .trials.rules import three_plus_three
    from .trials.running import run_trial
    from .trials.spec import load_trial
    from .trials.truth import CourseTruth, EgfrDecline, LateHazard, Probabilities
    from .validation import validate


def __getattr__(name: str) -> Any:
    if name in _ROOMS and name not in _HOME:
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module 'alphatwin' has no attribute {name!r}; it offers {', '.join(sorted(_HOME))}")
    home = importlib.import_module(f".{_HOME[name]}", __name__)
    value = home if name == _HOME[name] else getattr(home, name)  # run, cohort, evidence: modules that can be called
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, *sorted(_ROOMS - set(__all__))]
