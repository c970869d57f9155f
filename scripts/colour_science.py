"""Computes the colours that a video's numbers define, by the equations of ITU-T H.273 and Rec. ITU-R BT.2100, in double precision, and
the difference of two colours (CIEDE2000, ISO/CIE 11664-6). Nothing here comes from the program that is measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

Triple = tuple[float, float, float]
Matrix = tuple[Triple, Triple, Triple]

# Codes of H.273 by the names of libav.
MATRICES = {
    "gbr": 0, "bt709": 1, "unknown": 2, "fcc": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "ycgco": 8, "bt2020nc": 9, "bt2020c": 10,
    "smpte2085": 11, "chroma-derived-nc": 12, "chroma-derived-c": 13, "ictcp": 14, "ipt-c2": 15, "ycgco-re": 16, "ycgco-ro": 17,
}  # fmt: skip
TRANSFERS = {
    "bt709": 1, "unknown": 2, "bt470m": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "linear": 8, "log100": 9, "log316": 10,
    "iec61966-2-4": 11, "bt1361e": 12, "iec61966-2-1": 13, "bt2020-10": 14, "bt2020-12": 15, "smpte2084": 16, "smpte428": 17, "arib-std-b67": 18,
}  # fmt: skip
D65, ILLUMINANT_C, EQUAL, DCI = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)
# Red, green, blue and white (H.273, table 2).
PRIMARIES = {
    "bt709": ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65),
    "bt470m": ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), ILLUMINANT_C),
    "bt470bg": ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    "smpte170m": ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    "smpte240m": ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    "film": ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), ILLUMINANT_C),
    "bt2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    "smpte428": ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), EQUAL),
    "smpte431": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), DCI),
    "smpte432": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
    "ebu3213": ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
}


def times(matrix: Sequence[Triple], vector: Sequence[float]) -> Triple:
    return tuple(sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)  # type: ignore[return-value]


def product(a: Matrix, b: Matrix) -> Matrix:
    columns = tuple(zip(*b, strict=True))
    return tuple(tuple(sum(x * y for x, y in zip(row, column, strict=True)) for column in columns) for row in a)  # type: ignore[return-value]


def inverse(m: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = m
    scale = 1 / (a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))
    rows = ((e * i - f * h, c * h - b * i, b * f - c * e), (f * g - d * i, a * i - c * g, c * d - a * f), (d * h - e * g, b * g - a * h, a * e - b * d))
    return tuple(tuple(value * scale for value in row) for row in rows)  # type: ignore[return-value]


def xyz(x: float, y: float) -> Triple:
    return (x / y, 1.0, (1 - x - y) / y) if y else (1.0, 0.0, 0.0) if x else (0.0, 0.0, 1.0)


def rgb_to_xyz(primaries: str) -> Matrix:
    red, green, blue, white = PRIMARIES[primaries]
    columns = tuple(zip(*(xyz(*corner) for corner in (red, green, blue)), strict=True))
    strengths = times(inverse(columns), xyz(*white))  # type: ignore[arg-type]
    return tuple(tuple(value * strength for value, strength in zip(row, strengths, strict=True)) for row in columns)  # type: ignore[return-value]


BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


def to_bt709(primaries: str) -> Matrix:
    """Returns the matrix from linear light to that of BT.709. White stays white (Bradford)."""
    here, there = (times(BRADFORD, xyz(*PRIMARIES[name][3])) for name in (primaries, "bt709"))
    gains = tuple(tuple(there[i] / here[i] if i == j else 0.0 for j in range(3)) for i in range(3))
    adapt = product(inverse(BRADFORD), product(gains, BRADFORD))  # type: ignore[arg-type]
    return product(inverse(rgb_to_xyz("bt709")), product(adapt, rgb_to_xyz(primaries)))


def weights(matrix: str, primaries: str) -> tuple[float, float] | None:
    """Returns the weights of red and blue in luma; `None` for matrices of another kind."""
    known = {
        "bt709": (0.2126, 0.0722), "fcc": (0.30, 0.11), "bt470bg": (0.299, 0.114), "smpte170m": (0.299, 0.114), "smpte240m": (0.212, 0.087),
        "bt2020nc": (0.2627, 0.0593), "bt2020c": (0.2627, 0.0593),
    }  # fmt: skip
    if matrix in ("chroma-derived-nc", "chroma-derived-c"):
        luminance = rgb_to_xyz(primaries)[1]
        return luminance[0], luminance[2]
    return known.get(matrix)


def camera(light: float) -> float:
    """The camera curve of BT.709 and BT.2020."""
    alpha, beta = 1.09929682680944, 0.018053968510807
    return 4.5 * light if light < beta else alpha * light**0.45 - (alpha - 1)


def camera_inverse(signal: float) -> float:
    alpha, beta = 1.09929682680944, 0.018053968510807
    return signal / 4.5 if signal < 4.5 * beta else ((signal + alpha - 1) / alpha) ** (1 / 0.45)


M1, M2, C1, C2, C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128


def pq_light(signal: float) -> float:
    """Returns the light in cd/m2 (SMPTE ST 2084)."""
    power = max(signal, 0.0) ** (1 / M2)
    return 10_000 * (max(power - C1, 0) / (C2 - C3 * power)) ** (1 / M1)


def pq_signal(nits: float) -> float:
    power = max(nits / 10_000, 0.0) ** M1
    return ((C1 + C2 * power) / (1 + C3 * power)) ** M2


HLG_A, HLG_B, HLG_C = 0.17883277, 0.28466892, 0.55991073


def hlg_scene(signal: float) -> float:
    return signal * signal / 3 if signal <= 0.5 else (math.exp((signal - HLG_C) / HLG_A) + HLG_B) / 12


def hlg_signal(scene: float) -> float:
    return math.sqrt(3 * max(scene, 0)) if scene <= 1 / 12 else HLG_A * math.log(12 * scene - HLG_B) + HLG_C


RGB_TO_LMS: Matrix = tuple(tuple(n / 4096 for n in row) for row in ((1688, 2146, 262), (683, 2951, 462), (99, 309, 3688)))  # type: ignore[assignment]
LMS_TO_ICTCP = {
    "smpte2084": tuple(tuple(n / 4096 for n in row) for row in ((2048, 2048, 0), (6610, -13613, 7003), (17933, -17390, -543))),
    "arib-std-b67": tuple(tuple(n / 4096 for n in row) for row in ((2048, 2048, 0), (3625, -7465, 3840), (9500, -9212, -288))),
}
HDR_CURVES: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "smpte2084": (pq_light, pq_signal),
    "arib-std-b67": (hlg_scene, hlg_signal),
}
YCGCO: Matrix = ((0.25, 0.5, 0.25), (-0.25, 0.5, -0.25), (0.5, 0.0, -0.5))


def constant_luminance_limits(kr: float, kb: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Returns the largest differences of blue and red below and above luma (H.273, equations 55 to 60)."""
    return (camera(1 - kb), 1 - camera(kb)), (camera(1 - kr), 1 - camera(kr))


