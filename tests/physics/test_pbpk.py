"""Physics of the whole-body model: conservation, an independent twin, limits that must hold, and its calibration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.kinetics import _pbpk_model
from alphatwin.kinetics.compiler import Compartment, Event, Flux, Model, State, compiled
from alphatwin.kinetics.pbpk import pbpk
from alphatwin.physics import nuclide
from oracle import pbpk as twin

MODEL = pbpk("lu177-dotatate")
NAMES = ["plasma", *(f"kidneys_{x}" for x in "vtbnm"), *(f"{o}_{x}" for o in ("spleen", "liver", "tumour") for x in "vibn"), "rest_v", "rest_i", "rest_n", "excreted"]  # fmt: skip


def lean(model=MODEL):
    return compiled(_pbpk_model.declare(dict(model.parameters), list(model.lesions), integrals=False))


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"amino_acid_duration_min": 240.0, "k_megalin_nM": 30.0},
        {"infusion_min": 0.0, "f_return": 0.7, "peptide_nmol": 20.0},
        {"peptide_nmol": 2000.0, "gfr_L_per_min": 0.03, "k_int_per_min": 0.05, "amino_acids": 0.0},
    ],
    ids=["default", "infusion-240", "bolus-return", "saturated"],
)
def test_it_agrees_with_the_model_written_by_hand_and_lsoda(overrides):
    """Below 1e-4 of each state (or of a thousandth of its peak, if smaller) at rtol 1e-5 against LSODA at 1e-12."""
    numbers = {name: q.value for name, q in MODEL.parameters.items()} | overrides
    times = np.concatenate([[0.0], np.geomspace(1, 60000, 59)])
    exact = twin.solve(numbers, ["tumour"], times)
    found = lean().solve(times, overrides, start_min=-30.0, rtol=1e-5)
    ours = np.array([found[name][0] for name in NAMES])
    scale = np.maximum(np.abs(exact), 1e-3 * np.abs(exact).max(axis=1, keepdims=True))
    assert (np.abs(ours - exact) / scale).max() < 1e-4


@settings(max_examples=15, deadline=None)
@given(
    gfr=st.floats(0.005, 0.2),
    peptide=st.floats(20, 5000),
    volume=st.floats(1, 3000),
    r0=st.floats(0, 200),
    back=st.floats(0, 1),
    k_int=st.floats(5e-4, 0.05),
)
def test_no_peptide_is_made_or_lost(gfr, peptide, volume, r0, back, k_int):
    r = MODEL.simulate(
        gfr_L_per_min=gfr, peptide_nmol=peptide, volume_tumour_mL=volume, r0_tumour_nM=r0, f_return=back, k_int_per_min=k_int, activity_MBq=100.0, times_h=[1, 10, 100, 336]
    )  # fmt: skip
    held = r.peptide.sum("region").values + r.excreted_fraction.values * peptide
    np.testing.assert_allclose(held, peptide, rtol=1e-10)
    assert (r.peptide.values >= -1e-6 * peptide).all()


def test_labelled_and_unlabelled_solved_apart_equal_the_total_times_decay():
    """Two species that share receptors, label turning into unlabelled everywhere: labelled = f0 exp(-lambda t) total."""
    numbers = {"Q": 0.8, "V_v": 3.0, "V_i": 0.4, "kon": 0.04, "koff": 0.02, "R": 12.0, "k_int": 0.01, "k_rel": 1e-4, "cl": 0.1, "lam": 7.24e-5, "f0": 0.073, "dose": 139.0}  # fmt: skip
    rooms = (Compartment("v", "V_v"), Compartment("i", "V_i"))

    def one(tag, bound):
        v, i, b, n, out = (f"{x}{tag}" for x in ("v", "i", "b", "n", "out"))
        states = (State(v, "v"), State(i, "i"), State(b), State(n), State(out))
        fluxes = (
            Flux(f"a{tag}", v, i, f"Q * conc({v})"),
            Flux(f"c{tag}", i, v, f"Q * conc({i})"),
            Flux(f"d{tag}", i, b, f"kon * conc({i}) * (R - {bound})"),
            Flux(f"e{tag}", b, i, f"koff * {b}"),
            Flux(f"f{tag}", b, n, f"k_int * {b}"),
            Flux(f"g{tag}", n, out, f"k_rel * {n}"),
            Flux(f"h{tag}", v, out, f"cl * conc({v})"),
        )
        return states, fluxes

    hot, hot_fluxes = one("h", "bh - bc")
    cold, cold_fluxes = one("c", "bh - bc")
    decay = tuple(Flux(f"decay_{x}", f"{x}h", f"{x}c", f"lam * {x}h") for x in ("v", "i", "b", "n", "out"))
    given_ = {"compartments": rooms, "parameters": numbers}
    two = Model(
        "two species", states=hot + cold, fluxes=hot_fluxes + cold_fluxes + decay,
        events=(Event("h", "vh", "f0 * dose"), Event("c", "vc", "(1 - f0) * dose")), **given_,
    )  # fmt: skip
    states, fluxes = one("t", "bt")
    total = Model("total", states=states, fluxes=fluxes, events=(Event("t", "vt", "dose"),), **given_)
    t = np.geomspace(1, 20000, 40)
    apart, whole = compiled(two).solve(t, rtol=1e-9), compiled(total).solve(t, rtol=1e-9)
    for x in ("v", "i", "b", "n", "out"):
        expected = 0.073 * np.exp(-7.24e-5 * t) * whole[f"{x}t"][0]
        np.testing.assert_allclose(apart[f"{x}h"][0], expected, rtol=2e-6, atol=1e-8)


def test_activity_and_its_integral_belong_together():
    """The integral as a state, against the curve's own integral with what remains after it."""
    t = np.concatenate([np.linspace(0, 24, 481)[:-1], np.geomspace(24, 3000, 800)])
    r = MODEL.simulate(duration_h=3000, times_h=t, rtol=1e-7)
    curve = np.trapezoid(r.activity.values[:, :, 0], t, axis=-1)
    np.testing.assert_allclose(curve, r.time_integrated_activity.values[:, :, 0], rtol=3e-3)
    body = r.activity.sum("region").values[0, 0] + r.excreted_fraction.values[0] * 7400 * np.exp(
        -np.log(2) / nuclide("Lu-177").half_life_h * t
    )
    np.testing.assert_allclose(body[20:], 7400 * np.exp(-np.log(2) / nuclide("Lu-177").half_life_h * t[20:]), rtol=1e-9)


