"""The hierarchical model in NumPyro, and the sampler; the only place that imports JAX."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import AlphatwinError
from ._population_model import FORMS, Array, Curves, Prior, log_likelihood, terms

__all__ = ["Sampled", "sample"]

_WELL_KNOWN = 2  # amplitude and slow half-life
_TOGETHER = [("population", "spread", "proportional", "additive_percent")]  # sites that share a dense mass matrix


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


def _model(form: str, prior: Prior, constant: float, curves: Curves) -> Callable[[Any, Any, Any], None]:
    """population ~ N(m, s), spread ~ half-normal, correlation ~ LKJ(2), curve ~ N(population, spread x correlation).

    Amplitude and slow half-life, which points of a patient fix, are drawn as they are (centred); the others, which they hardly do,
    as deviations from what these two and the population let expect (not centred; Betancourt & Girolami 2015).
    """
    import jax.numpy as jnp
    import numpyro
    from jax.scipy.linalg import solve_triangular
    from jax.scipy.special import log_ndtr
    from numpyro import distributions as dist

    mean, sd = prior.location(form)
    d, n = len(FORMS[form]), len(curves.labels)
    k = min(d, _WELL_KNOWN)

    def model(time: Any, percent: Any, limits: Any) -> None:
        population = numpyro.sample("population", dist.Normal(mean, sd).to_event(1))
        spread = numpyro.sample("spread", dist.HalfNormal(prior.spread).expand([d]).to_event(1))
        lower = numpyro.sample("correlation_cholesky", dist.LKJCholesky(d, 2.0))
        p = numpyro.sample("proportional", dist.HalfNormal(prior.proportional))
        s = numpyro.sample("additive_percent", dist.HalfNormal(prior.additive_percent))
        root = spread[:, None] * lower
        known = numpyro.sample(
            "known", dist.MultivariateNormal(population[:k], scale_tril=root[:k, :k]).expand([n]).to_event(1)
        )
        z = solve_triangular(root[:k, :k], (known - population[:k]).T, lower=True).T
        if d > k:
            rest = numpyro.sample("rest", dist.Normal(0.0, 1.0).expand([n, d - k]).to_event(2))
            z = jnp.concatenate([z, rest], axis=1)
        theta = numpyro.deterministic("curve", population + z @ root.T)
        amplitude, rate = terms(theta, form, constant, jnp)
        at = (amplitude[curves.curve] * jnp.exp(-rate[curves.curve] * time[:, None])).sum(-1)
        numpyro.factor("data", log_likelihood(percent, at, limits, p, s, jnp, log_ndtr).sum())

    return model


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
        import numpyro
        from jax import random as keyed
        from numpyro.infer import MCMC, NUTS, init_to_value
        from numpyro.infer.util import unconstrain_fn
    except ImportError as error:
        raise AlphatwinError("Fits of a population need NumPyro: pip install 'alphatwin[fit]'.") from error
    with _double(), numpyro.handlers.block():
        model, given = _model(form, prior, constant, curves), (curves.time_h, curves.percent, curves.censored)
        starts = [_start(form, prior, len(curves.labels), seed, chain) for chain in range(chains)]
        first = init_to_value(values=starts[0])
        kernel = NUTS(model, dense_mass=_TOGETHER, target_accept_prob=0.85, init_strategy=first)
        run = MCMC(kernel, num_warmup=warmup, num_samples=draws, num_chains=1, progress_bar=False)
        found: list[dict[str, Array]] = []
        divergences, deepest = 0, 0
        for chain, start in enumerate(starts):
            progress(f"chain {chain + 1} of {chains}")
            key = keyed.fold_in(keyed.PRNGKey(seed), chain)
            begin = unconstrain_fn(model, given, {}, start)
            run.run(key, *given, init_params=begin, extra_fields=("diverging", "num_steps"))
            found.append(
                {k: np.asarray(v, dtype=float) for k, v in run.get_samples().items() if k not in ("known", "rest")}
            )
            extra = run.get_extra_fields()
            divergences += int(np.asarray(extra["diverging"]).sum())
            deepest = max(deepest, int(np.asarray(extra["num_steps"]).max()))
    return Sampled({k: np.stack([f[k] for f in found]) for k in found[0]}, divergences, deepest)
