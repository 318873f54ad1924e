"""The hierarchical model in NumPyro, and the sampler; the only place that imports JAX.

Data and priors are arguments of what is compiled, so one compilation serves every fit of the same form and shape.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import AlphatwinError
from ._population_model import FORMS, Array, Curves, Prior, log_likelihood, terms

__all__ = ["Sampled", "sample"]

_WELL_KNOWN = 2  # amplitude and slow half-life
_TOGETHER = [("population", "spread", "proportional", "additive_percent")]  # sites that share a dense mass matrix
_ALONG = 100  # transitions between two words to who waits
_POINTS = 32  # measurements are filled up to a multiple of this: tables of nearly the same size share a compilation


@dataclass(frozen=True, eq=False)
class Sampled:
    """Draws [chain, draw, ...] of every site, and what the sampler said."""

    draws: dict[str, Array]
    divergences: int
    deepest: int


@contextlib.contextmanager
def _double() -> Iterator[None]:
    """Double precision inside, whatever the setting outside."""
    import jax

    with jax.enable_x64(True):
        yield


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """An interrupt waits to the end of this: raised while XLA compiles, it can crash Python on its way out."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[tuple[Any, Any]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: waiting.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)
        if waiting and callable(before):
            before(*waiting[0])


def _given(form: str, prior: Prior, constant: float, curves: Curves) -> dict[str, Any]:
    """Everything the model takes from outside, as arrays; points that only fill up are not `used`."""
    mean, sd = prior.location(form)
    fill = -len(curves.percent) % _POINTS
    point = {"curve": curves.curve, "time": curves.time_h, "percent": curves.percent, "censored": curves.censored}
    return {
        **{k: np.pad(v, (0, fill), mode="edge") for k, v in point.items()},
        "used": np.arange(len(curves.percent) + fill) < len(curves.percent),
        "mean": mean,
        "sd": sd,
        "scales": np.array([prior.spread, prior.proportional, prior.additive_percent]),
        "constant": np.array(constant),
    }


def _model(form: str, n: int) -> Callable[[Any], None]:
    """population ~ N(m, s), spread ~ half-normal, correlation ~ LKJ(2), curve ~ N(population, spread x correlation).

    Amplitude and slow half-life, which points of a patient fix, are drawn as they are (centred); the others, which they hardly do,
    as deviations from what these two and the population let expect (not centred; Betancourt & Girolami 2013).
    """
    import jax.numpy as jnp
    import numpyro
    from jax.scipy.linalg import solve_triangular
    from jax.scipy.special import log_ndtr
    from numpyro import distributions as dist

    d = len(FORMS[form])
    k = min(d, _WELL_KNOWN)

    def model(given: Any) -> None:
        scales = given["scales"]
        population = numpyro.sample("population", dist.Normal(given["mean"], given["sd"]).to_event(1))
        spread = numpyro.sample("spread", dist.HalfNormal(scales[0]).expand([d]).to_event(1))
        lower = numpyro.sample("correlation_cholesky", dist.LKJCholesky(d, 2.0))
        p = numpyro.sample("proportional", dist.HalfNormal(scales[1]))
        s = numpyro.sample("additive_percent", dist.HalfNormal(scales[2]))
        root = spread[:, None] * lower
        known = numpyro.sample(
            "known", dist.MultivariateNormal(population[:k], scale_tril=root[:k, :k]).expand([n]).to_event(1)
        )
        z = solve_triangular(root[:k, :k], (known - population[:k]).T, lower=True).T
        if d > k:
            rest = numpyro.sample("rest", dist.Normal(0.0, 1.0).expand([n, d - k]).to_event(2))
            z = jnp.concatenate([z, rest], axis=1)
        theta = numpyro.deterministic("curve", population + z @ root.T)
        amplitude, rate = terms(theta, form, given["constant"], jnp)
        at = (amplitude[given["curve"]] * jnp.exp(-rate[given["curve"]] * given["time"][:, None])).sum(-1)
        told = log_likelihood(given["percent"], at, given["censored"], p, s, jnp, log_ndtr)
        numpyro.factor("data", jnp.where(given["used"], told, 0.0).sum())

    return model


@dataclass(frozen=True, eq=False)
class _Kernel:
    """What is compiled once for a form, a number of patients and a warmup.

    begin(key, start, given) gives a state; advance(state, given, n) the state after n <= `_ALONG` transitions, and what they drew.
    """

    begin: Callable[[Any, Any, Any], Any]
    advance: Callable[[Any, Any, int], tuple[Any, dict[str, Any]]]