def test_daughters_in_place_follow_bateman_where_nothing_moves():
    """All peptide in place: an agent that is neither filtered nor bound decays as a closed vial does."""
    import alphatwin as at

    model = pbpk("ac225-dotatate", lesions={})
    still = {"gfr_L_per_min": 1e-9, "cl_megalin_L_per_min": 0.0, "k_hold_rest_per_min": 0.0, "infusion_min": 0.0} | {
        f"r0_{o}_nM": 0.0 for o in ("kidneys", "liver", "spleen")
    }
    t = np.array([0.0, 0.05, 0.5, 2.0, 10.0, 50.0, 300.0])
    r = model.simulate(times_h=t, activity_MBq=10.0, rtol=1e-8, **still)
    vial = at.activities({"Ac-225": 10.0}, t)
    body = r.activity.sum("region").isel(sample=0)
    for name in ("Ac-225", "Fr-221", "Bi-213", "Tl-209", "Pb-209"):
        np.testing.assert_allclose(
            body.sel(nuclide=name).values, vial.sel(nuclide=name).values, rtol=4e-3, atol=1e-4, err_msg=name
        )
    tia = r.time_integrated_activity.sum("region").isel(sample=0)
    np.testing.assert_allclose(
        tia.values, (at.decays({"Ac-225": 10.0}) / 3.6e9).sel(nuclide=tia["nuclide"].values).values, rtol=2e-5
    )


# --- what must happen when a part is taken away ------------------------------------------------------------------------


def dose(**overrides):
    return MODEL.simulate(**overrides).absorbed_dose_Gy_per_GBq.isel(sample=0)


