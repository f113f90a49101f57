"""What MLflow records of a training, as plain data: written beside the model, so that it can be recorded later, too."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import platform
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor.atomic import write_text
from predictor.errors import TrackingError
from predictor.model.subsets import EVERYTHING, subsets
from predictor.training_folder import RECORD

if TYPE_CHECKING:
    from predictor.evaluation.scores import Score
    from predictor.training.comparison import Entry, Leaderboard
    from predictor.training.result import TrainingResult

BY_FOLD = ("log_loss", "roc_auc")
_OLD_KEYS = {"baselines": "challengers"}  # name of the first runs, so that old and new ones share a column in MLflow
NO_TABLES = "it has no tables, and so no report, no importances, and nothing to predict with."
LOW, HIGH = "_low", "_high"  # suffixes of the names of an interval's two ends
INTERVAL = "interval."  # prefix of the tag of a score's interval
DIGITS = 4  # of a metric, far below its noise, so that columns can be read


@dataclass(frozen=True)
class Record:
    """A finished training, or a comparison of several, as MLflow keeps it.

    Attributes
    ----------
    name, experiment
        Of the run, and of the settings that were tried.
    began, seconds
        When it began, in seconds since 1970, and how long it took.
    params, metrics, tags
        By MLflow's names.
    steps
        Metrics of each fold in turn; None where a fold has none.
    dataset
        Name, digest, source, rows and columns of the ratings, which are not copied.
    """

    name: str
    experiment: str
    began: float
    seconds: float
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    steps: Mapping[str, list[float | None]] = field(default_factory=dict)
    dataset: Mapping[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> Path:
        """Write it to a folder."""
        return write_text(folder / RECORD, json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Record:
        """Read it from a folder.

        Raises
        ------
        TrackingError
            If it is missing or damaged.
        """
        try:
            return cls(**json.loads((folder / RECORD).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise TrackingError(
                f"{folder}: no record of a training ({error}); name a folder that `predictor train` made, as in "
                "experiments/models/NAME"
            ) from None


def record_of(result: TrainingResult, experiment: str = "pool") -> Record:
    """Describe a training as MLflow records it.

    Parameters
    ----------
    result
        What `train` returned. The ratings are not copied: MLflow gets their name, digest and size.
    experiment
        Which settings were tried, as the TOML file is called.
    """
    return Record(
        name=result.name,
        experiment=experiment,
        began=time.time() - result.seconds,
        seconds=result.seconds,
        params={"experiment": experiment}
        | {_OLD_KEYS.get(name, name): _text(value) for name, value in dataclasses.asdict(result.config).items()},
        metrics=_metrics(result),
        tags=environment() | _tags(result),
        steps=_by_fold(result),
        dataset=_dataset(result),
    )


def comparison_record(name: str, board: Leaderboard, results: Mapping[str, TrainingResult], began: float) -> Record:
    """Describe a comparison as MLflow records it: what was tried, on which data, what was best and by how much.

    Parameters
    ----------
    name, board, results
        Of the comparison; results by experiment's name.
    began
        In seconds since 1970.
    """
    best = results[board.best.name]
    return Record(
        name=name,
        experiment="comparison",
        began=began,
        seconds=time.time() - began,
        params={"experiment": "comparison", "experiments": ", ".join(results), "reference": board.reference.name},
        metrics={"log_loss": round(best.scores["log_loss"].value, DIGITS)} if best.scores else {},  # of the best
        tags=environment()
        | _tags(best)
        | {
            "best": board.best.name,
            "mlflow.source.name": "predictor compare",
            "mlflow.note.content": _comparison_description(board, best)[:8000],
        },
        dataset=_dataset(best),
    )


def importances_csv(result: TrainingResult) -> str:
    """Write every importance with its interval as CSV, one row per signal, family or side."""
    figures = [f"{figure}{end}" for figure in ("contribution", "permutation") for end in ("", LOW, HIGH)]
    rows: list[Sequence[object]] = [("kind", "name", *figures, "top_five", "n")]
    for kind, importances in (
        ("signal", result.importances),
        ("family", result.importances_by_family),
        ("side", result.importances_by_side),
    ):
        for name, item in importances.items():
            size, lost = item.contribution, item.permutation
            ends = (size.value, size.low, size.high, lost.value, lost.low, lost.high)
            rows.append((kind, name, *ends, item.top, size.n))
    return _csv(rows)


def scores_csv(result: TrainingResult) -> str:
    """Write every score with its interval as CSV, one row per score: MLflow would draw a chart of each end."""
    rows = [(name, *dataclasses.astuple(score)) for name, score in _named_scores(result).items()]
    return _csv([("name", "value", "low", "high", "n"), *rows])


def _csv(rows: Sequence[Sequence[object]]) -> str:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    return table.getvalue()


def without_interval_ends(metrics: Mapping[str, float]) -> dict[str, float]:
    """Choose the metrics that MLflow records: not the ends of intervals, since it draws a chart of every metric.

    They are in `scores.csv`, and those of the headline in tags.

    Examples
    --------
    >>> without_interval_ends({"roc_auc": 0.7, "roc_auc_low": 0.6, "roc_auc_high": 0.8, "n": 50.0})
    {'roc_auc': 0.7, 'n': 50.0}
    """
    ends = {f"{name}{end}" for name in metrics for end in (LOW, HIGH)}
    return {name: value for name, value in metrics.items() if name not in ends}


def interval_of(tags: Mapping[str, str], name: str) -> tuple[float, float] | None:
    """Read the interval of a score from the tags of its run; None where it has none.

    Examples
    --------
    >>> interval_of({"interval.log_loss": "0.5421 to 0.5882"}, "log_loss")
    (0.5421, 0.5882)
    """
    try:
        low, high = map(float, tags[f"{INTERVAL}{name}"].split(" to "))
    except (KeyError, ValueError):
        return None
    return low, high


def environment() -> dict[str, str]:
    """Return where it ran: git commit, system and versions, as tags."""
    from importlib.metadata import version

    libraries = ("interview-outcome-predictor", "numpy", "pandas", "scikit-learn")
    tags = {f"version.{name}": version(name) for name in libraries}
    tags |= {"version.python": platform.python_version(), "system": platform.platform(terse=True)}
    if commit := _git_commit():
        tags |= {"git_commit": commit, "mlflow.source.git.commit": commit.removesuffix("-dirty")}
    return tags


def _dataset(result: TrainingResult) -> dict[str, Any]:
    data = result.data
    return {
        "name": Path(str(data["source"])).name[:500],
        "digest": str(data["digest"])[:12],  # a column's width; MLflow allows 36, the whole digest is a tag
        "source": str(data["source"]),
        "rows": data["n"],
        "columns": list(result.catalogue.names),
    }


def _metrics(result: TrainingResult) -> dict[str, float]:
    """Return every score by name, with the ends of its interval; `without_interval_ends` then takes the ends out.

    MLflow's pages make a section of each word before a slash, in alphabetical order, and compare runs by the first
    metric. So scores of roles and baselines do not stand among the main ones, and those of folds come first.
    """
    metrics: dict[str, float] = {}
    for name, score in _named_scores(result).items():
        metrics |= {name: score.value, f"{name}{LOW}": score.low, f"{name}{HIGH}": score.high}
    for role, scores in result.scores_by_role.items():
        metrics[f"rated_by_{_plain(role)}/n"] = float(scores["log_loss"].n)
    metrics |= {"n": float(result.data["n"]), "seconds": result.seconds}
    if result.data["base_rate"] is not None:
        metrics["base_rate"] = result.data["base_rate"]
    return {name: round(value, DIGITS) for name, value in metrics.items() if value == value}  # no NaN


def _named_scores(result: TrainingResult) -> dict[str, Score]:
    """Return every score by MLflow's name."""
    scores_by_name = dict(result.scores)
    for baseline, score in result.gains.items():
        scores_by_name[f"gain_over_{baseline}"] = score
        scores_by_name[f"other_models/log_loss_{baseline}"] = result.baselines[baseline]["log_loss"]
    if result.transparency:
        scores_by_name["transparency_cost"] = result.transparency.cost
    if result.direction_cost:
        scores_by_name["direction_cost"] = result.direction_cost.cost
    if result.panel_term and result.panel_term.gain:
        scores_by_name["panel_leniency_gain"] = result.panel_term.gain
    for part, scores in result.partial_scores.items():
        if not part.startswith("family:"):  # those are in the report
            scores_by_name |= {f"partly_rated/{name}_{_plain(part)}": scores[name] for name in BY_FOLD}
    for role, scores in result.scores_by_role.items():
        scores_by_name |= {f"rated_by_{_plain(role)}/{name}": score for name, score in scores.items()}
    return scores_by_name


