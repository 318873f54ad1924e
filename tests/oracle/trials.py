"""Slow and obvious twins of the trial engines: a dictionary recursion, one trial patient by patient, plain sums."""

import itertools
import math


def recursion(design, dlt, response=None):
    """Probability of each end (n, y, responses, both, top, current) by a dictionary of states, one state at a time."""
    levels = len(dlt)
    zero = (0,) * levels
    layer = {(zero, zero, zero, zero, design.start, levels): 1.0}
    ends = {}
    limit = design.cohort_limit(levels)
    for cohort in range(limit):
        following = {}
        for (n, y, r, b, level, top), weight in layer.items():
            for outcome in itertools.product(range(4), repeat=design.cohort_size):  # every patient on its own
                d = level - 1
                p_tox, p_res = dlt[d], 0.0 if response is None else response[d]
                chance, tox, good, both = weight, 0, 0, 0
                for o in outcome:
                    t, g = o & 1, o >> 1
                    chance *= (p_tox if t else 1 - p_tox) * (p_res if g else 1 - p_res)
                    tox, good, both = tox + t, good + g, both + t * g
                if chance == 0.0:
                    continue

                def plus(counts, add, at=d):
                    return tuple(c + add if i == at else c for i, c in enumerate(counts))

                now = (plus(n, design.cohort_size), plus(y, tox), plus(r, good), plus(b, both))
                last = (design.cohort_size, tox)
                said = design.decide(now[0], now[1], level, top, last, *(now[2:] if response is not None else ()))
                if said.level == 0 or cohort == limit - 1:
                    key = (*now, said.top, level)
                    ends[key] = ends.get(key, 0.0) + chance
                else:
                    key = (*now, said.level, said.top)
                    following[key] = following.get(key, 0.0) + chance
        layer = following
    return ends


def characteristics(design, dlt, response=None):
    """Selection [none, levels...] and mean patients by level, from the dictionary."""
    selection, patients = [0.0] * (len(dlt) + 1), [0.0] * len(dlt)
    for (n, y, r, b, top, _), weight in recursion(design, dlt, response).items():
        extra = (r, b) if response is not None else ()
        selection[design.select(n, y, top, *extra)] += weight
        patients = [total + weight * c for total, c in zip(patients, n, strict=True)]
    return selection, patients


def one_trial(design, dlt, uniforms):
    """One trial on complete data, patient by patient: (selected, n, y)."""
    levels = len(dlt)
    n, y, level, top = [0] * levels, [0] * levels, design.start, levels
    patient = 0
    for _ in range(design.cohort_limit(levels)):
        tox = 0
        for _ in range(design.cohort_size):
            tox += int(uniforms[patient] < dlt[level - 1])
            patient += 1
        n[level - 1] += design.cohort_size
        y[level - 1] += tox
        said = design.decide(n, y, level, top, (design.cohort_size, tox))
        top = said.top
        if said.level == 0:
            break
        level = said.level
    return design.select(n, y, top), n, y


def tite_trial(design, gaps, tox_weeks, window, delay):
    """One TITE trial with cohorts of one and no suspension: levels, seen DLTs and calendar times, patient by patient."""
    import numpy as np

    from alphatwin.trials.designs import Records

    levels = tox_weeks.shape[1]
    patients, now, top = [], 0.0, levels
    level = design.start
    for j, gap in enumerate(gaps[: design.max_patients(levels)]):
        now += gap
        if j:
            dlt, follow = [], []
            for enrolled, _, event in patients:
                known = now - enrolled - delay
                dlt.append(event <= window and known >= event)
                follow.append(event if dlt[-1] else min(max(known, 0.0), window))
            records = Records(
                np.array([[p[1] for p in patients]]), np.array([dlt]), np.array([follow]), np.array([level]),
                np.array([top]), levels,
            )  # fmt: skip
            said, tops = design.decide_records_batch(records)
            level, top = int(said[0]), int(tops[0])
            if level == 0:
                break
        patients.append((now, level, tox_weeks[j, level - 1]))
    return patients


def course(truth, rng, dose):
    """One patient of a course, event by event: (first toxicity, late toxicity, death, cycles) in weeks."""
    death = rng.exponential(1 / truth._death_rate) if truth._death_rate else math.inf
    progression = rng.exponential(1 / truth._progression_rate) if truth._progression_rate else math.inf
    activity, cycle, dlt = truth.activity_MBq[dose], 0, math.inf
    while True:
        start = cycle * truth.interval_weeks
        hazard = 0.0
        if truth.cumulative is not None and cycle:
            c = truth.cumulative
            hazard = -math.log(1 - c.probability) * (cycle * activity / c.at_MBq) ** c.power
        stays_free = (1 - truth.acute[dose]) * math.exp(-hazard)
        if rng.random() > stays_free:
            dlt = start + rng.random() * (truth.acute_weeks or truth.interval_weeks)
        cycle += 1
        ends = cycle * truth.interval_weeks
        if cycle == truth.cycles or dlt < math.inf or min(death, progression) < ends:
            break
    last = (cycle - 1) * truth.interval_weeks
    late = last + float(truth.late.time(rng.random(), rng.random(), activity * cycle))
    first = min(dlt, late)
    return (first if first < death else math.inf), (late if late < death else math.inf), death, cycle


def ols_slope_variance(times, slope_sd, residual_sd):
    """Variance of one patient's least-squares slope: s_v^2 + s_e^2 / S_tt."""
    mean = sum(times) / len(times)
    return slope_sd**2 + residual_sd**2 / sum((t - mean) ** 2 for t in times)
