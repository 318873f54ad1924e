"""The whole-body model fitted to one patient: closed forms for the sampler, known patients for the fit."""

import numpy as np
import pytest

import alphatwin as at
from alphatwin.errors import CatalogError, DomainError, FitError
from alphatwin.kinetics import integrate
from alphatwin.kinetics._calibration import rank, uniformity
from alphatwin.kinetics._importance import Measured, adaptive, effective_size
from alphatwin.kinetics.individual import Observation, fit_individual


def quiet(text):
    """Nobody is told."""


def test_the_sampler_finds_a_gaussian_posterior_that_the_prior_alone_would_miss():
    """y = exp(B z) with 5 % error: posterior N(C B' R^-1 ln y, C), C = (I + B' R^-1 B)^-1, in closed form."""
    stream = np.random.Generator(np.random.Philox(key=3))
    slope, sd = 0.5 * stream.standard_normal((5, 8)), 0.05
    truth = stream.standard_normal(8)
    target = slope @ truth
    kept = []

    def score(z):
        kept.append(z @ slope.T)
        return -0.5 * (((target - kept[-1]) / sd) ** 2).sum(1)

    measured = Measured(lambda: np.concatenate(kept), target, np.full(5, sd**2), np.ones(5, dtype=bool))
    first = stream.standard_normal((4000, 8))
    found = adaptive(score, first, measured, per_round=4000, wanted=4000.0, rounds=8, seed=1, progress=quiet)
    assert found.sizes[0] < 20 < 1000 < found.sizes[-1]
    assert effective_size(found.weight) == pytest.approx(found.sizes[-1])
    covariance = np.linalg.inv(np.eye(8) + slope.T @ slope / sd**2)
    mean = covariance @ slope.T @ target / sd**2
    error = 5 * np.sqrt(np.diag(covariance) / found.sizes[-1])
    assert (np.abs(found.weight @ found.z - mean) < error).all()
    off = found.z - found.weight @ found.z
    variance = found.weight @ off**2
    assert variance == pytest.approx(np.diag(covariance), rel=5 * np.sqrt(2 / found.sizes[-1]))


@pytest.fixture(scope="module")
def patient():
    """A virtual patient, what was measured in it, and its fit."""
    model = at.pbpk("lu177-dotatate")
    drawn = model.at_scores(at.Draws(50, seed=5).normal)
    own = {k: v[7] for k, v in drawn.items()} | {"peptide_nmol": 139.0}
    result = model.simulate(168.0, activity_MBq=7400.0, times_h=[24.0, 96.0], **own)
    curve = result.activity.isel(nuclide=0)
    points = [
        Observation(r, t, float(curve.sel(region=r).values[0, j]))
        for r in ("kidneys", "spleen")
        for j, t in enumerate((24.0, 96.0))
    ]
    fit = fit_individual(
        model, points, library=5000, peptide_nmol=139.0, known={"gfr_L_per_min": float(own["gfr_L_per_min"])}
    )
    return result, points, fit


def test_a_fit_narrows_what_was_measured_and_holds_the_truth(patient):
    result, _, fit = patient
    assert fit.effective_sample_size >= 100
    assert fit.weight.sum() == pytest.approx(1)
    true = result.absorbed_dose_Gy_per_GBq
    for region in ("kidneys", "spleen"):
        low, _, high = fit.doses(0.999)[region]
        assert low < float(true.sel(region=region).item()) < high
        free = (
            fit.model.simulate(times_h=[0.0], **fit.model.prior(2000, seed=2))
            .absorbed_dose_Gy_per_GBq.sel(region=region)
            .values
        )
        prior = np.diff(np.quantile(free, [0.05, 0.95]))[0]
        low, _, high = fit.doses(0.9)[region]
        assert high - low < 0.8 * prior
    learnt = fit.learnt()
    assert "gfr_L_per_min" not in learnt
    assert next(iter(learnt.values())) > 0.2


