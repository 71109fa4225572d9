"""What a training run says and writes down of its steps."""

import json
import time

import pytest

from ranet_jax.training.run_log import RunLog


@pytest.mark.parametrize("start", [0, 249])
def test_scores_of_the_step_that_was_compiled_for(tmp_path, capsys, start):
    """They may come before any step whose time says something, also where a run goes on."""
    scores = {"loss": 0.5, "J": 0.75, "F": 0.25, "J&F": 0.5}
    with RunLog(tmp_path, start, 1000, 8) as log:
        log.record(start + 1, scores, show=False)
        log.record(start + 2, {"loss": 0.25}, show=True)
    first, second = (json.loads(x) for x in (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert first == scores | {"step": start + 1}
    assert second["samples_per_second"] > 0
    said = capsys.readouterr().out
    assert f"step {start + 1}: J 0.750, F 0.250, J&F 0.500" in said
    assert f"step {start + 1}: loss 0.5000\n" in said and "left" in said.splitlines()[-2]


def test_waiting_while_the_program_is_compiled_is_not_counted(tmp_path):
    with RunLog(tmp_path, 0, 1000, 8) as log:
        with log.waiting():
            time.sleep(0.2)
        log.record(1, {"loss": 0.5}, show=False)
        time.sleep(0.05)
        log.record(2, {"loss": 0.25}, show=True)
    (line,) = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert line["waiting_for_data"] < 1e-3


@pytest.mark.parametrize("start", [0, 20])
def test_a_run_that_goes_on_says_so(tmp_path, capsys, start):
    with RunLog(tmp_path, start, 1000, 8):
        pass
    said = capsys.readouterr().out
    assert "the first step compiles the program" in said
    assert ("going on after step 20; " in said) == (start == 20)
