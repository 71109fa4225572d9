"""What the page shows, and what happens when something on it is pressed."""

import base64
import html
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import cv2
import gradio as gr
import numpy as np
from PIL import Image

from ranet_jax.app.painting import BRUSHES, fit_frame, fit_labels, read_painting
from ranet_jax.app.visit import MAX_FRAMES, Visit
from ranet_jax.errors import InputError
from ranet_jax.media.overlay import paint_overlay
from ranet_jax.segmenter import Segmenter

_SECONDS_A_PICTURE = 0.25
_VIDEOS = [".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi"]
_TITLE = """# Follow objects through a video
Paint them on the first frame, and the network finds them in all the others."""
_PRIVACY = (
    "The video stays on the machine that runs this program. Closing this tab deletes it, and all "
    "that was made of it."
)
_COLOURS = ["#{:02x}{:02x}{:02x}".format(*brush) for brush in BRUSHES]
_HOW_TO_PAINT = (
    " ".join(
        f'<b style="background: {colour}">{number}</b>' for number, colour in enumerate(_COLOURS, 1)
    )
    + " Cover the whole of each object. On the left edge of the picture are brush, eraser, the "
    "colours and the size of the brush."
)
_BEFORE_PAINTING = "The first frame will appear here."
_BEFORE_RESULT = "The result will appear here."
_GONE = "this tab lost its connection, and its video was deleted; reload the page"
_TAKE_PICTURES = "it => [[...it.layers, it.background, it.composite].filter(Boolean)]"
_STYLE = """
#hint .html-container, #live .html-container { padding: 0 }
#hint b { border-radius: 4px; padding: 1px 8px; color: white; text-shadow: 0 0 3px black }
#live img, #live .empty { width: 100%; border-radius: 6px }
#live img, #result video { max-height: 600px; object-fit: contain }
#live .empty { aspect-ratio: 16 / 9; display: grid; place-items: center; text-align: center;
  color: var(--body-text-color-subdued); border: 1px dashed var(--border-color-primary) }
#live progress { width: 100%; height: 8px; accent-color: var(--primary-500) }
"""


