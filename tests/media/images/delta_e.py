"""How different two sRGB pictures look: CIEDE2000, after Sharma, Wu and Dalal (2005), and peak signal to noise."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])


def lab_of(srgb: NDArray[np.uint8]) -> Floats:
    """CIELAB (D65) of sRGB, 8 bits."""
    values = srgb[..., :3].astype(np.float64) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    scaled = linear @ XYZ.T / WHITE
    roots = np.where(scaled > (6 / 29) ** 3, np.cbrt(scaled), scaled * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = roots[..., 0], roots[..., 1], roots[..., 2]
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1)


def delta_e(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> Floats:
    """Per pixel. 1 is about what an eye can just tell apart."""
    return ciede2000(lab_of(left), lab_of(right))


def ciede2000(left: Floats, right: Floats) -> Floats:
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(left, -1, 0), np.moveaxis(right, -1, 0)
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    grey = c1 * c2 == 0
    turn = (h2 - h1 + 180) % 360 - 180
    d_l, d_c = l2 - l1, c2 - c1
    d_h = np.where(grey, 0, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2))
    l_mean, c_mean = (l1 + l2) / 2, (c1 + c2) / 2
    h_mean = np.where(grey, h1 + h2, (h1 + turn / 2) % 360)
    t = (
        1
        - 0.17 * np.cos(np.radians(h_mean - 30))
        + 0.24 * np.cos(np.radians(2 * h_mean))
        + 0.32 * np.cos(np.radians(3 * h_mean + 6))
        - 0.20 * np.cos(np.radians(4 * h_mean - 63))
    )
    s_l = 1 + 0.015 * (l_mean - 50) ** 2 / np.sqrt(20 + (l_mean - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_mean, 1 + 0.015 * c_mean * t
    r_c = 2 * np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7))
    r_t = -np.sin(np.radians(60 * np.exp(-(((h_mean - 275) / 25) ** 2)))) * r_c
    lightness, saturation, hue = d_l / s_l, d_c / s_c, d_h / s_h
    total: Floats = lightness**2 + saturation**2 + hue**2 + r_t * saturation * hue
    return np.sqrt(np.maximum(total, 0))


def psnr(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> float:
    """In dB; 100 for equal pictures."""
    error = float(((left.astype(np.float64) - right) ** 2).mean())
    return 100.0 if error < 1e-5 else float(10 * np.log10(255**2 / error))
