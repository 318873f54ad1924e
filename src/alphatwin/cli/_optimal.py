"""`alphatwin optimal`: the course that does most to the tumour within the limits of kidneys and marrow."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from . import _progress

if TYPE_CHECKING:
    import typer

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Add the command."""
    import typer

    @app.command("optimal", short_help="The best course within stated limits.")
    def optimal_command(
        case_file: pathlib.Path = typer.Argument(..., metavar="CASE.yaml", help="A planned patient with limits."),  # noqa: B008
        out: pathlib.Path = typer.Option(".", "--out", "-o", help="Where the folder of results is made."),  # noqa: B008
        samples: int = typer.Option(None, "--samples", min=1, max=100_000, help="Override options.samples (1: point)."),
        seed: int = typer.Option(None, "--seed", min=0, max=2**63 - 1, help="Override options.seed."),
        quiet: bool = typer.Option(False, "--quiet", "-q", help="Print only where the page is."),
    ) -> None:
        """Activity, number, interval and protection with the largest tumour effect; limits kept with stated probability."""
        _optimal(case_file, out, samples, seed, quiet)


def _optimal(case_file: pathlib.Path, out: pathlib.Path, samples: int | None, seed: int | None, quiet: bool) -> None:
    from ..case import located
    from ..case.optimal import load_optimal
    from ..errors import AlphatwinError, OutputError

    case = load_optimal(case_file)
    with _progress(quiet) as stage:
        stage("loading the science")
        from ..report import check_writable
        from ..run.optimal import optimal_course

        check_writable(out, case.case)  # before the work, not after it
        try:
            report = optimal_course(case, samples=samples, seed=seed, progress=stage)
        except OutputError:
            raise
        except AlphatwinError as error:  # what the case asks for cannot be done: say where the case asks for it
            raise type(error)(located(case_file, str(error))) from None
        stage("writing")
        folder = report.write(out)
    if not quiet:
        print(report.text())
    print(f"Page: {folder / 'optimal.html'}")
