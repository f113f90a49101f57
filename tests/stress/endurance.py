"""What the journal and the server withstand: kills, many writers, full disks, swapped models, load, and floods.

- `kills [ROUNDS]`: a process writes to a journal without a pause and is killed (SIGKILL) at a random moment. Every
  confirmed write must be stored unchanged, and the interrupted one completely or not at all. A quarter as many kills
  hit a process that creates new journals.
- `writers [ROWS]`: eight processes each add this many rows at once. All must be stored, none twice.
- `disk`: the disk is full, has space again, is read-only, then writable; then the journal has a newer layout. A
  refused command must change nothing. Root mounts a small disk; other users get limits on file size and write
  permission.
- `swap [REQUESTS]`: `predictor serve` answers over eight connections while its model's file is replaced every 50 ms.
  Every answer must be exactly that of one of the two models.
- `silent`: a tracking server accepts every connection and never answers. A training must finish and be saved, and
  `history`, `pull` and `promote` must report the problem, each within 30 seconds beyond its own work.
- `soak [MINUTES]`: half of the load that the server can take, for this long. No request may fail, and memory may
  grow by at most 5 % from the second minute to the last.
- `flood [MB]`: eight connections send endless headers of this many MB in all: one long header, many short ones,
  trailers after a body. Each must be answered with 431, and memory may grow by at most 60 MB.
- `uploads [COLUMNS]`: files of this many columns, of four times as many rows, and of the largest size are uploaded
  to the journal, and lists of 330,000 interviews are sent to the API. Each must be accepted, or refused with a clear
  message.
- `term [REQUESTS]`: this many requests are sent over new connections, over kept ones and without a pause, and then
  the server is stopped by SIGTERM. Each complete request must be answered, and the server must end by itself.

In the last three, and in `silent`, `/health` must always be answered within half a second. The time that the server
waits for a processor on a busy machine does not count; the elapsed time is printed beside it.

Entries and ratings are made up; models are of SIMULATED interviews. POSIX only. Exit code 1 if a check fails.

    .venv/bin/python tests/stress/endurance.py kills
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import random
import re
import resource
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count, cycle, islice, takewhile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import psutil

from predictor import OfferModel
from predictor.atomic import write_bytes
from predictor.errors import JournalError
from predictor.journal.entry import OUTCOMES, STILL_OPEN, Entry
from predictor.journal.schema import VERSION
from predictor.journal.store import Journal

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "experiments/benchmark"))
from load import answers, free_port, request, started, until

FORK = multiprocessing.get_context("fork")
PUBLISHED = OfferModel.published()
WRITERS = CONNECTIONS = 8
LATEST = 0.1  # seconds from a process's first write to its end; a write takes some milliseconds
ROLLBACK = bytes.fromhex(
    "d9d505f920a163d7"
)  # the first bytes of a rollback journal: sqlite.org/fileformat2.html, section 3
SMALL, LARGE = 400_000, 4_000_000  # bytes of a disk
CHAMPION, PAUSE = "experiments/models/champion.json", 0.05
FORM, WRONG = "application/x-www-form-urlencoded", "no_such_signal"
SAMPLE, GROWTH = 1.0, 1.05  # seconds between two measurements of memory; the factor by which it may grow
HEALTHY, WATCH = 0.5, 0.01  # seconds within which /health must answer, and between two questions
MEMORY = 60e6  # bytes by which a flooded server may grow
KILLS = (
    "writes acknowledged", "kills in mid-write", "of these to be taken back", "last writes not there",
    "last writes wholly there", "makings cut off", "of these with pages in the file", "journals made, and usable",
)  # fmt: skip
Faults = list[str]


class Health(NamedTuple):
    """The time of a question to /health, the seconds until its answer, and these without waiting for a processor."""

    sent: float
    seconds: float
    own: float


def main() -> int:
    """Run one scenario and print its failures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    for name, (_, *default) in MEASURES.items():
        command = commands.add_parser(name)
        for number in default:
            command.add_argument("number", nargs="?", type=type(number), default=number, help="[default: %(default)s]")
    # A fork drops the threads of numpy's libraries; the forked functions do not need them.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    what, *given = vars(parser.parse_args()).values()
    try:
        faults = MEASURES[what][0](*given)
    except (JournalError, OSError) as error:  # a call or a connection that should have worked
        faults = [f"{type(error).__name__}: {error}"]
    for fault in faults:
        print(f"FAILED: {fault}")
    return bool(faults)


