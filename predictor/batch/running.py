"""Score files of ratings, also larger than memory, with the same numbers as for one interview."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from predictor.atomic import exclusive_lock, resolved
from predictor.batch.checking import check_columns, check_options, check_places, check_schema
from predictor.batch.json_lines import mixed_columns
from predictor.batch.ledger import Checksum, Ledger, checksum, refuse_links
from predictor.batch.parts import CSV, EXCEL, JSONL, PARQUET, STANDARD, FileFormat, Part, Source, find_parts
from predictor.batch.reading import read_blocks
from predictor.batch.rows import RowBlock
from predictor.batch.scoring import (
    BAD_ROWS_SCHEMA,
    BadRows,
    Scorer,
    ScoringOptions,
    ScoringTotals,
    never,
    write_bad_rows,
    write_part,
)
from predictor.batch.writing import Writer, clear
from predictor.errors import ConfigError, Problem, RatingsError
from predictor.model.offer_model import OfferModel
from predictor.threads import one_thread

BAD_ROWS, LOCK = "_bad", ".lock"  # folder of bad rows in the output folder; ending of lock files
Advance = Callable[[float], None]
Given = TypeVar("Given")
Made = TypeVar("Made")
FinishedPart = tuple[Part, ScoringTotals, Checksum | None, Checksum | None]


def score_files(
    source: str | Path,
    out: str | Path,
    model: OfferModel,
    *,
    options: ScoringOptions | None = None,
    read_as: str | None = None,
    sheet: str | None = None,
    write_as: str | None = None,
    bad_rows: str | Path | None = None,
    resume: bool = False,
    threads: int | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Callable[[int, str], Advance] | None = None,
) -> ScoringTotals:
    """Score files of ratings: likelihood with its interval and, if asked, reasons, one row per interview.

    Parameters
    ----------
    source
        A Parquet, CSV, JSON Lines or Excel file, a folder of such files, or "-"; see `predictor.batch.parts`. Every
        signal of the model must be a column of every file but JSON Lines, where an absent key means not observed, or be
        in `options.unobserved`; other columns are ignored.
    out
        A file, whose ending is its format, as in answers.parquet or answers.csv.gz. Or a folder of parts, one or more
        for each file of the source. Each file is written atomically. Or "-" for standard output.
    model
        The model that predicts.
    options
        What to compute and to copy.
    read_as, write_as
        "parquet", "csv" or "jsonl": the format of standard input; the format of a folder's parts or of standard output,
        by default that of the source, and CSV for a workbook.
    sheet
        Name of the worksheet of workbooks; None: the first visible one.
    bad_rows
        A JSON Lines file for bad rows, which cannot be used: file, row, problems, and the row unchanged. A folder of
        parts also has them under `_bad`, by part. None: bad rows are an error.
    resume
        Whether to continue in a folder: parts whose files still have the recorded size and SHA-256 are skipped, others
        are scored again.
    threads
        Number of threads; None: as many as there are processors.
    scheduler, workers
        A Dask cluster that scores the parts of a folder instead; see `predictor.cluster.cluster`. It reads and writes
        the same paths, so they must be on a disk that all its machines share.
    progress
        Called with the amount of work and its unit: "rows" of Parquet, "bytes" of other files, 0 for standard input.
        The function that it returns is called with the amount done since its last call.

    Returns
    -------
    ScoringTotals
        The number of scored rows and of bad rows, and the signals that were rated in any of them.

    Raises
    ------
    RatingsError
        If a file cannot be read, lacks a column, or has bad rows; or if there are no rows at all.
    ConfigError
        If an argument does not fit, another batch is writing to the same place, or a part to be scored is a link.
    OSError
        If a file cannot be written; finished parts are kept.

    Examples
    --------
    >>> import tempfile
    >>> there = tempfile.TemporaryDirectory()
    >>> _ = Path(there.name, "ratings.csv").write_text("interview,goals_discussed\\nAcme,4\\nGlobex,2\\n")
    >>> model = OfferModel.published()
    >>> others = tuple(name for name in model.signals if name != "goals_discussed")
    >>> options = ScoringOptions(keep=("interview",), unobserved=others)
    >>> answers = Path(there.name, "answers.csv")
    >>> score_files(Path(there.name, "ratings.csv"), answers, model, options=options).rows
    2
    >>> answers.read_text().splitlines()[0]
    '"interview","offer_probability","interval_low","interval_high","model","simulated_model"'
    >>> there.cleanup()
    """
    source, out, bad_rows_file = Path(source), Path(out), Path(bad_rows) if bad_rows else None
    threads = threads or _processors()
    files, scorer = find_parts(source, read_as, sheet), Scorer(model, options or ScoringOptions())
    check_places(source, out, bad_rows_file, write_as)
    source_format = files.parts[0].form.format
    write_as = write_as or (CSV if source_format == EXCEL else source_format)
    file_format = FileFormat.of(out) if str(out) != STANDARD else FileFormat(write_as)
    if file_format and (scheduler or workers or resume):
        raise ConfigError(f"{out}: a cluster and --resume need a folder of parts; name a folder")
    check_options(scorer)
    check_columns(files, scorer, one_file=file_format is not None)
    unit = "rows" if source_format == PARQUET else "bytes"
    advance = progress(sum(part.weight for part in files.parts), unit) if progress else lambda _: None
    if file_format:
        with _lock(out), one_thread("blas"):
            return _to_one(files, out, file_format, scorer, bad_rows_file, threads, advance)
    form = FileFormat(write_as)
    plan = {  # recorded in the folder, so these keys must stay
        "model": model.fingerprint,
        "options": asdict(scorer.options),
        "form": form.format,
        "bad rows": bad_rows_file is not None,
    }
    out.mkdir(parents=True, exist_ok=True)
    with _lock(out), one_thread("blas"):  # parts go side by side: threads inside each would wait for each other
        ledger = Ledger(out, {"source": str(source.absolute()), **plan}, resume=resume)
        ledger.check(files.parts)
        clear(out)
        total, unfinished = ScoringTotals(), []
        for part in files.parts:
            part_bad_rows = _bad_rows_file(out, part) if bad_rows_file else None
            if finished := ledger.finished(part, _output_file(out, part, form), part_bad_rows):
                total += finished
                advance(part.weight)
            else:
                unfinished.append(part)
        paths = [_output_file(out, part, form) for part in unfinished]
        refuse_links(out, paths + [_bad_rows_file(out, part) for part in unfinished if bad_rows_file])
        work = Work(scorer, out, form, keep_bad_rows=bad_rows_file is not None)
        with contextlib.closing(_run(work, unfinished, threads, scheduler, workers)) as finished_parts:
            for part, scored, *checksums in finished_parts:
                ledger.add(part, scored, *checksums)
                total += scored
                advance(part.weight)
        clear(out)
        if not total.rows + total.bad:
            for part in files.parts:
                _output_file(out, part, form).unlink(missing_ok=True)
        _refuse_no_rows(files, total)
        if bad_rows_file:
            clear(bad_rows_file)
            with Writer(bad_rows_file, FileFormat(JSONL), BAD_ROWS_SCHEMA) as writer:
                for path in filter(Path.exists, (_bad_rows_file(out, part) for part in files.parts)):
                    writer.append(path)
        ledger.complete(total)
    return total


@dataclass(frozen=True)
class Work:
    """Score a part into its file in a folder; return the part, its totals, and the checksums of its two files."""

    scorer: Scorer
    out: Path
    form: FileFormat
    keep_bad_rows: bool
    halt: Callable[[], bool] = never

    def __call__(self, part: Part) -> FinishedPart:
        bad_rows_file = _bad_rows_file(self.out, part) if self.keep_bad_rows else None
        path = _output_file(self.out, part, self.form)
        scored = write_part(self.scorer, part, path, self.form, bad_rows_file, self.halt)
        return part, scored, checksum(path), checksum(bad_rows_file)


def _run(
    work: Work, parts: Sequence[Part], threads: int, scheduler: str | None, workers: int | None
) -> Generator[FinishedPart]:
    if scheduler or workers:
        from predictor.cluster import cluster, run_tasks

        part_by_name = {part.name: part for part in parts}
        absolute_work = replace(work, out=work.out.absolute())
        with cluster(scheduler, workers) as client:
            absolute = [replace(part, path=part.path.absolute()) for part in parts]
            for part, scored, written, bad_rows in run_tasks(client, absolute_work, absolute):
                yield part_by_name[part.name], scored, written, bad_rows
        return
    work.scorer.warm()
    halted = threading.Event()
    halting = replace(work, halt=halted.is_set)
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from _in_order(pool, halting, parts, 2 * threads)
        finally:
            halted.set()
            pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[Given], Made], items: Iterable[Given], ahead: int
) -> Iterator[Made]:
    """Yield results in the order of the items; at most `ahead` items are in work."""
    waiting: deque[Future[Made]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _to_one(
    files: Source, out: Path, form: FileFormat, scorer: Scorer, bad_rows: Path | None, threads: int, advance: Advance
) -> ScoringTotals:
    """Score everything into one file, in order."""

    def batches() -> Iterator[tuple[Part, RowBlock]]:
        keep = scorer.options.keep
        as_json = mixed_columns(files.parts, keep)  # of one file, in which all parts have the same columns
        for part in files.parts:
            yield from ((part, batch) for batch in read_blocks(part, scorer.model, keep, as_json))

    total, refused, behind = ScoringTotals(), BadRows(files.parts[0]), dict.fromkeys(files.parts, 0.0)
    with contextlib.ExitStack() as stack:
        scorer.warm()
        pool = stack.enter_context(ThreadPoolExecutor(threads))
        stack.callback(pool.shutdown, cancel_futures=True)
        for path in filter(None, (out, bad_rows)):
            clear(path)
        writer: Writer | None = None
        bad: Writer | None = None
        answers = _in_order(pool, lambda item: (item, scorer.score(item[1])), batches(), 2 * threads)
        for (part, batch), (table, scored, broken) in answers:
            if part is not refused.part:
                refused.check()
                refused = BadRows(part)
            total += scored
            writer = writer or stack.enter_context(Writer(out, form, table.schema))
            check_schema(table.schema, writer.schema, part)
            writer.write(table)
            if bad_rows:  # opened last and so closed first: the file of bad rows is complete before that of the answers
                bad = bad or stack.enter_context(Writer(bad_rows, FileFormat(JSONL), BAD_ROWS_SCHEMA))
                write_bad_rows(bad, part, broken)
            else:
                refused.add(scored, broken)
            advance(part.weight * (batch.done - behind[part]))
            behind[part] = batch.done
        refused.check()
        _refuse_no_rows(files, total)
    return total


def _refuse_no_rows(source: Source, total: ScoringTotals) -> None:
    """Refuse a source without any row; one file of several may have none."""
    if not total.rows + total.bad:
        raise RatingsError(str(source.path), [Problem("has no rows; it needs at least one rated interview")])


def _bad_rows_file(out: Path, part: Part) -> Path:
    return out / BAD_ROWS / f"{part.name}.aside"


def _output_file(out: Path, part: Part, form: FileFormat) -> Path:
    return out / f"{part.name}{form.ending}"


def _lock(out: Path) -> AbstractContextManager[None]:
    """Lock a folder or file against other batches."""
    if str(out) == STANDARD:
        return nullcontext()
    place = out / LOCK if out.is_dir() else resolved(out).with_name(f".{out.name}{LOCK}")
    return exclusive_lock(out, f"{out}: another batch is writing to it; wait for it, or name another place", place)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
