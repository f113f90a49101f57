"""Install the pinned packages of one task into the environment that runs this file, and check their hashes.

uv does it, in seconds. pip, which every environment has, does it where uv cannot: where there is no uv for the machine,
where uv does not start, or where only pip knows the way to the package index. A file that is not the pinned one stops
both.

    .venv/bin/python pins/install.py train
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PINS = Path(__file__).resolve().parent
PROJECT = PINS.parent
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install"]
UV = [sys.executable, "-m", "uv", "--quiet", "--no-progress", "pip", "install", "--python", sys.executable]
# The project last, from this folder, without a build environment of its own: that would not be pinned.
PACKAGES = ["--require-hashes", "-r"]
EDITABLE = ["--no-deps", "--no-build-isolation", "-e", str(PROJECT)]
# For the tests, once and on all cores: each of their processes would compile the same libraries. pip always does.
COMPILED = {"dev": ["--compile-bytecode"]}
# Words of uv and of pip about a file that is not the pinned one.
WRONG_FILE = re.compile(r"hash mismatch|do not match the hashes|hashes are required", re.IGNORECASE)


def main(task: str) -> int:
    """Install what `task` needs; return the exit code: 0, 1 where it cannot be had, 2 where a file is not as pinned."""
    pins = PINS / f"{task}.txt"
    reason = _without_uv()
    if not reason:
        done = _run([*UV, *COMPILED.get(task, []), *PACKAGES, str(pins)], [*UV, *EDITABLE])
        if not done or WRONG_FILE.search(done):
            return _end(pins, done)
        reason = done
    print(f"uv cannot install here ({_first_line(reason)}); pip does, in a minute or two ...", flush=True)
    return _end(pins, _run([*PIP, *PACKAGES, str(pins)], [*PIP, *EDITABLE]))


def _without_uv() -> str:
    """Return why uv cannot be used, or nothing where the pinned uv is there and starts."""
    pinned = re.search(r"^uv==(\S+)", (PINS / "uv.txt").read_text(), re.MULTILINE)
    try:
        there = bool(pinned) and version("uv") == pinned[1]
    except PackageNotFoundError:
        there = False
    get = [*PIP, "--only-binary", ":all:", *PACKAGES, str(PINS / "uv.txt")]  # from source it would need Rust, and long
    return ("" if there else _run(get)) or _run([*UV[:3], "--version"])


def _run(*commands: list[str]) -> str:
    """Run commands up to the first that fails, and return what that one printed; nothing where all went well."""
    for command in commands:
        done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            return done.stdout.strip() or f"{command[0]} ended with {done.returncode}"
    return ""


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if not line.lower().startswith("warning")]
    return next((line for line in lines if line), "no reason given")


def _end(pins: Path, problem: str) -> int:
    if not problem:
        return 0
    name = pins.relative_to(PROJECT)
    print(problem, file=sys.stderr)
    if not WRONG_FILE.search(problem):
        print(f"\nNot installed: the packages of {name} cannot be had; the reason is above.", file=sys.stderr)
        return 1
    print(
        f"\nNot installed: the index gives a file whose hash is not in {name}; its name is above.\n"
        "Either the pins were changed (git diff pins), or the index is not the one they were made from.\n"
        "Restore the pins (git checkout pins), or, where you trust the index, make them anew: make pins",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
