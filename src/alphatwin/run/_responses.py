"""The responses that a case of cells asks for: its numbers or its cell line, and the modifiers on them."""

from __future__ import annotations

from dataclasses import dataclass

from .. import catalog
from ..biology.models import LinearQuadratic, SingleHit
from ..biology.modifiers import ResponseModifier, chosen_modifier
from ..biology.oxygen import line_response
from ..case.cells import CellsCase, LowLet, ResponseChoice
from ..errors import AlphatwinError

__all__ = ["Responses", "modifiers_of", "responses_of", "told_of"]

Response = LinearQuadratic | SingleHit
_RADIATION = {"alpha": "high_let", "low_let": "low_let"}


@dataclass(frozen=True)
class Responses:
    """Of alphas' specific energy, and of the dose of electrons and photons."""

    alpha: Response
    low_let: Response


def modifiers_of(case: CellsCase) -> tuple[ResponseModifier, ...]:
    """The modifiers of the case with all their factors.

    Raises
    ------
    AlphatwinError
        A name that is unknown or a factor that is missing; the message begins with the place in the case.
    """
    found = []
    for i, one in enumerate(case.response.modifiers):
        try:
            found.append(chosen_modifier(
                one.name, radiation=None if one.radiation is None else _RADIATION[one.radiation],  # type: ignore[arg-type]
                alpha_factor=one.alpha_factor, beta_factor=one.beta_factor, dose_factor=one.dose_factor, source=one.source,
                quadratic=_quadratic(case.response),
            ))  # fmt: skip
        except AlphatwinError as error:
            raise type(error)(f"response.modifiers.{i}: {error}") from None
    seen: set[tuple[str, str]] = set()
    for i, made in enumerate(found):
        if (made.name, made.radiation) in seen:
            raise AlphatwinError(f"response.modifiers.{i}: {made.name} acts on the same radiation twice.")
        seen.add((made.name, made.radiation))
    return tuple(found)


def _quadratic(choice: ResponseChoice) -> bool:
    """Whether any response of the case has a quadratic term."""
    low = choice.low_let
    return choice.line is not None or choice.beta_per_Gy2 > 0 or (low is not None and low.beta_per_Gy2 > 0)


def responses_of(
    case: CellsCase, let_keV_per_um: float | None, g: float, modifiers: tuple[ResponseModifier, ...] = ()
) -> Responses:
    """Both responses; `let_keV_per_um` is that of the alphas, None without any, and counts for a cell line alone."""
    choice = case.response
    if choice.line is not None:
        low: Response = line_response(choice.line, None, choice.parameters)
        high: Response = (
            low if let_keV_per_um is None else line_response(choice.line, let_keV_per_um, choice.parameters)
        )
    else:
        high = low = _of(choice)
    if choice.low_let is not None:
        low = _of(choice.low_let)
    for one in modifiers:
        if one.radiation == "high_let":
            high = one.apply(high, radiation="high_let")
        else:
            low = one.apply(low, radiation="low_let")
    if isinstance(high, SingleHit) and isinstance(low, SingleHit):
        return Responses(high, low)
    return Responses(_with_g(high, g), _with_g(low, g))


def _of(part: ResponseChoice | LowLet) -> Response:
    return LinearQuadratic(part.alpha_per_Gy or 0.0, part.beta_per_Gy2) if part.z0_Gy is None else SingleHit(part.z0_Gy)


def _with_g(response: Response, g: float) -> LinearQuadratic:
    """With the Lea-Catcheside factor of the curve; one-hit killing beside a quadratic response has alpha 1/z0."""
    return LinearQuadratic(response.alpha_per_Gy, response.beta_per_Gy2, g)


def told_of(case: CellsCase, modifiers: tuple[ResponseModifier, ...], nucleus_um: float) -> tuple[str, ...]:
    """What was chosen, in words for the report."""
    told = []
    if case.response.line is not None:
        entry = catalog.cell_line(case.response.line)
        values = entry.models[case.response.parameters]
        keys = ", ".join(sorted({q.source for q in values.values()}))
        read = "" if all(q.verified for q in values.values()) else "; its numbers were not read in their paper"
        told.append(
            f"Response of {entry.name} ({case.response.parameters}) [{keys}] at the dose-mean lineal energy of the alphas{read}. "
            f"Its own nucleus has {values['nucleus_radius'].value:g} um, the one here {nucleus_um:g} um."
        )
    for given, one in zip(case.response.modifiers, modifiers, strict=True):
        what = "alphas" if one.radiation == "high_let" else "electrons and photons"
        beta = "" if one.beta_factor is None else f", beta times {one.beta_factor:.4g}"
        yours = not (given.alpha_factor is given.beta_factor is given.dose_factor is None)
        read = "; yours" if yours else "" if one.verified else "; not every factor was read there"
        told.append(f"Modifier: {one.name} on {what}: alpha times {one.alpha_factor:.4g}{beta} ({one.source}{read}).")
    return tuple(told)
