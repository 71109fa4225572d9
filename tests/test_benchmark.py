"""The benchmark: what it writes, what it counts, and what makes it fail."""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranet_jax.benchmark import __main__ as command
from ranet_jax.benchmark import parts, rows, speed, timing
from ranet_jax.benchmark.cases import Case, make_clip, parse_cases
from ranet_jax.benchmark.timing import CompilationCounter, measure, time_runs
from ranet_jax.errors import InputError
from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.protocol import RELEASED, Protocol
from ranet_jax.segmenter import Segmenter


def run_main(monkeypatch, *arguments):
    """Runs the command and gives its exit code."""
    monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        command.main()
    return end.value.code


@pytest.fixture
def quick_rates(monkeypatch):
    """Device rates of round numbers, so that nothing large is computed."""
    rates = {"matrix_tflops": 2.0, "copy_gb_per_second": 10.0}
    monkeypatch.setattr(speed, "measure_rates", lambda dtype: rates)


def test_the_command_writes_all_rows_of_a_case(tmp_path, monkeypatch, capsys, quick_rates):
    out = tmp_path / "out.json"
    arguments = "--model", "small", "--cases", "1x1", "--frames", "2", "--out", out
    assert run_main(monkeypatch, *arguments) == 0
    summary = json.loads(out.read_text())
    assert {"device", "processor", "versions", "precision", "model", "rates"} <= summary.keys()
    assert summary["compilations_after_warm_up"] == 0
    assert summary["peak_memory"]["mib"] > 0
    assert [row["part"] for row in summary["rows"]] == ["template", "network", "step", "video"]
    for row in summary["rows"]:
        runs = 1 if row["part"] == "video" else timing.TURN
        assert (row["clips"], row["objects"], row["runs"]) == (1, 1, runs)
        assert row["ms_95th_percentile"] >= row["ms_median"] > 0
        assert row["frames_per_second"] == pytest.approx(1000 / row["ms_median"])
        assert row["case_compile_seconds"] > 0
    template, network, step, video = summary["rows"]
    assert step["gflop"] >= network["gflop"] > template["gflop"] > 0.4
    assert 0 < step["matrix_share"] < 1 and step["copy_share"] > 0
    assert "gflop" not in video
    printed = capsys.readouterr().out
    assert "small, untrained, float32" in printed
    assert "compilations after the warm-up: 0" in printed


@pytest.mark.slow
def test_clips_go_through_one_program_together():
    model = small_ranet()
    segmenter = Segmenter(model, init_params(model, 0))
    clip, labels = make_clip(1, model.canvas)
    init, step = parts.compile_video(segmenter, Case(2, 1))
    state = init(segmenter.params, clip[[0, 0]], np.stack([labels, labels]))
    _, found = step(segmenter.params, state, clip[[2, 7]])
    assert found.shape == (2, *model.canvas)
    assert not np.array_equal(found[0], found[1])
    assert state.kernels.is_deleted(), "the state is donated here too"


@pytest.mark.slow
def test_frames_on_a_larger_canvas_than_the_networks_are_timed_too():
    model = small_ranet()
    protocol = Protocol(frame_canvas=(192, 320))
    segmenter = Segmenter(model, init_params(model, 0), protocol=protocol)
    programs = parts.compile_case(segmenter, Case(2, 1))
    assert programs.images[0].shape == (2, 192, 320, 3)
    assert programs.network(*programs.arguments).shape == (2, 1, *model.canvas)


def test_a_compilation_while_the_clock_runs_is_counted():
    counter = CompilationCounter()
    double = jax.jit(lambda x: 2 * x)
    sizes = iter([3, 3, 4, 5, 3])  # of the warm-up, then three turns, of which two are new
    inputs = {size: jnp.ones(size) for size in (3, 4, 5)}

    def take_turn():
        double(inputs[next(sizes)])
        return [1.0, 1.0]

    measure([take_turn], 5, counter)
    assert counter.count == 2
    double(jnp.ones(6))
    assert counter.count == 2, "nothing is counted while it is closed"


def test_a_compilation_after_the_warm_up_fails_the_command(tmp_path, monkeypatch, quick_rates):
    def time_case(segmenter, case, frames, counter):
        counter.count += 1
        return []

    monkeypatch.setattr(speed, "time_case", time_case)
    arguments = "--model", "small", "--cases", "1x1", "--out", tmp_path / "out.json"
    assert run_main(monkeypatch, *arguments) == 1
    assert json.loads((tmp_path / "out.json").read_text())["compilations_after_warm_up"] == 1


