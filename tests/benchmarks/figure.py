"""A benchmark's outcome: ours beside the raw library's, in the same run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    name: str
    ours: float
    raw: float | None
    unit: str
    goal: float | None = None
    """The ratio to reach: at least, where higher is better; at most, where lower is."""
    better: str = "higher"
    most_above: float | None = None
    """By how many units ours may be above raw."""

    @property
    def ratio(self) -> float | None:
        """Ours to raw."""
        return self.ours / self.raw if self.raw else None

    @property
    def reached(self) -> bool | None:
        """None where there is no goal."""
        if self.most_above is not None and self.raw is not None:
            return self.ours - self.raw <= self.most_above
        if self.goal is None or self.ratio is None:
            return None
        return self.ratio >= self.goal if self.better == "higher" else self.ratio <= self.goal

    def __str__(self) -> str:
        parts = [f"{self.name:<44} {self.ours:>12,.1f} {self.unit}"]
        if self.raw is not None:
            parts.append(f"raw {self.raw:>12,.1f} {self.unit}  ratio {self.ratio or 0:5.2f}")
        if self.goal is not None:
            parts.append(f"(goal: {'at least' if self.better == 'higher' else 'at most'} {self.goal})")
        if self.most_above is not None:
            parts.append(f"(goal: at most {self.most_above:,.0f} {self.unit} above)")
        if self.reached is not None:
            parts.append("reached" if self.reached else "MISSED")
        return "  ".join(parts)
