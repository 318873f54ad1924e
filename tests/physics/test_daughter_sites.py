"""Where the carrier decays decides what its daughters do: sites of the whole-body model, against one system of equations."""

import math

import numpy as np
import pytest

from alphatwin import catalog
from alphatwin.errors import DomainError
from alphatwin.kinetics import chain_kinetics, free_daughters_from_catalog, integrate
from alphatwin.kinetics.pbpk import pbpk
from alphatwin.physics.nuclides import chain_table
from alphatwin.run._planned import decay_sites, relocated_shares
from oracle.daughter_ode import decays

# an antibody in the model's words, without a target in normal organs: hardly filtered, slow across vessels
ANTIBODY = {
    "phi": 2e-5, "r0_kidneys_nM": 0.0, "r0_liver_nM": 0.0, "r0_spleen_nM": 0.0, "ps_liver_per_min": 0.02,
    "ps_spleen_per_min": 0.02, "ps_slow_per_min": 0.0004, "ps_tumour_per_min": 0.002, "amino_acids": 0.0,
}  # fmt: skip
GIVEN = {"peptide_nmol": 100.0, "activity_MBq": 8.0}


def medians(name):
    return np.zeros(1)


def freed(model, overrides, rtol=1e-8):
    parents = model.exponentials(**GIVEN, rtol=rtol, **overrides)
    sites = decay_sites(model, 8.0, {"peptide_nmol": 100.0, "rtol": rtol, **overrides})
    fates = free_daughters_from_catalog(model.agent, model.nuclide, tuple(parents), medians, decay_sites=sites)
    return parents, sites, fates


@pytest.fixture(scope="module")
def model():
    return pbpk("ac225-dotatate", parameters="B")


@pytest.mark.parametrize(
    ("chosen", "overrides"),
    [("B", {}), ("B", ANTIBODY), pytest.param("C", {}, marks=pytest.mark.slow)],
    ids=["peptide", "antibody", "set C"],
)
def test_decays_of_daughters_against_the_whole_system_of_equations(chosen, overrides):
    """221Fr and 213Bi in every region: 1e-4 of the region's decays is asked; the solver's own error is 1e-6."""
    model = pbpk("ac225-dotatate", parameters=chosen)
    parents, _, fates = freed(model, overrides)
    ours = integrate(chain_kinetics(parents, "Ac-225", fates)).time_integrated_activity_MBq_h[0]
    names, constants, table = chain_table("Ac-225")
    constant, at = dict(zip(names, constants, strict=True)), names.index
    branching = {"Fr-221": float(table[at("Fr-221"), at("Ac-225")])}
    branching["Bi-213"] = float(table[at("At-217"), at("Fr-221")] * table[at("Bi-213"), at("At-217")])
    rows = {(r.daughter, r.site): r for a in ("*", "ac225-dotatate") for r in catalog.daughter_fate(a).retained
            if r.parent in ("Ac-225", "At-217")}  # fmt: skip
    keep = {q: {s: float(rows[q, s].at_score(0.0)) for s in ("plasma", "interstitium", "surface", "internalised")}
            for q in ("Fr-221", "Bi-213")}  # fmt: skip
    where = catalog.daughter_fate("ac225-dotatate").region_sites
    elements = ("Fr", "Bi")
    free = (
        {e: float(np.asarray(fates.plasma_half_time_h[e]).item()) for e in elements},
        {e: {r: float(np.asarray(v).item()) for r, v in fates.uptake[e].items()} for e in elements},
        {e: {r: float(np.asarray(v).item()) for r, v in fates.retention_half_time_h[e].items()} for e in elements},
    )
    taken = {r for of in free[1].values() for r in of}
    horizon = 20.0 * math.log(2) / constant["Ac-225"] * 60.0
    found = decays(model, {**overrides, "peptide_nmol": 100.0}, keep, {r: keep["Bi-213"][where[r]] for r in taken}, free,
                   {q: constant[q] for q in ("Ac-225", "Fr-221", "Bi-213")}, branching, horizon)  # fmt: skip
    per_nmol = 8.0 / 100.0 / 60.0
    for (nuclide, region), value in found.items():
        mine = float(ours.sel(nuclide=nuclide, region=region))
        assert mine == pytest.approx(value * per_nmol, rel=1e-4), (nuclide, region)
    assert {r for q, r in found if q == "Bi-213"} >= {"kidneys", "liver", "bone", "blood", "red_marrow", "tumour"}


