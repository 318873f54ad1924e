"""Virtual patients: scores that depend on nothing but seed, name and number; specs refused with the place; files that resume."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.catalog._cohort import population
from alphatwin.catalog.model import Quantity
from alphatwin.cohort import answers, cohort_schema, layout, load_cohort, summary
from alphatwin.cohort._layout import axes, columns
from alphatwin.cohort._scores import Scores, factor, value_at
from alphatwin.cohort._simulate import simulate
from alphatwin.errors import CaseError, CatalogError, DomainError, OutputError
from alphatwin.report.cohort import _pairs
from alphatwin.report.cohort_store import CohortFolder

SPEC = {"cohort": "mine", "agent": "lu177-dotatate", "treatment": {"activity": "7.4 GBq"}}


def changed(**more):
    return {**SPEC, **more}


@pytest.fixture(scope="module")
def small():
    """120 patients, in memory."""
    return at.cohort(SPEC, size=120, seed=3)


def same(a, b):
    return all(a[k].values.tobytes() == b[k].values.tobytes() for k in layout())


# --- scores ----------------------------------------------------------------------------------------------------------


def test_scores_are_standard_normal_and_as_correlated_as_asked():
    names = ("a", "b", "c")
    matrix = np.array([[1.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 1.0]])
    n = 200_000
    z = np.stack([Scores(7, 0, n, names, matrix).normal(x) for x in names])
    assert abs(z.mean(axis=1)).max() < 4.5 / np.sqrt(n)
    assert abs(np.cov(z) - matrix).max() < 4.5 * np.sqrt(2.0 / n)


def test_two_lesions_of_a_patient_are_as_alike_as_asked():
    scores = Scores(7, 0, 200_000)
    a, b = (scores.lesion("r0_tumour", j, 0.5) for j in (0, 1))
    assert np.corrcoef(a, b)[0, 1] == pytest.approx(0.5, abs=0.01)
    assert a.std() == pytest.approx(1.0, abs=0.01)


def test_another_seed_or_name_is_another_stream():
    base = Scores(1, 0, 50).own("age")
    for other in (
        Scores(2, 0, 50).own("age"),
        Scores(1 + 2**40, 0, 50).own("age"),
        Scores(1, 0, 50).own("bmi"),
        Scores(1, 0, 50).own("age", 1),
    ):
        assert not np.isin(other, base).any()


@settings(deadline=None)  # the first call compiles
@given(first=st.integers(0, 2**40), n=st.integers(1, 40), cut=st.integers(0, 39))
def test_a_patient_has_the_same_scores_in_any_piece(first, n, cut):
    names, matrix = ("a", "b"), np.array([[1.0, 0.5], [0.5, 1.0]])
    whole = Scores(3, first, n, names, matrix).normal("b")
    at_ = min(cut, n)
    pieces = [Scores(3, f, k, names, matrix).normal("b") for f, k in ((first, at_), (first + at_, n - at_)) if k]
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


@given(st.lists(st.floats(-2, 2), min_size=9, max_size=9))
def test_the_factor_gives_the_matrix_back(values):
    a = np.array(values).reshape(3, 3)
    m = a @ a.T
    low = factor(m)
    assert np.allclose(low @ low.T, m, atol=1e-5 * max(1.0, float(np.abs(m).max())))
    assert np.allclose(np.triu(low, 1), 0.0)


def test_a_semidefinite_correlation_is_one():
    low = factor(np.ones((3, 3)))
    assert np.array_equal(low, [[1, 0, 0], [1, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize("kind", ["normal", "lognormal"])
def test_cut_covariates_stay_inside_and_keep_their_median_when_cut_evenly(kind):
    low, high = (40.0, 160.0) if kind == "normal" else (50.0, 200.0)
    q = Quantity.model_validate({"value": 100.0, "u": 30.0, "unit": "1", "distribution": kind, "low": low, "high": high, "source": "s",
                                 "locator": "l", "verified": False})  # fmt: skip
    x = value_at(q, np.linspace(-6, 6, 4001))
    assert x.min() >= low
    assert x.max() <= high
    assert (np.diff(x) >= 0).all()
    assert x[2000] == pytest.approx(100.0, rel=1e-9)  # the cuts lie evenly about the median


# --- patients --------------------------------------------------------------------------------------------------------


def test_the_same_bits_in_any_chunk(small):
    for chunk in (120, 49, 7):
        assert same(small, at.cohort(SPEC, size=120, seed=3, chunk=chunk)), chunk


def test_the_same_bits_on_any_number_of_threads(small):
    import numba

    before = numba.get_num_threads()
    try:
        for threads in {1, before}:
            numba.set_num_threads(threads)
            assert same(small, at.cohort(SPEC, size=120, seed=3)), threads
    finally:
        numba.set_num_threads(before)


@settings(max_examples=5, deadline=None)
@given(first=st.integers(0, 100), n=st.integers(1, 20))
def test_a_patient_is_the_same_alone_and_in_a_crowd(small, first, n):
    n = min(n, 120 - first)
    spec = load_cohort({**SPEC, "seed": 3})
    found = simulate(spec, first, n)
    for name in layout():
        assert found[name].tobytes() == small[name].values[first : first + n].tobytes(), name


def test_a_larger_cohort_begins_with_the_same_patients(small):
    more = at.cohort(SPEC, size=130, seed=3)
    assert more.data.isel(sample=slice(0, 120)).equals(small.data)


def test_numbers_are_what_they_can_be(small):
    d = small.data
    assert np.isfinite(d["dose"]).all()
    assert (d["dose"] > 0).all()
    assert ((d["excreted"] > 0) & (d["excreted"] < 1)).all()
    assert (d["excreted"].diff("excretion_h") > 0).all()
    assert set(np.unique(d["recist"])) <= {0, 1, 2, 3}
    assert (d["grade"] <= 4).all()
    assert (d["egfr"].isel(function_d=-1) < d["egfr"].isel(function_d=0)).all()
    assert np.allclose(d["egfr"].isel(function_d=0), d["egfr_baseline"], rtol=1e-5)
    assert np.allclose(d["lesion_volume"].isel(cycle=0).sum("lesion"), d["burden"], rtol=1e-5)
    assert np.allclose(d["gfr"], d["egfr_baseline"] * d["body_surface"] / 1.73, rtol=1e-5)
    half = d["effective_half_life"].sel(region=[r for r in d.region.values if r != "red_marrow"])
    assert (half < 160.0).all()  # nothing stays longer than the label lives
    units = {name: d[name].attrs["units"] for name in d}
    assert units["dose"] == "Gy"
    with pytest.raises(ValueError, match="read-only"):
        d["dose"].values[0] = 0.0


def test_first_progression_is_the_first_pd(small):
    recist, days = small["recist"].values, small["recist"]["image_d"].values
    for codes, day in zip(recist, small["progression"].values, strict=True):
        where = np.flatnonzero(codes == 3)
        assert (np.isnan(day) and where.size == 0) or day == pytest.approx(days[where[0]])


def test_best_response_is_that_of_the_tumour_course():
    from alphatwin.biology.tumour import RECIST
    from alphatwin.cohort._simulate import _response

    days = tuple(float(t) for t in range(0, 400, 28))
    generator = np.random.Generator(np.random.Philox(key=5))
    volume = 20.0 * np.exp(np.cumsum(generator.normal(-0.05, 0.4, (300, len(days))), axis=1))
    found = _response([volume], days)
    for codes, best, end in zip(found["recist"], found["best_response"], found["progression"], strict=True):
        expected = [
            c
            for c, t in zip(codes[1:], days[1:], strict=True)
            if (np.isnan(end) or t <= end) and (RECIST[c] != "SD" or t >= 42.0)
        ]
        assert best == (min(expected) if expected else 4)


def test_less_filtration_more_kidney_dose_and_no_receptors_no_tumour_dose():
    base, low = (at.cohort(changed(covariates={"egfr_at_60_y": {"value": v}}), size=40, seed=1) for v in (100.0, 50.0))
    assert (low["dose"].sel(region="kidneys", cycle=1) > base["dose"].sel(region="kidneys", cycle=1)).all()
    none = at.cohort(changed(covariates={"r0_tumour": {"value": 1e-6, "cv": 0.0}}), size=40, seed=1)
    assert float((none["dose"].sel(region="target_1") / base["dose"].sel(region="target_1")).max()) < 0.05


def test_without_amino_acids_every_kidney_gets_more():
    on, off = (
        at.cohort(changed(treatment={"activity": "7.4 GBq", "amino_acids": x}), size=40, seed=1) for x in (True, False)
    )
    assert (off["dose"].sel(region="kidneys", cycle=1) > 1.2 * on["dose"].sel(region="kidneys", cycle=1)).all()


def test_a_covariate_without_spread_is_one_number():
    fixed = at.cohort(
        changed(covariates={"age": {"value": 50.0, "cv": 0.0}, "peptide": {"low": 150.0, "high": 150.0}}),
        size=20,
        seed=1,
    )
    assert np.ptp(fixed["age"].values) == 0.0
    assert np.allclose(fixed["peptide"], 150.0)


def test_an_alpha_emitter_by_body_mass():
    found = at.cohort(
        changed(agent="ac225-dotatate", treatment={"activity": "120 kBq/kg", "cycles": 2}), size=20, seed=1
    )
    assert np.allclose(found["activity"], found["body_mass"] * 0.12e-3, rtol=1e-5)
    assert np.isfinite(found["dose"]).all()
    assert np.allclose(found["marrow_dose"], found["dose"].sel(region="red_marrow"), rtol=1e-6)  # none was measured


def test_population_covariance_sets_spread_and_correlation():
    given_ = {"of": ["r0_liver", "r0_spleen"], "matrix": [[0.04, 0.06], [0.06, 0.25]]}
    spec = load_cohort(changed(covariance=given_))
    names, matrix = spec.correlation_matrix()
    i, j = (names.index(x) for x in given_["of"])
    assert matrix[i, j] == pytest.approx(0.6)
    z = Scores(1, 0, 200_000, names, matrix)
    logs = np.stack([np.log(value_at(spec.quantity(x), z.normal(x))) for x in given_["of"]])
    assert np.cov(logs) == pytest.approx(np.array(given_["matrix"]), abs=4e-3)


@pytest.mark.parametrize(("between", "rho"), [(["r0_kidneys", "r0_tumour"], 0.5), (["perfusion", "r0_tumour"], -0.4)])
def test_a_covariate_of_lesions_has_the_correlation_that_was_given(between, rho):
    """In every lesion: corr(sqrt(r) P + sqrt(1 - r) O, X) = sqrt(r) corr(P, X); 200 000 patients, 5 standard errors."""
    spec = load_cohort(changed(correlations=[{"between": between, "rho": rho}]))
    alike = population(spec.population).between_lesions
    z = Scores(1, 0, 200_000, *spec.correlation_matrix())

    def score(name, lesion):
        return z.lesion(name, lesion, alike[name].value) if name in alike else z.normal(name)

    for lesion in range(2):
        assert np.corrcoef(*(score(name, lesion) for name in between))[0, 1] == pytest.approx(rho, abs=5 / 200_000**0.5)
    two = np.corrcoef(score("r0_tumour", 0), score("r0_tumour", 1))[0, 1]
    assert two == pytest.approx(alike["r0_tumour"].value, abs=5 / 200_000**0.5)
    assert {frozenset(p[:2]): p[2] for p in _pairs(spec)}[frozenset(between)] == rho


def test_lesions_that_differ_cannot_all_go_with_one_covariate():
    with pytest.raises(CaseError, match=r"0\.8 of r0_kidneys with r0_tumour .* at most 0\.707"):
        load_cohort(changed(correlations=[{"between": ["r0_kidneys", "r0_tumour"], "rho": 0.8}]))


# --- summary ---------------------------------------------------------------------------------------------------------


def test_summary_and_answers_are_the_numbers_of_the_patients(small):
    told, said = summary(small), answers(small)
    dose = small.dose_Gy_per_GBq
    assert told["dose_Gy_per_GBq"]["kidneys"]["mean"] == pytest.approx(
        float(dose.sel(region="kidneys").mean("cycle").mean()), rel=1e-4
    )
    assert said["kidneys dose"] == pytest.approx(told["dose_Gy_per_GBq"]["kidneys"]["mean"], rel=1e-4)
    assert sum(told["response"]["three_months_after_percent"].values()) == pytest.approx(100.0)
    worst = small["grade"].max("cycle").sel(count="platelets")
    assert told["blood"]["platelets"]["any_percent"] == pytest.approx(100.0 * float((worst >= 1).mean()))
    assert said["kidney dose with eGFR"] < 0.0
    json.dumps(told, allow_nan=False)


def test_one_patient_and_one_cycle_can_be_summed_up():
    alone = at.cohort(changed(treatment={"activity": "7.4 GBq", "cycles": 1}), size=1, seed=1)
    json.dumps(summary(alone), allow_nan=False)
    assert "tumour uptake per cycle" not in answers(alone)


def test_columns_name_every_number_once(small):
    flat = columns(small.spec)
    sizes = {d: len(v) for d, v in axes(small.spec).items()}
    assert len(flat) == sum(int(np.prod([sizes[d] for d in v.dims], dtype=int)) for v in layout().values())
    assert np.array_equal(small.column("dose.2.kidneys"), small["dose"].sel(cycle=2, region="kidneys").values)
    with pytest.raises(CatalogError, match=r"Did you mean dose\.2\.kidneys"):
        small.column("dose.2.kidney")
    with pytest.raises(CatalogError, match="dose"):
        small["dos"]


# --- specs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "at least 1"),
        ({"size": 2.5}, "whole number"),
        ({"seed": -1}, "at least 0"),
        ({"agent": "lu177-dotatat"}, "Did you mean lu177-dotatate"),
        ({"agent": "ac225-psma-617"}, "binds PSMA"),
        ({"population": "net"}, "There is no population 'net'"),
        ({"treatment": {"activity": 7.4}}, "not text"),
        ({"treatment": {"activity": "7.4"}}, "unit"),
        ({"treatment": {"activity": "7.4 GBq", "interval": "3 days"}}, "7 d to 2 years"),
        ({"treatment": {"activity": "7.4 GBq", "cyclez": 4}}, "Did you mean cycles"),
        ({"covariates": {"egfr": {"value": 80}}}, "Did you mean"),
        ({"covariates": {"age": {"cv": -0.1}}}, "at least 0"),
        ({"covariates": {"age": {"low": 90.0}}}, "covariates.age: .*low"),
        ({"covariates": {"peptide": {"cv": 0.2}}}, "uniform distribution"),
        ({"covariates": {"r0_liver": {"value": -3.0}}}, "above zero"),
        ({"correlations": [{"between": ["r0_liver", "r0_splen"], "rho": 0.5}]}, "correlations.0: .*Did you mean r0_spleen"),
        ({"correlations": [{"between": ["r0_liver", "r0_liver"], "rho": 0.5}]}, "with itself"),
        ({"correlations": [{"between": ["r0_liver", "r0_spleen"], "rho": 1.5}]}, "at most 1"),
        ({"outcome": {"marrow": "measured"}, "agent": "ac225-dotatate"}, "use model"),
        ({"outcome": {"ctcae": "6"}}, "Allowed: 5"),
        ({"cohort": "a/b"}, "cannot name a folder"),
    ],
)  # fmt: skip
def test_a_spec_that_cannot_be_used_is_refused(change, message):
    with pytest.raises(CaseError, match=message):
        load_cohort(changed(**change))


def test_correlations_that_are_none_are_refused_with_their_smallest_eigenvalue():
    pairs = [("r0_liver", "r0_spleen", 0.9), ("r0_spleen", "r0_kidneys", 0.9), ("r0_liver", "r0_kidneys", -0.9)]
    with pytest.raises(CaseError, match=r"correlations: .*smallest eigenvalue is -0\.8.*Look at r0_") as told:
        load_cohort(changed(correlations=[{"between": [a, b], "rho": r} for a, b, r in pairs]))
    smallest = np.linalg.eigvalsh(np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]))[0]
    assert f"{smallest:.3g}" in str(told.value)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.04, 0.09], [0.09, 0.04]], "covariance.matrix: .*smallest eigenvalue is -0.05"),
        ([[0.04, 0.01], [0.02, 0.04]], "not symmetric"),
        ([[0.04, 0.01]], "2 rows of 2"),
        ([[-0.04, 0.0], [0.0, 0.04]], "variance of r0_liver is -0.04"),
    ],
)
def test_what_is_no_covariance_is_refused(matrix, message):
    with pytest.raises(CaseError, match=message):
        load_cohort(changed(covariance={"of": ["r0_liver", "r0_spleen"], "matrix": matrix}))


def test_a_covariance_of_a_uniform_covariate_is_refused():
    with pytest.raises(CaseError, match="uniform distribution"):
        load_cohort(changed(covariance={"of": ["r0_liver", "peptide"], "matrix": [[0.04, 0.0], [0.0, 0.04]]}))


def test_more_activity_than_peptide_is_refused():
    with pytest.raises(DomainError, match="labelled peptide"):
        at.cohort(changed(treatment={"activity": "200 GBq"}), size=5)


@pytest.mark.parametrize(("key", "value"), [("size", 0), ("size", True), ("size", 1.5), ("seed", -1)])
def test_arguments_out_of_range_are_refused(key, value):
    with pytest.raises(DomainError, match=key):
        at.cohort(SPEC, **{key: value})


def test_too_many_for_memory_without_a_folder():
    with pytest.raises(DomainError, match="CohortFolder"):
        at.cohort(SPEC, size=3_000_000)


def test_the_hash_is_of_what_changes_a_patient():
    a = load_cohort(SPEC)
    assert a.sha256() == load_cohort(changed(size=7, title="other")).sha256()
    assert a.sha256() != load_cohort(changed(seed=2)).sha256()
    assert type(a).from_json(a.to_json()) == a
    assert "treatment" in cohort_schema()["properties"]


def test_every_covariate_is_used_and_every_source_known():
    entry, two = population("net-prrt"), {"activity": "7.4 GBq", "cycles": 2}
    base = simulate(load_cohort(changed(treatment=two)), 0, 4)
    for name, q in entry.values.items():
        changes = (
            {"value": 0.9 * q.value}
            if q.distribution != "uniform"
            else {"high": 0.9 * q.high, "value": 0.5 * (q.low + 0.9 * q.high)}
        )
        found = simulate(
            load_cohort(changed(covariates={name: changes}, treatment=two)), 0, 64 if name == "share_female" else 4
        )
        assert any(found[k][:4].tobytes() != base[k].tobytes() for k in base) or name == "share_female", name


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_folder_gives_back_what_was_made(small, tmp_path):
    folder = at.cohort(SPEC, size=120, seed=3, to=CohortFolder(tmp_path / "c", chunk=50))
    assert sorted(p.name for p in (tmp_path / "c" / "patients").iterdir()) == [
        f"part-{i:06d}.parquet" for i in range(3)
    ]
    opened = CohortFolder.open(tmp_path / "c")
    assert opened.complete
    assert opened.size == 120
    assert opened.load().data.equals(small.data)
    assert summary(opened) == summary(folder) == summary(small)
    with pytest.raises(CatalogError, match="Did you mean"):
        opened.column("dose.1.kidney")


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path):
    at.cohort(SPEC, size=100, seed=3, to=CohortFolder(tmp_path / "whole", chunk=20))

    class Stops(CohortFolder):
        def put(self, index, arrays):
            if index == 2:
                raise KeyboardInterrupt
            super().put(index, arrays)

    with pytest.raises(KeyboardInterrupt):
        at.cohort(SPEC, size=100, seed=3, to=Stops(tmp_path / "stopped", chunk=20))
    half = CohortFolder.open(tmp_path / "stopped")
    assert half.done == {0, 1}
    assert not half.complete
    with pytest.raises(OutputError, match="lacks 3 of 5 files"):
        half.column("age")
    (tmp_path / "stopped" / "patients" / ".part-000002.parquet").write_bytes(b"half")  # as a kill leaves it
    told = []
    at.cohort(
        SPEC,
        size=100,
        seed=3,
        to=CohortFolder(tmp_path / "stopped", chunk=20),
        progress=lambda now, of: told.append(now),
    )
    assert told == [40, 60, 80, 100]
    assert contents(tmp_path / "whole") == contents(tmp_path / "stopped")


@pytest.mark.parametrize(
    ("change", "size", "chunk", "message"),
    [
        ({"seed": 4}, 40, 20, "another spec, seed or catalogue"),
        ({"covariates": {"age": {"value": 60.0}}}, 40, 20, "another spec"),
        ({}, 60, 20, r"another number of patients \(40 there, 60 now\)"),
        ({}, 40, 10, "another number of patients per file"),
    ],
)
def test_a_resume_of_something_else_is_refused(tmp_path, change, size, chunk, message):
    at.cohort({**SPEC, "seed": 3}, size=40, to=CohortFolder(tmp_path, chunk=20))
    before = contents(tmp_path)
    with pytest.raises(OutputError, match=message):
        at.cohort({**SPEC, "seed": 3, **change}, size=size, to=CohortFolder(tmp_path, chunk=chunk))
    assert contents(tmp_path) == before


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(OutputError, match="other files"):
        at.cohort(SPEC, size=4, to=CohortFolder(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_full_disk_leaves_whole_files_and_a_way_on(tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    write, calls = pq.write_table, []

    def full(table, where, **options):
        calls.append(where)
        if len(calls) == 2:
            where.write_bytes(b"half a file")
            raise OSError(errno.ENOSPC, "No space left on device")
        write(table, where, **options)

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OutputError, match=r"the disk is full\. 1 of 3 files are whole and kept; make room"):
        at.cohort(SPEC, size=60, seed=3, to=CohortFolder(tmp_path, chunk=20))
    assert sorted(p.name for p in (tmp_path / "patients").iterdir()) == ["part-000000.parquet"]
    monkeypatch.undo()
    assert at.cohort(SPEC, size=60, seed=3, to=CohortFolder(tmp_path, chunk=20)).complete


def test_what_is_no_cohort_cannot_be_opened(tmp_path):
    with pytest.raises(OutputError, match=r"There is no cohort\.json"):
        CohortFolder.open(tmp_path)
    (tmp_path / "cohort.json").write_text("{", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be read"):
        CohortFolder.open(tmp_path)
    (tmp_path / "cohort.json").write_text("{}", encoding="utf-8")
    with pytest.raises(OutputError, match="no manifest"):
        CohortFolder.open(tmp_path)
    with pytest.raises(DomainError, match="chunk"):
        CohortFolder(tmp_path, chunk=0)


def test_a_damaged_file_is_named(tmp_path):
    at.cohort(SPEC, size=20, seed=3, to=CohortFolder(tmp_path, chunk=20))
    (tmp_path / "patients" / "part-000000.parquet").write_bytes(b"not parquet")
    with pytest.raises(OutputError, match=r"part-000000\.parquet cannot be read"):
        CohortFolder.open(tmp_path).column("age")
