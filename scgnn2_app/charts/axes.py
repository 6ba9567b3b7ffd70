"""What axes show: ticks that do not run together, and a span in which noise is small."""

from __future__ import annotations

from collections.abc import Sequence

LOG_TICKS = """
    const [low, high] = [cb_data.range.min, cb_data.range.max]
    if (!(low > 0 && high > low)) { return [] }
    const whole = Math.log(high / low)
    const decades = []
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) { decades.push(power) }
    const at = (mantissas) => decades.flatMap((power) => mantissas.map((one) => Number(`${one}e${power}`)))
    const even = [1, 2, 5, 10].map((times) => {
      const step = Number(`1e${Math.floor(Math.log10((high - low) / 3))}`) * times
      const first = Math.ceil(low / step)
      return Array.from({ length: Math.min(50, Math.floor(high / step) - first + 1) },
        (_, place) => Number(((first + place) * step).toPrecision(6)))
    })
    const every = [2, 3, 4, 6].map((nth) => at([1]).filter((_, place) => (decades[place] % nth) === 0))
    const kinds = [...even, at([1, 2, 3, 5, 7]), at([1, 2, 5]), at([1, 3]), at([1]), ...every]
    const shown = kinds.map((ticks) => ticks.filter((tick) => tick >= low && tick <= high))
    const apart = shown.filter((ticks) => ticks.every((tick, place) =>
      place === 0 || Math.log(tick / ticks[place - 1]) > 0.16 * whole))
    return apart.reduce((best, ticks) => ticks.length > best.length ? ticks : best, [])
"""
"""Ticks of a logarithmic axis that never stand closer than their labels are high.

Bokeh's own are even steps over less than two decades, which run together at the upper end.
"""


def with_room(heights: Sequence[float], span: float, *, relative: bool = False) -> tuple[float, float]:
    """Lowest and highest of some numbers, moved apart evenly until they span so much, or such a share of the largest.

    Examples
    --------
    >>> with_room([0.5, 0.75], 0.25), with_room([3.0, 3.0], 2.0), with_room([10.0], 0.5, relative=True)
    ((0.5, 0.75), (2.0, 4.0), (7.5, 12.5))
    """
    low, high = min(heights), max(heights)
    least = span * max(abs(low), abs(high)) if relative else span
    more = max(0.0, least - (high - low)) / 2
    return low - more, high + more
