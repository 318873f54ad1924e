"""A cohort on disk: one Parquet file per chunk and a manifest, written so that a stop at any moment loses one chunk at most."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohort._layout import columns, layout, picked
from ..cohort.result import Cohort, assembled
from ..cohort.spec import CohortSpec
from ..errors import AlphatwinError, DomainError, OutputError, missing
from .files import _reason

__all__ = ["CohortFolder"]

MANIFEST = "cohort.json"
PARTS = "patients"
_SAME = ("spec_sha256", "code_sha256", "size", "chunk")
_SAYS = {
    "spec_sha256": "another spec, seed or catalogue",
    "code_sha256": "another version of the program",
    "size": "another number of patients",
    "chunk": "another number of patients per file",
}


class CohortFolder:
    """A folder of virtual patients: ``cohort.json`` and ``patients/part-000000.parquet``, one row a patient.

    Parameters
    ----------
    path : str or Path
        The folder; made when it is needed.
    chunk : int
        Patients per file, 1 to 1 000 000. Memory does not grow with the cohort, but with this.

    Raises
    ------
    DomainError
        A chunk out of range.
    """

    def __init__(self, path: str | pathlib.Path, chunk: int = 4096) -> None:
        if isinstance(chunk, bool) or not 1 <= chunk <= 1_000_000:
            raise DomainError(f"chunk is {chunk!r}; 1 to 1000000 patients go into a file.")
        self.path, self._chunk = pathlib.Path(path), chunk
        self._manifest: dict[str, Any] = {}
        self._spec: CohortSpec | None = None

    # --- writing -----------------------------------------------------------------------------------------------------

    def begin(self, spec: CohortSpec, size: int, provenance: Mapping[str, str]) -> tuple[int, frozenset[int]]:
        """Open the folder for a cohort, new or to go on with; patients per chunk, and the chunks that are there.

        Raises
        ------
        OutputError
            The folder holds another cohort, or cannot be written.
        """
        _pyarrow()
        manifest = {
            **provenance, "size": size, "chunk": self._chunk, "spec": json.loads(spec.to_json()),
            "columns": {name: layout()[variable].unit for name, (variable, _) in columns(spec).items()},
        }  # fmt: skip
        file = self.path / MANIFEST
        if file.exists():
            self._same(_read(file), manifest)
        elif self.path.exists() and any(self.path.iterdir()):
            raise OutputError(f"{self.path} holds other files and no cohort; choose another place with --out.")
        else:
            self._written(file, json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n")
        self._manifest, self._spec = manifest, spec
        for left in self.path.glob(f"{PARTS}/.part-*"):
            left.unlink(missing_ok=True)  # of a run that was killed
        return self._chunk, self.done

    def _same(self, there: dict[str, Any], wanted: dict[str, Any]) -> None:
        other = [k for k in _SAME if there.get(k) != wanted[k]]
        if not other:
            return
        numbers = "".join(f" ({there.get(k)} there, {wanted[k]} now)" for k in other[:1] if k in ("size", "chunk"))
        raise OutputError(
            f"{self.path} holds a cohort of {_SAYS[other[0]]}{numbers}; going on would mix two. "
            "Choose another place with --out, or remove the folder."
        )

    def put(self, index: int, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Write one chunk: under another name first, then renamed.

        Raises
        ------
        OutputError
            It cannot be written; what is there stays, and the same call goes on from it.
        """
        pa, pq = _pyarrow()
        assert self._spec is not None
        table = {name: np.ascontiguousarray(picked(arrays[v], i)) for name, (v, i) in columns(self._spec).items()}
        first = index * self._chunk
        ids = np.arange(first, first + len(arrays["age"]), dtype=np.int64)
        file = self._part(index)
        scratch = file.with_name(f".{file.name}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table({"patient": ids, **table}), scratch, compression="zstd")
            os.replace(scratch, file)
        except BaseException as error:  # Ctrl-C too
            scratch.unlink(missing_ok=True)
            if isinstance(error, OSError):
                there, of = len(self.done), -(-int(self._manifest["size"]) // self._chunk)
                raise OutputError(
                    f"Patients could not be written to {self.path}: {_reason(error)}. {there} of {of} files are whole and kept; "
                    "make room and give the same command again: it goes on from there."
                ) from error
            raise

    def _written(self, file: pathlib.Path, content: bytes) -> None:
        scratch = file.with_name(f".{file.name}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(content)
            os.replace(scratch, file)
        except OSError as error:
            scratch.unlink(missing_ok=True)
            raise OutputError(f"{file} could not be written: {_reason(error)}.") from error

    # --- reading -----------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, path: str | pathlib.Path) -> CohortFolder:
        """A folder that was written before.

        Raises
        ------
        OutputError
            No cohort there, or a manifest that cannot be read.
        """
        file = pathlib.Path(path) / MANIFEST
        if not file.is_file():
            raise OutputError(f"There is no {MANIFEST} in {path}; `alphatwin cohort SPEC.yaml` writes one.")
        data = _read(file)
        try:
            made = cls(path, int(data["chunk"]))
            made._spec = CohortSpec.model_validate(data["spec"])
            int(data["size"])
        except (KeyError, TypeError, ValueError, AlphatwinError) as error:
            raise OutputError(f"{file} is no manifest of a cohort: {str(error).splitlines()[0]}.") from error
        made._manifest = data
        return made

    @property
    def spec(self) -> CohortSpec:
        """Who was simulated."""
        if self._spec is None:
            raise OutputError(f"{self.path} has not been begun.")
        return self._spec

    @property
    def size(self) -> int:
        """Number of patients of the whole cohort."""
        return int(self._manifest["size"])

    @property
    def provenance(self) -> dict[str, str]:
        """Software, hashes and seed."""
        return {k: str(v) for k, v in self._manifest.items() if isinstance(v, str)}

    @property
    def done(self) -> frozenset[int]:
        """Chunks that are there, whole."""
        found = self.path.glob(f"{PARTS}/part-*.parquet")
        return frozenset(int(p.stem.removeprefix("part-")) for p in found if p.stem.removeprefix("part-").isdecimal())

    @property
    def complete(self) -> bool:
        """Whether every patient is there."""
        return len(self.done) == -(-self.size // self._chunk)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column [sample] by its flat name; only it is read.

        Raises
        ------
        CatalogError
            No such column.
        OutputError
            Chunks are missing, or a file cannot be read.
        """
        known = columns(self.spec)
        if name not in known:
            raise missing("column", name, known)
        _, pq = _pyarrow()
        dtype = layout()[known[name][0]].dtype
        out, at = np.empty(self.size, dtype=dtype), 0
        for index in self._whole():
            try:
                values = pq.read_table(self._part(index), columns=[name]).column(0).to_numpy()
            except (OSError, ValueError) as error:
                raise OutputError(f"{self._part(index)} cannot be read: {str(error).splitlines()[0]}.") from error
            if at + len(values) > len(out):
                raise OutputError(f"{self.path} holds more patients than its manifest says.")
            out[at : at + len(values)] = values
            at += len(values)
        return out

    def load(self) -> Cohort:
        """The whole cohort in memory.

        Raises
        ------
        OutputError
            Chunks are missing, or a file cannot be read.
        """
        where = columns(self.spec)
        parts: dict[str, npt.NDArray[Any]] = {}
        for name, v in layout().items():
            mine = [c for c, (variable, _) in where.items() if variable == name]
            shape = tuple(n + 1 for n in max(where[c][1] for c in mine))
            parts[name] = np.stack([self.column(c) for c in mine], axis=1).reshape(self.size, *shape).astype(v.dtype)
        return assembled(self.spec, [parts], self.provenance)

    def _part(self, index: int) -> pathlib.Path:
        return self.path / PARTS / f"part-{index:06d}.parquet"

    def _whole(self) -> range:
        files = -(-self.size // self._chunk)
        lacking = [i for i in range(files) if not self._part(i).is_file()]
        if lacking:
            raise OutputError(
                f"{self.path} lacks {len(lacking)} of {files} files; `alphatwin cohort` with the same spec and --out goes on from there."
            )
        return range(files)


def _read(file: pathlib.Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(f"{file} cannot be read: {str(error).splitlines()[0]}.") from error
    if not isinstance(data, dict):
        raise OutputError(f"{file} is no manifest of a cohort.")
    return data


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise OutputError("Parquet files need pyarrow: pip install 'alphatwin[cohort]'.") from error
    return pyarrow, pyarrow.parquet
