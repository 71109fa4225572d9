"""The parts of a case that are timed: template, network, step and video."""

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ranet_jax.benchmark.cases import Case, make_clip
from ranet_jax.benchmark.rows import describe_row
from ranet_jax.benchmark.timing import CompilationCounter, measure, time_runs
from ranet_jax.compilation import compile_ahead, compile_functions
from ranet_jax.media.video import open_video
from ranet_jax.media.video_writer import write_video
from ranet_jax.models.ranet import RANet
from ranet_jax.models.resnet import normalize_frame
from ranet_jax.models.template import split_labels
from ranet_jax.protocol import PRECISIONS, VideoFunctions, build, find_slot_size
from ranet_jax.segment.engine import segment_video
from ranet_jax.segmenter import Segmenter
from ranet_jax.template_bank import State, line_up

RELEASED_GFLOP = {"template": 165.2, "network": 263.4, "step": 263.4}
"""Counted on the released model, one object, 2 a multiply-add; jax counts all else as well."""

VIDEO_FRAMES = 16
"""Frames of a video that are timed; two before them are not."""


class Part(NamedTuple):
    """Something of a case that is timed.

    Attributes:
        name: of its row.
        take_turn: does it a few times and gives the milliseconds of each.
        program: what runs in it; None where that is not one program alone.
    """

    name: str
    take_turn: Callable[[], list[float]]
    program: Callable[..., object] | None


def time_case(
    segmenter: Segmenter, case: Case, frames: int, counter: CompilationCounter
) -> list[dict[str, Any]]:
    """Times all parts of a case, in turn.

    Args:
        segmenter: the network.
        case: how many clips and objects.
        frames: timed runs of each part, about, see `timing.measure`.
        counter: of compilations while the clock runs.

    Returns:
        The rows, see `rows.describe_row`.
    """
    rows = []
    programs = compile_case(segmenter, case)
    name = f"{case.clips}x{case.objects}"
    print(f"{name}: {programs.seconds:.1f} s of compilation, apart; now timed in turn", flush=True)
    with _list_parts(segmenter, case, programs) as parts:
        taken = measure([part.take_turn for part in parts], frames, counter)
    for part, milliseconds in zip(parts, taken, strict=True):
        row = describe_row(case, part.name, milliseconds, part.program)
        if part.program and case.objects == 1 and segmenter.model == RANet():
            row["released_gflop"] = RELEASED_GFLOP[part.name] * case.clips
        rows.append(row | {"case_compile_seconds": programs.seconds})
        print(f"{name}: {part.name} {row['ms_median']:.2f} ms", flush=True)
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


@contextmanager
def _list_parts(segmenter: Segmenter, case: Case, programs: Programs) -> Iterator[list[Part]]:
    """Gives the parts of a case; their files are there as long as this is open."""
    init, step = programs.functions
    first = jax.device_put((programs.images[0], programs.labels))
    params, network, arguments = segmenter.rounded_params, programs.network, programs.arguments
    runs = {
        "template": (lambda: jax.block_until_ready(init(params, *first)), init),
        "network": (lambda: network(*arguments).block_until_ready(), network),
        "step": (_prepare_step(programs, params), step),
    }
    parts = [Part(name, partial(time_runs, run), program) for name, (run, program) in runs.items()]
    with tempfile.TemporaryDirectory() as folder:
        if case.clips == 1:
            take_turn = _prepare_video(segmenter, programs, Path(folder))
            parts.append(Part("video", take_turn, None))
        yield parts


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
    segmenter: Segmenter, programs: Programs, folder: Path
) -> Callable[[], list[float]]:
    """What `segment` does: a video read, masks and an overlay written, the network between them."""
    source = folder / "source.mp4"
    write_video(source, itertools.islice(itertools.cycle(programs.images), 2 + VIDEO_FRAMES), 24)

    def take_turn() -> list[float]:
        segmented: list[float] = []
        with open_video(str(source)) as video:
            segment_video(
                segmenter,
                video,
                {0: programs.labels},
                folder / "out",
                overwrite=True,
                report_frame=lambda *_: segmented.append(time.perf_counter()),
            )
        # From the end of the first step on, and with all that is written after the last.
        return [1000 * (time.perf_counter() - segmented[1]) / VIDEO_FRAMES]

    return take_turn
