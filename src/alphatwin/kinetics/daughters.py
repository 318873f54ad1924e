"""Where alpha daughters decay: the parent's curves become the whole chain's, exactly.

The parent (the carrier's nuclide) is known in every region as a sum of exponentials. Each daughter lives in pools that
exchange linearly, and no daughter ever becomes its parent again, so the pools are solved one after another in closed
form. Activities obey, for a pool with loss rate k that is fed by sources f_j exp(-r_j t)::

    dA/dt = sum_j f_j exp(-r_j t) - k A,     A(t) = A0 exp(-k t) + sum_j f_j (exp(-r_j t) - exp(-k t)) / (k - r_j)

Pools of a nuclide q (decay constant lambda): *kept* in a region (k = lambda: it stays where its parent decayed),
*plasma* (k = lambda + ln2/T_plasma), *free in a region* (k = lambda + ln2/T_retention; it leaves by excretion and does
not return to plasma), *excreted* (k = lambda, outside the body). A decay of p feeds ``lambda_q x branching x A_p`` into
the kept pool with the retained fraction and into plasma with the rest; plasma feeds the regions by uptake fraction and
the excreta with what is left. ``docs/kinetics.md`` has the sources.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import CatalogError, DomainError, suggestion
from ..units import SECONDS_PER_HOUR
from .values import Kinetics

if TYPE_CHECKING:
    from ..catalog import DaughterFate, Quantity

__all__ = ["PLASMA", "FreeDaughters", "InPlace", "chain_kinetics", "free_daughters_from_catalog"]

Array = npt.NDArray[np.float64]
Samples = npt.ArrayLike  # a number, or one per sample

PLASMA = "blood"  # the region in which free ions in plasma are counted
_RESONANCE = 1e-6  # relative distance of two rates below which they are moved apart


def element(nuclide: str) -> str:
    """The element of a nuclide name.

    Examples
    --------
    >>> element("Bi-213")
    'Bi'
    """
    return nuclide.split("-")[0]


@dataclass(frozen=True)
class InPlace:
    """Every daughter decays where its parent decayed. An explicit choice: alpha recoil breaks most chelates."""


@dataclass(frozen=True)
class FreeDaughters:
    """Retained fractions, and what a freed ion does. Plain sampled values, each a number or ``[sample]``.

    Attributes
    ----------
    retained : mapping (parent, daughter, region) -> fraction
        Probability that a daughter born in a region stays there; region ``"*"`` serves all that are not named. In
        plasma nothing is retained unless the key names `PLASMA`.
    plasma_half_time_h : mapping element -> h
        How long a free ion stays in plasma before it is taken up or excreted (biological).
    uptake : mapping element -> {region: fraction}
        Where it goes; what is missing to one is excreted.
    retention_half_time_h : mapping element -> {region: h}
        Biological half-time there, before excretion; a region that is not named keeps it.
    uptake_split : mapping organ -> {region: fraction}
        When the case divides an organ (kidneys into kidney_left and kidney_right), the share of each part.
    local_half_life_s : float
        A nuclide with a shorter half-life always decays where it was born.
    notes, sources, unverified : tuple of str
        Sentences for the report; bibliography keys; names of the values that nobody has verified.
    retained_of_free : mapping (parent, daughter, region) -> fraction
        As `retained`, for daughters of free ions that a region took up, where that differs: the carrier decays at the
        surface of cells and around them too, the free ion inside.
    """

    retained: Mapping[tuple[str, str, str], Samples]
    plasma_half_time_h: Mapping[str, Samples]
    uptake: Mapping[str, Mapping[str, Samples]]
    retention_half_time_h: Mapping[str, Mapping[str, Samples]] = field(default_factory=dict)
    uptake_split: Mapping[str, Mapping[str, Samples]] = field(default_factory=dict)
    local_half_life_s: float = 1.0
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    retained_of_free: Mapping[tuple[str, str, str], Samples] = field(default_factory=dict)


@dataclass
class _Chain:
    """A decay chain as numbers, and the growing list of terms (columns) that all pools share."""

    names: tuple[str, ...]
    constant_per_h: Array
    branching: Array  # [daughter, parent], direct
    n: int
    rates: list[Array]  # [term] of [sample]

    def parents(self, q: int) -> list[tuple[int, float]]:
        return [(p, float(self.branching[q, p])) for p in range(q) if self.branching[q, p] > 0]


@dataclass
class _Pool:
    """Amplitudes of one pool: ``{column: [sample]}``."""

    terms: dict[int, Array] = field(default_factory=dict)

    def add(self, source: _Pool, factor: Array | float) -> None:
        for column, amplitude in source.terms.items():
            self.terms[column] = self.terms.get(column, 0.0) + amplitude * factor

    def integral(self, rates: Sequence[Array]) -> Array | float:
        return sum((a / rates[column] for column, a in self.terms.items()), 0.0)


def _solve(chain: _Chain, fed: _Pool, loss_per_h: Array, start_MBq: Array | float, own: dict[bytes, int]) -> _Pool:
    """Response of a pool to what feeds it, starting from `start_MBq`; exact, and its time integral is always exact.

    Where the loss rate meets a rate of the feed, the closed form is 0/0: the pool's rate is moved by two millionths
    and its feed with it, which leaves the number of decays as it is and moves the curve by less than 1e-5.
    """
    if not fed.terms and not np.any(start_MBq):
        return _Pool()
    feeding = np.stack([chain.rates[c] for c in fed.terms]) if fed.terms else np.empty((0, chain.n))
    k = np.broadcast_to(loss_per_h, (chain.n,)).astype(float)
    moved = k.copy()
    for _ in range(2 * len(feeding) + 1):
        close = (np.abs(moved - feeding) < _RESONANCE * moved).any(axis=0) if len(feeding) else np.zeros(chain.n, bool)
        if not close.any():
            break
        moved = np.where(close, moved * (1 + 2 * _RESONANCE), moved)
    gain = moved / k
    key = moved.tobytes()
    if key not in own:
        own[key] = len(chain.rates)
        chain.rates.append(moved)
    column = own[key]
    out: dict[int, Array] = {}
    homogeneous = np.zeros(chain.n) + start_MBq * gain
    for c, amplitude in fed.terms.items():
        response = amplitude * gain / (moved - chain.rates[c])
        out[c] = response
        homogeneous = homogeneous - response
    out[column] = homogeneous
    return _Pool(out)


def chain_kinetics(
    parents: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    nuclide: str,
    daughters: InPlace | FreeDaughters,
    *,
    n: int | None = None,
    initial_MBq: Mapping[tuple[str, str], Samples] | None = None,
    notes: tuple[str, ...] = (),
) -> Kinetics:
    """Activity of the whole chain in every region from the parent's curves.

    Parameters
    ----------
    parents : mapping region -> (amplitude_MBq, rate_per_h)
        The carrier's nuclide in each region, ``[sample, term]`` (or ``[term]`` for all samples), effective rates; what
        ``Curve.sample`` or ``Curve.exponentials`` returns.
    nuclide : str
        The carrier's nuclide.
    daughters : InPlace or FreeDaughters
        Where daughters go. There is no default.
    n : int, optional
        Number of samples; otherwise that of `parents`.
    initial_MBq : mapping (nuclide, region) -> MBq, optional
        Daughter activity at t = 0, which is zero otherwise. Free in plasma in region `PLASMA`,
        elsewhere kept.
    notes : tuple of str

    Returns
    -------
    Kinetics
        Regions of the case first, then those that only free daughters reach; `excreted` closes the budget: decays in
        all regions plus excreted are branching times the parent's.

    Raises
    ------
    DomainError
        Shapes that do not fit, a fraction outside 0 to 1.
    CatalogError
        A freed element without a model.

    Examples
    --------
    >>> k = chain_kinetics({"liver": ([10.0], [0.02])}, "Pb-212", InPlace())
    >>> k.nuclides[:2]
    ('Pb-212', 'Bi-212')
    """
    from ..physics.nuclides import chain_table

    names, constants, branching = chain_table(nuclide)
    n = n or max((np.atleast_2d(np.asarray(a)).shape[0] for a, _ in parents.values()), default=1)
    chain = _Chain(tuple(names), np.asarray(constants, float), np.asarray(branching, float), n, [])
    carrier = _carrier_pools(chain, parents)
    model = _Fates(daughters, chain, tuple(parents), initial_MBq or {})
    in_region, excreted = _all_pools(chain, carrier, model)
    regions = (*parents, *sorted({r for pools in in_region for r in pools} - set(parents)))
    amplitude = np.zeros((n, len(regions), len(names), len(chain.rates)))
    for q, pools in enumerate(in_region):
        for region, members in pools.items():
            block = amplitude[:, regions.index(region), q]
            for pool in members:
                for column, a in pool.terms.items():
                    block[:, column] += a
    said = "Daughters: each decays where its parent did (in_place)."
    if isinstance(daughters, FreeDaughters):
        said = "Daughters: what is not retained at the site of decay enters plasma as a free ion."
    extra = daughters.notes if isinstance(daughters, FreeDaughters) else ()
    return Kinetics.from_arrays(
        amplitude,
        np.stack(chain.rates, axis=1),
        regions=regions,
        nuclides=tuple(names),
        excreted_MBq_h=np.stack([np.zeros(n) + e for e in excreted], axis=1),
        notes=(*notes, *((said,) if len(names) > 1 else ()), *extra),
    )


def _carrier_pools(chain: _Chain, parents: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]) -> dict[str, _Pool]:
    if not parents:
        raise DomainError("chain_kinetics got no region; give at least one curve of the parent.")
    pools: dict[str, _Pool] = {}
    seen: dict[bytes, int] = {}
    for region, (amplitude, rate) in parents.items():
        a, r = np.atleast_2d(np.asarray(amplitude, float)), np.atleast_2d(np.asarray(rate, float))
        if a.shape != r.shape or a.shape[0] not in (1, chain.n):
            raise DomainError(
                f"{region}: amplitudes {a.shape} and rates {r.shape}; expected ({chain.n} samples, terms) for both."
            )
        if not (np.isfinite(a).all() and np.isfinite(r).all() and (r > 0).all()):
            raise DomainError(f"{region}: amplitudes must be finite and rates above zero.")
        pool = _Pool()
        for j in range(a.shape[1]):
            values = np.ascontiguousarray(np.broadcast_to(r[:, j], (chain.n,)))
            column = seen.setdefault(values.tobytes(), len(chain.rates))
            if column == len(chain.rates):
                chain.rates.append(values)
            pool.terms[column] = pool.terms.get(column, 0.0) + np.broadcast_to(a[:, j], (chain.n,))
        pools[region] = pool
    return pools


class _Fates:
    """Answers for one chain: is this nuclide local, what share is retained, where does a free ion go."""

    def __init__(
        self,
        daughters: InPlace | FreeDaughters,
        chain: _Chain,
        carrier_regions: Sequence[str],
        initial: Mapping[tuple[str, str], Samples],
    ) -> None:
        self.free = daughters if isinstance(daughters, FreeDaughters) else None
        self.chain = chain
        self.carrier_regions = tuple(carrier_regions)
        self.initial = initial
        for q, _ in initial:
            if q not in chain.names[1:]:
                raise DomainError(
                    f"initial_MBq names {q}; the daughters of {chain.names[0]} are {', '.join(chain.names[1:])}."
                )
        if self.free is not None:
            for (p, q, region), value in (*self.free.retained.items(), *self.free.retained_of_free.items()):
                self._fraction(value, f"retained fraction of {q} born of {p} in {region}")

    def local(self, q: int) -> bool:
        """Whether the nuclide always decays where it was born."""
        if self.free is None:
            return True
        half_life_s = math.log(2) / float(self.chain.constant_per_h[q]) * SECONDS_PER_HOUR
        return half_life_s < self.free.local_half_life_s

    def retained(self, p: int, q: int, region: str, of_free: bool = False) -> Array | float:
        """Fraction of the daughters q of decays of p in this region that stay there."""
        if self.free is None or self.local(q):
            return 1.0
        names = self.chain.names[p], self.chain.names[q]
        value = self.free.retained.get((*names, region))
        if of_free:
            value = self.free.retained_of_free.get((*names, region), value)
        if value is None and region != PLASMA:
            value = self.free.retained.get((*names, "*"))
        if value is None:
            if region == PLASMA:
                return 0.0
            raise CatalogError(
                f"No retained fraction for {names[1]} born of {names[0]} in {region}. Give (parent, daughter, "
                "region), or region '*'."
            )
        return self._fraction(value, f"retained fraction of {names[1]} born of {names[0]} in {region}")

    def _fraction(self, value: Samples, what: str) -> Array:
        array = np.broadcast_to(np.asarray(value, float), (self.chain.n,))
        if not ((array >= 0) & (array <= 1)).all():
            raise DomainError(f"The {what} runs from {array.min():g} to {array.max():g}; it must lie between 0 and 1.")
        return array

    def _element(self, table: Mapping[str, Any], symbol: str) -> Any:
        if symbol not in table:
            raise CatalogError(
                f"{symbol} is set free, and there is no model of where it goes. "
                f"{suggestion(symbol, table)}Elements with one: "
                f"{', '.join(table) or 'none'}."
            )
        return table[symbol]

    def plasma_rate(self, q: int) -> Array:
        """Biological loss rate from plasma, 1/h."""
        assert self.free is not None
        half_time = np.broadcast_to(
            np.asarray(self._element(self.free.plasma_half_time_h, element(self.chain.names[q])), float),
            (self.chain.n,),
        )
        if not (half_time > 0).all():
            raise DomainError(f"The plasma half-time of {element(self.chain.names[q])} must be above zero.")
        return math.log(2) / half_time

    def uptake(self, q: int) -> dict[str, Array]:
        """Fraction of what leaves plasma that goes to each region; sampled sums above one are brought to one."""
        assert self.free is not None
        table: Mapping[str, Samples] = self._element(self.free.uptake, element(self.chain.names[q]))
        by_organ = {o: self._fraction(v, f"uptake of {element(self.chain.names[q])} in {o}") for o, v in table.items()}
        total = np.maximum(sum(by_organ.values(), np.zeros(self.chain.n)), 1.0)
        shares: dict[str, Array] = {}
        for organ, value in by_organ.items():
            for region, part in self.free.uptake_split.get(organ, {organ: 1.0}).items():
                shares[region] = shares.get(region, 0.0) + value / total * np.asarray(part, float)
        return shares

    def retention_rate(self, q: int, region: str) -> Array:
        """Biological loss rate of a free ion from a region, 1/h; zero where no half-time is known."""
        assert self.free is not None
        table = self.free.retention_half_time_h.get(element(self.chain.names[q]), {})
        organ = next((o for o, parts in self.free.uptake_split.items() if region in parts), region)
        value = table.get(region, table.get(organ))
        if value is None:
            return np.zeros(self.chain.n)
        half_time = np.broadcast_to(np.asarray(value, float), (self.chain.n,))
        if not (half_time > 0).all():
            raise DomainError(
                f"The retention half-time of {element(self.chain.names[q])} in {region} must be above zero."
            )
        return math.log(2) / half_time


@dataclass
class _State:
    """Pools of one nuclide that its daughters are born from."""

    kept: dict[str, _Pool] = field(default_factory=dict)
    plasma: _Pool = field(default_factory=_Pool)
    free: dict[str, _Pool] = field(default_factory=dict)
    excreted: Array | float = 0.0  # time-integrated activity outside the body, MBq h

    def sites(self) -> Iterable[tuple[str, bool, _Pool]]:
        """Region, whether the decaying atom was a free ion there, and its pool."""
        yield from ((r, False, pool) for r, pool in self.kept.items())
        yield PLASMA, True, self.plasma
        yield from ((r, True, pool) for r, pool in self.free.items())


def _all_pools(
    chain: _Chain, carrier: dict[str, _Pool], fates: _Fates
) -> tuple[list[dict[str, list[_Pool]]], list[Array | float]]:
    states = [_State(kept=dict(carrier))]
    for q in range(1, len(chain.names)):
        states.append(_nuclide_pools(chain, q, states, fates))
    gathered: list[dict[str, list[_Pool]]] = []
    for state in states:
        regions: dict[str, list[_Pool]] = {}
        for region, _, pool in state.sites():
            if pool.terms:
                regions.setdefault(region, []).append(pool)
        gathered.append(regions)
    return gathered, [state.excreted for state in states]


def _nuclide_pools(chain: _Chain, q: int, states: list[_State], fates: _Fates) -> _State:
    """Pools of nuclide q from the pools of all its parents."""
    constant = float(chain.constant_per_h[q])
    kept_feed: dict[str, _Pool] = {}
    free_feed: dict[str, _Pool] = {}
    plasma_feed = _Pool()
    local = fates.local(q)
    excreted: Array | float = 0.0
    for p, branch in chain.parents(q):
        excreted = excreted + branch * states[p].excreted
        for region, was_free, pool in states[p].sites():
            if not pool.terms:
                continue
            if was_free and region == PLASMA:  # a daughter of a free ion in plasma is a free ion in plasma
                plasma_feed.add(pool, branch * constant)
                continue
            stays = 1.0 if local else fates.retained(p, q, region, of_free=was_free)
            # what a free ion leaves in an organ is again a free ion of that organ
            feed = free_feed if was_free else kept_feed
            feed.setdefault(region, _Pool()).add(pool, stays * branch * constant)
            if not np.all(np.asarray(stays) == 1.0):
                plasma_feed.add(pool, (1.0 - np.asarray(stays)) * branch * constant)
    own: dict[bytes, int] = {}
    lam = np.full(chain.n, constant)
    start = {
        region: np.broadcast_to(np.asarray(v, float), (chain.n,))
        for (name, region), v in fates.initial.items()
        if name == chain.names[q]
    }
    in_plasma: Array | float = 0.0
    if fates.free is not None and not local:
        in_plasma = start.pop(PLASMA, np.zeros(chain.n))
    state = _State()
    for region in dict.fromkeys((*kept_feed, *start)):
        state.kept[region] = _solve(chain, kept_feed.get(region, _Pool()), lam, start.get(region, 0.0), own)
    if local:
        state.plasma = _solve(chain, plasma_feed, lam, 0.0, own)
    elif plasma_feed.terms or np.any(in_plasma):
        k_plasma = fates.plasma_rate(q)
        state.plasma = _solve(chain, plasma_feed, lam + k_plasma, in_plasma, own)
        shares = fates.uptake(q)
        for region, share in shares.items():
            free_feed.setdefault(region, _Pool()).add(state.plasma, share * k_plasma)
        lost = np.clip(1.0 - sum(shares.values(), np.zeros(chain.n)), 0.0, 1.0) * k_plasma
        excreted = excreted + lost * state.plasma.integral(chain.rates) / constant
    for region, fed in free_feed.items():
        k_out = np.zeros(chain.n) if local else fates.retention_rate(q, region)
        state.free[region] = _solve(chain, fed, lam + k_out, 0.0, own)
        excreted = excreted + k_out * state.free[region].integral(chain.rates) / constant
    state.excreted = excreted
    return state


def free_daughters_from_catalog(
    agent_id: str,
    nuclide: str,
    regions: Sequence[str],
    draws_normal: Callable[[str], Array],
    *,
    uptake_split: Mapping[str, Mapping[str, Samples]] | None = None,
    retained: Mapping[str, float] | None = None,
    local_half_life_s: float = 1.0,
    decay_sites: Mapping[str, Mapping[str, Samples]] | None = None,
) -> FreeDaughters:
    """Sample the catalogue's retained fractions and free-ion models for one agent and its chain.

    Without `decay_sites` a region stands for one site, that of the catalogue. With them, of K_p(s) decays of p at site s
    (of the carrier: its share there) ``p_keep(p, q, s)`` keep their daughter::

        retained(p, q, region) = sum_s K_p(s) p_keep(p, q, s) / sum_s K_p(s)
        K_q(s) = sum_p branching_pq K_p(s) p_keep(p, q, s)

    so what is left of the chain is ever more inside cells. The pools are linear: the number of decays everywhere
    is that of the sites followed one by one; their times differ where sites change places with time.

    Parameters
    ----------
    agent_id : str
        Chooses the catalogue's retention entry.
    nuclide : str
        The carrier's nuclide.
    regions : sequence of str
        The case's regions.
    draws_normal : callable
        ``name -> scores[sample]``; names are ``"retained Fr-221 internalised"``, ``"uptake Bi kidneys"``,
        ``"plasma half-time Bi"``, ``"retention Bi kidneys"``, each asked once, and only if uncertain.
    uptake_split : mapping, optional
        For divided organs, e.g. kidneys by mass; equal parts when it is needed and not given.
    retained : mapping daughter -> fraction, optional
        Replaces the catalogue's retained fraction at internalised sites (a case's own choice).
    local_half_life_s : float
    decay_sites : mapping region -> {site: share}, optional
        Where in a region the carrier decays, as `PBPK.decay_sites` has it; each a number or ``[sample]``. The fluid of
        a tubule counts as interstitium.

    Returns
    -------
    FreeDaughters

    Raises
    ------
    CatalogError
        A retained fraction or an element that the chain needs is missing.
    """
    from ..catalog import daughter_fate
    from ..physics.nuclides import chain_table

    names, constants, branching = chain_table(nuclide)
    fates = (
        daughter_fate(agent_id),
        daughter_fate("*"),
    )  # pairs that the agent's entry leaves out follow the general one
    own = dict(retained or {})
    for name in own:
        if name not in names[1:]:
            raise CatalogError(
                f"retained names {name}; the daughters of {nuclide} are {', '.join(names[1:])}. "
                f"{suggestion(name, names[1:])}"
            )
    half_lives_s = math.log(2) / np.asarray(constants) * SECONDS_PER_HOUR
    long_lived = [q for q in range(1, len(names)) if half_lives_s[q] >= local_half_life_s]
    scores: dict[str, Array] = {}

    used: list[tuple[str, Quantity]] = []

    def draw(name: str, quantity: Quantity) -> Array:
        used.append((name, quantity))
        if not quantity.uncertain:  # asked for no score: it would look like an input that moves nothing
            return np.asarray(quantity.value)
        if name not in scores:
            scores[name] = np.asarray(draws_normal(name), float)
        return quantity.at_score(scores[name])

    sites = {region: _site(fates[0].region_sites, region) for region in (*fates[0].region_sites, *regions, "*")}
    shares = _site_shares(decay_sites or {})
    table: dict[tuple[str, str, str], Samples] = {}
    keeps: dict[tuple[int, int, str], Samples] = {}
    for q in long_lived:
        for p in np.flatnonzero(branching[q, :q] > 0):
            pair = names[p], names[q]
            for site in dict.fromkeys((*sites.values(), *(s for of in shares.values() for s in of))):
                if site == "internalised" and names[q] in own:
                    value: Samples = own[names[q]]
                else:
                    entry = _retained_entry(fates, pair, site)
                    value = np.clip(draw(f"retained {names[q]} {site}", entry), 0.0, 1.0)
                keeps[int(p), q, site] = value
                table.update({(*pair, region): value for region, its in sites.items() if its == site})
    resolved = {}
    for region, share in shares.items():
        resolved.update(_resolved(region, share, keeps, names, np.asarray(branching)))
    freed = _freed_elements(names, branching, long_lived, {**table, **resolved})
    model = _with_elements(table, freed, regions, draw, uptake_split or {}, local_half_life_s, fates[0].id)
    return replace(
        model,
        retained={**table, **resolved},
        retained_of_free=table if resolved else {},
        sources=tuple(sorted({fates[0].site_source, *(quantity.source for _, quantity in used)})),
        unverified=tuple(dict.fromkeys(name for name, quantity in used if not quantity.verified)),
    )


_AS_SITE = {"tubule": "interstitium"}  # what the fluid of a tubule counts as: nobody tells it apart


def _site_shares(decay_sites: Mapping[str, Mapping[str, Samples]]) -> dict[str, dict[str, Array]]:
    """Shares of each region by the catalogue's sites; a site where nothing decays is left out."""
    made: dict[str, dict[str, Array]] = {}
    for region, of in decay_sites.items():
        for site, share in of.items():
            value = np.asarray(share, dtype=float)
            if not ((value >= 0) & (value <= 1 + 1e-9)).all():
                raise DomainError(f"Decay site {site} in {region}: shares lie between 0 and 1.")
            if value.any():
                name = _AS_SITE.get(site, site)
                mine = made.setdefault(region, {})
                mine[name] = mine.get(name, np.zeros(())) + value
    return made


