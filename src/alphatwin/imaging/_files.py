"""Files that appear whole or not at all: written beside their place, then moved there."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator

from ..errors import OutputError

__all__ = ["folder_for", "new_folder", "text_file", "whole_file"]


def reason(error: OSError) -> str:
    """Why the system refused, in words."""
    return "the disk is full" if error.errno == errno.ENOSPC else (error.strerror or str(error)).lower()


def whole_file(path: str | pathlib.Path, write: Callable[[pathlib.Path], object]) -> pathlib.Path:
    """Let `write` make a file under another name in the same folder, then give it its own; a failure leaves nothing.

    Raises
    ------
    OutputError
        The place is a folder, missing, read-only, or the disk is full. An older file of that name is kept.
    """
    target = pathlib.Path(path)
    if target.is_dir():
        raise OutputError(f"{target.name} is a folder; give the name of the file to write.")
    if not target.absolute().parent.is_dir():
        raise OutputError(
            f"There is no folder {target.parent.name or target.parent} to write {target.name} to; make it."
        )
    scratch: pathlib.Path | None = None
    try:
        number, name = tempfile.mkstemp(prefix=".", suffix="-" + target.name, dir=target.absolute().parent)
        os.close(number)
        scratch = pathlib.Path(name)
        scratch.chmod(0o666 & ~_umask())
        write(scratch)
        with scratch.open("rb") as done:
            os.fsync(done.fileno())
        os.replace(scratch, target)
    except BaseException as error:  # Ctrl-C too
        if scratch is not None:
            scratch.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OutputError(f"{target.name} could not be written: {reason(error)}. Nothing was left.") from error
        raise
    return target


def _umask() -> int:
    """The umask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def new_folder(folder: str | pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder to fill that takes its place, whole, when the block ends; a failure leaves nothing.

    Raises
    ------
    OutputError
        Something lies there already (an empty folder may), or the place cannot be written to.
    """
    target = pathlib.Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError(f"{target} is there already; give the name of a new folder, or empty that one.")
    made = [p for p in target.absolute().parents if not p.exists()]
    scratch: pathlib.Path | None = None
    try:
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        scratch = pathlib.Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.absolute().parent))
        scratch.chmod(0o777 & ~_umask())
        yield scratch
        if target.exists():
            target.rmdir()
        os.replace(scratch, target)
    except BaseException as error:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()
        if isinstance(error, OSError) and not isinstance(error, OutputError):
            told = f"{target} could not be written: {reason(error)}. Nothing half-written was left."
            raise OutputError(told) from error
        raise


def folder_for(folder: pathlib.Path) -> pathlib.Path:
    """Make a folder, and those above it, inside one that `new_folder` gave."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def text_file(path: pathlib.Path, text: str) -> None:
    """Write text inside a folder that `new_folder` gave."""
    path.write_text(text, encoding="utf-8")
