"""Random numbers for kernels: Philox4x32-10, counter based, so a history draws the same numbers on any thread.

The generator is a bijection of a 128-bit counter under a 64-bit key (Salmon et al., "Parallel random numbers: as easy
as 1, 2, 3", SC'11, 2011, doi 10.1145/2063384.2063405). The key holds a seed and a stream number, the counter the
history number and the number of draws made in it; nothing is stored between histories.
"""

from __future__ import annotations

from .._jit import njit

__all__ = ["block", "uniforms"]

_MASK = 0xFFFFFFFF


@njit(cache=True, inline="always")
def uniforms(seed, stream, history, draw):  # type: ignore[no-untyped-def]
    """Four independent uniforms in (0, 1) for one draw of one history.

    Parameters
    ----------
    seed, stream : int
        The key, 32 bits each.
    history, draw : int
        The counter: 64 and 32 bits.

    Returns
    -------
    tuple of four float
        (n + 1/2) / 2^32, so neither 0 nor 1 comes out.
    """
    c0 = draw & _MASK
    c1 = 0
    c2 = history & _MASK
    c3 = (history >> 32) & _MASK
    k0 = seed & _MASK
    k1 = stream & _MASK
    for _ in range(10):
        # 32 x 32 -> 64 bit products; a signed 64-bit integer wraps round but keeps all 64 bits, the mask drops the sign
        p0 = 0xD2511F53 * c0
        p1 = 0xCD9E8D57 * c2
        h0 = (p0 >> 32) & _MASK
        h1 = (p1 >> 32) & _MASK
        c0, c1, c2, c3 = h1 ^ c1 ^ k0, p1 & _MASK, h0 ^ c3 ^ k1, p0 & _MASK
        k0 = (k0 + 0x9E3779B9) & _MASK
        k1 = (k1 + 0xBB67AE85) & _MASK
    scale = 1.0 / 4294967296.0
    return (c0 + 0.5) * scale, (c1 + 0.5) * scale, (c2 + 0.5) * scale, (c3 + 0.5) * scale


@njit(cache=True, inline="always")
def block(key):  # type: ignore[no-untyped-def]
    """The next four uniforms of a history; ``key`` (int64) holds seed, stream, history, and the draw, which it counts up."""
    draw = key[3]
    key[3] = draw + 1
    return uniforms(int(key[0]), int(key[1]), int(key[2]), int(draw))
