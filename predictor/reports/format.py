"""Numbers as reports write them: few digits, a true minus sign, percent after a space that does not break."""

from __future__ import annotations

import math


def number(value: float, digits: int = 2) -> str:
    """Write a ratio, a slope or a score.

    >>> number(-0.004), number(1.005, 1), number(float("inf"))
    ('0.00', '1.0', '∞')
    """
    if math.isinf(value):
        return "∞"
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\u2212")  # adding 0 turns -0 into 0


def impact_ratio(value: float, below: bool) -> str:
    """Write a ratio of rates, with as many digits as it takes to see that it is below four fifths.

    >>> impact_ratio(0.8, False), impact_ratio(0.7961, True), impact_ratio(0.79999, True)
    ('0.80', '0.796', 'under 0.80')
    """
    shown = (number(value, digits) for digits in (2, 3, 4) if not below or round(value, digits) < 0.8)
    return next(shown, "under 0.80")


def signed(value: float, digits: int = 2) -> str:
    """Write a difference; what rounds to zero has no sign.

    >>> signed(0.031), signed(12.3, 0), signed(-0.004)
    ('+0.03', '+12', '0.00')
    """
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "\u2212") if rounded else f"{0:.{digits}f}"


def span(low: float, high: float, digits: int = 2) -> str:
    """Write the ends of an interval.

    >>> span(0.6, 0.854)
    '0.60 to 0.85'
    """
    return f"{number(low, digits)} to {number(high, digits)}"


def signed_span(low: float, high: float, digits: int = 2) -> str:
    """Write the ends of the interval of a difference.

    >>> signed_span(0.031, 0.2)
    '+0.03 to +0.20'
    """
    return f"{signed(low, digits)} to {signed(high, digits)}"


def p_value(p: float) -> str:
    """Write a p-value; a small one is only bounded.

    >>> p_value(0.0004), p_value(0.0412)
    ('under .001', '0.041')
    """
    return "under .001" if p < 0.001 else number(p, 3)


def of_people(people: int, known: bool) -> str:
    """Describe how many people the rows are of, where a column identifies them.

    >>> of_people(1200, True), of_people(1, True), of_people(1200, False)
    (' of 1,200 people', ' of 1 person', '')
    """
    return f" of {people:,} {'person' if people == 1 else 'people'}" if known else ""


def percent(share: float) -> str:
    """Write a share in whole percent.

    >>> percent(0.351).replace(chr(160), " ")
    '35 %'
    """
    return f"{100 * share:.0f}\u00a0%"


def percents(low: float, high: float) -> str:
    """Write the ends of the interval of a share, in whole percent.

    >>> percents(0.351, 0.47).replace(chr(160), " ")
    '35 to 47 %'
    """
    return f"{100 * low:.0f} to {percent(high)}"


def verdict_words(comparator: bool, few: bool, below: bool | None) -> str:
    """Describe a comparison with four fifths of the highest rate, that of the comparator; `below` is None without."""
    if comparator:
        return "highest, too few" if few else "the highest"
    if few:
        return "too few to judge"
    return "no ratio" if below is None else "below" if below else "not below"
