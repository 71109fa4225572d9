"""How an example is drawn from a record of each kind: an image, a video, a generated clip."""

from typing import NamedTuple

import numpy as np

from ranet_jax.data.augmentation import Augmentation
from ranet_jax.data.example import Example
from ranet_jax.data.pairs import make_static_example, make_video_example
from ranet_jax.data.paste import Picture, paste_objects, paste_tracks
from ranet_jax.data.records import Source, VideoRecords
from ranet_jax.data.shadow import draw_shadow
from ranet_jax.data.synthetic import generate_clip

_LEFT = 1 / 3
"""How often a previous mask that has taken in a distractor has left the object for it."""


class StaticDraw(NamedTuple):
    """Stage 1: a pair from one image, with objects of other images pasted where asked for."""

    source: Source
    augmentation: Augmentation

    def __call__(self, index: int, generator: np.random.Generator) -> Example:
        """Makes an example of image `index`."""
        image, mask, _ = self.source[index]
        numbers = self.augmentation
        pasted = _draw_pasted(len(self.source), index, numbers, generator)
        if pasted:
            others = (self.source[other][:2] for other in pasted)
            image, mask = paste_objects(image, mask, others, numbers, generator)
        image, previous = _draw_shadows(image, mask, numbers, generator)
        if pasted and generator.random() < numbers.distractors:
            (mask,), previous = _ask_for_one([mask], previous, numbers, generator)
        start = previous if numbers.shadows_taken_in or numbers.distractors_taken_in else None
        return make_static_example(image, mask, numbers, generator, start)


def _draw_pasted(
    count: int, own: int, numbers: Augmentation, generator: np.random.Generator
) -> list[int]:
    """Draws which images, or videos, of so many give objects to paste; none where none are."""
    if not numbers.pasted_objects or generator.random() >= numbers.pasted_share:
        return []
    size = generator.integers(1, numbers.pasted_objects + 1)
    chosen = generator.integers(count, size=size)
    return np.where(generator.random(size) < numbers.lookalikes, own, chosen).tolist()


