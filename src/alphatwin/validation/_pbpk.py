"""What the whole-body models of further agents and species give where something was published."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["PBPK_CALLS"]

_BONE = ("trabecular_surface", "cortical_surface", "bone_volume")


def radium_percent(where: str, hours: float) -> float:
    """Percent of the administered 223Ra, decay included, in plasma, bone or gut contents."""
    from ..kinetics.pbpk import pbpk

    regions = list(_BONE) if where == "bone" else ["colon" if where == "gut" else where]
    found = pbpk("ra223-chloride").simulate(activity_MBq=1.0, times_h=[hours]).activity
    return 100.0 * float(found.isel(sample=0, nuclide=0, time=0).sel(region=regions).sum())


def whole_body_dose(agent: str, region: str) -> float:
    """Absorbed dose of an organ of the reference body, Gy/GBq."""
    from ..kinetics.pbpk import pbpk

    found = pbpk(agent).simulate(times_h=[0.0], activity_MBq=1000.0).absorbed_dose_Gy_per_GBq
    return float(found.sel(region=region).item())


def animal_percent_per_g(species: str, region: str, hours: float) -> float:
    """Percent of the administered activity per gram at 0.3 nmol of peptide, decay-corrected."""
    from ..kinetics.pbpk import pbpk

    model = pbpk("lu177-dotatate", species)
    grams = (
        model.lesions[region].volume_mL
        if region in model.lesions
        else 1e3 * model.parameters[f"volume_{region}_L"].value
    )
    found = model.simulate(peptide_nmol=0.3, activity_MBq=0.5, times_h=[hours]).peptide
    return 100.0 * float(found.sel(region=region).item()) / 0.3 / grams


PBPK_CALLS: tuple[Callable[..., float], ...] = (radium_percent, whole_body_dose, animal_percent_per_g)
