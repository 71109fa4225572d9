"""Records: the bytes of the files, in order, decoded by the rules of each set."""

import io
import json
import pickle
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ranet_jax.data import records
from ranet_jax.data.prepare import builder
from ranet_jax.data.prepare.training_sets import prepare
from ranet_jax.data.records import Source, VideoRecords, open_davis, open_saliency
from ranet_jax.errors import InputError
from ranet_jax.media.images import read_frame
from ranet_jax.media.masks import read_davis_mask, read_foreground
from tests.conftest import davis_file, needs_davis
from tests.prepare.images import SIZE, draw_pair, write_clip, write_images

# Reads from a pickled source as a worker process does, and tells what that imported.
WORKER = """
import json, pickle, sys
source = pickle.loads(sys.stdin.buffer.read())
names = [source[index].name for index in range(len(source))]
imported = [name for name in ("jax", "flax", "tensorflow", "torch") if name in sys.modules]
print(json.dumps([names, imported]))
"""


@pytest.fixture(scope="module")
def stills(tmp_path_factory) -> Path:
    """A prepared saliency set of 5 images, whose files are in `raw`."""
    folder = tmp_path_factory.mktemp("stills")
    write_images(folder / "raw", 5)
    prepare("mine", folder / "raw", folder)
    return folder


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """A tree of DAVIS-2017, prepared by the rules of both years; `walk` has gaps."""
    folder = tmp_path_factory.mktemp("videos")
    write_clip(folder / "DAVIS", "walk", 7)
    write_clip(folder / "DAVIS", "jump", 3)
    for file in (folder / "DAVIS").rglob("walk/0000[15].*"):
        file.unlink()
    lists = folder / "DAVIS/ImageSets"
    (lists / "2016").mkdir()
    (lists / "2016/train.txt").write_text("jump\nwalk\n")
    for name in ("davis16-train", "davis17-train"):
        prepare(name, folder / "DAVIS", folder)
    return folder


def test_samples_are_the_files(stills):
    source = open_saliency(stills, "mine")
    assert len(source) == 5
    for index, sample in enumerate(source):
        image, mask = draw_pair(index)
        assert sample.name == str(index)
        np.testing.assert_array_equal(sample.image, read_frame(stills / f"raw/images/{index}.jpg"))
        np.testing.assert_array_equal(sample.mask, mask > 0)
        assert sample.image.shape == image.shape
        assert (sample.image.dtype, sample.mask.dtype) == (np.uint8, np.uint8)


def test_records_hold_the_bytes_of_the_files(stills, videos):
    for index, record in enumerate(open_saliency(stills, "mine")._records):
        assert record["image"] == (stills / f"raw/images/{index}.jpg").read_bytes()
        assert record["mask"] == (stills / f"raw/masks/{index}.png").read_bytes()
    for record in open_davis(videos, "davis17-train")[0]._records:
        name = record["name"].decode()
        frame = videos / f"DAVIS/JPEGImages/480p/{name}.jpg"
        assert record["image"] == frame.read_bytes()
        annotation = videos / f"DAVIS/Annotations/480p/{name}.png"
        assert record["mask"] == annotation.read_bytes()


def test_any_image_format_is_kept(tmp_path):
    write_images(tmp_path / "raw", 1)
    images = tmp_path / "raw/images"
    picture = Image.open(images / "0.jpg")
    for suffix in ("png", "webp", "bmp", "JPEG"):
        picture.save(images / f"{suffix}.{suffix}")
        shutil.copy(tmp_path / "raw/masks/0.png", tmp_path / f"raw/masks/{suffix}.png")
    prepare("mine", tmp_path / "raw", tmp_path)
    records = open_saliency(tmp_path, "mine")._records
    formats = [Image.open(io.BytesIO(record["image"])).format for record in records]
    assert [record["name"] for record in records] == [b"0", b"JPEG", b"bmp", b"png", b"webp"]
    assert formats == ["JPEG", "JPEG", "BMP", "PNG", "WEBP"]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_saliency_is_brighter_than_127(mode):
    values = np.array([[0, 1, 127, 128, 254, 255]], np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).convert(mode).save(file, "png")
    mask = read_foreground(io.BytesIO(file.getvalue()))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, [[0, 0, 0, 1, 1, 1]])


