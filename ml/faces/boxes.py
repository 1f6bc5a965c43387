"""Pure: boxes as shares of a picture, 0 to 1 from its top left corner, and how much two of them are the same."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """Whatever size a picture is shown in, the box is on the same place."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: "Box") -> float:
        """Intersection over union, 0 to 1."""
        wide = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        tall = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        shared = max(0.0, wide) * max(0.0, tall)
        whole = self.width * self.height + other.width * other.height - shared
        return shared / whole if whole > 0 else 0.0

    def grown(self, factor: float) -> "Box":
        """So many times as wide and high around the same middle, cut to the picture."""
        wide, tall = self.width * factor, self.height * factor
        left, top = self.x + (self.width - wide) / 2, self.y + (self.height - tall) / 2
        right, bottom = min(1.0, left + wide), min(1.0, top + tall)
        left, top = max(0.0, left), max(0.0, top)
        return Box(left, top, right - left, bottom - top)