# -- the journal -------------------------------------------------------------------------------------------------------


def kills(rounds: int) -> Faults:
    """Kill a writing process again and again, and check the journal that it leaves."""
    rng, seen, faults = random.Random(1), Counter(dict.fromkeys(KILLS, 0)), Faults()
    kept: dict[str, Entry] = {}
    with tempfile.TemporaryDirectory() as there:
        path = Path(there, "one.journal")
        for number in range(rounds):
            printed = _killed(_write, path, number, after=rng.uniform(0, LATEST))
            done, begun = (
                printed[1::2],
                printed[len(printed) - len(printed) % 2 :],
            )  # it reports each write before and after it
            kept = {title: entry for title, entry in (kept | dict(done)).items() if entry}
            seen["writes acknowledged"] += len(done)
            seen.update(_left(path))
            entries = Journal(path).entries()  # checks the file, and parses every row
            found = {entry.title: entry for entry in entries}
            for title, wanted in begun:
                now, before = found.get(title), kept.pop(title, None)
                if now == before:
                    seen["last writes not there"] += 1
                elif _content(now) == wanted:
                    seen["last writes wholly there"] += 1
                else:
                    faults.append(f"kill {number} left half a write: {now}")
                kept |= {title: now} if now else {}
            if found != kept or len(found) != len(entries):
                return [*faults, f"kill {number} left {len(entries)} rows, not the {len(kept)} that it should"]
        for number in range(rounds // 4):
            made = _killed(_make, Path(there, str(number)), after=rng.uniform(0, LATEST))
            if len(made) % 2:
                seen["makings cut off"] += 1
                seen["of these with pages in the file"] += made[-1].exists() and made[-1].stat().st_size > 0
            for path in set(made):
                Journal(path).add("the first", _ratings(rng))
                seen["journals made, and usable"] += 1
    _table(f"{rounds} kills of a writer, {rounds // 4} of a maker of journals", seen)
    if not seen["kills in mid-write"]:
        faults.append("no kill hit a write, so this shows nothing")
    return faults


def _killed(work: Callable[..., None], *given: Any, after: float) -> list[Any]:
    """Let a process write, kill it this many seconds after its first message, and return its messages."""
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=work, args=(theirs, *given))
    process.start()
    theirs.close()
    printed, timer = [], threading.Timer(after, process.kill)
    with ours, contextlib.suppress(EOFError, OSError):  # OSError: a message was cut off, so the write is not confirmed
        while True:
            printed.append(ours.recv())
            if len(printed) == 1:
                timer.start()
    process.join()
    if process.exitcode != -signal.SIGKILL:
        raise SystemExit(f"the process ended by itself, exit code {process.exitcode}; it says why above")
    return printed


def _write(channel: Connection, path: Path, seed: int) -> None:
    """Write without a pause: up to 40 entries, with notes of up to five pages of the file."""
    journal, rng = Journal(path), random.Random(seed)
    there = {entry.title: entry for entry in journal.entries()}
    for number in count():
        ratings, note, outcome = _ratings(rng), rng.choice("abc") * rng.randint(0, 20_000), rng.choice(OUTCOMES)
        old = rng.choice([*there.values()]) if there else None
        kind = rng.choice(("add", "add", "edit", "outcome", "delete"))
        call: Callable[[], Entry | None]
        if old is None or (kind == "add" and len(there) < 40):
            title, wanted = f"{seed}-{number}", (note, ratings, STILL_OPEN)
            call = partial(journal.add, title, ratings, note=note)
        elif kind == "edit":
            ratings = _numbers(old) if old.frozen else ratings
            title, wanted = old.title, (note, ratings, old.outcome)
            call = partial(journal.edit, old.id, ratings=ratings, note=note)
        elif kind == "outcome":
            title, wanted = old.title, (old.note, _numbers(old), outcome)
            call = partial(journal.set_outcome, old.id, outcome)
        else:
            title, wanted = old.title, None
            call = partial(journal.delete, old.id)
        channel.send((title, wanted))
        done = call()
        channel.send((title, done))
        if done is None:
            del there[title]
        else:
            there[title] = done


