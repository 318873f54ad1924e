"""Writing a result so that nothing half-written is ever left, and reading it back equal."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..errors import OutputError

if TYPE_CHECKING:
    import xarray as xr

    from .model import Report

__all__ = ["check_writable", "dataset", "open_result", "write", "write_folder", "write_netcdf"]


def dataset(report: Report) -> xr.Dataset:
    """Every array of the result in one dataset; kinetics, decays and dose are of the first cycle."""
    import xarray as xr

    c = report.course
    arrays = {
        "absorbed_dose": c.dose.dose,
        "bed": c.effect.bed,
        "eqd2": c.effect.eqd2,
        "rbe_weighted_dose": c.effect.rbe_weighted_dose,
        "lea_catcheside_g": c.effect.g,
        "mass": c.s_values.mass_g,
        "decays": c.decays.decays.rename(region="source_region"),
        "amplitude": c.kinetics.amplitude.rename(region="source_region"),
        "rate": c.kinetics.rate,
        "s_value": c.s_values.s.rename(target="region", source="source_region_of_s"),
    }
    n = report.case.options.samples
    made = {}
    for name, array in arrays.items():
        plain = array.drop_vars(
            [
                v
                for v in array.coords
                if v not in ("region", "source_region", "source_region_of_s", "nuclide", "radiation")
            ]
        )
        if "sample" in plain.dims and plain.sizes["sample"] == 1 < n:
            plain = plain.isel(sample=np.zeros(n, dtype=int))
        made[name] = plain.rename(name)
    made["cycle_activity"] = xr.DataArray(
        np.asarray(c.cycle_activities_MBq),
        dims="cycle",
        attrs={"units": "MBq", "long_name": "administered activity of each cycle"},
    )
    p = report.provenance
    attrs = {
        "title": report.case.title or report.case.case,
        "case": report.case.case,
        "agent": c.agent,
        "scope": "absorbed_dose, decays and amplitude are of the first cycle; bed, eqd2 and rbe_weighted_dose of the course",
        "software": p.software,
        "code_sha256": p.code_sha256,
        "case_sha256": p.case_sha256,
        "catalog_sha256": p.catalog_sha256,
        "seed": p.seed,
        "disclaimer": "Research software, not a medical device.",
    }
    return xr.Dataset(made, attrs=attrs)


def open_result(path: str | pathlib.Path) -> xr.Dataset:
    """Read result.nc back: the dataset that was written, equal to the last bit.

    Parameters
    ----------
    path : str or Path
        A folder of results, or the file.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    OutputError
        There is no result there, or it is not a netCDF file.

    Examples
    --------
    >>> open_result("no-such-folder")
    Traceback (most recent call last):
    ...
    alphatwin.errors.OutputError: There is no result.nc in no-such-folder; `alphatwin run CASE.yaml` writes one.
    """
    import xarray as xr

    file = pathlib.Path(path)
    if file.suffix != ".nc":
        file = file / "result.nc"
    if not file.is_file():
        raise OutputError(f"There is no result.nc in {file.parent.name or '.'}; `alphatwin run CASE.yaml` writes one.")
    try:
        return xr.load_dataset(file, engine="h5netcdf")
    except (OSError, ValueError, KeyError) as error:
        raise OutputError(f"{file.name} cannot be read as netCDF: {error}") from error


def check_writable(parent: str | pathlib.Path, name: str) -> None:
    """Refuse, before any work, a place where the result could not be written; makes nothing.

    Raises
    ------
    OutputError
        The place is a file, or the nearest existing folder above it is read-only or full.
    """
    place = pathlib.Path(parent)
    target = place / name
    if target.exists() and not target.is_dir():
        raise OutputError(
            f"{target} is a file, and the results want a folder of that name; choose another place with --out."
        )
    above = next(p for p in (place, *place.absolute().parents) if p.exists())
    if not above.is_dir():
        raise OutputError(f"{above} is a file, not a folder; choose another place with --out.")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=above):
            pass
    except OSError as error:
        reason = _reason(error)
        raise OutputError(
            f"Results cannot be written to {place}: {reason}. Choose another place with --out."
        ) from error


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return (error.strerror or str(error)).lower()


def write(report: Report, parent: pathlib.Path) -> pathlib.Path:
    """Write the three files of a report."""

    def summary(file: pathlib.Path) -> None:
        text = json.dumps(report.summary(), indent=2, ensure_ascii=False, allow_nan=False)
        file.write_text(text + "\n", encoding="utf-8")

    return write_folder(
        report.case.case,
        parent,
        {
            "report.html": lambda file: file.write_text(report.html(), encoding="utf-8"),
            "summary.json": summary,
            "result.nc": lambda file: write_netcdf(dataset(report), file),
        },
    )


def write_folder(
    name: str, parent: pathlib.Path, makers: Mapping[str, Callable[[pathlib.Path], object]]
) -> pathlib.Path:
    """Write files into the folder `name`; each appears whole or not at all, and a failure takes back what was made."""
    check_writable(parent, name)
    target = parent / name
    made = [p for p in (target, parent, *parent.absolute().parents) if not p.exists()]
    scratch: pathlib.Path | None = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        scratch = pathlib.Path(tempfile.mkdtemp(prefix=f".{name}.", dir=parent))
        for file, make in makers.items():
            make(scratch / file)
        target.mkdir(exist_ok=True)
        for file in makers:
            os.replace(scratch / file, target / file)
    except BaseException as error:  # Ctrl-C too: whatever was made here goes
        if target in made:
            shutil.rmtree(target, ignore_errors=True)
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            told = f"The results could not be written to {target}: {_reason(error)}. Nothing half-written was left."
            raise OutputError(told) from error
        raise
    shutil.rmtree(scratch, ignore_errors=True)
    return target


def write_netcdf(data: xr.Dataset, file: pathlib.Path) -> None:
    """Write a dataset as compressed netCDF."""
    encoding = {str(name): {"zlib": True, "complevel": 4, "shuffle": True} for name in data.data_vars}
    try:
        data.to_netcdf(file, engine="h5netcdf", encoding=encoding)
    except RuntimeError as error:  # HDF5 reports a full disk so
        raise OSError(errno.EIO, f"netCDF: {error}") from error
