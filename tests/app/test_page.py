"""The command and all of the page, in a headless browser."""

import contextlib
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from ranet_jax.app.__main__ import main
from ranet_jax.demo.clip import FIRST_MASK
from ranet_jax.errors import InputError
from ranet_jax.media.masks import read_davis_mask
from ranet_jax.media.video import open_video
from ranet_jax.weights.checkpoint import save_network
from ranet_jax.weights.network import Network
from tests.app.clips import FRAMES, SIZE, network, segmenter, write_clip

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def run_main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["app", *map(str, arguments)])
    main()


def test_weights_that_are_missing_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr("ranet_jax.weights.packed.SHIPPED", tmp_path / "none.safetensors")
    with pytest.raises(InputError, match=r"none\.safetensors is missing.* give --checkpoint"):
        run_main(monkeypatch)


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--max-upload", 3, "--max-upload 3: give 4 or more"),
        ("--port", 70000, "--port 70000: give 1 to 65535"),
    ],
)
def test_limits(monkeypatch, flag, value, message):
    with pytest.raises(InputError, match=message):
        run_main(monkeypatch, "--checkpoint", "x", flag, value)


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
    # XLA may say on some processors that a program it kept is of another machine; it is not.
    lines = (line for line in process.stdout if "cpu_aot_loader" not in line)
    network, said = next(lines, ""), next(lines, "")
    assert network.startswith(f"network: {checkpoint}, canvas"), network
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
    found = []
    for place, _, names in os.walk(folder):  # unlike rglob it bears what is deleted meanwhile
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                if (path := Path(place, name)).stat().st_size:
                    found.append(path)
    return found


def wait_until_gone(folder):
    for _ in range(600):
        if not files_in(folder):
            return
        time.sleep(0.05)
    raise AssertionError(f"{files_in(folder)} are still there")


def send(page, path):
    page.locator("input[type=file]").first.set_input_files(path)


def wait_until_drawn(page, before=None):
    """Waits until the editor shows a picture, another than before: nothing there tells."""
    last = None
    for _ in range(400):
        now = photograph(page)
        is_new = now.std() > 8 and (before is None or not np.array_equal(now, before))
        if is_new and last is not None and np.array_equal(now, last):
            return
        last = now
        page.wait_for_timeout(250)
    raise AssertionError("the editor has drawn nothing")


def photograph(page):
    """The middle of the editor, where its picture is and none of its buttons."""
    with Image.open(io.BytesIO(page.locator("canvas").first.screenshot())) as picture:
        w, h = picture.size
        box = (int(0.3 * w), int(0.35 * h), int(0.7 * w), int(0.65 * h))
        return np.asarray(picture.convert("RGB").crop(box))


def choose_colour(page, brush):
    """Opens the colours, which the editor closes again when it draws, and takes one."""
    from playwright.sync_api import TimeoutError as NothingToClick

    colour = page.locator("button.color").nth(brush - 1)
    for _ in range(20):
        page.get_by_label("Color", exact=True).click()
        with contextlib.suppress(NothingToClick):
            colour.click(timeout=9_000)
            return
    raise AssertionError("the colours did not open")


def paint(page, brush, x):
    """A stroke down the picture with a brush, at a share of the editor's width."""
    choose_colour(page, brush)
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


def read_archive(content):
    """The masks in a downloaded archive, by frame."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        return [np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names]


@pytest.mark.slow
def test_from_upload_to_download(app, page, tmp_path):
    address, folder, _ = app
    send(page, write_clip(tmp_path / "clip.mp4"))
    page.get_by_label("Brush", exact=True).wait_for()
    assert list(folder.rglob("clip.mp4"))
    wait_until_drawn(page)
    paint(page, 1, 0.35)
    paint(page, 2, 0.65)
    page.evaluate(COUNT_PICTURES)
    page.get_by_role("button", name="Segment").click()
    page.locator("video").wait_for()
    assert page.evaluate("window.pictures") > 0, "nothing was shown while it ran"

    name, content = download(page, "Masks (zip)")
    assert name == "masks.zip"
    masks = read_archive(content)
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


@pytest.mark.slow
def test_a_frame_is_corrected_and_the_later_ones_follow(app, page, tmp_path):
    send(page, write_clip(tmp_path / "clip.mp4"))
    page.get_by_label("Brush", exact=True).wait_for()
    wait_until_drawn(page)
    paint(page, 1, 0.35)
    page.get_by_role("button", name="Segment").click()
    page.locator("video").wait_for()
    before = read_archive(download(page, "Masks (zip)")[1])
    painted = photograph(page)
    assert not any((mask == 2).any() for mask in before)

    number = page.get_by_label("number input for Frame")
    number.fill("3")
    number.press("Enter")
    go_on = page.get_by_role("button", name="Go on from frame 3")
    go_on.wait_for()
    wait_until_drawn(page, painted)
    paint(page, 2, 0.65)
    go_on.click()
    page.locator("video").wait_for(state="hidden")
    page.locator("video").wait_for()
    after = before
    for _ in range(20):  # the link is that of the run before until the page has drawn the new one
        after = read_archive(download(page, "Masks (zip)")[1])
        if (after[3] == 2).any():
            break
        page.wait_for_timeout(500)
    np.testing.assert_array_equal(after[:3], before[:3])
    assert (after[3] == 2).any() and len(after) == FRAMES
    with open_video(str(tmp_path / "clip.mp4")) as video:
        frames = [frame.image for frame in video]
    tracker = segmenter().start(frames[0], before[0])
    for frame in frames[1:4]:
        tracker.step(frame)
    tracker.add(frames[3], after[3])
    np.testing.assert_array_equal(after[4:], [tracker.step(frame) for frame in frames[4:]])
    page.close()
    wait_until_gone(app[1])


@pytest.mark.slow
def test_the_example_is_one_click_and_painted(app, page):
    folder = app[1]
    page.get_by_role("button", name="No video at hand?").click()
    page.get_by_label("Brush", exact=True).wait_for()
    wait_until_drawn(page)
    page.get_by_role("button", name="Segment").click()
    page.locator("video").wait_for()
    _, content = download(page, "Masks (zip)")
    mask = read_archive(content)[0]
    truth = read_davis_mask(FIRST_MASK)
    assert mask.shape == truth.shape and set(np.unique(mask)) == {0, 1}
    assert np.count_nonzero((mask != 0) & (truth != 0)) > 0.98 * np.count_nonzero(mask | truth)
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
    wait_until_drawn(page)
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