def test_every_freed_daughter_decays_once(model):
    parents, _, fates = freed(model, {})
    made = chain_kinetics(parents, "Ac-225", fates)
    total = integrate(made).time_integrated_activity_MBq_h[0].sum("region") + made.excreted[0]
    names, _, table = chain_table("Ac-225")
    per_decay = np.zeros(len(names))
    per_decay[0] = 1.0
    for q in range(1, len(names)):
        per_decay[q] = table[q, :q] @ per_decay[:q]
    np.testing.assert_allclose(total, per_decay * float(total[0]), rtol=1e-9)


def test_sites_of_the_model(model):
    sites = model.decay_sites(**GIVEN)
    np.testing.assert_allclose(sites.sum("site"), 1.0, rtol=1e-12)
    assert float(sites.sel(region="kidneys", site="internalised").item()) > 0.95
    assert float(sites.sel(region="red_marrow", site="internalised").item()) == 0.0
    # bound and inside cells in the balance of the release: k_int int(b) = (k_rel + lambda) int(n)
    q = {n: model.parameters[n].value for n in ("k_int_per_min", "k_rel_liver_per_min")}
    lam = chain_table("Ac-225")[1][0] / 60.0
    bound, inside = (float(sites.sel(region="liver", site=s).item()) for s in ("surface", "internalised"))
    assert q["k_int_per_min"] * bound == pytest.approx((q["k_rel_liver_per_min"] + lam) * inside, rel=1e-3)
    slow = model.decay_sites(**GIVEN, k_int_per_min=0.0, cl_megalin_L_per_min=0.0)
    assert float(slow.sel(region="liver", site="internalised").item()) == 0.0
    with pytest.raises(DomainError, match="no sites"):
        pbpk("ra223-chloride").decay_sites()


def test_what_is_kept_is_the_mean_over_sites_and_later_members_remember_where():
    """Half the decays inside (kept 0.75), half in plasma (0): 221Fr keeps 0.375; what is left of it is all inside."""
    shares = {"liver": {"internalised": 0.5, "plasma": 0.5}}
    fates = free_daughters_from_catalog("ac225-dotatate", "Ac-225", ["liver"], medians, decay_sites=shares)
    assert float(np.asarray(fates.retained["Ac-225", "Fr-221", "liver"]).item()) == pytest.approx(0.375)
    assert float(np.asarray(fates.retained["At-217", "Bi-213", "liver"]).item()) == pytest.approx(0.75)
    with pytest.raises(DomainError, match="between 0 and 1"):
        free_daughters_from_catalog(
            "ac225-dotatate", "Ac-225", ["liver"], medians, decay_sites={"liver": {"plasma": 2.0}}
        )


def test_a_chelate_that_a_beta_decay_leaves_whole_keeps_more():
    """212Bi from 212Pb at the surface and inside: DOTAM keeps more than the 64 % of DOTA, less than all."""
    shares = {"liver": {"surface": 0.5, "internalised": 0.5}}
    kept = [
        float(np.asarray(free_daughters_from_catalog(a, "Pb-212", ["liver"], medians, decay_sites=shares)
                         .retained["Pb-212", "Bi-212", "liver"]).item())
        for a in ("any other agent", "pb212-dotamtate")
    ]  # fmt: skip
    assert kept == pytest.approx([0.5 * (0.64 + 0.9), 0.5 * (0.82 + 0.95)], rel=1e-9)


def test_kidney_dose_that_came_with_the_blood(model):
    """Long-circulating carrier: about 0.6 of the kidney dose from relocated 213Bi in mice (Schwartz 2011, recalled), 0.5 to
    0.7 with its spread. A peptide must have less of it; ours, with a tumour of 400 mL, has more than the 0.1 to 0.3
    that is expected: a miss that docs/pbpk.md states."""
    shares = {}
    for name, overrides in (("peptide", {}), ("antibody", ANTIBODY)):
        parents, _, fates = freed(model, overrides, rtol=1e-5)
        shares[name] = {k: float(v.item()) for k, v in relocated_shares(parents, "Ac-225", fates, 1).items()}
    assert 0.5 < shares["antibody"]["Bi"] < 0.7
    assert shares["peptide"]["Bi"] < 0.7 * shares["antibody"]["Bi"]
    assert shares["peptide"]["any"] < 0.7 * shares["antibody"]["any"]


def test_without_a_lesion_less_comes_with_the_blood(model):
    found = []
    for one in (pbpk("ac225-dotatate", parameters="B", lesions={}), model):
        parents, _, fates = freed(one, {}, rtol=1e-5)
        found.append(float(relocated_shares(parents, "Ac-225", fates, 1)["any"].item()))
    assert found[0] < 0.8 * found[1]  # 0.35 and 0.56