def test_rows_are_timed_in_turn():
    """The first turn of each warms up; there is an end when the first one has enough."""
    order = []
    turns = [lambda: order.append("a") or [1.0, 2.0], lambda: order.append("b") or [3.0]]
    found = measure(turns, 5, CompilationCounter())
    assert found == [[1.0, 2.0] * 3, [3.0] * 3]
    assert "".join(order) == "ab" * 4


def test_rows_end_after_their_time_but_not_before_a_turn(monkeypatch):
    monkeypatch.setattr(timing, "SECONDS", 0)
    assert measure([lambda: [1.0], lambda: [2.0]], 100, CompilationCounter()) == [[1.0], [2.0]]


def test_the_first_run_of_a_turn_is_not_timed(monkeypatch):
    now, lasting = [0.0], iter([100.0, 0.5, 0.25, 0.5, 2.0])

    def run():
        now[0] += next(lasting)

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    assert time_runs(run) == [500.0, 250.0, 500.0, 2000.0]
    assert next(lasting, None) is None


def test_rates_of_the_device(monkeypatch):
    """A function that takes a known time gives a known rate."""
    monkeypatch.setattr(timing, "time_runs", lambda run: (run(), [40.0, 100.0])[1])
    rates = timing.measure_rates(jnp.float32)
    assert rates["matrix_tflops"] == pytest.approx(2 * 1024**3 / 0.04 / 1e12)
    assert rates["copy_gb_per_second"] == pytest.approx(2 * 2**28 / 0.04 / 1e9)


def make_row(clips, objects, median):
    return {
        "clips": clips,
        "objects": objects,
        "part": "step",
        "ms_median": median,
        "frames_per_second": 1000 * clips / median,
    }


def test_ratios_and_shares():
    found = [make_row(1, 1, 10.0), make_row(1, 5, 25.0), make_row(8, 1, 40.0)]
    assert rows.compute_ratios(found) == {
        "five_objects_over_one": pytest.approx(2.5),
        "8_clips_over_one": pytest.approx(2),
    }
    assert rows.compute_ratios(found[1:]) == {}
    found[0] |= {"part": "network"}
    found[1] |= {"part": "video", "objects": 1}
    assert rows.compute_ratios([*found, make_row(1, 1, 11.0)]) == {
        "step_over_network": pytest.approx(1.1),
        "video_over_network": pytest.approx(2.5),
        "8_clips_over_one": pytest.approx(8 / 40 * 11),
    }
    found[0] |= {"gflop": 10.0, "released_gflop": 5.0, "gb_accessed": 0.05}
    rows.add_shares(found, {"matrix_tflops": 2.0, "copy_gb_per_second": 10.0})
    assert found[0]["matrix_share"] == pytest.approx(0.5)  # 10 GFLOP in 10 ms of 2 TFLOP/s
    assert found[0]["released_share"] == pytest.approx(0.25)
    assert found[0]["copy_share"] == pytest.approx(0.5)
    assert "matrix_share" not in found[1]


def test_precision_is_compared_pixel_by_pixel(monkeypatch):
    class Fake:
        model, params, protocol, frame_canvas = small_ranet(), None, RELEASED, (160, 288)

        def __init__(self, wrong):
            self.wrong = wrong

        def start(self, frame, labels):
            return self

        def step(self, frame):
            return np.arange(100).reshape(10, 10) < self.wrong

    monkeypatch.setattr(speed, "Segmenter", lambda model, params, protocol: Fake(20))
    assert speed.compare_precision(Fake(20)) == 0
    assert speed.compare_precision(Fake(25)) == pytest.approx(0.05)


def test_cases_are_read():
    assert parse_cases("8x1,1x5") == [(8, 1), (1, 5)]


@pytest.mark.parametrize("text", ["8", "1x", "axb", "1x2x3", "0x1", "1x0", "1x6", "1x256", ""])
def test_what_is_no_case(text):
    with pytest.raises(InputError, match="--cases"):
        parse_cases(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--frames", "0"), "1 or more"),
        (("--out", "no/such/folder.json"), "no such folder"),
        (("--compare-precision",), "needs --checkpoint"),
        (("--compare-precision", "--checkpoint", "x"), "give another --precision"),
    ],
)
def test_unusable_arguments_before_any_work(arguments, message, monkeypatch):
    monkeypatch.setattr(command, "init_params", None)
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    with pytest.raises(InputError, match=message):
        command.main()
