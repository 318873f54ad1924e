"""`alphatwin dose`: maps of decays in, maps of dose out."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from . import write_report

if TYPE_CHECKING:
    import typer

__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """Register the command."""
    import typer

    @app.command("dose", short_help="Dose of every voxel, from maps of decays.")
    def dose_command(
        case_file: pathlib.Path = typer.Argument(..., metavar="MAPS.yaml", help="The case of maps to run."),  # noqa: B008
        out: pathlib.Path = typer.Option(".", "--out", "-o", help="Where the folder of results is made."),  # noqa: B008
        method: str = typer.Option(None, "--method", help="Override method: local, convolution, monte_carlo."),
        uncertainty: str = typer.Option(None, "--uncertainty", help="Override what monte_carlo reaches, e.g. '2 %'."),
        seed: int = typer.Option(None, "--seed", min=0, max=2**32 - 1, help="Override options.seed."),
        resume: pathlib.Path = typer.Option(None, "--resume", help="File of sums: kept there, and gone on from."),  # noqa: B008
        dask: str = typer.Option(None, "--dask", help="Workers of a Dask scheduler, e.g. tcp://10.0.0.1:8786."),
        device: str = typer.Option("cpu", "--device", help="Where monte_carlo runs: cpu, cuda (an NVIDIA GPU)."),
        quiet: bool = typer.Option(False, "--quiet", "-q", help="Print only where the report is."),
    ) -> None:
        """Voxel dose of a patient: local, by kernels or by Monte Carlo; dose maps, region doses, histograms, a page."""
        _dose(case_file, out, {"method": method, "uncertainty": uncertainty, "seed": seed}, resume, dask, device, quiet)


def _dose(
    case_file: pathlib.Path, out: pathlib.Path, changes: dict[str, Any], resume: pathlib.Path | None, dask: str | None,
    device: str, quiet: bool,
) -> None:  # fmt: skip
    from ..case.maps import load_maps

    case = _changed(load_maps(case_file), changes)
    with _client(dask) as client:

        def work(stage: Callable[[str], None]) -> Any:
            from ..report.maps import TallyFile
            from ..run.maps import run_maps

            store = TallyFile(resume) if resume is not None else None
            return run_maps(case, case_file, stage, store=store, client=client, device=device)

        write_report(case_file, case.case, out, quiet, work)


def _changed(case: Any, changes: dict[str, Any]) -> Any:
    """The case with what the command line overrides, checked again."""
    from ..case.maps import DoseMethod
    from ..errors import DomainError, suggestion
    from ..units import read_quantity

    name = changes["method"]
    methods = ("local", "convolution", "monte_carlo")
    if name is not None and name not in methods:
        raise DomainError(
            f"--method {name}: there is no such method. {suggestion(name, methods)}Methods: {', '.join(methods)}."
        )
    told: dict[str, Any] = case.method.model_dump(exclude_none=True)
    if name is not None:
        told["name"] = name
        if name != "monte_carlo":
            for key in ("uncertainty", "region", "batch_histories", "denoise"):
                told.pop(key, None)
    if "uncertainty" in told:
        told["uncertainty"] = f"{100 * told['uncertainty']:.12g} %"
    if changes["uncertainty"] is not None:
        if told["name"] != "monte_carlo":
            raise DomainError(f"--uncertainty goes with monte_carlo; the method is {told['name']}.")
        share = read_quantity(changes["uncertainty"], "1", "percent or fraction", "--uncertainty")
        if not 0.0005 <= share <= 0.5:
            raise DomainError(f"--uncertainty {changes['uncertainty']}: it lies between 0.05 % and 50 %.")
        told["uncertainty"] = f"{100 * share:.12g} %"
    options = case.options
    if changes["seed"] is not None:
        options = options.model_copy(update={"seed": changes["seed"]})
    return case.model_copy(update={"method": DoseMethod.model_validate(told), "options": options})


@contextlib.contextmanager
def _client(address: str | None) -> Iterator[Any]:
    """A client of a Dask scheduler, or None."""
    from ..errors import AlphatwinError, OutputError

    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError:
        raise AlphatwinError("Dask workers need distributed: pip install 'alphatwin[cohort]'.") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise OutputError(f"--dask {address}: no scheduler answers there ({type(error).__name__}).") from None
    try:
        yield client
    finally:
        client.close()
