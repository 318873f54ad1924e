"""Behaviour of the nuclides module: names, data reading, overrides, bad input, shapes and units."""

from __future__ import annotations

import copy
import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from alphatwin import catalog
from alphatwin.errors import CatalogError, DomainError
from alphatwin.physics import RADIATIONS, _decay_data, nuclides
from alphatwin.physics.nuclides import _canonical, activities, chain_table, decays, nuclide, nuclide_names

IN_USE = (
    "Ac-225", "Bi-213", "Pb-212", "Bi-212", "At-211", "Ra-223", "Ra-224", "Th-227", "Tb-149", "Tb-161", "Lu-177",
    "Y-90", "I-131", "In-111", "Ga-68", "Cu-64", "Cu-67", "Pb-203", "Ac-227", "Sm-153", "Re-188", "F-18", "Tc-99m",
)  # fmt: skip


@pytest.mark.parametrize("name", IN_USE)
def test_every_nuclide_the_field_uses_works(name):
    n = nuclide(name)
    assert n.half_life_h > 0
    assert n.chain[0] == name
    assert n.modes
    assert sum(n.progeny.values()) == pytest.approx(1, abs=2e-4)
    assert set(n.sources) <= set(catalog.sources())
    assert n.decay_constant_per_h * n.half_life_h == pytest.approx(np.log(2), rel=1e-15)
    total = sum(n.energy_MeV(r) for r in RADIATIONS)
    assert 0.05 < total < 10  # Ac-227: 0.085 MeV
    for radiation in RADIATIONS:
        table = n.emissions(radiation)
        assert list(table.columns) == ["energy_MeV", "yield_per_decay", "kind"]
        assert (table["energy_MeV"] > 0).all()
        assert (table["yield_per_decay"] >= 0).all()
        assert float((table["energy_MeV"] * table["yield_per_decay"]).sum()) == pytest.approx(
            n.energy_MeV(radiation), rel=1e-12, abs=1e-15
        )


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("Ac225", "Ac-225"),
        ("225Ac", "Ac-225"),
        ("225-ac", "Ac-225"),
        ("Lu 177", "Lu-177"),
        ("99mTc", "Tc-99m"),
        ("F18", "F-18"),
    ],
)
def test_another_spelling_means_the_same(asked, meant):
    assert nuclide(asked) is nuclide(meant)
    assert nuclide(asked).name == meant


def test_every_spelling_of_every_nuclide_means_that_one():
    for name in nuclide_names():
        element, mass = name.split("-")
        for spelling in (element + mass, mass + element, f"{mass}-{element}", f"{element} {mass}"):
            for asked in (spelling, spelling.lower(), spelling.upper()):
                assert _canonical(asked) == name, asked


@pytest.mark.parametrize("asked", ["C12", "12C", "206Pb", "pb 206"])
def test_a_stable_nuclide_is_called_so_in_any_spelling(asked):
    with pytest.raises(CatalogError, match="is stable"):
        nuclide(asked)


@pytest.mark.parametrize("asked", ["225", "Ac", "Ac2255", "225Ac225", "Ac--225", "225.0Ac", "m99Tc", "Ac-225x"])
def test_what_is_no_spelling_is_refused(asked):
    with pytest.raises(CatalogError, match="No nuclide"):
        nuclide(asked)


def test_capitals_do_not_matter_and_results_are_cached():
    assert nuclide("aC-225") is nuclide("Ac-225")
    assert nuclide(" tc-99M ") is nuclide("Tc-99m")


@pytest.mark.parametrize("name", ["", "Xx-1", "actinium", "Ac-999"])
def test_unknown_names(name):
    with pytest.raises(CatalogError, match="No nuclide"):
        nuclide(name)


@pytest.mark.parametrize("name", ["Bi-209", "Pb208"])
def test_a_stable_nuclide_says_so(name):
    with pytest.raises(CatalogError, match="is stable"):
        nuclide(name)
    with pytest.raises(CatalogError, match="is stable"):
        activities({name: 1.0}, [0.0])


def test_names():
    names = nuclide_names()
    assert len(names) == len(set(names)) == 1252
    assert (
        names.index("H-3") < names.index("F-18") < names.index("Tc-99") < names.index("Tc-99m") < names.index("Ac-225")
    )


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        nuclide("Ac-225").half_life_h = 1.0
    with pytest.raises(TypeError):
        nuclide("Ac-225").progeny["Fr-221"] = 0.5
    table = nuclide("Ac-225").emissions("alpha")
    table.loc[:, "yield_per_decay"] = 0.0
    assert nuclide("Ac-225").emissions("alpha")["yield_per_decay"].sum() > 0.9
    with pytest.raises(ValueError, match="read-only"):
        chain_table("Ac-225").branching[0, 0] = 1.0


