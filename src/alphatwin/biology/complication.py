"""Normal-tissue complication probability of a whole organ: Lyman's probit and the logistic form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DomainError
from ._checks import Floats, checked

if TYPE_CHECKING:
    from ..catalog import NTCP

__all__ = ["Logistic", "Lyman", "ntcp"]


@dataclass(frozen=True, eq=False)
class Lyman:
    """NTCP = Phi((x - D50) / (m D50)): probit, uniform irradiation of the whole organ (Lyman 1985, lyman1985).

    Parameters
    ----------
    d50_Gy : float or array [sample]
        Value of the dose quantity at 50 %, above 0.
    m : float or array [sample]
        Relative width, above 0. At x = 0 the model gives Phi(-1/m), not 0: 0.6 % at m = 0.4.

    Examples
    --------
    >>> float(Lyman(44.0, 0.12).probability(44.0))
    0.5
    """

    d50_Gy: ArrayLike
    m: ArrayLike

    def __post_init__(self) -> None:
        checked("d50_Gy", self.d50_Gy, above=0.0)
        checked("m", self.m, above=0.0)

    def probability(self, values_Gy: ArrayLike) -> Floats:
        """NTCP at these values (Gy, 0 or more) of the quantity that the parameters were fitted in."""
        from scipy.special import ndtr

        x = checked("values_Gy", values_Gy, at_least=0.0)
        return np.asarray(ndtr((x / np.asarray(self.d50_Gy) - 1.0) / np.asarray(self.m)), dtype=float)


@dataclass(frozen=True, eq=False)
class Logistic:
    """NTCP = 1 / (1 + (D50/x)^(4 gamma50)); 0 at x = 0 (Niemierko and Goitein 1991, niemierko1991).

    Parameters
    ----------
    d50_Gy : float or array [sample]
        Value of the dose quantity at 50 %, above 0.
    gamma50 : float or array [sample]
        Normalised slope d NTCP / d ln x at D50, above 0.

    Examples
    --------
    >>> float(Logistic(44.0, 2.0).probability(0.0)), float(Logistic(44.0, 2.0).probability(44.0))
    (0.0, 0.5)
    """

    d50_Gy: ArrayLike
    gamma50: ArrayLike

    def __post_init__(self) -> None:
        checked("d50_Gy", self.d50_Gy, above=0.0)
        checked("gamma50", self.gamma50, above=0.0)

    def probability(self, values_Gy: ArrayLike) -> Floats:
        """NTCP at these values (Gy, 0 or more) of the quantity that the parameters were fitted in."""
        from scipy.special import expit

        x = checked("values_Gy", values_Gy, at_least=0.0)
        ratio = np.maximum(x, np.finfo(float).tiny) / np.asarray(self.d50_Gy)
        return np.where(x > 0.0, expit(4.0 * np.asarray(self.gamma50) * np.log(ratio)), 0.0)


def ntcp(
    model: Lyman | Logistic | NTCP, values_Gy: ArrayLike, *, d50_score: ArrayLike = 0.0, slope_score: ArrayLike = 0.0
) -> Floats:
    """Normal-tissue complication probability of a whole organ.

    The parameters hold for the endpoint, the quantity (BED, EQD2 or dose) and the dose range they were fitted in, and
    nearly all come from low-LET radiation: with alpha emitters the result leans on the RBE. The organ is taken as
    evenly irradiated; the volume effect (Lyman's n) is not modelled.

    Parameters
    ----------
    model : Lyman, Logistic or catalogue NTCP
        A catalogue entry is taken at the scores below.
    values_Gy : array (...)
        The quantity that the model is stated in, cumulative over all treatments, in Gy, 0 or more.
    d50_score, slope_score : array (...)
        Standard-normal scores of the parameters of a catalogue entry; 0 is the point estimate.

    Returns
    -------
    array (...)
        Probability, 0 to 1.

    Raises
    ------
    DomainError
        Values or parameters out of range, or a catalogue entry that is not in Gy.

    Examples
    --------
    >>> [round(float(p), 3) for p in ntcp(Lyman(44.0, 0.12), [35.0, 44.0, 53.0])]
    [0.044, 0.5, 0.956]
    """
    if isinstance(model, Lyman | Logistic):
        return model.probability(values_Gy)
    if model.d50.unit != "Gy" or model.slope.unit != "1":
        raise DomainError(
            f"NTCP entry for {model.endpoint!r} has D50 in {model.d50.unit!r} and slope in {model.slope.unit!r}; "
            "Gy and 1 are meant."
        )
    d50, slope = model.d50.at_score(np.asarray(d50_score)), model.slope.at_score(np.asarray(slope_score))
    return (Lyman(d50, slope) if model.model == "lyman" else Logistic(d50, slope)).probability(values_Gy)