def test_without_receptors_organs_hold_no_more_than_their_blood():
    none = {f"r0_{o}_nM": 0.0 for o in ("kidneys", "liver", "spleen", "tumour")}
    r = MODEL.simulate(times_h=[0, 48, 336], **none)
    late = r.peptide.sel(time=48)
    assert float(late.sel(region=["liver", "spleen", "tumour"]).sum()) < 1e-3 * float(late.sel(region="kidneys").item())
    assert float(r.megalin_share[0]) > 0.97
    assert float(dose(**none).sel(region="tumour")) < 0.01 * float(dose().sel(region="tumour"))


def test_without_amino_acids_the_kidney_alone_gets_more():
    without, with_them = dose(amino_acids=0.0), dose()
    ratio = without / with_them
    assert (
        1.3 < float(ratio.sel(region="kidneys")) < 1.93
    )  # block of CL_meg is 1.92; receptors and depletion only lessen it
    for region in ("liver", "spleen", "tumour"):
        assert float(ratio.sel(region=region)) == pytest.approx(1.0, abs=0.03)


def test_with_neither_megalin_nor_receptors_the_kidney_keeps_only_what_passes():
    assert float(dose(cl_megalin_L_per_min=0.0, r0_kidneys_nM=0.0).sel(region="kidneys")) < 0.02 * float(
        dose().sel(region="kidneys")
    )


def test_where_nothing_is_released_only_physical_decay_remains():
    nothing = {f"k_rel_{o}_per_min": 0.0 for o in ("kidneys", "liver", "spleen", "tumour")}
    r = MODEL.simulate(duration_h=400, **nothing)
    for region in ("kidneys", "liver", "spleen", "tumour"):
        assert r.effective_half_life_h(region, (200, 400))[0] == pytest.approx(nuclide("Lu-177").half_life_h, rel=5e-3)


def test_what_returns_to_plasma_stays_longer_in_the_body():
    gone, back = MODEL.simulate(times_h=[0, 100]), MODEL.simulate(times_h=[0, 100], f_return=1.0)
    assert float(back.excreted_fraction[0, 1]) < float(gone.excreted_fraction[0, 1])
    assert float(back.time_integrated_activity.sum()) > float(gone.time_integrated_activity.sum())


def test_more_peptide_saturates_receptors_and_not_megalin():
    """Order of the published effect: liver, spleen and tumour per GBq fall, the megalin-dominated kidney does not."""
    r = pbpk("lu177-dotatate", parameters="A").simulate(peptide_nmol=[30.0, 139.0, 500.0, 2000.0], activity_MBq=1000.0)
    d = r.absorbed_dose_Gy_per_GBq
    for region in ("liver", "spleen", "tumour"):
        assert (np.diff(d.sel(region=region).values) < 0).all(), region
    kidney = d.sel(region="kidneys").values
    assert kidney[-1] > 0.8 * kidney[1]
    assert (np.diff(r.megalin_share.values) > 0).all()


def test_a_receptor_kidney_falls_several_fold_with_peptide():
    """Purely by receptors and with quick internalisation the kidney per GBq falls several-fold from 5 to 1000 nmol."""
    d = MODEL.simulate(
        peptide_nmol=[5.0, 1000.0], activity_MBq=100.0, cl_megalin_L_per_min=0.0, k_int_per_min=0.03, r0_kidneys_nM=5.0
    ).absorbed_dose_Gy_per_GBq
    kidney = d.sel(region="kidneys").values
    assert kidney[0] / kidney[1] > 3


def test_a_low_filtration_raises_the_kidney_dose():
    d = MODEL.simulate(gfr_L_per_min=[0.11, 0.055]).absorbed_dose_Gy_per_GBq.sel(region="kidneys").values
    assert 1.2 < d[1] / d[0] < 1.8  # "about half" more


def test_a_large_tumour_is_a_sink():
    d = MODEL.simulate(volume_tumour_mL=[50.0, 400.0, 2000.0]).absorbed_dose_Gy_per_GBq
    for region in ("kidneys", "liver", "spleen"):
        assert (np.diff(d.sel(region=region).values) < 0).all(), region


