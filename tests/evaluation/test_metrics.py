"""J, F and their summaries against the benchmark's own numbers and against slow, plain loops.

Run as a program, it prints the largest difference to each sequence of the golden numbers.
"""

import json
import math

import numpy as np
import pytest
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.evaluation.metrics import (
    Scores,
    average,
    boundary_accuracy,
    region_similarity,
    summarize,
)
from ranet_jax.evaluation.scoring import score_sequence
from ranet_jax.media.masks import read_davis_mask
from tests.conftest import GOLDEN, davis_file, find_davis, needs_davis
from tests.evaluation.shapes import EMPTY, FULL, SMALL, box

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
    truths = [read_davis_mask(path, binary=True) for path in paths]
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


if __name__ == "__main__":
    for name in filter(find_davis, SEQUENCES):
        print(name, {key: f"{value:.1e}" for key, value in differences(name).items()})


def test_grey_results_are_scored_as_they_are(tmp_path):
    """A rim of object 1 around object 2 looks like a soft edge, and is none."""
    labels = np.zeros((40, 60), np.uint8)
    labels[9:31, 9:41] = 1
    labels[10:30, 10:40] = 2
    full = np.full((40, 60), 2, np.uint8)
    for mask in (labels, full, np.where(labels == 1, 255, labels).astype(np.uint8)):
        Image.fromarray(mask).save(tmp_path / "a.png")
        expected = np.where(mask == 255, 0, mask)
        np.testing.assert_array_equal(read_davis_mask(tmp_path / "a.png"), expected)
    Image.fromarray(np.where(labels == 2, 255, 0).astype(np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="is a grey 0/255 mask"):
        read_davis_mask(tmp_path / "a.png")
