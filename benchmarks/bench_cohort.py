"""Virtual patients a second, cores, memory, beside the public functions one by one: ``python benchmarks/bench_cohort.py``.

The first line is the promise: 100 000 patients x 4 cycles with outcomes in under 90 s on two cores. Every part runs in a
process of its own, so that its peak memory is its own. A number as argument is the size of the large cohort.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

SPEC = {"cohort": "bench", "agent": "lu177-dotatate", "treatment": {"activity": "7.4 GBq"}}


def one(size: int, threads: int) -> dict[str, float]:
    """A cohort into a folder, in a process with this many threads: wall and processor time of the run, peak memory."""
    code = (
        "import json, sys, tempfile, time\nimport alphatwin as at\nfrom alphatwin.report.cohort_store import CohortFolder\n"
        "spec, size = json.loads(sys.argv[1]), int(sys.argv[2])\nat.cohort(spec, size=64)\nopen('/proc/self/clear_refs', 'w').write('5')\n"
        "with tempfile.TemporaryDirectory() as place:\n"
        "    wall, cpu = time.perf_counter(), time.process_time()\n"
        "    at.cohort(spec, size=size, to=CohortFolder(place + '/c'))\n"
        "    told = {'wall': time.perf_counter() - wall, 'cpu': time.process_time() - cpu}\n"
        "text = open('/proc/self/status').read()\ntold['peak_MB'] = int(text.split('VmHWM:')[1].split()[0]) / 1024\nprint(json.dumps(told))\n"
    )
    environment = {**os.environ, "NUMBA_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(SPEC), str(size)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def one_by_one(n: int) -> float:
    """Seconds for n patients through `at.pbpk` for each cycle and the three courses, a chunk at a time, two threads."""
    code = (
        "import sys, time\nimport numpy as np\nimport alphatwin as at\nfrom alphatwin.biology.kidney import KidneyParameters\n"
        "from alphatwin.biology.marrow import MarrowParameters\nfrom alphatwin.biology.tumour import TumourParameters\n"
        "n = int(sys.argv[1])\nmodel = at.pbpk('lu177-dotatate', lesions={'target_1': 15.0, 'target_2': 15.0, 'bulk': 170.0})\n"
        "def run(n):\n"
        "    priors, draws = model.prior(n, 1), at.Draws(n, 1)\n"
        "    for cycle in range(4):\n        dose = model.simulate(**{k: v for k, v in priors.items() if k.startswith(('r0_', 'phi'))}).absorbed_dose_Gy_per_GBq * 7.4\n"
        "    at_ = lambda r: dose.sel(region=r).values\n"
        "    course = at.DoseCourse.simple({'target_1': at_('target_1'), 'target_2': at_('target_2'), 'kidneys': at_('kidneys'), 'red_marrow': np.full(n, 0.4)},\n"
        "        effective_half_life_h={'target_1': 94.0, 'target_2': 94.0, 'kidneys': 51.0, 'red_marrow': 60.0}, cycles=4)\n"
        "    at.tumour_course(course, {'target_1': 15.0, 'target_2': 15.0}, TumourParameters.from_catalog(draws.normal), times_d=np.arange(0, 1826, 84.0))\n"
        "    at.kidney_course(course, 85.0, KidneyParameters.from_catalog(draws.normal))\n"
        "    at.blood_course(course, None, MarrowParameters.from_catalog(draws.normal))\n"
        "run(8)\nstart = time.perf_counter()\nrun(n)\nprint(time.perf_counter() - start)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(n)],
        env={**os.environ, "NUMBA_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    """Print the table."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    one(64, 2)  # compiles
    load = os.getloadavg()[0]
    print(f"load of the machine before: {load:.1f} on {os.cpu_count()} cores")
    large = one(size, 2)
    rate = size / large["wall"]
    print(
        f"{size} patients x 4 cycles, two threads: {large['wall']:.1f} s ({large['cpu']:.1f} s of processor), {rate:.0f} patients/s"
    )
    print(f"  for 100 000: {1e5 / rate:.1f} s, {90.0 * rate / 1e5:.2f} times as fast as the promise of 90 s")
    small = one(max(size // 10, 8192), 2)
    print(f"peak memory: {small['peak_MB']:.0f} MB for {max(size // 10, 8192)}, {large['peak_MB']:.0f} MB for {size} "
          f"({large['peak_MB'] / small['peak_MB']:.2f} times)")  # fmt: skip
    part = max(size // 8, 8192)
    alone = one(part, 1)
    for threads in (2, 4):
        if threads <= (os.cpu_count() or 1):
            several = one(part, threads)
            print(f"{part} patients, {threads} threads against 1: {alone['wall'] / several['wall']:.2f} times as fast")
    n = min(part, 4096)
    seconds = one_by_one(n)
    print(
        f"public functions one after the other, {n} patients, two threads: {n / seconds:.0f} patients/s; a cohort is {rate * seconds / n:.1f} times as fast"
    )


if __name__ == "__main__":
    main()
