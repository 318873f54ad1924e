"""`alphatwin fit`: time-activity curves of many patients fitted together; patients with few points estimated from them."""

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

    @app.command("fit", short_help="Time-activity curves of a population.")
    def fit_command(
        spec_file: pathlib.Path = typer.Argument(..., metavar="SPEC.yaml", help="What to fit, and to which table."),  # noqa: B008
        out: pathlib.Path = typer.Option(".", "--out", "-o", help="Where the folder of results is made."),  # noqa: B008
        draws: int = typer.Option(None, "--draws", min=100, max=100_000, help="Override sampling.draws."),
        seed: int = typer.Option(None, "--seed", min=0, max=2**31 - 1, help="Override sampling.seed."),
        quiet: bool = typer.Option(False, "--quiet", "-q", help="Print only where the results are."),
    ) -> None:
        """Hierarchical Bayesian fit of measured activities (NONMEM-style CSV): population, patients, convergence."""
        _fit(spec_file, out, draws, seed, quiet)


def _fit(spec_file: pathlib.Path, out: pathlib.Path, draws: int | None, seed: int | None, quiet: bool) -> None:
    from ..case.fit import load_fit

    spec = load_fit(spec_file)
    changes = {k: v for k, v in (("draws", draws), ("seed", seed)) if v is not None}
    if changes:
        spec = spec.model_copy(update={"sampling": spec.sampling.model_copy(update=changes)})
    with _progress(quiet) as stage:
        stage("loading the science")
        from ..report import check_writable
        from ..run.fit import run_fit

        check_writable(out, spec.fit)  # before the work, not after it
        report = run_fit(spec, spec_file.parent, progress=stage)
        stage("writing")
        folder = report.write(out)
    if not quiet:
        print(report.text())
    print(f"Results: {folder / 'fit.json'}")