class Page:
    """The page, and everybody who has it open."""

    def __init__(self, segmenter: Segmenter, folder: Path, max_upload: int) -> None:
        """Builds the page.

        Args:
            segmenter: the network.
            folder: Gradio's own, from which it serves files without copying them.
            max_upload: megabytes a video may have.
        """
        self._segmenter = segmenter
        self._folder = folder
        self._max_upload = max_upload
        self._visits: dict[str, Visit] = {}  # of every tab that sent a video
        self._closed: set[str] = set()
        # One video at a time, also when a tab is closed in the middle of one.
        self._device = ThreadPoolExecutor(1)
        # What the schedule deletes is what no tab owns: an upload whose tab was closed at once.
        self._blocks = gr.Blocks(
            title="RANet", analytics_enabled=False, delete_cache=(3600, 24 * 3600)
        )
        with self._blocks:
            self._build()

    def launch(self, host: str, port: int) -> None:
        """Begins to serve, in threads of its own.

        Args:
            host: address to listen at.
            port: to listen at.

        Raises:
            InputError: the port is in use, or the address is none of this machine.
        """
        try:
            _, address, _ = self._blocks.launch(
                server_name=host,
                server_port=port,
                max_file_size=f"{self._max_upload}mb",
                css=_STYLE,
                footer_links=[],
                share=False,
                run_history=False,
                enable_monitoring=False,
                ssr_mode=False,
                mcp_server=False,
                pwa=False,
                quiet=True,
                inline=False,
                prevent_thread_lock=True,
            )
        except OSError as error:
            raise InputError(
                f"cannot listen at {host}:{port}; choose another --port or --host"
            ) from error
        print(f"open {address} in a browser; Ctrl+C ends the page", flush=True)

    def close(self) -> None:
        """Ends what is running, and stops to serve."""
        self._blocks.close(verbose=False)
        while self._visits:
            self._visits.popitem()[1].close()
        self._device.shutdown()

    def _build(self) -> None:
        """Lays out the page, and says what each part of it does."""
        gr.Markdown(_TITLE)
        with gr.Row():
            with gr.Column():
                gr.Markdown("### 1. Choose a video")
                self._file = gr.File(
                    label=f"Up to {self._max_upload} MB, {MAX_FRAMES} frames, 4K",
                    file_types=_VIDEOS,
                    height=120,
                )
                self._painting = gr.File(visible=False, file_count="multiple")
                gr.Markdown("### 2. Paint each object in a colour of its own")
                self._hint = gr.HTML(_BEFORE_PAINTING, elem_id="hint")
                self._editor = gr.ImageEditor(
                    show_label=False,
                    visible=False,
                    sources=(),
                    transforms=(),
                    layers=False,
                    brush=gr.Brush(
                        default_size=30,
                        colors=_COLOURS,
                        color_mode="fixed",
                    ),
                )
            with gr.Column():
                gr.Markdown("### 3. Segment")
                with gr.Row():
                    self._start = gr.Button("Segment", variant="primary", interactive=False)
                    self._stop = gr.Button("Stop", variant="stop", interactive=False)
                self._live = gr.HTML(_frame_text(_BEFORE_RESULT), elem_id="live")
                self._result = gr.Video(
                    visible=False, show_label=False, autoplay=True, loop=True, elem_id="result"
                )
                gr.Markdown("### 4. Download")
                with gr.Row():
                    self._masks = gr.DownloadButton("Masks (zip)", interactive=False)
                    self._overlay = gr.DownloadButton("Overlay (mp4)", interactive=False)
        gr.Markdown(_PRIVACY)

        running = [self._file, self._start, self._stop, self._live]
        running += [self._result, self._masks, self._overlay]
        everything = [*running, self._hint, self._editor]
        hidden = {"show_progress": "hidden", "api_visibility": "private"}
        self._blocks.unload(self._leave)
        choosing = hidden | {"show_progress_on": self._live}
        self._file.upload(self._choose, self._file, everything, **choosing)
        self._file.clear(self._start_anew, outputs=everything, **choosing)
        # A tab sends anew, at every step of any event, whatever is an input of such an event or
        # shows its progress; of the editor that is three pictures. So it is neither: they take the
        # way over a hidden list, once.
        self._start.click(None, self._editor, self._painting, js=_TAKE_PICTURES).then(
            self._prepare, self._painting, running, **hidden
        ).success(self._segment, outputs=running, concurrency_limit=1, **hidden)
        self._stop.click(self._interrupt, **hidden)

    def _leave(self, request: gr.Request) -> None:
        """A tab was closed: deletes what it sent and got."""
        self._closed.add(request.session_hash)
        self._forget(request)

    def _forget(self, request: gr.Request) -> None:
        """Deletes what a tab sent and got."""
        visit = self._visits.pop(request.session_hash, None)
        if visit:
            visit.close()

    def _start_anew(self, request: gr.Request) -> dict:
        """The video was taken back, or is none."""
        self._forget(request)
        return {
            self._file: gr.File(value=None, interactive=True),
            self._hint: _BEFORE_PAINTING,
            self._editor: gr.ImageEditor(value=None, visible=False),
            self._start: gr.Button(interactive=False),
            self._live: _frame_text(_BEFORE_RESULT),
            **self._hide_result(),
        }

    def _choose(self, upload: str, request: gr.Request) -> dict:
        """A video was sent: shows its first frame to paint on."""
        key = request.session_hash
        if key in self._closed:  # meanwhile, or because its connection broke
            Path(upload).unlink()
            _warn(_GONE)
            return {self._file: None}
        blank = self._start_anew(request)
        visit = self._visits[key] = Visit(self._folder, Path(upload))
        if key in self._closed:  # just now; `_leave` says so before it looks for a visit
            self._forget(request)
            return {self._file: None}
        try:
            picture = fit_frame(visit.read_first())
        except InputError as error:
            _warn(visit.name_files(str(error)))
            return self._start_anew(request)
        path = visit.folder / "first.png"
        Image.fromarray(picture).save(path)
        # The column is some 600 wide; a portrait is shown smaller, so that all of it fits a screen.
        height = min(700, 120 + 560 * picture.shape[0] // picture.shape[1])
        background = {"background": str(path), "layers": [], "composite": None}
        return blank | {
            self._file: str(visit.video),
            self._hint: _HOW_TO_PAINT,
            self._editor: gr.ImageEditor(value=background, height=height, visible=True),
            self._start: gr.Button(interactive=True),
        }

    def _prepare(self, pictures: list[str] | None, request: gr.Request) -> dict:
        """Segmenting was asked for: takes the painting, and says at once that it was heard."""
        painting = None
        for path in map(Path, pictures or []):
            if path.name.startswith("layer"):
                painting = np.asarray(Image.open(path).convert("RGBA"))
            path.unlink()
        visit = self._visits.get(request.session_hash)
        if visit is None:
            raise _refuse(_GONE)
        try:
            visit.prepare(read_painting(painting, visit.size))
        except InputError as error:
            raise _refuse(str(error)) from None
        return {
            **self._hide_result(),
            self._file: gr.File(interactive=False),
            self._start: gr.Button(interactive=False),
            self._stop: gr.Button(interactive=True),
            self._live: _frame_text("Waiting for the device, then for the compiler ..."),
        }

    def _segment(self, request: gr.Request) -> Iterator[dict]:
        """Segments the video, and shows it meanwhile."""
        visit = self._visits.get(request.session_hash)
        if visit is None:
            return
        work = visit.start(self._device, self._segmenter)
        while not work.done():
            wait([work], timeout=_SECONDS_A_PICTURE)
            if visit.newest:
                yield {self._live: _draw_progress(visit)}
        if work.cancelled():
            return
        failure = work.exception()
        if isinstance(failure, InputError):
            _warn(visit.name_files(str(failure)))
        elif failure:
            traceback.print_exception(failure)
            _warn("the program failed; its terminal says why")
        overlay, archive = visit.overlay, visit.archive
        yield {
            self._file: gr.File(interactive=True),
            self._start: gr.Button(interactive=True),
            self._stop: gr.Button(interactive=False),
            self._live: _summarize(visit) if archive else _frame_text(_BEFORE_RESULT),
            self._result: gr.Video(value=overlay, visible=overlay is not None),
            self._masks: gr.DownloadButton(value=archive, interactive=archive is not None),
            self._overlay: gr.DownloadButton(value=overlay, interactive=overlay is not None),
        }

    def _interrupt(self, request: gr.Request) -> None:
        """Stop was pressed."""
        visit = self._visits.get(request.session_hash)
        if visit:
            visit.stop()

    def _hide_result(self) -> dict:
        """The part of the page that holds a result, empty."""
        return {
            self._stop: gr.Button(interactive=False),
            self._result: gr.Video(value=None, visible=False),
            self._masks: gr.DownloadButton(value=None, interactive=False),
            self._overlay: gr.DownloadButton(value=None, interactive=False),
        }


def _refuse(message: str) -> gr.Error:
    """What ends an event with a message, which stays until it is clicked away."""
    return gr.Error(html.escape(message), duration=None, print_exception=False)


def _warn(message: str) -> None:
    """Shows a message, which stays until it is clicked away, and lets the event go on."""
    gr.Warning(html.escape(message), duration=None)


def _frame_text(text: str) -> str:
    """What stands in the place of a result."""
    return f'<div class="empty">{text}</div>'


def _summarize(visit: Visit) -> str:
    """How far a video is, and how fast it went."""
    said = f"{visit.finished} frames"
    if visit.frame_count and visit.finished < visit.frame_count:
        said = f"{visit.finished} of {visit.frame_count} frames"
    return f"<p>{said}{f', {visit.rate:.1f} a second' if visit.finished > 1 else ''}</p>"


def _draw_progress(visit: Visit) -> str:
    """The newest frame with its objects painted over, and how far the video is."""
    frame, labels = visit.newest
    picture = fit_frame(frame.image)
    picture = paint_overlay(picture, fit_labels(labels, picture.shape[:2]))
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    # Inside the page and not as a file, so that there is nothing to be deleted.
    data = base64.b64encode(jpeg).decode()
    picture = f'<img src="data:image/jpeg;base64,{data}">'
    bar = f'<progress value="{visit.finished}" max="{visit.frame_count}"></progress>'
    return picture + (bar if visit.frame_count else "") + _summarize(visit)
