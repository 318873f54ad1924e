"""A whole case with absorbed fractions from the user's files: synthetic ones whose answers are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

import alphatwin as at
from alphatwin.case import Case
from alphatwin.errors import CaseError, DomainError
from alphatwin.transport.saf_files import SOURCES, TARGETS, fraction_set, saf_body_s_values
from alphatwin.transport.spheres import RegionMass

JOULE = 1.602176634e-13
CASE = {
    "case": "saf",
    "patient": {"anatomy": "adult-male", "body_mass": "73 kg"},
    "treatment": {"agent": "lu177-dotatate", "activity": "7.4 GBq"},
    "kinetics": {
        "agent": "lu177-dotatate",
        "administered_activity": "7400 MBq",
        "times_h": [4, 24, 96, 168],
        "relative_sd": "10 %",
        "regions": {
            "kidneys": {"activity_MBq": [200, 150, 70, 35]},
            "liver": {"activity_MBq": [400, 350, 200, 120]},
            "remainder": {"activity_MBq": [2000, 800, 200, 80]},
            "tumour": {"activity_MBq": [60, 50, 40, 30], "volume_mL": 20},
        },
    },
    "options": {"samples": 20, "seed": 1, "transport": {"saf": "mine"}},
}


def masses_of(names=None):
    regions = at.anatomy("adult-male").regions
    found = {n: (r.mass_with_blood or r.mass_parenchyma).value for n, r in regions.items()}
    return {n: m for n, m in found.items() if n in TARGETS and n in SOURCES and (names is None or n in names)}


def write(folder, *, names=None, radiations=("photon", "electron", "alpha"), photon=0.3, text=None):
    """Charged particles stop where they are; of photons `photon` is absorbed in the body, evenly by mass."""
    folder.mkdir(exist_ok=True)
    masses = masses_of(names)
    rows = ["radiation,target,source,energy_MeV,saf_per_kg"]
    for radiation in radiations:
        for target, mass in masses.items() if radiation == "photon" else reversed(masses.items()):
            for source in masses:
                value = photon / 73.0 if radiation == "photon" else 1e3 / mass if target == source else 0.0
                if value > 0:
                    rows += [f"{radiation},{TARGETS[target]},{SOURCES[source]},{e},{value:.9g}" for e in (0.001, 12)]
    (folder / "adult-male.csv").write_text(text or "\n".join(rows) + "\n", encoding="utf-8")
    return folder


def run(tmp_path, **changes):
    return at.run(Case.from_mapping({**CASE, **changes}), beside=tmp_path)


def test_s_values_of_a_case_are_those_of_the_files(tmp_path):
    write(tmp_path / "mine")
    report = run(tmp_path)
    s = report.point.s_values.s.isel(sample=0).sel(nuclide="Lu-177")
    lu = at.nuclide("Lu-177")
    even = lu.energy_MeV("photon") * JOULE * 0.3 / 73.0
    photon = s.sel(radiation="photon")
    assert float(photon.sel(target="liver", source="kidneys")) == pytest.approx(even, rel=1e-6)
    assert float(photon.sel(target="remainder", source="kidneys")) == pytest.approx(even, rel=0.3)  # by its mass^(-2/3)
    assert float(photon.sel(target="tumour", source="kidneys")) == 0
    own = s.sel(target="kidneys", source="kidneys", radiation="electron")
    assert float(own) == pytest.approx(lu.energy_MeV("electron") * JOULE / 0.422, rel=1e-6)
    rest = s.sel(target="remainder", source="remainder", radiation="electron")
    kg = float(report.point.s_values.mass_g.sel(region="remainder")[0]) / 1e3
    assert float(rest) == pytest.approx(lu.energy_MeV("electron") * JOULE / kg, rel=1e-6)
    told = " ".join(report.assumptions)
    assert "files in mine (photon, electron, alpha; SHA-256" in told
    assert "without a place in the files" in told
    assert "tumour" in told
    assert any("stylised body" in w.name for w in report.what_if)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.7])
def test_kidneys_apart_take_what_kidneys_together_do(tmp_path, factor):
    files = fraction_set(write(tmp_path / "mine"), "adult-male")

    def s_of(**masses):
        regions = {n: RegionMass(np.array([m]), basis="given") for n, m in masses.items()}
        return saf_body_s_values(regions, ["Lu-177"], files).s.isel(sample=0, nuclide=0)

    half = 211.0 * factor
    one, two = s_of(kidneys=2 * half, liver=2360.0), s_of(kidney_left=half, kidney_right=half, liver=2360.0)
    for radiation in at.physics.RADIATIONS:
        a, b = one.sel(radiation=radiation), two.sel(radiation=radiation)
        each = b.sel(target="kidney_left", source=["kidney_left", "kidney_right"]).sum() / 2
        assert float(each) == pytest.approx(float(a.sel(target="kidneys", source="kidneys")), rel=1e-9)
        assert float(b.sel(target="liver", source="kidney_left")) == pytest.approx(float(a.sel(target="liver", source="kidneys")))  # fmt: skip
    assert float(two.sel(target="kidney_left", source="kidney_right", radiation="electron")) == 0
    scaled = s_of(kidneys=422.0, liver=2360.0)
    ratio = (one / scaled).sel(target="kidneys", source="kidneys")
    assert float(ratio.sel(radiation="electron")) == pytest.approx(1 / factor)
    assert float(ratio.sel(radiation="photon")) == pytest.approx(factor ** (-2 / 3))


def test_files_that_lack_something_are_refused_by_name(tmp_path):
    with pytest.raises(CaseError, match=r"^options.transport.saf: There is no folder .*mine"):
        run(tmp_path)
    write(tmp_path / "mine", names=("kidneys", "red_marrow", "brain", "muscle", "adipose"))
    with pytest.raises(CaseError, match=r"options.transport.saf: The files have no liver as target and source; they have adipose, brain"):  # fmt: skip
        run(tmp_path)
    write(tmp_path / "mine", names=("kidneys", "liver", "red_marrow"))
    with pytest.raises(CaseError, match=r"The remainder weighs .* kg of it .*missing, largest first: muscle, adipose"):
        run(tmp_path)
    write(tmp_path / "mine", radiations=("photon",))
    with pytest.raises(CaseError, match=r"Lu-177 emits electrons, and the folder has no fractions of electrons"):
        run(tmp_path)
    write(tmp_path / "mine", text="radiation,target\n")
    with pytest.raises(CaseError, match=r"options.transport.saf: adult-male.csv, line 1: expected the columns"):
        run(tmp_path)
    with pytest.raises(DomainError, match="human"):
        fraction_set(tmp_path / "mine", animal())


def animal():
    return next(n for n, a in at.catalog.entries("anatomy").items() if a.species != "human")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("sphere", r"'sphere' is not known. Did you mean .?spheres"),
        ({"saff": "x"}, r"'saff' is not known here. Write 'body'"),
        ({"saf": 3}, r"options.transport.saf: 3 names no folder"),
        ({}, r"names no folder"),
        (7, r"7 is not known. Write 'body', 'spheres', or \{saf: FOLDER\}"),
    ],
)
def test_a_wrong_choice_says_what_there_is(given, message):
    with pytest.raises(CaseError, match=message):
        Case.from_mapping({**CASE, "options": {"transport": given}})


def test_the_case_and_the_maps_have_a_schema():
    transport = at.schema()["$defs"]["Options"]["properties"]["transport"]
    assert {"$ref": "#/$defs/FractionFiles"} in transport["anyOf"]
    assert {"case", "sources"} <= set(at.schema("maps")["required"])