class Space(NamedTuple):
    """The meaning of a video's numbers, by the names of libav."""

    matrix: str = "bt709"
    full: bool = False
    primaries: str = "bt709"
    transfer: str = "bt709"

    def to_components(self, rgb: Triple) -> Triple:
        """Converts signals of red, green and blue to luma (0 to 1) and two differences (-0.5 to 0.5)."""
        if self.matrix == "ycgco":
            return times(YCGCO, rgb)
        if self.matrix == "ictcp":
            light, signal = HDR_CURVES[self.transfer]
            lms = times(RGB_TO_LMS, [light(value) for value in rgb])
            return times(LMS_TO_ICTCP[self.transfer], [signal(value) for value in lms])
        if self.matrix == "smpte2085":
            y, dz, dx = rgb[1], (0.986566 * rgb[2] - rgb[1]) / 2, (rgb[0] - 0.991902 * rgb[1]) / 2
            return (y, dz, dx)
        kr, kb = weights(self.matrix, self.primaries) or (0.0, 0.0)
        r, g, b = rgb
        if self.matrix in ("bt2020c", "chroma-derived-c"):
            lr, lg, lb = (camera_inverse(value) for value in rgb)
            y = camera(kr * lr + (1 - kr - kb) * lg + kb * lb)
            limits = constant_luminance_limits(kr, kb)
            differences = [(value - y) / (2 * (n if value <= y else p)) for value, (n, p) in zip((b, r), limits, strict=True)]
            return (y, *differences)  # type: ignore[return-value]
        y = kr * r + (1 - kr - kb) * g + kb * b
        return (y, (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr)))

    def to_rgb(self, components: Triple) -> Triple:
        """The inverse of `to_components`."""
        if self.matrix == "ycgco":
            return times(inverse(YCGCO), components)
        if self.matrix == "ictcp":
            light, signal = HDR_CURVES[self.transfer]
            lms = times(inverse(LMS_TO_ICTCP[self.transfer]), components)  # type: ignore[arg-type]
            return tuple(signal(value) for value in times(inverse(RGB_TO_LMS), [light(value) for value in lms]))  # type: ignore[return-value]
        y, cb, cr = components
        if self.matrix == "smpte2085":
            return (2 * cr + 0.991902 * y, y, (2 * cb + y) / 0.986566)
        kr, kb = weights(self.matrix, self.primaries) or (0.0, 0.0)
        if self.matrix in ("bt2020c", "chroma-derived-c"):
            limits = constant_luminance_limits(kr, kb)
            b, r = (y + 2 * value * (n if value <= 0 else p) for value, (n, p) in zip((cb, cr), limits, strict=True))
            green = (camera_inverse(y) - kr * camera_inverse(r) - kb * camera_inverse(b)) / (1 - kr - kb)
            return (r, camera(green), b)
        r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
        return (r, (y - kr * r - kb * b) / (1 - kr - kb), b)

    def codes(self, rgb: Triple, depth: int) -> tuple[int, int, int]:
        """Returns the whole numbers stored in the file (H.273, 8.3)."""
        scale, zero = self._steps(depth)
        top = (1 << depth) - 1
        found = (round(value * s + z) for value, s, z in zip(self.to_components(rgb), scale, zero, strict=True))
        return tuple(min(max(code, 0), top) for code in found)  # type: ignore[return-value]

    def signals(self, codes: Sequence[int], depth: int) -> Triple:
        """Returns red, green and blue of whole numbers, within 0 and 1."""
        scale, zero = self._steps(depth)
        components = tuple((code - z) / s for code, s, z in zip(codes, scale, zero, strict=True))
        return tuple(min(max(value, 0.0), 1.0) for value in self.to_rgb(components))  # type: ignore[arg-type, return-value]

    def _steps(self, depth: int) -> tuple[Triple, Triple]:
        unit, middle = float(1 << (depth - 8)), float(1 << (depth - 1))
        if self.full:
            top = float((1 << depth) - 1)
            return (top, top, top), (0.0, middle, middle)
        return (219 * unit, 224 * unit, 224 * unit), (16 * unit, middle, middle)


