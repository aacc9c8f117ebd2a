"""How far apart colours lie for people with each of the three common colour-vision deficiencies."""

import itertools

import numpy as np

# Linear RGB as seen with full protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes, 2009, table 1).
SEEN = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
# Linear RGB to XYZ relative to its white, D65.
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colours: object) -> np.ndarray:
    share = np.asarray(colours, float) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def seen(colours: object, matrix: np.ndarray) -> np.ndarray:
    """CIELAB (N, 3) of colours (N, 3), 0..255, as an eye sees them that changes linear RGB by `matrix`."""
    ratios = (np.clip(linear(colours) @ np.asarray(matrix).T, 0, 1) @ XYZ.T) / XYZ.sum(axis=1)
    cubed = np.where(ratios > (6 / 29) ** 3, np.cbrt(ratios), ratios / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = cubed.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def closest(colours: object, matrix: np.ndarray) -> float:
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen(colours, matrix), 2))
