"""Hits of nuclei beside the mean dose of a course: they must carry the dose, and survival must have its limits."""

import numpy as np
import pytest

import alphatwin as at
from alphatwin.case import Case
from alphatwin.errors import CaseError
from alphatwin.transport.hits import specific_energy


def case(alpha=None, agent="ac225-dotatate", activity="8 MBq", **cells):
    return Case.from_mapping(
        {
            "case": "a",
            "treatment": {"agent": agent, "activity": activity},
            "kinetics": {
                "agent": "lu177-dotatate",
                "administered_activity": "7.21 GBq",
                "regions": {"kidneys": {"curve": [{"fraction": "3 %", "half_life": "50 h"}], "mass": "310 g"}},
            },
            "daughters": "in_place",
            "cells": {**cells, **({} if alpha is None else {"alpha_per_Gy": alpha})},
            "options": {"samples": 1},
        }
    )


def test_hits_times_energy_of_a_hit_are_the_alpha_dose():
    """n z_F summed over the chain = D: exact but for the alphas that leave a finite kidney (0.1 %)."""
    report = at.run(case())
    dose = report.region("kidneys")["absorbed_dose_Gy"]["alpha"]["mean"]
    decays = report.course.decays.decays.isel(sample=0).sel(region="kidneys")
    density = at.medium("kidney").density_g_per_cm3
    total = 0.0
    for name in ("Ac-225", "Fr-221", "At-217", "Bi-213", "Po-213"):
        z = specific_energy(name, cell_radius_um=5, nucleus_radius_um=4, decays=2.0, chain=False,
                            places={name: {"cell": 0.5, "medium": 0.5}}, medium="kidney")  # fmt: skip
        per_cell = float(decays.sel(nuclide=name)) / 310 * density * 4 / 3 * np.pi * 5e-4**3
        total += per_cell * z.mean_dose_Gy
    assert total == pytest.approx(dose, rel=5e-3)


def test_not_hit_is_the_poisson_share():
    made = at.run(case()).region("kidneys")["cells"]
    assert made["cells_not_hit"]["mean"] == pytest.approx(np.exp(-made["mean_hits_per_nucleus"]["mean"]))
    assert "survival" not in made


def test_hits_are_proportional_to_activity_and_to_cycles():
    one = at.run(case(activity="4 MBq")).region("kidneys")["cells"]["mean_hits_per_nucleus"]["mean"]
    two = at.run(case(activity="8 MBq")).region("kidneys")["cells"]["mean_hits_per_nucleus"]["mean"]
    assert two == pytest.approx(2 * one, rel=1e-8)  # nine digits are written


def test_survival_is_that_of_the_rbe_until_one_hit_kills():
    """S = exp(-RBE alpha D_alpha) x LQ of the rest where RBE alpha z stays below 1; far above it nearly every hit kills, a graze need not."""
    for alpha, capped in ((0.15, False), (10.0, True)):
        report = at.run(case(alpha=alpha))
        region = report.region("kidneys")
        parameters = report.course.effect.parameters["kidneys"]
        rbe, ratio = (float(np.asarray(x).ravel()[0]) for x in (parameters.rbe, parameters.alpha_beta_Gy))
        high = region["absorbed_dose_Gy"]["alpha"]["mean"]
        low = region["absorbed_dose_Gy"]["electron"]["mean"] + region["absorbed_dose_Gy"]["photon"]["mean"]
        g = region["lea_catcheside_g"]["mean"]
        rest = alpha * low + alpha / ratio * g * low**2
        hits = region["cells"]["mean_hits_per_nucleus"]["mean"]
        lost = -np.log(region["cells"]["survival"]["mean"]) - rest
        if capped:
            assert 0.95 * hits < lost < hits
        else:  # 0.5 %: alphas that leave a finite kidney are in the hits and not in the dose
            assert lost + rest == pytest.approx(rbe * alpha * high + rest, rel=5e-3)


def test_a_union_averages_shares_of_cells_and_not_hits():
    """One kidney with a tenth of the uptake: half of its cells go free, and both kidneys' share says so."""
    one = {"curve": [{"fraction": "2 %", "half_life": "50 h"}], "mass": "150 g"}
    tenth = {"curve": [{"fraction": "0.2 %", "half_life": "50 h"}], "mass": "170 g"}
    made = Case.from_mapping(
        {
            "case": "a",
            "treatment": {"agent": "ac225-dotatate", "activity": "16 MBq"},
            "kinetics": {
                "agent": "lu177-dotatate",
                "administered_activity": "7.21 GBq",
                "regions": {"kidney_left": one, "kidney_right": tenth},
            },
            "daughters": "in_place",
            "cells": {"alpha_per_Gy": 0.05},
            "options": {"samples": 1},
        }
    )
    cells = at.run(made).cells
    for name in ("not_hit", "survival", "mean_hits"):
        left, right, both = (float(getattr(cells[r], name)[0]) for r in ("kidney_left", "kidney_right", "kidneys"))
        assert both == pytest.approx((150 * left + 170 * right) / 320, rel=1e-12)
    assert float(cells["kidneys"].not_hit[0]) > 3 * np.exp(-float(cells["kidneys"].mean_hits[0]))


