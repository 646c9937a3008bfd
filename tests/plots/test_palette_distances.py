"""The distances stated in cohort.palette, recomputed: sRGB, Machado 2009 (severity 1), CIECAM02, CAM02-UCS."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from cohort import palette

Array = NDArray[np.float64]

# Machado, Oliveira, Fernandes (2009), IEEE TVCG 15:1291-1298, table of matrices at severity 1.0, linear RGB.
MACHADO = {
    "normal": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
CAT02 = np.array([[0.7328, 0.4296, -0.1624], [-0.7036, 1.6975, 0.0061], [0.0030, 0.0136, 0.9834]])
HPE = np.array([[0.38971, 0.68898, -0.07868], [-0.22981, 1.18340, 0.04641], [0.0, 0.0, 1.0]])
WHITE = np.array([95.047, 100.0, 108.883])
# Viewing conditions of sRGB: adapting luminance 64/pi/5, background 20, average surround.
L_A, Y_B, F, C_SURROUND, N_C = 64 / np.pi / 5, 20.0, 1.0, 0.69, 1.0


def linear_rgb(color: str) -> Array:
    values = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def adapted(xyz: Array) -> Array:
    degree = F * (1 - np.exp((-L_A - 42) / 92) / 3.6)
    return CAT02 @ xyz * (degree * 100 / (CAT02 @ WHITE) + 1 - degree)


def response(xyz: Array) -> Array:
    k = 1 / (5 * L_A + 1)
    f_l = 0.2 * k**4 * 5 * L_A + 0.1 * (1 - k**4) ** 2 * np.cbrt(5 * L_A)
    cones = HPE @ np.linalg.solve(CAT02, adapted(xyz))
    power = (f_l * np.abs(cones) / 100) ** 0.42
    return np.sign(cones) * 400 * power / (power + 27.13) + 0.1


def cam02_ucs(xyz: Array) -> Array:
    """J', a', b' (Luo, Cui, Li 2006) of CIECAM02."""
    n = Y_B / 100
    n_bb, z = 0.725 * n**-0.2, 1.48 + np.sqrt(n)
    weights = np.array([2, 1, 1 / 20])
    r, g, b = response(xyz)
    red, yellow = r - 12 * g / 11 + b / 11, (r + g - 2 * b) / 9
    hue = np.arctan2(yellow, red)
    achromatic = (weights @ np.array([r, g, b]) - 0.305) * n_bb
    white = (weights @ response(WHITE) - 0.305) * n_bb
    lightness = 100 * (achromatic / white) ** (C_SURROUND * z)
    e_t = (np.cos(hue + 2) + 3.8) / 4
    t = 50000 / 13 * N_C * n_bb * e_t * np.hypot(red, yellow) / (r + g + 21 / 20 * b)
    chroma = t**0.9 * np.sqrt(lightness / 100) * (1.64 - 0.29**n) ** 0.73
    k = 1 / (5 * L_A + 1)
    colorfulness = chroma * (0.2 * k**4 * 5 * L_A + 0.1 * (1 - k**4) ** 2 * np.cbrt(5 * L_A)) ** 0.25
    m = np.log1p(0.0228 * colorfulness) / 0.0228
    return np.array([1.7 * lightness / (1 + 0.007 * lightness), m * np.cos(hue), m * np.sin(hue)])


def smallest_distance(colors: tuple[str, ...], vision: str) -> float:
    places = [cam02_ucs(100 * SRGB_TO_XYZ @ (MACHADO[vision] @ linear_rgb(c))) for c in colors]
    return min(float(np.linalg.norm(a - b)) for a, b in combinations(places, 2))


def test_white_has_lightness_100_and_hardly_any_color() -> None:
    place = cam02_ucs(100 * SRGB_TO_XYZ @ linear_rgb("#FFFFFF"))
    np.testing.assert_allclose(place[0], 100.0, atol=0.01)
    assert np.hypot(place[1], place[2]) < 2.5  # adaptation to a dim screen is incomplete


@pytest.mark.parametrize("vision", list(MACHADO))
@pytest.mark.parametrize(
    ("name", "colors"), [("OKABE_ITO", palette.OKABE_ITO), ("GRADE_RAMP[:5]", palette.GRADE_RAMP[:5])]
)
def test_distances_are_as_stated_and_at_least_10(name: str, colors: tuple[str, ...], vision: str) -> None:
    measured = smallest_distance(colors, vision)
    stated = getattr(palette.MEASURED_DISTANCE[name], vision)
    assert abs(measured - stated) < 0.6
    assert measured >= 10


def test_a_traffic_light_would_fail() -> None:
    assert smallest_distance(("#2ECC40", "#FFDC00", "#FF851B", "#FF4136"), "deutan") < 10


def test_text_in_every_group_color_can_be_read() -> None:
    contrasts = [
        palette.contrast_ratio(palette.text_color(c)) for c in (*palette.OKABE_ITO, *palette.GRADE_RAMP)
    ]
    assert min(contrasts) >= 4.5


def test_grades_darken_and_half_points_lie_between() -> None:
    light = [palette.contrast_ratio(c) for c in palette.GRADE_RAMP]
    assert all(a < b for a, b in pairwise(light))
    assert light[2] < palette.contrast_ratio(palette.grade_color(2.5)) < light[3]
