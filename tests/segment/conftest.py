"""The video of these tests on disk, and the results of a run that nothing stopped."""

import numpy as np
import pytest
from PIL import Image

from ranet_jax.segment import __main__ as command_line
from ranet_jax.segmenter import Segmenter
from tests.segment.following import SIZE, call_command, moving, run, segmenter


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Frames as a folder of images."""
    folder = tmp_path_factory.mktemp("frames")
    for index, frame in enumerate(moving()):
        Image.fromarray(frame).save(folder / f"shot {index}.png")
    return folder


@pytest.fixture(scope="module")
def masks():
    """The objects 5 and 200 at first; 200 and 9 from frame 3 on."""
    first, second = np.zeros((2, *SIZE), np.uint8)
    first[30:70, 20:60] = 5
    first[80:110, 20:60] = 200
    second[30:70, 32:72] = 200
    second[5:25, 5:60] = 9
    return {0: first, 3: second}


@pytest.fixture(scope="module")
def undisturbed(folder, masks, tmp_path_factory):
    """The results of a run that nothing stopped."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    run(folder, masks, out)
    return out


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs the command; gives its exit code and what it prints."""
    monkeypatch.setattr(command_line, "choose_network", lambda arguments: None)
    monkeypatch.setattr(Segmenter, "from_network", lambda *_, **options: segmenter(**options))

    def call(*arguments):
        code, printed = call_command(monkeypatch, capsys, arguments)
        assert code != 2 or len(printed.err.splitlines()) == 1, printed.err
        return code, printed.out + printed.err

    return call
