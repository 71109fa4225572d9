"""Sequences and folders of masks, scored: which frames and ids count, and what cannot be scored."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ranet_jax.errors import InputError
from ranet_jax.evaluation.metrics import region_similarity
from ranet_jax.evaluation.scoring import score_folder, score_folders, score_sequence
from ranet_jax.media.masks import write_mask
from tests.evaluation.shapes import EMPTY, SMALL, box, two_objects


def test_first_and_last_frame_are_not_scored():
    wrong = np.zeros_like(SMALL)
    (scores,) = score_sequence([wrong, SMALL, wrong], [SMALL] * 3, "walk")
    assert scores.J.tolist() == scores.F.tolist() == [1.0]


def test_objects_are_scored_apart_and_missing_ones_are_empty():
    truth = two_objects()
    scores = score_sequence([truth, SMALL, truth, truth], [truth] * 4, "walk")
    assert [object_scores.J.tolist() for object_scores in scores] == [[1, 1], [0, 1]]
    assert [object_scores.F.tolist() for object_scores in scores] == [[1, 1], [0, 1]]


def test_void_is_background():
    void = SMALL + 255 * box((12, 18), (10, 20))
    (scores,) = score_sequence([SMALL, void, SMALL], [void, SMALL, SMALL], "walk")
    assert scores.J.tolist() == [1.0]


def test_later_ids_of_the_annotation_do_not_count():
    assert len(score_sequence([SMALL] * 3, [SMALL, two_objects(), SMALL], "walk")) == 1


def test_too_many_ids():
    with pytest.raises(InputError, match=r"walk frame 2 holds object 2, .* up to 1"):
        score_sequence([SMALL, SMALL, two_objects(), SMALL], [SMALL] * 4, "walk")


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_nothing_to_score(frames):
    with pytest.raises(InputError, match=f"walk has nothing to score: {frames} annotations"):
        score_sequence([SMALL] * frames, [SMALL] * frames, "walk")


def test_no_object():
    with pytest.raises(InputError, match="walk has no object in the first annotation"):
        score_sequence([EMPTY] * 3, [EMPTY, SMALL, SMALL], "walk")


def test_another_number_of_results():
    with pytest.raises(InputError, match="walk has 4 annotations but 3 results"):
        score_sequence([SMALL] * 3, [SMALL] * 4, "walk")


@pytest.fixture
def dataset(tmp_path):
    """Three sequences of several lengths, the results without their first and last frame."""
    for sequence, frames in (("run", 5), ("walk", 7), ("jump", 3)):
        for name in ("truths", "predictions"):
            (tmp_path / name / sequence).mkdir(parents=True)
        for frame in range(frames):
            file = f"{sequence}/{frame:05d}.png"
            write_mask(tmp_path / "truths" / file, two_objects())
            if 0 < frame < frames - 1:
                shifted = np.roll(two_objects(), frame, 1)
                write_mask(tmp_path / "predictions" / file, shifted)
    return tmp_path


def truths_of(dataset, *sequences):
    return {name: sorted((dataset / "truths" / name).iterdir()) for name in sequences}


def score_run(dataset, **options):
    return score_folder(dataset / "predictions/run", truths_of(dataset, "run")["run"], **options)


def test_folder_equals_arrays(dataset):
    truth = two_objects()
    predictions = [np.roll(truth, frame, 1) for frame in range(5)]
    expected = score_sequence(predictions, [truth] * 5, "run")
    found = score_run(dataset)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.J.tolist() == theirs.J.tolist()
        assert ours.F.tolist() == theirs.F.tolist()
    assert len(set(found[0].J)) == 3


def test_binary_masks_are_one_object(dataset):
    (scores,) = score_run(dataset, binary=True)
    truth = two_objects() != 0
    expected = [region_similarity(np.roll(truth, frame, 1), truth) for frame in (1, 2, 3)]
    assert scores.J.tolist() == expected


def test_missing_result(dataset):
    (dataset / "predictions/run/00002.png").unlink()
    with pytest.raises(InputError, match=r"run/00002\.png does not exist \(1 of 3 result"):
        score_run(dataset)


def test_result_of_another_size(dataset):
    write_mask(dataset / "predictions/run/00002.png", SMALL[:, :-1])
    with pytest.raises(InputError, match=r"predictions/run/00002\.png is 29 x 20"):
        score_run(dataset)


def test_too_many_ids_in_a_file(dataset):
    write_mask(dataset / "predictions/run/00002.png", 7 * SMALL)
    with pytest.raises(InputError, match=r"predictions/run/00002\.png holds object 7"):
        score_run(dataset)


def test_missing_annotation(dataset):
    truths = truths_of(dataset, "run")["run"]
    truths[2].unlink()
    with pytest.raises(InputError, match=r"truths/run/00002\.png does not exist"):
        score_folder(dataset / "predictions/run", truths)


def test_folder_with_nothing_to_score(dataset):
    with pytest.raises(InputError, match="predictions/run has nothing to score: 2 annotations"):
        score_folder(dataset / "predictions/run", truths_of(dataset, "run")["run"][:2])


def test_processes_find_the_same_and_score_what_can_be_scored(dataset):
    sequences = ["run", "walk", "jump"]
    work = dataset / "predictions", truths_of(dataset, *sequences)
    alone, apart = (score_folders(*work, processes=n).scores for n in (1, 2))
    assert list(alone) == list(apart) == sequences
    for sequence in sequences:
        for ours, theirs in zip(alone[sequence], apart[sequence], strict=True):
            assert ours.J.tolist() == theirs.J.tolist()
            assert ours.F.tolist() == theirs.F.tolist()
    (dataset / "predictions/jump/00001.png").unlink()
    for processes in (1, 2):
        scores, failures = score_folders(*work, processes=processes)
        assert list(scores) == ["run", "walk"]
        assert scores["walk"][1].J.tolist() == alone["walk"][1].J.tolist()
        assert list(failures) == ["jump"]
        assert "jump/00001.png does not exist (1 of 1 result" in failures["jump"]


def test_absent_ids_count_as_found_and_are_named(capsys):
    """Ids 2 and 5 alone: the benchmark's tool gives 1, 3 and 4 full marks, and so does this."""
    truth = np.where(two_objects() == 1, 5, two_objects())
    scores = score_sequence([0 * truth] * 3, [truth] * 3, "gaps")
    assert [one.J.tolist() for one in scores] == [[1.0], [0.0], [1.0], [1.0], [0.0]]
    assert "gaps has objects up to 5, but not 1, 3, 4: " in capsys.readouterr().err


