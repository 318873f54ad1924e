"""The evidence store: nothing lost, every conflict held, every number traceable, every bad row refused."""

import contextlib
import csv
import io
import json
import pathlib
import re
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alphatwin as at
from alphatwin.errors import AlphatwinError, CatalogError, DomainError, OutputError
from alphatwin.evidence import MixedGrades, Overlap, findings, moves, prisma, schema
from alphatwin.evidence.checks import clopper_pearson, counts_behind, fraction_fits, printed, wilson
from alphatwin.evidence.model import FACTS, RANK, TABLES, last_day
from alphatwin.evidence.reading import content_hash, csv_text, read_folder, read_table

FROZEN = pathlib.Path(__file__).parent / "data" / "evidence-64.csv"
NUMBER = re.compile(r"\d+(?:\.\d+)?")
PLAIN = ("source", "confidence", "study_id", "agent", "radionuclide", "phase", "notes", "criteria", "year")


@pytest.fixture(scope="module")
def store():
    return at.evidence()


def frozen_rows():
    """(extraction id, row) of the 64 rows that must be there: the k-th row of a study is extraction study.k."""
    seen = {}
    for row in csv.DictReader(io.StringIO(FROZEN.read_text(encoding="utf-8"))):
        seen[row["study_id"]] = seen.get(row["study_id"], 0) + 1
        yield f"{row['study_id']}.{seen[row['study_id']]}", row


FROZEN_ROWS = list(frozen_rows())
IDS = [identity for identity, _ in FROZEN_ROWS]


def numbers(text):
    return {float(n) for n in NUMBER.findall(text)}


def facts(store, extraction):
    return [(t, r) for t in FACTS for r in store.rows(t, corrected=True) if r.extraction == extraction]


def said(rows):
    return " ".join(
        json.dumps(r.model_dump(mode="json", exclude={"id", "extraction", "cohort"}), ensure_ascii=False)
        for _, r in rows
    )


# --- nothing lost ----------------------------------------------------------------------------------------------------


def test_the_frozen_copy_is_the_whole():
    assert len(FROZEN_ROWS) == 64
    assert len({row["study_id"] for _, row in FROZEN_ROWS}) == 47


@pytest.mark.parametrize(("identity", "row"), FROZEN_ROWS, ids=IDS)
def test_every_number_of_every_row_is_in_the_store(store, identity, row):
    extraction = store.one("extraction", identity)
    assert extraction.status == row["confidence"]
    there = facts(store, identity)
    structured = numbers(said(there))
    study = store.one("study", extraction.study)
    for column, text in row.items():
        if column in PLAIN or not text:
            continue
        missing = numbers(text.partition("CONFLICT")[0]) - structured
        assert not missing, f"{column} = {text!r}: {missing} is in no fact row"
    everything = structured | numbers(extraction.note) | numbers(" ".join(study.registry_id)) | numbers(study.title)
    source = store.one("source", extraction.source)
    everything |= (
        numbers(source.doi)
        | numbers(source.nct)
        | numbers(source.date or "")
        | numbers(source.citation)
        | numbers(extraction.cited_as)
    )
    missing = numbers(row["notes"]) - everything
    assert not missing, f"notes: {missing} of {row['notes']!r}"
    if row["year"]:
        years = everything | {float(study.year or 0)}
        assert float(row["year"]) in years


@pytest.mark.parametrize(("identity", "row"), [(i, r) for i, r in FROZEN_ROWS if any(r[c] for c in ("CR", "PR", "SD", "PD"))], ids=lambda v: v if isinstance(v, str) else "")  # fmt: skip
def test_response_categories_are_counts_with_denominators(store, identity, row):
    names = {"CR": "complete_response", "PR": "partial_response", "SD": "stable_disease", "PD": "progressive_disease"}
    rows = {
        r.name: r for r in store.rows("outcome", corrected=True) if r.extraction == identity and r.numerator is not None
    }
    for column, name in names.items():
        if row[column]:
            assert (rows[name].numerator, rows[name].denominator) == (int(row[column]), int(row["n_evaluable"]))


@pytest.mark.parametrize(("identity", "row"), FROZEN_ROWS, ids=IDS)
def test_sizes_are_columns_not_notes(store, identity, row):
    sizes = {
        n
        for c in store.rows("cohort")
        if c.extraction == identity
        for n in (c.n_planned, c.n_enrolled, c.n_treated, c.n_evaluable)
    }
    for column in ("n", "n_evaluable"):
        for n in NUMBER.findall(row[column]):
            assert int(n) in sizes


def test_every_agent_of_the_rows_is_an_agent(store):
    known = {a.radionuclide for a in store.rows("agent")}
    for _, row in FROZEN_ROWS:
        for nuclide in row["radionuclide"].split("/"):
            mass, element = re.fullmatch(r"(\d+)([A-Z][a-z]?)", nuclide).groups()
            assert f"{element}-{mass}" in known
    catalogue = set(at.catalog.entries("agent"))
    shared = {a.id for a in store.rows("agent")} & catalogue
    assert {
        "ac225-dotatate",
        "ac225-dotatoc",
        "pb212-dotamtate",
        "pb212-psc-peg2-toc",
        "bi213-dotatoc",
        "at211-mabg",
    } <= shared


def test_every_study_is_a_study_or_a_cohort(store):
    names = (
        {s.id for s in store.rows("study")}
        | {c.id for c in store.rows("cohort")}
        | {e.id.rsplit(".", 1)[0] for e in store.rows("extraction")}
    )
    assert {row["study_id"] for _, row in FROZEN_ROWS} <= names


