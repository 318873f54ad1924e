"""`alphatwin animals`: an experiment with mice or rats, from uptake to survival and to man."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import write_report

if TYPE_CHECKING:
    import typer

__all__ = ["add", "run_animals"]


def add(app: typer.Typer) -> None:
    """Add the command."""
    import typer

    @app.command("animals", short_help="Mice and rats: dose, survival, group size, man.")
    def animals_command(
        case_file: pathlib.Path = typer.Argument(..., metavar="CASE.yaml", help="The case of animals."),  # noqa: B008
        out: pathlib.Path = typer.Option(".", "--out", "-o", help="Where the folder of results is made."),  # noqa: B008
        seed: int = typer.Option(None, "--seed", min=0, max=2**63 - 1, help="Override study.seed."),
        as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
        quiet: bool = typer.Option(False, "--quiet", "-q", help="Print only where the page is."),
    ) -> None:
        """Dose, growth delay and survival of virtual groups, the animals a study needs, and human doses by several rules."""
        run_animals(case_file, out, seed, quiet, as_json)


def run_animals(
    case_file: pathlib.Path, out: pathlib.Path, seed: int | None, quiet: bool, as_json: bool = False
) -> None:
    """Run a case of animals and write its page."""
    from ..case.animals import load_animals

    case = load_animals(case_file)
    if seed is not None:
        case = case.model_copy(update={"study": case.study.model_copy(update={"seed": seed})})

    def work(stage: Callable[[str], None]) -> Any:
        from ..cohort.animals import animal_study
        from ..report.animals import AnimalsReport

        return AnimalsReport.of(animal_study(case, progress=stage))

    write_report(case_file, case.case, out, quiet, work, "Page: animals.html", as_json=as_json)
