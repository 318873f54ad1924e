"""The loader refuses a number without unit, source or place; the bibliography is read whole or not at all."""

import copy

import pytest
from ruamel.yaml import YAML

from alphatwin import catalog
from alphatwin.catalog import bibliography, cited_in, load_entry
from alphatwin.catalog.model import Agent, DaughterFate, Quantity
from alphatwin.errors import CatalogError

QUANTITY = {"value": 2.6, "unit": "Gy", "u": 0.4, "source": "mird20", "locator": "table 1", "verified": True}
FILES = [
    (kind, model, file)
    for kind, (folder, model) in catalog.KINDS.items()
    for file in sorted(catalog.path(folder).glob("*.yaml"))
]
BOOK = "@article{%s, author={A. Lee}, title={On x}, journal={J}, year={1999}}\n"


def read(file):
    return YAML(typ="safe").load(file.read_text(encoding="utf-8"))


def cited_below(data, place=()):
    """Places of every cited mapping in plain data."""
    if isinstance(data, dict):
        if "locator" in data:
            yield place
        for key, value in data.items():
            yield from cited_below(value, (*place, key))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from cited_below(value, (*place, i))


def at(data, place):
    for step in place:
        data = data[step]
    return data


def test_a_good_quantity_loads():
    assert load_entry(QUANTITY, Quantity, "here").value == 2.6


@pytest.mark.parametrize("key", ["value", "unit", "source", "locator", "verified"])
def test_a_quantity_that_lacks_a_key_is_refused(key):
    bad = {k: v for k, v in QUANTITY.items() if k != key}
    with pytest.raises(CatalogError, match=rf"here is refused: {key}"):
        load_entry(bad, Quantity, "here")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"unit": ""}, "unit"),
        ({"unit": "   "}, "unit"),
        ({"source": ""}, "source"),
        ({"locator": ""}, "locator"),
        ({"value": float("nan")}, "value"),
        ({"value": float("inf")}, "value"),
        ({"value": "many"}, "value"),
        ({"u": -1}, "u"),
        ({"uu": 1}, "uu"),
        ({"distribution": "uniform"}, "needs low and high"),
        ({"low": 3, "high": 4}, "outside low"),
        ({"value": -1}, "lognormal"),
        ({"source": "mird99"}, r"'mird99' is not in sources\.bib\. Did you mean mird2"),
    ],
)
def test_a_quantity_that_breaks_a_rule_is_refused(change, told):
    with pytest.raises(CatalogError, match=told):
        load_entry({**QUANTITY, **change}, Quantity, "here")


