"""Check the options and every file's columns before anything is scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

import pyarrow as pa

from predictor.atomic import resolved
from predictor.batch.parts import ENDINGS, EXCEL, JSONL, READ_AS_CSV, STANDARD, FileFormat, Part, Source, name_of
from predictor.batch.reading import read_header
from predictor.batch.scoring import Scorer
from predictor.errors import ConfigError, Problem, RatingsError, nearest
from predictor.sources.compression import unpacked
from predictor.sources.parquet import is_text


def check_options(scorer: Scorer) -> None:
    """Check the options.

    Raises
    ------
    ConfigError
        If one does not fit the model.
    """
    options, model = scorer.options, scorer.model
    model.predict({}, base_rate=options.base_rate)  # raises an error if the base rate is not valid
    for name in options.unobserved:
        if name not in model.signals:
            raise ConfigError(f"'{name}' is not a signal of the model{nearest(name, model.signals)}")
    if clash := sorted({*options.keep} & {*scorer.columns}):
        raise ConfigError(f"the name '{clash[0]}' is used for an output column, so --keep cannot copy it; rename yours")
    if not 0 <= options.top <= len(model.terms):
        raise ConfigError(f"--top {options.top}: write 0 to {len(model.terms)}, the number of signals and inputs")


def check_places(source: Path, out: Path, bad_rows: Path | None, write_as: str | None) -> None:
    """Check where things are to be written, before anything is scored.

    Raises
    ------
    ConfigError
        If one file would be written over another, or a path is not of the kind that its name means.
    """
    form, standard = FileFormat.of(out), str(out) == STANDARD
    if form and out.is_dir():
        raise ConfigError(f"{out}: is a folder with a file's name; name another")
    if out.exists() and not (form or standard or out.is_dir()):
        raise ConfigError(f"{out}: is not a folder; name another, or a file by its ending, as in answers.parquet")
    if out.suffix and not (form or standard or out.is_dir()):
        raise ConfigError(
            f"{out}: has none of the endings {', '.join(ENDINGS)}; if it is to be a folder, make it first"
        )
    if form and (form.format == EXCEL or unpacked(out).suffix.lower() in READ_AS_CSV):
        raise ConfigError(f"{out}: answers are written as Parquet, CSV or JSON Lines; name a file of one of these")
    if form and write_as and write_as != form.format:
        raise ConfigError(f"{out}: its ending says {form.format}, --to says {write_as}; leave --to out")
    if not (form or standard) and str(source) == STANDARD:
        raise ConfigError(f"{out}: standard input becomes one file; name it by its ending, as in answers.csv")
    if bad_rows and bad_rows.exists() and not bad_rows.is_file():
        raise ConfigError(f"{bad_rows}: is not a file; name another for the rows that cannot be used")
    paths = [(path, resolved(path)) for path in (source, out, bad_rows) if path and str(path) != STANDARD]
    for (path, resolved_path), (other, resolved_other) in permutations(paths, 2):
        if path is not source and resolved_other in (resolved_path, *resolved_path.parents):
            raise ConfigError(f"{path}: must not be {other} or inside it; name another place")


def check_schema(schema: pa.Schema, first: pa.Schema, part: Part) -> None:
    """Check whether answers of a part fit into one file with those of the first.

    Raises
    ------
    RatingsError
        With the columns whose types differ.
    """
    kind = "is {} here and was {} in a file before; for one file it must be the same in all"
    differing = [(ours, theirs) for ours, theirs in zip(schema, first, strict=True) if ours.type != theirs.type]
    if differing:
        raise RatingsError(
            name_of(part),
            [Problem(kind.format(ours.type, theirs.type), column=ours.name) for ours, theirs in differing],
        )


def check_columns(source: Source, scorer: Scorer, *, one_file: bool) -> None:
    """Check the columns of every file but JSON Lines before anything is scored.

    Parameters
    ----------
    one_file
        Whether one file is written, for which each kept column must have one type.

    Raises
    ------
    RatingsError
        With every column that is missing, doubled, or of a type that cannot be read, by file.
    """
    model, options = scorer.model, scorer.options
    problems = list(_folders(source, scorer))
    types: dict[str, dict[str, str]] = {}
    files = {part.path: part for part in source.parts if part.form.format != JSONL and str(part.path) != STANDARD}
    having: dict[str, list[str]] = {item.name: [] for item in model.catalogue.inputs}
    for path, part in files.items():
        schema = source.schemas.get(path)
        own = list(schema.names if schema is not None else read_header(part))
        names = [*own, *(key for key, _ in part.constants if key not in own)]
        problems += _names(own, names, scorer, path)
        for name, paths in having.items():
            if name in names:
                paths.append(str(path))
        if schema is not None:
            problems += _types(schema, scorer, path)
            for name in options.keep:
                if own.count(name) == 1:
                    types.setdefault(name, {}).setdefault(str(schema.field(name).type), str(path))
    for name, paths in having.items():
        if paths and len(paths) < len(files):
            lacking = next(str(path) for path in files if str(path) not in paths)
            problems.append(Problem(f"is missing in {lacking}, though {paths[0]} has it", column=name))
    for name, path_of_type in types.items():
        if one_file and len(path_of_type) > 1:
            differing = " and ".join(f"{kind} in {path}" for kind, path in path_of_type.items())
            problems.append(Problem(f"is {differing}; for one file it must be the same in all", column=name))
    if problems:
        raise RatingsError(str(source.path), problems)


def _folders(source: Source, scorer: Scorer) -> Iterator[Problem]:
    """Return signals that are named by a folder, as in goals_discussed=4."""
    for folder in {part.path.parent: part for part in source.parts}.values():
        for name, _ in folder.constants:
            if name in scorer.model.signals:
                yield Problem(f"is in the name of a folder, {folder.path.parent}; give it a column", column=name)


def _names(own: Sequence[str], names: Sequence[str], scorer: Scorer, path: Path) -> Iterator[Problem]:
    """Return columns of a file that are missing or doubled; `names` are its `own` and those of its folders."""
    model, options = scorer.model, scorer.options
    for name in dict.fromkeys((*model.terms, *options.keep)):
        if (times := own.count(name)) > 1:
            yield Problem(f"appears {times} times in {path}; keep one", column=name)
    spare = [name for name in names if name not in model.terms]
    for name in model.signals:
        if name in names and name in options.unobserved:
            yield Problem(f"is in {path}, so it is not unobserved; leave the option out", column=name)
        elif name not in names and name not in options.unobserved:
            fix = nearest(name, spare) or f"; if it was never rated: --unobserved {name}"
            yield Problem(f"is missing in {path}{fix}", column=name)
    for name in options.keep:
        if name not in names:
            yield Problem(f"is missing in {path}, so --keep cannot copy it{nearest(name, names)}", column=name)


def _types(schema: pa.Schema, scorer: Scorer, path: Path) -> Iterator[Problem]:
    """Return the columns of a Parquet file that are of a type that cannot be read."""
    model = scorer.model
    levels = {signal.name: signal.levels for signal in model.catalogue.signals}
    for name in (*model.terms, *scorer.options.keep):
        if schema.names.count(name) != 1:  # a doubled name is reported as such
            continue
        kind = schema.field(name).type
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        number = pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_decimal(inner)
        plain = number or is_text(inner) or pa.types.is_null(inner)
        if name in model.signals and not (plain or (pa.types.is_boolean(inner) and levels[name])):
            yield Problem(
                f"has the type {kind} in {path}; write ratings as numbers, null where not observed", column=name
            )
        elif name in model.terms[len(model.signals) :] and not (plain or pa.types.is_boolean(inner)):
            yield Problem(f"has the type {kind} in {path}; write words", column=name)
        elif name not in model.terms and pa.types.is_nested(kind):
            yield Problem(f"has the type {kind} in {path}, which cannot be kept", column=name)