def test_saliency_of_one_bit(tmp_path):
    expected = draw_pair(3)[1] > 0
    Image.fromarray(expected).save(tmp_path / "mask.png")
    assert Image.open(tmp_path / "mask.png").mode == "1"
    np.testing.assert_array_equal(read_foreground(tmp_path / "mask.png"), expected)


def test_sets_of_many_parts_keep_their_order(tmp_path, monkeypatch):
    # TFDS would need TensorFlow for parts of more than 1000 MiB.
    monkeypatch.setattr(builder, "_PART_BYTES", 3000)
    write_images(tmp_path / "raw", 40)
    prepare("mine", tmp_path / "raw", tmp_path)
    parts = list((tmp_path / "segmentation/mine/1.0.0").glob("*.array_record*"))
    assert 11 <= len(parts) < 40
    source = open_saliency(tmp_path, "mine")
    names = [sample.name for sample in source]
    assert names == [str(index) for index in range(40)], "in the order of counting"
    np.testing.assert_array_equal(
        source[names.index("33")].image, read_frame(tmp_path / "raw/images/33.jpg")
    )


def test_videos_say_which_records_are_theirs(videos):
    source, index = open_davis(videos, "davis17-train")
    assert index == (
        VideoRecords("walk", 0, (0, 2, 3, 4, 6)),
        VideoRecords("jump", 5, (0, 1, 2)),
    )
    for video in index:
        for record, number in enumerate(video.numbers, video.start):
            name = f"{video.name}/{number:05d}"
            assert source[record].name == name
            frame = read_frame(videos / f"DAVIS/JPEGImages/480p/{name}.jpg")
            np.testing.assert_array_equal(source[record].image, frame)
    assert [video.name for video in open_davis(videos, "davis16-train")[1]] == ["jump", "walk"]


def test_the_index_is_had_without_reading_records(videos, monkeypatch):
    source, _ = open_davis(videos, "davis17-train")
    monkeypatch.setattr(type(source._records), "__getitem__", lambda *_: pytest.fail("read"))
    assert len(open_davis(videos, "davis17-train")[1]) == 2


def test_the_year_decides_what_ids_are(videos):
    several, one = (open_davis(videos, f"davis{year}-train")[0] for year in (17, 16))
    assert set(np.unique(several[0].mask)) == {0, 1, 2}
    name = several[0].name
    (same,) = (sample for sample in one if sample.name == name)
    np.testing.assert_array_equal(same.mask, several[0].mask > 0)
    assert same.mask.dtype == several[0].mask.dtype == np.uint8


def test_pickled_source_reads_in_a_process_without_jax_and_tensorflow(stills, videos):
    for source in (open_saliency(stills, "mine"), open_davis(videos, "davis16-train")[0]):
        expected = [sample.name for sample in source]
        output = subprocess.run(
            [sys.executable, "-c", WORKER], input=pickle.dumps(source), stdout=-1, check=True
        ).stdout
        assert json.loads(output) == [expected, []]


