"""Drugs and repair deficiencies as typed changes of a response, with what is known of them and what is not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, overload

from .. import catalog
from ..errors import CatalogError, DomainError
from ._checks import checked
from .damage import Misrepair
from .models import LinearQuadratic, SingleHit

__all__ = ["ResponseModifier", "chosen_modifier", "modifier_of"]

Radiation = Literal["low_let", "high_let"]
_WORDS = {"low_let": "electrons and photons", "high_let": "alphas"}


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
    @overload
    def apply(self, response: SingleHit, *, radiation: Literal["low_let", "high_let"]) -> SingleHit: ...
    def apply(
        self, response: LinearQuadratic | SingleHit | Misrepair, *, radiation: Literal["low_let", "high_let"]
    ) -> LinearQuadratic | SingleHit | Misrepair:
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
        if isinstance(response, SingleHit):  # 1/z0 is its alpha
            factor = self._factor("alpha_factor")
            if factor == 0.0:
                raise DomainError(f"{self.name} with a factor of 0 leaves nothing that kills, which no z0 can say.")
            return SingleHit(response.z0_Gy / factor)
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


def chosen_modifier(
    name: str,
    *,
    radiation: Radiation | None = None,
    alpha_factor: float | None = None,
    beta_factor: float | None = None,
    dose_factor: float | None = None,
    source: str | None = None,
    quadratic: bool = True,
) -> ResponseModifier:
    """A modifier with every factor that a response needs: yours, else the catalogue's for the same radiation.

    Parameters
    ----------
    name : str
        Id of a catalogue entry; or a name of your own, with factors and a source.
    radiation : {"low_let", "high_let"}, optional
        What it acts on; by default what the entry was measured with.
    alpha_factor, beta_factor : float, optional
        Yours; they win over the catalogue's.
    dose_factor : float, optional
        Instead: as `ResponseModifier.from_enhancement`.
    source : str, optional
        Of your factors.
    quadratic : bool
        Whether the response has a quadratic term, so that a factor on beta is needed.

    Raises
    ------
    DomainError
        A factor that nobody gave and the catalogue does not have for this radiation: the message lists what was measured.
    CatalogError
        An unknown name without factors and a source.

    Examples
    --------
    >>> chosen_modifier("5-fu").beta_factor
    1.5
    >>> chosen_modifier("dna-pk-inhibition", dose_factor=1.6).alpha_factor
    1.6
    """
    own = not (dose_factor is alpha_factor is beta_factor is None)
    try:
        entry = catalog.modifier(name)
    except CatalogError as error:
        if own and source is not None and radiation is not None:
            entry = None
        else:
            raise CatalogError(
                f"{error} A modifier of your own needs radiation, source, and alpha_factor and beta_factor or dose_factor."
            ) from None
    known = None if entry is None else modifier_of(entry.id)
    on: Radiation = radiation or (known.radiation if known is not None else "high_let")
    label = name if known is None else known.name
    given = "no source given" if source is None else source
    if dose_factor is not None:
        return ResponseModifier.from_enhancement(label, on, dose_factor, source=given)
    same = known if known is not None and known.radiation == on else None
    alpha = alpha_factor if alpha_factor is not None or same is None else same.alpha_factor
    beta = beta_factor if beta_factor is not None or same is None else same.beta_factor
    missing = [
        k for k, v in (("alpha_factor", alpha), ("beta_factor", beta)) if v is None and (quadratic or k[0] == "a")
    ]
    if missing:
        raise DomainError(_what_is_missing(label, on, known, entry, missing))
    if not own and same is not None:
        return replace(same, failure_factor=None)
    used = [given] + ([same.source] if same is not None and (alpha_factor is None or beta_factor is None) else [])
    return ResponseModifier(label, on, alpha_factor=alpha, beta_factor=beta, source=", ".join(used))


def _what_is_missing(
    label: str, on: Radiation, known: ResponseModifier | None, entry: catalog.Modifier | None, missing: list[str]
) -> str:
    """Why a modifier cannot be applied, what was measured, and what to give."""
    told = f"{label} has no {' and no '.join(missing)} for {_WORDS[on]}."
    if known is not None and known.radiation != on and known.alpha_factor is not None:
        told += f" The catalogue's factors were measured with {_WORDS[known.radiation]} and are not carried over."
    if entry is not None and entry.measured:
        found = ", ".join(f"{k} {q.value:g} [{q.source}]" for k, q in entry.measured.items())
        told += f" Measured with {_WORDS[entry.radiation]} ({entry.conditions}): {found}."
    return (
        f"{told} Give {' and '.join(missing)} (1: unchanged), or dose_factor if you take a number as a ratio of doses "
        "with the same effect."
    )
