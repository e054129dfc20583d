import io

import pytest
from rich.console import Console

from toolkit.training import progress
from toolkit.training.progress import Progress, duration

RECORD = {
    "epoch": 1.0, "step": 6, "loss": 0.51234, "learning_rate": 0.1,
    "examples_per_second": 123.4, "seconds": 61.0, "validation_f1": 0.75,
}  # fmt: skip
RESULT = "epoch 1/3: loss 0.5123, examples/s 123.4, validation_f1 0.75, 1 min 01 s (best so far)\n"


def show(terminal: bool) -> str:
    stream = io.StringIO()
    shown = Progress("epoch", 3, console=Console(file=stream, force_terminal=terminal, width=120))
    for done in range(1, 6):
        shown.step(0, done, 6, loss=0.5, speed=100.0, left=90.0)
    shown.validating(0, 1, 2)
    shown.finish(0, RECORD, " (best so far)")
    shown.close()
    return stream.getvalue()


def test_a_pipe_gets_a_plain_line_per_round() -> None:
    assert show(terminal=False) == RESULT


def test_a_pipe_gets_a_line_now_and_then_within_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", -1.0)
    lines = show(terminal=False).splitlines()
    assert lines[0] == "epoch 1/3: 1/6 steps, loss 0.5, 100 examples/s, 1 min 30 s left"
    assert lines[5] == "epoch 1/3: validating 1/2"


def test_a_terminal_gets_a_live_line_that_goes_away() -> None:
    text = show(terminal=True)
    assert "5/6 steps, loss 0.5, 100 examples/s, 1 min 30 s left" in text
    assert "\x1b[2K" in text  # the line is erased
    assert RESULT.strip() in text


def test_other_workers_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    Progress("epoch", 3, show=False).finish(0, RECORD)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (65, "1 min 05 s"), (7380, "2 h 03 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
