"""What the tests measure colours with: contrast, colour-blind eyes, perceived distance."""

from __future__ import annotations

from coloraide import Color

EYES = ("full colour vision", "protan", "deutan", "tritan")
"""Who looks: dichromats after Machado, Oliveira and Fernandes 2009, severity 1.0."""


def seen(colour: str, eyes: str) -> Color:
    """Colour as these eyes see it."""
    drawn = Color(colour)
    return drawn if eyes == EYES[0] else drawn.filter(eyes, 1, method="machado")


def contrast(one: str, other: str) -> float:
    """Contrast ratio of WCAG 2.2, 1 to 21."""
    return Color(one).contrast(Color(other), method="wcag21")


def distance(one: str, other: str, eyes: str) -> float:
    """CIEDE2000 distance as these eyes see it; about 1 can just be noticed side by side."""
    return seen(one, eyes).delta_e(seen(other, eyes), method="2000")
