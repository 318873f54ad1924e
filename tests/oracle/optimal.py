"""Slow twin of the search for a course: activities tried one by one, every limit counted patient by patient."""

import numpy as np


def largest_activity(quantity, limit, probability, activities, at_most=True):
    """The largest of `activities` at which a share `probability` of patients keeps the limit; quantity(a) is [sample]."""
    best = 0.0
    for a in activities:
        values = quantity(a)
        kept = np.mean(values <= limit * (1 + 1e-12)) if at_most else np.mean(values >= limit * (1 - 1e-12))
        if kept >= probability:
            best = a
    return best
