"""What stands on the page, and where."""

import gradio as gr

from ranet_jax.app.painting import BRUSHES
from ranet_jax.app.pictures import frame_text
from ranet_jax.app.visit import MAX_FRAMES

_VIDEOS = [".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi"]
_TITLE = """# Follow objects through a video
Paint them on the first frame, and the network finds them in all the others."""
_PRIVACY = (
    "The video stays on the machine that runs this program. Closing this tab deletes it, and all "
    "that was made of it."
)
_COLOURS = ["#{:02x}{:02x}{:02x}".format(*brush) for brush in BRUSHES]
HOW_TO_PAINT = (
    " ".join(
        f'<b style="background: {colour}">{number}</b>' for number, colour in enumerate(_COLOURS, 1)
    )
    + " Cover the whole of each object. On the left edge of the picture are brush, eraser, the "
    "colours and the size of the brush."
)
CORRECT = (
    "### 5. Correct\nChoose a frame that went wrong, paint it right, and go on from there; the "
    "frames before it stay."
)
BEFORE_PAINTING = "The first frame will appear here."
BEFORE_RESULT = "The result will appear here."
STYLE = """
#hint .html-container, #live .html-container { padding: 0 }
#hint b { border-radius: 4px; padding: 1px 8px; color: white; text-shadow: 0 0 3px black }
#live img, #live .empty { width: 100%; border-radius: 6px }
#live img, #result video { max-height: 600px; object-fit: contain }
#live .empty { aspect-ratio: 16 / 9; display: grid; place-items: center; text-align: center;
  color: var(--body-text-color-subdued); border: 1px dashed var(--border-color-primary) }
#live progress { width: 100%; height: 8px; accent-color: var(--primary-500) }
"""


class Layout:
    """The parts of the page, laid out.

    Attributes:
        file: where the video is chosen.
        example: the button that takes the clip of the demo instead.
        painting: takes what was painted, unseen.
        hint: says how to paint.
        editor: the first frame, to paint on.
        start: the button to segment.
        stop: the button to stop.
        live: the newest picture, or words in its place.
        result: the overlay.
        masks: downloads the masks.
        overlay: downloads the overlay.
        correct: says how a frame is corrected, and which ones most need a look.
        position: which frame to correct.
        running: all that changes while a video is segmented.
        everything: all that changes when a video is chosen.
    """

    def __init__(self, max_upload: int, *, has_example: bool) -> None:
        """Lays the page out, inside Gradio's `Blocks`.

        Args:
            max_upload: megabytes a video may have.
            has_example: whether there is a clip to try it on.
        """
        gr.Markdown(_TITLE)
        with gr.Row():
            with gr.Column():
                gr.Markdown("### 1. Choose a video")
                self.file = gr.File(
                    label=f"Up to {max_upload} MB, {MAX_FRAMES} frames, 4K",
                    file_types=_VIDEOS,
                    height=120,
                )
                self.example = gr.Button(
                    "No video at hand? Take this one, painted already",
                    size="sm",
                    visible=has_example,
                )
                self.painting = gr.File(visible=False, file_count="multiple")
                gr.Markdown("### 2. Paint each object in a colour of its own")
                self.hint = gr.HTML(BEFORE_PAINTING, elem_id="hint")
                self.editor = gr.ImageEditor(
                    show_label=False,
                    visible=False,
                    sources=(),
                    transforms=(),
                    layers=False,
                    brush=gr.Brush(
                        default_size=30,
                        colors=[*_COLOURS],
                        color_mode="fixed",
                    ),
                )
            with gr.Column():
                gr.Markdown("### 3. Segment")
                with gr.Row():
                    self.start = gr.Button("Segment", variant="primary", interactive=False)
                    self.stop = gr.Button("Stop", variant="stop", interactive=False)
                self.live = gr.HTML(frame_text(BEFORE_RESULT), elem_id="live")
                self.result = gr.Video(
                    visible=False, show_label=False, autoplay=True, loop=True, elem_id="result"
                )
                gr.Markdown("### 4. Download")
                with gr.Row():
                    self.masks = gr.DownloadButton("Masks (zip)", interactive=False)
                    self.overlay = gr.DownloadButton("Overlay (mp4)", interactive=False)
                self.correct = gr.Markdown(visible=False)
                self.position = gr.Slider(label="Frame", visible=False, minimum=0, step=1)
        gr.Markdown(_PRIVACY)
        self.running = [self.file, self.start, self.stop, self.live]
        self.running += [self.result, self.masks, self.overlay, self.correct, self.position]
        self.everything = [*self.running, self.hint, self.editor]

    def hide_result(self) -> dict:
        """Empties the part of the page that holds a result.

        Returns:
            What an event changes, by the part of the page.
        """
        return {
            self.stop: gr.Button(interactive=False),
            self.result: gr.Video(value=None, visible=False),
            self.masks: gr.DownloadButton(value=None, interactive=False),
            self.overlay: gr.DownloadButton(value=None, interactive=False),
            self.correct: gr.Markdown(visible=False),
            self.position: gr.Slider(visible=False),
        }

    def offer_correction(self, frames: int, doubtful: list[int], chosen: int) -> dict:
        """Shows the part of the page that chooses a frame to correct.

        Args:
            frames: how many are finished.
            doubtful: those that most need a look.
            chosen: the one that is painted on now.

        Returns:
            What an event changes, by the part of the page.
        """
        if frames < 2:
            return {}
        look = f" Those that most need a look: {', '.join(map(str, doubtful))}." if doubtful else ""
        return {
            self.correct: gr.Markdown(CORRECT + look, visible=True),
            self.position: gr.Slider(maximum=frames - 1, value=chosen, visible=True),
        }