def srgb_light(signal: float) -> float:
    return signal / 12.92 if signal <= 0.04045 else ((signal + 0.055) / 1.055) ** 2.4


def srgb_signal(light: float) -> float:
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def sdr_light(signal: float, transfer: str) -> float:
    """Returns the light of a screen for a signal. White is 1."""
    if transfer == "iec61966-2-1":
        return srgb_light(signal)
    if transfer in ("bt470m", "bt470bg"):
        return signal ** (2.2 if transfer == "bt470m" else 2.8)
    if transfer == "linear":
        return signal
    if transfer in ("log100", "log316"):
        # Light below the range of the logarithm has the signal 0.
        return 0.0 if signal <= 0 else 10 ** ((signal - 1) * (2 if transfer == "log100" else 2.5))
    if transfer == "smpte428":
        return signal**2.6 * 52.37 / 48
    # Screens show all camera curves in the same way (Rec. ITU-R BT.1886).
    return signal**2.4


# The curve that posterframe applies to HDR, as docs/colour.md describes it.
WHITE_NITS, PEAK_NITS, KNEE = 203.0, 1000.0, 0.6


def tone_mapped(light: Triple, peak: float) -> Triple:
    """Rolls off light above the knee. The light is that of BT.709, relative to reference white."""
    brightest = max(light)
    if brightest <= KNEE:
        return light
    position = min((brightest - KNEE) / (peak - KNEE), 1.0)
    shape = (1 - KNEE) / (peak - 1)
    rolled = KNEE + (1 - KNEE) * position * (1 + shape) / (position + shape)
    return tuple(value * rolled / brightest for value in light)  # type: ignore[return-value]


