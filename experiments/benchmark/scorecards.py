"""How fast tables of scorecards import, beside reading them alone: `python experiments/benchmark/scorecards.py`.

Tables as a warehouse has them (Greenhouse v3): cards, four attributes each, applications, offers; CSV or Parquet. Each
part runs in a process of its own, so that the memory is its own.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

ATTRIBUTES, CARDS_EACH = 4, 3
WORDS = np.array(["definitely_not", "no", "mixed", "yes", "strong_yes", "no_decision"])


def write(folder: Path, cards: int, ending: str, seed: int = 0) -> None:
    """Write a simulated warehouse; SIMULATED."""
    rng = np.random.default_rng(seed)
    applications = cards // CARDS_EACH
    day = np.datetime64("2024-01-01", "s")
    applied = day + rng.integers(0, 63_000_000, applications)
    of = np.repeat(np.arange(applications), CARDS_EACH)
    submitted = applied[of] + rng.integers(0, 864_000, len(of))
    attributes = np.arange(1, 25) + 300_000
    people = 10**9 + np.arange(applications)
    rejected = rng.random(applications) < 0.7
    ended = (applied + 1_200_000).astype(str).astype(object)
    tables = {
        "scorecard": {
            "id": 5 * 10**9 + np.arange(len(of)),
            "application_id": 10**10 + of,
            "candidate_rating": np.array(["strong_no", "no", "yes", "strong_yes"])[rng.integers(4, size=len(of))],
            "interview_kit_id": rng.integers(3, size=len(of)) + 70,
            "interviewer_id": rng.integers(5000, size=len(of)) + 400_000,
            "notes": np.full(len(of), "A note that is never read, of some words."),
            "status": np.full(len(of), "submitted"),
            "submitted_at": submitted.astype(str),
            "updated_at": submitted.astype(str),
        },
        "scorecard_candidate_attribute": {
            "scorecard_id": 5 * 10**9 + np.repeat(np.arange(len(of)), ATTRIBUTES),
            "job_candidate_attribute_id": attributes[rng.integers(24, size=len(of) * ATTRIBUTES)],
            "candidate_attribute_rating": WORDS[rng.integers(6, size=len(of) * ATTRIBUTES)],
        },
        "job_candidate_attribute": {
            "id": attributes,
            "name": np.array([f"Attribute {place}" for place in range(24)]),
            "job_id": np.full(24, 1),
            "candidate_attribute_type_id": np.full(24, 1),
        },
        "interview_kit": {"id": np.arange(70, 73), "job_interview_id": np.arange(50, 53)},
        "job_interview": {
            "id": np.arange(50, 53),
            "name": np.array(["Phone screen", "Technical", "On-site"]),
            "job_interview_stage_id": np.arange(3),
        },
        "application": {
            "id": 10**10 + np.arange(applications),
            "candidate_id": people,
            "status": np.where(rejected, "rejected", "hired"),
            "rejected_at": np.where(rejected, ended, ""),
            "prospect": np.full(applications, "false"),
        },
        "offer": {
            "id": 10**8 + np.flatnonzero(~rejected),
            "application_id": 10**10 + np.flatnonzero(~rejected),
            "status": np.full(int((~rejected).sum()), "Accepted"),
            "sent_on": (applied[~rejected] + 1_200_000).astype("datetime64[D]").astype(str),
        },
    }
    for name, columns in tables.items():
        table = pa.table({key: pa.array(cells) for key, cells in columns.items()})
        if ending == "csv":
            csv.write_csv(table, folder / f"{name}.csv")
        else:
            pq.write_table(table, folder / f"{name}.parquet")


def read_alone(folder: Path) -> None:
    """Read every column of every file by Arrow, and do nothing with them."""
    for path in sorted(folder.iterdir()):
        if path.suffix == ".csv":
            with csv.open_csv(
                path, csv.ReadOptions(use_threads=False), csv.ParseOptions(newlines_in_values=True)
            ) as file:
                for _ in file:
                    pass
        else:
            with pq.ParquetFile(path) as file:
                for _ in file.iter_batches():
                    pass


def import_them(folder: Path, out: Path) -> None:
    """Import as the command line does, tables written."""
    from predictor.sources.scorecards import read_scorecards
    from predictor.sources.scorecards.writing import Places, write

    imported = read_scorecards("greenhouse", [folder], pseudonym_key=b"0" * 32)
    write(imported, Places(out, out.with_suffix(".toml")), "")


def main() -> None:
    """Write, then measure both in processes of their own."""
    options = argparse.ArgumentParser()
    options.add_argument("--cards", type=int, default=2_000_000)
    options.add_argument("--ending", choices=("csv", "parquet"), default="csv")
    options.add_argument("--part", nargs=2)
    chosen = options.parse_args()
    if chosen.part:
        part, folder = chosen.part
        clock, cpu = time.perf_counter(), time.process_time()
        if part == "read":
            read_alone(Path(folder))
        else:
            import_them(Path(folder), Path(folder).with_name("out") / f"interviews.{chosen.ending}")
        memory = int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1024
        print(f"{time.perf_counter() - clock:.1f} {time.process_time() - cpu:.1f} {memory:.0f}")
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "export"
        folder.mkdir()
        write(folder, chosen.cards, chosen.ending)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
        print(f"{chosen.cards:,} cards, {ATTRIBUTES} attributes each, {chosen.ending}, {size:,.0f} MB")
        for part in ("read", "import"):
            command = [sys.executable, __file__, "--ending", chosen.ending, "--part", part, str(folder)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            seconds, cpu, memory = map(float, done.stdout.split())
            rate = chosen.cards / seconds
            print(f"{part:<8}{seconds:6.1f} s  {cpu:6.1f} s of CPU  {rate:>10,.0f} cards a second  {memory:>6,.0f} MB")


if __name__ == "__main__":
    main()
