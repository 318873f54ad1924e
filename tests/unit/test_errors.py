"""One tree of errors; names that are missed get the nearest spelling."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphatwin import errors
from alphatwin.errors import AlphatwinError, CatalogError, missing, suggestion

TREE = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_is_caught_as_one(kind):
    with pytest.raises(AlphatwinError, match="why"):
        raise kind("why")
    assert str(kind("why")) == "why"
    assert kind.__doc__
    assert str(pickle.loads(pickle.dumps(kind("why")))) == "why", "errors travel between processes"


def test_errors_are_what_python_expects_of_them():
    for kind in (errors.CatalogError, errors.DomainError, errors.UnitError, errors.FitError):
        assert issubclass(kind, ValueError)
    assert issubclass(errors.OutputError, OSError)


@pytest.mark.parametrize(
    ("asked", "known", "told"),
    [
        ("kidnay", ["kidneys", "liver"], "Did you mean kidneys? "),
        ("KIDNEYS", ["kidneys", "liver"], "Did you mean kidneys? "),
        ("Ac225", ["Ac-225", "Lu-177"], "Did you mean Ac-225? "),
        ("gbq", ["Bq", "GBq"], "Did you mean GBq or Bq? "),
        ("zzz", ["kidneys", "liver"], ""),
        ("", ["kidneys"], ""),
        ("x", [], ""),
    ],
)
def test_suggestion(asked, known, told):
    assert suggestion(asked, known) == told


@given(st.text(max_size=20), st.lists(st.text(min_size=1, max_size=10), max_size=8))
def test_suggestions_are_known_names(asked, known):
    told = suggestion(asked, known)
    assert told == "" or any(name in told for name in known)
    assert told.count(" or ") <= 2 + sum(" or " in name for name in known) * 3


def test_missing_names_the_way_to_the_list():
    assert str(missing("nuclide", "Ac225", ["Ac-225"])) == (
        "No nuclide 'Ac225' in the catalogue. Did you mean Ac-225? List them with `alphatwin list nuclide`."
    )
    assert isinstance(missing("region", "x", []), CatalogError)


def test_missing_of_what_is_no_catalogue_kind_lists_the_names():
    assert str(missing("region", "kidnay", ["kidneys", "liver"])) == (
        "There is no region 'kidnay' here. Did you mean kidneys? Known: kidneys, liver."
    )
    assert "alphatwin list" not in str(missing("source region", "x", ["y"]))
    assert str(missing("region", "x", (str(i) for i in range(30)))).endswith("19, ...."), "a long list is cut"


@pytest.mark.parametrize("kind", errors.LISTED)
def test_what_is_said_to_be_listable_is(kind):
    from alphatwin.cli import _rows

    assert _rows(kind)