def shown(signals: Triple, space: Space, is_rgb: bool = False, peak_nits: float = PEAK_NITS) -> Triple:
    """Returns the 8-bit numbers of the picture, not rounded, for signals of red, green and blue."""
    if space.transfer in HDR_CURVES:
        if space.transfer == "smpte2084":
            light = tuple(pq_light(value) / WHITE_NITS for value in signals)
        else:
            scene = tuple(hlg_scene(value) for value in signals)
            gain = sum(a * b for a, b in zip((0.2627, 0.6780, 0.0593), scene, strict=True)) ** 0.2 * PEAK_NITS / WHITE_NITS
            light, peak_nits = tuple(value * gain for value in scene), PEAK_NITS
        wide = space.primaries if space.primaries in PRIMARIES else "bt2020"
        narrow = tuple(max(value, 0.0) for value in times(to_bt709(wide), light))
        return tuple(255 * min(value, 1.0) ** (1 / 2.4) for value in tone_mapped(narrow, peak_nits / WHITE_NITS))  # type: ignore[arg-type, return-value]
    light = tuple(sdr_light(value, space.transfer) for value in signals)
    if space.primaries in PRIMARIES:
        light = times(to_bt709(space.primaries), light)
    own = ("bt470m", "bt470bg", "linear", "log100", "log316", "smpte428")
    is_srgb = space.transfer == "iec61966-2-1" or (is_rgb and space.transfer in own)
    clipped = (min(max(value, 0.0), 1.0) for value in light)
    return tuple(255 * (srgb_signal(value) if is_srgb else value ** (1 / 2.4)) for value in clipped)  # type: ignore[return-value]


def lab(rgb: Sequence[float]) -> Triple:
    """Converts 8-bit sRGB to CIE L*a*b*."""
    light = times(rgb_to_xyz("bt709"), [srgb_light(min(max(value / 255, 0.0), 1.0)) for value in rgb])
    white = xyz(*D65)

    def f(t: float) -> float:
        return t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29

    x, y, z = (f(value / reference) for value, reference in zip(light, white, strict=True))
    return (116 * y - 16, 500 * (x - y), 200 * (y - z))


def ciede2000(first: Triple, second: Triple) -> float:
    """Returns the difference of two colours in L*a*b* (ISO/CIE 11664-6)."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    mean = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean**7 / (mean**7 + 25.0**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 if a or b else 0.0 for a, b in ((a1, b1), (a2, b2)))
    step = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    if step == -180:
        step = 180.0
    dl, dc, dh = l2 - l1, c2 - c1, 2 * math.sqrt(c1 * c2) * math.sin(math.radians(step / 2))
    l, c = (l1 + l2) / 2, (c1 + c2) / 2
    h = h1 + h2
    if c1 * c2:
        h = (h1 + h2) / 2 if abs(h1 - h2) <= 180 else (h1 + h2 + (360 if h1 + h2 < 360 else -360)) / 2
    cos = lambda degrees: math.cos(math.radians(degrees))  # noqa: E731
    t = 1 - 0.17 * cos(h - 30) + 0.24 * cos(2 * h) + 0.32 * cos(3 * h + 6) - 0.20 * cos(4 * h - 63)
    sl = 1 + 0.015 * (l - 50) ** 2 / math.sqrt(20 + (l - 50) ** 2)
    sc, sh = 1 + 0.045 * c, 1 + 0.015 * c * t
    rotation = -math.sin(math.radians(60 * math.exp(-(((h - 275) / 25) ** 2)))) * 2 * math.sqrt(c**7 / (c**7 + 25.0**7))
    return math.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rotation * (dc / sc) * (dh / sh))


def check() -> None:
    """Fails if the equations do not give published values."""
    # Sharma, Wu, Dalal: The CIEDE2000 Color-Difference Formula, table 1, pairs 1, 7, 13, 17, 25 and 31.
    pairs = (
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425), ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, -0.0010, 2.4900), (50.0, 0.0011, -2.4900), 4.7461), ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644), ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    )  # fmt: skip
    for first, second, expected in pairs:
        found = ciede2000(first, second)
        assert abs(found - expected) < 1e-3, (first, second, found, expected)
    # Rec. ITU-R BT.2087, equation 4 inverted, and BT.2020's limits of the differences.
    assert abs(to_bt709("bt2020")[0][0] - 1.6605) < 1e-4
    for found, expected in zip(sum(constant_luminance_limits(0.2627, 0.0593), ()), (0.9702, 0.7910, 0.8591, 0.4969), strict=True):
        assert abs(found - expected) < 2e-4, (found, expected)
    assert abs(pq_signal(203) - 0.5807) < 1e-4
    for matrix in ("bt709", "ycgco", "bt2020c", "smpte2085"):
        space = Space(matrix, True, "bt2020")
        back = space.to_rgb(space.to_components((0.7, 0.2, 0.4)))
        assert all(abs(a - b) < 1e-9 for a, b in zip(back, (0.7, 0.2, 0.4), strict=True)), (matrix, back)
