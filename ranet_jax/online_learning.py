"""Online learning, the paper's RANet+: fine-tunes on a video's first frame before segmenting it."""

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from ranet_jax.compilation import compile_ahead
from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.example import FRAME_SCALE, Example
from ranet_jax.data.pairs import make_static_example
from ranet_jax.errors import InputError
from ranet_jax.models.ranet import GROUP, RANet
from ranet_jax.protocol import PRECISIONS, find_slot_size
from ranet_jax.remarks import remark_if_slow
from ranet_jax.segmenter import Segmenter
from ranet_jax.slots import check_frame, find_ids

CLIP_NORM = 1.0
"""Largest global norm of a gradient, as in stage 1."""


class LearningFunctions(NamedTuple):
    """The two pure, jitted functions that learn a video; see `build_learning`."""

    begin: Callable[[Any], Any]
    update: Callable[[Any, Mapping[str, ArrayLike]], tuple[Any, tuple[Array, Array]]]


@functools.cache
def build_learning(model: RANet, slots: int, precision: str, rate: float) -> LearningFunctions:
    """Builds `begin` and `update` of a network: Adam behind clipping, as in stage 1.

    The rate is constant, because a warm-up or a decay would be longer than what it belongs to; and
    the last parameters are used, not their average, which after few steps would still be the
    parameters of the beginning.

    Args:
        model: the network.
        slots: room for objects, see `SLOTS`.
        precision: of the computation, see `PRECISIONS`; the parameters stay float32.
        rate: of learning.

    Returns:
        `begin(params) -> state` copies the parameters, so that they outlive `update(state, example)
        -> (state, (loss, gradient norm))`, which donates its state: the one handed in is used up.
        A state is (params, state of Adam), an example the fields of `Example`, uint8 [1, ...].
    """
    # In here and in `load_examples`, because the commands import this module, also where the extra
    # `train` is not installed.
    import optax

    from ranet_jax.models.objective import compute_loss

    optimizer = optax.chain(optax.clip_by_global_norm(CLIP_NORM), optax.adam(rate))

    def begin(params: Any) -> Any:
        return jax.tree.map(jnp.copy, params), optimizer.init(params)

    def update(state: Any, example: dict[str, Array]) -> tuple[Any, tuple[Array, Array]]:
        params, adam = state
        loss, gradients = jax.value_and_grad(
            lambda params: compute_loss(model, params, example, slots, PRECISIONS[precision])
        )(params)
        updates, adam = optimizer.update(gradients, adam)
        return (optax.apply_updates(params, updates), adam), (loss, optax.tree.norm(gradients))

    return LearningFunctions(jax.jit(begin), jax.jit(update, donate_argnums=0))


def load_examples(
    frame: np.ndarray, mask: np.ndarray, augmentation: Augmentation, steps: int, seed: int
) -> Iterator[dict[str, np.ndarray]]:
    """Draws examples from one frame, some ahead of their use, beside what else the program does.

    Args:
        frame: uint8 RGB [h, w, 3].
        mask: uint8 [h, w] of ids, 0 background.
        augmentation: of stage 1.
        steps: how many.
        seed: example k follows from it and k alone.

    Returns:
        An iterator of the fields of `Example`, uint8 [1, ...].

    Raises:
        InputError: when iterated, as `make_static_example`.
    """
    import grain

    def draw(step: int) -> dict[str, np.ndarray]:
        generator = np.random.default_rng([seed, step])
        example = make_static_example(frame, mask, augmentation, generator)
        return {name: array[None] for name, array in example._asdict().items()}

    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=2)
    return iter(grain.MapDataset.range(steps).map(draw).to_iter_dataset(options))


def check_learnable(objects: int) -> None:
    """Refuses more objects than can be learned at once.

    Args:
        objects: how many the first frame has.

    Raises:
        InputError: too many.
    """
    if objects > GROUP:
        raise InputError(
            f"online learning of {objects} objects; at most {GROUP} fit, so leave it out"
        )