def test_a_fit_goes_on_as_kinetics_and_as_the_model(patient):
    _, _, fit = patient
    kinetics = fit.to_kinetics(100)
    assert kinetics.regions == fit.model.regions
    tia = integrate(kinetics).time_integrated_activity_MBq_h.sel(region="kidneys").values[:, 0]
    again = fit.model.simulate(times_h=[0.0], activity_MBq=7400.0, **fit.resampled(100, seed=1))
    assert tia == pytest.approx(again.time_integrated_activity.sel(region="kidneys").values[:, 0], rel=1e-3)
    assert (fit.resampled(10)["gfr_L_per_min"] == fit.known["gfr_L_per_min"]).all()


def test_the_same_seed_gives_the_same_fit(patient):
    _, points, fit = patient
    again = fit_individual(
        "lu177-dotatate", points, library=5000, peptide_nmol=139.0, known={"gfr_L_per_min": fit.known["gfr_L_per_min"]}
    )
    assert (again.weight == fit.weight).all()


@pytest.mark.slow
def test_what_the_model_cannot_do_is_refused_with_the_worst_point():
    points = [
        Observation("kidneys", 24.0, 4000.0, relative_sd=0.02),
        Observation("kidneys", 96.0, 1.0, relative_sd=0.02),
    ]
    with pytest.raises(FitError, match=r"effective draws of .* kidneys at .* h is"):
        fit_individual("lu177-dotatate", points, library=1000, peptide_nmol=139.0)


def test_bad_observations_are_refused():
    good = Observation("kidneys", 24.0, 150.0)
    with pytest.raises(FitError, match="No observation"):
        fit_individual("lu177-dotatate", [])
    with pytest.raises(CatalogError, match="Did you mean kidneys"):
        fit_individual("lu177-dotatate", [Observation("kidnay", 24.0, 150.0)])
    with pytest.raises(FitError, match="twice"):
        fit_individual("lu177-dotatate", [good, good])
    with pytest.raises(DomainError, match="library is 10"):
        fit_individual("lu177-dotatate", [good], library=10)
    with pytest.raises(CatalogError, match="gfr_L_per_min"):
        fit_individual("lu177-dotatate", [good], known={"gfr": 0.1})
    for bad in ({"time_h": 0.0}, {"activity_MBq": -1.0}, {"relative_sd": 0.0}, {"relative_sd": float("nan")}):
        with pytest.raises(DomainError):
            Observation(**({"region": "kidneys", "time_h": 24.0, "activity_MBq": 150.0} | bad))


@pytest.mark.slow
def test_the_doses_of_individual_fits_are_calibrated():
    """Patients of the prior, two points each with 15 % error: ranks of the kidney dose among 19 draws; alarm at 1e-4."""
    model = at.pbpk("lu177-dotatate")
    n = 60
    drawn = model.at_scores(at.Draws(n, seed=77).normal)
    drawn["peptide_nmol"] = np.full(n, 139.0)
    truth = model.simulate(96.0, activity_MBq=7400.0, times_h=[24.0, 96.0], **drawn)
    curve = truth.activity.isel(nuclide=0).sel(region="kidneys").values
    stream = np.random.Generator(np.random.Philox(key=9))
    right, narrow = [], []
    for i in range(n):
        y = curve[i] * (1 + 0.15 * stream.standard_normal(2))
        points = [Observation("kidneys", t, float(v), relative_sd=0.15) for t, v in zip((24.0, 96.0), y, strict=True)]
        fit = fit_individual(model, points, library=4000, peptide_nmol=139.0, seed=i)
        dose = fit.dose_Gy_per_GBq.sel(region="kidneys").values[fit._chosen(19, i)]
        true = float(truth.absorbed_dose_Gy_per_GBq.sel(region="kidneys").values[i])
        right.append(rank(true, dose))
        narrow.append(rank(true, dose.mean() + 0.3 * (dose - dose.mean())))
    assert uniformity(right, 19, bins=5) > 1e-4
    assert uniformity(narrow, 19, bins=5) < 1e-4
