"""`alphatwin protect` and `alphatwin optimal`: a planned course, its protection, and the best one within limits."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import write_report

if TYPE_CHECKING:
    import typer

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    import typer

    place: Any = typer.Option(".", "--out", "-o", help="Where the folder of results is made.")
    number: Any = typer.Option(None, "--samples", min=1, max=100_000, help="Override options.samples (1: point).")
    start: Any = typer.Option(None, "--seed", min=0, max=2**63 - 1, help="Override options.seed.")
    silent: Any = typer.Option(False, "--quiet", "-q", help="Print only where the page is.")

    @app.command("protect", short_help="Compare ways to protect the kidneys.")
    def protect_command(
        case_file: pathlib.Path = typer.Argument(..., metavar="CASE.yaml", help="A planned course with strategies."),  # noqa: B008
        out: pathlib.Path = place,
        samples: int = number,
        seed: int = start,
        quiet: bool = silent,
    ) -> None:
        """Kidney dose, eGFR and tumour effect of each strategy in the same virtual patients; the evidence beside it."""
        from ..case.protect import load_protect

        case = load_protect(case_file)

        def work(stage: Callable[[str], None]) -> Any:
            from ..run.protect import protect

            return protect(case, samples=samples, seed=seed, progress=stage)

        write_report(case_file, case.case, out, quiet, work, "Page: protect.html")

    @app.command("optimal", short_help="The best course within stated limits.")
    def optimal_command(
        case_file: pathlib.Path = typer.Argument(..., metavar="CASE.yaml", help="A planned patient with limits."),  # noqa: B008
        out: pathlib.Path = place,
        samples: int = number,
        seed: int = start,
        quiet: bool = silent,
    ) -> None:
        """Activity, number, interval and protection with the largest tumour effect; limits kept with stated probability."""
        from ..case.optimal import load_optimal

        case = load_optimal(case_file)

        def work(stage: Callable[[str], None]) -> Any:
            from ..run.optimal import optimal_course

            return optimal_course(case, samples=samples, seed=seed, progress=stage)

        write_report(case_file, case.case, out, quiet, work, "Page: optimal.html")