class OnlineLearner:
    """Learns one video after another, each from the segmenter's parameters, which never change.

    One example a step: the paper does not say how many, with instance norm a batch changes nothing
    else, and time a video, by which the paper measures, buys the most steps this way. Compiled once
    for each size of `SLOTS` in use, ahead of time.

    Attributes:
        steps: of each video.
        rate: of learning.
        seed: of the examples; equal seeds give equal parameters, bit for bit on a CPU.
        seconds: spent on learning so far, without compilation.
        compile_seconds: spent on compilation so far.
    """

    def __init__(
        self, segmenter: Segmenter, steps: int, rate: float | None = None, seed: int = 0
    ) -> None:
        """Prepares to learn videos; nothing is compiled yet.

        Args:
            segmenter: whose network, parameters and precision to start from.
            steps: of each video, at least 1.
            rate: of learning, above 0; that of the segmenter's protocol when None.
            seed: of the examples, at least 0.

        Raises:
            InputError: one of them is outside its range.
        """
        # Here, so that a missing extra is said before anything is done.
        import grain  # noqa: F401
        import optax  # noqa: F401

        if steps < 1:
            raise InputError(f"online learning of {steps} steps; give at least 1, or 0 for none")
        usual = segmenter.protocol.online_rate
        rate = usual if rate is None else rate
        if not 0 < rate < np.inf:
            raise InputError(f"online learning at a rate of {rate}; give one above 0, like {usual}")
        if seed < 0:
            raise InputError(f"online learning with the seed {seed}; give at least 0")
        self.steps, self.rate, self.seed = steps, rate, seed
        self.seconds = self.compile_seconds = 0.0
        self._segmenter = segmenter
        self._compiled: dict[int, LearningFunctions] = {}

    def learn(
        self,
        frame: np.ndarray,
        mask: np.ndarray,
        report_step: Callable[[int], None] = lambda step: None,
    ) -> Any:
        """Learns a video from its first frame.

        Args:
            frame: uint8 RGB [h, w, 3], any size.
            mask: ids of the objects in it, uint8 [h, w]; 0 is background.
            report_step: called with the number of each step, from 1, when it is done.

        Returns:
            Parameters for `Segmenter.start` of this video.

        Raises:
            InputError: frame or mask cannot be used, as for `Segmenter.start`; or a step was not
                finite.
        """
        check_frame(frame)
        functions = self.compile(find_ids(frame, mask).size)
        mask = mask.astype(np.uint8)
        augmentation = Augmentation(canvas=self._segmenter.model.canvas)
        start = time.perf_counter()
        state = functions.begin(self._segmenter.params)
        examples = load_examples(frame, mask, augmentation, self.steps, self.seed)
        for step, example in enumerate(examples, 1):
            state, (loss, norm) = functions.update(state, example)
            # Waits for the device once a step, and meanwhile the next examples are drawn.
            if not np.isfinite([float(loss), float(norm)]).all():
                raise InputError(
                    f"online learning is not finite at step {step} (loss {loss}, gradient norm "
                    f"{norm}); use a rate below {self.rate}"
                )
            report_step(step)
        params, _ = jax.block_until_ready(state)
        self.seconds += time.perf_counter() - start
        return params

    def compile(self, objects: int) -> LearningFunctions:
        """Compiles for a number of objects, unless that was done before.

        Raises:
            InputError: too many objects to learn.
        """
        check_learnable(objects)
        slots = find_slot_size(objects)
        if slots not in self._compiled:
            start = time.perf_counter()
            model, params = self._segmenter.model, self._segmenter.params
            frame_canvas = [FRAME_SCALE * side for side in model.canvas]
            image, labels, later_frames, later_labels = (
                jax.ShapeDtypeStruct((1, *shape), jnp.uint8)
                for shape in (
                    (*model.canvas, 3),
                    model.canvas,
                    (0, *frame_canvas, 3),
                    (0, *frame_canvas),
                )
            )
            box = jax.ShapeDtypeStruct((1, 4), jnp.int32)
            shapes = image, labels, image, labels, labels, box, later_frames, later_labels
            example = dict(zip(Example._fields, shapes, strict=True))
            precision = self._segmenter.precision
            functions = build_learning(model, slots, precision, self.rate)
            state = jax.eval_shape(functions.begin, params)
            with remark_if_slow(
                "online learning is being compiled, which takes a minute or more the first time; "
                "should XLA call that very slow, it is no fault"
            ):
                self._compiled[slots] = LearningFunctions(
                    compile_ahead(functions.begin, params, precision=precision),
                    compile_ahead(functions.update, state, example, precision=precision),
                )
            self.compile_seconds += time.perf_counter() - start
        return self._compiled[slots]
