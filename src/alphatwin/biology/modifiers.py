"""Drugs and repair deficiencies as typed changes of a response, with what is known of them and what is not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, overload

from .. import catalog
from ..errors import DomainError
from ._checks import checked
from .damage import Misrepair
from .models import LinearQuadratic

__all__ = ["ResponseModifier", "modifier_of"]


@dataclass(frozen=True)
class ResponseModifier:
    """Factors on alpha and beta of a linear-quadratic response, or on the failure of repair of a `Misrepair` response.

    Parameters
    ----------
    name : str
        Stands in the report.
    radiation : {"low_let", "high_let"}
        What the factors were measured with; `apply` refuses the other.
    alpha_factor, beta_factor, failure_factor : float, optional
        0 or more; None: not known, and a response that needs it is refused.
    source : str
        Bibliography key, or "user".
    verified : bool
        Whether every factor was read in its source.
    notes : tuple of str
        What is not known.

    Examples
    --------
    >>> drug = modifier_of("5-fu")
    >>> drug.apply(LinearQuadratic(0.2, 0.02), radiation="low_let")
    LinearQuadratic(alpha_per_Gy=0.2, beta_per_Gy2=0.03, g=1.0)
    """

    name: str
    radiation: Literal["low_let", "high_let"]
    alpha_factor: float | None = None
    beta_factor: float | None = None
    failure_factor: float | None = None
    source: str = "user"
    verified: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key in ("alpha_factor", "beta_factor", "failure_factor"):
            if getattr(self, key) is not None:
                checked(key, getattr(self, key), at_least=0.0)
        if self.radiation not in ("low_let", "high_let"):
            raise DomainError(f"radiation is {self.radiation!r}; low_let or high_let is meant.")

    @classmethod
    def from_enhancement(
        cls, name: str, radiation: Literal["low_let", "high_let"], ratio: float, *, source: str = "user"
    ) -> ResponseModifier:
        """A dose-modifying drug: the same survival at a dose lower by this ratio, at every level.

        S(D) becomes S(ratio D), so alpha is multiplied by the ratio and beta by its square. Whether a published
        enhancement ratio is such a ratio of doses, and holds at other levels than its own, is yours to judge.

        Examples
        --------
        >>> drug = ResponseModifier.from_enhancement("DNA-PK inhibitor", "high_let", 1.6, source="bannik2021")
        >>> drug.apply(LinearQuadratic(1.0, 0.0), radiation="high_let").alpha_per_Gy
        1.6
        """
        value = float(checked("ratio", ratio, above=0.0))
        return cls(name, radiation, alpha_factor=value, beta_factor=value**2, source=source)

    def _factor(self, key: str) -> float:
        value = getattr(self, key)
        if value is None:
            raise DomainError(
                f"{self.name} has no {key} that somebody read in a source ({self.notes[0] if self.notes else 'no note'}). "
                f"Give your own: ResponseModifier(name, radiation, {key}=...)."
            )
        return float(value)

    @overload
    def apply(self, response: LinearQuadratic, *, radiation: Literal["low_let", "high_let"]) -> LinearQuadratic: ...
    @overload
    def apply(self, response: Misrepair, *, radiation: Literal["low_let", "high_let"]) -> Misrepair: ...
    def apply(
        self, response: LinearQuadratic | Misrepair, *, radiation: Literal["low_let", "high_let"]
    ) -> LinearQuadratic | Misrepair:
        """The response of the same cells with this modifier.

        Raises
        ------
        DomainError
            Factors that are not known, or were measured with the other kind of radiation.
        """
        if radiation != self.radiation:
            raise DomainError(
                f"The factors of {self.name} were measured with {self.radiation} radiation and are not carried over to "
                f"{radiation}; give your own for it."
            )
        if isinstance(response, Misrepair):
            failure = self._factor("failure_factor") * float(response.failure or 0.0)
            if failure > 1.0:
                raise DomainError(f"{self.name} would let {failure:.3g} of all breaks fail; a share is at most 1.")
            return replace(response, failure=failure)
        return replace(
            response,
            alpha_per_Gy=self._factor("alpha_factor") * response.alpha_per_Gy,
            beta_per_Gy2=self._factor("beta_factor") * response.beta_per_Gy2,
        )


def modifier_of(name: str) -> ResponseModifier:
    """The catalogue's modifier with this id: ``"5-fu"``, ``"dna-pk-inhibition"``, ``"gemcitabine"``, ``"parp-inhibition"``, ``"repair-deficiency"``.

    Raises
    ------
    CatalogError
        An unknown name.

    Examples
    --------
    >>> modifier_of("parp-inhibition").alpha_factor is None
    True
    """
    entry = catalog.modifier(name)
    given = [q for q in (entry.alpha_factor, entry.beta_factor, entry.failure_factor) if q is not None]
    return ResponseModifier(
        name=entry.name,
        radiation=entry.radiation,
        alpha_factor=entry.alpha_factor.value if entry.alpha_factor else None,
        beta_factor=entry.beta_factor.value if entry.beta_factor else None,
        failure_factor=entry.failure_factor.value if entry.failure_factor else None,
        source=", ".join(sorted({q.source for q in given})) or ", ".join(entry.sources),
        verified=bool(given) and all(q.verified for q in given),
        notes=entry.gaps,
    )