def _plain(name: str) -> str:
    return re.sub(r"[^\w-]+", "_", name)  # a catalogue's words are free, MLflow's names are not


def _by_fold(result: TrainingResult) -> dict[str, list[float | None]]:
    """Score each fold in turn: repeat after repeat."""
    if not result.scores:
        return {}
    import numpy as np

    from predictor.evaluation.scores import METRICS

    by_fold: dict[str, list[float | None]] = {f"fold/{name}": [] for name in BY_FOLD}
    for p, folds in zip(result.out_of_fold[result.config.model], result.folds, strict=True):
        for fold in range(int(folds.max()) + 1):
            rows = folds == fold
            for name in BY_FOLD:
                value = METRICS[name](result.y[rows], p[rows], np.ones(int(rows.sum())))
                by_fold[f"fold/{name}"].append(round(value, DIGITS) if value == value else None)
    return by_fold


def _tags(result: TrainingResult) -> dict[str, str]:
    headline = {name: result.scores[name] for name in BY_FOLD if name in result.scores}
    return {f"{INTERVAL}{name}": f"{score.low:.4f} to {score.high:.4f}" for name, score in headline.items()} | {
        "simulated": str(bool(result.data["simulated"])).lower(),
        "catalogue": result.catalogue.name,
        "data_digest": str(result.data["digest"]),
        "mlflow.source.name": "predictor train",
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": _description(result)[:8000],
    }


