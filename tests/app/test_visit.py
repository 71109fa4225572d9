"""A visit: the video that was sent, and its results, without a page."""

import zipfile
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest

from ranet_jax.app import visit as visits
from ranet_jax.app.painting import find_shown
from ranet_jax.app.pictures import summarize
from ranet_jax.app.visit import Visit
from ranet_jax.errors import InputError
from ranet_jax.media.masks import read_davis_mask, write_mask
from ranet_jax.media.video import open_video
from ranet_jax.remarks import remark
from ranet_jax.segment import engine
from tests.app.clips import FRAMES, SIZE, segmenter, write_clip


@pytest.fixture
def visit(tmp_path):
    (tmp_path / "served").mkdir()
    return Visit(tmp_path / "served", write_clip(tmp_path / "clip.mp4"))


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MAX_FRAMES", FRAMES - 1, "clip.mp4 has 6 frames, but the page takes up to 5; cut it"),
        ("MAX_PIXELS", 90 * 160 - 1, "clip.mp4 has frames of 160 x 90, but the page takes up to"),
    ],
)
def test_too_long_or_too_large(visit, monkeypatch, limit, value, message):
    assert visit.read_first().shape == (*SIZE, 3)
    monkeypatch.setattr(visits, limit, value)
    with pytest.raises(InputError) as raised:
        visit.read_first()
    assert visit.name_files(str(raised.value)).startswith(message)


def test_stop_keeps_what_is_finished(visit, tmp_path):
    assert not (tmp_path / "clip.mp4").exists(), "an upload has one place only"
    visit.read_first()
    visit.prepare(np.ones(SIZE, np.uint8))
    with ThreadPoolExecutor(1) as device:
        visit.stop()
        visit.start(device, segmenter()).result()
        with zipfile.ZipFile(visit.archive) as archive:
            names = [name for name in archive.namelist() if name.endswith(".png")]
        assert 1 <= len(names) < FRAMES
        with av.open(str(visit.overlay)) as overlay:
            assert len(list(overlay.decode(video=0))) == len(names)
        first = visit.results
        visit.prepare(np.ones(SIZE, np.uint8))
        visit.start(device, segmenter()).result()
        assert not first.exists()
        assert visit.finished == FRAMES
        visit.close()
    assert list((tmp_path / "served").iterdir()) == []


def test_each_visit_hears_its_remarks(tmp_path, monkeypatch):
    """Also when the terminal has them already, and from the thread that writes."""
    (tmp_path / "served").mkdir()

    def paint(painting, frame, mask):
        remark("said by whoever writes")
        write(painting, frame, mask)

    write = engine.paint
    monkeypatch.setattr(engine, "paint", paint)
    for _ in range(2):
        visit = Visit(tmp_path / "served", write_clip(tmp_path / "clip.mp4"))
        visit.read_first()
        visit.prepare(np.ones(SIZE, np.uint8))
        with ThreadPoolExecutor(1) as device:
            visit.start(device, segmenter()).result()
        assert visit.remarks == ["said by whoever writes"]
        visit.close()