@pytest.mark.parametrize(
    ("kind", "model", "file"), FILES, ids=lambda value: value.stem if hasattr(value, "stem") else ""
)
def test_no_number_of_any_entry_can_lose_its_unit_source_or_place(kind, model, file):
    data = read(file)
    places = list(cited_below(data))
    assert places or (kind in ("agent", "modifier") and data["sources"]), "an entry may have gaps, never nothing"
    for place in places[:: max(1, len(places) // 6)]:
        for key in ("unit", "source", "locator", "verified"):
            if key in at(data, place):
                bad = copy.deepcopy(data)
                del at(bad, place)[key]
                with pytest.raises(CatalogError, match=rf"{file.name}.*{key}"):
                    load_entry(bad, model, file.name)
        bad = copy.deepcopy(data)
        at(bad, place)["source"] = "nobody1900"
        with pytest.raises(CatalogError, match="nobody1900"):
            load_entry(bad, model, file.name)


@pytest.mark.parametrize("key", ["sources", "chelator_source"])
def test_bare_sources_of_an_agent_are_checked(key):
    data = read(catalog.path("agents", "ac225-dotatate.yaml"))
    data[key] = ["icrp107", "nobody1900"] if key == "sources" else "nobody1900"
    place = "sources.1" if key == "sources" else "chelator_source"
    with pytest.raises(CatalogError, match=rf"{place}: source 'nobody1900'"):
        load_entry(data, Agent, "ac225-dotatate.yaml")


def test_bare_source_of_a_fate_is_checked():
    data = read(catalog.path("daughters", "fates", "bi213.yaml"))
    data["site_source"] = "nobody1900"
    with pytest.raises(CatalogError, match="site_source: source 'nobody1900'"):
        load_entry(data, DaughterFate, "bi213.yaml")


def test_an_entry_must_be_called_like_its_file(tmp_path, monkeypatch):
    for name, text in (("a.yaml", "id: b"), ("broken.yaml", "id: [")):
        folder = tmp_path / name.removesuffix(".yaml")
        folder.mkdir()
        data = catalog.path("media", "water.yaml").read_text() if text == "id: b" else text
        (folder / name).write_text(data)
        monkeypatch.setitem(catalog.KINDS, name, (str(folder), catalog.Medium))
        with pytest.raises(CatalogError, match="must agree" if text == "id: b" else "not readable YAML"):
            catalog.entries.__wrapped__(name)


@pytest.mark.parametrize("kind", catalog.KINDS)
def test_cited_in_finds_every_statement_with_its_place(kind):
    folder, _ = catalog.KINDS[kind]
    for name, entry in catalog.entries(kind).items():
        found = dict(cited_in(entry))
        written = {
            ".".join(map(str, place)): place for place in cited_below(read(catalog.path(folder, f"{name}.yaml")))
        }
        assert set(found) == set(written), name
        data = read(catalog.path(folder, f"{name}.yaml"))
        for place, cited in found.items():
            assert cited.source == at(data, written[place])["source"]
            assert cited.source in catalog.sources()
            assert cited.locator


def test_looking_up_forgives_capitals_and_suggests():
    assert catalog.agent("AC225-DOTATATE") is catalog.agent("ac225-dotatate")
    with pytest.raises(CatalogError, match=r"Did you mean ac225-dotatate.*alphatwin list agent"):
        catalog.agent("ac225-dotatat")
    with pytest.raises(CatalogError, match="Did you mean adult-male"):
        catalog.anatomy("adult-mal")
    with pytest.raises(CatalogError, match="Did you mean water"):
        catalog.medium("watr")
    with pytest.raises(CatalogError, match=r"Did you mean .*icrp107"):
        catalog.source("icrp108")


@pytest.mark.parametrize(
    ("region", "tissue"),
    [("kidneys", "kidneys"), ("kidney_left", "kidneys"), ("tumour_liver_1", "tumour"), ("liver", "liver"), ("red_marrow", "red_marrow"),
     ("thyroid", "other"), ("no_such_region", "other")],
)  # fmt: skip
def test_every_region_has_a_tissue(region, tissue):
    assert catalog.tissue_of(region).id == tissue


def test_entries_are_frozen():
    with pytest.raises(Exception, match="frozen"):
        catalog.agent("ac225-dotatate").name = "another"


def test_hash_covers_every_data_file():
    assert len(catalog.sha256()) == 64
    assert catalog.sha256.__wrapped__() == catalog.sha256()


# --- bibliography ----------------------------------------------------------------------------------------------------


def test_parse_reads_latex():
    text = r"""@article{a1999, author={M{\"u}ller, K. and Moli\`ere, G. and M{\o}ller, C. and \v{Z}i\v{z}ka, J. and {\AA}berg, A. and
        Fa\c{c}on, B.}, title={{On} the
        Range of $\alpha$: a--b \& c?}, journal={J Phys}, volume=3, pages={1--9}, year=1999, doi={10.1/a_b--c}}"""
    found = bibliography.parse(text)["a1999"]
    assert found.author == "Müller, K., Molière, G., Møller, C., Žižka, J., Åberg, A., Façon, B."
    assert found.title.endswith(": a-b & c?")
    assert found.where == "J Phys 3 1-9"
    assert found.doi == "10.1/a_b--c"
    assert found.text.endswith("c? J Phys 3 1-9. 1999. doi:10.1/a_b--c.")
    assert ".." not in found.text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOOK % "a" + BOOK % "a", "'a' twice"),
        ("@article{a, title={x}, year=1}", "lacks its author"),
        ("@article{a, author={x}, year=1}", "lacks its title"),
        ("@article{a, author={x}, title={y}}", "lacks its year"),
        (BOOK % "a" + "@article{b, author={x, title={y}, year=1}\n" + BOOK % "c", "brace left open"),
    ],
)
def test_a_bibliography_that_breaks_a_rule_is_refused(text, told):
    with pytest.raises(CatalogError, match=told):
        bibliography.parse(text)


def test_comments_and_kinds_of_entry():
    found = bibliography.parse(
        "@comment{no}\n% @article{no}\n"
        + BOOK % "a"
        + "@misc{b, author={B}, title={T}, year=2, url={https://x.org/a_b}}"
    )
    assert set(found) == {"a", "b"}
    assert found["b"].text == "B. T. 2. https://x.org/a_b."


def test_every_source_reads_well():
    for key, source in catalog.sources().items():
        assert source.key == key
        assert source.author
        assert source.title
        assert source.year[:2] in ("19", "20"), key
        for mark in ("\\", "{", "}", "..", "  ", "--"):
            assert mark not in source.text.replace("...", ""), (key, source.text)
