"""J, F and their summaries against the benchmark's own numbers and against slow, plain loops.

Run as a program, it prints the largest difference to each sequence of the golden numbers.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ranet_jax.errors import InputError
from ranet_jax.evaluation.metrics import (
    Scores,
    average,
    boundary_accuracy,
    region_similarity,
    summarize,
)
from ranet_jax.evaluation.scoring import score_folder, score_folders, score_sequence
from ranet_jax.media.masks import read_mask, write_mask
from tests.conftest import GOLDEN, davis_file, find_davis, needs_davis

SEQUENCES = ("blackswan", "car-shadow", "libby", "drift-straight")


def damage(truth, frame, index):
    """The prediction of the golden numbers; unlike the box, the cleared rows include their end."""
    if frame % 11 == 10:
        return np.zeros_like(truth)
    mask = np.roll(truth, (frame % 7, 2 * frame % 13), (0, 1))
    mask[200 + 3 * index : 206 + 3 * index] = 0
    mask[20 : 20 + 2 * (frame % 9), 30 : 30 + 3 * (frame % 9)] = 1
    return mask


def differences(sequence):
    """The largest difference of J, F and their summaries to the golden numbers."""
    golden = json.loads((GOLDEN / "metrics.json").read_text())[sequence]
    paths = sorted(davis_file("Annotations", sequence, 0).parent.glob("*.png"))
    truths = [read_mask(path, binary=True) for path in paths]
    predictions = [damage(truth, t, golden["index"]) for t, truth in enumerate(truths)]
    (scores,) = score_sequence(predictions, truths, sequence)
    found = {
        "J": scores.J,
        "F": scores.F,
        "J_stats": summarize(scores.J),
        "F_stats": summarize(scores.F),
    }
    return {name: np.abs(np.subtract(found[name], golden[name])).max() for name in found}


@pytest.mark.parametrize(
    "sequence", [pytest.param(s, marks=needs_davis(s, kind="Annotations")) for s in SEQUENCES]
)
def test_golden_numbers(sequence):
    # The golden numbers have nine decimals.
    assert max(differences(sequence).values()) < 1e-9


def box(rows, columns, size=(20, 30)):
    mask = np.zeros(size, np.uint8)
    mask[slice(*rows), slice(*columns)] = 1
    return mask


EMPTY, FULL = box((0, 0), (0, 0)), np.ones((20, 30), np.uint8)
SMALL = box((5, 9), (5, 9))


def test_region_by_hand():
    assert region_similarity(SMALL, box((5, 9), (7, 11))) == 8 / 24
    assert region_similarity(SMALL, box((10, 14), (5, 9))) == 0
    assert region_similarity(FULL, SMALL) == 16 / 600


def test_masks_may_be_bool_or_any_nonzero_number():
    for measure in (region_similarity, boundary_accuracy):
        expected = measure(SMALL, box((5, 9), (7, 11)))
        assert 0 < expected < 1
        assert measure(SMALL.astype(bool), 254 * box((5, 9), (7, 11))) == expected


def test_boundary_by_hand():
    # At 20 x 30 the tolerance is one pixel, up, down, left and right but not diagonally. A 4 x 4
    # square's boundary is a ring of 5 x 5 without its inner 3 x 3, so 16 pixels.
    assert boundary_accuracy(SMALL, SMALL) == 1
    assert boundary_accuracy(SMALL, box((5, 9), (15, 19))) == 0
    # Moved two pixels to the right, 4 of 5 pixels of the two horizontal sides still match, and the
    # ends of the side that lies between them.
    assert boundary_accuracy(SMALL, box((5, 9), (7, 11))) == pytest.approx((8 + 2) / 16)
    # With a second square far off the precision halves.
    assert boundary_accuracy(SMALL | box((5, 9), (15, 19)), SMALL) == pytest.approx(2 / 3)


def test_empty_masks():
    assert region_similarity(EMPTY, EMPTY) == boundary_accuracy(EMPTY, EMPTY) == 1
    assert region_similarity(EMPTY, SMALL) == boundary_accuracy(EMPTY, SMALL) == 0
    assert region_similarity(SMALL, EMPTY) == boundary_accuracy(SMALL, EMPTY) == 0


def test_full_masks_have_no_boundary():
    assert boundary_accuracy(FULL, FULL) == boundary_accuracy(FULL, EMPTY) == 1
    assert boundary_accuracy(FULL, SMALL) == 0


def plain_boundary(mask):
    """The boundary pixels of a mask as the specification words them, pixel by pixel."""
    height, width = mask.shape
    found = []
    for y in range(height):
        for x in range(width):
            others = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            if y == height - 1:
                others = others[:1]
            elif x == width - 1:
                others = others[1:2]
            if y == height - 1 and x == width - 1:
                others = []
            if any(mask[other] != mask[y, x] for other in others):
                found.append((y, x))
    return found


def plain_boundary_accuracy(prediction, truth):
    height, width = truth.shape
    radius = math.ceil(0.008 * math.sqrt(height**2 + width**2))
    predicted, true = plain_boundary(prediction), plain_boundary(truth)
    if not predicted or not true:
        return 1.0 if len(predicted) == len(true) else 0.0

    def matched(points, others):
        offsets = np.array(points)[:, None] - np.array(others)
        return np.mean(((offsets**2).sum(2) <= radius**2).any(1))

    precision, recall = matched(predicted, true), matched(true, predicted)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize("size", [(12, 17), (90, 100), (20, 980), (1, 40), (40, 1), (2, 2)])
def test_boundary_against_plain_loops(size):
    rng = np.random.default_rng(sum(size))
    values = set()
    for trial in range(9):
        masks = []
        for _ in range(2):
            # Rectangles that often reach over the frame's border, with some loose pixels.
            top, left = rng.integers(-size[0] // 2, size[0]), rng.integers(-size[1] // 2, size[1])
            rows = slice(max(top, 0), max(top + size[0] // 2 + 1, 0))
            columns = slice(max(left, 0), max(left + size[1] // 2 + 1, 0))
            mask = rng.random(size) < (0.001, 0.01, 0.0)[trial % 3]
            mask[rows, columns] ^= True
            masks.append(mask)
        expected = plain_boundary_accuracy(*masks)
        assert boundary_accuracy(*masks) == pytest.approx(expected, abs=1e-12)
        values.add(expected)
    assert len(values) > 1


def test_radius_grows_with_the_frame():
    # ceil(0.008 * diagonal): 1 up to a diagonal of 125, then 2. The lines are two pixels apart.
    for size, expected in (((75, 100), 0), ((75, 101), 1)):
        line, lower = np.zeros(size, bool), np.zeros(size, bool)
        line[:30], lower[:32] = True, True
        assert boundary_accuracy(line, lower) == expected


def test_recall_is_strictly_above_half():
    assert summarize(np.array([0.5, 0.5, 0.6, 0.4])).recall == 0.25


@pytest.mark.parametrize(
    ("frames", "first", "last"),
    [
        (1, [0], [0]),
        (2, [0], [1]),
        (3, [0, 1], [2]),
        (4, [0, 1], [2, 3]),
        (5, [0, 1], [3, 4]),
        (10, [0, 1, 2], [7, 8, 9]),
        (257, range(65), range(192, 257)),
        (1000, range(251), range(749, 1000)),
    ],
)
@pytest.mark.filterwarnings("error")
def test_decay_compares_the_first_with_the_last_quarter(frames, first, last):
    # By hand: edges at round(1 + k (n - 1) / 4), halves up; neighbours share the frame at an edge.
    values = np.random.default_rng(frames).random(frames)
    expected = np.mean([values[i] for i in first]) - np.mean([values[i] for i in last])
    assert summarize(values).decay == pytest.approx(expected, abs=1e-12)
    assert summarize(values).mean == pytest.approx(sum(values) / frames)


def test_measures_and_their_average():
    scores = Scores(J=np.array([1.0, 0.6, 0.6, 0.2]), F=np.array([0.4, 0.4, 0.4, 0.4]))
    expected = {
        "J&F-Mean": 0.5,
        "J-Mean": 0.6,
        "J-Recall": 0.75,
        "J-Decay": 0.4,
        "F-Mean": 0.4,
        "F-Recall": 0.0,
        "F-Decay": 0.0,
    }
    assert scores.measures() == pytest.approx(expected)
    assert list(scores.measures()) == list(expected)
    # The one frame of the second object weighs as much as the four of the first.
    other = Scores(J=np.array([0.0]), F=np.array([1.0]))
    assert average([scores, other])["J-Mean"] == pytest.approx(0.3)
    assert average([scores, other])["J&F-Mean"] == pytest.approx(0.5)


def two_objects():
    return SMALL + 2 * box((12, 18), (10, 20))


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


if __name__ == "__main__":
    for name in filter(find_davis, SEQUENCES):
        print(name, {key: f"{value:.1e}" for key, value in differences(name).items()})


def test_ids_that_are_left_out_count_as_found_and_that_is_said(tmp_path, capsys):
    """As the DAVIS tool counts: an object that is nowhere is found everywhere."""
    labels = np.zeros((40, 60), np.uint8)
    labels[5:20, 5:20], labels[25:35, 30:50] = 2, 5
    for index in range(4):
        write_mask(tmp_path / f"{index}.png", labels)
    scores = score_folder(tmp_path, sorted(tmp_path.glob("*.png")), binary=False)
    assert [one.J.mean() for one in scores] == [1] * 5
    assert "0.png has objects up to 5, but not 1, 3, 4" in capsys.readouterr().err