def test_a_video_that_breaks_off_keeps_what_is_finished(visit):
    whole = write_clip(visit.video, frames=20).read_bytes()
    visit.read_first()
    visit.video.write_bytes(whole[: len(whole) // 2])
    visit.prepare(np.ones(SIZE, np.uint8))
    with ThreadPoolExecutor(1) as device:
        failure = visit.start(device, segmenter()).exception()
    assert isinstance(failure, InputError)
    assert visit.name_files(str(failure)).startswith(f"frame {visit.finished} of clip.mp4")
    with zipfile.ZipFile(visit.archive) as archive:
        masks = [name for name in archive.namelist() if name.endswith(".png")]
    assert 0 < len(masks) == visit.finished < 20


@pytest.mark.parametrize("frames", [4, 5])
def test_a_video_of_unknown_length_is_cut_with_a_word(visit, monkeypatch, frames):
    """A Matroska file does not say how many frames it has."""
    monkeypatch.setattr(visits, "MAX_FRAMES", 4)
    visit.video = visit.folder / "clip.mkv"
    with av.open(str(visit.video), "w") as container:
        stream = container.add_stream("libx264", 10, width=SIZE[1], height=SIZE[0])
        for _ in range(frames):
            picture = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    visit.read_first()
    assert visit.frame_count is None
    visit.prepare(np.ones(SIZE, np.uint8))
    with ThreadPoolExecutor(1) as device:
        failure = visit.start(device, segmenter()).exception()
    with zipfile.ZipFile(visit.archive) as archive:
        assert len([name for name in archive.namelist() if name.endswith(".png")]) == 4
    if frames == 4:
        assert failure is None
    else:
        expected = "clip.mkv has more than 4 frames; the page took the first 4; "
        assert visit.name_files(str(failure)).startswith(expected)


def read_masks(visit):
    return [read_davis_mask(path) for path in sorted((visit.results / "masks").glob("*.png"))]


@pytest.mark.parametrize("rubbed_out", [False, True])
def test_a_frame_is_corrected_and_the_later_ones_follow(visit, rubbed_out):
    visit.read_first()
    first = np.zeros(SIZE, np.uint8)
    first[20:60, 20:70], first[20:60, 90:140] = 1, 2
    painted = np.zeros(SIZE, np.uint8)
    painted[30:80, 40:100] = 2
    if not rubbed_out:
        painted[5:25, 5:60] = 1
    with ThreadPoolExecutor(1) as device:
        visit.prepare(first)
        visit.start(device, segmenter()).result()
        before = read_masks(visit)
        image, found = visit.choose(3)
        np.testing.assert_array_equal(found, before[3])
        assert image.shape == (*SIZE, 3)
        # Whether an object is rubbed out is seen by what was found; the weights here are untrained.
        write_mask(sorted((visit.results / "masks").glob("*.png"))[3], first)
        visit.prepare(painted)
        visit.start(device, segmenter()).result()
    with open_video(str(visit.video)) as video:
        frames = [frame.image for frame in video]
    np.testing.assert_array_equal(image, frames[3])
    tracker = segmenter().start(frames[0], first)
    expected = [first, *(tracker.step(frame) for frame in frames[1:3])]
    given = tracker.mark if rubbed_out else tracker.add
    expected.append(given(frames[3], painted))
    expected += [tracker.step(frame) for frame in frames[4:]]
    after = read_masks(visit)
    assert len(after) == visit.finished == FRAMES
    for mask, one in zip(after, expected, strict=True):
        np.testing.assert_array_equal(mask, painted if one is None else one)
    assert any((one != other).any() for one, other in zip(after[4:], before[4:], strict=True))
    visit.close()


@pytest.fixture
def done(visit):
    """A visit whose video is segmented, and the device that did it."""
    visit.read_first()
    visit.prepare(np.pad(np.ones((40, 50), np.uint8), ((20, 30), (20, 90))))
    with ThreadPoolExecutor(1) as device:
        visit.start(device, segmenter()).result()
        yield visit, device
    visit.close()


def correct(visit, index):
    visit.choose(index)
    visit.prepare(np.pad(np.ones((30, 40), np.uint8), ((30, 30), (60, 60))))


def test_a_second_correction_may_be_earlier_than_the_first(done):
    visit, device = done
    for index in (3, 1):
        correct(visit, index)
        visit.start(device, segmenter()).result()
        assert visit.masks.keys() == {0, index}
        assert visit.finished == len(read_masks(visit)) == FRAMES


@pytest.mark.parametrize("index", [3, 0])
def test_a_correction_that_is_refused_leaves_the_result_to_be_corrected(done, monkeypatch, index):
    visit, device = done
    before, doubtful = read_masks(visit), visit.doubtful
    assert doubtful and " a second" in summarize(visit)

    def refuse(*arguments, **settings):
        raise InputError("no room for another template")

    correct(visit, index)
    with monkeypatch.context() as patch, pytest.raises(InputError, match="no room"):
        patch.setattr(visits, "segment_video", refuse)
        visit.start(device, segmenter()).result()
    assert visit.finished == FRAMES and visit.masks.keys() == {0}
    assert visit.doubtful == doubtful and summarize(visit) == f"<p>{FRAMES} frames</p>"
    np.testing.assert_array_equal(read_masks(visit), before)
    correct(visit, 2)
    visit.start(device, segmenter()).result()
    assert visit.finished == FRAMES and visit.masks.keys() == {0, 2}


def test_stop_before_a_correction_comes_leaves_the_result(done):
    visit, device = done
    before = read_masks(visit)
    correct(visit, 3)
    visit.stop()
    visit.start(device, segmenter()).result()
    assert visit.finished == FRAMES and visit.masks.keys() == {0}
    np.testing.assert_array_equal(read_masks(visit), before)
    with zipfile.ZipFile(visit.archive) as archive:
        assert sum(name.endswith(".png") for name in archive.namelist()) == FRAMES


@pytest.mark.parametrize(("size", "shown"), [((1080, 1920), [1]), (SIZE, [1, 2])])
def test_an_object_too_small_to_be_seen_was_not_rubbed_out(size, shown):
    found = np.zeros(size, np.uint8)
    found[20:60, 20:70], found[60, 80] = 1, 2
    assert find_shown(found).tolist() == shown
