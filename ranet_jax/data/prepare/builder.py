"""How records are written: by TFDS, without TensorFlow."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from ranet_jax.data.records import FOLDER

# TFDS sorts a split in memory up to 1000 MiB; for more it would need TensorFlow.
_PART_BYTES = 500 * 2**20


class Pair(NamedTuple):
    """An image file and its mask file.

    Attributes:
        name: what the record is called: the file's name without suffix, after the sequence's name
            and a slash where the image is a frame.
        image: path of the image.
        mask: path of the mask.
    """

    name: str
    image: Path
    mask: Path


class SetBuilder(  # pyright: ignore[reportGeneralTypeIssues]
    tfds.core.GeneratorBasedBuilder,
    skip_registration=True,  # pyright: ignore[reportCallIssue]
):
    """Images and masks; each set is one configuration of this builder.

    Saliency sets, one record an image:

    - `msra10k`: MSRA10K, 10000 images, 195 MB. https://mmcheng.net/msra10k/. No licence known; its
      authors ask to be cited. Could not be downloaded when this was written: use `duts-tr`, which
      is of the same kind and size.
    - `ecssd`: ECSSD, 1000 images, 69 MB. No licence known.
      https://www.cse.cuhk.edu.hk/leojia/projects/hsaliency/dataset.html
    - `hku-is`: HKU-IS, 4447 images. https://sites.google.com/site/ligb86/hkuis. No licence known.
      Could not be downloaded when this was written: use `duts-tr`.
    - `duts-tr`: training set of DUTS, 10553 images. http://saliencydetection.net/duts/. No licence
      known; for academic and research use.
    - any other name: a folder of images and masks of your own.

    DAVIS, one record a frame, by sequence and frame. https://davischallenge.org. Under the BSD
    licence, says the README of its code. Training and validation videos take 800 MB at 480p.

    - `davis16-train`, `davis17-train`: 30 and 60 videos.
    - the other splits of `davis.SPLITS`: for tests, not to be trained on.

    The images of all sets keep their owners' terms.
    """

    name = FOLDER

    def __init__(
        self,
        name: str,
        version: str,
        data_dir: Path,
        pairs: Sequence[Pair],
        videos: dict[str, list[int]],
        report_record: Callable[[], None] = lambda: None,
    ) -> None:
        """Describes a set that is to be written.

        Args:
            name: of the set.
            version: three numbers; `download_and_prepare` does nothing where it exists.
            data_dir: root of all prepared sets.
            pairs: the files of the records, in their order.
            videos: numbers of the frames of each sequence, in the order of the records; empty for
                still images.
            report_record: called after every record.
        """
        self._pairs = pairs
        self._videos = videos
        self._report_record = report_record
        config = tfds.core.BuilderConfig(name=name, version=tfds.core.Version(version))
        super().__init__(data_dir=data_dir, config=config, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        file = tfds.features.Tensor(shape=(), dtype=np.object_)
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict({"image": file, "mask": file, "name": file}),
            metadata=tfds.core.MetadataDict(videos=self._videos),
            disable_shuffling=True,
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, bytes]]]]:
        ends = accumulate(p.image.stat().st_size + p.mask.stat().st_size for p in self._pairs)
        sized = zip(self._pairs, ends, strict=True)
        parts = groupby(sized, key=lambda pair_and_end: pair_and_end[1] // _PART_BYTES)
        return {
            f"part{number:04d}": self._generate_examples([pair for pair, _ in part])
            for number, (_, part) in enumerate(parts)
        }

    def _generate_examples(self, pairs: list[Pair]) -> Iterator[tuple[int, dict[str, bytes]]]:
        for index, (name, image, mask) in enumerate(pairs):
            record = {"image": image.read_bytes(), "mask": mask.read_bytes(), "name": name.encode()}
            yield index, record
            self._report_record()
