"""A cohort from its spec: chunk by chunk, on this machine's threads or on a Dask cluster; in memory or into a store."""

from __future__ import annotations

import pathlib
import platform
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar, overload

import numpy as np
import numpy.typing as npt

from .. import __version__, catalog
from .._jit import source_sha256
from ..errors import AlphatwinError, DomainError
from ._simulate import simulate
from .result import Cohort, assembled
from .spec import MOST_PATIENTS, CohortSpec, load_cohort

__all__ = ["CHUNK", "Store", "cohort", "provenance"]

CHUNK = 4096
_IN_MEMORY = 2_000_000
Arrays = dict[str, npt.NDArray[Any]]


class Store(Protocol):
    """Where chunks go: `alphatwin.report.CohortFolder` writes them as Parquet."""

    def begin(self, spec: CohortSpec, size: int, provenance: Mapping[str, str]) -> tuple[int, frozenset[int]]:
        """Patients per chunk, and the chunks that are there already."""
        ...

    def put(self, index: int, arrays: Arrays) -> None:
        """Keep one chunk: whole or not at all."""
        ...


S = TypeVar("S", bound=Store)
Told = Callable[[int, int], object]


@overload
def cohort(
    spec: str | pathlib.Path | Mapping[str, Any] | CohortSpec,
    *,
    size: int | None = ...,
    seed: int | None = ...,
    client: Any = ...,
    to: None = ...,
    chunk: int = ...,
    progress: Told | None = ...,
) -> Cohort: ...
@overload
def cohort(
    spec: str | pathlib.Path | Mapping[str, Any] | CohortSpec,
    *,
    size: int | None = ...,
    seed: int | None = ...,
    client: Any = ...,
    to: S,
    chunk: int = ...,
    progress: Told | None = ...,
) -> S: ...
def cohort(
    spec: str | pathlib.Path | Mapping[str, Any] | CohortSpec,
    *,
    size: int | None = None,
    seed: int | None = None,
    client: Any = None,
    to: Any = None,
    chunk: int = CHUNK,
    progress: Told | None = None,
) -> Any:
    """Virtual patients: who they are, what dose they get in each cycle, what becomes of tumour, kidneys and blood.

    Parameters
    ----------
    spec : str, Path, mapping or CohortSpec
        A YAML file, or a mapping with the same keys; see docs/cohort.md.
    size, seed : int, optional
        Instead of those of the spec. Patient i is the same patient in a cohort of any size.
    client : dask.distributed.Client, optional
        Chunks are computed on its workers, one thread each; else on this machine's Numba threads.
    to : CohortFolder, optional
        Chunks are written there and not kept, so memory does not grow with the size; what is there already is not
        computed again.
    chunk : int
        Patients per chunk, without `to`. The numbers do not depend on it.
    progress : callable, optional
        Told patients done and patients in all.

    Returns
    -------
    Cohort, or `to`

    Raises
    ------
    CaseError
        A spec that cannot be used, with the line.
    DomainError
        A size of 0, or one too large for memory without `to`.
    OutputError
        A chunk that cannot be written; those before it are kept.

    Examples
    --------
    >>> small = cohort({"cohort": "mine", "agent": "lu177-dotatate", "treatment": {"activity": "7.4 GBq"}}, size=8, seed=1)
    >>> small["dose"].dims
    ('sample', 'cycle', 'region')
    """
    found = load_cohort(spec)
    changes = {k: _whole(k, v) for k, v in (("size", size), ("seed", seed)) if v is not None}
    if changes:
        found = found.model_copy(update=changes)
    n, past = found.size, provenance(found)
    if to is None:
        if not 1 <= chunk <= 1_000_000:
            raise DomainError(f"chunk is {chunk}; 1 to 1000000 patients go into a chunk.")
        if n > _IN_MEMORY:
            raise DomainError(f"{n} patients are too many to keep in memory; hand over a CohortFolder with `to=`.")
        per, done = chunk, frozenset[int]()
    else:
        per, done = to.begin(found, n, past)
    todo = [i for i in range((n + per - 1) // per) if i not in done]
    told = min(len(done) * per, n)
    parts: dict[int, Arrays] = {}
    tell = progress or (lambda now, of: None)
    tell(told, n)
    jobs = [(i, i * per, min(per, n - i * per)) for i in todo]
    for index, arrays in _here(found, jobs) if client is None else _on_cluster(found, jobs, client):
        if to is None:
            parts[index] = arrays
        else:
            to.put(index, arrays)
        told = min(told + len(arrays["age"]), n)
        tell(told, n)
    return assembled(found, [parts[i] for i in sorted(parts)], past) if to is None else to


def _whole(name: str, value: Any) -> int:
    most = MOST_PATIENTS if name == "size" else 2**63 - 1
    least = 1 if name == "size" else 0
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise DomainError(f"{name} is {value!r}; it is a whole number from {least} to {most}.")
    return int(value)


def provenance(spec: CohortSpec) -> dict[str, str]:
    """Enough to make the same patients again; text only."""
    return {
        "software": f"alphatwin {__version__}",
        "code_sha256": source_sha256(),
        "catalog_sha256": catalog.sha256(),
        "spec_sha256": spec.sha256(),
        "seed": str(spec.seed),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


Job = tuple[int, int, int]


def _here(spec: CohortSpec, jobs: list[Job]) -> Iterator[tuple[int, Arrays]]:
    for index, first, n in jobs:
        yield index, simulate(spec, first, n)


def _work(text: str, first: int, n: int) -> Arrays:
    """One chunk on a worker, on one thread."""
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        return simulate(CohortSpec.from_json(text), first, n)
    finally:
        numba.set_num_threads(before)


def _on_cluster(spec: CohortSpec, jobs: list[Job], client: Any) -> Iterator[tuple[int, Arrays]]:
    """Chunks as the workers finish them; only a few wait at a time, so that memory stays bounded."""
    from distributed import as_completed

    text = spec.to_json()
    waiting = iter(jobs)
    at_once = max(2 * sum(client.nthreads().values()), 2)
    running = {}

    def submit() -> Any:
        job = next(waiting, None)
        if job is None:
            return None
        future = client.submit(_work, text, job[1], job[2], pure=False, retries=2)
        running[future.key] = job[0]
        return future

    first = [f for f in (submit() for _ in range(at_once)) if f is not None]
    queue = as_completed(first)
    try:
        for future in queue:
            try:
                arrays = future.result()
            except AlphatwinError:
                raise
            except Exception as error:  # whatever a cluster may raise: a worker that died, a scheduler that went away
                number = running.get(future.key, 0)
                raise AlphatwinError(
                    f"The cluster could not compute chunk {number}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}. "
                    "Chunks that are written are kept; the same call goes on from there."
                ) from error
            index = running.pop(future.key)
            future.release()
            more = submit()
            if more is not None:
                queue.add(more)
            yield index, arrays
    finally:
        queue.clear()
        client.cancel(list(running), force=True) if running else None
