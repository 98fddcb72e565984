"""Sizes of pictures, and the size that follows from a scale, a width or a height."""

Size = tuple[int, int]
"""Height and width in pixels."""


def sized(size: Size, scale: float | None, width: int | None, height: int | None) -> Size:
    """A size times a scale, or else with a width, a height or both; a side left open keeps the proportions."""
    if scale is not None:
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    return (
        height or max(1, round(size[0] * (width or 0) / size[1])),
        width or max(1, round(size[1] * (height or 0) / size[0])),
    )