def _make(channel: Connection, folder: Path) -> None:
    for number in count():
        path = folder / f"{number}.journal"
        channel.send(path)
        Journal(path)
        channel.send(path)


def _left(path: Path) -> Iterator[str]:
    """Return whether SQLite left the file from which it rolls back a write."""
    beside = path.with_name(f"{path.name}-journal")
    if beside.exists():
        yield "kills in mid-write"
        head = beside.read_bytes()[:12]
        if head[:8] == ROLLBACK and any(head[8:]):  # its number of pages: the journal may have been changed
            yield "of these to be taken back"


def _numbers(entry: Entry) -> dict[str, float]:
    return {name: float(rating) for name, rating in entry.ratings.items()}


def _content(entry: Entry | None) -> tuple[str, dict[str, float], str] | None:
    return (entry.note, _numbers(entry), entry.outcome) if entry else None


def writers(rows: int) -> Faults:
    """Let processes add rows at once to a journal that the first of them creates."""
    with tempfile.TemporaryDirectory() as there, FORK.Pool(WRITERS) as pool:
        path, start = Path(there, "one.journal"), time.perf_counter()
        longest = pool.starmap(_add, [(path, number, rows) for number in range(WRITERS)], chunksize=1)
        seconds = time.perf_counter() - start
        entries = Journal(path).entries()
    titles = {entry.title for entry in entries}
    wanted = {f"{number}-{row}" for number in range(WRITERS) for row in range(rows)}
    seen = {"rows added": len(wanted), "rows there": len(entries), "rows a second": round(len(wanted) / seconds)}
    _table(f"{WRITERS} writers at once", {**seen, "longest that one waited, ms": round(1000 * max(longest))})
    if titles == wanted and len(entries) == len(wanted):
        return []
    return [f"{len(wanted - titles)} rows are lost, {len(entries) - len(titles)} are there twice"]


def _add(path: Path, number: int, rows: int) -> float:
    journal, longest = Journal(path), 0.0
    for row in range(rows):
        start = time.perf_counter()
        journal.add(f"{number}-{row}", {PUBLISHED.signals[0]: 1 + row % 5})
        longest = max(longest, time.perf_counter() - start)
    return longest


def disk() -> Faults:
    """Use every function of a journal while its disk is full or read-only, and when it has space again."""
    rng, outcomes, faults = random.Random(1), cycle(("offer", "no offer")), Faults()
    rows = f"{PUBLISHED.signals[0]},stage,who,offer\n", f"4,{'x' * 5_000},%s,yes\n" * 100
    with tempfile.TemporaryDirectory() as there, _disk(Path(there)) as turn:
        journal = Journal(Path(there, "one.journal"))
        for note in ("x" * 5_000, ""):
            with contextlib.suppress(JournalError):
                while True:
                    journal.add("made up", _ratings(rng), note=note)
        size = journal.path.stat().st_size
        print(f"a journal of {len(journal.entries())} rows and {size:,} bytes on a disk of {SMALL:,}")
        for state, room, refused in (
            ("full", SMALL, ("add", "import")),
            ("nearly full", size + 60_000, ("import",)),
            ("larger", LARGE, ()),
            ("read-only", 0, ("add", "edit", "outcome", "import", "delete")),
            ("writable", LARGE, ()),
        ):
            if not turn(room):
                print(f"  {state:<14}not looked at: root may write everywhere, and could mount no disk")
                continue
            new, old = (journal.entries()[place].id for place in (0, -1))
            reads: dict[str, Callable[[], object]] = {
                "read": journal.entries,
                "open anew": partial(Journal, journal.path),
            }
            writes: dict[str, Callable[[], object]] = {
                "add": partial(journal.add, "made up", _ratings(rng), note="x" * 20_000),
                "edit": partial(journal.edit, new, note=f"{state} " * 1_500),
                "outcome": partial(journal.set_outcome, new, next(outcomes)),
                "import": partial(
                    journal.import_csv, "".join(rows).replace("%s", state).encode()
                ),  # different rows each time
                "delete": partial(journal.delete, old),
            }
            for name, call in {**reads, **writes}.items():
                before = {entry.id: entry for entry in journal.entries()}
                said = _said(journal, call)
                after = {entry.id: entry for entry in journal.entries()}
                print(f"  {state:<14}{name:<11}{said}")
                done = said == "done" or said.startswith("the interview is deleted")
                if (name in refused and said == "done") or (said != "done" and (name in reads or not refused)):
                    faults.append(f"{state}, {name}: {said}")
                if (after != before) != (done and name in writes):
                    faults.append(f"{state}, {name}: '{said}', but of {len(before)} rows there are {len(after)}")
                if any(after.get(key) != entry for key, entry in before.items() if key not in (new, old)):
                    faults.append(f"{state}, {name}: lost a row that it had nothing to do with")
        with contextlib.closing(sqlite3.connect(journal.path, isolation_level=None)) as file:
            file.execute(f"PRAGMA user_version = {VERSION + 1}")
        content = {path.name: path.read_bytes() for path in Path(there).iterdir()}
        for name, call in {**reads, **writes}.items():
            said = _said(journal, call)
            print(f"  {'newer layout':<14}{name:<11}{said}")
            if "newer than this version" not in said:
                faults.append(f"newer layout, {name}: {said}")
        if {path.name: path.read_bytes() for path in Path(there).iterdir()} != content:
            faults.append("a journal of a newer layout was changed")
    return faults


