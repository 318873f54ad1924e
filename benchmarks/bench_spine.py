"""Times of the spine: start-up, chain solving, the main job. Run it with `make bench`; nothing here is a test.

Each figure is the least of several runs; beside it stands what it is compared with, in the same run.
"""

import pathlib
import subprocess
import sys
import time

import numpy as np

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


def least(function, runs=5):
    """Shortest of several runs, in seconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def process(*arguments):
    return least(lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True))


def main():
    bare = process("-c", "pass")
    version = process("-m", "alphatwin", "--version")
    helped = process("-m", "alphatwin", "--help")
    print(f"start-up   bare interpreter           {bare * 1e3:8.0f} ms")
    print(f"           alphatwin --version        {version * 1e3:8.0f} ms   {version / bare:6.1f} x the interpreter")
    print(f"           alphatwin --help           {helped * 1e3:8.0f} ms   {helped / bare:6.1f} x the interpreter")

    import alphatwin as at

    times = np.linspace(0.0, 60 * 24.0, 100_000)
    at.activities({"Ac-225": 1.0}, times[:10])
    ours = least(lambda: at.activities({"Ac-225": 1.0}, times))
    exponentials = least(lambda: np.exp(-np.outer(np.arange(1.0, 8.0), times / times[-1])))
    print(
        f"chain      1e5 times x 225Ac chain    {ours * 1e3:8.1f} ms   {ours / exponentials:6.1f} x its exponentials alone"
    )
    try:
        import radioactivedecay as rd

        start = rd.Inventory({"Ac-225": 1.0}, "Bq")
        theirs = least(lambda: [start.decay(float(t), "h").activities("Bq") for t in times[1:100_000:2000]], 3) * 2000
        print(
            f"           radioactivedecay API       {theirs:8.1f} s    {theirs / ours:6.0f} x ours (50 times, scaled)"
        )
    except ImportError:
        print("           radioactivedecay is not installed: no comparison")

    for name in ("snmmi-patient4", "ac225-dotatate-course", "pb212-dotamtate-course"):
        case = at.load(EXAMPLES / f"{name}.yaml")
        warm = least(lambda case=case: at.run(case), 3)
        whole = least(lambda case=case: at.run(case).html(), 2)
        print(f"main job   {name:24s}   {warm:8.2f} s    with its page {whole:.2f} s, {case.options.samples} samples")
    cold = process("-m", "alphatwin", "run", str(EXAMPLES / "snmmi-patient4.yaml"), "--out", "results", "--quiet")
    print(f"           as a fresh process         {cold:8.2f} s")


if __name__ == "__main__":
    main()