def _git_commit() -> str | None:
    """Commit of the working folder, with "-dirty" when tracked files differ from it; None where there is none."""
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def _description(result: TrainingResult) -> str:
    data = result.data

    def line(label: str, scores: Mapping[str, Score]) -> str:
        shown = (f"{name.replace('_', ' ')} {scores[name]}" for name in ("log_loss", "roc_auc"))
        return f"- {label}, n = {scores['log_loss'].n:,}: {', '.join(shown)}"

    headline, kind = [], result.config.model.replace("_", " ")
    if gain := result.gains.get("base_rate"):
        headline = [f"**Saves {gain} of log-loss against the base rate, n = {gain.n:,}.**\n"]
    lines = [  # a list, since MLflow's page draws tables without any space between their cells
        *headline,
        f"{data['n']:,} ratings from `{data['source']}`, catalogue *{result.catalogue.name}*, "
        + (f"{data['base_rate']:.0%} with an offer." if data["n"] else "no outcome known."),
        *([] if result.tables else [f"\nA *{kind}* model, for comparison: {NO_TABLES}\n"]),
        *(["Cross-validated, with 90 % intervals:\n", line("**model**", result.scores)] if result.scores else []),
        *(line(name.replace("_", " "), scores) for name, scores in result.baselines.items()),
        *(line(f"rated by {role}", scores) for role, scores in result.scores_by_role.items()),
        *(
            line(f"when only {part.words} are rated", result.partial_scores[part.name])
            for part in subsets(result.catalogue)
            if part.name in result.partial_scores and part.name != EVERYTHING and not part.name.startswith("family:")
        ),
    ]
    notes = [str(cost) for cost in (result.transparency, result.direction_cost) if cost]
    notes += [str(result.learning_curve)] if result.learning_curve else []
    return "\n".join([*lines, *(f"\n> {note}" for note in (*notes, *result.halo, *result.warnings))])


def _comparison_description(board: Leaderboard, best: TrainingResult) -> str:
    data = best.data

    def line(rank: int, entry: Entry) -> str:
        text = f"{rank}. **{entry.name}**: log-loss {entry.log_loss}"
        return f"{text}; {entry.verdict}" + (f", {entry.difference}" if entry.difference else "")

    kind = "SIMULATED ratings" if data["simulated"] else "ratings"
    lines = [
        f"**{board.headline}**\n",
        f"{data['n']:,} {kind} from `{data['source']}`, {data['base_rate']:.0%} with an offer; every experiment in the "
        f"same folds. {board.why}\n",
        *(line(rank, entry) for rank, entry in enumerate(board.entries, 1)),
        "\n> After the verdict: the difference of log-loss to the reference, below 0 is better, with a paired 90 % "
        "interval; level: not significant. The picture is `leaderboard.png` under Artifacts; reports are "
        "with the child runs.",
        *(f"\n> {warning}" for warning in best.warnings if warning.startswith("SIMULATED")),
    ]
    return "\n".join(lines)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple | list) else str(value)