def test_unknown_radiation():
    for ask in (nuclide("Ac-225").energy_MeV, nuclide("Ac-225").emissions):
        with pytest.raises(DomainError, match="alpha, recoil, electron, photon"):
            ask("gamma")


def test_kinds():
    kinds = {r: set(nuclide("Tb-149").emissions(r)["kind"]) for r in RADIATIONS}
    assert kinds == {
        "alpha": {"alpha"},
        "recoil": {"recoil"},
        "electron": {"beta", "conversion", "auger"},
        "photon": {"gamma", "x", "annihilation"},
    }


@pytest.mark.parametrize(
    ("name", "modes"),
    [("Ac-225", {"alpha"}), ("Bi-213", {"beta-", "alpha"}), ("Tc-99m", {"IT", "beta-"}), ("In-111", {"EC"}),
     ("Cu-64", {"EC", "beta+", "beta-"}), ("Cf-252", {"alpha", "SF"}), ("Tb-149", {"EC", "beta+", "alpha"})],
)  # fmt: skip
def test_modes(name, modes):
    assert set(nuclide(name).modes) == modes


def test_every_nuclide_can_be_made():
    fissioning = 0
    for name in nuclide_names():
        n = nuclide(name, overrides=False)
        assert n.modes
        assert n.overridden == ()
        fissioning += bool(n.not_carried)
        assert set(n.not_carried) in ({"fission", "neutron", "betaD"}, set())
        assert ("SF" in n.modes) == bool(n.not_carried)
    assert fissioning == 28


def test_fission_is_stated_and_its_betas_are_not_mixed_in():
    es = nuclide("Es-254m")
    assert es.not_carried["fission"] > 0.01
    with pytest.raises(DomainError, match="fission fragments"):
        es.beta_spectrum(0.1)
    betas = es.emissions("electron").query("kind == 'beta'")
    assert betas["yield_per_decay"].sum() == pytest.approx(0.98, rel=1e-3)


# --- overrides ------------------------------------------------------------------------------------------------------


def test_every_override_is_applied_and_named():
    entries = catalog.nuclide_overrides()
    assert len(entries) >= 14
    for entry in entries:
        n, plain = nuclide(entry.nuclide), nuclide(entry.nuclide, overrides=False)
        assert entry in n.overridden
        assert entry.source in n.sources
        assert plain.overridden == ()
        assert plain.sources == ("icrp107",)
        if entry.quantity == "half_life":
            assert n.half_life_h != plain.half_life_h
            # a newer value that differs by a fifth would be a slip of the unit, not a better measurement
            assert n.half_life_h == pytest.approx(plain.half_life_h, rel=0.2)
            assert n.half_life_source == entry.source
        else:
            line = [t.iloc[(t["energy_MeV"] * 1e3 - entry.energy_keV).abs().argmin()] for t in (
                x.emissions("photon").query("kind == 'gamma'") for x in (n, plain))]  # fmt: skip
            assert line[0]["yield_per_decay"] == pytest.approx(entry.value / 100, rel=1e-12)
            assert line[0]["energy_MeV"] == line[1]["energy_MeV"]
            assert line[0]["yield_per_decay"] == pytest.approx(line[1]["yield_per_decay"], rel=0.1)


def _entry(**changes):
    given = {"nuclide": "Lu-177", "quantity": "half_life", "value": 6.6, "unit": "d", "source": "ensdf", "locator": "x",
             "verified": False, **changes}  # fmt: skip
    return catalog.load_entry(given, catalog.NuclideOverride, "test")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": "fortnight"}, "use one of"),
        ({"value": -1.0}, "half-life -1"),
        ({"quantity": "photon_yield", "energy_keV": 400.0, "unit": "%"}, "within 1 keV"),
        ({"quantity": "photon_yield", "energy_keV": 208.4, "unit": "Bq"}, "in % or 1"),
    ],
)
def test_a_bad_override_is_refused(monkeypatch, changes, message):
    monkeypatch.setattr(nuclides, "nuclide_overrides", lambda: (_entry(**changes),))
    with pytest.raises(CatalogError, match=message):
        nuclides._nuclide.__wrapped__("Lu-177", True)


def test_an_override_given_twice_is_refused(monkeypatch):
    monkeypatch.setattr(nuclides, "nuclide_overrides", lambda: (_entry(), _entry(value=6.7)))
    with pytest.raises(CatalogError, match="2 times"):
        nuclides._nuclide.__wrapped__("Lu-177", True)


# --- data reading ---------------------------------------------------------------------------------------------------


