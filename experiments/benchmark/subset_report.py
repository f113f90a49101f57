"""What came out of `subsets.py`, as tables in Markdown."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from subset_cells import ALL, SIMULATED
from subset_peers import PEERS

START, END = "<!-- subsets: start -->", "<!-- subsets: end -->"
NOISE = 2.0  # standard errors of a paired difference that count as noise
REFERENCES = ("refit", "refit_regression", "either")  # what ratios divide by
KEPT = (*REFERENCES, "imputer")  # whose losses row by row are kept, for paired errors
OVERLAP = 3 / 7  # test rows by training rows of a split of a public set: its correction for rows that splits share
CONFIDENCE = 0.95
_VERDICTS = ("lower beyond noise", "higher beyond noise", "undecided")
Record = dict[str, Any]
Where = tuple[str, int]  # a set and its number of training rows


def key(record: Record) -> tuple[Any, ...]:
    """Tell cells apart."""
    return tuple(record[part] for part in ("experiment", "peer", "tag", "set", "n", "split", "subset"))


def compared(records: list[Record], done: dict[tuple[Any, ...], Record]) -> str:
    """Say in one line how some cells compare with a refit on the same cells, as far as there is one."""
    mean = np.mean([record["log_loss"] for record in records])
    said = f"{len(records)} cells, mean log-loss {mean:.4f}, {sum(r['seconds'] for r in records):.1f} s"
    for reference in REFERENCES:
        ratios = {r["subset"]: x for r in records if (x := ratio(r, done, reference)) is not None}
        full = ratios.pop(ALL, None)
        if ratios and records[0]["peer"] != reference:
            worst = max(ratios, key=lambda name: ratios[name])
            said += f"; of {reference}: {_mean(list(ratios.values())):.4f}, worst {ratios[worst]:.4f} ({worst})"
            said += "" if full is None else f", all signals {full:.4f}"
    above = [r["subset"] for r in records if r["peer"] != "base_rate" and _beyond(r, "base_rate")]
    said += f"; ABOVE THE BASE RATE: {', '.join(above)}" if above else ""
    if "slope" in records[0]:
        said += "; slope, intercept " + ", ".join(
            f"{r['subset']} {r['slope'][0]:.2f}, {r['intercept'][0]:+.2f}" for r in records if "slope" in r
        )
    if records[0]["experiment"] == "gaps":
        said += "; " + ", ".join(f"{r['subset']} {r['log_loss']:.4f}" for r in records)
    return said


def ratio(record: Record, done: dict[tuple[Any, ...], Record], reference: str) -> float | None:
    """Divide the log-loss of a cell by that of a reference, if it has run."""
    other = done.get(key({**record, "peer": reference, "tag": ""}))
    return None if other is None else float(record["log_loss"] / other["log_loss"])


def write(records: list[Record], against: str, page: Path | None) -> str:
    """Write every table there are records for; into a page between its marks, too, if one is given."""
    parts = [
        subset_tables([r for r in records if r["experiment"] == "subsets"], against),
        imputer_table([r for r in records if r["experiment"] == "subsets"]),
        calibration_table([r for r in records if r["experiment"] == "calibration"]),
        gap_table([r for r in records if r["experiment"] == "gaps"]),
    ]
    text = "\n\n".join(part for part in parts if part)
    if page is not None:
        old = page.read_text(encoding="utf-8")
        if START not in old or END not in old:
            raise ValueError(f"{page} has no marks {START} and {END}")
        before, after = old.split(START)[0], old.split(END)[1]
        page.write_text(f"{before}{START}\n{text}\n{END}{after}", encoding="utf-8")
    return text


def subset_tables(records: list[Record], against: str) -> str:
    """Write one row per set and size: geometric means of loss ratios over subsets and splits, and our worst."""
    done = {key(record): record for record in records}
    columns: dict[tuple[str, str], dict[Where, dict[tuple[str, int], float]]] = {}
    for record in records:
        value = ratio(record, done, against)
        if value is not None and record["peer"] != against:
            places = columns.setdefault((record["peer"], record["tag"]), defaultdict(dict))
            places[record["set"], record["n"]][record["subset"], record["split"]] = value
    order = list(PEERS)
    names = sorted(columns, key=lambda name: (name[0] != "ours", order.index(name[0]), name[1]))
    if not names:
        return ""
    lines = [
        f"Log-loss over subsets, divided by that in the column {PEERS[against].label}: geometric mean over subsets and",
        "splits, with its standard error over the splits in brackets (they share rows, so it is a rough guide); below",
        "1 is better.",
        "",
        _row(["set", "n", "cells", PEERS[against].label, *(_label(name) for name in names)]),
        _row(["---", "--:", "--:", "--:", *["--:"] * len(names)]),
    ]
    wheres = sorted({where for places in columns.values() for where in places}, key=lambda w: (w[0] == SIMULATED, w))
    for where in wheres:
        refits = [r for r in records if (r["set"], r["n"], r["peer"]) == (*where, against) and r["subset"] != ALL]
        loss = np.mean([record["log_loss"] for record in refits])
        said = [_with_error(_parts(columns[name].get(where, {}))) for name in names]
        lines.append(_row([where[0], f"{where[1]:,}", str(len(refits)), f"{loss:.4f}", *said]))
    strict = [where for where in wheres if where[1] >= 200 and not where[0].startswith("airline")]
    for title, some in (("n of 200 and more, without airline", strict), ("all of these", wheres)):
        said = [_with_error(_pool([_parts(columns[name].get(where, {})) for where in some])) for name in names]
        lines.append(_row([f"**{title}**", "", "", "", *said]))
    lines += ["", *_worst_table(columns, names, wheres, done, against)]
    return "\n".join(lines)


def _worst_table(
    columns: dict[tuple[str, str], dict[Where, dict[tuple[str, int], float]]],
    names: list[tuple[str, str]],
    wheres: list[Where],
    done: dict[tuple[Any, ...], Record],
    against: str,
) -> list[str]:
    lines = [
        f'The worst cells. "Below" and "above": how many cells differ by more than {NOISE:g} standard errors, paired',
        'over rows, of those whose losses by row were kept. "All": the ratio with everything rated.',
        "",
        _row(
            [
                "",
                "set",
                "n",
                "worst",
                "where",
                "below the imputer",
                "above the base rate",
                f"above {PEERS[against].label}",
                ALL,
            ]
        ),
        _row(["---", "---", "--:", "--:", "---", "--:", "--:", "--:", "--:"]),
    ]
    for name in names:
        totals, most, label = np.zeros(6, dtype=int), 0.0, _label(name)
        for where in wheres:
            cells = _parts(columns[name].get(where, {}))
            if not cells:
                continue
            worst = max(cells, key=lambda at: cells[at])
            most = max(most, cells[worst])
            mine = [done["subsets", *name, *where, split, subset] for subset, split in cells]
            imputed = [x < 1 for record in mine if (x := ratio(record, done, "imputer")) is not None]
            base, refit = ([_beyond(record, other) for record in mine] for other in ("base_rate", against))
            refit = [beyond for beyond in refit if beyond is not None]
            counts = [sum(imputed), len(imputed), sum(map(bool, base)), len(base), sum(map(bool, refit)), len(refit)]
            totals += counts
            if name[0] in ("base_rate", "imputer", "hgb", "hgb_masked", "ebm", "autogluon"):
                continue  # of others, the last line is enough
            full = [x for (subset, _), x in columns[name][where].items() if subset == ALL]
            full_ratio = f"{_mean(full):.4f}" if full else ""
            place = [where[0], f"{where[1]:,}", f"{cells[worst]:.3f}", f"{worst[0]}, split {worst[1]}"]
            lines.append(_row([label, *place, *_shares(counts), full_ratio]))
        lines.append(_row([f"**{label}**", "**all**", "", f"{most:.3f}", "", *_shares(totals), ""]))
    return lines


def pooled(paired: Any, fresh: bool) -> tuple[float, float]:
    """Compute the mean of paired differences over splits and the half width of its interval.

    Parameters
    ----------
    paired
        Shape (splits, 2): of each split the difference and its standard error over test rows.
    fresh
        Whether training sets share no rows, and splits have the same test rows, as SIMULATED ones: then the error over
        test rows is added. Splits of a public set share rows: their variance is corrected (Nadeau and Bengio, 2003).
    """
    k, (mean, error) = len(paired), paired.mean(axis=0)
    spread = paired[:, 0].var(ddof=1)
    variance = spread / k + error**2 if fresh else (1 / k + OVERLAP) * spread
    return float(mean), float(stats.t.ppf((1 + CONFIDENCE) / 2, k - 1) * np.sqrt(variance))


def imputer_table(records: list[Record]) -> str:
    """Write how far ours is from the imputer by set and size, and in how many of their subsets beyond noise."""
    cells: dict[tuple[str, bool, str, int], dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for r in records:
        if r["peer"] == "ours" and r["subset"] != ALL and "imputer" in r["above"]:
            cells[r["tag"], r["set"] == SIMULATED, r["set"], r["n"]][r["subset"]].append(r)
    several = {where: some for where, some in cells.items() if min(map(len, some.values())) > 1}
    if not several:
        return ""
    lines = [
        "Ours - imputer: log-loss, paired, pooled over the splits. A cell is a subset. 95 % intervals: on public sets",
        "the variance is corrected for rows that splits share, on SIMULATED ones it is of training sets and test rows.",
        "",
        _row(["", "set", "n", "splits", "ours", "ours - imputer", "cells", "lower", *_VERDICTS]),
        _row(["---", "---", *["--:"] * 8]),
    ]
    totals: dict[str, Any] = defaultdict(lambda: np.zeros(5, dtype=int))
    above: list[str] = []
    for (tag, fresh, name, n), subsets in sorted(several.items()):
        named = {at: pooled(np.array([r["above"]["imputer"] for r in some]), fresh) for at, some in subsets.items()}
        spans = list(named.values())
        above += [f"{name}/{n:,} {at} {_interval(*span)}" for at, span in named.items() if span[0] >= 0]
        lower, higher = (sum(side * mean > half for mean, half in spans) for side in (-1, 1))
        counts = [len(spans), sum(mean < 0 for mean, _ in spans), lower, higher, len(spans) - lower - higher]
        totals[tag] += counts
        everything = [r for some in subsets.values() for r in some]
        by_split = defaultdict(list)
        for r in everything:
            by_split[r["split"]].append(r["above"]["imputer"])
        mean, half = pooled(np.array([np.mean(parts, axis=0) for parts in by_split.values()]), fresh)
        loss = np.mean([r["log_loss"] for r in everything])
        where = [_label(("ours", tag)), name, f"{n:,}", str(len(by_split)), f"{loss:.4f}"]
        lines.append(_row([*where, _interval(mean, half), *map(str, counts)]))
    for tag, counts in totals.items():
        lines.append(_row([f"**{_label(('ours', tag))}**", "**all**", "", "", "", "", *map(str, counts)]))
    lines += ["", f"Not lower in the mean: {'; '.join(above)}."] if above else []
    return "\n".join(lines)


def calibration_table(records: list[Record]) -> str:
    """Write slope and intercept of rows with few ratings, means over splits, least and most in brackets."""
    if not records:
        return ""
    lines = [
        "Rows with one to eight of 24 ratings (SIMULATED; of 20,000 fresh interviews), learned from rows with gaps of",
        "the same kind: calibration slope (1 is right) and intercept (0), means over splits with least and most. The",
        "share of offers differs between training and fresh rows by chance; that difference in log-odds is taken out.",
        '"In the large": the intercept where the slope is 1; above 0, likelihoods are too low. "Minus base',
        'rate": log-loss minus that of the base rate.',
        "",
        _row(["", "n", "gaps", "splits", "slope", "intercept", "in the large", "log-loss", "minus base rate"]),
        _row(["---", "--:", "---", "--:", "--:", "--:", "--:", "--:", "--:"]),
    ]
    grouped: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in records:
        if "slope" in record:
            grouped[record["peer"], record["tag"], record["n"], record["subset"]].append(record)
    for (peer, tag, n, subset), some in grouped.items():
        spans = []
        for score in ("slope", "intercept", "in_the_large"):
            values = np.array([record[score][0] for record in some])
            spans.append(f"{values.mean():.3f} ({values.min():.2f} to {values.max():.2f})")
        loss = np.mean([record["log_loss"] for record in some])
        above = np.mean([record["above"]["base_rate"][0] for record in some])
        label = _label((peer, tag))
        lines.append(_row([label, f"{n:,}", subset, str(len(some)), *spans, f"{loss:.4f}", f"{above:+.4f}"]))
    return "\n".join(lines)


def gap_table(records: list[Record]) -> str:
    """Write the log-loss on full rows after learning from rows with gaps: the first split, and means."""
    if not records:
        return ""
    names = list(dict.fromkeys(record["subset"] for record in records))
    lines = [
        "Log-loss on full rows (SIMULATED) after learning from rows with gaps: mean over splits; the first split in",
        "brackets.",
        "",
        _row(["", "n", "splits", *names]),
        _row(["---", "--:", "--:", *["--:"] * len(names)]),
    ]
    for who in sorted({(r["peer"], r["tag"], r["n"]) for r in records}):
        mine = [r for r in records if (r["peer"], r["tag"], r["n"]) == who]
        said = []
        for name in names:
            values = {r["split"]: r["log_loss"] for r in mine if r["subset"] == name}
            said.append(f"{np.mean(list(values.values())):.4f} ({values.get(0, np.nan):.4f})" if values else "")
        lines.append(_row([_label(who[:2]), f"{who[2]:,}", str(len({r["split"] for r in mine})), *said]))
    return "\n".join(lines)


def _parts(cells: dict[tuple[str, int], float]) -> dict[tuple[str, int], float]:
    return {at: value for at, value in cells.items() if at[0] != ALL}


def _pool(parts: list[dict[tuple[str, int], float]]) -> dict[tuple[str, int], float]:
    return {(f"{number} {subset}", split): v for number, p in enumerate(parts) for (subset, split), v in p.items()}


def _with_error(cells: dict[tuple[str, int], float]) -> str:
    if not cells:
        return ""
    by_split: dict[int, list[float]] = defaultdict(list)
    for (_, split), value in cells.items():
        by_split[split].append(np.log(value))
    means = [np.mean(values) for values in by_split.values()]
    mean = _mean(list(cells.values()))
    if len(means) < 2:
        return f"{mean:.4f}"
    return f"{mean:.4f} ({mean * np.std(means, ddof=1) / np.sqrt(len(means)):.4f})"


def _interval(mean: float, half: float) -> str:
    return f"{mean:+.4f} ({mean - half:+.4f} to {mean + half:+.4f})"


def _mean(ratios: list[float]) -> float:
    return float(np.exp(np.mean(np.log(ratios))))


def _beyond(record: Record, reference: str) -> bool | None:
    """Whether a loss is above that of a reference by more than noise; None where that is not known."""
    if reference not in record["above"]:
        return None
    difference, error = record["above"][reference]
    return bool(difference > NOISE * error)


def _shares(counts: Any) -> list[str]:
    return [f"{counts[i]} of {counts[i + 1]}" if counts[i + 1] else "" for i in (0, 2, 4)]


def _label(name: tuple[str, str]) -> str:
    return f"{PEERS[name[0]].label} {name[1]}".strip()


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
