"""`alphatwin trial simon`, `bop2`, `predictive`, `two-doses`: phase II designs from the command line."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import DomainError

if TYPE_CHECKING:
    import typer

__all__ = ["PHASE_TWO_COMMANDS", "add_phase_two"]

PHASE_TWO_COMMANDS = ("simon", "bop2", "predictive", "two-doses")
_WIDTH = 80


def add_phase_two(app: typer.Typer) -> None:
    """The commands, added to a group."""
    _add_simon(app)
    _add_looks(app)
    _add_two_doses(app)


def _add_simon(app: typer.Typer) -> None:
    import typer

    @app.command("simon", short_help="Two-stage designs of Simon, with the admissible ones.")
    def simon_command(
        p0: float = typer.Option(..., "--p0", help="Response rate that is not of interest."),
        p1: float = typer.Option(..., "--p1", help="Response rate that is."),
        alpha: float = typer.Option(0.05, "--alpha", help="Largest probability of success at p0."),
        beta: float = typer.Option(0.20, "--beta", help="Largest probability of failure at p1."),
        as_json: bool = typer.Option(False, "--json", help="As JSON."),
    ) -> None:
        """Minimax, admissible and optimal two-stage designs, by exact search."""
        from ..trials.phase_two import simon

        found = simon(p0, p1, alpha, beta)
        if as_json:
            _print_json(found)
            return
        print(f"{'':12s}{'r1/n1':>8s}{'r/n':>8s}{'EN0':>10s}{'PET0':>9s}{'alpha':>9s}{'power':>9s}")
        for d in found.admissible:
            name = "minimax" if d == found.minimax else "optimal" if d == found.optimal else "admissible"
            print(
                f"{name:12s}{f'{d.r1}/{d.n1}':>8s}{f'{d.r}/{d.n}':>8s}{d.en0:10.4f}{d.pet0:9.4f}{d.alpha:9.4f}{d.power:9.4f}"
            )
        _say("Optimal. " + found.optimal.protocol_text())


def _add_looks(app: typer.Typer) -> None:
    import typer

    @app.command("bop2", short_help="BOP2: response, or response and toxicity.")
    def bop2_command(
        p0: float = typer.Option(..., "--p0", help="Response rate that is not of interest."),
        p1: float = typer.Option(..., "--p1", help="Response rate that is."),
        looks: str = typer.Option(..., "--looks", help="Patients at each look, as 10,20,30 or 10-30."),
        alpha: float = typer.Option(0.10, "--alpha", help="Largest probability of success under the null."),
        toxicity_0: float | None = typer.Option(None, "--toxicity0", help="Toxicity rate that is too high."),
        toxicity_1: float | None = typer.Option(None, "--toxicity1", help="Toxicity rate that is acceptable."),
        as_json: bool = typer.Option(False, "--json", help="As JSON."),
    ) -> None:
        """Boundaries at every look, with exact error rates."""
        from ..trials.monitoring import bop2, bop2_joint

        if toxicity_0 is None and toxicity_1 is None:
            _tell(bop2(p0, p1, _looks(looks), alpha), as_json)
        elif toxicity_0 is None or toxicity_1 is None:
            raise DomainError("--toxicity0 and --toxicity1 belong together: give both, or neither (response alone).")
        else:
            _tell(bop2_joint((p0, toxicity_0), (p1, toxicity_1), _looks(looks), alpha), as_json)

    @app.command("predictive", short_help="Futility by predictive probability.")
    def predictive_command(
        p0: float = typer.Option(..., "--p0", help="Response rate that is not of interest."),
        p1: float = typer.Option(..., "--p1", help="Response rate that is."),
        looks: str = typer.Option(..., "--looks", help="Patients at each look, as 10,20,30 or 10-36."),
        success: float = typer.Option(0.90, "--success", help="Pr(rate > p0) that the end must exceed."),
        stop: float = typer.Option(0.05, "--stop", help="Stop when a success is less probable than this."),
        as_json: bool = typer.Option(False, "--json", help="As JSON."),
    ) -> None:
        """Boundaries at every look, with exact error rates."""
        from ..trials.monitoring import predictive_design

        _tell(predictive_design(p0, p1, _looks(looks), success, stop), as_json)


def _add_two_doses(app: typer.Typer) -> None:
    import typer

    @app.command("two-doses", short_help="Size of a randomised comparison of two doses.")
    def two_doses_command(
        rate: float = typer.Option(..., "--rate", help="Response rate at the lower dose."),
        gain: float = typer.Option(..., "--gain", help="Difference worth the higher dose."),
        right: float = typer.Option(0.80, "--right", help="Probability of taking the higher dose when it gains this."),
        keeps_lower: float = typer.Option(0.0, "--keeps-lower", help="Probability of the lower when they are equal."),
        as_json: bool = typer.Option(False, "--json", help="As JSON."),
    ) -> None:
        """The smallest comparison that takes the better dose often enough."""
        from ..trials.two_doses import two_doses

        found = two_doses(rate, gain, right=right, keeps_lower=keeps_lower)
        if as_json:
            _print_json(found)
            return
        better, equal = found.takes_higher(rate, rate + gain), found.takes_higher(rate, rate)
        print(f"{found.n} patients to each dose")
        _say(
            f"{found.protocol_text()} The higher dose is taken with probability {better:.4f} at response rates of {rate:g} and "
            f"{rate + gain:g}, and with {equal:.4f} when both are {rate:g}."
        )


def _looks(text: str) -> Sequence[int]:
    """Looks from `10,20,30` or `10-30`."""
    first, dash, last = text.partition("-")
    try:
        if dash:
            return range(int(first), int(last) + 1)
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise DomainError(
            f"--looks is {text!r}; give numbers of patients as 10,20,30, or 10-30 for every one."
        ) from None


def _tell(design: Any, as_json: bool) -> None:
    """Boundaries as columns and the rule in words."""
    if as_json:
        _print_json(design)
        return
    most = getattr(design, "stop_at_least", None)
    print(f"{'patients':>10s}{'stop at responses <=':>24s}" + (f"{'or toxicities >=':>20s}" if most else ""))
    for k, n in enumerate(design.looks):
        low = str(design.stop_at_most[k]) if design.stop_at_most[k] >= 0 else "-"
        high = "" if most is None else str(most[k]) if most[k] <= n else "-"
        print(f"{n:10d}{low:>24s}{high:>20s}".rstrip())
    _say(design.protocol_text())


def _print_json(design: Any) -> None:
    values = dataclasses.asdict(design)
    for name in ("alpha", "power"):
        if name not in values and hasattr(design, name):
            values[name] = float(getattr(design, name))
    print(json.dumps(values, indent=2))


def _say(text: str) -> None:
    print("\n" + textwrap.fill(text, _WIDTH))
