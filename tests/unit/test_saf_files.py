"""Files of specific absorbed fractions that users bring: the layout, what is refused, and the S values that follow."""

from __future__ import annotations

import numpy as np
import pytest

import alphatwin as at
from alphatwin.errors import CatalogError, DomainError
from alphatwin.transport.saf_files import read_saf, read_saf_csv, read_saf_folder

TARGETS = ("Kidneys", "Liver", "Spleen", "R-marrow", "UB-wall")
SOURCES = ("Kidneys", "Liver", "Spleen", "UB-cont")
ENERGIES = {
    "photon": np.geomspace(0.01, 10, 28),
    "electron": np.geomspace(0.01, 10, 28),
    "alpha": np.linspace(2, 12, 24),
}
MASS = {"Kidneys": 0.422, "Liver": 2.36, "Spleen": 0.2284, "R-marrow": 1.394, "UB-wall": 0.0511}


def fraction(radiation, target, source, k):
    """Own fractions 1/m; photons reach all from the third energy on, falling; electrons of urine reach the wall."""
    if target == source:
        return 1 / MASS[target] * (1.0 if radiation != "photon" else 0.5 / (1 + k))
    if radiation == "photon":
        return 0.02 / (1 + k) if k >= 2 else 0.0
    return 2.0 if (target, source) == ("UB-wall", "UB-cont") and radiation == "electron" else 0.0


def write(folder, radiation, stem="rcp-am", name=None):
    """A file in the published layout, synthetic numbers."""
    energies, cut = ENERGIES[radiation], 5 if radiation == "alpha" else 10
    lines = ["Synthetic fractions", "made by a test", f"{radiation.capitalize()}s"]
    lines.append(f"{len(TARGETS):4d}{len(SOURCES):4d}{'':14}" + "".join(f"{e:10.5f}" for e in energies) + "   Ecutoff")
    lines.append("-" * 60)
    for source in SOURCES:
        for target in TARGETS:
            values = [float(f"{fraction(radiation, target, source, k):.3E}") for k in range(len(energies))]
            first = next((k for k, v in enumerate(values) if v > 0), -1) + 1
            edge = energies[first - 1] if first else 0.0
            last = f"{edge:{cut}.1f}" if cut == 5 else f"{edge:{cut}.4f}"
            lines.append(f"{target:<10}<-{source:<10}" + "".join(f"{v:10.3E}" for v in values) + last + f"{first:3d}")
    assert {len(line) for line in lines[5:]} == {315 if cut == 10 else 270}
    file = folder / (name or f"{stem}_{radiation}_2016-08-12.SAF")
    file.write_text("\r\n".join(lines) + "\r\n", encoding="latin-1", newline="")
    return file


@pytest.fixture
def folder(tmp_path):
    for radiation in ENERGIES:
        write(tmp_path, radiation)
    return tmp_path


def test_a_file_is_read_as_it_was_written(folder):
    table = read_saf(folder / "rcp-am_photon_2016-08-12.SAF")
    assert (table.radiation, table.targets, table.sources) == ("photon", TARGETS, SOURCES)
    np.testing.assert_allclose(table.energy_MeV, ENERGIES["photon"], atol=1e-5)
    for i, target in enumerate(TARGETS):
        for j, source in enumerate(SOURCES):
            wanted = [fraction("photon", target, source, k) for k in range(28)]
            np.testing.assert_allclose(table.saf_per_kg[i, j], wanted, rtol=5e-4)
    at_nodes = table.at(table.energy_MeV)
    np.testing.assert_allclose(at_nodes, table.saf_per_kg, atol=1e-12)
    between = table.at([0.5 * (table.energy_MeV[4] + table.energy_MeV[5])])[..., 0]
    low, high = table.saf_per_kg[..., 5], table.saf_per_kg[..., 4]
    assert np.all((between >= low) & (between <= high))
    with pytest.raises(DomainError, match="Energy of photon 20 MeV"):
        table.at([20.0])


def test_s_values_are_sums_over_the_emissions(folder):
    s = at.organ_s_values(["Bi-213"], saf=folder)
    assert set(s.target.values) == {"kidneys", "liver", "spleen"}
    assert bool(np.isnan(s.uncertainty).all())
    kidneys = s.sel(nuclide="Bi-213", target="kidneys", source="kidneys")
    lines = at.nuclide("Bi-213").emissions("electron")
    energy = float((lines["energy_MeV"] * lines["yield_per_decay"]).sum())
    assert float(kidneys.sel(radiation="electron")) == pytest.approx(energy * 1.602176634e-13 / 0.422, rel=1e-3)
    alpha = at.nuclide("Bi-213").emissions("alpha")
    energy = float((alpha["energy_MeV"] * alpha["yield_per_decay"]).sum())
    assert float(kidneys.sel(radiation="alpha")) == pytest.approx(energy * 1.602176634e-13 / 0.422, rel=1e-3)
    assert float(kidneys.sel(radiation="recoil")) > 0
    assert float(s.sel(target="liver", source="kidneys", radiation="alpha").sum()) == 0
    table = read_saf(folder / "rcp-am_photon_2016-08-12.SAF")
    lines = at.nuclide("Bi-213").emissions("photon")
    wanted = sum(
        e * y * table.at([e])[1, 0, 0] for e, y in zip(lines["energy_MeV"], lines["yield_per_decay"], strict=True)
    )
    photon = s.sel(nuclide="Bi-213", target="liver", source="kidneys", radiation="photon")
    assert float(photon) == pytest.approx(float(wanted) * 1.602176634e-13, rel=1e-9)