# --- the calibration -----------------------------------------------------------------------------------------------------

# Columns A and B of the calibrated set: Gy/GBq, h, % of the peptide. The calibration took organs as 1 kg/L and 0.0853
# Gy kg/(GBq h), so its doses are compared in that convention. Its receptor density of the kidney, lesion perfusion and
# permeability and duration of infusion were not recorded; ours are assumptions. What they move, within what is allowed for
# them, sets the tolerance: kidney receptors 0.5 to 1.5 nmol/L move its dose by 15 %; perfusion 0.05 to 0.5 and
# permeability 0.1 to 0.6 per minute move the tumour by up to 25 % and, through what it takes, excretion by 4 points and
# the other organs by 5 %; receptors of spleen and liver are printed to 3 %.
CALIBRATED = {
    "A": {"kidneys": 0.55, "liver": 0.30, "spleen": 0.85, "tumour": 1.96, "T": (52, 63, 63, 86), "out": (61, 83, 86), "1 L": None},
    "B": {"kidneys": 0.61, "liver": 0.35, "spleen": 0.89, "tumour": 4.6, "T": (52, 67, 67, 94), "out": (61, 71, 74), "1 L": (51, 58, 62)},
}  # fmt: skip
TOLERANCE = {"kidneys": 0.15, "liver": 0.08, "spleen": 0.08, "tumour": 0.25}


@pytest.mark.parametrize("name", ["A", "B"])
def test_the_calibrated_sets_give_what_they_were_calibrated_to(name):
    known = CALIBRATED[name]
    model = pbpk("lu177-dotatate", parameters=name)
    r = model.simulate(times_h=[0, 5, 24, 48, 168])
    for region, allowed in TOLERANCE.items():
        litres = 0.4 if region == "tumour" else model.parameters[f"volume_{region}_L"].value
        per_gbq = 0.0853 * float(r.time_integrated_activity.sel(region=region).item()) / 7400 / litres
        assert per_gbq == pytest.approx(known[region], rel=allowed), region
    half_lives = [r.effective_half_life_h(region)[0] for region in TOLERANCE]
    np.testing.assert_allclose(half_lives, known["T"], rtol=0.04)
    np.testing.assert_allclose(100 * r.excreted_fraction.values[0, 1:4], known["out"], atol=4)
    if known["1 L"]:
        large = model.simulate(times_h=[5, 24, 48], volume_tumour_mL=1000.0)
        np.testing.assert_allclose(100 * large.excreted_fraction.values[0], known["1 L"], atol=4)


def test_doses_by_sphere_and_by_the_short_cut_differ_by_density_and_photons_alone():
    """0.0853 Gy kg/(GBq h) counts electrons alone and 1 kg/L; spheres lose little of them and keep some photons."""
    r = MODEL.simulate()
    for region, density in (("kidneys", 1.05), ("liver", 1.05), ("spleen", 1.06), ("tumour", 1.03)):
        litres = 0.4 if region == "tumour" else MODEL.parameters[f"volume_{region}_L"].value
        short = 0.0853 * float(r.time_integrated_activity.sel(region=region).item()) / 7400 / (litres * density)
        assert float(r.absorbed_dose_Gy_per_GBq.sel(region=region).item()) == pytest.approx(short, rel=0.04)


def test_doses_lie_where_patients_doses_lie():
    """Population means published for [177Lu]Lu-DOTATATE: kidneys 0.37 to 0.65, liver 0.27 to 0.30, spleen 0.85 to 1.17
    Gy/GBq (catalogue agent lu177-dotatate and its sources), each with a spread of a third or more between patients."""
    d = dose()
    assert 0.37 <= float(d.sel(region="kidneys")) <= 0.65
    assert 0.7 * 0.27 <= float(d.sel(region="liver")) <= 1.3 * 0.30
    assert 0.7 * 0.85 <= float(d.sel(region="spleen")) <= 1.3 * 1.17