def _resolved(
    region: str,
    share: Mapping[str, Array],
    keeps: Mapping[tuple[int, int, str], Samples],
    names: Sequence[str],
    branching: Array,
) -> dict[tuple[str, str, str], Samples]:
    """Retained fractions of one region from its sites, parent before daughter; see `free_daughters_from_catalog`."""
    decays: list[dict[str, Array]] = [dict(share)]
    made: dict[tuple[str, str, str], Samples] = {}
    for q in range(1, len(names)):
        mine = {site: np.zeros(()) for site in share}
        for p in map(int, np.flatnonzero(branching[q, :q] > 0)):
            kept = {site: a * np.asarray(keeps.get((p, q, site), 1.0)) for site, a in decays[p].items()}
            if (p, q, next(iter(share))) in keeps:
                all_of, stay = sum(decays[p].values(), np.zeros(())), sum(kept.values(), np.zeros(()))
                whole = np.broadcast_to(all_of, stay.shape)
                made[names[p], names[q], region] = np.divide(stay, whole, out=np.zeros(stay.shape), where=whole > 0)
            mine = {site: mine[site] + branching[q, p] * a for site, a in kept.items()}
        decays.append(mine)
    return made


def _retained_entry(fates: Sequence[DaughterFate], pair: tuple[str, str], site: str) -> Quantity:
    for fate in fates:
        for entry in fate.retained:
            if (entry.parent, entry.daughter) == pair and entry.site == site:
                return entry
    raise CatalogError(
        f"The catalogue's entry {fates[0].id!r} has no retained fraction for {pair[1]} born of {pair[0]} at a site "
        f"{site!r}, nor has the general one. Choose daughters: in_place, or give the fraction."
    )