def _file(name="Lu-177"):
    folder = _decay_data._folder("icrp107_database", "icrp107")
    return json.loads(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("half_life",), -1.0, "half_life"),
        (("half_life",), "soon", "could not convert"),
        (("time_unit",), "fortnight", "time_unit"),
        (("name",), "Lu-178", "it holds"),
        (("emissions", "gamma"), [[0.2, -0.1]], "gamma"),
        (("emissions", "gamma"), [[0.2, float("nan")]], "gamma"),
        (("emissions", "gamma"), [[0.2, 0.1, 0.3]], "gamma"),
        (("emissions", "b-spectra"), [[0.2, 1.0], [0.1, 1.0]], "do not increase"),
        (("emissions",), {}, "emissions are not"),
    ],
)
def test_a_bad_field_in_the_data_is_an_error(path, value, message):
    data = copy.deepcopy(_file())
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=message):
        _decay_data.parse_raw("Lu-177", data)


def test_a_missing_data_package_is_named():
    with pytest.raises(CatalogError, match="pip install no-such-package"):
        _decay_data._folder("no_such_package", "x")


def test_heavy_packages_stay_out():
    code = (
        "import sys; from alphatwin.physics.nuclides import nuclide, chain_table\n"
        "nuclide('Ac-225').energy_MeV('alpha', chain=True); chain_table('U-238')\n"
        "print(sorted({'radioactivedecay', 'icrp107_database', 'sympy', 'numba', 'xarray', 'pandas'}"
        "             & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- activities and decays: shapes and bad input --------------------------------------------------------------------


def test_shapes_units_and_order():
    a = activities({"Ra-224": 100, "Pb-212": 50}, [5.0, 0.0, 5.0])
    assert a.dims == ("nuclide", "time")
    assert a.shape == (7, 3)
    assert a.attrs["units"] == "MBq"
    assert a["time"].attrs["units"] == "h"
    assert list(a["time"].values) == [5.0, 0.0, 5.0]  # any order, as asked
    assert (a[:, 0] == a[:, 2]).all()
    assert a.sel(nuclide="Ra-224", time=0.0).item() == pytest.approx(100, rel=1e-15)
    assert a.sel(nuclide="Pb-212", time=0.0).item() == pytest.approx(50, rel=1e-15)
    assert a.sel(nuclide="Rn-220", time=0.0).item() == 0
    assert activities({"Lu-177": 1}, 2.0).shape == (1, 1)
    d = decays({"Ra-224": 100}, 24.0)
    assert d.dims == ("nuclide",)
    assert d.attrs["units"] == "1"
    assert (decays({"Ra-224": 100}, 0.0) == 0).all()
    assert (activities({"Ac-225": 0.0}, [0, 1]) == 0).all()


@pytest.mark.parametrize(
    "given", [{}, {"Ac-225": -1.0}, {"Ac-225": float("nan")}, {"Ac-225": float("inf")}, {"Ac-225": None},
              {"Ac-225": "8 MBq"}, {"Ac-225": 1, "ac-225": 2}, "Ac-225", None]
)  # fmt: skip
def test_bad_activities(given):
    with pytest.raises(DomainError, match=r"MBq"):
        activities(given, [0.0])
    with pytest.raises(DomainError, match=r"MBq"):
        decays(given)


@pytest.mark.parametrize("times", [[-1.0], [0.0, float("nan")], [float("inf")], [[0.0, 1.0]], [], "soon", None])
def test_bad_times(times):
    with pytest.raises(DomainError, match="times"):
        activities({"Ac-225": 1.0}, times)


@pytest.mark.parametrize("duration", [-1.0, float("nan")])
def test_bad_durations(duration):
    with pytest.raises(DomainError, match="duration_h"):
        decays({"Ac-225": 1.0}, duration)


def test_bad_spectrum_energies():
    for energy in (-0.1, float("nan"), np.array([0.1, -0.1])):
        with pytest.raises(DomainError, match="0 MeV or more"):
            nuclide("Y-90").beta_spectrum(energy)
    assert nuclide("Ac-225").beta_spectrum(np.array([0.1, 0.2])).tolist() == [0.0, 0.0]
    assert nuclide("Y-90").beta_spectrum(np.ones((2, 3))).shape == (2, 3)


def test_chain_table_of_several_parents():
    one, both = chain_table("Ac-225"), chain_table(["Ac-225", "Ac-227"])
    assert set(one.names) < set(both.names)
    assert (np.triu(both.branching) == 0).all()
    assert nuclide("Ac-225").branching_to("Ra-223") == 0
    assert nuclide("Ac-225").branching_to("Ac-225") == 1
    with pytest.raises(CatalogError, match="at least one"):
        chain_table([])
    with pytest.raises(CatalogError, match="No nuclide"):
        nuclide("Ac-225").branching_to("Zz-1")