def _draw_shadows(
    image: np.ndarray, mask: np.ndarray, numbers: Augmentation, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draws shadows of some objects; gives the image, and a mask that has taken some of them in."""
    previous = mask.copy()
    for identifier in np.unique(mask[mask != 0]) if numbers.shadows else ():
        if generator.random() < numbers.shadows:
            image, place = draw_shadow(image, mask, int(identifier), generator)
            if numbers.shadows_taken_in and generator.random() < numbers.shadows_taken_in:
                previous[place] = identifier
    return image, previous


def _ask_for_one(
    masks: list[np.ndarray],
    previous: np.ndarray,
    numbers: Augmentation,
    generator: np.random.Generator,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Draws which object of the first mask is asked for; all others are distractors.

    Returns:
        The masks, with that object alone, and the previous mask, which may have taken one in.
    """
    asked = generator.choice(np.unique(masks[0][masks[0] != 0]))
    taken = _draw_taken(masks[0], asked, numbers.distractors_taken_in, generator)
    alone = [(mask == asked).astype(np.uint8) for mask in masks]
    return alone, np.isin(previous, taken).astype(np.uint8)


def _draw_taken(
    mask: np.ndarray, asked: int, share: float, generator: np.random.Generator
) -> list[int]:
    """Draws whose pixels a previous mask has: the object's that is asked for, or others' too."""
    others = np.setdiff1d(mask, [0, asked])
    if not share or not others.size or generator.random() >= share:
        return [asked]
    other = int(generator.choice(others))
    return [other] if generator.random() < _LEFT else [asked, other]


class VideoDraw(NamedTuple):
    """Stage 2: two frames of one video, and the mask of a frame near the current one.

    Objects of other videos are pasted onto all of them where asked for, each as it moves in frames
    that were drawn of its own video in the same way.

    Attributes:
        source: frames of all videos.
        videos: which frames belong together.
        augmentation: all numbers.
        reach: how many frames of the original video the previous mask may be away.
    """

    source: Source
    videos: tuple[VideoRecords, ...]
    augmentation: Augmentation
    reach: int

    def __call__(self, index: int, generator: np.random.Generator) -> Example:
        """Makes an example whose current frame is frame `index`."""
        starts = [video.start for video in self.videos]
        own = int(np.searchsorted(starts, index, side="right")) - 1
        frames = self._draw_frames(self.videos[own], index, generator)
        numbers = self.augmentation
        pasted = _draw_pasted(len(self.videos), own, numbers, generator)
        if pasted:
            others = (self._draw_video(self.videos[other], generator) for other in pasted)
            frames = paste_tracks(frames, others, numbers, generator)
        images = [image for image, _ in frames]
        masks = [mask for _, mask in frames]
        previous = masks[2]
        if pasted and generator.random() < numbers.distractors:
            masks, previous = _ask_for_one(masks, previous, numbers, generator)
        template, current, _, *later = zip(images, masks, strict=True)
        return make_video_example(*template, *current, previous, numbers, generator, later)

    def _draw_video(self, video: VideoRecords, generator: np.random.Generator) -> list[Picture]:
        """Draws frames of a video, all of which are as likely to be the current one."""
        index = video.start + int(generator.integers(len(video.numbers)))
        return self._draw_frames(video, index, generator)

    def _draw_frames(
        self, video: VideoRecords, index: int, generator: np.random.Generator
    ) -> list[Picture]:
        """Draws the template for frame `index`, and a frame near that.

        Returns:
            The template, frame `index`, the frame near it, and those that follow.
        """
        numbers = np.array(video.numbers)
        distance = np.abs(numbers - numbers[index - video.start])
        near = np.flatnonzero((distance > 0) & (distance <= self.reach))
        nearby = index if not near.size else video.start + int(generator.choice(near))
        template = video.start + int(generator.integers(len(numbers)))
        chosen = [template, index, nearby, *self._find_later(video, nearby, index)]
        return [self.source[each][:2] for each in chosen]

    def _find_later(self, video: VideoRecords, nearby: int, index: int) -> list[int]:
        """The frames after frame `index`, in the direction and at the pace of the previous one.

        A video is followed back where it ends, or lacks more frames than `reach`; where it does so
        on both sides it stands still.
        """
        numbers = np.array(video.numbers)
        here = index - video.start
        pace = int(numbers[here] - numbers[nearby - video.start]) or 1
        reach = max(self.reach, abs(pace))
        found = []
        for _ in range(self.augmentation.later_frames):
            there = _step(numbers, here, pace, reach)
            if there is None:
                pace = -pace
                there = _step(numbers, here, pace, reach)
            here = here if there is None else there
            found.append(video.start + here)
        return found


def _step(numbers: np.ndarray, here: int, pace: int, reach: int) -> int | None:
    """Finds which frame comes at some pace after another one.

    Args:
        numbers: of all frames, ascending.
        here: index of the frame to go on from.
        pace: by how much the number is to grow, or to shrink.
        reach: by how much at most.

    Returns:
        Index of the frame whose number is nearest to that; None where the video has none.
    """
    wanted = numbers[here] + pace
    if not numbers[0] <= wanted <= numbers[-1]:
        return None
    ahead = np.flatnonzero((numbers - numbers[here]) * np.sign(pace) > 0)
    there = int(ahead[np.argmin(np.abs(numbers[ahead] - wanted))])
    return there if abs(numbers[there] - numbers[here]) <= reach else None


class ClipDraw(NamedTuple):
    """The demo: two frames of a generated clip; clips never repeat."""

    augmentation: Augmentation

    def __call__(self, index: int, generator: np.random.Generator) -> Example:
        """Makes an example of a clip that the generator alone decides."""
        later = self.augmentation.later_frames
        frames, masks = generate_clip(generator, 12 + later, self.augmentation.canvas)
        current = int(generator.integers(1, len(frames) - later))
        return make_video_example(
            frames[0],
            masks[0],
            frames[current],
            masks[current],
            masks[current - 1],
            self.augmentation,
            generator,
            [(frames[current + t], masks[current + t]) for t in range(1, later + 1)],
        )