def test_masses_and_names_of_the_files(folder):
    regions = ["kidneys", "Liver", "bladder_wall"]
    with pytest.raises(CatalogError, match="bladder_wall"):  # a target only: it is no source in these files
        at.organ_s_values(["Lu-177"], saf=folder, regions=regions)
    a = at.organ_s_values(["Lu-177"], saf=folder, regions=["kidneys", "liver"])
    b = at.organ_s_values(["Lu-177"], saf=folder, regions=["kidneys", "liver"], masses_g={"kidneys": 844.0})
    ratio = (a / b).sel(target="kidneys", source="kidneys", nuclide="Lu-177")
    assert float(ratio.sel(radiation="electron")) == pytest.approx(2.0)
    assert float(ratio.sel(radiation="photon")) == pytest.approx(2 ** (2 / 3))
    assert float(a[0, 1, 0, 3]) == float(b[0, 1, 0, 3])
    same = at.organ_s_values(["Lu-177"], saf=folder, regions=["Kidneys", "Liver"])
    np.testing.assert_allclose(same.to_numpy(), a.to_numpy())


def test_a_csv_serves_as_well(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("csv")
    rows = ["# of my own", "radiation,target,source,energy_MeV,saf_per_kg"]
    for radiation in ENERGIES:
        table = read_saf(next(folder.glob(f"*{radiation}*")))
        for i, target in enumerate(table.targets):
            for j, source in enumerate(table.sources):
                curve = zip(table.energy_MeV, table.saf_per_kg[i, j], strict=True)
                rows += [f"{radiation},{target},{source},{e:.9g},{v:.9g}" for e, v in curve]
    (place / "adult-male.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    one = at.organ_s_values("Ac-225", saf=folder)
    two = at.organ_s_values("Ac-225", saf=place)
    np.testing.assert_allclose(two.to_numpy(), one.to_numpy(), rtol=1e-7, atol=1e-30)


def edited(folder, change):
    file = folder / "rcp-am_photon_2016-08-12.SAF"
    lines = file.read_text(encoding="latin-1").splitlines()
    change(lines)
    file.write_text("\n".join(lines) + "\n", encoding="latin-1")
    return file


def swap(i, text, start):
    def change(lines):
        lines[i] = lines[i][:start] + text + lines[i][start + len(text) :]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines.__delitem__(slice(12, None)), r"has 7 records, up to line 12; line 4 says 5 targets x 4"),
        (lambda lines: lines.extend(lines[5:]), r"has 40 records"),
        (lambda lines: lines.__delitem__(slice(4, None)), r"has 4 lines"),
        (lambda lines: lines.__setitem__(9, lines[9][:200]), r"line 10: 200 characters; a record of this file has 315"),
        (swap(7, "--", 10), r"line 8: columns 11 and 12 hold '--'"),
        (swap(7, "nonsense  ", 22), r"line 8: SAF 1 is 'nonsense', which is no number"),
        (swap(7, "-1.000E+00", 52), r"line 8: SAF 4 is -1.000E\+00; it must be 0 or more"),
        (swap(7, "       nan", 52), r"line 8: SAF 4 is 'nan'"),
        (swap(6, "  9", 312), r"line 7: the last field says that SAF begin at energy 9; they begin at 3"),
        (swap(13, "Pancreas  ", 0), r"line 14: the target is 'Pancreas' where 'R-marrow' is due"),
        (swap(13, "Brain     ", 12), r"line 14: the source is 'Brain' where 'Liver' is due"),
        (swap(2, "Electrons", 0), r"line 3: the file holds electrons, its name says photons"),
        (swap(2, "Neutrons", 0), r"line 3 begins with 'neutronss?'; a SAF file says .* Neutrons are not used"),
        (swap(2, "Gammas ", 0), r"line 3 begins with 'gammas"),
        (swap(3, "   x", 0), r"line 4 begins with"),
        (swap(3, "       1.0", 32), r"line 4: the energies do not rise"),
    ],
)
def test_refusals_name_the_line(folder, change, message):
    file = edited(folder, change)
    with pytest.raises(DomainError, match=message):
        read_saf(file)


