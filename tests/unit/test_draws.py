"""Scores by name: the same bits for the same seed, whatever else is drawn."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphatwin.draws import Draws, OneAtATime

NAMES = st.text(min_size=1, max_size=30)


@given(st.integers(2, 400), st.integers(0, 2**63 - 1), NAMES)
@settings(max_examples=60, deadline=None)
def test_mean_and_variance_hold_exactly(n, seed, name):
    z = Draws(n, seed).normal(name)
    assert z.shape == (n,)
    assert abs(z.mean()) < 1e-12
    assert abs(z.std() - 1) < 1e-12
    assert np.isfinite(z).all()


@given(st.integers(2, 300), st.integers(0, 1000), NAMES)
@settings(max_examples=40, deadline=None)
def test_one_score_in_each_stratum(n, seed, name):
    """Before mean and sd are set right there is one score between every two quantiles: ranks spread evenly."""
    from scipy.special import ndtr

    p = np.sort(ndtr(Draws(n, seed).normal(name)))
    assert np.max(np.abs(p - (np.arange(n) + 0.5) / n)) < 0.5 / n + 2.0 / n


def test_same_name_and_seed_same_bits():
    assert np.array_equal(Draws(50, 3).normal("mass liver"), Draws(50, 3).normal("mass liver"))
    draws = Draws(50, 3)
    before = draws.normal("a")
    draws.normal("b")
    assert np.array_equal(draws.normal("a"), before), "another input must not change the draws of this one"


def test_bits_are_the_same_in_another_process():
    code = "from alphatwin.draws import Draws; print(Draws(7, 5).normal('RBE').tobytes().hex())"
    for seed in ("0", "1"):
        told = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        assert told.stdout.strip() == Draws(7, 5).normal("RBE").tobytes().hex()


def test_names_and_seeds_are_independent():
    n = 4000
    made = [Draws(n, seed).normal(name) for seed in (1, 2, 11) for name in ("a", "b", "1|a")]
    correlation = np.corrcoef(made) - np.eye(len(made))
    assert np.abs(correlation).max() < 5 / np.sqrt(n)  # 36 pairs: 5 sd is never met by chance


def test_one_sample_is_the_point_estimate():
    assert Draws(1, 99).normal("anything").tolist() == [0.0]
    assert not Draws(1).sampled
    assert Draws(2).sampled


@pytest.mark.parametrize("score", [1.0, 1.645])
def test_one_at_a_time_moves_one_input(score):
    names = ("a", "b", "c")
    draws = OneAtATime.of(names, score)
    assert draws.n == 7
    assert not draws.sampled
    z = np.stack([draws.normal(name) for name in names])
    assert (z[:, 0] == 0).all()
    assert (np.count_nonzero(z, axis=0)[1:] == 1).all()
    for i in range(3):
        assert z[i, 2 * i + 1] == -score
        assert z[i, 2 * i + 2] == score
    assert (draws.normal("not among them") == 0).all()


def test_frozen():
    with pytest.raises(AttributeError):
        Draws(3).n = 4
