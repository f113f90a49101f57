"""Installed packages are the pinned ones: every pin has its hash, and a file with another hash is refused."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sysconfig
import tomllib
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT
from packaging.requirements import Requirement

PINS = sorted(path.stem for path in (ROOT / "pins").glob("*.txt"))
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "project"
version = "1"
[tool.hatch.build]
dev-mode-dirs = ["."]
[tool.hatch.build.targets.wheel]
bypass-selection = true
"""


def _read(name: str) -> dict[str, Requirement]:
    """Read the pins of a file by their names, each of which must have a version and a hash."""
    pins = {}
    for entry in re.sub(r"\\\n\s*", "", (ROOT / "pins" / f"{name}.txt").read_text()).splitlines():
        if entry.startswith("#"):
            continue
        text, *hashes = re.split(r"\s+--hash=sha256:", entry)
        pin = Requirement(text)
        assert re.fullmatch("==[^*,]+", str(pin.specifier)), entry
        assert hashes and all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes), entry
        assert pin.name not in pins, f"{pin.name} twice"
        pins[pin.name] = pin
    return pins


@pytest.mark.parametrize("name", PINS)
def test_every_pin_has_a_hash_and_one_version_everywhere(name: str) -> None:
    everything = _read("uv") | _read("spark") | _read("dev")
    for pin in _read(name).values():
        assert pin.specifier == everything[pin.name].specifier, f"{pin.name}: run make pins"


def test_pins_include_every_requirement_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for name, needed in {"predict": [], **{extra: extras[extra] for extra in ("train", "serve", "spark")}}.items():
        _hold(name, project["dependencies"] + needed)
    _hold("dev", project["dependencies"] + [line for extra in extras if extra != "spark" for line in extras[extra]])


def _hold(name: str, needed: list[str]) -> None:
    pins = _read(name)
    for wanted in map(Requirement, needed):
        pin = pins.get(re.sub(r"[-_.]+", "-", wanted.name).lower())
        assert pin, f"pins/{name}.txt lacks {wanted}: run make pins"
        assert wanted.specifier.contains(str(pin.specifier)[2:]), (
            f"pins/{name}.txt has {pin} for {wanted}: run make pins"
        )


@pytest.mark.parametrize("by", ["uv", "pip"])
def test_a_file_with_another_hash_is_not_installed(by: str, tmp_path: Path) -> None:
    if by == "uv" and not find_spec("uv"):
        if os.environ.get("CI"):
            pytest.fail("uv is not installed, and make installs it")
        pytest.skip("uv not installed: make install")
    wheel = _clone(tmp_path, by)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()

    refused = _install(tmp_path, digest.translate(str.maketrans("0123456789abcdef", "123456789abcdef0")))
    assert refused.returncode == 2, refused.stderr
    assert "tiny" in refused.stderr
    assert "Not installed: the index gives a file whose hash is not in pins/tiny.txt" in refused.stderr
    assert "git checkout pins" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not list((tmp_path / ".venv").rglob("tiny*"))

    done = _install(tmp_path, digest)
    assert done.returncode == 0, done.stderr
    assert ("pip does, in a minute or two" in done.stdout) == (by == "pip")
    assert list((tmp_path / ".venv").rglob("tiny.py"))


def _clone(folder: Path, by: str) -> Path:
    """Make a project with the real installer, a separate environment and a wheel; return the wheel."""
    venv.create(folder / ".venv", symlinks=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "pins").mkdir()
    shutil.copy(ROOT / "pins/install.py", folder / "pins")
    shutil.copy(ROOT / "pins/uv.txt", folder / "pins")
    if by == "pip":  # an index without uv
        (folder / "pins/uv.txt").write_text(f"--no-index\nuv==0.0.1 --hash=sha256:{'0' * 64}\n")
    wheel = folder / "wheels/tiny-1-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        archive.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.dist-info/RECORD", "tiny.py,,\n")
    return wheel


def _install(folder: Path, digest: str) -> subprocess.CompletedProcess[str]:
    (folder / "pins/tiny.txt").write_text(
        f"--no-index\n--find-links {folder / 'wheels'}\ntiny==1 --hash=sha256:{digest}\n"
    )
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib"), "PIP_FIND_LINKS": ""}
    command = [str(folder / ".venv/bin/python"), "pins/install.py", "tiny"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