def test_folders_that_do_not_serve(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(DomainError, match=r"no fractions of photons for adult-male; expected rcp-am_photon\*"):
        read_saf_folder(empty)
    with pytest.raises(DomainError, match=r"no fractions of photons for child-10y; expected child-10y\.csv"):
        at.organ_s_values("Lu-177", "child-10y", saf=folder)
    with pytest.raises(DomainError, match="no fractions of photons for adult-female"):
        at.organ_s_values("Lu-177", "adult-female", saf=folder)
    with pytest.raises(DomainError, match="There is no folder"):
        read_saf_folder(folder / "none")
    with pytest.raises(CatalogError, match="Did you mean Kidneys"):
        at.organ_s_values("Lu-177", saf=folder, regions=["kidnees"])
    (folder / "rcp-am_alpha_2016-08-12.SAF").unlink()
    assert float(at.organ_s_values(["Lu-177"], saf=folder).sum()) > 0  # 177Lu needs none
    with pytest.raises(DomainError, match="Bi-213 emits alphas, and the folder has no fractions of alphas"):
        at.organ_s_values(["Bi-213"], saf=folder)
    write(folder, "photon", name="rcp-am_photon_other.SAF")
    with pytest.raises(DomainError, match="has 2 photon files of rcp-am"):
        read_saf_folder(folder)


def test_more_than_all_energy_cannot_be_absorbed(folder, tmp_path_factory):
    """phi = SAF m: 3 per kg in 0.422 kg of kidneys are 1.27; a wall of 51 g may have 15 per kg."""
    place = tmp_path_factory.mktemp("csv")
    rows = ["radiation,target,source,energy_MeV,saf_per_kg"]
    rows += [
        f"photon,{t},Liver,{e},{v}"
        for t, e, v in (("Kidneys", 0.1, 2.2), ("Kidneys", 0.5, 0.1), ("UB-wall", 0.1, 15), ("UB-wall", 0.5, 1))
    ]
    (place / "adult-male.csv").write_text("\n".join(rows) + "\n")
    assert read_saf_folder(place)["photon"].targets == ("Kidneys", "UB-wall")
    rows += [f"electron,Kidneys,Kidneys,{e},{v}" for e, v in ((0.01, 1 / 0.422), (0.2, 3.0), (1.0, 2.0))]
    (place / "adult-male.csv").write_text("\n".join(rows) + "\n")
    told = r"electrons of 0\.2 MeV, Kidneys <- Kidneys, is 3 per kg; .* 0\.422 kg of the kidneys of adult-male .* fraction of 1\.27"
    with pytest.raises(DomainError, match=told):
        at.organ_s_values("Lu-177", saf=place)
    file = folder / "rcp-am_alpha_2016-08-12.SAF"
    file.write_bytes(file.read_bytes().replace(f"{1 / 2.36:10.3E}".encode(), f"{1 / 0.36:10.3E}".encode()))
    with pytest.raises(DomainError, match="alphas of 2 MeV, Liver <- Liver"):
        read_saf_folder(folder)


def test_files_of_two_bodies_do_not_go_together(folder):
    file = folder / "rcp-am_electron_2016-08-12.SAF"
    file.write_text(file.read_text(encoding="latin-1").replace("R-marrow", "Y-marrow"), encoding="latin-1")
    with pytest.raises(DomainError, match="electrons have other regions than photons"):
        read_saf_folder(folder)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a,b"], "line 1: expected the columns"),
        (["photon,A,A,0.1,1"], "expected the columns"),
        (["HEAD", "photon,A,A,0.1"], "line 2: 4 fields; expected 5"),
        (["HEAD", "gamma,A,A,0.1,1"], "line 2: radiation 'gamma'"),
        (["HEAD", "photon,A,A,0.1,x"], "line 2: saf_per_kg is 'x'"),
        (["HEAD", "photon,A,A,0.1,1", "photon,A,A,0.1,2"], "line 3: 0.1 MeV of A <- A is 0 or comes twice"),
        (["HEAD", "photon,A,A,0.1,1"], "have one energy"),
        (["HEAD", "photon,A,A,0.1,1", "photon,A,A,1,1", "photon,B,A,1,1"], "B <- A have other energies"),
    ],
)
def test_csv_refusals(tmp_path, rows, message):
    file = tmp_path / "adult-male.csv"
    head = "radiation,target,source,energy_MeV,saf_per_kg"
    file.write_text("\n".join(r.replace("HEAD", head) for r in rows) + "\n", encoding="utf-8")
    with pytest.raises(DomainError, match=message):
        read_saf_csv(file)


@pytest.mark.parametrize(
    ("row", "message"),
    [("photon," + "k" * 200_000 + ",liver,0.1,0.3", "no table"), ('photon,"kid\nneys",liver,0.1,0.3', "line 2")],
)
def test_csv_that_python_cannot_take_apart(tmp_path, row, message):
    file = tmp_path / "adult-male.csv"
    file.write_text(f"radiation,target,source,energy_MeV,saf_per_kg\n{row}\n", encoding="utf-8")
    with pytest.raises(DomainError, match=message):
        read_saf_csv(file)


def test_files_that_are_none(tmp_path):
    for name, content, message in (("a.SAF", b"", "is empty"), ("b.SAF", b"\0\1", "is no text file")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DomainError, match=message):
            read_saf(tmp_path / name)
    with pytest.raises(DomainError, match="cannot be read"):
        read_saf(tmp_path / "c.SAF")