def test_gaps_are_named_and_point_at_studies(store):
    wanted = ["ballal2023", "yang2024", "action1_part1", "alphamedix02", "vmt_anet_us", "fmu_mabg", "lee_kim2025_meta", "garo2024_meta",
              "chan2016_size", "stallons2019", "miederer2008", "tafreshi2021", "a1m_review2021", "netter1"]  # fmt: skip
    assert set(wanted) <= {g.study for g in store.gaps()}
    assert {g.name for g in store.gaps(agent="at211-mabg")} == {"211At-MABG"}
    assert all(g.wanted for g in store.gaps())


# --- the sixteen conflicts -------------------------------------------------------------------------------------------


def test_all_sixteen_are_there_and_every_row_they_name(store):
    assert [c.number for c in store.conflicts()] == list(range(1, 17))
    for conflict in store.conflicts():
        assert conflict.rule
        for name in conflict.records:
            assert store.record(name) is not None


def found(store, kind):
    return [f for f in findings(store) if f.kind == kind]


def best(store, cohort, outcome="response", **options):
    (row,) = [r for r in store.select(outcome, **options) if r.cohort == cohort]
    return row


def test_1_a_response_rate_called_disease_control_is_found_and_never_used(store):
    (only,) = found(store, "definition")
    assert "outcome:delpassand2022.1.dcr" in only.records
    assert "8/10" in only.text
    assert all(r.cohort != "delpassand2022_rp2d" for r in store.select("control"))
    assert store.corrected["outcome:delpassand2022.1.dcr"]
    row = next(r for r in store.counts("response") if r.extraction == "delpassand2022.1")
    assert (row.events, row.total, row.how) == (8, 10, "counted")


def test_2_a_citation_that_belongs_to_another_study_is_found(store):
    (only,) = found(store, "citation")
    assert only.records == ("extraction:kratochwil2021.1",)
    assert (
        store.one("extraction", "kratochwil2021.1").study == "kratochwil2021"
    )  # identity does not follow the citation
    assert store.one("source", "kratochwil2021").doi == "10.1007/s00259-021-05474-1"


def test_3_activities_are_typed_and_agree_at_85_kg_only(store):
    from alphatwin.evidence._findings import equal_at_kg

    per_kg, fixed = store.record("regimen:action1_part1.1.activity"), store.record("regimen:action1_part1.3.activity")
    assert (per_kg.basis, fixed.basis) == ("per_kg", "fixed")
    assert equal_at_kg(per_kg, fixed) == pytest.approx(85.0)
    assert any("85 kg" in f.text for f in found(store, "basis"))
    capped = store.record("regimen:alphamedix02_naive.2.activity")
    assert (capped.basis, capped.value, capped.cap, capped.cap_unit) == ("per_kg", 2.5, 203.5, "MBq")
    assert store.record("regimen:imhof2011.1.activity").basis == "per_m2"
    assert store.record("regimen:satoreotide_ph1.1.activity").basis == "dosimetry"


def test_4_assessor_and_cut_off_are_keys(store):
    rows = {(r.assessor, r.events) for r in store.select("response", study="alphamedix02_naive", every_record=True)}
    assert rows == {("central", 20), ("investigator", 21), ("unknown", 19)}
    assert best(store, "alphamedix02_naive").events == 20
    assert best(store, "alphamedix02_naive", assessor="investigator").events == 21
    assert best(store, "alphamedix02_naive").cutoff_date == "2025-04-14"


def test_5_the_gap_between_assessors_is_reported(store):
    texts = [f.text for f in found(store, "assessor")]
    assert "alphamedix02_exposed: 5/26 central, 9/26 investigator, +15.4 points" in texts


def test_6_denominators_belong_to_cohorts(store):
    assert best(store, "delpassand2022_rp2d").total == 10
    chosen = store.select("response", agent="pb212-dotamtate")
    assert all(r.cohort != "delpassand2022_all" for r in chosen)
    why = {r.cohort: w for r, w in chosen.left_out}
    assert why["delpassand2022_all"] == "the denominator is not stated"
    assert store.size_of("delpassand2022_all") == 20


def test_7_a_denominator_above_the_cohort_is_found(store):
    (only,) = found(store, "fraction")
    assert only.records == ("outcome:ballal2020.2.assessed",)
    assert not fraction_fits(24, 34, 32)
    assert all(r.cohort != "ballal2020" for r in store.select("assessed"))


def test_8_percentages_come_from_counts(store):
    (only,) = found(store, "percent")
    assert only.text.startswith("63 + 38 = 101 %")
    pr, sd = (store.record(f"outcome:ballal2020.1.{x}") for x in ("pr", "sd"))
    assert 100 * pr.numerator / pr.denominator + 100 * sd.numerator / sd.denominator == 100
    assert best(store, "ballal2020").percent == 62.5


def test_9_prior_therapy_has_a_status_and_a_count(store):
    assert store.prior_share("yadav2022", "exposed") == pytest.approx(7 / 9)
    assert store.prior_share("yadav2022", "progressed") == pytest.approx(3 / 9)
    assert store.prior_share("alphamedix02_naive", "exposed") == 0
    assert store.prior_share("ballal2023", "exposed") is None
    exposed = {r.cohort for r in store.select("response", agent="Ac-225", prior="exposed")}
    assert exposed == {"ballal2020", "demirci2023", "yadav2022"}
    assert {r.cohort for r in store.select("response", agent="Ac-225", prior="exposed", prior_share=1.0)} == {
        "ballal2020"
    }
    assert {r.cohort for r in store.select("control", agent="Ac-225", prior="progressed")} == {
        "demirci2023",
        "yadav2022_failed",
    }
    row = best(store, "yadav2022", agent="Ac-225", prior="exposed")
    assert row.flags == ("prior therapy known from seed only",)


