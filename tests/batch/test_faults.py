"""Output is complete or absent: after a kill, on a full disk, and when two batches run at once."""

from __future__ import annotations

import hashlib
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictor import OfferModel
from predictor.batch.running import score_files
from predictor.batch.scoring import ScoringOptions, ScoringTotals
from predictor.errors import ConfigError

PARTS, ROWS = 8, 60_000
KILLS = int(os.environ.get("PREDICTOR_TEST_KILLS", "3"))
COMMAND = [sys.executable, "-m", "predictor", "batch", "--model", "published", "--keep", "id", "--threads", "1"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of parts that take some tenths of a second each, with one row out of scale per part."""
    folder, random = tmp_path_factory.mktemp("faults") / "in", np.random.default_rng(0)
    folder.mkdir()
    ratings = {name: random.integers(1, 6, ROWS).astype(np.uint8) for name in OfferModel.published().signals}
    ratings["mutual_rapport"][77] = 9
    for number in range(PARTS):
        table = pa.table({"id": np.arange(ROWS) + number * ROWS, **ratings})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=ROWS // 2)
    return folder


def score(source: Path, out: Path, resume: bool = False) -> ScoringTotals:
    options = ScoringOptions(keep=("id",))
    return score_files(source, out, OfferModel.published(), options=options, bad_rows=f"{out}.bad", resume=resume)


@pytest.fixture(scope="module")
def uninterrupted(source: Path) -> dict[str, str]:
    out = source.parent / "uninterrupted"
    assert score(source, out) == ScoringTotals(PARTS * (ROWS - 1), PARTS, frozenset(OfferModel.published().signals))
    return digests(out)


def digests(out: Path) -> dict[str, str]:
    """Return the digest of every output file and of the bad rows; the record of time and version is left out."""
    files = [*out.rglob("*"), out.with_name(f"{out.name}.bad")]
    files = [path for path in files if path.is_file() and path.name not in ("_parts.log", "_predictor.json")]
    names = [path.name if path.parent == out.parent else str(path.relative_to(out)) for path in files]
    names = [name.replace(out.name, "") for name in names]
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in zip(names, files, strict=True)}


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.is_file()]


def begin(source: Path, out: Path) -> subprocess.Popen[str]:
    command = [*COMMAND, str(source), str(out), "--bad-rows", f"{out}.bad"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.002)


@pytest.mark.parametrize("turn", range(KILLS))
def test_a_killed_batch_can_be_resumed(turn: int, source: Path, uninterrupted: dict[str, str], tmp_path: Path) -> None:
    out, chance = tmp_path / "out", random.Random(turn)
    finished = chance.randrange(PARTS - 2)
    with begin(source, out) as run:
        wait_for(lambda: len([*out.glob("*.parquet")]) >= finished and bool(unfinished(out)))
        time.sleep(chance.uniform(0, 0.05))
        run.kill()
    assert run.returncode == -signal.SIGKILL
    there = {path: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    assert finished <= len(there) < PARTS
    noted = (out / "_parts.log").read_text().count("}") if (out / "_parts.log").exists() else 0
    score(source, out, resume=True)
    assert digests(out) == uninterrupted
    assert not unfinished(tmp_path)
    assert sum(path.stat().st_mtime_ns == time for path, time in there.items()) >= noted  # finished parts are kept


def test_sigterm_leaves_no_unfinished_file(source: Path, tmp_path: Path) -> None:
    with begin(source, tmp_path / "out.parquet") as run:
        wait_for(lambda: any("parquet" in path.name and "lock" not in path.name for path in unfinished(tmp_path)))
        run.send_signal(signal.SIGSTOP)  # else it may be done before the other one looks
        with pytest.raises(ConfigError, match="another batch is writing to it"):
            score(source, tmp_path / "out.parquet")
        run.terminate()
        run.send_signal(signal.SIGCONT)
    assert run.returncode == 128 + signal.SIGTERM
    assert [*tmp_path.iterdir()] == []


def test_a_full_disk_is_reported_and_finished_parts_stay(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(source / "1.parquet", tmp_path / "in" / "b.parquet")
    pq.write_table(pq.read_table(source / "0.parquet").slice(0, 1000), tmp_path / "in" / "a.parquet")
    limit = (200_000, 200_000)
    done = subprocess.run(
        [*COMMAND, "in", "out", "--bad-rows", "out.bad"], cwd=tmp_path, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "Error: out/b.parquet: cannot be written: File too large; name another place\n"
    assert len(pq.read_table(tmp_path / "out" / "a.parquet")) == 999
    assert not (tmp_path / "out" / "b.parquet").exists() and not unfinished(tmp_path)
    before = (tmp_path / "out" / "a.parquet").stat().st_mtime_ns
    monkeypatch.chdir(tmp_path)  # as the interrupted run did
    assert score(Path("in"), Path("out"), resume=True).rows == 999 + ROWS - 1
    assert (tmp_path / "out" / "a.parquet").stat().st_mtime_ns == before


def test_resuming_with_changed_files_or_options_is_refused(source: Path, tmp_path: Path) -> None:
    folder, out, model = tmp_path / "in", tmp_path / "out", OfferModel.published()
    shutil.copytree(source, folder)
    for path in sorted(folder.iterdir())[2:]:
        path.unlink()
    score(folder, out)
    with pytest.raises(ConfigError, match="is a partial run; continue with --resume"):
        score(folder, out)
    with pytest.raises(ConfigError, match="belongs to a run with other options"):
        score_files(folder, out, model, bad_rows=tmp_path / "bad", resume=True)
    bad_rows_file = (tmp_path / "out.bad").read_bytes()
    score(folder, out, resume=True)
    assert (tmp_path / "out.bad").read_bytes() == bad_rows_file  # nothing was left to do, and nothing is lost
    kept = (out / "1.parquet").stat().st_mtime_ns
    pq.write_table(pq.read_table(folder / "0.parquet").slice(0, 10), folder / "0.parquet")
    assert score(folder, out, resume=True) == ScoringTotals(10 + ROWS - 1, 1, frozenset(model.signals))
    assert (out / "1.parquet").stat().st_mtime_ns == kept
    assert (tmp_path / "out.bad").read_text().count('"row"') == 1
    (folder / "0.parquet").unlink()
    with pytest.raises(ConfigError, match=r"has results of files that are gone, such as .*0\.parquet"):
        score(folder, out, resume=True)


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b""),
        lambda path: os.truncate(path, 1000),
        lambda path: path.write_bytes(path.read_bytes()[:-9] + b"?" + path.read_bytes()[-8:]),
        lambda path: path.unlink(),
    ],
    ids=["emptied", "cut", "a byte changed", "gone"],
)
@pytest.mark.parametrize("name", ["1.parquet", "_bad/1.aside"])
def test_a_changed_part_is_scored_again(
    name: str, harm: Callable[[Path], object], source: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for path in sorted(source.iterdir())[:2]:
        table = pq.read_table(path).slice(0, 200)
        pq.write_table(table, folder / path.name)
    whole = score(folder, out)
    before, kept = digests(out), (out / "0.parquet").stat().st_mtime_ns
    harm(out / name)
    assert score(folder, out, resume=True) == whole
    assert digests(out) == before
    assert (out / "0.parquet").stat().st_mtime_ns == kept


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("1.parquet", "0.parquet"),
        ("1.parquet", "../in/1.parquet"),
        ("1.parquet", "nothing"),
        ("sub", "."),
        ("_bad/1.aside", "0.aside"),
        ("_bad", "../in"),
        ("_parts.log", "../other.log"),
        ("_predictor.json", "../other.json"),
    ],
)
def test_writing_through_a_link_among_the_parts_is_refused(
    name: str, target: str, source: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    for number, part in enumerate(("0", "1", "sub/0")):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pq.read_table(source / f"{number}.parquet").slice(0, 200), folder / f"{part}.parquet")
    whole = score(folder, out)
    shutil.copy(out / "_parts.log", tmp_path / "other.log")
    shutil.copy(out / "_predictor.json", tmp_path / "other.json")
    link = out / name
    link.rename(tmp_path / "moved")
    link.symlink_to(target)
    if name == "_bad":
        (out / "0.parquet").unlink()  # one part has to be scored again
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name[0] != "_"}
    with pytest.raises(ConfigError, match=rf"out: {name}: a link, and what it points at would be overwritten; remove"):
        score(folder, out, resume=True)
    assert {path: path.read_bytes() for path in before} == before
    link.unlink()
    (tmp_path / "moved").rename(link)
    assert score(folder, out, resume=True) == whole


def test_a_moved_and_linked_part_is_not_scored_again(source: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    pq.write_table(pq.read_table(source / "0.parquet").slice(0, 200), folder / "0.parquet")
    whole = score(folder, out)
    (out / "0.parquet").rename(tmp_path / "elsewhere")
    (out / "0.parquet").symlink_to(tmp_path / "elsewhere")
    assert score(folder, out, resume=True) == whole


NOTES = [b'{"part":1}', b"{}", b"[]}", b"xx}", b'{"part":["a"]}', b"\xff\xfe}", b"[" * 100_000 + b"}"]


def test_a_damaged_ledger_only_causes_its_parts_to_be_scored_again(source: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    pq.write_table(pq.read_table(source / "0.parquet").slice(0, 200), folder / "0.parquet")
    whole, before = score(folder, out), digests(out)
    log, plan = out / "_parts.log", out / "_predictor.json"
    changes: list[Callable[[bytes], bytes]] = [
        lambda text: text + b"\n" + b"\n".join(NOTES),
        lambda text: text.replace(b'"rows": ', b'"rows": "many", "n": '),
        lambda text: text.replace(b'"rows": 199', b'"rows": 9000'),
        lambda text: text.replace(b'"bad": 1', b'"bad": 0'),
        lambda text: re.sub(rb'"digest": "[0-9a-f]+"', b'"digest": 5', text),
        lambda text: text.replace(b'"observed": [', b'"observed": 5, "o": ['),
        lambda text: text.replace(b'"written": [', b'"written": 5, "w": ['),
        lambda text: text.replace(b'"written": [', b'"written": [[], '),
    ]
    for change in changes:
        log.write_bytes(change(log.read_bytes()))
        assert score(folder, out, resume=True) == whole
        assert digests(out) == before
    kept = plan.read_bytes()
    for content in (b"", b"[1]", b'{"plan": [1]}', b'{"plan": "x"}', b"\xff", b"[" * 100_000):
        plan.write_bytes(content)
        with pytest.raises(ConfigError, match=r"_predictor\.json: is damaged; name another folder"):
            score(folder, out, resume=True)
    plan.write_bytes(kept)
    for path in (log, plan):
        path.unlink()
        os.mkfifo(path)  # a pipe without a writer
        with pytest.raises(ConfigError, match=f"{path.name}: is .*; name another folder"):
            score(folder, out, resume=True)


@pytest.mark.parametrize("out", ["in", "in/out", "in/0.parquet", "in/a/b.csv", "link", "link/out"])
def test_output_never_overwrites_the_input(out: str, source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "in")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    before = digests(tmp_path / "in")
    for given in ("in", "link", "in/0.parquet") if out == "in/0.parquet" else ("in", "link"):
        with pytest.raises(ConfigError, match="or inside it; name another place"):
            score_files(tmp_path / given, tmp_path / out, OfferModel.published())
    assert digests(tmp_path / "in") == before
