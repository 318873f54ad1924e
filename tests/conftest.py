"""One BLAS thread per test process: small dense solves on many threads only fight each other.

The examples are run once per test process and shared: tests read reports, they never change them.
"""

import functools
import os
import pathlib
import re
import sys
from typing import NamedTuple

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import hypothesis  # noqa: E402  (the threads come first)
import pytest  # noqa: E402

# CI draws the same examples each time, so that a pass means the same thing twice; everywhere else the search goes on
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

REPOSITORY = pathlib.Path(__file__).parents[1]
_FILES = sorted((REPOSITORY / "examples").glob("*.yaml"))
_KEYS = {file: set(re.findall(r"^(\w+):", file.read_text(encoding="utf-8"), re.MULTILINE)) for file in _FILES}
_FOREIGN = {"cluster", "trial", "sources", "cohort", "strategies", "constraints", "phantom", "fit", "animals", "images"}
CELL_EXAMPLES = {file.stem: file for file in _FILES if "cluster" in _KEYS[file]}
TRIAL_EXAMPLES = {file.stem: file for file in _FILES if "trial" in _KEYS[file]}
MAP_EXAMPLES = {file.stem: file for file in _FILES if "sources" in _KEYS[file]}
COHORT_EXAMPLES = {file.stem: file for file in _FILES if "cohort" in _KEYS[file]}
PHANTOM_EXAMPLES = {file.stem: file for file in _FILES if "phantom" in _KEYS[file]}
CASES = {file.stem: file for file in _FILES if not _KEYS[file] & _FOREIGN}
PLANNED_EXAMPLES = {name: file for name, file in CASES.items() if "source: pbpk" in file.read_text(encoding="utf-8")}
EXAMPLES = {name: file for name, file in CASES.items() if name not in PLANNED_EXAMPLES}


def with_options(case, **changes):
    """The same case with other options."""
    return case.model_copy(update={"options": case.options.model_copy(update=changes)})


def with_daughters(case, **changes):
    """The same case with another treatment of its daughters."""
    return case.model_copy(update={"daughters": case.daughters.model_copy(update=changes)})


@pytest.fixture(scope="session")
def example():
    """example(name, samples) -> the report of a shipped example, computed once per process."""
    import alphatwin as at

    @functools.cache
    def made(name, samples=200, seed=1, daughters=None):
        case = with_options(at.load(EXAMPLES[name]), samples=samples, seed=seed)
        return at.run(with_daughters(case, model=daughters) if daughters else case)

    return made


class Spoken(NamedTuple):
    """What a command did: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def alphatwin(monkeypatch, capsys):
    """alphatwin("run", "case.yaml") -> Spoken: the command line, inside this process."""
    from alphatwin.cli import main

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["alphatwin", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        return Spoken(code, *capsys.readouterr())

    return call
