"""`alphatwin phantom`: a made-up SPECT/CT or PET/CT study with known truth, as DICOM."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

from . import _progress

if TYPE_CHECKING:
    import typer

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Register the command."""
    import typer

    @app.command("phantom", short_help="Make a SPECT/CT study with known truth.")
    def phantom_command(
        spec: pathlib.Path = typer.Argument(..., metavar="SPEC.yaml", help="The phantom to make."),  # noqa: B008
        out: pathlib.Path = typer.Option(  # noqa: B008
            None, "--out", "-o", help="The folder to make; default: one named after the phantom, here."
        ),
        seed: int = typer.Option(None, "--seed", min=0, max=2**63 - 1, help="Override the phantom's seed."),
        quiet: bool = typer.Option(False, "--quiet", "-q", help="Print only where the study is."),
        as_json: bool = typer.Option(False, "--json", help="The truth as JSON."),
    ) -> None:
        """Make DICOM of an anatomy with known activity: CT, SPECT or PET, contours, and truth.json beside them."""
        _phantom(spec, out, seed, quiet, as_json)


def _phantom(spec: pathlib.Path, out: pathlib.Path | None, seed: int | None, quiet: bool, as_json: bool) -> None:
    from ..case import located
    from ..errors import CaseError, ImageError

    with _progress(quiet or as_json) as stage:
        stage("reading the phantom")
        from ..imaging.phantom import load_phantom, make_phantom

        asked = load_phantom(spec)
        folder = out if out is not None else pathlib.Path(asked.phantom)
        try:
            truth = make_phantom(asked, folder, seed=seed, progress=stage)
        except (CaseError, ImageError) as error:
            raise type(error)(located(spec, str(error))) from None
    if as_json:
        print(json.dumps(truth.as_dict(), indent=2, ensure_ascii=False, allow_nan=False))
        return
    if not quiet:
        for line in _lines(truth):
            print(line)
    print(f"Study: {folder / 'dicom'}")
    print(f"Truth: {folder / 'truth' / 'truth.json'}")


def _lines(truth: Any) -> list[str]:
    """The truth as a table of at most 80 columns."""
    rows = [f"{truth.nuclide}, {truth.administered_MBq:g} MBq; a count is {truth.Bq_per_mL_per_count:.5g} Bq/mL", ""]
    dose = bool(truth.dose_Gy)
    rows.append(f"{'region':22s}{'mL':>9s}{'g':>9s}{'MBq at ' + format(truth.times_h[0], 'g') + ' h':>15s}{'MBq h':>11s}"
                + (f"{'Gy':>10s}" if dose else ""))  # fmt: skip
    for name, activity in truth.activity_MBq.items():
        row = f"{name[:21]:22s}{truth.volume_mL[name]:9.4g}{truth.mass_g[name]:9.4g}{activity[0]:15.4g}"
        row += f"{truth.decays[name] / 3.6e9:11.5g}" + (f"{truth.dose_Gy[name]:10.4g}" if dose else "")
        rows.append(row)
    return [*rows, ""]
