"""What is asked for and every file's columns, looked at before anything is scored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from predictor.batch.parts import JSONL, STANDARD, Source
from predictor.batch.reading import Header
from predictor.batch.scoring import Scorer
from predictor.errors import ConfigError, Problem, RatingsError, nearest


def check_options(scorer: Scorer) -> None:
    """Look at the options.

    Raises
    ------
    ConfigError
        If one does not fit the model.
    """
    options, model = scorer.options, scorer.model
    model.predict({}, base_rate=options.base_rate)  # says what is wrong with a base rate
    for name in options.unobserved:
        if name not in model.signals:
            raise ConfigError(f"'{name}' is no signal of the model{nearest(name, model.signals)}")
    if clash := sorted({*options.keep} & {*scorer.columns}):
        raise ConfigError(f"the column '{clash[0]}' is one of the answer's own; it cannot be kept beside it")
    if not 0 <= options.top <= len(model.terms):
        raise ConfigError(f"the {options.top} strongest are asked for: write 0 to {len(model.terms)}, all there are")


def check_columns(source: Source, scorer: Scorer, *, one_file: bool) -> None:
    """Look at every file's columns before anything is scored.

    Parameters
    ----------
    one_file
        Whether all becomes one file, for which what is kept must be of one type.

    Raises
    ------
    RatingsError
        With every column that is missing, doubled, or of a type that cannot be read, by file.
    """
    problems: list[Problem] = []
    model, options = scorer.model, scorer.options
    kinds: dict[str, dict[str, str]] = {}
    inputs: dict[str, list[str]] = {item.name: [] for item in model.catalogue.inputs}
    files = {part.path: part for part in source.parts if part.form.format != JSONL and str(part.path) != STANDARD}
    for path, part in files.items():
        schema = source.schemas.get(path)
        own = list(schema.names if schema is not None else Header.of(part).names)
        names = [*own, *(key for key, _ in part.constants if key not in own)]
        doubled = dict.fromkeys(name for name in own if own.count(name) > 1)
        problems += [Problem(f"stands {own.count(name)} times in {path}; keep one", column=name) for name in doubled]
        spare = [name for name in names if name not in model.terms]
        for name in model.signals:
            if name in names and name in options.unobserved:
                problems.append(Problem(f"is in {path}, so it is not unobserved; leave the option out", column=name))
            elif name not in names and name not in options.unobserved:
                mend = nearest(name, spare) or f"; if it was never rated: --unobserved {name}"
                problems.append(Problem(f"is missing in {path}{mend}", column=name))
        problems += [
            Problem(f"is to be kept, and missing in {path}{nearest(name, names)}", column=name)
            for name in options.keep
            if name not in names
        ]
        for name, having in inputs.items():
            having += [str(path)] * (name in names)
        if schema is not None:
            problems += _types(schema, scorer, path)
            for name in options.keep:
                if name in own:
                    kinds.setdefault(name, {}).setdefault(str(schema.field(name).type), str(path))
    for name, having in inputs.items():
        if having and len(having) < len(files):
            lacking = next(str(path) for path in files if str(path) not in having)
            problems.append(Problem(f"is missing in {lacking}, though {having[0]} has it", column=name))
    for name, found in kinds.items():
        if one_file and len(found) > 1:
            told = " and ".join(f"{kind} in {path}" for kind, path in found.items())
            problems.append(Problem(f"is {told}; for one file it must be the same in all", column=name))
    if problems:
        raise RatingsError(str(source.path), problems)


def _types(schema: pa.Schema, scorer: Scorer, path: Path) -> Iterator[Problem]:
    """Say which columns of a Parquet file are of a type that cannot be read."""
    model = scorer.model
    for name in (*model.terms, *scorer.options.keep):
        if name not in schema.names:
            continue
        kind = schema.field(name).type
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        number = pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_decimal(inner)
        text = pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner)
        if name in model.signals and not (number or pa.types.is_null(inner)):
            yield Problem(
                f"has the type {kind} in {path}; write ratings as numbers, null where not observed", column=name
            )
        elif name in model.terms[len(model.signals) :] and not (text or pa.types.is_null(inner)):
            yield Problem(f"has the type {kind} in {path}; write words", column=name)
        elif name not in model.terms and pa.types.is_nested(kind):
            yield Problem(f"has the type {kind} in {path}, which cannot be kept", column=name)
