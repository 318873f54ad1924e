"""Dose-finding designs that see late and cumulative toxicity, and their operating characteristics."""
