"""`alphatwin run` of a case of images."""

from __future__ import annotations

import pathlib

__all__ = ["run_case"]


def run_case(case_file: pathlib.Path, out: pathlib.Path, samples: int | None, seed: int | None, quiet: bool) -> None:
    """Images in; report, tables, dose maps and DICOM objects out."""
    from ..case import located
    from ..case.images import load_images
    from ..errors import AlphatwinError, OutputError
    from . import _progress

    case = load_images(case_file)
    changes = {k: v for k, v in (("samples", samples), ("seed", seed)) if v is not None}
    if changes:
        case = case.model_copy(update={"options": case.options.model_copy(update=changes)})
    with _progress(quiet) as stage:
        stage("loading the science")
        from ..report import check_writable
        from ..run.images import run_images

        check_writable(out, case.case)  # before the work, not after it
        try:
            report = run_images(case, case_file, stage, study_folder=out / f"{case.case}-study")
        except OutputError:
            raise
        except AlphatwinError as error:
            raise type(error)(located(case_file, str(error))) from None
        stage("writing")
        folder = report.write(out)
    if not quiet:
        print(report.text())
    print(f"Report: {folder / 'report.html'}")
