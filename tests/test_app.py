"""The page of the app: its parts alone, and all of it in a headless browser."""

import functools
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from ranet_jax.app import visit as visits
from ranet_jax.app.__main__ import main
from ranet_jax.app.painting import BRUSHES, fit_picture, read_painting
from ranet_jax.app.visit import Visit
from ranet_jax.errors import InputError
from ranet_jax.media.video_writer import write_video
from ranet_jax.models.ranet import init_params, small_ranet
from ranet_jax.segmenter import Segmenter
from ranet_jax.weights.checkpoint import save_network
from ranet_jax.weights.network import Network

FRAMES, SIZE = 6, (90, 160)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@functools.cache
def network():
    model = small_ranet("multi")
    return model, init_params(model, 0)


@functools.cache
def segmenter():
    return Segmenter(*network())


def write_clip(path, frames=FRAMES, size=SIZE):
    noise = np.random.default_rng(0).integers(0, 256, (frames, *size, 3), np.uint8)
    write_video(path, noise, 10)
    return path


def strokes(*rectangles, size=SIZE):
    """A painting of rectangles: brush, rows, columns."""
    painting = np.zeros((*size, 4), np.uint8)
    for brush, rows, columns in rectangles:
        painting[rows, columns] = [*BRUSHES[brush - 1], 255]
    return painting


# The painting


def test_each_brush_paints_its_object():
    rectangles = [(k, slice(0, 9), slice(10 * k, 10 * k + 9)) for k in range(1, 7)]
    mask = read_painting(strokes(*rectangles), SIZE)
    for k, rows, columns in rectangles:
        assert (mask[rows, columns] == k).all()
    assert np.count_nonzero(mask) == 6 * 9 * 9


def test_an_edge_belongs_to_the_object_where_it_covers_over_half():
    painting = strokes((2, slice(10, 20), slice(10, 20)))
    painting[10:20, 20] = [*BRUSHES[1], 128]
    painting[10:20, 21] = [*BRUSHES[1], 127]
    mask = read_painting(painting, SIZE)
    assert (mask[10:20, 20] == 2).all()
    assert not mask[10:20, 21:].any()


def test_where_two_brushes_blend_there_is_no_third_object():
    painting = strokes((1, slice(10, 20), slice(10, 20)), (2, slice(10, 20), slice(22, 30)))
    # Half red and half green is nearer to yellow, the third brush, than to either.
    painting[10:20, 20:22] = [128, 128, 0, 255]
    mask = read_painting(painting, SIZE)
    assert set(np.unique(mask)) == {0, 1, 2}
    assert (mask[10:20, 20] == 1).all() and (mask[10:20, 21] == 2).all()


@pytest.mark.parametrize("size", [(2160, 3840), (1920, 1080), (64, 64), (333, 217)])
def test_a_painted_picture_fits_its_frame(size):
    frame = np.zeros((*size, 3), np.uint8)
    h, w = fit_picture(frame).shape[:2]
    assert h <= 600 and w <= 960
    assert h == 600 or w == 960
    assert abs(h / w - size[0] / size[1]) < 0.01
    mask = read_painting(strokes((3, slice(h // 2, h), slice(0, w // 4)), size=(h, w)), size)
    expected = np.zeros(size, bool)
    expected[size[0] // 2 :, : size[1] // 4] = True
    assert mask.shape == size
    assert set(np.unique(mask)) == {0, 3}
    assert np.mean((mask == 3) != expected) < 0.02


@pytest.mark.parametrize("painting", [None, strokes()])
def test_an_empty_painting_is_refused(painting):
    with pytest.raises(InputError, match="nothing is painted"):
        read_painting(painting, SIZE)


# A video that was sent


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


# The command


def run_main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["app", *map(str, arguments)])
    main()


def test_weights_that_are_missing_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr("ranet_jax.weights.packed.SHIPPED", tmp_path / "none.safetensors")
    with pytest.raises(InputError, match=r"none\.safetensors is missing.* give --checkpoint"):
        run_main(monkeypatch)


def test_a_limit_that_no_painting_passes(monkeypatch):
    with pytest.raises(InputError, match="--max-upload must be at least 4"):
        run_main(monkeypatch, "--checkpoint", "x", "--max-upload", 3)


# All of it, in a browser


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "small"
    save_network(path, Network(*network(), {}))
    return path


@pytest.fixture(scope="module")
def app(checkpoint, tmp_path_factory):
    """Address, temporary folder and process of an app that runs."""
    pytest.importorskip("gradio", reason="the page needs gradio")
    folder = tmp_path_factory.mktemp("served")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ranet_jax.app", "--checkpoint", checkpoint]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--max-upload", "4"],
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = process.stdout.readline()
    assert said.startswith(f"open http://127.0.0.1:{port}/ in a browser"), said
    # All of 127.0.0.0/8 is this machine, and the page must listen at one address alone.
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))
    yield f"http://127.0.0.1:{port}/", folder, process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not CHROMIUM:
        pytest.skip("needs chromium")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM)
        yield running
        running.close()


