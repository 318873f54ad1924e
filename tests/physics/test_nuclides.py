"""Nuclides against published values, the slow twin, closed forms and conservation."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.physics import RADIATIONS, _chains, _decay_data
from alphatwin.physics.nuclides import activities, chain_table, decays, nuclide, nuclide_names
from oracle.bateman import bateman

# ICRP Publication 107 (Ann. ICRP 38(3), 2008), electronic data: MeV per nuclear transformation, by kind of emission;
# printed to the last digit given here, so half a unit of that digit is the tolerance.
# name: half-life, alpha, recoil, beta, conversion, auger, gamma, X, annihilation
ICRP107 = {
    "Ac-225": ("10.0 d", 5.7872, 0.1048, 0, 0.01980, 0.00497, 0.01043, 0.00665, 0),
    "Fr-221": ("4.9 m", 6.3036, 0.1163, 0, 0.00832, 0.00058, 0.02658, 0.00283, 0),
    "At-217": ("32.3 ms", 7.0680, 0.1328, 0, 0.00008, 0, 0.00022, 0.00003, 0),
    "Bi-213": ("45.59 m", 0.1222, 0.0023, 0.42482, 0.01869, 0.00054, 0.12413, 0.00360, 0),
    "Po-213": ("4.2 us", 8.3765, 0.1604, 0, 0, 0, 0.00004, 0, 0),
    "Tl-209": ("2.161 m", 0, 0, 0.65540, 0.02932, 0.00283, 2.12485, 0.01779, 0),
    "Pb-209": ("3.253 h", 0, 0, 0.19744, 0, 0, 0, 0, 0),
    "Pb-212": ("10.64 h", 0, 0, 0.10171, 0.07026, 0.00466, 0.11453, 0.03050, 0),
    "Bi-212": ("60.55 m", 2.1745, 0.0418, 0.49291, 0.00932, 0.00234, 0.10254, 0.00123, 0),
    "Po-212": ("0.299 us", 8.7851, 0.1691, 0, 0, 0, 0, 0, 0),
    "Tl-208": ("3.053 m", 0, 0, 0.55705, 0.05329, 0.00100, 3.35390, 0.00636, 0),
    "Ra-223": ("11.43 d", 5.6666, 0.1036, 0, 0.06888, 0.00921, 0.09147, 0.04979, 0),
    "Rn-219": ("3.96 s", 6.7544, 0.1257, 0, 0.00653, 0.00031, 0.05691, 0.00168, 0),
    "Po-215": ("1.781 ms", 7.3860, 0.1401, 0, 0.00001, 0, 0.00018, 0, 0),
    "Pb-211": ("36.1 m", 0, 0, 0.44969, 0.00439, 0.00016, 0.06370, 0.00072, 0),
    "Bi-211": ("2.14 m", 6.5490, 0.1266, 0.00048, 0.00923, 0.00033, 0.04520, 0.00206, 0),
    "Tl-207": ("4.77 m", 0, 0, 0.49511, 0.00005, 0, 0.00235, 0, 0),
    "At-211": ("7.214 h", 2.4524, 0.0474, 0, 0.00009, 0.00585, 0.00182, 0.03485, 0),
    "Po-211": ("0.516 s", 7.4421, 0.1439, 0, 0.00018, 0, 0.00816, 0.00002, 0),
    "Tb-149": ("4.118 h", 0.6627, 0.0183, 0.05185, 0.02818, 0.00703, 1.25549, 0.03261, 0.07307),
    "Th-227": ("18.68 d", 5.8827, 0.1056, 0, 0.06265, 0.01282, 0.11445, 0.01729, 0),
    "Lu-177": ("6.647 d", 0, 0, 0.13327, 0.01352, 0.00113, 0.03156, 0.00354, 0),
    "Y-90": ("64.1 h", 0, 0, 0.93290, 0.00020, 0, 0, 0, 0),
    "I-131": ("8.0207 d", 0, 0, 0.18187, 0.00957, 0.00041, 0.38124, 0.00152, 0),
    "In-111": ("2.8047 d", 0, 0, 0, 0.02794, 0.00688, 0.38612, 0.02000, 0),
    "Cu-64": ("12.7 h", 0, 0, 0.12270, 0, 0.00205, 0.00637, 0.00120, 0.17791),
    "Cu-67": ("61.83 h", 0, 0, 0.13589, 0.01374, 0.00075, 0.11480, 0.00056, 0),
    "Tb-161": ("6.906 d", 0, 0, 0.15426, 0.03929, 0.00894, 0.02397, 0.01255, 0),
    "Ga-68": ("67.71 m", 0, 0, 0.73738, 0.00001, 0.00055, 0.03961, 0.00041, 0.90867),
    "Pb-203": ("51.873 h", 0, 0, 0, 0.04125, 0.01172, 0.24414, 0.07014, 0),
}
KINDS = (
    ("alpha", "alpha"), ("recoil", "recoil"), ("electron", "beta"), ("electron", "conversion"), ("electron", "auger"),
    ("photon", "gamma"), ("photon", "x"), ("photon", "annihilation"),
)  # fmt: skip
HOURS = {"us": 1e-6 / 3600, "ms": 1e-3 / 3600, "s": 1 / 3600, "m": 1 / 60, "h": 1, "d": 24}


@pytest.mark.parametrize("name", ICRP107)
def test_energies_and_half_lives_are_those_of_icrp107(name):
    n = nuclide(name, overrides=False)
    number, unit = ICRP107[name][0].split()
    assert n.half_life_h == pytest.approx(float(number) * HOURS[unit], rel=1e-12)
    tables = {r: n.emissions(r) for r in RADIATIONS}
    for (radiation, kind), published in zip(KINDS, ICRP107[name][1:], strict=True):
        rows = tables[radiation].query("kind == @kind")
        ours = float((rows["energy_MeV"] * rows["yield_per_decay"]).sum())
        assert ours == pytest.approx(published, abs=6e-5 if radiation in ("alpha", "recoil") else 6e-6), kind


# Energy of the whole chain per decay of the parent: ICRP-107 emissions summed with ICRP-107 branching (last digit).
CHAINS = {
    "Ac-225": (27.481, 0.513, 0.690, 0.219),
    "Ra-223": (26.377, 0.497, 1.043, 0.314),
    "Pb-212": (7.802, 0.150, 0.901, 1.457),
    "Th-227": (32.259, 0.602, 1.119, 0.446),
    "Ra-224": (26.542, 0.498, 0.903, 1.468),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chain_energies(name):
    n = nuclide(name, overrides=False)
    for radiation, published in zip(RADIATIONS, CHAINS[name], strict=True):
        assert n.energy_MeV(radiation, chain=True) == pytest.approx(published, abs=6e-4)


def test_at_211_with_what_decays_before_bi_207():
    """In a week Po-211 is over, and Bi-207 (32.9 a) has hardly begun: 6.784 MeV alpha, 0.131 recoil per decay."""
    d = decays({"At-211": 1.0}, 168.0, overrides=False)
    per = d / d.sel(nuclide="At-211")
    for radiation, published in (("alpha", 6.784), ("recoil", 0.131), ("electron", 0.0060), ("photon", 0.0414)):
        ours = sum(float(per.sel(nuclide=m)) * nuclide(m).energy_MeV(radiation) for m in ("At-211", "Po-211"))
        assert ours == pytest.approx(published, abs=6e-4 if published > 0.1 else 6e-5)


# NUBASE2020 (Kondev et al., Chin. Phys. C 45, 030001), read a second time, from the table and not from the catalogue.
NUBASE2020 = {
    "Ac-225": (9.9190, "d"), "Fr-221": (4.801, "m"), "At-217": (32.6, "ms"), "Po-213": (3.705, "us"),
    "Pb-209": (3.235, "h"), "Ra-224": (3.6316, "d"), "Tb-161": (6.948, "d"), "Ra-225": (14.82, "d"),
    "Po-216": (144.0, "ms"), "Po-212": (0.2944, "us"), "Th-229": (7916 * 365.2422, "d"),
}  # fmt: skip


@pytest.mark.parametrize("name", NUBASE2020)
def test_half_lives_are_those_of_nubase2020(name):
    value, unit = NUBASE2020[name]
    assert nuclide(name).half_life_h == pytest.approx(value * HOURS[unit], rel=1e-12)


# Half-lives where ICRP-107 stands, against NUBASE2020 with its standard uncertainty: within 3 u or 0.2 %.
KEPT = {
    "Bi-213": (45.60 / 60, 0.04 / 60), "Tl-209": (2.162 / 60, 0.007 / 60), "Pb-212": (10.627, 0.006),
    "Bi-212": (60.55 / 60, 0.06 / 60), "Th-227": (18.693 * 24, 0.004 * 24), "Ra-223": (11.4352 * 24, 0.0010 * 24),
    "Pb-211": (36.1628 / 60, 0.0025 / 60), "At-211": (7.214, 0.007), "Pb-203": (51.924, 0.015),
    "Th-228": (1.9125 * 8765.8128, 0.0007 * 8765.8128), "Rn-219": (3.96 / 3600, 0.01 / 3600),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_half_lives_that_were_kept_agree_with_nubase2020(name):
    value, u = KEPT[name]
    assert abs(nuclide(name).half_life_h - value) <= max(3 * u, 0.002 * value)


# --- branching, against the package that published the matrix -------------------------------------------------------


@pytest.mark.slow
def test_branching_recovered_from_the_matrix_is_exact_for_every_nuclide():
    """radioactivedecay's own API (its import unpickles; here that is its business) against our pickle-free reading."""
    code = (
        "import radioactivedecay as rd, json\n"
        "out = {}\n"
        "for name in map(str, rd.DEFAULTDATA.nuclides):\n"
        "    n = rd.Nuclide(name)\n"
        "    out[name] = [list(map(str, n.progeny())), list(map(float, n.branching_fractions())), n.half_life('s'),\n"
        "                 list(map(str, n.decay_modes()))]\n"
        "print(json.dumps(out))\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout)
    assert set(theirs) == set(nuclide_names()) | _decay_data.stable_names()
    letters = {"α": {"alpha"}, "β-": {"beta-"}, "IT": {"IT"}, "SF": {"SF"}, "EC": {"EC"}, "β+ & EC": {"EC", "beta+"}}
    for name, (progeny, fractions, half_life_s, modes) in theirs.items():
        expected = {p: b for p, b in zip(progeny, fractions, strict=True) if p != "SF"}
        assert _decay_data.daughters(name) == expected, name
        if name in nuclide_names():
            n = nuclide(name, overrides=False)
            assert n.half_life_h * 3600 == pytest.approx(half_life_s, rel=1e-12)
            told = set().union(*(letters[m] for m in modes))
            # where the mode says "B+ & EC" but no positron is listed, or the other way round, we follow the list
            assert set(n.modes) - {"beta+"} == told - {"beta+"}, name


# --- beta spectra ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Lu-177", "Y-90", "Pb-212", "I-131", "Ga-68", "Bi-213", "Cu-64", "Tb-161"])
def test_beta_spectrum_has_the_number_and_mean_of_its_branches(name):
    raw = _decay_data.read_raw(name).emissions
    lines = np.concatenate([raw["beta-"], raw["beta+"]])
    number, energy = lines[:, 1].sum(), lines.prod(axis=1).sum()
    end = raw["b-spectra"][-1, 0]
    grid = np.linspace(0, end, 200_001)
    density = nuclide(name).beta_spectrum(grid)
    # the interpolated table itself, before the bins are made to agree: 0.1 % covers ICRP-107's own grid
    assert np.trapezoid(density, grid) == pytest.approx(number, rel=1e-3)
    assert np.trapezoid(density * grid, grid) == pytest.approx(energy, rel=1e-3)
    assert (density >= 0).all()
    assert (nuclide(name).beta_spectrum(np.array([end * 1.0001, end * 3])) == 0).all()
    bins = nuclide(name).emissions("electron").query("kind == 'beta'")
    assert len(bins) == 200
    assert bins["yield_per_decay"].sum() == pytest.approx(number, rel=1e-12)
    assert (bins["energy_MeV"] * bins["yield_per_decay"]).sum() == pytest.approx(energy, rel=1e-12)
    assert bins["energy_MeV"].is_monotonic_increasing
    assert bins["energy_MeV"].max() <= end
    # the shape survives the binning: cumulative number at half the end-point
    below = bins["yield_per_decay"][bins["energy_MeV"] < end / 2].sum()
    assert below == pytest.approx(np.trapezoid(np.where(grid < end / 2, density, 0), grid), rel=5e-3)


def test_mean_beta_energies_agree_with_ensdf():
    """ENSDF (2023) mean beta energy per decay; ICRP-107 and ENSDF use different shape factors: 0.5 %."""
    for name, mean_MeV in (("Lu-177", 0.13364), ("Y-90", 0.93231), ("Pb-212", 0.10155)):
        bins = nuclide(name).emissions("electron").query("kind == 'beta'")
        assert (bins["energy_MeV"] * bins["yield_per_decay"]).sum() == pytest.approx(mean_MeV, rel=5e-3)


def test_alpha_recoil_follows_from_momentum():
    """Recoil energy of an alpha decay is E m_alpha / m_daughter: Ac-225 and Po-212, to the 0.1 % of mass numbers."""
    for name, mass in (("Ac-225", 221), ("Po-212", 208)):
        n = nuclide(name)
        assert n.energy_MeV("recoil") / n.energy_MeV("alpha") == pytest.approx(4.0026 / mass, rel=2e-3)


# --- chains against the slow twin -----------------------------------------------------------------------------------

MIXTURES = [
    ({"Ac-225": 1.0}, [1e-12, 1e-9, 1e-6, 1 / 3600, 0.01, 1.0, 24.0, 240.0, 5000.0]),
    ({"Ac-225": 10.0, "Ac-227": 0.05, "Bi-213": 3.0}, [1 / 3600, 1.0, 1000.0]),
    ({"Ra-224": 100.0, "Pb-212": 100.0}, [1e-4, 1.0, 48.0, 900.0]),
    ({"Ra-226": 1.0}, [1 / 3600, 1.0, 1000.0, 1e7]),
    ({"Th-232": 1.0, "Po-212": 1.0}, [1e-10, 1.0, 1e4, 1e9]),
    ({"U-238": 1.0}, [1 / 3600, 24.0, 1e10]),
    ({"Tb-149": 1.0}, [1e-3, 5.0, 1000.0]),
    ({"At-211": 1.0}, [1e-3, 1.0, 72.0, 1e6]),
]


@pytest.mark.parametrize(("mixture", "times"), MIXTURES, ids=lambda v: "+".join(v) if isinstance(v, dict) else "")
def test_activities_and_decays_equal_the_slow_twin(mixture, times):
    """Every nuclide at every time, relative: the solver promises 1e-11."""
    table = chain_table(mixture)
    start = {table.names.index(n): a for n, a in mixture.items()}
    ours = activities(mixture, times).values
    for column, time in enumerate(times):
        exact = bateman(table.decay_constant_per_h, table.branching, start, time)
        exact_integral = bateman(table.decay_constant_per_h, table.branching, start, time, integral=True)
        integral = decays(mixture, time).values / 3.6e9
        for i in range(len(table.names)):
            if exact[i] > 1e-290:  # below, doubles underflow
                assert abs(ours[i, column] / exact[i] - 1) < 1e-11, (table.names[i], time)
            else:
                assert 0 <= ours[i, column] < 1e-280
            assert abs(integral[i] / exact_integral[i] - 1) < 1e-11, (table.names[i], time)


def test_pb_209_a_second_after_pure_ac_225():
    """Where the closed form alone is wrong by 4e-5: five decays away from the parent, relative 1e-9 wanted."""
    table = chain_table("Ac-225")
    exact = bateman(table.decay_constant_per_h, table.branching, {0: 1.0}, 1 / 3600)[table.names.index("Pb-209")]
    ours = activities({"Ac-225": 1.0}, [1 / 3600]).sel(nuclide="Pb-209").item()
    assert abs(ours / exact - 1) < 1e-12


@pytest.mark.parametrize("gap", [0.0, 1e-14, 1e-9, 1e-4])
def test_half_lives_that_nearly_agree(gap):
    """Parent and daughter of one rate l: A_2 = A_1(0) l t exp(-l t), and the integral 1 - (1 + l t) exp(-l t)."""
    rate = 0.3
    table = _chains.ChainTable(("a", "b"), np.array([rate, rate * (1 + gap)]), np.array([[0.0, 0.0], [1.0, 0.0]]))
    times = np.array([1e-6, 0.1, 3.0, 60.0])
    atoms = _chains.atoms(table, np.array([1.0, 0.0]), times)
    x = rate * times
    assert atoms[1] == pytest.approx(x * np.exp(-x), rel=max(1e-11, 30 * gap))
    total = _chains.integrals(table, np.array([1.0, 0.0]), times)
    late = times >= 0.1
    assert total[1, late] == pytest.approx((1 - (1 + x) * np.exp(-x))[late], rel=max(1e-11, 30 * gap))
    assert total[1, 0] == pytest.approx(x[0] ** 2 / 2, rel=max(1e-6, 30 * gap))


def test_the_two_methods_agree_where_both_hold():
    table = chain_table(["Ac-225", "Ra-224"])
    start = 1 / table.decay_constant_per_h
    rate, gain = _chains._system(table)
    times = np.geomspace(10, 2000, 40)
    fast = _chains._closed_form(rate, _chains._modes(rate, gain, start), times, False)[0]
    slow = _chains._robust(rate, gain, start, times, False)
    assert fast == pytest.approx(slow, rel=1e-11)


def test_pb_212_in_transient_equilibrium():
    """Late, Bi-212 / Pb-212 is l_2 / (l_2 - l_1) = 1.105, and 64.06 % of it reaches Po-212 (NUBASE2020: 64.06(6) %)."""
    a = activities({"Pb-212": 1.0}, [60.0])
    l1, l2 = nuclide("Pb-212").decay_constant_per_h, nuclide("Bi-212").decay_constant_per_h
    assert (a.sel(nuclide="Bi-212") / a.sel(nuclide="Pb-212")).item() == pytest.approx(l2 / (l2 - l1), rel=1e-9)
    assert (a.sel(nuclide="Po-212") / a.sel(nuclide="Bi-212")).item() == pytest.approx(0.6406, abs=6e-4 * 3)


# --- conservation ---------------------------------------------------------------------------------------------------

PARENTS = st.sampled_from(
    ["Ac-225", "Bi-213", "Pb-212", "Ra-223", "Ra-224", "Th-227", "Ac-227", "At-211", "Tb-149", "Th-228"]
)
# one atom of the longest-lived parent is 1e-15 MBq; below 1e-290 doubles have no digits left to balance
MIXTURE = st.dictionaries(PARENTS, st.one_of(st.just(0.0), st.floats(1e-30, 1e6)), min_size=1, max_size=3)
DURATION = st.one_of(st.floats(0, 1e6), st.floats(0, 1e-3), st.just(math.inf))


@settings(max_examples=60, deadline=None)
@given(MIXTURE, DURATION)
def test_mass_balance(mixture, duration):
    """N_i(0) + what its parents made of it - its own decays = N_i(t) >= 0, for every member of the chain."""
    table = chain_table(mixture)
    done = decays(mixture, duration)
    assert tuple(done["nuclide"].values) == table.names
    done = done.values / 3.6e9
    start = np.array([mixture.get(n, 0.0) for n in table.names]) / table.decay_constant_per_h
    supply = start + table.branching @ done
    left = np.zeros(len(start))
    if math.isfinite(duration):
        left = activities(mixture, [duration]).values[:, 0] / table.decay_constant_per_h
    assert (left >= 0).all()
    # a daughter decays no more often than its parents feed it (1e-300: what a subnormal duration leaves of a rounding)
    assert (done <= supply * (1 + 1e-10) + 1e-300).all()
    assert supply - done == pytest.approx(left, rel=1e-9, abs=1e-10 * supply.max() + 1e-300)


@settings(max_examples=40, deadline=None)
@given(MIXTURE, st.floats(0.1, 1e3), st.floats(0, 2000))
def test_linear_in_activity(mixture, factor, time):
    one = activities(mixture, [time]).values
    scaled = activities({n: a * factor for n, a in mixture.items()}, [time]).values
    assert scaled == pytest.approx(one * factor, rel=1e-10, abs=1e-200)


@settings(max_examples=40, deadline=None)
@given(PARENTS, st.floats(0, 500), st.floats(0, 500))
def test_two_steps_are_one(parent, first, second):
    """What is there after t1 is the mixture that decays for t2."""
    midway = activities({parent: 1.0}, [first])
    mixture = {str(n): float(v) for n, v in zip(midway["nuclide"].values, midway.values[:, 0], strict=True)}
    assert activities(mixture, [second]).sel(nuclide=midway["nuclide"]).values == pytest.approx(
        activities({parent: 1.0}, [first + second]).values, rel=1e-9, abs=1e-250
    )


def test_expected_decays_are_the_endless_integral():
    for parent in ("Ac-225", "Ra-223", "Pb-212", "Tb-149"):
        total = decays({parent: 1.0})
        for member in nuclide(parent).chain:
            ratio = (total.sel(nuclide=member) / total.sel(nuclide=parent)).item()
            assert nuclide(parent).branching_to(member) == pytest.approx(ratio, rel=1e-12)
        late = decays({parent: 1.0}, 1e12)
        assert late.values == pytest.approx(total.values, rel=1e-10)