@contextlib.contextmanager
def _disk(folder: Path) -> Iterator[Callable[[int], bool]]:
    """Limit a folder like a disk; yield a function that sets its bytes (0: read-only) and returns whether it could."""
    root = os.geteuid() == 0
    if root and not subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", folder]).returncode:

        def mounted(room: int) -> bool:
            options = f"remount,rw,size={room}" if room else "remount,ro"
            return not subprocess.run(["mount", "-o", options, folder], check=True).returncode

        try:
            yield mounted
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
        return
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limited(room: int) -> bool:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room or most, hard))
        for path in (folder, *folder.iterdir()):
            path.chmod((path.stat().st_mode & ~0o222) | (0o200 if room else 0))
        return not (root and not room)

    limited(SMALL)
    try:
        yield limited
    finally:
        limited(most)


def _said(journal: Journal, call: Callable[[], object]) -> str:
    try:
        call()
    except JournalError as error:
        return str(error).replace(f"{journal.path}: ", "")
    return "done"


# -- the server --------------------------------------------------------------------------------------------------------


def swap(requests: int) -> Faults:
    """Query a server while its model's file is replaced; an answer of neither model is a failure."""
    from predictor import OfferClassifier, simulate_interviews  # here, since scikit-learn takes seconds to load

    known, rng = simulate_interviews(100, seed=5).labelled(), random.Random(1)
    models = {"one": PUBLISHED, "the other": OfferClassifier(known.catalogue).fit(known.features, known.y).model_}
    with tempfile.TemporaryDirectory() as there, _served(Path(there)) as (port, _):
        files = [model.save(Path(there, f"{name}.json")).read_bytes() for name, model in models.items()]
        right = {
            request(port, "/v1/predict", json.dumps(body)): {name: _told(model, body) for name, model in models.items()}
            for body in (_ratings(rng), [_ratings(rng) for _ in range(3)])
        }
        seen = Counter({f"answers {whose}": 0 for whose in ("of one model", "of the other model", "mixed or failed")})
        bodies, end = cycle(right), time.monotonic() + 30
        with _replaced(Path(there, CHAMPION), files) as times:
            # on a fast machine one round may be over before the file is replaced
            while not all(seen[f"answers of {name} model"] for name in models) and time.monotonic() < end:
                for answer in answers(port, islice(bodies, requests), CONNECTIONS):
                    printed = json.loads(answer.body) if answer.status == 200 else None
                    of = [f"of {name} model" for name, wanted in right[answer.request].items() if printed == wanted]
                    seen[f"answers {of[0] if of else 'mixed or failed'}"] += 1
        seen["times that the file was replaced"] = times[0]
        seen["times that another model was taken"] = int(_found(port, "/metrics", r"predictor_model_reloads (\d+)"))
    asked = sum(times for name, times in seen.items() if name.startswith("answers"))
    _table(f"{asked:,} requests over {CONNECTIONS} connections, of one row and of three", seen)
    wrong = sorted(name for name, times in seen.items() if bool(times) == (name == "answers mixed or failed"))
    return [f"{name}: {seen[name]}" for name in wrong]


