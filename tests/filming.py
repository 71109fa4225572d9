"""Makes small video files, as cameras and other programs leave them."""

from fractions import Fraction

import av
import numpy as np

SOUND_RATE = 48000


def pictures(count=12, size=(96, 128)):
    """Smooth frames, each of another brightness, brighter towards the bottom and the right."""
    h, w = size
    y, x = np.mgrid[:h, :w]
    ramp = np.stack([100 * y / h, 100 * x / w, 0 * x], axis=-1)
    return [np.uint8(ramp + 10 * index) for index in range(count)]


def film_by_hand(
    path, frames, *, codec="libx264", form=None, options=None, aspect=None, last=0, pixels="yuv420p"
):
    """Writes 25 frames a second; `last` are the seconds that the last one stands."""
    h, w = frames[0].shape[:2]
    with av.open(str(path), "w", form, options=options or {}) as container:
        stream = container.add_stream(codec, 25, width=w, height=h, pix_fmt=pixels)
        stream.options = {"bf": "0", "g": "8"} if codec == "libx264" else {}
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        packets = []
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, "rgb24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            packets += stream.encode(picture)
        packets += stream.encode()
        for packet in packets:
            packet.duration = 1
        if last:
            packets[-1].duration = round(25 * last)
        container.mux(packets)


def noisy(count):
    """Frames that take room in a file, so that it can be cut off anywhere."""
    random = np.random.default_rng(0)
    return [np.uint8(one // 2 + random.integers(0, 99, one.shape)) for one in pictures(count)]


def film(
    path,
    frames=None,
    *,
    codec="libx264",
    times=None,
    sound=None,
    rate=SOUND_RATE,
    layout="mono",
    rotation=None,
    delay=0,
):
    """Writes a video file.

    `times` are milliseconds; 25 frames a second without. `sound` is a codec for a tone as long as
    the video, `rate` and `layout` are its own, and `delay` the seconds by which the pictures begin
    after it.
    """
    frames = pictures() if frames is None else frames
    clock = Fraction(1, 1000)
    times = [40 * index for index in range(len(frames))] if times is None else times
    h, w = frames[0].shape[:2]
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(codec, 25, width=w, height=h, pix_fmt="yuv420p")
        stream.codec_context.time_base = clock
        stream.options = {"crf": "10"}
        if rotation is not None:
            stream.set_display_rotation(*rotation)
        track = container.add_stream(sound, rate, layout=layout) if sound else None
        for time, frame in zip(times, frames, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, "rgb24")
            picture.pts, picture.time_base = time + int(1000 * delay), clock
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
        if track:
            wave = np.sin(np.arange(len(frames) * rate // 25) * 2 * np.pi * 440 / rate)
            wave = np.float32(0.6 * np.stack((1 + (layout == "stereo")) * [wave]))
            tone = av.AudioFrame.from_ndarray(wave, "fltp", layout)
            tone.sample_rate = rate
            container.mux(track.encode(tone))
            container.mux(track.encode())
