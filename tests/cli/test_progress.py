"""Progress when standard error is no terminal: occasional lines, and nothing on standard output."""

from __future__ import annotations

import pytest

from predictor.cli import progress
from predictor.cli.progress import Bar, fit_progress


def test_progress_is_printed_as_lines_into_a_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    assert list(fit_progress()("Cross-validating")(iter("abc"), 3)) == ["a", "b", "c"]
    with Bar() as bar:
        advance = bar.begin(200, "rows")
        advance(50)
        advance(150)
    printed = capsys.readouterr()
    assert printed.out == ""
    fits, scoring = printed.err.splitlines()[:2], printed.err.splitlines()[2:]
    assert fits == ["Cross-validating: 33 %, 1 of 3 fits", "Cross-validating: 67 %, 2 of 3 fits"]
    assert [line.partition(",")[0] for line in scoring] == ["Scoring: 25 %"]


def test_short_work_prints_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(list(fit_progress()("Cross-validating")(iter(range(99)), 99))) == 99
    assert capsys.readouterr() == ("", "")
