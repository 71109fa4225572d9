"""RANet: a pure function of (params, template, current frame, previous masks)."""

import functools
from typing import TYPE_CHECKING, Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from ranet_jax.models.ablations import ABLATIONS
from ranet_jax.models.decoder import Decoder
from ranet_jax.models.ranking import RankingAttention, correlate
from ranet_jax.models.resnet import RESNET_BLOCKS, Encoder, Features
from ranet_jax.models.template import CELL, pool_kernels

GROUP = 16
"""Objects that are ranked and decoded together; more go through the decoder in groups, one after
another, so that its memory does not grow with them."""


class RANet(nn.Module):
    """The network; the defaults are the released model.

    Linen's `setup` and not `@nn.compact`, because the encoder has two entries: once a video for the
    template, and once for each later frame.

    Attributes:
        blocks: bottlenecks of each stage of the ResNet.
        width: channels of its stem, which all widths of the ResNet follow; 64 in ImageNet models.
        head_width: the same for all that comes after the ResNet; 64 as released.
        canvas: height and width of the input, multiples of 32.
        cell: side in pixels of the cell of the template that one kernel stands for: 32, as
            released, or 16, a kernel for each place of the matching feature.
        top_k: similarity maps that each stream keeps; zero maps fill up what a canvas lacks.
        ranking_rule: how objects are ranked, "single" or "multi"; see `RankingAttention`.
        selection: what the decoder gets of template and current frame. "ranking", as released; or
            an ablation of the paper, see `ablations.ABLATIONS`.
        learned_scores: whether a network adds to the maps' scores, as released; if not, maps are
            ranked by their maximum alone, and no weight depends on the canvas.
        use_previous: whether the decoder gets the previous mask; if not, it gets zeros, in training
            too. The box still follows the previous mask: the paper does not say, and without it
            another protocol would be measured.
        activation: what the logits mean, "sigmoid" or "softmax"; see `activation.find_probability`.
    """

    blocks: tuple[int, ...] = RESNET_BLOCKS[101]
    width: int = 64
    head_width: int = 64
    canvas: tuple[int, int] = (480, 864)
    cell: int = CELL
    top_k: int = 256
    ranking_rule: str = "single"
    selection: str = "ranking"
    learned_scores: bool = True
    use_previous: bool = True
    activation: str = "sigmoid"

    if TYPE_CHECKING:  # Linen makes it of the fields, which type checkers do not see.

        def __hash__(self) -> int: ...

    def setup(self) -> None:
        """Builds the three parts; one that a selection never calls gets no parameters."""
        self.encoder = Encoder(self.blocks, self.width, self.head_width)
        self.ranking = RankingAttention(
            self.head_width, self.top_k, self.ranking_rule, self.learned_scores, self.cell
        )
        self.decoder = Decoder(self.head_width)

    @property
    def positions(self) -> int:
        """How many kernels a template gives: 405 on the 480 x 864 canvas."""
        h, w = self.canvas
        return (h // self.cell) * (w // self.cell)

    @property
    def is_tied_to_canvas(self) -> bool:
        """Whether the shapes of its weights depend on the canvas."""
        if self.selection == "ranking":
            return self.learned_scores
        return ABLATIONS[self.selection].is_tied_to_canvas

    def template(self, frame: Array) -> Array:
        """Turns template frames into kernels; computed once for a template.

        Args:
            frame: normalised RGB of the template, [b, h, w, 3].

        Returns:
            Kernels as by `pool_kernels`, [b, positions, c].
        """
        _, matching = self.encoder(frame)
        return pool_kernels(matching, self.cell)

    def __call__(self, kernels: Array, cells: Array, frame: Array, previous: Array) -> Array:
        """Segments the current frame, all objects at once.

        The dtype of `frame` is the dtype of the computation. Objects sit in slots; an empty slot
        is all zero in `cells` and in `previous`, and its output means nothing.

        Args:
            kernels: of the template, [b, positions, c]; where there are several, all their
                positions, one template after another.
            cells: each object's share of each template cell, [b, n, positions], 0..1, float32 or
                wider.
            frame: normalised RGB of the current frame, [b, h, w, 3].
            previous: each object's mask in the frame before, 0 or 1, [b, n, h, w].

        Returns:
            Logits [b, n, h, w] in the dtype of `frame`.
        """
        logits, _ = self.segment_and_look(kernels, cells, frame, previous)
        return logits

    def segment_and_look(
        self, kernels: Array, cells: Array, frame: Array, previous: Array
    ) -> tuple[Array, Array]:
        """Segments the current frame, and gives what it would be as a template, at no cost.

        Args:
            kernels: as for `__call__`.
            cells: likewise.
            frame: likewise.
            previous: likewise.

        Returns:
            Logits as `__call__` gives them, and the kernels of the current frame, as `template`
            gives them.
        """
        features, matching = self.encoder(frame)
        if not self.use_previous:
            previous = jnp.zeros_like(previous)
        if cells.shape[1] > GROUP:
            logits = self._decode_groups(features, kernels, matching, cells, previous)
        else:
            foreground, background = self._select(kernels, matching, cells)
            logits = self.decoder(features, foreground, background, previous)
        return logits, pool_kernels(matching, self.cell)

    def _select(
        self, kernels: Array, matching: Array, cells: Array, chosen: Array | None = None
    ) -> tuple[Array, Array]:
        """What the decoder gets for foreground and background, each [b, n, y, x, channels]."""
        if self.selection == "ranking":
            return self.ranking(correlate(kernels, matching), cells, chosen)
        select = ABLATIONS[self.selection].select
        own = cells if chosen is None else cells[:, chosen]
        return select(kernels, matching, own, self.ranking_rule)

    def _decode_groups(
        self, features: Features, kernels: Array, matching: Array, cells: Array, previous: Array
    ) -> Array:
        """Selects and decodes for many objects, `GROUP` of them at a time: logits [b, n, h, w]."""
        b, n, h, w = previous.shape
        # The last group may name the last object several times, and its answers are cut off.
        numbers = jnp.minimum(jnp.arange(-(-n // GROUP) * GROUP), n - 1).reshape(-1, GROUP)

        def decode(ranet: RANet, _: None, chosen: Array) -> tuple[None, Array]:
            foreground, background = ranet._select(kernels, matching, cells, chosen)
            return None, ranet.decoder(features, foreground, background, previous[:, chosen])

        # Linen's own scan, because jax's would not see which parameters are whose.
        scan = nn.scan(decode, variable_broadcast="params", split_rngs={"params": False})
        _, logits = scan(self, None, numbers)  # [groups, b, GROUP, h, w]
        return jnp.moveaxis(logits, 0, 1).reshape(b, -1, h, w)[:, :n]


def small_ranet(ranking_rule: str = "single") -> RANet:
    """The small variant for tests and demos: thin, shallow and on a small canvas."""
    return RANet(
        blocks=(1, 1, 1, 1),
        width=16,
        head_width=16,
        canvas=(160, 288),
        top_k=28,
        ranking_rule=ranking_rule,
    )


def compact_ranet(ranking_rule: str = "multi") -> RANet:
    """The compact member of the family, which runs and trains on a CPU: `configs/compact.py`.

    ResNet-50, half the width after it, maps ranked by their maximum. It was trained on small
    canvases, and its weights fit any.
    """
    return RANet(
        blocks=RESNET_BLOCKS[50],
        head_width=32,
        canvas=(256, 448),
        top_k=64,
        ranking_rule=ranking_rule,
        learned_scores=False,
    )


def compact_fine_ranet(ranking_rule: str = "multi") -> RANet:
    """The compact network with four times as many kernels: `configs/legs/leg_06_fine.py`.

    On a small canvas, cells of 32 pixels are coarse beside an object: feet and shadow share one.
    """
    return compact_ranet(ranking_rule).clone(cell=16, top_k=256)


NAMED_MODELS = {"compact": compact_ranet, "compact_fine": compact_fine_ranet, "small": small_ranet}
"""Networks of the family that are no RANet of a ResNet's depth alone."""


@functools.cache
def abstract_params(model: RANet) -> Any:
    """The parameter tree of a network with shapes and dtypes alone.

    Kept, because tracing a deep network takes a second and a start asks for it several times.
    """
    h, w = model.canvas
    kernels, cells = jnp.zeros((1, model.positions, 8 * model.head_width)), (1, 1, model.positions)
    inputs = kernels, jnp.zeros(cells), jnp.zeros((1, h, w, 3)), jnp.zeros((1, 1, h, w))
    return jax.eval_shape(model.init, jax.random.key(0), *inputs)["params"]


def round_kernels(params: Any, dtype: DTypeLike) -> Any:
    """Rounds the kernels once that a computation in a narrower dtype would round in each frame.

    By NumPy, because XLA would compile for each shape.

    Args:
        params: of a network.
        dtype: of the computation.

    Returns:
        The parameters, with kernels in `dtype` where they are wider. Those of the ranking network
        stay, which scores in float32.
    """

    def round_one(path: tuple, leaf: Array) -> Array:
        if path[0].key == "ranking" or path[-1].key != "kernel":
            return leaf
        return jax.device_put(np.asarray(leaf).astype(dtype), getattr(leaf, "sharding", None))

    is_narrow = jnp.finfo(dtype).bits < 32
    return jax.tree_util.tree_map_with_path(round_one, params) if is_narrow else params


def init_params(model: RANet, seed: int) -> Any:
    """Draws untrained parameters: He-normal convolutions, unit scales, zero biases.

    The last convolution of the ranking network is zero, so that maps are ranked by their maximum:
    the network only orders maps, no gradient reaches it, and a random one would be mere noise.

    Drawn by NumPy, leaf after leaf, and not by Linen's `init`: XLA takes 20 s to compile the
    hundreds of draws, and the numbers of a seed are the same with every version of jax.

    Args:
        model: the network.
        seed: of the draw.

    Returns:
        The parameter tree, float32.
    """
    generator = np.random.default_rng(seed)

    def draw(path: tuple, leaf: jax.ShapeDtypeStruct) -> Array:
        if [key.key for key in path[:3]] == ["ranking", "network", "conv2"]:
            values = np.zeros(leaf.shape)
        elif path[-1].key == "kernel":  # [h, w, in, out]
            deviation = np.sqrt(2 / np.prod(leaf.shape[:-1]))
            values = deviation * generator.standard_normal(leaf.shape, np.float32)
        else:
            values = (np.ones if path[-1].key == "scale" else np.zeros)(leaf.shape)
        return jnp.asarray(values, jnp.float32)

    return jax.tree_util.tree_map_with_path(draw, abstract_params(model))