def test_a_larger_nucleus_is_hit_more():
    small = at.run(case(cell_radius="8 um", nucleus_radius="3 um")).region("kidneys")["cells"]
    large = at.run(case(cell_radius="8 um", nucleus_radius="6 um")).region("kidneys")["cells"]
    # hits of a nucleus go with its cross-section, but for the tracks that begin or end in it
    ratio = large["mean_hits_per_nucleus"]["mean"] / small["mean_hits_per_nucleus"]["mean"]
    assert 4.0 < ratio < 8.0


def test_beta_emitters_count_no_hits():
    assert at.run(case(agent="lu177-dotatate", activity="7.4 GBq")).cells == {}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"cell_radius": "3 um"}, "fits inside"),
        ({"nucleus_radius": "0.5 um"}, "at least 1 um"),
        ({"cell_radius": "5"}, "no unit"),
        ({"cell_radius": "5 kg"}, "length"),
        ({"alpha_per_Gy": -0.1}, "alpha_per_Gy"),
        ({"alpha_per_gy": 0.1}, "Did you mean alpha_per_Gy"),
    ],
)
def test_bad_cells_are_refused(cells, expected):
    with pytest.raises(CaseError, match=expected):
        case(**cells)


# --- survival: whose cells, and by brute force -----------------------------------------------------------------------


def test_a_cell_line_of_the_catalogue_stands_for_its_photon_alpha():
    line = at.run(case(line="v79"))
    given = at.run(case(alpha=0.10))
    assert line.region("kidneys")["cells"]["survival"] == given.region("kidneys")["cells"]["survival"]
    assert any("V79" in i.name for i in line.inputs)
    assert "inaniwa2021osmk" in line.provenance.sources
    assert any("not the cells of this patient" in a for a in line.assumptions)


def test_the_report_says_what_survival_needs():
    plain = at.run(case())
    needs = next(a for a in plain.assumptions if a.startswith("Survival of cells is not computed"))
    assert "cells.alpha_per_Gy" in needs
    assert "cells.line" in needs
    assert needs in plain.html()
    assert needs not in at.run(case(alpha=0.2)).assumptions


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"line": "v97"}, "Did you mean v79"),
        ({"line": "v79", "alpha_per_Gy": 0.2}, "not both"),
        ({"line": 79}, "line"),
    ],
)
def test_bad_cell_lines_are_refused(cells, expected):
    with pytest.raises(CaseError, match=expected):
        case(**cells)


@pytest.mark.parametrize(("alpha", "activity"), [(0.3, "4 MBq"), (2.0, "2 MBq")])
def test_survival_by_drawing_the_hits_of_every_cell(alpha, activity):
    """Half a million nuclei: Poisson hits of each nuclide, z of each hit drawn, each hit kills with min(RBE alpha z, 1)."""
    report = at.run(case(alpha=alpha, activity=activity))
    region = report.region("kidneys")
    parameters = report.course.effect.parameters["kidneys"]
    rbe, ratio = (float(np.asarray(x).ravel()[0]) for x in (parameters.rbe, parameters.alpha_beta_Gy))
    decays = report.course.decays.decays.isel(sample=0).sel(region="kidneys")
    density = at.medium("kidney").density_g_per_cm3
    rng = np.random.default_rng(3)
    n = 500_000
    alive = np.ones(n, dtype=bool)
    unhit = np.ones(n, dtype=bool)
    for name in ("Ac-225", "Fr-221", "At-217", "Bi-213", "Po-213"):
        z = specific_energy(name, cell_radius_um=5, nucleus_radius_um=4, decays=2.0, chain=False,
                            places={name: {"cell": 0.5, "medium": 0.5}}, medium="kidney")  # fmt: skip
        per_cell = float(decays.sel(nuclide=name)) / 310 * density * 4 / 3 * np.pi * 5e-4**3
        hits = rng.poisson(per_cell * z.mean_hits, n)
        grid = np.linspace(0, 1.2, 6001)
        mass = np.asarray(z.single_event_pdf(0.5 * (grid[1:] + grid[:-1])))
        single = np.interp(rng.random(int(hits.sum())), np.append(0.0, np.cumsum(mass) / mass.sum()), grid)
        killed = rng.random(len(single)) < np.minimum(rbe * alpha * single, 1.0)
        dead = np.bincount(np.repeat(np.arange(n), hits)[killed], minlength=n) > 0
        alive &= ~dead
        unhit &= hits == 0
    low = region["absorbed_dose_Gy"]["electron"]["mean"] + region["absorbed_dose_Gy"]["photon"]["mean"]
    rest = np.exp(-alpha * low - alpha / ratio * region["lea_catcheside_g"]["mean"] * low**2)
    for share, found in (
        (alive.mean() * rest, region["cells"]["survival"]),
        (unhit.mean(), region["cells"]["cells_not_hit"]),
    ):
        assert found["mean"] == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / n) + 2e-3 * share)
    assert 1e-3 < alive.mean() < 0.9
