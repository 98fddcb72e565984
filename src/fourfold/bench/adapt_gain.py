"""The gain of adapting without labels: accuracy before and after, over several seeds, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from fourfold.pages.report import text_table


@dataclass(frozen=True)
class Gain:
    """One way of adapting to one set, an accuracy in per cent for each seed.

    Attributes:
        name: of the set; tuned: model or prompt.
        zero_shot: before; last: after the last pass, the headline.
        oracle: after the pass that labels would have chosen, which nobody without labels can; for comparison only.
    """

    name: str
    tuned: str
    zero_shot: tuple[float, ...]
    last: tuple[float, ...]
    oracle: tuple[float, ...]


@dataclass(frozen=True)
class AdaptingReport:
    """A finished measurement; ``seen`` is the recogniser's accuracy in per cent on damage of the families it knows."""

    gains: tuple[Gain, ...]
    seen: float


def table(report: AdaptingReport) -> str:
    """The report for a terminal; each figure is a mean over seeds and its standard deviation."""
    rows: list[tuple[str, ...]] = [("set", "tuned", "zero-shot", "last pass", "gain", "best pass by labels")]
    for one in report.gains:
        gains = [after - before for before, after in zip(one.zero_shot, one.last, strict=True)]
        rows.append((one.name, one.tuned, *map(_spread, (one.zero_shot, one.last, gains, one.oracle))))
    return f"{text_table(rows)}\n\nrecogniser on held-out photos with damage of families it knows: {report.seen:.1f} %"


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.1f} ± {stdev(values) if len(values) > 1 else 0:.1f}"
