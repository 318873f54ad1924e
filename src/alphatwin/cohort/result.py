"""A cohort in memory, and what both it and a cohort on disk can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import DomainError, missing
from ._layout import axes, columns, layout, picked
from .spec import CohortSpec

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Cohort", "Patients"]


class Patients(Protocol):
    """What a summary needs: the spec, the number of patients, one column of the table at a time."""

    @property
    def spec(self) -> CohortSpec:
        """Who was simulated."""
        ...

    @property
    def size(self) -> int:
        """Number of patients."""
        ...

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column [sample], by its flat name such as ``dose.1.kidneys``."""
        ...


@dataclass(frozen=True, eq=False)
class Cohort:
    """Virtual patients and what became of them; made by `alphatwin.cohort`, checked at birth.

    Attributes
    ----------
    spec : CohortSpec
    data : xarray.Dataset
        Every variable of `alphatwin.cohort.layout` with the dimension ``sample`` first, then ``cycle``, ``region``,
        ``lesion``, ``image_d``, ``function_d``, ``count`` or ``excretion_h``; units in the attributes.
    provenance : mapping of str to str
        Software, hashes of code, catalogue and spec, seed.
    """

    spec: CohortSpec
    data: xr.Dataset
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = axes(self.spec)
        for name, v in layout().items():
            if name not in self.data or self.data[name].dims != ("sample", *v.dims):
                raise DomainError(f"The cohort lacks {name}[{', '.join(('sample', *v.dims))}].")
            if self.data[name].shape[1:] != tuple(len(where[d]) for d in v.dims):
                raise DomainError(f"{name} has shape {self.data[name].shape}, which is not that of its spec.")
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))

    @property
    def size(self) -> int:
        """Number of patients."""
        return int(self.data.sizes["sample"])

    def __getitem__(self, name: str) -> xr.DataArray:
        """One variable, ``cohort["dose"]``."""
        if name not in self.data:
            raise missing("variable", name, [str(k) for k in self.data])
        return self.data[name]

    @property
    def dose_Gy_per_GBq(self) -> xr.DataArray:
        """Absorbed dose per administered activity [sample, cycle, region], Gy/GBq."""
        made = self.data["dose"] / self.data["activity"]
        return made.assign_attrs({"units": "Gy/GBq", "long_name": "absorbed dose per administered activity"})

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column [sample] by its flat name, ``dose.1.kidneys``."""
        known = columns(self.spec)
        if name not in known:
            raise missing("column", name, known)
        variable, index = known[name]
        return picked(self.data[variable].values, index)


def assembled(spec: CohortSpec, parts: list[dict[str, npt.NDArray[Any]]], provenance: Mapping[str, str]) -> Cohort:
    """A cohort from its chunks, in order."""
    import xarray as xr

    where, made = axes(spec), {}
    for name, v in layout().items():
        values = np.concatenate([p[name] for p in parts])
        values.flags.writeable = False
        made[name] = xr.DataArray(values, dims=("sample", *v.dims), attrs={"units": v.unit, "long_name": v.label})
    coords = {d: list(labels) for d, labels in where.items()}
    return Cohort(spec, xr.Dataset(made, coords=coords, attrs=dict(provenance)), provenance)