def test_10_an_odd_activity_is_flagged_and_not_corrected(store):
    (only,) = found(store, "activity")
    assert only.records == ("regimen:vmt_anet_india.1.activity",)
    row = store.record("regimen:vmt_anet_india.1.activity")
    assert (row.value, row.unit, row.value_as_printed) == (25.0, "MBq/kg", "25MBq/Kg")


def test_11_planned_and_delivered_are_different_rows(store):
    (only,) = found(store, "delivered")
    plan, given_ = (store.record(r) for r in only.records)
    assert (plan.kind, plan.value, plan.unit) == ("planned", 111, "MBq")
    assert (given_.kind, given_.value, given_.unit) == ("delivered", 2.5, "mCi")


def test_12_an_event_without_its_name_is_refused(store):
    heme, renal = (store.record(f"adverse_event:lee_kim2025_meta.2.{x}") for x in ("heme", "renal"))
    assert (heme.value_as_printed, renal.value_as_printed) == ("2.1%", "3.4%")
    with pytest.raises(DomainError, match="Name the outcome"):
        store.select("toxicity")
    with pytest.raises(CatalogError, match="term"):
        read_table("adverse_event", "id,cohort,extraction,term,group,grade\nx,a,b,,renal,3+\n")


def test_13_overlapping_studies_are_not_pooled_together(tmp_path, store):
    assert store.one("study", "ballal2023").overlaps_with == ("ballal2020",)
    (tmp_path / "outcome.csv").write_text(
        "id,cohort,extraction,name,numerator,denominator,denominator_type\n"
        "made_up,ballal2023,ballal2023.1,objective_response,40,80,evaluable\n", encoding="utf-8")  # fmt: skip
    chosen = at.evidence(tmp_path).select("response", study=["ballal2020", "ballal2023"])
    with pytest.raises(Overlap, match=r"ballal2020 \(ballal2020.1\) and ballal2023 \(ballal2023.1\)"):
        chosen.pool()
    assert chosen.pool(force=True).k == 2
    assert [r.study for r in chosen.without_overlap("largest")] == ["ballal2023"]
    assert [r.study for r in chosen.without_overlap("latest")] == ["ballal2023"]


def test_14_a_view_shows_what_was_known_on_its_day(store):
    early = store.at_day("2025-12-31")
    late = store.claims("superseded")
    assert [c.statement for c in late] == ["ALPHAMEDIX-02 is expected to report early 2025"]
    (then,) = [c for c in early.claims() if c.id == late[0].id]
    assert then.check_status == "unchecked"
    assert all("discontinued" not in c.statement for c in early.claims())
    assert early.release == store.release
    assert early.as_of == "2025-12-31"
    assert all(s.id != "perspective2026filing" for s in early.rows("source"))
    assert len(early.select("response", agent="Pb-212")) < len(store.select("response", agent="Pb-212"))
    assert store.select("response", as_of="2019").as_of == "2019-12-31"


def test_15_a_dose_carries_its_weighting(store):
    assert store.record("dosimetry:singh2024_case.1.dose").weighting == "unknown"
    assert any("3.9 Gy" in f.text for f in found(store, "weighting"))
    head = "id,cohort,extraction,region,quantity,value,unit,weighting\n"
    with pytest.raises(CatalogError, match="weighting"):
        read_table("dosimetry", head + "x,a,b,kidneys,dose,3,Gy,\n")
    with pytest.raises(CatalogError, match="absorbed, rbe_weighted or unknown"):
        read_table("dosimetry", head + "x,a,b,kidneys,dose,3,Gy,not_a_dose\n")


def test_16_the_claim_about_bismuth_is_contradicted_by_the_decay_data(store):
    (claim,) = store.claims("contradicted")
    assert "213Bi" in claim.statement
    progeny = at.nuclide("Bi-213").progeny
    assert progeny["Po-213"] > 0.97  # by beta decay
    assert "Tl-209" in progeny  # by alpha decay
    assert any(f.records == (f"claim:{claim.id}",) for f in found(store, "claim"))


# --- arithmetic ------------------------------------------------------------------------------------------------------


def test_counts_behind_printed_percentages():
    assert counts_behind("57", 35) == (20,)
    assert counts_behind("54.3", 35) == (19,)
    assert counts_behind("60%", 35) == (21,)
    assert counts_behind("19", 26) == (5,)
    assert counts_behind("43.0", 151) == (65,)
    assert counts_behind("90.7", 151) == (137,)
    assert counts_behind("13", 600) == tuple(range(75, 82))
    assert counts_behind("8.4", 60) == ()
    assert counts_behind("0", 10) == (0,)
    assert counts_behind("100", 10) == (10,)
    assert counts_behind("62.5", 8) == (5,)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.integers(0, 3))
def test_the_true_count_is_always_behind_its_percentage(counts, digits):
    k, n = counts
    text = f"{100 * k / n:.{digits}f}"
    behind = counts_behind(text, n)
    assert k in behind
    slow = tuple(j for j in range(n + 1) if abs(100 * j / n - float(text)) <= 0.5 * 10.0**-digits + 1e-9)
    assert behind == slow


@pytest.mark.parametrize(("percent", "total"), [("-1", 10), ("101", 10), ("x", 10), ("nan", 10), ("50", 0), ("50", -3), ("50", 2.5), ("50", True)])  # fmt: skip
def test_impossible_percentages_are_refused(percent, total):
    with pytest.raises(DomainError):
        counts_behind(percent, total)


@pytest.mark.parametrize("n", [1, 10, 54, 1000])
def test_the_exact_limit_of_none_of_n_has_a_closed_form(n):
    assert clopper_pearson(0, n) == (0.0, pytest.approx(1 - 0.025 ** (1 / n), rel=1e-12))
    assert clopper_pearson(n, n) == (pytest.approx(0.025 ** (1 / n), rel=1e-12), 1.0)


