"""What came out of the benchmark, as tables in Markdown and a plot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from peers import LABELS

START, END = "<!-- tables: start -->", "<!-- tables: end -->"
SCORES = {  # with how many decimals
    "log_loss": ("log-loss", 3),
    "brier": ("Brier", 3),
    "roc_auc": ("AUC", 3),
    "calibration_error": ("calibration error", 3),
    "calibration_slope": ("calibration slope", 2),
    "seconds": ("seconds", 2),
}
COLOURS = {  # of Okabe and Ito and of Tol: the colour-blind tell them apart
    "ours": "#000000",
    "base_rate": "#999999",
    "lr": "#0072B2",
    "rf": "#009E73",
    "hgb": "#56B4E9",
    "perpetual": "#882255",
    "ebm": "#CC79A7",
    "flaml30": "#E69F00",
    "ag_best60": "#D55E00",
}


class Place:
    """One set at one n: the records of each peer on the repeats that all of them have, so that means compare."""

    def __init__(self, name: str, n: int, records: list[dict[str, Any]]) -> None:
        self.name = name
        self.n = round(np.mean([record["n_train"] for record in records]))  # the rows that there were
        self.failed = [record for record in records if "error" in record]
        found = {
            peer: {record["repeat"]: record for record in records if record["peer"] == peer and "error" not in record}
            for peer in LABELS
        }
        found = {peer: repeats for peer, repeats in found.items() if repeats}
        self.repeats = sorted(set.intersection(*map(set, found.values()))) if found else []
        self.found = {peer: [repeats[repeat] for repeat in self.repeats] for peer, repeats in found.items()}

    def values(self, peer: str, score: str) -> np.ndarray:
        """Give a score of each repeat, NaN where it is not defined."""
        return np.array([record[score] for record in self.found[peer]], dtype=float)


def places(records: list[dict[str, Any]]) -> list[Place]:
    """Sort records by set and n; of two records of one cell the later one counts."""
    cells = {(r["set"], r["n"], r["repeat"], r["peer"]): r for r in records}
    keys = sorted({key[:2] for key in cells})
    made = [Place(*key, [record for cell, record in cells.items() if cell[:2] == key]) for key in keys]
    return [place for place in made if place.repeats or place.failed]


def summary(found: list[Place]) -> list[str]:
    """Write the mean log-loss of each peer, one row per set and n."""
    peers = [peer for peer in LABELS if any(peer in place.found for place in found)]
    lines = [
        "Mean log-loss, lower is better; the best in bold. `n` is the training rows that there were.",
        "",
        _row(["set", "n", "repeats", *(LABELS[peer] for peer in peers)]),
        _row(["---", *["--:"] * (2 + len(peers))]),
    ]
    for place in found:
        said = {peer: _number(place.values(peer, "log_loss").mean(), 3) for peer in place.found if place.repeats}
        best = min(said.values(), key=float, default="")
        marked = [f"**{said[peer]}**" if said.get(peer) == best else said.get(peer, "") for peer in peers]
        lines.append(_row([place.name, f"{place.n:,}", str(len(place.repeats)), *marked]))
    return lines


def tables(records: list[dict[str, Any]]) -> str:
    """Write the summary and every score as Markdown."""
    found = places(records)
    peers = [peer for peer in LABELS if any(peer in place.found for place in found)]
    lines = summary(found)
    versions = {r["peer"]: r["version"] for r in records if r.get("version") and r["peer"] not in ("ours", "base_rate")}
    known = [f"{LABELS[peer]} {versions[peer]}" for peer in peers if peer in versions]
    lines += ["", f"Versions: {', '.join(known)}."] if known else []
    lines += ["", "<details><summary>Every score, with its standard deviation over the repeats</summary>", ""]
    lines += ['"More than ours" is the log-loss that a peer has more than ours on the same repeat.', ""]
    lines += [_row(["set", "n", "peer", *(title for title, _ in SCORES.values()), "more than ours"])]
    lines += [_row(["---", "--:", "---", *["--:"] * (len(SCORES) + 1)])]
    for place in found:
        for peer in place.found if place.repeats else ():
            said = [_spread(place.values(peer, score), decimals) for score, (_, decimals) in SCORES.items()]
            if "ours" in place.found and peer != "ours":
                said.append(_spread(place.values(peer, "log_loss") - place.values("ours", "log_loss"), 3))
            else:
                said.append("")
            lines.append(_row([place.name, f"{place.n:,}", LABELS[peer], *said]))
    lines += ["", "</details>"]
    for place in found:
        for record in place.failed:
            where = f"{place.name}, n = {place.n:,}, repeat {record['repeat']}"
            lines += ["", f"{LABELS[record['peer']]} failed on {where}: {record['error'].splitlines()[0]}"]
    return "\n".join(lines)


def write(records: list[dict[str, Any]], page: Path, picture: Path) -> None:
    """Put the tables between the marks of a page, which is made where there is none, and the plot beside it."""
    if not page.exists():
        page.write_text(f"# Benchmark\n\n{START}\n{END}\n", encoding="utf-8")
    place = Path(os.path.relpath(picture.resolve(), page.resolve().parent)).as_posix()
    shown = f"![Log-loss and seconds against training rows, a column a data set]({place})\n\n{tables(records)}"
    _between(page, shown)
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(records, picture)


def _between(page: Path, text: str) -> None:
    old = page.read_text(encoding="utf-8")
    if START not in old or END not in old:
        raise ValueError(f"{page} has no lines {START} and {END} for the tables")
    page.write_text(f"{old.partition(START)[0]}{START}\n{text}\n{END}{old.partition(END)[2]}", encoding="utf-8")


def draw(records: list[dict[str, Any]], path: Path) -> None:
    """Plot log-loss and seconds against n, a column of panels a set."""
    from matplotlib.figure import Figure  # never pyplot: nothing global changes, no window is needed

    found = [place for place in places(records) if place.repeats]
    names = list(dict.fromkeys(place.name for place in found))
    figure = Figure(figsize=(max(6, 2.7 * len(names)), 6.2), layout="constrained", facecolor="white")
    axes = figure.subplots(2, len(names), squeeze=False, sharex="col", sharey="row" if len(names) < 2 else False)
    lines = {}
    for column, name in enumerate(names):
        here = [place for place in found if place.name == name]
        for number, peer in enumerate(LABELS):
            its = [place for place in here if peer in place.found]
            if not its:
                continue
            aside = 1.03 ** (number - len(LABELS) / 2)  # so that points of one n do not hide each other
            n = [place.n * aside for place in its]
            thick = peer == "ours"
            for axis, score in zip(axes[:, column], ("log_loss", "seconds"), strict=True):
                values = [place.values(peer, score) for place in its]
                middle = [float(value.mean()) for value in values]
                if score == "seconds":
                    middle = [max(value, 1e-3) for value in middle]
                spread = [float(value.std(ddof=1)) if len(value) > 1 and score == "log_loss" else 0 for value in values]
                (lines[peer], *_) = axis.errorbar(
                    n,
                    middle,
                    spread,
                    color=COLOURS[peer],
                    linestyle=":" if peer == "base_rate" else "-",
                    marker="D" if thick else "o",
                    markersize=6 if thick else 4,
                    markeredgecolor="#444444",
                    markeredgewidth=0.4,
                    linewidth=2.4 if thick else 1.4,
                    elinewidth=0.7,
                    zorder=5 if thick else 3,
                )
        sizes = sorted({place.n for place in here})
        for axis in axes[:, column]:
            axis.set_xscale("log")
            axis.set_xticks(sizes, [f"{n:,}" for n in sizes])
            axis.minorticks_off()
            axis.set_xlim(sizes[0] / 1.6, sizes[-1] * 1.6)
            axis.grid(axis="y", color="#dddddd", linewidth=0.6)
            axis.spines[["top", "right"]].set_visible(False)
        axes[0, column].set_title(name.replace("_", " "), fontsize=10)
        axes[1, column].set_yscale("log")
        axes[1, column].set_ylim(7e-4, 200)
        axes[1, column].set_xlabel("training rows")
    axes[0, 0].set_ylabel("log-loss, lower is better")
    axes[1, 0].set_ylabel("seconds to learn and predict")
    shown = [peer for peer in LABELS if peer in lines]
    figure.legend(
        [lines[peer] for peer in shown], [LABELS[peer] for peer in shown], loc="outside lower center", ncols=9,
        frameon=False,
    )  # fmt: skip
    figure.savefig(path, dpi=110)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float, decimals: int) -> str:
    """Write .530 for 0.530, as the field does; nothing where not defined."""
    return (
        ""
        if np.isnan(value)
        else f"{value:.{decimals}f}".replace("0.", ".", 1)
        if abs(value) < 1
        else f"{value:.{decimals}f}"
    )


def _spread(values: np.ndarray, decimals: int) -> str:
    values = values[~np.isnan(values)]
    if not len(values):
        return ""
    middle = _number(values.mean(), decimals)
    return middle if len(values) < 2 else f"{middle} ± {_number(values.std(ddof=1), decimals)}"