def _told(model: OfferModel, body: Any) -> Any:
    printed = (
        [model.predict(row).to_dict() for row in body] if isinstance(body, list) else model.predict(body).to_dict()
    )
    return json.loads(json.dumps(printed))


@contextlib.contextmanager
def _replaced(path: Path, files: list[bytes]) -> Iterator[list[int]]:
    """Replace a file by each of two others in turn while the block runs, and count how often."""
    stop, times = threading.Event(), [0]

    def work() -> None:
        for content in cycle(files):
            write_bytes(path, content)
            times[0] += 1
            if stop.wait(PAUSE):
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield times
    finally:
        stop.set()
        thread.join()


def silent() -> Faults:
    """Train, and list versions, while the tracking server never answers."""
    faults, seen = Faults(), {}
    with tempfile.TemporaryDirectory() as there, socket.create_server(("127.0.0.1", 0)) as server:
        folder, address = (
            Path(there),
            f"http://127.0.0.1:{server.getsockname()[1]}",
        )  # it accepts connections and never answers
        (folder / "quick.toml").write_text('folds = 2\nrepeats = 1\nresamples = 20\nchallengers = ["base_rate"]\n')
        environment = {**os.environ, "MLFLOW_TRACKING_URI": address}
        command = [sys.executable, "-m", "predictor"]
        subprocess.run([*command, "simulate", "few.csv", "-n", "80"], cwd=folder, env=environment, check=True)
        train = ["train", "few.csv", "-e", "quick.toml", "--name", "mine"]
        with _served(folder, environment=environment) as (port, server), _health(port, server) as took:
            for words in ([*train, "--no-track"], train, ["history"], ["pull"], ["promote", "1"]):
                start = time.perf_counter()
                done = subprocess.run([*command, *words], cwd=folder, env=environment, capture_output=True, text=True)
                what = words[0] + (" --no-track" if "--no-track" in words else "")
                seen[f"{what}, s"] = round(time.perf_counter() - start)
                if "--no-track" not in words and (done.returncode != 2 or "no answer in 10 s" not in done.stderr):
                    faults.append(f"{what}: exit code {done.returncode}, {done.stderr[-300:]}")
        allowed = 30 + seen["train --no-track, s"]
        faults += [f"{what}: {seconds}" for what, seconds in seen.items() if seconds > allowed]
        if not (folder / "experiments/models/mine/model.json").is_file():
            faults.append("the training is not kept")
    _table("a tracking server that never answers", seen)
    return faults + _unhealthy(took)


def soak(minutes: float) -> Faults:
    """Send half of the load that the server can take for some minutes, and watch its memory."""
    with tempfile.TemporaryDirectory() as there, _served(Path(there)) as (port, server):
        traffic, end = _traffic(port), time.perf_counter() + 3
        most = sum(1 for _ in answers(port, takewhile(lambda _: time.perf_counter() < end, traffic), CONNECTIONS)) / 3
        failed = Counter[str]()
        asked, start = 0, time.perf_counter()
        with _watched(server) as memory:
            for answer in answers(port, _paced(traffic, most / 2, 60 * minutes), CONNECTIONS):
                asked += 1
                if answer.status != (422 if WRONG.encode() in answer.request else 200):
                    failed[f"{answer.request.partition(b' HTTP')[0].decode()}: {answer.status}"] += 1
        seconds = time.perf_counter() - start
    seen = {"requests": asked, "failed": failed.total(), "requests a second at most": round(most)}
    _table(f"{seconds / 60:.1f} minutes", {**seen, "requests a second": round(asked / seconds)})
    window = min(60, seconds / 3)  # the first minute is warming up
    faults = [f"{what}, {times} times" for what, times in failed.items()]
    print("memory in MB after warming up: first minute, last minute, last/first (90 % interval), most/least")
    for place, name in enumerate(("resident", "own (USS)")):
        later = [(at, sizes[place] / 1e6) for at, *sizes in memory if at >= window]
        first = [size for at, size in later if at < 2 * window]
        last = [size for at, size in later if at >= seconds - window]
        grown = statistics.mean(last) / statistics.mean(first)
        error = 1.645 * math.hypot(*(statistics.stdev(sizes) / len(sizes) ** 0.5 for sizes in (first, last)))
        interval = "{:.3f} to {:.3f}".format(*(grown + side * error / statistics.mean(first) for side in (-1, 1)))
        spread = max(size for _, size in later) / min(size for _, size in later)
        means = f"{statistics.mean(first):>9.1f}{statistics.mean(last):>9.1f}"
        print(f"  {name:<12}{means}{grown:>9.3f} ({interval}){spread:>9.2f}")
        if grown > GROWTH:
            faults.append(f"{name} memory grew by {grown - 1:.1%}")
    return faults


