"""The examples that need no more than the package; that of the export is in `test_export`."""

import json

import pytest

from configs.demo import get_config
from examples import train_on_clips
from ranet_jax.evaluation.run import SUMMARY


@pytest.fixture
def without_training(monkeypatch):
    """A training that leaves the network as it was."""

    def train(config, run):
        train_on_clips.save_untrained(config, run)

    monkeypatch.setattr(train_on_clips, "train", train)
    monkeypatch.setattr(train_on_clips, "CLIPS", 1)
    monkeypatch.setattr(train_on_clips, "FRAMES", 4)


def test_the_learning_demo_compares_three_methods(without_training, tmp_path):
    out = tmp_path / "demo"
    scores = train_on_clips.run_demo(get_config(), out)
    assert list(scores) == ["first mask repeated", "untrained network", "trained network"]
    assert scores["trained network"] == scores["untrained network"]
    assert 0 < scores["first mask repeated"]["J-Mean"] < 1
    for number, measures in enumerate(scores.values()):
        summary = json.loads((out / "masks" / str(number) / SUMMARY).read_text())
        assert summary["scores"] == measures
    assert (out / "overlay.mp4").stat().st_size > 1000
    assert (out / "result.png").stat().st_size > 1000
