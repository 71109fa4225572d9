"""The files and the table an evaluation leaves, to the letter."""

import json
import re

import numpy as np
import pytest

from ranet_jax.evaluation.metrics import Scores
from ranet_jax.evaluation.report import compare_methods, print_table, write_csv, write_summary


@pytest.fixture
def results():
    """Two sequences, in an order that is not the alphabet's; the second has two objects."""
    return {
        "walk": [Scores(J=np.array([1.0, 0.6, 0.6, 0.2]), F=np.full(4, 0.4))],
        "jump": [
            Scores(J=np.full(3, 0.75), F=np.full(3, 0.25)),
            Scores(J=np.full(3, 0.0), F=np.array([0.0, 0.6, 0.0])),
        ],
    }


def test_csv_text(tmp_path, results):
    write_csv(tmp_path / "scores", "val", results)
    assert {path.name for path in (tmp_path / "scores").iterdir()} == {
        "global_results-val.csv",
        "per-sequence_results-val.csv",
    }
    assert (tmp_path / "scores/global_results-val.csv").read_bytes() == (
        b"J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean,F-Recall,F-Decay\n"
        b"0.367,0.450,0.583,0.133,0.283,0.111,0.100\n"
    )
    assert (tmp_path / "scores/per-sequence_results-val.csv").read_bytes() == (
        b"Sequence,J-Mean,F-Mean\nwalk_1,0.600,0.400\njump_1,0.750,0.250\njump_2,0.000,0.200\n"
    )


def test_a_rerun_overwrites(tmp_path, results):
    write_csv(tmp_path, "val", results)
    del results["walk"]
    write_csv(tmp_path, "val", results)
    assert (tmp_path / "per-sequence_results-val.csv").read_text() == (
        "Sequence,J-Mean,F-Mean\njump_1,0.750,0.250\njump_2,0.000,0.200\n"
    )
    assert (
        (tmp_path / "global_results-val.csv")
        .read_text()
        .endswith("\n0.300,0.375,0.500,0.000,0.225,0.167,0.150\n")
    )


def test_table(capsys, results):
    print_table(results)
    lines = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert ["walk", "0.600", "0.400", "0.500"] in lines
    assert ["jump", "0.375", "0.225", "0.300"] in lines
    assert ["J&F-Mean", "0.367"] in lines
    assert ["J-Recall", "0.583"] in lines


def test_summary_is_sorted_json_and_replaced_whole(tmp_path):
    path = tmp_path / "summary.json"
    write_summary(path, {"seconds": 1.5, "frames": 12, "scores": {"b": 1, "a": [2]}})
    assert path.read_text().splitlines()[1:4] == ['  "frames": 12,', '  "scores": {', '    "a": [']
    with pytest.raises(TypeError):
        write_summary(path, {"frames": object()})
    assert json.loads(path.read_text())["frames"] == 12
    write_summary(path, {"frames": 13})
    assert path.read_text() == '{\n  "frames": 13\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_methods_are_compared_on_the_screen_and_in_a_file(tmp_path, capsys):
    zeros = dict.fromkeys(("J-Recall", "J-Decay", "F-Recall", "F-Decay"), 0.0)
    means = {"J-Mean": 0.5, "F-Mean": 0.25, "J&F-Mean": 0.375}
    methods = {"first": zeros | means, "second": zeros | dict.fromkeys(means, 0.9)}
    compare_methods(methods, "a clip", tmp_path / "table.txt")
    for text in (capsys.readouterr().out, (tmp_path / "table.txt").read_text()):
        lines = [line.replace("│", " ").split() for line in text.splitlines()]
        assert lines[0] == ["a", "clip"]
        assert ["first", "0.500", "0.250", "0.375"] in lines
        assert ["second", "0.900", "0.900", "0.900"] in lines
        assert re.search(r"Method +. J +. F +. J&F", text)
