"""Serving the page, and leaving nothing behind when that ends."""

import contextlib
import os
import signal
import tempfile
from pathlib import Path

from ranet_jax.demo.clip import CLIP, FIRST_MASK
from ranet_jax.media.masks import read_davis_mask
from ranet_jax.segmenter import Segmenter


def serve(segmenter: Segmenter, host: str, port: int, max_upload: int) -> None:
    """Serves the page until the program is interrupted or told to end.

    Everything that visitors send and get lies in one private temporary folder. A visitor's part of
    it goes when the tab is closed, and all of it when this function ends.

    Args:
        segmenter: the network.
        host: address to listen at; 127.0.0.1 is this machine alone.
        port: to listen at.
        max_upload: megabytes a video may have.

    Raises:
        InputError: the port is in use.
        ModuleNotFoundError: Gradio, an extra, is not installed.
    """
    # `kill` and Ctrl+C are to end alike: with nothing left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory() as folder:
        # Gradio reads both when it is imported: it must report to nobody, and keep its files here.
        os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": folder}
        from ranet_jax.app.page import Page, Trial

        example = Trial(CLIP, read_davis_mask(FIRST_MASK)) if CLIP.is_file() else None
        page = Page(segmenter, Path(folder), max_upload, example)
        try:
            page.launch(host, port)
            signal.pause()
        finally:
            page.close()
