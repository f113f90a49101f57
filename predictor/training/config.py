"""The settings of an experiment, and its TOML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import InitVar, dataclass, fields
from pathlib import Path

from predictor.errors import ConfigError, nearest
from predictor.evaluation.baselines import BASELINES
from predictor.reading import read_toml
from predictor.training import POOL

PANELS = ("auto", "none")
PRIORS = ("auto", "published", "none")


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of an experiment.

    Attributes
    ----------
    model
        "pool", or one of `baselines` to train that instead: it is measured in the same way, but has no tables, so it
        cannot be served and never becomes the champion.
    folds
        Parts of a cross-validation, 2 to 20; fewer are used where groups are few.
    repeats
        How often the cross-validation is repeated with other folds, 1 to 50. Three are enough: from one repeat to the
        next the log-loss on the sample moves by .002 (standard deviation), a seventh of its standard error.
    resamples
        Draws for the intervals of scores, 20 to 10,000.
    seed
        Of folds and draws.
    leave_out
        Signals, families, sides ("side:interviewer") or inputs that the model must not use.
    baselines
        What the model is compared with in the same folds; see `predictor.evaluation.baselines`.
    challengers
        Former name of `baselines`, still accepted.
    prior
        "published" starts from the effects published about interviews, by way of the simulator, and lets the data
        overrule them; "none" learns from the data alone. "auto" takes "published" for data on the shipped catalogue
        with fewer than 50 offers or 50 non-offers.
    panels
        "auto" tries how high a panel usually rates as an input where rows have a `panel`, and keeps it if
        log-loss is lower with it and its slope is significant; "none" does not.

    Raises
    ------
    ConfigError
        If a value is out of range.

    Examples
    --------
    >>> TrainingConfig(leave_out=("body_language",)).folds
    5
    """

    model: str = POOL
    folds: int = 5
    repeats: int = 3
    resamples: int = 200
    seed: int = 0
    leave_out: tuple[str, ...] = ()
    baselines: tuple[str, ...] = tuple(BASELINES)
    prior: str = "auto"
    panels: str = "auto"
    challengers: InitVar[Sequence[str] | None] = None

    def __post_init__(self, challengers: Sequence[str] | None) -> None:
        if challengers is not None:
            object.__setattr__(self, "baselines", challengers)
        ranges = {"folds": (2, 20), "repeats": (1, 50), "resamples": (20, 10_000), "seed": (0, 2**32 - 1)}
        problems = []
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                problems.append(f"{name} = {value!r}: write a whole number from {low} to {high}")
        for name in ("leave_out", "baselines"):
            value = getattr(self, name)
            if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
                problems.append(f"{name} = {value!r}: write a list of names in quotes")
                continue
            object.__setattr__(self, name, tuple(dict.fromkeys(value)))  # a list where it comes from TOML
            if name == "baselines":
                unknown = [word for word in value if word not in BASELINES]
                known = f"; there are: {', '.join(BASELINES)}"
                problems += [f"baselines: no '{word}'{nearest(word, BASELINES) or known}" for word in unknown]
        for name, there in (("prior", PRIORS), ("panels", PANELS), ("model", (POOL, *BASELINES))):
            if (value := getattr(self, name)) not in there:
                hint = nearest(str(value), there) or f"; there are: {', '.join(there)}"
                problems.append(f"{name} = {value!r}: no such {name}{hint}")
        if problems:
            raise ConfigError("\n  ".join(problems))

    @classmethod
    def load(cls, path: str | Path) -> TrainingConfig:
        """Read an experiment from a TOML file that holds only what differs from the defaults.

        Raises
        ------
        ConfigError
            If the file is missing, is not TOML, or has an unknown key or value.
        """
        data = read_toml(path, ConfigError, f"no such experiment{_others(Path(path))}")
        known = [item.name for item in fields(cls)]
        accepted = (*known, "challengers")
        if {"baselines", "challengers"} <= data.keys():
            raise ConfigError(f"{path}: challengers is the former name of baselines; write baselines only")
        if unknown := [f"unknown key '{key}'{nearest(key, known)}" for key in data if key not in accepted]:
            raise ConfigError(f"{path}: " + "\n  ".join([*unknown, f"known keys: {', '.join(known)}"]))
        try:
            return cls(**data)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None


def _others(path: Path) -> str:
    there = sorted(other.stem for other in path.parent.glob("*.toml"))
    return (nearest(path.stem, there) or f"; there are: {', '.join(there)}") if there else ""
