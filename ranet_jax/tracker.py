"""One video under way: `Tracker`, which `Segmenter.start` gives."""

import dataclasses
from collections.abc import Mapping
from typing import Any
from typing import Protocol as Interface

import jax.numpy as jnp
import numpy as np

from ranet_jax.errors import InputError
from ranet_jax.geometry.canvas import Canvas
from ranet_jax.protocol import Protocol, VideoFunctions, find_slot_size
from ranet_jax.remarks import remark
from ranet_jax.slots import check_frame, correct, find_ids, number_slots
from ranet_jax.template_bank import State, choose_place, find_sizes, place_look

_STATE = tuple(field.name for field in dataclasses.fields(State))


class Compiler(Interface):
    """What a tracker needs of a `Segmenter`; see there."""

    protocol: Protocol
    probabilities: bool
    frame_canvas: tuple[int, int]

    def compile(self, objects: int, templates: int | None = None) -> VideoFunctions:
        """Compiles `init` and `step` for a number of objects, unless that was done before."""
        ...


class Tracker:
    """One video under way: hands each frame to the device and brings its labels back.

    Attributes:
        ids: ids of the objects, ascending; slot i holds `ids[i - 1]`.
        probability: each object's, float32 [h, w, objects] in the order of `ids`, for the frame of
            the last `step`; None before it, or without `Segmenter.probabilities`.
        labels: the last masks on the frame canvas, uint8, i for slot i.
    """

    def __init__(
        self,
        segmenter: Compiler,
        frame: np.ndarray,
        mask: np.ndarray,
        params: Any,
        name: str,
    ) -> None:
        """Starts a video; see `Segmenter.start`, but `params` are rounded."""
        check_frame(frame)
        self._segmenter = segmenter
        self._params = params
        self._name = name
        self._canvas = Canvas(frame.shape[:2], segmenter.frame_canvas)
        self.mark(frame, mask)

    def mark(self, frame: np.ndarray, mask: np.ndarray) -> None:
        """Says where the objects are in a frame: at the start, or anew in the middle of a video.

        The mask is the whole truth from here on. Its objects are followed from this frame, which
        becomes their only template; an id that was followed and is not in it no longer is. To add
        to what is followed, see `add`. Nothing is compiled as long as the number of objects stays
        inside a slot size that was in use before.

        Args:
            frame: uint8 RGB [h, w, 3], of the first frame's size.
            mask: uint8 [h, w], as for `Segmenter.start`.

        Raises:
            InputError: as `Segmenter.start`; the tracker then goes on as before.
        """
        self._check_size(frame)
        ids = find_ids(frame, mask)
        functions = self._segmenter.compile(ids.size)
        labels = self._fit(mask, ids, ids)
        self._state = functions.init(self._params, self._canvas.fit_frame(frame), labels)
        self._step = functions.step
        self._take(ids, labels)
        self.probability: np.ndarray | None = None

    def add(self, frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Shows objects in the frame of the last `step`, in addition to what is followed.

        An id that is new joins; one that is followed gets a new look, and its mask is corrected.
        All others go on as they were: of them this frame becomes no template, so that it does not
        matter whether they are found rightly in it. The background of an object that joins is what
        this frame shows beside it, and all other objects wherever they were shown.

        Each mask that is added takes a place of the bank of templates. When the largest bank is
        full, it takes that of the oldest which is not the first. Nothing is compiled as long as
        objects and templates stay inside sizes that were in use before.

        Args:
            frame: uint8 RGB [h, w, 3], which was segmented last.
            mask: of the objects that are shown, uint8 [h, w] of ids; what is 0 in it stays as it
                was found, but for what was found of its objects elsewhere.

        Returns:
            uint8 [h, w]: ids of all objects in the frame, as known now.

        Raises:
            InputError: as for `mark`, and more objects than there are ids, or a network without
                ranking; the tracker then goes on as before.
        """
        self._check_size(frame)
        given = find_ids(frame, mask)
        ids = np.union1d(self.ids, given).astype(np.uint8)
        # Slots that are free already are kept, so that nothing is compiled for a smaller size.
        objects = max(ids.size, self._state.cells.shape[1])
        number, templates = self._find_place(given)
        functions = self._segmenter.compile(objects, templates)
        slot_of_id = number_slots(ids)
        slots = slot_of_id[given]
        fitted = self._fit(mask, given, ids)
        labels = correct(slot_of_id[self._id_of_slot[self.labels]], fitted, slots)
        # Cut to the box of all objects, as the next frame will be, so that scales agree.
        look = functions.init(self._params, self._canvas.fit_frame(frame), labels)
        state = self._arrange(ids, find_slot_size(objects), templates)
        state = place_look(state, number, look, slots)
        self._state = dataclasses.replace(state, labels=jnp.array(labels))
        self._step = functions.step
        found = self._id_of_slot[self._canvas.restore_labels(self.labels)]
        result = correct(found, mask.astype(np.uint8), given)
        if self.probability is not None:
            self.probability = self._correct_probability(mask, given, ids)
        self._take(ids, labels)
        return result

    def remove(self, one: int) -> None:
        """Stops following an object; from now on it is background to all others.

        Args:
            one: its id.

        Raises:
            InputError: it is not followed, or nothing else is.
        """
        if one not in self.ids:
            followed = ", ".join(map(str, self.ids))
            raise InputError(f"object {one} is not followed; those that are: {followed}")
        if self.ids.size == 1:
            raise InputError(f"object {one} is all that is followed; end the video instead")
        ids = self.ids[self.ids != one]
        slots, templates = self._state.cells.shape[1], self._state.cells.shape[0]
        labels = number_slots(ids)[self._id_of_slot[self.labels]]
        state = self._arrange(ids, slots, templates)
        self._state = dataclasses.replace(state, labels=jnp.array(labels))
        if self.probability is not None:
            self.probability = self.probability[..., self.ids != one]
        self._take(ids, labels)

    def save(self) -> dict[str, np.ndarray]:
        """What `restore` takes: all that does not follow from the masks that were given."""
        if not self._segmenter.protocol.memory_every:
            return {"labels": self.labels}
        saved = {name: np.asarray(getattr(self._state, name)) for name in _STATE}
        wide = jnp.promote_types(saved["kernels"].dtype, jnp.float32)  # files have no bfloat16
        return saved | {"kernels": saved["kernels"].astype(wide)}

    def restore(self, saved: Mapping[str, np.ndarray]) -> None:
        """Goes on where another tracker was, which was given the same frames and masks.

        A mask of the video's size would not do: on the canvas it is not always what it was there.

        Args:
            saved: by `save` of the other tracker.
        """
        self.labels = saved["labels"]
        if "cells" in saved:  # what was remembered may have made the bank larger
            templates, slots = saved["cells"].shape[:2]
            self._step = self._segmenter.compile(slots, templates).step
        # A copy, because `step` uses up its state.
        old = self._state
        copied = {name: jnp.array(saved[name], getattr(old, name).dtype) for name in saved}
        self._state = dataclasses.replace(self._state, **copied)

    @property
    def confidence(self) -> np.ndarray:
        """How sure the network is of the last frame: float32 [objects], in the order of `ids`.

        The mean of each object's probability inside its mask; 0 for an object that was not found,
        1 for one whose mask was given.
        """
        return np.asarray(self._state.confidence, np.float32)[: self.ids.size]

    def step(self, frame: np.ndarray) -> np.ndarray:
        """Segments the next frame.

        Args:
            frame: uint8 RGB [h, w, 3], of the first frame's size.

        Returns:
            uint8 [h, w], the ids of the objects that are followed.

        Raises:
            InputError: the frame has another size than the first.
        """
        self._check_size(frame)
        self._state, output = self._step(self._params, self._state, self._canvas.fit_frame(frame))
        labels = output
        if self._segmenter.probabilities:
            labels, probability = output
            probability = np.asarray(probability)[..., : self.ids.size]
            self.probability = self._canvas.restore_probability(probability)
        self.labels = np.asarray(labels)
        return self._id_of_slot[self._canvas.restore_labels(self.labels)]

    def _take(self, ids: np.ndarray, labels: np.ndarray) -> None:
        """Notes which objects are followed, and where they are."""
        self._id_of_slot = np.concatenate([[0], ids]).astype(np.uint8)
        self.ids = ids
        self.labels = labels

    def _fit(self, mask: np.ndarray, given: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Fits a mask of some of the objects onto the canvas, as slots; says who has no room."""
        numbers = number_slots(ids)
        labels = self._canvas.fit_labels(numbers[mask.astype(np.uint8)])
        for one in given[np.isin(numbers[given], labels, invert=True)]:
            height, width = labels.shape
            remark(
                f"{self._name}: object {one} cannot be followed: it is smaller than a pixel of the "
                f"network's canvas of {width} x {height}, and there is no room for it beside other "
                "objects"
            )
        return labels

    def _correct_probability(
        self, mask: np.ndarray, given: np.ndarray, ids: np.ndarray
    ) -> np.ndarray:
        """The probabilities after a mask of some of the objects, which are certain now."""
        assert self.probability is not None
        probability = (mask[..., None] == ids).astype(np.float32)
        kept = np.isin(ids, given, invert=True)
        old = self.probability[..., np.isin(self.ids, given, invert=True)]
        probability[..., kept] = np.where(mask[..., None] > 0, 0, old)
        return probability

    def _find_place(self, given: np.ndarray) -> tuple[int, int]:
        """Finds a place for another template, and the size of the bank that has it.

        Says so where another template is given up for it, and where an object that is not among
        the given ones is lost with that.
        """
        shown: np.ndarray = np.any(self._state.cells, axis=-1)  # [templates, n]
        templates = len(shown)
        place = choose_place(self._state.cells, self._state.order)
        number = int(place.number)
        (size,) = find_sizes(templates, bool(place.is_free))
        if place.is_free:
            return number, templates
        if size > templates:
            return templates, size
        if not self._segmenter.protocol.memory_every:
            remark(
                f"{self._name}: the bank of {templates} templates is full: for each mask that is "
                "added now, the oldest one that is not the first is given up"
            )
        if place.is_needed:
            lost = shown[number] & (shown.sum(axis=0) == 1)
            for one in np.setdiff1d(self.ids[np.flatnonzero(lost)], given):
                remark(
                    f"{self._name}: object {one} was shown in that template alone; add a mask of "
                    "it anew"
                )
        return number, templates

    def _arrange(self, ids: np.ndarray, slots: int, templates: int) -> State:
        """The state with room for so many slots and templates, objects in the slots of `ids`."""
        old = self._state
        kept = np.isin(self.ids, ids)
        places = number_slots(ids)[self.ids[kept]] - 1
        before = np.flatnonzero(kept)
        cells = np.asarray(old.cells)
        count, _, positions = cells.shape
        arranged = np.zeros((templates, slots, positions), cells.dtype)
        arranged[:count, places] = cells[:, before]
        confidence = np.zeros(slots, old.confidence.dtype)
        confidence[places] = np.asarray(old.confidence)[before]
        more = templates - count
        return State(
            jnp.pad(old.kernels, ((0, more), (0, 0), (0, 0))),
            jnp.array(arranged),
            old.labels,
            jnp.array(confidence),
            jnp.pad(old.order, (0, more), constant_values=-1),
            old.waited,
        )

    def _check_size(self, frame: np.ndarray) -> None:
        """Refuses what is no frame of this video."""
        check_frame(frame)
        if frame.shape[:2] != self._canvas.size:
            raise InputError(
                f"a frame is {frame.shape[:2]} but the first is {self._canvas.size}; start anew"
            )
