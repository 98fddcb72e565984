"""How close each layer of a network comes to this processor's measured peak throughput."""

from dataclasses import dataclass

from fourfold.catalog.card import Card
from fourfold.engines import profile
from fourfold.pages.report import text_table

_TILE = (256, 256)


@dataclass(frozen=True)
class Roof:
    """One network in one arithmetic.

    Attributes:
        model, precision: of the network; ceiling: multiply-accumulates a second of a matrix product in it.
        layers: as ``engines.profile`` found them on a 256×256 tile.
    """

    model: str
    precision: str
    ceiling: float
    layers: tuple[profile.Layer, ...]


@dataclass(frozen=True)
class Roofline:
    """Several networks; ``threads`` were used."""

    threads: int
    roofs: tuple[Roof, ...]


def measure(cards: tuple[Card, ...], precisions: tuple[str, ...], threads: int) -> Roofline:
    """Profile every network in every arithmetic.

    Raises:
        ModelError: weights are missing or damaged. RuntimeFailure: OpenVINO is not installed.
    """
    ceilings = {precision: profile.ceiling(threads, precision) for precision in precisions}
    return Roofline(
        threads,
        tuple(
            Roof(card.id, precision, ceilings[precision], profile.layers(card, _TILE, threads, precision))
            for card in cards
            for precision in precisions
        ),
    )


def table(report: Roofline) -> str:
    """For each network and arithmetic: its time, the fraction of the ceiling, and its slowest kinds of layers."""
    rows = [["network", "arithmetic", "ceiling", "convolutions", "of the ceiling", "time", "of it elsewhere"]]
    for roof in report.roofs:
        within = [layer for layer in roof.layers if layer.macs]
        seconds = sum(layer.seconds for layer in roof.layers)
        busy = sum(layer.seconds for layer in within)
        rate = sum(layer.macs for layer in within) / busy
        rows.append(
            [roof.model, roof.precision, f"{roof.ceiling / 1e9:.0f} GMAC/s", f"{rate / 1e9:.0f} GMAC/s",
             f"{100 * rate / roof.ceiling:.0f} %", f"{1e3 * seconds:.1f} ms", f"{100 * (1 - busy / seconds):.0f} %"]
        )  # fmt: skip
    parts = [f"{_TILE[1]}×{_TILE[0]} tiles, {report.threads} threads", text_table(rows)]
    for roof in report.roofs:
        layers = [["layer", "runs as", "time", "GMAC/s", "of the ceiling"]]
        for layer in roof.layers:
            rate = layer.macs / layer.seconds
            done = [f"{rate / 1e9:.0f}", f"{100 * rate / roof.ceiling:.0f} %"] if layer.macs else ["", ""]
            layers.append([layer.name, layer.kind, f"{1e3 * layer.seconds:.2f} ms", *done])
        parts += ["", f"{roof.model}, {roof.precision}", text_table(layers)]
    return "\n".join(parts)
