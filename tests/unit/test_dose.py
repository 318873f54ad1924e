"""The MIRD equation, and the dose of a union of regions."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alphatwin.dose import Dose, absorbed_dose, dose_rate_terms, with_union
from alphatwin.errors import CatalogError, DomainError, UnitError
from alphatwin.kinetics import Decays
from alphatwin.physics import RADIATIONS
from alphatwin.transport import SValues

REGIONS = ["kidney_left", "kidney_right", "liver"]
NUCLIDES = ["Pb-212", "Bi-212"]


def decays_of(values, regions=REGIONS, nuclides=NUCLIDES):
    array = xr.DataArray(
        np.asarray(values, float),
        dims=("sample", "region", "nuclide"),
        coords={"region": regions, "nuclide": nuclides},
        attrs={"units": "1"},
    )
    return Decays(array)


def s_values_of(values, masses, regions=REGIONS):
    """S values from an array [sample, target, source, nuclide, radiation]."""
    values = np.asarray(values, float)
    s = xr.DataArray(
        values, dims=("sample", "target", "source", "nuclide", "radiation"),
        coords={"target": regions, "source": regions, "nuclide": NUCLIDES, "radiation": list(RADIATIONS)}, attrs={"units": "Gy"},
    )  # fmt: skip
    mass = xr.DataArray(
        np.asarray(masses, float), dims=("sample", "region"), coords={"region": regions}, attrs={"units": "g"}
    )
    return SValues(s, mass)


def random_s(n, rng, cross=True):
    values = rng.uniform(1e-15, 1e-12, (n, 3, 3, 2, 4))
    if not cross:
        values *= np.eye(3)[None, :, :, None, None]
    return s_values_of(values, rng.uniform(100, 300, (n, 3)))


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("cross", [True, False])
def test_equals_the_slow_sum(rng, n, cross):
    a, s = rng.uniform(1e9, 1e12, (n, 3, 2)), random_s(n, rng, cross)
    slow = np.zeros((n, 3, 2, 4))
    for i in range(n):
        for target in range(3):
            for source in range(3):
                for nuclide in range(2):
                    for radiation in range(4):
                        slow[i, target, nuclide, radiation] += (
                            a[i, source, nuclide] * s.s.values[i, target, source, nuclide, radiation]
                        )
    made = absorbed_dose(decays_of(a), s)
    np.testing.assert_allclose(made.dose.values, slow, rtol=1e-13)
    assert made.dose.dims == ("sample", "region", "nuclide", "radiation")
    np.testing.assert_allclose(made.total.values, slow.sum((2, 3)), rtol=1e-13)
    np.testing.assert_allclose(made.by_radiation.values, slow.sum(2), rtol=1e-13)
    assert made.total.attrs["units"] == made.by_radiation.attrs["units"] == "Gy"


def test_names_decide_not_places(rng):
    """Decays in another order of regions and nuclides, and with regions that have no S value, give the same dose."""
    a, s = rng.uniform(1e9, 1e12, (2, 3, 2)), random_s(2, rng)
    shuffled = np.concatenate([a[:, ::-1, ::-1], np.full((2, 1, 2), 7e20)], axis=1)
    other = decays_of(shuffled, [*REGIONS[::-1], "blood"], NUCLIDES[::-1])
    assert np.array_equal(absorbed_dose(other, s).dose.values, absorbed_dose(decays_of(a), s).dose.values)


@given(
    arrays(float, (1, 3, 2), elements=st.just(0.0) | st.floats(1e-6, 1e13)),
    st.floats(0.125, 64).map(lambda x: 2.0 ** round(np.log2(x))),
)
@settings(max_examples=40, deadline=None)
def test_linear_in_the_decays(a, factor):
    s = random_s(1, np.random.default_rng(0))
    one = absorbed_dose(decays_of(a), s)
    assert np.array_equal(absorbed_dose(decays_of(a * factor), s).dose.values, one.dose.values * factor)
    assert np.array_equal(one.scaled(factor).dose.values, one.dose.values * factor)
    assert one.scaled(factor).dose.attrs["units"] == "Gy"


def test_one_sample_serves_many(rng):
    a, s = rng.uniform(1e9, 1e12, (5, 3, 2)), random_s(1, rng)
    made = absorbed_dose(decays_of(a), s)
    assert made.dose.sizes["sample"] == 5
    np.testing.assert_array_equal(made.dose.values[3], absorbed_dose(decays_of(a[3:4]), s).dose.values[0])
    with pytest.raises(DomainError, match="3 samples where 1 or 5"):
        absorbed_dose(decays_of(a), random_s(3, rng))


def test_what_lacks_is_named(rng):
    a, s = rng.uniform(1, 2, (1, 2, 2)), random_s(1, rng)
    with pytest.raises(CatalogError, match=r"source region 'kidney_right'.*Did you mean kidney_left"):
        absorbed_dose(decays_of(a, ["kidney_left", "liver"]), s)
    with pytest.raises(CatalogError, match="nuclide"):
        absorbed_dose(decays_of(np.ones((1, 3, 1)), nuclides=["Pb-212"]), s)


def test_energy_is_conserved_by_a_union(rng):
    """m_union D_union = m_left D_left + m_right D_right, for any decays, with cross-fire or without."""
    a = rng.uniform(1e9, 1e12, (4, 3, 2))
    for cross in (True, False):
        s = with_union(random_s(4, rng, cross), "kidneys", ("kidney_left", "kidney_right"))
        assert sorted(s.s["target"].values) == sorted([*REGIONS, "kidneys"])
        assert list(s.s["source"].values) == REGIONS
        dose, mass = absorbed_dose(decays_of(a), s).dose, s.mass_g
        parts = sum(mass.sel(region=r).values[:, None, None] * dose.sel(region=r).values for r in REGIONS[:2])
        whole = mass.sel(region="kidneys").values[:, None, None] * dose.sel(region="kidneys").values
        np.testing.assert_allclose(whole, parts, rtol=1e-12)
        np.testing.assert_allclose(mass.sel(region="kidneys"), mass.sel(region=REGIONS[:2]).sum("region"), rtol=1e-14)


def test_a_union_lies_between_its_parts(rng):
    s = with_union(random_s(6, rng, cross=False), "kidneys", ("kidney_left", "kidney_right"))
    dose = absorbed_dose(decays_of(rng.uniform(1e9, 1e12, (6, 3, 2))), s).total
    left, right, both = (dose.sel(region=r).values for r in ("kidney_left", "kidney_right", "kidneys"))
    assert ((np.minimum(left, right) <= both * (1 + 1e-12)) & (both <= np.maximum(left, right) * (1 + 1e-12))).all()


def test_union_of_nothing_known(rng):
    with pytest.raises(CatalogError, match=r"'kidney_middle'.*Did you mean kidney_left"):
        with_union(random_s(1, rng), "kidneys", ("kidney_left", "kidney_middle"))


def test_dose_rate_integrates_to_the_dose(rng):
    """The integral of a sum of exponentials, amplitude / rate, times 3.6e9 decays per MBq h, gives back the dose."""
    n, terms = 3, 2
    amplitude = xr.DataArray(
        rng.uniform(1, 50, (n, 3, 2, terms)),
        dims=("sample", "region", "nuclide", "term"),
        coords={"region": REGIONS, "nuclide": NUCLIDES},
    )
    rate = rng.uniform(0.01, 0.5, (n, terms))
    s = random_s(n, rng)
    a = (amplitude.values / rate[:, None, None, :]).sum(-1) * 3.6e9
    rates = dose_rate_terms(amplitude, s, RADIATIONS)
    assert rates.attrs["units"] == "Gy/h"
    np.testing.assert_allclose(
        (rates.values / rate[:, None, :]).sum(-1), absorbed_dose(decays_of(a), s).total.values, rtol=1e-12
    )
    low = dose_rate_terms(amplitude, s, ("electron", "photon")).values
    high = dose_rate_terms(amplitude, s, ("alpha", "recoil")).values
    np.testing.assert_allclose(low + high, rates.values, rtol=1e-12)


def test_a_dose_is_checked_at_birth():
    good = absorbed_dose(decays_of(np.ones((1, 3, 2))), random_s(1, np.random.default_rng(0))).dose
    assert Dose(good).dose is good
    with pytest.raises(UnitError, match="units"):
        Dose(good.assign_attrs(units="Sv"))
    with pytest.raises(UnitError, match="dims"):
        Dose(good.isel(sample=0))
    with pytest.raises(UnitError, match="finite"):
        Dose((good * np.nan).assign_attrs(good.attrs))
    with pytest.raises(DomainError, match="radiations"):
        Dose(good.isel(radiation=[1, 0, 2, 3]))
    with pytest.raises(AttributeError):
        Dose(good).dose = good


def test_dose_says_what_is_left_out():
    made = absorbed_dose(decays_of(np.ones((1, 3, 2))), random_s(1, np.random.default_rng(0)))
    assert any("cross-fire" in note for note in made.notes)