def test_intervals_against_published_values():
    # Newcombe, Stat Med 17 (1998) 857, table I: 81/263, 15/148, 0/20, 1/29
    for (k, n), (score, exact) in {
        (81, 263): ((0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148): ((0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20): ((0.0, 0.1611), (0.0, 0.1684)),
        (1, 29): ((0.0061, 0.1718), (0.0009, 0.1776)),
    }.items():
        assert wilson(k, n) == pytest.approx(score, abs=5e-5)
        assert clopper_pearson(k, n) == pytest.approx(exact, abs=5e-5)


@settings(deadline=None)  # the first call imports scipy
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_exact_limits_hold_their_tails(counts):
    from scipy.stats import binom

    k, n = counts
    low, high = clopper_pearson(k, n)
    assert low <= k / n <= high
    if k > 0:
        assert binom.sf(k - 1, n, low) == pytest.approx(0.025, rel=1e-6)
    if k < n:
        assert binom.cdf(k, n, high) == pytest.approx(0.025, rel=1e-6)
    mirrored = wilson(n - k, n)
    assert wilson(k, n) == pytest.approx((1 - mirrored[1], 1 - mirrored[0]), abs=1e-12)


def test_cells_as_printed_are_read():
    assert printed("63% (15/24)") == printed("63 % 15/24")
    assert (printed("G3/4").events, printed("2.5/3.5").events) == (None, None)
    assert printed("43.0% vs 9.3%").percent == "43.0"


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (1.5, 3), (True, 3), (1, 0)])
def test_impossible_counts_are_refused(k, n):
    for interval in (wilson, clopper_pearson):
        with pytest.raises(DomainError):
            interval(k, n)


# --- selection -------------------------------------------------------------------------------------------------------


def test_the_counts_that_can_be_trusted(store):
    want = {"kratochwil2014": (4, 8), "delpassand2022_rp2d": (8, 10), "alphamedix02_naive": (20, 35), "alphamedix02_exposed": (5, 26),
            "ballal2020": (15, 24), "yadav2022": (4, 8), "demirci2023": (4, 9), "vmt_anet_india": (8, 11), "vmt_anet_us": (1, 9),
            "vmt_anet_us_cohort2": (10, 23)}  # fmt: skip
    assert {r.cohort: (r.events, r.total) for r in store.select("response", agent="alpha")} == want
    dcr = {r.cohort: (r.events, r.total) for r in store.select("control", agent="alpha")}
    assert {k: dcr[k] for k in ("ballal2020", "yadav2022", "demirci2023", "vmt_anet_us")} == {
        "ballal2020": (24, 24), "yadav2022": (7, 8), "demirci2023": (8, 9), "vmt_anet_us": (8, 9)}  # fmt: skip
    assert best(store, "vmt_anet_india", denominator="treated").total == 12
    assert "kratochwil2014" not in dcr  # SD is not given


def test_disease_control_needs_stable_disease(store):
    rows = [r for r in store.counts("control") if r.study == "kratochwil2014"]
    assert all(r.events is None for r in rows)


@pytest.mark.parametrize("outcome", ["response", "control", "blood", "kidney"])
def test_nothing_second_hand_enters_a_full_text_analysis(store, outcome):
    chosen = store.select(outcome, confidence="full_text")
    assert len(chosen) == 0  # nobody has read a full text yet
    with pytest.raises(DomainError, match="No row answers"):
        chosen.pool()
    assert {r.status for r in store.select(outcome, confidence="abstract", agent=None)} <= {"abstract", "full_text"}


def test_a_full_text_row_of_a_user_is_the_only_one_in_a_full_text_analysis(tmp_path, store):
    write(tmp_path, extraction=["own.1,demirci2023,demirci2023,table 2,full_text,A. Reader,2026-11-30"],
          cohort=["demirci2023,own.1,demirci2023,ac225-dotatate,all patients,11,9"],
          outcome=["own.orr,demirci2023,own.1,objective_response,4,9,evaluable"])  # fmt: skip
    mine = at.evidence(tmp_path)
    rows = mine.select("response", confidence="full_text").rows
    assert [(r.cohort, r.status, r.events) for r in rows] == [("demirci2023", "full_text", 4)]
    assert best(mine, "demirci2023").extraction == "own.1"
    assert mine.release != store.release
    assert mine.as_of == "2026-11-30"


HEADS = {
    "extraction": "id,study,source,locator,status,by,date",
    "cohort": "id,extraction,study,agent,label,n_treated,n_evaluable",
    "outcome": "id,cohort,extraction,name,numerator,denominator,denominator_type",
    "adverse_event": "id,cohort,extraction,term,group,grade,whole_group,numerator,denominator,denominator_type,ctcae_version",
    "correction": "id,record,reason,by,date",
    "source": "id,kind,citation,date,found_by,decision",
}


def write(folder, **tables):
    for table, rows in tables.items():
        (folder / f"{table}.csv").write_text("\n".join([HEADS[table], *rows]) + "\n", encoding="utf-8")


def test_every_number_of_a_forest_plot_links_to_its_row(store):
    for outcome in ("response", "control", "blood", "kidney"):
        chosen = store.select(outcome, agent="alpha").without_overlap()
        pooled = chosen.pool()
        assert len(pooled.rows) == len(chosen)
        for line, row in zip(pooled.rows, chosen, strict=True):
            assert (line.label, line.events, line.total, line.id, line.url) == (
                row.text,
                row.events,
                row.total,
                row.id,
                row.url,
            )
            assert row.citation
            assert row.locator
            assert row.status in RANK
            assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", row.date)
            for name in row.records:
                assert store.record(name).extraction == row.extraction


