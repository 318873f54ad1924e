"""Damage, oxygen, modifiers, fits: shapes, refusals, messages, catalogue entries."""

from __future__ import annotations

import re

import numpy as np
import pytest

from alphatwin import catalog
from alphatwin.biology.bystander import BystanderSignal
from alphatwin.biology.damage import (
    Misrepair,
    complex_share,
    dsb_yield,
    mean_yield,
    misrepair_of_positions,
    misrepair_share,
    repair_directly,
    ssb_yield,
    testis_rbe,
    testis_rbe_of_let,
    track_positions,
    yield_formula,
)
from alphatwin.biology.fitting import fit_survival
from alphatwin.biology.models import (
    MKM,
    RMF,
    SMK,
    LinearQuadratic,
    Response,
    SingleHit,
    hit_survival,
    saturated_lineal_energy_keV_per_um,
    saturation_specific_energy_Gy,
    tumour_control,
)
from alphatwin.biology.modifiers import ResponseModifier, chosen_modifier, modifier_of
from alphatwin.biology.oxygen import (
    OsmkOER,
    SpheroidOxygen,
    WenzlWilkensOER,
    domain_energies,
    oer,
    oxygen_pressure_mmHg,
)
from alphatwin.errors import CatalogError, DomainError, FitError, UnitError

RESPONSES = [
    LinearQuadratic(0.3, 0.03),
    SingleHit(0.5),
    MKM(0.15, 0.06, 20.0),
    SMK(0.17, 0.06, 30.0, 20.0, 0.1),
    RMF(0.005, 1e-5, 90.0, 0.2),
    Misrepair(0.5, 0.5),
]


