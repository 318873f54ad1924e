"""`alphatwin animals`: an experiment with mice or rats, from uptake to survival and to man."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING

from . import _progress

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
    from ..case import located
    from ..case.animals import load_animals
    from ..errors import AlphatwinError, OutputError

    case = load_animals(case_file)
    if seed is not None:
        case = case.model_copy(update={"study": case.study.model_copy(update={"seed": seed})})
    with _progress(quiet) as stage:
        stage("loading the science")
        from ..cohort.animals import animal_study
        from ..report import check_writable
        from ..report.animals import AnimalsReport

        check_writable(out, case.case)  # before the work, not after it
        try:
            report = AnimalsReport.of(animal_study(case, progress=stage))
        except OutputError:
            raise
        except AlphatwinError as error:  # what the case asks for cannot be done: say where the case asks for it
            raise type(error)(located(case_file, str(error))) from None
        stage("writing")
        folder = report.write(out)
    if as_json:
        print(json.dumps(report.as_dict(), indent=2, ensure_ascii=False, allow_nan=False))
        return
    if not quiet:
        print(report.text())
    print(f"Page: {folder / 'animals.html'}")