def flood(megabytes: int) -> Faults:
    """Send endless headers, and check answers, memory, and whether other requests are answered."""
    start = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    chunked = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    kinds = (
        (start + b"X-Long: ", b"x" * 64_000),
        (start, b"X-Many: x\r\n" * 6_000),
        (chunked, b"X-Many: x\r\n" * 6_000),
    )
    statuses, each = Counter[str](), megabytes * 1_000_000 // CONNECTIONS
    with tempfile.TemporaryDirectory() as there, _served(Path(there)) as (port, server), _health(port, server) as took:
        before = server.memory_info().rss
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            flooded = [pool.submit(_flooded, port, *kinds[number % len(kinds)], each) for number in range(CONNECTIONS)]
            statuses.update(f"answered {future.result()}" for future in flooded)
        grown = server.memory_info().rss - before
    _table(
        f"{megabytes} MB of headers over {CONNECTIONS} connections", {**statuses, "memory grew by, kB": grown // 1000}
    )
    faults = [f"{times} were {status}" for status, times in statuses.items() if status != "answered 431"]
    return [*faults, *([f"memory grew by {grown / 1e6:.0f} MB"] if grown > MEMORY else []), *_unhealthy(took)]


def _flooded(port: int, first: bytes, more: bytes, most: int) -> int:
    """Send endless headers up to this many bytes, and return the status of the answer; 0 if the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(first)
            for _ in range(most // len(more)):
                connection.sendall(more)
        with contextlib.suppress(ConnectionError):
            return int(connection.recv(65_536)[9:12] or 0)
    return 0


def uploads(columns: int) -> Faults:
    """Upload files that are too wide, too long or just acceptable, and check that other requests are answered."""
    files = {
        "wide": (",".join(f"c{number}" for number in range(columns)) + "\n", 422),
        "wide, of one name": (f"{PUBLISHED.signals[0]}," * columns + "\n", 422),
        "long": (f"{PUBLISHED.signals[0]}\n" + "4\n" * 4 * columns, 422),
        "of bytes, lines": (f"{PUBLISHED.signals[0]}\n" + "\n" * 9_900_000, 422),
        "of bytes, one line": ("," * 9_900_000, 422),
        "as long as may be": (f"{PUBLISHED.signals[0]}\n" + "4\n" * 19_999, 200),
    }
    lists = {f"330,000 of {one}": "[" + ",".join([one] * 330_000) + "]" for one in ("{}", "[]", "1")}
    faults, seen = Faults(), dict[str, int]()
    with (
        tempfile.TemporaryDirectory() as there,
        _served(Path(there), "--journal", "my.journal") as (port, server),
        _health(port, server) as took,
    ):
        cookie, token = _form(port)
        asked = {name: (_upload(port, text, cookie, token), status) for name, (text, status) in files.items()}
        asked |= {name: (request(port, "/v1/predict", text), 413) for name, text in lists.items()}
        for name, (sent, wanted) in asked.items():
            (answer,) = answers(port, [sent])
            seen[f"{name}, ms"] = round(1000 * answer.seconds)
            if answer.status != wanted:
                faults.append(f"{name}: {answer.status}, not {wanted}")
    _table(f"uploads of {columns:,} columns and {4 * columns:,} rows, and lists", seen)
    return [*faults, *_unhealthy(took)]


def _form(port: int) -> tuple[str, str]:
    """Get the cookie and the token of a form."""
    (page,) = answers(port, [request(port, "/")])
    (cookie,) = re.findall(rb"set-cookie: ([^;]+)", page.head)
    return cookie.decode(), re.findall(rb'name="csrf_token" value="([^"]+)"', page.body)[0].decode()


def _upload(port: int, text: str, cookie: str, token: str) -> bytes:
    parts = f'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token}\r\n'
    parts += f'--b\r\nContent-Disposition: form-data; name="file"; filename="my.csv"\r\n\r\n{text}\r\n--b--\r\n'
    return request(port, "/journal/import", parts, "multipart/form-data; boundary=b", Cookie=cookie)


def term(requests: int) -> Faults:
    """Send requests, stop the server, and count the requests that were sent but not answered."""
    seen, faults = dict[str, int](), Faults()
    for how in ("new connections", "kept connections", "without a pause"):
        with (
            tempfile.TemporaryDirectory() as there,
            _served(Path(there)) as (port, server),
            _health(port, server) as took,
        ):
            asked = request(port, "/v1/predict", json.dumps({PUBLISHED.signals[0]: 4}))
            with contextlib.ExitStack() as opened:
                sent = _sent(port, asked, requests, how, opened)
                signalled = time.perf_counter()
                server.send_signal(signal.SIGTERM)
                lost = sum(at < signalled and not _answered(connection) for connection, at in sent())
                with contextlib.suppress(psutil.TimeoutExpired):
                    server.wait(20)
            if server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
                faults.append(f"{how}: the server did not end in 20 seconds")
            seen[f"{how}, not answered"] = lost
            if lost:
                faults.append(f"{how}: {lost} of {requests:,} requests were lost")
        print(how)
        faults += _unhealthy([one for one in took if one.sent < signalled])
    _table(f"{requests:,} requests were sent, then SIGTERM", seen)
    return faults


Sent = Callable[[], Iterable[tuple[socket.socket, float]]]


def _sent(port: int, asked: bytes, requests: int, how: str, opened: contextlib.ExitStack) -> Sent:
    """Send requests; yield the connections that wait for an answer and the time when each had sent everything."""

    def connected() -> socket.socket:
        return opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))

    if how != "without a pause":
        connections = [connected() for _ in range(requests)]
        if how == "kept connections":
            for connection in connections:
                connection.sendall(asked)
                if not _answered(connection):
                    raise SystemExit("a request was not answered before SIGTERM was sent")
        for connection in connections:
            connection.sendall(asked)
        now = time.perf_counter()
        return lambda: [(connection, now) for connection in connections]
    waiting, stop = list[tuple[socket.socket, float]](), threading.Event()

    def send() -> None:
        while not stop.is_set():
            try:
                connection = connected()
                connection.sendall(asked)
            except ConnectionError:  # it has ended
                return
            waiting.append((connection, time.perf_counter()))

    thread = threading.Thread(target=send)
    thread.start()
    while len(waiting) < requests and thread.is_alive():
        time.sleep(0.001)

    def rest() -> Iterable[tuple[socket.socket, float]]:
        time.sleep(0.3)
        stop.set()
        thread.join()
        return waiting

    return rest


def _answered(connection: socket.socket) -> bool:
    """Return whether one request is answered completely with 200."""
    got = b""
    with contextlib.suppress(OSError):
        while part := connection.recv(65_536):
            got += part
            head, _, body = got.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if length and len(body) >= int(length[1]):
                return head.startswith(b"HTTP/1.1 200")
    return False


@contextlib.contextmanager
def _health(port: int, server: psutil.Process) -> Iterator[list[Health]]:
    """Query /health continuously, from a separate process.

    Its own interpreter does not share the load, and it sends the next question without waiting for the last answer,
    so a slow server is always noticed.
    """
    took = list[Health]()
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_ask_for_health, args=(port, server.pid, theirs))
    process.start()
    ours.recv()
    try:
        yield took
    finally:
        ours.send("stop")
        took += ours.recv()
        process.join()


def _ask_for_health(port: int, server: int, channel: Connection) -> None:
    took, asked = list[Health](), request(port, "/health")

    def ask() -> None:
        start, waited, done = time.perf_counter(), _waited(server), False
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(asked)
                sent = time.perf_counter()
                done = _answered(connection)
        except OSError:
            sent = time.perf_counter()
        seconds = time.perf_counter() - start if done else math.inf
        took.append(Health(sent, seconds, seconds - _waited(server) + waited))

    ask()  # one answer before the attack, which may last for less than the time between two questions
    channel.send("ready")
    with ThreadPoolExecutor(100) as pool:
        while True:
            pool.submit(ask)
            if channel.poll(WATCH):
                break
    channel.send(took)


def _waited(process: int) -> float:
    """Return the seconds that a process's first thread, its event loop, has waited for a processor (Linux only)."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _unhealthy(took: Sequence[Health]) -> Faults:
    if not took:
        return ["/health was never asked"]
    longest, own = max(one.seconds for one in took), max(one.own for one in took)
    print(f"  {'/health asked so often':<40}{len(took):>9,}")
    print(f"  {'its longest answer, ms':<40}{1000 * longest:>9,.0f}")
    print(f"  {'less the wait for a processor, ms':<40}{1000 * own:>9,.0f}")
    print(f"  {'load of the machine':<40}{os.getloadavg()[0]:>9.1f}")
    return [f"/health took {own:.2f} s"] if own > HEALTHY else []


def _traffic(port: int) -> Iterator[bytes]:
    """Send every kind of request in turn, with random content that never repeats: a growing cache would show."""
    rng = random.Random(1)
    cookie, token = _form(port)
    while True:
        kind = rng.choices(("one", "twenty", "model", "refused", "page", "form"), (70, 10, 2, 6, 6, 6))[0]
        if kind == "one":
            yield request(port, "/v1/predict", json.dumps(_ratings(rng)))
        elif kind == "twenty":
            yield request(port, "/v1/predict", json.dumps([_ratings(rng) for _ in range(20)]))
        elif kind == "refused":
            yield request(port, "/v1/predict", json.dumps({f"{WRONG}_{rng.random()}": 4}))
        elif kind == "form":
            filled = {f"rating.{name}": rating for name, rating in _ratings(rng).items()}
            yield request(port, "/estimate", urlencode({"csrf_token": token, **filled}), FORM, Cookie=cookie)
        else:
            yield request(port, "/" if kind == "page" else "/v1/model")


def _paced(requests: Iterable[bytes], rate: float, seconds: float) -> Iterator[bytes]:
    """Send this many requests per second; a late one is followed by the next immediately."""
    start = time.perf_counter()
    for number, asked in enumerate(requests):
        if number / rate >= seconds:
            return
        time.sleep(max(0.0, start + number / rate - time.perf_counter()))
        yield asked


@contextlib.contextmanager
def _watched(server: psutil.Process) -> Iterator[list[tuple[float, int, int]]]:
    """Record the time, resident memory and own memory of a process and its children while the block runs."""
    stop, start, seen = threading.Event(), time.perf_counter(), []

    def work() -> None:
        while not stop.wait(SAMPLE):
            sizes = [process.memory_full_info() for process in (server, *server.children(recursive=True))]
            seen.append((time.perf_counter() - start, sum(size.rss for size in sizes), sum(size.uss for size in sizes)))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def _served(
    folder: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[int, psutil.Process]]:
    """Run `predictor serve` in a folder until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "predictor", "serve", *options, "--port", str(port)]
    with started(command, folder, environment=environment) as process:
        until(port, request(port, "/health"))
        yield port, psutil.Process(process.pid)


def _found(port: int, path: str, pattern: str) -> str:
    (answer,) = answers(port, [request(port, path)])
    return str(re.findall(pattern, answer.body.decode())[0])


def _ratings(rng: random.Random) -> dict[str, float]:
    return {name: float(rng.randint(1, 5)) for name in PUBLISHED.signals}


def _table(title: str, seen: Mapping[str, int]) -> None:
    print(title)
    for name, number in seen.items():
        print(f"  {name:<40}{number:>9,}")


MEASURES: dict[str, tuple[Any, ...]] = {
    "kills": (kills, 200), "writers": (writers, 100), "disk": (disk,), "silent": (silent,),
    "swap": (swap, 10_000), "soak": (soak, 10.0),
    "flood": (flood, 60), "uploads": (uploads, 100_000), "term": (term, 1_000),
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
