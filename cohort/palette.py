"""Colors of groups and grades, with the smallest distance of each palette for every kind of color vision."""

from __future__ import annotations

from typing import NamedTuple

# Okabe-Ito in an order that keeps the first two and four as far apart as possible for all readers.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Grades 0-4 (viridis from light to dark) and grade 5; never a traffic light.
GRADE_RAMP = ("#E8E8E8", "#9FDA3A", "#35B779", "#31688E", "#440154", "#000000")
LINE_STYLES: tuple[str | tuple[float, tuple[float, ...]], ...] = (
    "-",
    (0, (5, 1.6)),
    (0, (1.4, 1.2)),
    (0, (6, 1.4, 1.4, 1.4)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (9, 2)),
    (0, (2.5, 2.5)),
)


class PaletteDistance(NamedTuple):
    """Smallest CAM02-UCS distance between any two colors of a palette, by kind of color vision."""

    normal: float
    deutan: float
    protan: float
    tritan: float


# Recomputed by tests/plots/test_style_palettes.py: sRGB -> Machado et al. 2009 (severity 1) -> CAM02-UCS.
MEASURED_DISTANCE = {
    "OKABE_ITO": PaletteDistance(22, 15, 14, 11),
    "GRADE_RAMP[:5]": PaletteDistance(24, 23, 21, 17),
}


def grade_color(grade: float) -> str:
    """Color of a toxicity grade, 0 to 5; a half-point grade lies between its neighbors.

    Examples
    --------
    >>> grade_color(4), grade_color(2.5)
    ('#440154', '#339084')
    """
    low = min(int(grade), len(GRADE_RAMP) - 2)
    return blend(GRADE_RAMP[low], GRADE_RAMP[low + 1], grade - low)


def blend(first: str, second: str, share: float) -> str:
    """Mix two ``#RRGGBB`` colors; share 0 is the first, 1 the second."""
    pairs = [(int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02X}" for a, b in pairs)


def contrast_ratio(first: str, second: str = "#FFFFFF") -> float:
    """WCAG 2 contrast between two ``#RRGGBB`` colors, 1 (none) to 21.

    Examples
    --------
    >>> round(contrast_ratio("#000000"), 1)
    21.0
    """
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    values = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def text_color(color: str, minimum: float = 4.5) -> str:
    """Darken a line color until text in it can be read on white.

    Parameters
    ----------
    color : str
        ``#RRGGBB``.
    minimum : float, default=4.5
        Contrast that small text needs (WCAG 2 AA).

    Returns
    -------
    str
        The color itself or a darker shade of it.

    Examples
    --------
    >>> text_color("#0072B2"), text_color("#CC79A7")
    ('#0072B2', '#A36186')
    """
    channels = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    for step in range(100, -1, -1):
        shade = "#" + "".join(f"{round(c * step / 100):02X}" for c in channels)
        if contrast_ratio(shade) >= minimum:
            return shade
    return "#000000"


def ink_on(background: str) -> str:
    """Black or white, whichever reads better on a background."""
    return "#FFFFFF" if contrast_ratio(background) > contrast_ratio(background, "#000000") else "#000000"
