"""What happens when something on the page is pressed."""

import contextlib
import html
import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from PIL import Image

from ranet_jax.app.layout import BEFORE_PAINTING, BEFORE_RESULT, HOW_TO_PAINT, STYLE, Layout
from ranet_jax.app.painting import fit_picture, read_painting, show_painting
from ranet_jax.app.pictures import draw_progress, frame_text, summarize
from ranet_jax.app.visit import Visit
from ranet_jax.errors import InputError
from ranet_jax.segmenter import Segmenter

_SECONDS_A_PICTURE = 0.25
_GONE = "this tab lost its connection, and its video was deleted; reload the page"
_TAKE_PICTURES = "it => [[...it.layers, it.background, it.composite].filter(Boolean)]"


class Trial(NamedTuple):
    """A video that the page offers to try.

    Attributes:
        video: file.
        mask: of its first frame, uint8 [h, w], ids 0..6.
    """

    video: Path
    mask: np.ndarray


class Page:
    """The page, and everybody who has it open."""

    def __init__(
        self, segmenter: Segmenter, folder: Path, max_upload: int, example: Trial | None = None
    ) -> None:
        """Builds the page.

        Args:
            segmenter: the network.
            folder: Gradio's own, from which it serves files without copying them.
            max_upload: megabytes a video may have.
            example: what to try it on; None where there is nothing.
        """
        self._segmenter = segmenter
        self._folder = folder
        self._max_upload = max_upload
        self._example = example
        # By what Gradio calls a tab, which its type allows to be None.
        self._visits: dict[str | None, Visit] = {}  # of every tab that sent a video
        self._closed: set[str | None] = set()
        # One video at a time, also when a tab is closed in the middle of one.
        self._device = ThreadPoolExecutor(1)
        # What the schedule deletes is what no tab owns: an upload whose tab was closed at once.
        self._blocks = gr.Blocks(
            title="RANet", analytics_enabled=False, delete_cache=(3600, 24 * 3600)
        )
        with self._blocks:
            self._layout = Layout(max_upload, has_example=example is not None)
            self._connect(self._layout)

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
                css=STYLE,
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

    def _connect(self, layout: Layout) -> None:
        """Says what each part of the page does."""
        hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self._blocks.unload(self._leave)
        choosing: dict[str, Any] = hidden | {"show_progress_on": layout.live}
        layout.file.upload(self._choose, layout.file, layout.everything, **choosing)
        layout.example.click(self._choose_example, None, layout.everything, **choosing)
        layout.file.clear(self._start_anew, outputs=layout.everything, **choosing)
        layout.position.input(
            self._show,
            layout.position,
            [layout.editor, layout.hint, layout.start],
            trigger_mode="always_last",
            **choosing,
        )
        # A tab sends anew, at every step of any event, whatever is an input of such an event or
        # shows its progress; of the editor that is three pictures. So it is neither: they take the
        # way over a hidden list, once.
        layout.start.click(None, layout.editor, layout.painting, js=_TAKE_PICTURES).then(
            self._prepare, layout.painting, layout.running, **hidden
        ).success(self._segment, outputs=layout.running, concurrency_limit=1, **hidden)
        layout.stop.click(self._interrupt, **hidden)

    def _leave(self, request: gr.Request) -> None:
        """A tab was closed: deletes what it sent and got."""
        self._closed.add(request.session_hash)
        self._forget(request)

    def _forget(self, request: gr.Request) -> None:
        """Deletes what a tab sent and got."""
        visit = self._visits.pop(request.session_hash, None)
        if visit:
            visit.close()
        self._sweep()

    def _sweep(self) -> None:
        """Deletes pictures that an editor sent although no event takes them.

        It does so when its picture is changed from here. Who has just sent a painting may still
        wait for it to be taken, which is a matter of milliseconds.
        """
        latest = time.time() - 5 if self._visits else float("inf")
        folders = [visit.folder for visit in self._visits.values()]
        # Unlike `rglob`, `walk` bears that another tab's folders are deleted meanwhile.
        for place, _, names in os.walk(self._folder):
            for path in [Path(place, name) for name in names if name.endswith(".png")]:
                with contextlib.suppress(FileNotFoundError):  # taken just now
                    is_of_visit = any(folder in path.parents for folder in folders)
                    if not is_of_visit and path.stat().st_mtime < latest:
                        path.unlink()

    def _start_anew(self, request: gr.Request) -> dict:
        """The video was taken back, or is none."""
        self._forget(request)
        return {
            self._layout.file: gr.File(value=None, interactive=True),
            self._layout.hint: BEFORE_PAINTING,
            self._layout.editor: gr.ImageEditor(value=None, visible=False),
            self._layout.start: gr.Button("Segment", interactive=False),
            self._layout.live: frame_text(BEFORE_RESULT),
            **self._layout.hide_result(),
        }

    def _choose_example(self, request: gr.Request) -> dict:
        """The example was asked for: it is as if somebody had sent and painted it."""
        assert self._example is not None, "without one there is no button"
        upload = Path(tempfile.mkdtemp(dir=self._folder)) / self._example.video.name
        shutil.copyfile(self._example.video, upload)
        return self._choose(str(upload), request, self._example.mask)

    def _choose(self, upload: str, request: gr.Request, mask: np.ndarray | None = None) -> dict:
        """A video was sent: shows its first frame to paint on, or with its mask painted."""
        key = request.session_hash
        if key in self._closed:  # meanwhile, or because its connection broke
            Path(upload).unlink()
            _warn(_GONE)
            return {self._layout.file: None}
        blank = self._start_anew(request)
        visit = self._visits[key] = Visit(self._folder, Path(upload))
        if key in self._closed:  # just now; `_leave` says so before it looks for a visit
            self._forget(request)
            return {self._layout.file: None}
        try:
            picture = fit_picture(visit.read_first())
        except InputError as error:
            _warn(visit.name_files(str(error)))
            return self._start_anew(request)
        return blank | {
            self._layout.file: str(visit.video),
            self._layout.hint: HOW_TO_PAINT,
            self._layout.editor: show_painting(picture, mask, visit.folder),
            self._layout.start: gr.Button(interactive=True),
        }

    def _show(self, position: float, request: gr.Request) -> dict:
        """A frame of the result was chosen: shows it with what was found, to be corrected."""
        visit = self._visits.get(request.session_hash)
        if visit is None:
            raise _refuse(_GONE)
        image, found = visit.choose(int(position))
        button = f"Go on from frame {visit.chosen}" if visit.chosen else "Segment"
        return {
            self._layout.editor: show_painting(fit_picture(image), found, visit.folder),
            self._layout.hint: HOW_TO_PAINT,
            self._layout.start: gr.Button(button, interactive=True),
        }

    def _prepare(self, pictures: list[str] | None, request: gr.Request) -> dict:
        """Segmenting was asked for: takes the painting, and says at once that it was heard."""
        painting = None
        visit = self._visits.get(request.session_hash)
        for path in map(Path, pictures or []):
            if path.name.startswith("layer"):
                painting = np.asarray(Image.open(path).convert("RGBA"))
            if visit is None or visit.folder not in path.parents:  # those go with the visit
                path.unlink()
        if visit is None:
            raise _refuse(_GONE)
        try:
            visit.prepare(read_painting(painting, visit.size))
        except InputError as error:
            raise _refuse(str(error)) from None
        return {
            **self._layout.hide_result(),
            self._layout.file: gr.File(interactive=False),
            self._layout.start: gr.Button(interactive=False),
            self._layout.stop: gr.Button(interactive=True),
            self._layout.live: frame_text("Waiting for the device, then for the compiler ..."),
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
                yield {self._layout.live: draw_progress(visit, *visit.newest)}
        if work.cancelled():
            return
        for remark in visit.remarks:
            gr.Info(html.escape(visit.name_files(remark)), duration=None)
        failure = work.exception()
        if isinstance(failure, InputError):
            _warn(visit.name_files(str(failure)))
        elif failure:
            traceback.print_exception(failure)
            _warn("the program failed; its terminal says why")
        overlay, archive = visit.overlay, visit.archive
        yield {
            self._layout.file: gr.File(interactive=True),
            self._layout.start: gr.Button(interactive=True),
            self._layout.stop: gr.Button(interactive=False),
            self._layout.live: summarize(visit) if archive else frame_text(BEFORE_RESULT),
            self._layout.result: gr.Video(value=overlay, visible=overlay is not None),
            self._layout.masks: gr.DownloadButton(value=archive, interactive=archive is not None),
            self._layout.overlay: gr.DownloadButton(value=overlay, interactive=overlay is not None),
            **self._offer_correction(visit),
        }

    def _offer_correction(self, visit: Visit) -> dict:
        """Offers to correct a frame, unless looks are remembered: then nobody can go back."""
        if self._segmenter.protocol.memory_every:
            return {}
        return self._layout.offer_correction(visit.finished, visit.doubtful, visit.chosen)

    def _interrupt(self, request: gr.Request) -> None:
        """Stop was pressed."""
        visit = self._visits.get(request.session_hash)
        if visit:
            visit.stop()


def _refuse(message: str) -> gr.Error:
    """What ends an event with a message, which stays until it is clicked away."""
    return gr.Error(html.escape(message), duration=None, print_exception=False)


def _warn(message: str) -> None:
    """Shows a message, which stays until it is clicked away, and lets the event go on."""
    gr.Warning(html.escape(message), duration=None)
