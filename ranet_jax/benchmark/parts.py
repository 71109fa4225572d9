"""The parts of a case that are timed: template, network, step and video."""

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ranet_jax.benchmark.cases import Case, make_clip
from ranet_jax.benchmark.rows import describe_row
from ranet_jax.benchmark.timing import WARM_UP, CompilationCounter, measure
from ranet_jax.compilation import compile_ahead, compile_functions
from ranet_jax.media.overlay import paint_overlay
from ranet_jax.media.video import open_video
from ranet_jax.media.video_writer import VideoWriter, write_video
from ranet_jax.models.ranet import RANet
from ranet_jax.models.resnet import normalize_frame
from ranet_jax.models.template import split_labels
from ranet_jax.protocol import PRECISIONS, VideoFunctions, build, find_slot_size
from ranet_jax.segmenter import Segmenter
from ranet_jax.template_bank import State, line_up

RELEASED_GFLOP = {"template": 165.2, "network": 263.4, "step": 263.4}
"""Counted on the released model, one object, 2 a multiply-add; jax counts all else as well."""


class Part(NamedTuple):
    """Something of a case that is timed.

    Attributes:
        name: of its row.
        run: does it once and waits for its result.
        program: what runs in it; None where that is not one program alone.
    """

    name: str
    run: Callable[[], object]
    program: Callable[..., object] | None


def time_case(
    segmenter: Segmenter, case: Case, frames: int, counter: CompilationCounter
) -> list[dict[str, Any]]:
    """Times all parts of a case.

    Args:
        segmenter: the network.
        case: how many clips and objects.
        frames: runs of each part, see `timing.measure`.
        counter: of compilations while the clock runs.

    Returns:
        The rows, see `rows.describe_row`.
    """
    rows = []
    programs = compile_case(segmenter, case)
    print(f"{case.clips}x{case.objects}: {programs.seconds:.1f} s of compilation, apart")
    for part in _list_parts(segmenter, case, programs, frames):
        row = describe_row(case, part.name, measure(part.run, frames, counter), part.program)
        if part.program and case.objects == 1 and segmenter.model == RANet():
            row["released_gflop"] = RELEASED_GFLOP[part.name] * case.clips
        rows.append(row | {"case_compile_seconds": programs.seconds})
        print(f"{case.clips}x{case.objects}: {part.name} {row['ms_median']:.2f} ms", flush=True)
    return rows


class Programs(NamedTuple):
    """The compiled programs of a case, and what they take.

    Attributes:
        functions: `init` and `step`, of all clips together.
        network: the network alone.
        arguments: of the network, on the device.
        images: uint8 frames on the host, of all clips together.
        labels: uint8, of the first frame.
        seconds: that compilation took.
    """

    functions: VideoFunctions
    network: jax.stages.Compiled
    arguments: list[Any]
    images: list[np.ndarray]
    labels: np.ndarray
    seconds: float


def compile_case(segmenter: Segmenter, case: Case) -> Programs:
    """Compiles all programs of a case.

    Args:
        segmenter: the network.
        case: how many clips and objects. Several clips go through one program together.

    Returns:
        The programs and their inputs.
    """
    clip, labels = make_clip(case.objects, segmenter.frame_canvas)
    images = list(clip)
    if case.clips > 1:
        images = [np.stack([image] * case.clips) for image in clip]
        labels = np.stack([labels] * case.clips)
    start = time.perf_counter()
    functions = compile_video(segmenter, case)
    state = functions.init(segmenter.rounded_params, images[0], labels)
    network, arguments = prepare_network(segmenter, case, state)
    seconds = time.perf_counter() - start
    return Programs(functions, network, arguments, images, labels, seconds)


def compile_video(segmenter: Segmenter, case: Case) -> VideoFunctions:
    """Compiles `init` and `step` of a case.

    Args:
        segmenter: the network.
        case: how many clips and objects.

    Returns:
        The segmenter's own for one clip; for several, functions whose arguments but the parameters
        have an axis of clips.
    """
    if case.clips == 1:
        return segmenter.compile(case.objects)
    functions = build(
        segmenter.model,
        find_slot_size(case.objects),
        segmenter.precision,
        protocol=segmenter.protocol,
    )
    together = VideoFunctions(
        jax.jit(jax.vmap(functions.init, (None, 0, 0))),
        jax.jit(jax.vmap(functions.step, (None, 0, 0)), donate_argnums=1),
    )
    return compile_functions(
        together,
        segmenter.rounded_params,
        segmenter.frame_canvas,
        case.clips,
        precision=segmenter.precision,
    )


def prepare_network(
    segmenter: Segmenter, case: Case, state: State
) -> tuple[jax.stages.Compiled, list[Any]]:
    """Compiles the network alone.

    Args:
        segmenter: the network.
        case: how many clips and objects.
        state: of one clip, or of several with an axis for them.

    Returns:
        The program, and its arguments on the device.
    """
    clip, labels = make_clip(case.objects, segmenter.model.canvas)
    frame, labels = (jnp.stack([x] * case.clips) for x in (clip[0], labels))
    lined_up = line_up(state) if case.clips == 1 else jax.vmap(line_up)(state)
    kernels, cells = (x.reshape(case.clips, *x.shape[-2:]) for x in lined_up)
    previous = split_labels(labels, cells.shape[1], cells.dtype)
    frame = normalize_frame(frame, PRECISIONS[segmenter.precision])
    arguments = [{"params": segmenter.rounded_params}, kernels, cells, frame, previous]
    apply = jax.jit(segmenter.model.apply)
    return compile_ahead(apply, *arguments, precision=segmenter.precision), arguments


def _list_parts(
    segmenter: Segmenter, case: Case, programs: Programs, frames: int
) -> Iterator[Part]:
    """Gives the parts of a case one after another; each is to be timed before the next."""
    init, step = programs.functions
    first = jax.device_put((programs.images[0], programs.labels))
    params, network, arguments = segmenter.rounded_params, programs.network, programs.arguments
    yield Part("template", lambda: jax.block_until_ready(init(params, *first)), init)
    yield Part("network", lambda: network(*arguments).block_until_ready(), network)
    yield Part("step", _prepare_step(programs, params), step)
    if case.clips == 1:
        with tempfile.TemporaryDirectory() as folder:
            yield from _prepare_video(segmenter, programs, frames, Path(folder))


def _prepare_step(programs: Programs, params: Any) -> Callable[[], object]:
    """What brings one frame after another to the device and its labels back."""
    init, step = programs.functions
    state = init(params, programs.images[0], programs.labels)
    stream = itertools.cycle(programs.images[1:])

    def run() -> None:
        nonlocal state
        state, found = step(params, state, next(stream))
        np.asarray(found)

    return run


def _prepare_video(
    segmenter: Segmenter, programs: Programs, frames: int, folder: Path
) -> Iterator[Part]:
    """A step with a video read before it and an overlay written after it."""
    source = folder / "source.mp4"
    images = itertools.cycle(programs.images)
    write_video(source, itertools.islice(images, 1 + WARM_UP + frames), 24)
    with open_video(str(source)) as video, VideoWriter(folder / "result.mp4", 24) as writer:
        pictures = iter(video)
        tracker = segmenter.start(next(pictures).image, programs.labels)

        def run() -> None:
            frame = next(pictures)
            writer.write(paint_overlay(frame.image, tracker.step(frame.image)), frame.time)

        yield Part("video", run, None)