def test_meta_analyses_and_controls_stay_out_unless_asked(store):
    assert {r.study for r in store.select("response", role="control")} == {"netter2"}
    chosen = store.select("response", agent="alpha")
    assert "lee_kim2025_meta" in {r.study for r, _ in chosen.left_out}
    row = next(r for r in store.counts("blood") if r.extraction == "lee_kim2025_meta.2")
    assert row.events is None  # a pooled percentage is no count
    assert row.why_not == "a pooled estimate, not a count"


def test_grades_of_different_versions_are_not_pooled(tmp_path):
    write(tmp_path, extraction=["own.1,yang2024,yang2024,table 2,full_text,A. Reader,2026-11-30"],
          cohort=["yang2024,own.1,yang2024,ac225-dotatate,all patients,20,20"],
          adverse_event=["own.heme,yang2024,own.1,haematological toxicity,hematologic,3+,yes,1,20,treated,6"])  # fmt: skip
    chosen = at.evidence(tmp_path).select("blood", agent="Ac-225", confidence="abstract")
    assert "mixed CTCAE versions: 5, 6" in chosen.flags
    with pytest.raises(MixedGrades, match="demirci2023 CTCAE 5; yang2024 CTCAE 6"):
        chosen.pool()
    assert chosen.pool(force=True).k == 2


def test_unknown_ctcae_versions_are_flagged(store):
    flags = store.select("kidney", agent="alpha").flags
    assert "ballal2020: CTCAE version unknown" in flags
    assert "mixed CTCAE versions: 5, unknown" in flags


def test_kidney_failure_is_not_grade_three_or_worse(store):
    worse = {r.cohort: (r.events, r.total, r.flags) for r in store.select("kidney", agent="alpha", grade="4+")}
    assert worse["kratochwil2021"][:2] == (2, 39)
    assert worse["ballal2020"][:2] == (0, 24)  # none of grade 3 or worse: none of grade 4 or worse
    assert "no event of grade 3+" in worse["ballal2020"][2]
    why = {r.cohort: w for r, w in store.select("kidney", agent="alpha").left_out}
    assert why["kratochwil2021"] == "grade 4-5 is printed, 3+ is asked"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"outcome": "resp0nse"}, "Did you mean response"),
        ({"outcome": ""}, "Name the outcome"),
        ({"outcome": "pfs"}, "time to event"),
        ({"agent": "Ac225"}, "Did you mean Ac-225"),
        ({"agent": ""}, "agent"),
        ({"prior": "pretreated"}, "Known: naive, exposed"),
        ({"prior_share": 0}, "above 0"),
        ({"prior_share": float("nan")}, "above 0"),
        ({"assessor": "local"}, "Known: central"),
        ({"confidence": "high"}, "Known: seed"),
        ({"denominator": "itt"}, "Known: evaluable"),
        ({"study": "balal2020"}, "Did you mean ballal2020"),
        ({"leave_out": ["nobody"]}, "study or cohort"),
        ({"as_of": "last week"}, "not a day"),
        ({"as_of": "2025-02-30"}, "not a day"),
        ({"grade": "2"}, "Known: 3+"),
    ],
)
def test_questions_that_cannot_be_answered_say_why(store, arguments, told):
    with pytest.raises(AlphatwinError, match=re.escape(told)):
        store.select(**{"outcome": "response", **arguments})


# --- what moves the answer -------------------------------------------------------------------------------------------


def test_what_moves_the_answer(store):
    answer = moves(store.select("response", agent="alpha"))
    labels = {v.label: v for v in answer.moves.variations}
    assert {"abstract or closer", "over all treated", "investigator's reading", "no reconstructed counts", "overlap: all rows, patients twice"} <= set(labels)  # fmt: skip
    assert answer.empty == ("full text only",)
    assert answer.moves.base.k == 9
    assert labels["abstract or closer"].pooled.k == 4
    shifts = [abs(v.shift) for v in answer.moves.variations]
    assert shifts == sorted(shifts, reverse=True)
    treated = store.select("response", agent="alpha", denominator="treated").without_overlap()
    assert labels["over all treated"].estimate == pytest.approx(treated.pool().estimate)


def test_one_row_gives_its_own_interval(store):
    answer = moves(store.select("response", study="demirci2023"))
    assert answer.moves.base.ci == pytest.approx(clopper_pearson(4, 9))


# --- tables, hash, schema --------------------------------------------------------------------------------------------


def test_tables_come_back_from_their_own_csv(store, tmp_path):
    for table, text in store.csv().items():
        assert read_table(table, text) == store.tables[table]
        (tmp_path / f"{table}.csv").write_text(text, encoding="utf-8")
    assert content_hash(read_folder(tmp_path)) == store.release


def test_the_release_does_not_depend_on_order_but_on_every_cell(store):
    turned = {table: tuple(reversed(rows)) for table, rows in store.tables.items()}
    assert content_hash(turned) == store.release
    first, *rest = store.tables["outcome"]
    changed = first.model_copy(update={"note": first.note + "x"})
    assert content_hash({**store.tables, "outcome": (changed, *rest)}) != store.release
    assert store.release[:12] in store.stamp
    assert store.as_of in store.stamp


def test_frames_have_typed_columns(store):
    data = store.table("outcome")
    assert list(data.columns) == list(TABLES["outcome"].model_fields)
    assert str(data["numerator"].dtype) == "Int64"
    assert str(data["value"].dtype) == "Float64"
    assert data["numerator"].isna().any()
    assert len(store.table("outcome", corrected=False)) == len(data) - 2
    with pytest.raises(CatalogError, match="Did you mean outcome"):
        store.table("outcomes")


def test_schema_names_every_table_and_column():
    made = schema()
    assert set(made["properties"]) == set(TABLES)
    assert made["$schema"].endswith("2020-12/schema")
    for table, model in TABLES.items():
        assert set(made["$defs"][table]["properties"]) == set(model.model_fields)
        assert made["$defs"][table]["additionalProperties"] is False


