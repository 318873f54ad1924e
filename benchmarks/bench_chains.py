"""Time of the chain solver, and its ratio to the API of radioactivedecay, in the same run."""

from __future__ import annotations

import time

import numpy as np

from alphatwin.physics.nuclides import activities, decays

REPEATS = 5


def best(call):
    call()  # tables read, kernels compiled
    spent = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begin)
    return min(spent)


def main():
    grids = {
        "0 to 60 d, even": np.linspace(0, 1440, 100_000),
        "1 s to 60 d, logarithmic": np.geomspace(1 / 3600, 1440, 100_000),
        "1 us to 60 d, logarithmic": np.geomspace(1e-6 / 3600, 1440, 100_000),
    }
    ours = {}
    for name, times in grids.items():
        ours[name] = best(lambda times=times: activities({"Ac-225": 1.0}, times))
        print(f"225Ac chain, 1e5 times, {name:26s} {ours[name] * 1e3:8.1f} ms")
    integral = best(lambda: decays({"Ac-225": 1.0}, 240.0))
    print(f"225Ac chain, decays in 10 d                          {integral * 1e3:8.2f} ms")
    ten_thousand = np.linspace(0, 1440, 10_000)
    uranium = best(lambda: activities({"U-238": 1.0}, ten_thousand))
    print(f"238U chain, 1e4 times (no closed form holds)         {uranium * 1e3:8.1f} ms")

    import radioactivedecay as rd

    inventory = rd.Inventory({"Ac-225": 1.0}, "Bq")
    sample = grids["0 to 60 d, even"][::1000]
    begin = time.perf_counter()
    for t in sample:
        inventory.decay(float(t), "h").activities("Bq")
    theirs = (time.perf_counter() - begin) / sample.size * 100_000
    print(f"radioactivedecay API, {sample.size} times scaled to 1e5        {theirs * 1e3:8.0f} ms")
    print(f"ratio                                                {theirs / ours['0 to 60 d, even']:8.0f}")


if __name__ == "__main__":
    main()