@pytest.mark.parametrize("response", RESPONSES, ids=lambda r: type(r).__name__)
def test_every_response_falls_with_dose_and_broadcasts(response):
    assert isinstance(response, Response)
    dose = np.linspace(0.0, 8.0, 12).reshape(3, 4)
    s = response.survival(dose)
    assert s.shape == (3, 4)
    assert s.flat[0] == 1.0
    assert np.all(np.diff(s.ravel()) < 0)
    assert response.exponent(dose) == pytest.approx(-np.log(s))
    with pytest.raises(DomainError, match="dose_Gy"):
        response.survival(-1.0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: dsb_yield("alpha", 300.0), "300 keV/um; the DSB formula for alpha holds from 1 to 228"),
        (lambda: dsb_yield("alpha", [50.0, 0.1]), "0.1 keV/um"),
        (lambda: dsb_yield("electron", 20.0), "0 to 3 keV/um"),
        (lambda: dsb_yield("alfa", 50.0), "Did you mean alpha"),
        (lambda: dsb_yield("alpha", float("nan")), "finite"),
        (lambda: ssb_yield("alpha", 100.0), "nearly constant"),
        (lambda: mean_yield("alpha", 4.0, 5.0), "above the second"),
        (lambda: mean_yield("carbon", 40.0, 5.0), "end at alpha"),
        (lambda: complex_share("carbon"), "alpha and electron"),
        (lambda: testis_rbe(1.0), "3 to 9"),
        (lambda: testis_rbe_of_let(30.0), "60 to 125"),
        (lambda: misrepair_share(-1.0), "encounters"),
        (lambda: misrepair_of_positions([[0.0, 0.0]], 4.0), "expected \\(break, 3\\)"),
        (lambda: misrepair_of_positions(np.zeros((2001, 3)), 4.0), "at most 2000"),
        (lambda: repair_directly(np.zeros((3, 3)), 4.0, complex_share=1.5), "0 to 1"),
        (lambda: repair_directly(np.zeros((3, 3)), 4.0, repeats=1), "two or more"),
        (lambda: track_positions(4.0, 0, 1.0), "one track or more"),
        (lambda: track_positions(4.0, 200, 50.0), "More than 2000"),
        (lambda: Misrepair(3.0, 0.5), "at most 2"),
        (lambda: LinearQuadratic(-0.1), "alpha_per_Gy"),
        (lambda: LinearQuadratic(0.1, 0.1, 1.5), "at most 1"),
        (lambda: SingleHit(0.0), "above 0"),
        (lambda: SMK(0.1, 0.1, 10.0, 20.0, 0.1), "saturation only lowers"),
        (lambda: SMK(0.1, 0.1, 10.0, 0.0, 60.0).survival(9.0), "out of 0 to 1"),
        (lambda: saturation_specific_energy_Gy(0.2, 0.3, 0.05), "not smaller than the nucleus"),
        (lambda: saturated_lineal_energy_keV_per_um([1.0, 2.0], [0.0, 0.0]), "no energy"),
        (lambda: saturated_lineal_energy_keV_per_um([1.0, 2.0], [1.0]), "one of each per bin"),
        (lambda: hit_survival(LinearQuadratic(0.1, 0.5), -3.0, np.exp), "mean_hits"),
        (lambda: tumour_control([1.5]), "at most 1"),
        (lambda: oer(100.0, 0.0, model="osmk20"), "Did you mean osmk2021"),
        (lambda: oer(300.0, 0.0), "no alpha particle has more than"),
        (lambda: oer(100.0, 2000.0), "above the 760 mmHg"),
        (lambda: oer(100.0, -1.0), "po2_mmHg"),
        (lambda: OsmkOER("v79", survival=1.2), "between 0 and 1"),
        (lambda: WenzlWilkensOER(a=(1.0, 1.0, 1.0), b=(1.0, 1.0), highest_let=50.0), "Four coefficients"),
        (lambda: WenzlWilkensOER(a=(0.1, 0, 0.1, 0), b=(0.1, 0.1), highest_let=50.0).oer(60.0, 1.0), "hold to 50"),
        (lambda: domain_energies([5000.0], domain_radius_um=0.3, nucleus_radius_um=8.0, z0_Gy=90.0), "1000 MeV"),
        (lambda: SpheroidOxygen(0.0), "radius_um"),
        (lambda: SpheroidOxygen(100.0).pressure_mmHg(101.0), "outside the spheroid"),
        (lambda: BystanderSignal(0.0, 1.0, 0.5), "reach_um"),
        (lambda: BystanderSignal(10.0, 1.0, 1.5), "0 to 1 is meant"),
        (lambda: BystanderSignal(10.0, 1.0, 0.5).concentration([[0.0, 0.0]], [1.0]), "\\(cell, 3\\)"),
        (lambda: BystanderSignal(10.0, 1.0, 0.5).concentration([[0.0, 0.0, 0.0]], [1.0, 2.0]), "one value for each"),
        (lambda: BystanderSignal(10.0, 1.0, 0.5).survival(0.1, 0.5, 1.0), "at least the chance"),
        (lambda: fit_survival([1.0, 2.0], [0.5], relative_sd=0.1), "one of each per point"),
        (lambda: fit_survival([1.0, 2.0], [0.5, 0.3], laplace=np.exp), "go together"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_what_is_allowed(call, says):
    with pytest.raises(DomainError, match=says):
        call()


@pytest.mark.parametrize(
    ("text", "says"),
    [("5", "no unit"), ("5 torr", "%, mmHg or kPa"), ("much", "cannot be read"), ("-2 %", "cannot be read"), ("120 %", "above the 760"), (5.0, "cannot be read")],
)  # fmt: skip
def test_oxygen_without_its_unit_is_refused(text, says):
    with pytest.raises(UnitError, match=says):
        oxygen_pressure_mmHg(text)


def test_oxygen_as_text_never_reaches_a_model():
    with pytest.raises(UnitError, match=re.escape("oxygen_pressure_mmHg('2 %')")):
        oer(100.0, "2 %")
    assert oxygen_pressure_mmHg("2 %") == pytest.approx(15.2)
    assert oxygen_pressure_mmHg("1 kPa") == pytest.approx(760 / 101.325, rel=1e-5)


def test_shapes_of_the_oer():
    assert isinstance(oer(100.0, 2.5), float)
    found = oer(np.array([60.0, 100.0, 200.0])[:, None], np.array([0.0, 160.0]))
    assert found.shape == (3, 2)
    assert found[:, 1] == pytest.approx(1.0)


def test_a_spectrum_of_one_let_has_the_oer_of_that_let():
    model = OsmkOER("hsg")
    assert model.mixed_oer([90.0, 90.0], [1.0, 3.0], 0.0) == pytest.approx(float(model.oer(90.0, 0.0)))
    with pytest.raises(DomainError, match="some dose"):
        model.mixed_oer([90.0], [0.0], 0.0)


def test_the_same_seed_repairs_the_same():
    places = track_positions(4.0, 2, 2.0, seed=5)
    assert (places == track_positions(4.0, 2, 2.0, seed=5)).all()
    assert repair_directly(places, 4.0, seed=3) == repair_directly(places, 4.0, seed=3)
    assert repair_directly(places, 4.0, seed=3) != repair_directly(places, 4.0, seed=4)


def test_protraction_enters_beta_alone():
    lq = LinearQuadratic(0.3, 0.03)
    slow = lq.protracted([1.0], [np.log(2) / 160.0], 1.5)
    assert slow.alpha_per_Gy == lq.alpha_per_Gy
    assert slow.g == pytest.approx(1.5 / 161.5)
    assert slow.survival(2.0) > lq.survival(2.0)


def test_unknown_factors_of_a_drug_are_never_taken_as_one():
    drug = modifier_of("parp-inhibition")
    assert not drug.verified
    with pytest.raises(DomainError, match=r"alpha_factor=\.\.\."):
        drug.apply(LinearQuadratic(0.3, 0.03), radiation="low_let")
    with pytest.raises(DomainError, match="failure_factor"):
        drug.apply(Misrepair(0.5, 0.5), radiation="low_let")
    with pytest.raises(CatalogError, match="Did you mean"):
        modifier_of("parp-inhibitor")


def test_factors_measured_with_photons_are_not_carried_over_to_alphas():
    with pytest.raises(DomainError, match="measured with low_let"):
        modifier_of("5-fu").apply(LinearQuadratic(0.3, 0.03), radiation="high_let")


def test_an_enhancement_ratio_of_doses_is_a_dose_modifying_drug():
    before = LinearQuadratic(0.4, 0.03)
    after = ResponseModifier.from_enhancement("drug", "high_let", 1.6).apply(before, radiation="high_let")
    np.testing.assert_allclose(after.survival([1.0, 3.0]), before.survival([1.6, 4.8]))
    with pytest.raises(DomainError, match="ratio"):
        ResponseModifier.from_enhancement("drug", "high_let", 0.0)


def test_measured_enhancements_are_told_and_not_applied_by_themselves():
    entry = catalog.modifier("dna-pk-inhibition")
    assert (entry.radiation, entry.measured["enhancement_most"].value) == ("high_let", 1.85)
    with pytest.raises(DomainError, match="from_enhancement"):
        modifier_of("dna-pk-inhibition").apply(LinearQuadratic(1.0, 0.0), radiation="high_let")
    assert catalog.modifier("gemcitabine").measured["enhancement_least"].value == 1.9


def test_a_repair_deficiency_of_ones_own():
    own = ResponseModifier("BRCA2 lost", "low_let", failure_factor=3.0)
    before, after = Misrepair(0.5, 0.5), own.apply(Misrepair(0.5, 0.5), radiation="low_let")
    assert after.failure == pytest.approx(3 * before.failure)
    assert after.survival(2.0) < before.survival(2.0)
    with pytest.raises(DomainError, match="share is at most 1"):
        ResponseModifier("too much", "low_let", failure_factor=100.0).apply(before, radiation="low_let")


def test_fits_that_cannot_be():
    with pytest.raises(FitError, match="2 parameters"):
        fit_survival([2.0, 2.0], [0.5, 0.4])
    flat = lambda s: np.exp(-0.2 * s)  # noqa: E731
    with pytest.raises(FitError, match="not hit"):
        fit_survival([1.0, 2.0, 3.0], [0.1, 1e-3, 1e-6], laplace=flat, hits_per_Gy=1.0)
    with pytest.raises(DomainError, match="quadratic=False"):
        _ = fit_survival([1.0, 2.0, 3.0], [0.8, 0.5, 0.2]).z0_Gy


def test_a_fit_without_uncertainties_takes_them_from_the_scatter():
    dose, s = np.array([1.0, 2.0, 3.0, 4.0, 6.0]), np.array([0.71, 0.44, 0.26, 0.13, 0.03])
    fit = fit_survival(dose, s)
    twice = fit_survival(np.tile(dose, 2), np.tile(s, 2))
    assert fit.scaled
    assert fit.degrees_of_freedom == 3
    assert twice.sd[0] < fit.sd[0]


def test_a_parameter_at_its_bound_has_no_variance():
    dose = np.array([1.0, 2.0, 4.0, 6.0])
    fit = fit_survival(dose, np.exp(-0.5 * dose + 0.02 * dose**2), relative_sd=0.1)  # curved the other way
    assert fit.response.beta_per_Gy2 == 0.0
    assert fit.covariance[1].tolist() == [0.0, 0.0]
    assert fit.sd[0] > 0


# --- catalogue --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cell-line", "parameters", "modifier"])
def test_the_catalogue_holds_cited_entries(kind):
    entries = catalog.entries(kind)
    assert entries
    for entry in entries.values():
        for _, cited in catalog.cited_in(entry):
            assert catalog.source(cited.source).title


def test_a_yield_says_whether_somebody_read_it():
    formula = yield_formula("helium")
    assert (formula.particle, formula.source, formula.verified) == ("alpha", "kundrat2020", False)
    assert catalog.parameters("medras").values["sigma"].verified


def test_keys_named_in_docstrings_exist():
    import inspect

    from alphatwin.biology import bystander, damage, fitting, models, modifiers, oxygen

    for module in (bystander, damage, fitting, models, modifiers, oxygen):
        for key in re.findall(r"\(([a-z]+(?:19|20)\d\d[a-z]*|medrasmc)\)", inspect.getsource(module)):
            assert catalog.source(key)


def test_a_chosen_modifier_takes_what_is_given_and_refuses_what_nobody_knows():
    mixed = chosen_modifier("5-fu", beta_factor=1.3, source="own")
    assert (mixed.alpha_factor, mixed.beta_factor, mixed.source) == (1.0, 1.3, "own, buchholz1995fu")
    assert chosen_modifier("5-fu").failure_factor is None
    alone = chosen_modifier("gemcitabine", alpha_factor=2.0, quadratic=False)
    assert (alone.radiation, alone.beta_factor) == ("low_let", None)
    with pytest.raises(DomainError, match=r"no beta_factor for electrons and photons.*enhancement_least 1\.9"):
        chosen_modifier("gemcitabine", alpha_factor=2.0)
    with pytest.raises(DomainError, match=r"for alphas.*not carried over"):
        chosen_modifier("5-fu", radiation="high_let", alpha_factor=2.0)
    with pytest.raises(CatalogError, match="of your own needs radiation, source"):
        chosen_modifier("mystery", alpha_factor=2.0, beta_factor=1.0)
    own = chosen_modifier("mystery", radiation="high_let", alpha_factor=2.0, beta_factor=1.0, source="own")
    assert own.apply(SingleHit(1.0), radiation="high_let") == SingleHit(0.5)