def test_rows_are_frozen(store):
    with pytest.raises(ValueError, match="frozen"):
        store.rows("outcome")[0].numerator = 3
    with pytest.raises(TypeError):
        store.tables["outcome"] = ()
    with pytest.raises(AttributeError):
        store.release = "x"


def test_dates_stand_for_their_last_day():
    assert [last_day(d) for d in ("2024", "2024-02", "2023-02", "2025-10-08")] == [
        "2024-12-31",
        "2024-02-29",
        "2023-02-28",
        "2025-10-08",
    ]


def test_a_store_on_its_first_day_is_empty_but_whole(store):
    none = store.at_day("1900")
    assert len(none.rows("outcome")) == 0
    assert len(none.select("response")) == 0
    assert none.conflicts() == ()
    assert prisma(none).reports == 0


# --- SQL and Parquet -------------------------------------------------------------------------------------------------


def test_sql_over_the_tables(store):
    got = store.query(
        "SELECT cohort, events, total, percent FROM counts WHERE extraction = 'ballal2020.1' AND outcome = 'objective_response'"
    )
    assert got.to_dict("records") == [{"cohort": "ballal2020", "events": 15, "total": 24, "percent": 62.5}]
    assert set(store.query("SHOW TABLES")["name"]) == {*TABLES, "counts"}
    joined = store.query(
        "SELECT s.design, count(*) AS n FROM study s JOIN extraction e ON e.study = s.id GROUP BY 1 ORDER BY n DESC"
    )
    assert joined["n"].sum() == len([e for e in store.rows("extraction") if e.study])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('pyproject.toml')", "SELECT * FROM 'README.md'", "FROM glob('*')", "SELECT * FROM read_text('LICENSE')",
        "COPY agent TO 'stolen.csv'", "ATTACH 'other.db'", "INSTALL httpfs", "LOAD httpfs", "SET enable_external_access=true",
        "DROP TABLE agent", "DELETE FROM agent", "INSERT INTO gap SELECT * FROM gap", "UPDATE agent SET name = 'x'", "CREATE TABLE t AS SELECT 1",
        "SELECT 1; SELECT 2", "SELECT 1; COPY agent TO 'x.csv'", "EXPORT DATABASE 'x'", "SELECT * FROM frames", "SELECT nothing FROM agent",
        "selec", "", "   ", "SELECT 1 -- " + "x" * 30_000, "CALL pragma_version()",
    ],
)  # fmt: skip
def test_sql_cannot_reach_beyond_the_tables(store, sql, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DomainError):
        store.query(sql)
    assert list(tmp_path.iterdir()) == []


def test_a_question_without_an_end_is_stopped(store, monkeypatch):
    from alphatwin.evidence import query as asking

    monkeypatch.setattr(asking, "MAX_SECONDS", 0.2)
    with pytest.raises(DomainError, match=r"longer than 0\.2 s"):
        store.query("SELECT sum(a.range * b.range) FROM range(1000000) a, range(3000000) b")


def test_sql_answers_are_not_cut_silently(store):
    with pytest.raises(DomainError, match="more than"):
        store.query("SELECT * FROM range(1000000)")


