"""Nuclides (chains, emissions) and matter (stopping power, range, attenuation)."""

RADIATIONS = ("alpha", "recoil", "electron", "photon")
