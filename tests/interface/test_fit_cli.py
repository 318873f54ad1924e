"""`alphatwin fit` as a user meets it: a small fit, and everything that can be wrong with its two files."""

import json
import pathlib
import sys

import pytest

from alphatwin.cli import main

TABLE = "ID,TIME,DV,AMT_MBQ,EVID,DVID,DECAYCORR\n" + "".join(
    f"{i},0,.,7400,1,.,0\n{i},24,{120 + 15 * i},.,0,1,0\n{i},96,{48 + 7 * i},.,0,1,0\n{i},168,{22 + 3 * i + 4 * (i % 2)},.,0,1,0\n"
    for i in range(1, 7)
)
SPEC = "fit: small\ndata: table.csv\nnuclide: Lu-177\nregions: {1: kidneys}\nmodel: mono\nsampling: {warmup: 200, draws: 1000, chains: 2, seed: 3}\n"


@pytest.fixture
def fit(tmp_path, monkeypatch, capsys):
    """Write the two files and call the command; its exit code and what it printed."""

    def call(spec=SPEC, table=TABLE, name="spec.yaml"):
        (tmp_path / "spec.yaml").write_text(spec, encoding="utf-8")
        (tmp_path / "table.csv").write_text(table, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["alphatwin", "fit", str(tmp_path / name), "--out", str(tmp_path)])
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr()
        return end.value.code, told.out, told.err

    return call


@pytest.mark.slow
def test_the_example_prints_and_writes_what_it_found(tmp_path, monkeypatch, capsys):
    import pandas as pd

    example = pathlib.Path(__file__).parents[2] / "examples" / "fit-177lu-population.yaml"
    monkeypatch.setattr(sys, "argv", ["alphatwin", "fit", str(example), "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        main()
    out = capsys.readouterr().out
    assert not end.value.code
    assert max(map(len, out.splitlines()[:-1])) <= 80
    for word in ("kidneys: 30 curves, 120 points", "R-hat", "half-life, h", "101 (few points)", "  converged"):
        assert word in out
    folder = tmp_path / "fit-177lu-population"
    told = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    assert told["provenance"]["seed"] == 1
    assert "beal2001" in told["provenance"]["sources"]
    patients = pd.read_csv(folder / "patients.csv")
    assert len(patients) == 72
    assert (patients["low_MBq_h"] < patients["tia_MBq_h"]).all()
    assert len(pd.read_parquet(folder / "draws.parquet")) == 4000
    assert [p.name for p in tmp_path.iterdir()] == ["fit-177lu-population"]


@pytest.mark.parametrize(
    ("spec", "table", "told"),
    [
        (SPEC.replace("nuclide", "nuclid"), TABLE, "no key 'nuclid' here. Did you mean nuclide"),
        (SPEC.replace("Lu-177", "Lu177x"), TABLE, "No nuclide 'Lu177x'"),
        (SPEC.replace("model: mono", "model: monoo"), TABLE, "mono"),
        (SPEC.replace("table.csv", "tabel.csv"), TABLE, "There is no file tabel.csv. Did you mean table.csv"),
        (SPEC.replace("{1: kidneys}", "{2: liver}"), TABLE, "no measurement with DVID 2"),
        (SPEC.replace("chains: 2", "chains: 1"), TABLE, "chains"),
        (SPEC, "", "empty table"),
        (SPEC, TABLE.replace(",DECAYCORR", ",WT"), "nothing says whether DV is decay-corrected"),
        (SPEC, TABLE.replace("1,96,55", "1,9,55"), "TIME goes back"),
        (SPEC, TABLE.replace("1,24,135", "1,24,13500"), "Check the units"),
        ("", TABLE, "spec.yaml"),
    ],
)
def test_bad_input_is_one_message(tmp_path, fit, spec, table, told):
    code, out, err = fit(spec, table)
    assert code == 2, out
    assert told in err
    assert "Traceback" not in err
    assert not (tmp_path / "small").exists()


def test_a_spec_that_is_not_there(fit):
    code, _, err = fit(name="no.yaml")
    assert code == 2
    assert "There is no file no.yaml" in err