def _site(sites: Mapping[str, str], region: str) -> str:
    """Site of decay of a region: by its name, its organ (kidney_left), its kind (tumour_x), else that of 'other'."""
    stem = region.split("_")[0]
    for name in (region, stem, f"{stem}s", "other"):
        if name in sites:
            return sites[name]
    return "interstitium"


def _freed_elements(
    names: Sequence[str], branching: Array, long_lived: Sequence[int], table: Mapping[tuple[str, str, str], Samples]
) -> list[str]:
    freed: dict[str, None] = {}
    for q in long_lived:
        shares = [v for (_, daughter, _), v in table.items() if daughter == names[q]]
        from_free = any(branching[q, p] > 0 and element(names[p]) in freed for p in range(1, q))
        if from_free or any(np.any(np.asarray(v) < 1) for v in shares):
            freed[element(names[q])] = None
    return list(freed)


def _with_elements(
    table: Mapping[tuple[str, str, str], Samples],
    freed: Sequence[str],
    regions: Sequence[str],
    draw: Callable[[str, Quantity], Array],
    uptake_split: Mapping[str, Mapping[str, Samples]],
    local_half_life_s: float,
    fate_id: str,
) -> FreeDaughters:
    from ..catalog import free_element

    split = {organ: dict(parts) for organ, parts in uptake_split.items()}
    half_time: dict[str, Samples] = {}
    uptake: dict[str, dict[str, Samples]] = {}
    retention: dict[str, dict[str, Samples]] = {}
    notes = [f"Retained fractions of daughters: catalogue entry {fate_id}."]
    for symbol in freed:
        entry = free_element(symbol)
        half_time[symbol] = draw(f"plasma half-time {symbol}", entry.plasma_half_time)
        uptake[symbol] = {o: np.clip(draw(f"uptake {symbol} {o}", v), 0.0, 1.0) for o, v in entry.uptake.items()}
        retention[symbol] = {o: draw(f"retention {symbol} {o}", v) for o, v in entry.retention.items()}
        for organ in entry.uptake:
            parts = [r for r in regions if r != organ and r.startswith(f"{organ.rstrip('s')}_")]
            if organ not in regions and parts and organ not in split:
                split[organ] = {r: 1.0 / len(parts) for r in parts}
                notes.append(f"Free {symbol} going to the {organ} is shared equally between {' and '.join(parts)}.")
    notes.append(f"Free ions by the catalogue's models of {', '.join(freed) or 'no element'}.")
    return FreeDaughters(dict(table), half_time, uptake, retention, split, local_half_life_s, tuple(notes))