def test_preparing_imports_neither_jax_nor_tensorflow(tmp_path):
    write_images(tmp_path / "raw", 2)
    script = (
        "import sys; from pathlib import Path; "
        "from ranet_jax.data.prepare.training_sets import prepare; "
        f"prepare('mine', Path({str(tmp_path / 'raw')!r}), Path({str(tmp_path)!r})); "
        "assert not {'jax', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_source_is_a_sequence_with_a_lasting_name(stills):
    source = open_saliency(stills, "mine")
    assert repr(source) == repr(pickle.loads(pickle.dumps(source))) == "Source('mine', 5 samples)"
    for index in (5, -1):
        with pytest.raises(IndexError, match="has no sample"):
            source[index]
    assert source[np.int64(4)].name == "4"


def test_a_set_is_known_by_its_records_and_their_order(stills, tmp_path):
    expected = open_saliency(stills, "mine").identify()
    assert expected.startswith("5 records, checksum ")
    prepare("mine", stills / "raw", tmp_path)
    assert open_saliency(tmp_path, "mine").identify() == expected, "from the same files, elsewhere"
    raw = tmp_path / "raw"
    shutil.copytree(stills / "raw", raw)
    for kind, suffix in (("images", "jpg"), ("masks", "png")):
        (raw / kind / f"0.{suffix}").rename(raw / kind / f"9.{suffix}")
    found = {expected}
    for count in (5, 6):
        shutil.copy(raw / "images/1.jpg", raw / "images/10.jpg")
        if count == 6:
            shutil.copy(raw / "masks/1.png", raw / "masks/10.png")
        prepare("mine", raw, tmp_path, overwrite=True)
        found.add(open_saliency(tmp_path, "mine").identify())
    assert len(found) == 3 and {text.split()[0] for text in found} == {"5", "6"}


def test_what_is_said_of_a_record_names_it(tmp_path, capsys):
    write_images(tmp_path / "raw", 1)
    prepare("mine", tmp_path / "raw", tmp_path)
    whole = dict(open_saliency(tmp_path, "mine")._records[0])
    for kind in ("image", "mask"):
        source = Source("mine", [whole | {kind: whole[kind][:60]}], read_foreground)
        with pytest.raises(InputError, match=rf"^the {kind} of 0 in mine cannot be read as"):
            source[0]
    soft = io.BytesIO()
    colours = Image.fromarray(draw_pair(0)[1]).convert("RGB")
    colours.putpixel((5, 5), (10, 200, 30))
    colours.save(soft, "jpeg")
    decode_mask = partial(read_davis_mask, binary=True)
    Source("mine", [whole | {"mask": soft.getvalue()}], decode_mask)[0]
    assert "remark: the mask of 0 in mine" in capsys.readouterr().err


def test_unprepared_set_names_folder_and_command(tmp_path, monkeypatch):
    with pytest.raises(InputError) as error:
        open_saliency(tmp_path, "ecssd")
    assert str(error.value) == (
        f"{tmp_path} has no prepared ecssd; "
        f"run: python -m ranet_jax.data.prepare ecssd --source DIR --data-dir {tmp_path}"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        open_davis(records.DATA_DIR, "davis16-train")
    assert str(error.value) == (
        "data/tfds has no prepared davis16-train; "
        "run: python -m ranet_jax.data.prepare davis16-train --source DIR"
    )
    with pytest.raises(InputError, match=r"hku-is cannot be had, duts-tr is of the same kind"):
        open_saliency(tmp_path, "hku-is")


def test_half_copied_set_is_refused(tmp_path):
    write_images(tmp_path / "raw", 2)
    prepare("mine", tmp_path / "raw", tmp_path)
    (shard,) = (tmp_path / "segmentation/mine/1.0.0").glob("*.array_record*")
    shard.unlink()
    with pytest.raises(InputError, match=rf"{shard} does not exist; run: .* --overwrite$"):
        open_saliency(tmp_path, "mine")


def test_unknown_split_of_davis(tmp_path):
    with pytest.raises(InputError, match="mine is no split of DAVIS; choose one of davis16-train"):
        open_davis(tmp_path, "mine")


@needs_davis("blackswan", "libby")
def test_real_frames(tmp_path):
    chosen = {"blackswan": (0, 7, 20), "libby": (3, 4)}
    for name, numbers in chosen.items():
        for number in numbers:
            for kind, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
                file = Path(kind) / "480p" / name / f"{number:05d}.{suffix}"
                (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / file).symlink_to(davis_file(kind, name, number))
    (tmp_path / "ImageSets/2016").mkdir(parents=True)
    (tmp_path / "ImageSets/2016/train.txt").write_text("blackswan\nlibby\n")
    prepare("davis16-train", tmp_path, tmp_path)
    source, videos = open_davis(tmp_path, "davis16-train")
    assert {video.name: video.numbers for video in videos} == chosen
    for sample in source:
        frame = tmp_path / f"JPEGImages/480p/{sample.name}.jpg"
        np.testing.assert_array_equal(sample.image, read_frame(frame))
        truth = read_davis_mask(tmp_path / f"Annotations/480p/{sample.name}.png", binary=True)
        np.testing.assert_array_equal(sample.mask, truth)
        assert sample.image.shape[:2] == sample.mask.shape != SIZE
