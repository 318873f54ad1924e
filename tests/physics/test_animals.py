"""Animals against closed forms, slow twins and what was published: survival statistics, dose, growth, translation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from alphatwin.case.animals import load_animals
from alphatwin.cohort._animals_dose import biodistribution, organ_doses, small_s_values
from alphatwin.cohort._animals_survival import compare_groups, sample_size, schoenfeld_events
from alphatwin.cohort._animals_translation import RULES, human_doses
from alphatwin.cohort.animals import animal_study
from alphatwin.transport import RegionMass, self_s_values, sphere_absorbed_fraction
from oracle.animals import cox_log_likelihood, log_rank, spec


def case(**more):
    return load_animals(spec(**more))


# --- survival statistics ---------------------------------------------------------------------------------------------

groups = st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=2, max_size=12)


@settings(max_examples=60, deadline=None)
@given(groups, groups)
def test_log_rank_and_cox_against_the_slow_twin(a, b):
    (ta, ea), (tb, eb) = (list(map(list, zip(*g, strict=True))) for g in (a, b))
    found = compare_groups(ta, ea, tb, eb)
    try:
        assert found.chi2 == pytest.approx(log_rank(ta, ea, tb, eb), rel=1e-9, abs=1e-9)
    except ZeroDivisionError:
        assert found.chi2 == 0.0
    if 0.0 < found.hazard_ratio < math.inf and found.low > 0:
        best = minimize_scalar(
            lambda x: -cox_log_likelihood(x, ta, ea, tb, eb),
            bounds=(-12, 12),
            method="bounded",
            options={"xatol": 1e-9},
        )
        assert math.log(found.hazard_ratio) == pytest.approx(best.x, abs=1e-4)


def test_the_leukaemia_trial_of_the_textbooks():
    # 6-MP against placebo (Freireich et al. 1963; in every textbook): log-rank 16.79, Cox with Efron's ties 1.572
    placebo = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
    drug = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    dead = [True] * 9 + [False] * 12
    found = compare_groups(drug, dead, placebo, [True] * 21)
    assert found.chi2 == pytest.approx(16.79, abs=0.005)
    assert math.log(found.hazard_ratio) == pytest.approx(1.572, abs=0.0005)


def test_swapping_the_groups_inverts_the_ratio():
    rng = np.random.default_rng(2)
    a, b = rng.exponential(1.0, 30), rng.exponential(2.0, 40)
    one, other = compare_groups(a, a > 0, b, b < 3), compare_groups(b, b < 3, a, a > 0)
    assert one.chi2 == pytest.approx(other.chi2)
    assert one.hazard_ratio == pytest.approx(1 / other.hazard_ratio)


def test_schoenfeld_by_hand_and_by_simulation():
    z = 1.959964 + 0.841621
    assert schoenfeld_events(0.5) == pytest.approx(4 * z * z / math.log(2) ** 2, rel=1e-6)
    # exponential lives have proportional hazards: both ways must agree within the noise of 400 studies (5 points of
    # power, some 15 % of n) and the skew of small samples
    rng = np.random.default_rng(5)
    a, b = rng.exponential(1.0, 4000), rng.exponential(2.0, 4000)
    found = sample_size(a, a > 0, b, b > 0, studies=400, seed=3)
    assert found.simulated == pytest.approx(found.closed_form, rel=0.25)
    assert found.closed_form == pytest.approx(schoenfeld_events(0.5) / 2, rel=0.15)


def test_no_difference_needs_a_study_that_nobody_can_do_and_is_significant_by_chance_alone():
    rng = np.random.default_rng(7)
    a = rng.exponential(1.0, 500)
    found = sample_size(a, a > 0, a, a > 0, studies=200)
    assert found.simulated is None
    share = [p for n, p in found.power_at.items() if n >= 8]
    assert 0.02 < np.mean(share) < 0.09  # 5 % error, 200 studies of each of 7 sizes


# --- dose ------------------------------------------------------------------------------------------------------------


def test_uptake_that_only_decays_has_the_time_integral_of_decay():
    from alphatwin.physics import nuclide

    found = biodistribution(case())
    per_g = 0.10 / nuclide("Pb-212").decay_constant_per_h
    assert found.tia_h("tumour") == pytest.approx(0.05 * per_g, rel=1e-6)
    assert found.percent_per_g("tumour", 7.0, nuclide("Pb-212").decay_constant_per_h) == pytest.approx(10.0, rel=1e-6)
    assert found.between_animals["tumour"] == pytest.approx(0.1)


def test_what_is_not_decay_corrected_is_taken_so():
    from alphatwin.physics import nuclide

    rate = nuclide("Pb-212").decay_constant_per_h
    table = spec()["uptake"]
    hours = np.array([1.0, 4.0, 12.0, 24.0])
    raw = {
        k: {**v, **{c: list(np.array(v[c]) * np.exp(-rate * hours)) for c in ("percent_per_g", "sd")}}
        for k, v in table["organs"].items()
    }
    same = biodistribution(case(uptake={**table, "decay_corrected": False, "organs": raw}))
    for organ in ("tumour", "kidneys"):
        assert same.tia_h(organ) == pytest.approx(biodistribution(case()).tia_h(organ), rel=1e-9)


def test_dose_of_the_tumour_by_hand():
    mine = case(nuclide="Y-90", uptake={**spec()["uptake"], "nuclide": "Y-90"})
    found = next(o for o in organ_doses(mine, biodistribution(mine)) if o.region == "tumour")
    s = self_s_values({"tumour": RegionMass(0.05)}, ["Y-90"]).s.sel(radiation="electron").item()
    assert found.electron == pytest.approx(found.tia_h * 3.6e9 * s, rel=1e-9)


def test_electrons_leave_small_tumours_and_the_share_is_that_of_the_absorbed_fraction():
    mine = case(nuclide="Y-90", uptake={**spec()["uptake"], "nuclide": "Y-90"})
    found = {o.region: o for o in organ_doses(mine, biodistribution(mine))}
    # 50 mg of a beta emitter with 0.93 MeV in the mean: more than half leaves; a line at the mean energy must agree
    # within the width of the spectrum
    at_mean = 1.0 - sphere_absorbed_fraction("electron", 0.934, 0.05)
    assert 0.35 < found["tumour"].electron_escape < 0.75
    assert found["tumour"].electron_escape == pytest.approx(at_mean, abs=0.12)
    lutetium = case(nuclide="Lu-177", uptake={**spec()["uptake"], "nuclide": "Lu-177"})
    soft = {o.region: o for o in organ_doses(lutetium, biodistribution(lutetium))}
    assert soft["tumour"].electron_escape < 0.2 * found["tumour"].electron_escape


def test_a_pair_of_kidneys_is_two_spheres():
    s = small_s_values({"kidneys": 0.3}, {"kidneys": "kidney"}, ("Y-90",)).s.sel(radiation="electron").item()
    one = self_s_values({"kidney": RegionMass(0.15, "kidney")}, ["Y-90"]).s.sel(radiation="electron").item()
    assert s == pytest.approx(one / 2, rel=1e-12)
    assert float(small_s_values({"kidneys": 0.3}, {}, ("Y-90",)).mass_g.item()) == 0.3


def test_free_daughters_move_dose_from_the_tumour_to_the_kidneys():
    stay = case()
    free = case(daughters={"model": "free", "retained": {"Bi-212": "50 %"}})
    doses = [{o.region: o.total for o in organ_doses(c, biodistribution(c))} for c in (stay, free)]
    assert doses[1]["tumour"] < 0.75 * doses[0]["tumour"]


# --- growth and endpoints --------------------------------------------------------------------------------------------


def test_untreated_tumours_grow_exponentially_to_the_endpoint():
    study = animal_study(
        case(tumour={"line": "b16-f1", "mass": "50 mg", "mass_spread": "0 %", "override": {"doubling_time": 3.0}})
    )
    control = study["control"]
    # with growth spread between animals the median animal has the median doubling time: 3 d / exp(s^2/2)
    cv = 0.33 / 2.17
    median = 3.0 * math.exp(-0.5 * math.log1p(cv**2))
    expected = median * math.log2(2000 / 50)
    assert control.median_d == pytest.approx(expected, abs=1.6)  # seen daily, 40 animals
    assert control.survivors == 0.0


def test_dose_grows_with_activity_and_so_does_survival():
    arms = {"control": {"activity": "0 MBq"}, "1": {"activity": "1 MBq"}, "3": {"activity": "3 MBq"}}
    study = animal_study(case(arms=arms))
    medians = [a.median_d for a in study.arms]
    assert medians == sorted(medians)
    assert medians[0] < medians[2]
    assert study["3"].group.tumour_dose_Gy == pytest.approx(3 * study["1"].group.tumour_dose_Gy, rel=1e-9)


def test_a_control_is_as_if_nothing_was_injected():
    study = animal_study(case(arms={"a": {"activity": "0 MBq"}, "b": {"activity": "0 MBq", "times": ["0 d", "7 d"]}}))
    assert np.array_equal(study["a"].group.end_d, study["b"].group.end_d)
    assert study.pairs[0].pool.hazard_ratio == pytest.approx(1.0)


def test_weight_and_kidneys_end_lives():
    heavy = {
        "tumour_volume": "2000 mm^3",
        "follow_up": "60 d",
        "weight": {"limit": "20 %", "activity_at_limit": "1 MBq", "source": "assumed"},
    }
    study = animal_study(case(endpoints=heavy, arms={"control": {"activity": "0 MBq"}, "much": {"activity": "10 MBq"}}))
    assert study["much"].causes()["weight"] > 0.9
    assert study["control"].causes()["weight"] == 0.0
    assert float(study["much"].group.end_d.max()) <= 10.0
    kidneys = {"tumour_volume": "2000 mm^3", "follow_up": "120 d", "kidneys": {"limit": "60 %"}}
    study = animal_study(
        case(endpoints=kidneys, arms={"control": {"activity": "0 MBq"}, "much": {"activity": "60 MBq"}})
    )
    assert study["much"].causes()["kidneys"] > 0.5
    assert np.all(np.diff(study["much"].group.function, axis=1) <= 1e-9)  # function never comes back


def test_a_protector_spares_kidneys_and_no_tumour():
    arms = {"control": {"activity": "0 MBq"}, "bare": {"activity": "30 MBq"},
            "a1m": {"activity": "30 MBq", "protector": {"name": "a1m", "times": ["0 h", "4 h", "8 h"]}}}  # fmt: skip
    lutetium = {**spec()["uptake"], "nuclide": "Lu-177"}
    kidneys = {"tumour_volume": "2000 mm^3", "follow_up": "90 d", "kidneys": {}}
    study = animal_study(case(nuclide="Lu-177", uptake=lutetium, endpoints=kidneys, arms=arms))
    bare, spared = study["bare"], study["a1m"]
    assert np.all(spared.function_at(80.0) >= bare.function_at(80.0))
    assert spared.function_at(80.0).mean() > bare.function_at(80.0).mean()
    assert np.array_equal(bare.group.volume_mm3, spared.group.volume_mm3)


@pytest.mark.parametrize("chunk", [7, 40])
def test_the_bits_do_not_depend_on_the_chunk(chunk):
    whole, parts = animal_study(case()), animal_study(case(), chunk=chunk)
    for a, b in zip(whole.arms, parts.arms, strict=True):
        assert np.array_equal(a.group.end_d, b.group.end_d)
        assert np.array_equal(a.group.volume_mm3, b.group.volume_mm3)
        assert np.array_equal(a.group.tumour_dose_Gy, b.group.tumour_dose_Gy)
    assert whole.pairs == parts.pairs


def test_more_animals_leave_the_first_ones_as_they_were():
    few, many = animal_study(case()), animal_study(case(study={"pool": 60, "studies": 50}))
    assert np.array_equal(few["treated"].group.end_d, many["treated"].group.end_d[:40])


def test_a_larger_tumour_takes_less_per_gram_and_loses_fewer_electrons():
    tumour = {"line": "b16-f1", "mass": "50 mg", "sizes": ["20 mg", "500 mg"], "uptake_exponent": 0.3}
    small, large = animal_study(case(tumour=tumour)).sizes
    assert small.electron_escape > large.electron_escape
    assert small.dose_Gy_per_MBq > large.dose_Gy_per_MBq
    assert small.median_d > large.median_d


# --- man -------------------------------------------------------------------------------------------------------------


def test_rules_of_translation_by_hand():
    mine = case()
    found = {(d.region, d.rule): float(np.median(d.Gy_per_GBq)) for d in human_doses(mine, biodistribution(mine))}
    assert {rule for _, rule in found} == {r.name for r in RULES}
    # kidneys 0.4175 g of 25 g in the mouse, 310 g of 73 kg in man
    assert found["kidneys", "mass"] / found["kidneys", "none"] == pytest.approx((310 / 73000) / (0.4175 / 25), rel=1e-6)
    assert found["kidneys", "mass and time"] / found["kidneys", "time"] == pytest.approx(
        (310 / 73000) / (0.4175 / 25), rel=1e-6
    )
    assert found["kidneys", "none"] < found["kidneys", "time"]  # slower biology, more decays


def test_the_rat_too():
    mine = case(species="rat", body_mass="250 g", tumour={"line": "ar42j", "mass": "1 g"},
                endpoints={"tumour_volume": "10 mL", "follow_up": "60 d", "kidneys": {}})  # fmt: skip
    study = animal_study(mine)
    assert study["treated"].median_d > study["control"].median_d