@functools.lru_cache(maxsize=16)
def _kernel(form: str, n: int, warmup: int) -> _Kernel:
    import jax
    import jax.numpy as jnp
    from numpyro.infer.hmc import hmc
    from numpyro.infer.util import constrain_fn, potential_energy, unconstrain_fn

    model = _model(form, n)
    energy = jax.jit(lambda z, given: potential_energy(model, (given,), {}, z))
    free = jax.jit(lambda start, given: unconstrain_fn(model, (given,), {}, start))
    init, step = hmc(potential_fn_gen=lambda given: lambda z: energy(z, given), algo="NUTS")

    def begin(key: Any, start: Any, given: Any) -> Any:
        return init(
            free(start, given),
            num_warmup=warmup,
            dense_mass=_TOGETHER,
            target_accept_prob=0.85,
            model_args=(given,),
            rng_key=key,
        )

    def advance(state: Any, given: Any, count: int) -> tuple[Any, dict[str, Any]]:
        def once(i: Any, now: Any) -> Any:
            state, drawn = now
            state = step(state, (given,))
            new = {"z": state.z, "diverging": state.diverging, "num_steps": state.num_steps}
            return state, jax.tree.map(lambda kept, one: kept.at[i].set(one), drawn, new)

        empty = {"z": state.z, "diverging": state.diverging, "num_steps": state.num_steps}
        empty = jax.tree.map(lambda v: jnp.zeros((_ALONG, *v.shape), v.dtype), empty)
        state, drawn = jax.lax.fori_loop(0, count, once, (state, empty))
        made = constrain_fn(model, (given,), {}, drawn.pop("z"), return_deterministic=True, batch_ndims=1)
        return state, {**drawn, **{k: v for k, v in made.items() if k not in ("known", "rest")}}

    return _Kernel(begin, jax.jit(advance))


def _start(form: str, prior: Prior, n: int, seed: int, chain: int) -> dict[str, Array]:
    """Where a chain begins: scattered about the prior's medians, so that chains that agree in the end have found each other."""
    stream = np.random.Generator(np.random.Philox(key=np.array([seed, chain], dtype=np.uint64)))
    mean, sd = prior.location(form)
    d, k = len(mean), min(len(mean), _WELL_KNOWN)
    population = mean + 0.5 * sd * stream.standard_normal(d)
    made = {
        "population": population,
        "spread": prior.spread * stream.uniform(0.3, 1.0, d),
        "correlation_cholesky": np.eye(d),
        "proportional": np.array(prior.proportional * stream.uniform(0.5, 1.5)),
        "additive_percent": np.array(prior.additive_percent * stream.uniform(0.5, 1.5)),
        "known": population[:k] + 0.1 * stream.standard_normal((n, k)),
    }
    return made if d == k else {**made, "rest": 0.1 * stream.standard_normal((n, d - k))}


def _chain(
    kernel: _Kernel,
    key: Any,
    start: dict[str, Array],
    given: Any,
    warmup: int,
    draws: int,
    progress: Callable[[str], None],
) -> dict[str, Array]:
    """One chain: draws after warmup, `diverging` and `num_steps` of each, in pieces so that who waits hears of it and can stop it."""
    with _undisturbed():
        state = kernel.begin(key, start, given)
    kept: list[dict[str, Array]] = []
    for phase, total in (("warmup", warmup), ("draws", draws)):
        for done in range(0, total, _ALONG):
            progress(f"{phase} {done} of {total}")
            count = min(_ALONG, total - done)
            with _undisturbed():
                state, drawn = kernel.advance(state, given, count)
                piece = {k: np.asarray(v)[:count] for k, v in drawn.items()}
            if phase == "draws":
                kept.append(piece)
    return {k: np.concatenate([piece[k] for piece in kept]) for k in kept[0]}


def sample(
    form: str,
    prior: Prior,
    constant: float,
    curves: Curves,
    *,
    seed: int,
    warmup: int,
    draws: int,
    chains: int,
    progress: Callable[[str], None],
) -> Sampled:
    """Draw from the posterior by NUTS (Hoffman & Gelman 2014), chain after chain; the same seed gives the same draws."""
    try:
        import jax
        import numpyro
        from jax.random import PRNGKey, fold_in, split
    except ImportError as error:
        raise AlphatwinError("Fits of a population need NumPyro: pip install 'alphatwin[fit]'.") from error
    n = len(curves.labels)
    with _double(), numpyro.handlers.block():
        given = jax.tree.map(jax.numpy.asarray, _given(form, prior, constant, curves))
        kernel = _kernel(form, n, warmup)
        found: list[dict[str, Array]] = []
        for chain in range(chains):
            found.append(
                _chain(
                    kernel,
                    split(fold_in(PRNGKey(seed), chain))[0],
                    _start(form, prior, n, seed, chain),
                    given,
                    warmup,
                    draws,
                    lambda text, chain=chain: progress(f"chain {chain + 1} of {chains}, {text}"),  # type: ignore[misc]
                )
            )
    divergences = sum(int(f.pop("diverging").sum()) for f in found)
    deepest = max(int(f.pop("num_steps").max()) for f in found)
    return Sampled({k: np.stack([f[k] for f in found]).astype(float) for k in found[0]}, divergences, deepest)