def test_processes_do_not_import_the_program_that_starts_them(dataset):
    # A program that imports jax would hand it to every worker; this one leaves a mark instead.
    program = dataset / "program.py"
    program.write_text(
        "from pathlib import Path\n"
        "with open('imported', 'a') as marks:\n    marks.write('x')\n"
        "from ranet_jax.evaluation.scoring import score_folders\n"
        "truths = {name: sorted(Path('truths', name).iterdir()) for name in ('run', 'walk')}\n"
        "assert len(score_folders(Path('predictions'), truths, processes=2).scores) == 2\n"
        "import sys\nassert 'jax' not in sys.modules\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, program], cwd=dataset, env={"PYTHONPATH": str(root)}, check=True
    )
    assert (dataset / "imported").read_text() == "x"


def test_ids_that_are_left_out_count_as_found_and_that_is_said(tmp_path, capsys):
    """As the DAVIS tool counts: an object that is nowhere is found everywhere."""
    labels = np.zeros((40, 60), np.uint8)
    labels[5:20, 5:20], labels[25:35, 30:50] = 2, 5
    for index in range(4):
        write_mask(tmp_path / f"{index}.png", labels)
    scores = score_folder(tmp_path, sorted(tmp_path.glob("*.png")), binary=False)
    assert [one.J.mean() for one in scores] == [1] * 5
    assert "0.png has objects up to 5, but not 1, 3, 4" in capsys.readouterr().err
