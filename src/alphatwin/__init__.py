"""alphatwin: targeted alpha therapy, from the decay of one atom to a patient's course.

>>> import alphatwin as at
>>> at.nuclide("Ac-225").chain[:2]
('Ac-225', 'Fr-221')

Research software, not a medical device. Names are imported when they are first used, so that ``import alphatwin``
and ``alphatwin --version`` stay quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "AlphatwinError": "errors",
    "BystanderSignal": "biology.bystander",
    "Case": "case",
    "CellShape": "transport.cells",
    "Cluster": "dose.cells",
    "Comparison": "comparison",
    "Decays": "kinetics",
    "Dose": "dose",
    "Draws": "draws",
    "Effect": "biology",
    "ImageUptake": "dose.cells",
    "Kinetics": "kinetics",
    "Labelled": "dose.cells",
    "LinearQuadratic": "biology.models",
    "Lognormal": "dose.cells",
    "ReceptorHistogram": "dose.cells",
    "Report": "report",
    "ResponseModifier": "biology.modifiers",
    "SValues": "transport",
    "SingleHit": "biology.models",
    "SpecificEnergy": "transport.hits",
    "Table": "dose.cells",
    "Uniform": "dose.cells",
    "absorbed_dose": "dose",
    "absorbed_fraction": "transport",
    "activities": "physics",
    "agent": "catalog",
    "anatomy": "catalog",
    "bed": "biology",
    "cell_s_values": "transport.cells",
    "cluster": "dose.cells",
    "cluster_dose": "dose.cells",
    "compare": "comparison",
    "decays": "physics",
    "dsb_yield": "biology.damage",
    "eqd2": "biology",
    "example_path": "case",
    "fit_curve": "kinetics",
    "lea_catcheside": "biology",
    "load": "case",
    "load_cells": "case.cells",
    "medium": "physics",
    "monolayer": "dose.cells",
    "nuclide": "physics",
    "oer": "biology.oxygen",
    "open_result": "report",
    "run": "run",
    "run_cells": "run.cells",
    "schema": "case",
    "self_s_values": "transport",
    "shaped_cell_s_values": "transport.cells",
    "source": "catalog",
    "specific_energy": "transport.hits",
    "spheroid": "dose.cells",
    "ssb_yield": "biology.damage",
    "structure": "catalog",
    "structure_dose": "transport.structures",
    "structure_hits": "transport.structures",
    "structure_s_values": "transport.structures",
    "survival": "biology.cells",
    "validate": "validation",
}
__all__ = sorted([*_HOME, "__version__"])

if TYPE_CHECKING:
    from .biology import Effect, bed, eqd2, lea_catcheside
    from .biology.bystander import BystanderSignal
    from .biology.cells import survival
    from .biology.damage import dsb_yield, ssb_yield
    from .biology.models import LinearQuadratic, SingleHit
    from .biology.modifiers import ResponseModifier
    from .biology.oxygen import oer
    from .case import Case, example_path, load, schema
    from .case.cells import load_cells
    from .catalog import agent, anatomy, source, structure
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
    from .draws import Draws
    from .errors import AlphatwinError
    from .kinetics import Decays, Kinetics, fit_curve
    from .physics import activities, decays, medium, nuclide
    from .report import Report, open_result
    from .run import run
    from .run.cells import run_cells
    from .transport import SValues, absorbed_fraction, self_s_values
    from .transport.cells import CellShape, cell_s_values, shaped_cell_s_values
    from .transport.hits import SpecificEnergy, specific_energy
    from .transport.structures import structure_dose, structure_hits, structure_s_values
    from .validation import validate


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'alphatwin' has no attribute {name!r}; it offers {', '.join(sorted(_HOME))}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value  # a function such as run must win over the module of the same name
    return value


def __dir__() -> list[str]:
    return list(__all__)