def test_without_duckdb_the_extra_is_named(store, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(DomainError, match=r"alphatwin\[evidence\]"):
        store.query("SELECT 1")


def test_parquet_files_are_written_whole_and_read_back(store, tmp_path):
    import duckdb

    from alphatwin.report import write_parquet

    folder = write_parquet(tmp_path / "tables", store)
    assert {p.stem for p in folder.iterdir()} == {*TABLES, "counts"}
    again = duckdb.sql(f"SELECT numerator FROM '{folder / 'outcome.parquet'}' WHERE id = 'ballal2020.1.pr'").fetchall()
    assert again == [(15,)]
    for table, rows in store.tables.items():
        assert duckdb.sql(f"SELECT count(*) FROM '{folder / f'{table}.parquet'}'").fetchall() == [(len(rows),)]
    keys = dict(duckdb.sql(f"SELECT key, value FROM parquet_kv_metadata('{folder / 'agent.parquet'}')").fetchall())
    assert keys[b"release"].decode() == store.release
    write_parquet(folder, store)  # over the old ones
    assert [p.name for p in tmp_path.iterdir()] == ["tables"]
    with pytest.raises(OutputError, match="is a file"):
        write_parquet(folder / "agent.parquet", store)
    with pytest.raises(OutputError):
        write_parquet(folder / "agent.parquet" / "below", store)
    assert {p.name for p in folder.iterdir()} == {*(f"{t}.parquet" for t in TABLES), "counts.parquet"}


def test_a_table_that_cannot_be_made_leaves_the_old_parquet_files(store, tmp_path, monkeypatch):
    from alphatwin.evidence import query
    from alphatwin.report import write_parquet

    folder = write_parquet(tmp_path / "tables", store)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    real = query.parquet_makers

    def full(_file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(query, "parquet_makers", lambda s: {**real(s), "gap.parquet": full})
    with pytest.raises(OutputError, match="could not be written"):
        write_parquet(folder, store)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["tables"]


def test_a_typed_rate_that_is_not_the_sum_of_its_categories_is_found(tmp_path):
    head = "id,cohort,extraction,name,numerator,denominator,denominator_type\n"
    for typed, text in ((5, "5/9 is given; its categories add up to 4/9"), (4, "")):
        row = f"mine,demirci2023,demirci2023.2,objective_response,{typed},9,evaluable\n"
        (tmp_path / "outcome.csv").write_text(head + row, encoding="utf-8")
        mine = [f.text for f in findings(at.evidence(tmp_path)) if "outcome:mine" in f.records and f.kind == "printed"]
        assert mine == [text] * bool(text)


def test_a_report_names_the_source_of_what_it_shows():
    from alphatwin.report import agent_evidence

    lines = {(line.study, line.label): line for line in agent_evidence("ac225-dotatate").lines}
    part = lines["action1_part1", "part 1"]
    assert part.response.startswith("29% confirmed")
    assert part.status == "second-hand"
    assert part.citation.startswith("OncologyPipeline")  # where the 29 % stand, not the design abstract
    yadav = lines["yadav2022", "all patients"]
    assert "Eur J Nucl Med" in yadav.citation  # the response
    assert "Brain Medicine" in yadav.citation  # the toxicity


def test_the_source_row_of_every_line_stands_in_the_drawn_forest(store):
    from alphatwin.evidence.forest import forest_pdf

    chosen = store.select("response", agent="alpha").without_overlap()
    drawn = forest_pdf(chosen.pool(), chosen.links, kind="svg").decode()
    comments = " ".join(part.split("-->")[0] for part in drawn.split("<!--")[1:])
    assert all(link["id"] in comments for link in chosen.links)


def test_a_gap_is_of_a_study_that_was_known(store):
    assert "yang2024_n" not in {g.id for g in store.at_day("2020").gaps()}
    assert {g.id for g in store.at_day("2026-11-22").gaps()} == {g.id for g in store.gaps()}


@pytest.mark.parametrize("sql", ["WITH x AS (DELETE FROM agent RETURNING *) SELECT * FROM x",
                                 "EXPLAIN ANALYZE INSERT INTO agent SELECT * FROM agent"])  # fmt: skip
def test_a_write_inside_a_question_is_refused(store, sql):
    with pytest.raises(DomainError, match="read-only"):
        store.query(sql)


def test_an_answer_of_many_megabytes_is_refused(store, monkeypatch):
    from alphatwin.evidence import query

    monkeypatch.setattr(query, "MAX_BYTES", 1_000_000)
    with pytest.raises(DomainError, match="Ask for less"):
        store.query("SELECT repeat('x', 3000000) AS long")


def test_a_function_that_hears_no_interrupt_is_left_behind(store, monkeypatch):
    from alphatwin.evidence import query

    monkeypatch.setattr(query, "MAX_SECONDS", 0.2)
    monkeypatch.setattr(query, "GRACE_SECONDS", 0.1)
    with pytest.raises(DomainError, match="was stopped"):
        store.query("SELECT levenshtein(repeat('a', 30000), repeat('b', 30000))")
    for thread in threading.enumerate():
        if thread.name == "question":
            thread.join(60)


# --- a folder of one's own -------------------------------------------------------------------------------------------


def test_a_correction_takes_a_row_out_without_changing_it(tmp_path, store):
    write(tmp_path, correction=["mine,outcome:demirci2023.2.pr,misread,A. Reader,2026-11-30"])
    mine = at.evidence(tmp_path)
    assert mine.record("outcome:demirci2023.2.pr").numerator == 4
    assert all(r.extraction != "demirci2023.2" for r in mine.select("response"))
    assert mine.corrected["outcome:demirci2023.2.pr"] == "misread"


@pytest.mark.parametrize(
    ("table", "text", "told"),
    [
        (
            "outcome",
            HEADS["outcome"] + "\nx,demirci2023,demirci2023.2,objective_response,12,9,evaluable\n",
            "line 2 (x)",
        ),
        (
            "outcome",
            HEADS["outcome"] + "\nx,demirci2023,demirci2023.2,objective_response,1,0,evaluable\n",
            "above the denominator 0",
        ),
        ("outcome", HEADS["outcome"] + "\nx,demirci2023,demirci2023.2,objective_response,,0,evaluable\n", "zero"),
        (
            "outcome",
            HEADS["outcome"] + "\nx,demirci2023,demirci2023.2,objective_response,-1,9,evaluable\n",
            "numerator",
        ),
        (
            "outcome",
            HEADS["outcome"] + "\nx,demirci2023,demirci2023.2,objective_response,1e400,9,evaluable\n",
            "numerator",
        ),
        ("outcome", HEADS["outcome"] + "\nx,demirci2023,demirci2023.2,,4,9,evaluable\n", "name"),
        (
            "outcome",
            HEADS["outcome"] + "\nx,demirci2023,demirci2023.2,objective_response,4\n",
            "5 cells under 7 columns",
        ),
        (
            "outcome",
            HEADS["outcome"] + "\ndemirci2023.2.pr,demirci2023,demirci2023.2,objective_response,4,9,evaluable\n",
            "stands twice",
        ),
        (
            "outcome",
            HEADS["outcome"] + "\nx,demirci2023,demirci2023.2,partial_response,5,9,evaluable\n",
            "the same record",
        ),
        (
            "outcome",
            HEADS["outcome"] + "\nx,demirci2032,demirci2023.2,assessed,4,9,evaluable\n",
            "Did you mean demirci2023",
        ),
        (
            "outcome",
            HEADS["outcome"] + "\nx,demirci2023,ballal2020.1,assessed,4,9,evaluable\n",
            "does not describe the cohort",
        ),
        ("outcome", "id,cohort,extraction,name,numerat0r\n", "Did you mean numerator"),
        ("outcome", "id,id,cohort,extraction,name\n", "2 times"),
        ("outcome", "id,cohort\n", "lacks the columns extraction, name"),
        ("outcome", "", "is empty"),
        ("outcome", 'id,cohort,extraction,name\n"x,y\n', "not a readable CSV"),
        ("outcome", "id,cohort,extraction,name\nx\0,a,b,c\n", "zero byte"),
        (
            "outcome",
            "id,cohort,extraction,name,note\nx,demirci2023,demirci2023.2,assessed," + "y" * 20_000 + "\n",
            "characters",
        ),
        ("outcomes", "id\n", "Did you mean outcome"),
        (
            "correction",
            HEADS["correction"] + "\nx,outcome:nothing,wrong,me,2026-11-30\n",
            "there is no row outcome:nothing",
        ),
        ("correction", HEADS["correction"] + "\nx,outcome,wrong,me,2026-11-30\n", "record"),
        ("extraction", HEADS["extraction"] + "\nx,demirci2023,demirci2023,table 1,full_text,me,yesterday\n", "date"),
        ("extraction", HEADS["extraction"] + "\nx,demirci2023,demirci2023,,full_text,me,2026-11-30\n", "locator"),
        (
            "cohort",
            HEADS["cohort"] + "\nx,demirci2023.2,demirci2023,ac225-dotatate,some,5,9\n",
            "n_evaluable <= n_treated",
        ),
        ("source", HEADS["source"] + "\nx,journal,A paper,2024,database,excluded\n", "no reason"),
        ("source", HEADS["source"].replace("date", "doi") + "\nx,journal,A paper,not-a-doi,database,pending\n", "doi"),
    ],
)
def test_bad_rows_are_refused_with_their_place(tmp_path, table, text, told):
    (tmp_path / f"{table}.csv").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError) as refused:
        at.evidence(tmp_path)
    assert told in str(refused.value)
    assert table in str(refused.value)
    assert len(str(refused.value)) < 1500


def test_regimens_are_typed_or_refused():
    head = "id,cohort,extraction,kind,basis,value,unit\n"
    for row, told in (("x,a,b,planned,per_kg,3,MBq", "per_kg"), ("x,a,b,planned,fixed,3,MBq/kg", "fixed"), ("x,a,b,planned,fixed,3,", "no unit"),
                      ("x,a,b,planned,fixed,0,MBq", "greater than 0"), ("x,a,b,planned,fixed,3,Bq", "unit")):  # fmt: skip
        with pytest.raises(CatalogError, match=re.escape(told)):
            read_table("regimen", head + row + "\n")


def test_odd_but_honest_csv_is_read(tmp_path):
    text = (
        "\ufeff"
        + HEADS["source"]
        + '\r\n\r\nx,journal,"A paper, with ""quotes"" and a\nline",2024,database,pending\r\n , , \r\n'
    )
    (tmp_path / "source.csv").write_bytes(text.replace(" , , \r\n", "").encode("utf-8"))
    (tmp_path / "notes.txt").write_text("not a table", encoding="utf-8")
    assert 'with "quotes"' in at.evidence(tmp_path).one("source", "x").citation
    (tmp_path / "source.csv").write_bytes("id,kind,citation\nx,journal,Gr\xfcn\n".encode("latin-1"))
    with pytest.raises(CatalogError, match="UTF-8"):
        at.evidence(tmp_path)


def test_a_folder_that_is_not_one_is_refused(tmp_path):
    with pytest.raises(CatalogError, match="no folder"):
        at.evidence(tmp_path / "nowhere")
    with pytest.raises(CatalogError, match="holds no CSV"):
        at.evidence(tmp_path)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_in_words(text):
    with contextlib.suppress(CatalogError):
        assert isinstance(read_table("gap", text), tuple)


def test_csv_text_is_stable(store):
    assert csv_text("gap", store.tables["gap"]) == at.catalog.evidence_tables()["gap"]
    for table, text in store.csv().items():
        shipped = at.catalog.evidence_tables()[table]
        assert text.splitlines()[0] == shipped.splitlines()[0]


def test_the_module_and_the_function_are_both_callable():
    import alphatwin.evidence

    assert alphatwin.evidence().release == at.evidence().release


def test_parts_of_a_selection_are_the_whole(store):
    chosen = store.select("response", agent="alpha")
    for what in ("agent", "radionuclide", "prior", "assessor", "status", "study"):
        parts = chosen.by(what)
        assert sum(len(p) for p in parts.values()) == len(chosen)
        assert sum(sum(p.events) for p in parts.values()) == sum(chosen.events)
    with pytest.raises(CatalogError, match="Known: agent"):
        chosen.by("colour")


def test_the_page_counts_what_the_store_holds(store):
    text = (pathlib.Path(__file__).parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")
    sizes = [len(store.rows(t)) for t in ("study", "source", "extraction")]
    assert "{} studies, {} sources, {} readings".format(*sizes) in " ".join(text.split())
    answer = moves(store.select("response", agent="alpha"))
    by_label = {v.label: v.estimate for v in answer.moves.variations}
    said = (
        answer.moves.base.estimate,
        by_label["abstract or closer"],
        by_label["alphamedix02_exposed"],
        by_label["over all treated"],
    )
    assert [round(100 * v) for v in said] == [52, 63, 57, 48]
    kidney = store.select("kidney", agent="alpha").pool()
    assert (kidney.data.events, sum(kidney.data.totals), round(100 * kidney.ci[1], 1)) == ((0,) * 6, 75, 4.8)


def test_without_reconstructed_counts_a_counted_record_takes_the_place(store):
    plain = {r.cohort: r for r in store.select("response", agent="alpha")}
    strict = {r.cohort: r for r in store.select("response", agent="alpha", reconstructed=False)}
    assert (plain["delpassand2022_rp2d"].extraction, plain["delpassand2022_rp2d"].how) == (
        "delpassand2022.2",
        "reconstructed",
    )
    assert (strict["delpassand2022_rp2d"].extraction, strict["delpassand2022_rp2d"].how) == (
        "delpassand2022.1",
        "counted",
    )
    assert set(plain) - set(strict) == {"alphamedix02_naive", "alphamedix02_exposed"}
