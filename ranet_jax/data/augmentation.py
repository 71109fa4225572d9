"""Every number that training examples are made with."""

from dataclasses import dataclass, field

from ranet_jax.data.damage import Damage


@dataclass(frozen=True)
class Augmentation:
    """Every number of the augmentation. The defaults are those of stage 1 for one object.

    What is called the largest is the end of a uniform distribution around no change.

    Attributes:
        canvas: height and width of the network's input.
        spline: largest move of the 16 control points, as a share of the image's sides.
        rotation: largest angle, degrees.
        scaling: largest relative change of size.
        shift: largest shift, as a share of the image's sides: with `box_jitter` the random crop.
        flip: probability that both views are mirrored.
        colour: largest relative change of brightness, contrast and saturation, equal in both views.
        colour_apart: the same, drawn for each view on its own.
        damage: of the previous mask.
        box_jitter: largest shift of the current view's box, as a share of its sides, and largest
            relative change of its size.
        visible: smallest part of an object that a view must show.
        cover: whether the image covers the canvas before its warp, as most videos do; if not, it
            fits into it.
        pasted_objects: most objects of other images, or videos, that the loader pastes, at least
            one; 0: none. Generated clips get none.
        pasted_share: in which share of the images, or videos, objects are pasted.
        distractors: in which share of these one drawn object alone is asked for, so that all others
            are background.
        lookalikes: which share of the pasted objects is the image's, or video's, own object once
            more.
        pasted_area: smallest and largest area of one, as a share of the image's.
        shadows: which share of the objects of single images get a shadow or a reflection, which
            are background.
        shadows_taken_in: which share of these the previous mask has taken for the object.
        distractors_taken_in: in which share of the images, or videos, with distractors the previous
            mask has taken one for the object; in a third of these it has left the object for it.
        later_frames: how many frames follow the current one, on each of which the network gets what
            it made of the frame before as previous mask.
    """

    canvas: tuple[int, int] = (480, 864)
    spline: float = 0.15
    rotation: float = 30.0
    scaling: float = 0.25
    shift: float = 0.1
    flip: float = 0.5
    colour: float = 0.25
    colour_apart: float = 0.08
    damage: Damage = field(default_factory=Damage)
    box_jitter: float = 0.08
    visible: float = 0.25
    cover: bool = False
    pasted_objects: int = 0
    pasted_share: float = 1.0
    distractors: float = 0.0
    lookalikes: float = 0.0
    pasted_area: tuple[float, float] = (0.03, 0.2)
    shadows: float = 0.0
    shadows_taken_in: float = 0.0
    distractors_taken_in: float = 0.0
    later_frames: int = 0


IMAGES_ALONE = ("shadows", "shadows_taken_in")
"""Numbers that say nothing of videos; a recipe has them for single images alone."""
