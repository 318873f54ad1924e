"""`alphatwin cohort`: virtual patients from a spec, on this machine or on a Dask cluster, and their page."""

from __future__ import annotations

import contextlib
import json
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer


__all__ = ["add"]


def add(app: typer.Typer) -> None:
    """The command."""
    import typer

    @app.command("cohort", short_help="Virtual patients: dose, response, toxicity.")
    def cohort_command(
        file: pathlib.Path = typer.Argument(..., metavar="SPEC.yaml", help="The cohort to simulate."),  # noqa: B008
        out: pathlib.Path = typer.Option(".", "--out", "-o", help="Where the folder of results is made."),  # noqa: B008
        size: int = typer.Option(None, "--size", "-n", help="Number of patients, instead of the spec's."),
        seed: int = typer.Option(None, "--seed", min=0, max=2**63 - 1, help="Instead of the spec's."),
        dask: str = typer.Option(None, "--dask", help="Number of local worker processes, or address of a scheduler."),
        threads: int = typer.Option(
            None, "--threads", min=1, max=1024, help="Threads on this machine; all by default."
        ),
        chunk: int = typer.Option(4096, "--chunk", min=1, max=1_000_000, help="Patients per file."),
        as_json: bool = typer.Option(False, "--json", help="Print the summary as JSON."),
        quiet: bool = typer.Option(False, "--quiet", "-q", help="Print only where the page is."),
    ) -> None:
        """Simulate a population beside published values; writes cohort.html, summary.json and a table of patients.

        Stopped by Ctrl-C, a full disk or a kill, the same command goes on where it was, to the same bits.
        """
        _cohort(file, out, size, seed, dask, threads, chunk, as_json, quiet)


def _cohort(
    file: pathlib.Path,
    out: pathlib.Path,
    size: int | None,
    seed: int | None,
    dask: str | None,
    threads: int | None,
    chunk: int,
    as_json: bool,
    quiet: bool,
) -> None:
    from ..cohort.spec import load_cohort
    from ..errors import DomainError
    from . import was_interrupted

    spec = load_cohort(file)
    if size is not None and size < 1:
        raise DomainError(f"--size is {size}; a cohort has at least one patient.")
    with _bar(quiet or as_json) as (stage, progress):
        stage("loading the science (the first run compiles its kernels: about half a minute, once)")
        from ..cohort.running import cohort
        from ..report.cohort_store import CohortFolder

        folder = CohortFolder(out / spec.cohort, chunk)
        with _threads(threads), _client(dask) as client:
            try:
                cohort(spec, size=size, seed=seed, client=client, to=folder, progress=progress)
            except (KeyboardInterrupt, SystemError) as error:
                if not was_interrupted(error):
                    raise
                done = len(folder.done) if folder.path.is_dir() else 0
                print(
                    f"\n{done} files of {chunk} patients are kept; the same command goes on from there.",
                    file=sys.stderr,
                )
                raise
        stage("comparing and writing")
        from ..cohort import answers, summary
        from ..report.cohort import cohort_text, write_cohort
        from ..validation import compare_cohort

        rows = compare_cohort(folder.spec, answers(folder))
        told = summary(folder)
        page = write_cohort(folder, told, [r.as_dict() for r in rows])
    if as_json:
        print(json.dumps(told, indent=2))
        return
    if not quiet:
        print(cohort_text(folder, told, [r.as_dict() for r in rows]))
    print(f"Page: {page}")


@contextlib.contextmanager
def _threads(number: int | None) -> Iterator[None]:
    import numba

    before = numba.get_num_threads()
    if number is not None:
        numba.set_num_threads(min(number, numba.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        numba.set_num_threads(before)


@contextlib.contextmanager
def _client(dask: str | None) -> Iterator[Any]:
    """A client of a cluster: of local processes, or of a scheduler that runs somewhere; None for this process."""
    if dask is None:
        yield None
        return
    from ..errors import AlphatwinError, DomainError

    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise AlphatwinError("--dask needs Dask: pip install 'alphatwin[cohort]'.") from error
    if dask.isdecimal():
        if not 1 <= int(dask) <= 1024:
            raise DomainError(f"--dask is {dask}; 1 to 1024 worker processes, or the address of a scheduler.")
        with _local_cluster(LocalCluster, int(dask)) as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(dask, timeout="15s")
    except (OSError, ValueError, TimeoutError) as error:
        raise DomainError(
            f"No Dask scheduler answers at {dask!r}; give its address, such as tcp://host:8786, or a number of processes."
        ) from error
    with client:
        yield client


def _local_cluster(kind: Any, workers: int) -> Any:
    """Worker processes that are deaf to Ctrl-C, which a terminal sends to them too: this process stops them."""
    import logging
    import signal

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return kind(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _bar(quiet: bool) -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """A bar of patients on standard error; nothing where there is no terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield (lambda text: None), (lambda now, of: None)
        return
    with console.status("starting") as status:
        yield (lambda text: status.update(text)), (lambda now, of: status.update(f"{now} of {of} patients"))
