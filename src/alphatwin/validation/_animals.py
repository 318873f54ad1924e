"""An experiment with animals beside what its authors published; what is missed is documented, never tuned away."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..cohort.animals import AnimalStudy

__all__ = ["ANIMAL_CALLS"]

_TIMES = ["5 min", "30 min", "1 h", "2 h", "4 h", "24 h", "48 h"]
_B16: Mapping[str, Any] = {
    "animals": "validation", "nuclide": "Pb-212", "body_mass": "22 g",
    "uptake": {
        "nuclide": "Pb-203", "decay_corrected": True, "source": "miao2008pb203", "times": _TIMES,
        "organs": {
            "tumour": {"n": 5, "percent_per_g": [3.83, 8.79, 12.0, 11.87, 9.86, 4.35, 3.43], "sd": [0.87, 1.63, 3.2, 3.24, 1.86, 0.24, 1.12]},
            "kidneys": {"n": 5, "percent_per_g": [35.09, 10.31, 8.42, 7.78, 7.34, 3.69, 3.67], "sd": [6.42, 1.02, 0.36, 1.42, 0.31, 0.58, 0.5]},
        },
    },
    "tumour": {"line": "b16-f1", "mass": "50 mg", "mass_spread": "40 %"},
    "endpoints": {"tumour_volume": "4000 mm^3", "follow_up": "120 d"},
    "arms": {"control": {"activity": "0 MBq"}, "50": {"activity": "1.85 MBq"}, "100": {"activity": "3.7 MBq"}, "200": {"activity": "7.4 MBq"}},
    "study": {"pool": 400, "studies": 50},
}  # fmt: skip
_LUTETIUM: Mapping[str, Any] = {
    "animals": "validation", "nuclide": "Lu-177", "agent": "lu177-dotatate", "model": {"peptide": "0.3 nmol"},
    "tumour": {"line": "got1", "mass": "250 mg"},
    "endpoints": {"tumour_volume": "2000 mm^3", "follow_up": "70 d", "kidneys": {}},
    "arms": {str(a): {"activity": f"{a} MBq"} for a in (0, 20, 40, 65)}, "study": {"pool": 400, "studies": 50},
}  # fmt: skip


@functools.cache
def _studied(which: str) -> AnimalStudy:
    from ..case.animals import load_animals
    from ..cohort.animals import animal_study

    return animal_study(load_animals(_B16 if which == "b16" else _LUTETIUM))


def animal_answer(key: str) -> float:
    """What the virtual animals say to one published quantity: ``"b16 mean 100"``, ``"kidneys 20"``, ``"b16 dose"``."""
    kind, *rest = key.split()
    if kind == "kidneys":
        values = _studied("kidneys")[rest[0]].function_at(65.0)
        assert values is not None
        return 100.0 * float(values.mean())
    study = _studied("b16")
    if rest[0] == "dose":
        return next(o.total for o in study.arms[0].doses if o.region == "tumour")
    arm = study[rest[1]]
    return arm.mean_of_dead_d if rest[0] == "mean" else 100.0 * arm.survivors


ANIMAL_CALLS: tuple[Callable[..., float], ...] = (animal_answer,)