@pytest.fixture
def page(app, browser):
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(180_000)
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(app[0])
    yield page
    page.close()


COUNT_PICTURES = """() => {
  const live = document.querySelector("#live");
  window.pictures = 0;
  new MutationObserver(() => { window.pictures += live.querySelectorAll("img").length })
    .observe(live, { childList: true, subtree: true });
}"""


def files_in(folder):
    """Files that hold anything."""
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]


def wait_until_gone(folder):
    for _ in range(600):
        if not files_in(folder):
            return
        time.sleep(0.05)
    raise AssertionError(f"{files_in(folder)} are still there")


def send(page, path):
    page.locator("input[type=file]").first.set_input_files(path)


def paint(page, brush, x):
    """A stroke down the picture with a brush, at a share of the editor's width."""
    page.get_by_label("Color", exact=True).click()
    page.locator("button.color").nth(brush - 1).click()
    page.get_by_label("Brush", exact=True).click()
    box = page.locator("canvas").first.bounding_box()
    across = box["x"] + x * box["width"]
    page.mouse.move(across, box["y"] + 0.45 * box["height"])
    page.mouse.down()
    page.mouse.move(across, box["y"] + 0.55 * box["height"], steps=5)
    page.mouse.up()


def download(page, name):
    with page.expect_download() as waiting:
        page.get_by_text(name).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def test_from_upload_to_download(app, page, tmp_path):
    address, folder, _ = app
    send(page, write_clip(tmp_path / "clip.mp4"))
    page.get_by_label("Brush", exact=True).wait_for()
    assert list(folder.rglob("clip.mp4"))
    page.wait_for_timeout(1000)  # until the editor has drawn its picture, which nothing tells
    paint(page, 1, 0.35)
    paint(page, 2, 0.65)
    page.evaluate(COUNT_PICTURES)
    page.get_by_role("button", name="Segment").click()
    page.locator("video").wait_for()
    assert page.evaluate("window.pictures") > 0, "nothing was shown while it ran"

    name, content = download(page, "Masks (zip)")
    assert name == "masks.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        masks = [np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names]
    assert len(masks) == FRAMES
    assert {mask.shape for mask in masks} == {SIZE}
    assert set(np.unique(masks[0])) == {0, 1, 2}
    assert set(np.unique(masks)) <= {0, 1, 2}
    # The picture is in the middle of the editor, so that the strokes mirror each other.
    (y1, x1), (y2, x2) = (np.argwhere(masks[0] == k).mean(0) for k in (1, 2))
    assert abs(x1 + x2 - SIZE[1]) < 6 and x2 - x1 > 0.25 * SIZE[1]
    assert abs(y1 - SIZE[0] / 2) < 6 and abs(y2 - SIZE[0] / 2) < 6

    name, content = download(page, "Overlay (mp4)")
    assert name == "overlay.mp4"
    with av.open(io.BytesIO(content)) as overlay:
        assert len(list(overlay.decode(video=0))) == FRAMES

    here = (address, f"blob:{address}", "data:")
    assert [url for url in page.asked if not url.startswith(here)] == []
    page.close()
    wait_until_gone(folder)


def test_bad_input_is_explained(app, page, tmp_path):
    address, folder, _ = app
    page.get_by_text("The first frame will appear here.").wait_for()
    (tmp_path / "text.mp4").write_text("no video at all")
    send(page, tmp_path / "text.mp4")
    page.get_by_text("text.mp4 cannot be read as a video").wait_for()
    assert str(folder) not in page.inner_text("body")
    wait_until_gone(folder)

    (tmp_path / "large.mp4").write_bytes(bytes(5 * 2**20))
    send(page, tmp_path / "large.mp4")
    page.get_by_text("exceed the maximum allowed size of 4.0 Mb").wait_for()
    large = {"name": "large.mp4", "mimeType": "video/mp4", "buffer": bytes(5 * 2**20)}
    answer = page.request.post(f"{address}gradio_api/upload", multipart={"files": large})
    assert answer.status == 413, "a limit of the browser alone is none"
    wait_until_gone(folder)

    send(page, write_clip(tmp_path / "clip.mp4"))
    page.get_by_label("Brush", exact=True).wait_for()
    page.get_by_role("button", name="Segment").click()
    page.get_by_text("nothing is painted; paint over each object").wait_for()
    assert page.get_by_role("button", name="Segment").is_enabled()


def test_a_port_in_use(app, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    from ranet_jax.app.page import Page

    port = int(app[0].rsplit(":", 1)[1].strip("/"))
    with pytest.raises(InputError, match=f"cannot listen at 127.0.0.1:{port}.*choose another"):
        Page(segmenter(), tmp_path, 4).launch("127.0.0.1", port)


def test_the_end_of_the_program_is_the_end_of_all_files(app, page, tmp_path):
    _, folder, process = app
    send(page, write_clip(tmp_path / "clip.mp4"))
    page.get_by_label("Brush", exact=True).wait_for()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert list(folder.iterdir()) == []
