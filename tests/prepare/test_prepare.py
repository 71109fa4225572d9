"""Preparing sets: what is left out, and what is refused."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ranet_jax.data.prepare import __main__ as command
from ranet_jax.data.prepare.training_sets import LAYOUTS, prepare
from ranet_jax.data.records import find_versions, next_version, open_davis, open_saliency
from ranet_jax.errors import InputError, run_command
from ranet_jax.media.images import read_frame
from tests.prepare.images import SIZE, draw_pair, list_tree, write_clip, write_images


def run(*arguments: object) -> subprocess.CompletedProcess:
    """Runs the command in a process of its own."""
    line = [sys.executable, "-m", "ranet_jax.data.prepare", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True)


@pytest.mark.parametrize("name", LAYOUTS)
def test_original_layouts_are_known(tmp_path, name):
    write_images(tmp_path / "raw", 3, *LAYOUTS[name])
    prepare(name, tmp_path / "raw", tmp_path)
    assert [sample.name for sample in open_saliency(tmp_path, name)] == ["0", "1", "2"]


@pytest.mark.parametrize("folders", [("images", "masks"), ("Imgs", "Imgs"), (".", ".")])
def test_folders_of_ones_own_are_found(tmp_path, folders):
    write_images(tmp_path / "raw", 2, *folders)
    prepare("mine", tmp_path / "raw", tmp_path)
    for index, sample in enumerate(open_saliency(tmp_path, "mine")):
        image = read_frame(tmp_path / "raw" / folders[0] / f"{index}.jpg")
        np.testing.assert_array_equal(sample.image, image)
        np.testing.assert_array_equal(sample.mask, draw_pair(index)[1] > 0)
    assert index == 1


def test_folders_can_be_named(tmp_path, monkeypatch):
    write_images(tmp_path / "raw", 2, "photos", "by hand")
    arguments = ["--source", tmp_path / "raw", "--images", "photos", "--masks", "by hand"]
    line = ["prepare", "ecssd", *arguments, "--data-dir", tmp_path]
    monkeypatch.setattr(sys, "argv", list(map(str, line)))
    command.main()
    assert len(open_saliency(tmp_path, "ecssd")) == 2


def test_what_cannot_be_used_is_left_out_and_reported(tmp_path, capsys):
    raw = tmp_path / "raw"
    write_images(raw, 12)
    (raw / "images/1.jpg").write_bytes((raw / "images/1.jpg").read_bytes()[:400])
    (raw / "masks/2.png").write_text("no image")
    (raw / "images/3.jpg").write_bytes(b"")
    (raw / "masks/4.png").write_bytes((raw / "masks/4.png").read_bytes()[:60])
    Image.fromarray(draw_pair(5, (24, 33))[1]).save(raw / "masks/5.png")
    Image.fromarray(np.full(SIZE, 127, np.uint8)).save(raw / "masks/6.png")
    (raw / "masks/7.png").unlink()
    (raw / "images/8.jpg").unlink()
    (raw / "images/notes.txt").write_text("not an image at all")
    prepare("mine", raw, tmp_path)
    assert [sample.name for sample in open_saliency(tmp_path, "mine")] == ["0", "9", "10", "11"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mine: 4 records, ")
    assert lines[1] == (
        f"left out of {raw}: without a mask: 1, without an image: 1, unreadable: 4, "
        "sizes differ: 1, empty mask: 1"
    )
    assert lines[2:4] == [
        f"  without a mask: {raw}/images/7.jpg",
        f"  without an image: {raw}/masks/8.png",
    ]
    unreadable = ["images/1.jpg", "masks/2.png", "images/3.jpg"]
    for line, file in zip(lines[4:7], unreadable, strict=True):
        assert line.startswith(f"  unreadable: {raw}/{file} cannot be read")
    assert lines[7:] == [
        "  unreadable: and 1 more",
        f"  sizes differ: {raw}/masks/5.png is 33 x 24, its image 32 x 24",
        f"  empty mask: {raw}/masks/6.png",
    ]


def test_davis_loses_single_frames_and_not_their_sequence(tmp_path, capsys):
    raw = tmp_path / "DAVIS"
    for name in ("walk", "jump"):
        write_clip(raw, name, 6)
    frames, annotations = raw / "JPEGImages/480p/walk", raw / "Annotations/480p/walk"
    (frames / "00001.jpg").write_bytes(b"broken")
    (annotations / "00002.png").unlink()
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(annotations / "00004.png")
    prepare("davis17-train", raw, tmp_path)
    counts = capsys.readouterr().out.splitlines()[1]
    assert counts.endswith("DAVIS: without a mask: 1, unreadable: 1, empty mask: 1")
    source, videos = open_davis(tmp_path, "davis17-train")
    assert [(video.name, video.numbers) for video in videos] == [
        ("walk", (0, 3, 5)),
        ("jump", (0, 1, 2, 3, 4, 5)),
    ]
    assert len(source) == 9


def no_source(tmp_path):
    return ["ecssd", "--source", tmp_path / "nowhere"], f"{tmp_path}/nowhere does not exist"


def unobtainable(tmp_path):
    return ["msra10k", "--source", tmp_path / "nowhere"], "msra10k cannot be had, duts-tr is"


def empty_source(tmp_path):
    (tmp_path / "raw").mkdir()
    return ["ecssd", "--source", tmp_path / "raw"], "raw has no images and masks in images + ground"


def other_layout(tmp_path):
    write_images(tmp_path / "raw", 2)
    return ["duts-tr", "--source", tmp_path / "raw"], "in DUTS-TR-Image + DUTS-TR-Mask; --source"


def folder_above(tmp_path):
    write_images(tmp_path / "raw/mine", 2)
    return ["mine", "--source", tmp_path / "raw"], "in Imgs, images + ground_truth_mask, imgs + gt"


def no_masks(tmp_path):
    write_images(tmp_path / "raw", 2)
    shutil.rmtree(tmp_path / "raw/masks")
    return ["mine", "--source", tmp_path / "raw"], "raw has no images and masks"


def other_names(tmp_path):
    write_images(tmp_path / "raw", 2)
    for mask in list((tmp_path / "raw/masks").iterdir()):
        mask.rename(mask.with_name(f"{mask.stem}_mask.png"))
    expected = "raw has nothing to prepare; left out: without a mask: 2, without an image: 2"
    return ["mine", "--source", tmp_path / "raw"], expected


def masks_only(tmp_path):
    return ["mine", "--source", tmp_path, "--masks", "gt"], "give both --images and --masks"


def folders_of_davis(tmp_path):
    arguments = ["davis16-train", "--source", tmp_path, "--masks", "gt", "--images", "imgs"]
    return arguments, "--images and --masks are for saliency sets"


def no_split(tmp_path):
    return ["davis16-trian", "--source", tmp_path], "no split of DAVIS; choose one of davis16-train"


def no_name(tmp_path):
    return ["../mine", "--source", tmp_path], "'../mine' cannot be a set's name"


def name_of_no_recipe(tmp_path):
    return ["mine.v2", "--source", tmp_path], "'mine.v2' cannot be a set's name; use letters, digi"


def name_of_drawn_clips(tmp_path):
    return ["generated", "--source", tmp_path], "generated is the set of clips that are drawn"


def no_davis(tmp_path):
    write_images(tmp_path / "raw", 2)
    return ["davis16-train", "--source", tmp_path / "raw"], "raw/ImageSets/2016/train.txt does not"


def unnumbered_frame(tmp_path):
    write_clip(tmp_path / "DAVIS", "walk", 2)
    for path in (tmp_path / "DAVIS").rglob("00001.*"):
        path.rename(path.with_name(f"one{path.suffix}"))
    return ["davis17-train", "--source", tmp_path / "DAVIS"], "one.jpg is not named by its number"


def grey_annotations(tmp_path):
    write_clip(tmp_path / "DAVIS", "walk", 2)
    for path in (tmp_path / "DAVIS/Annotations").rglob("*.png"):
        Image.fromarray(draw_pair(0)[1]).save(path)
    return [
        "davis17-train",
        "--source",
        tmp_path / "DAVIS",
    ], "nothing to prepare; left out: unreadable: 2"


def two_images_of_one_name(tmp_path):
    write_images(tmp_path / "raw", 2)
    image = next((tmp_path / "raw").rglob("1.jpg"))
    Image.open(image).save(image.with_suffix(".webp"))
    return ["mine", "--source", tmp_path / "raw"], "has 2 images named 1, so that one name"


BAD_INPUTS = [
    *(no_source, unobtainable, empty_source, other_layout, folder_above, no_masks, other_names),
    *(masks_only, folders_of_davis, no_split, no_name, name_of_no_recipe, no_davis),
    unnumbered_frame,
    *(name_of_drawn_clips, grey_annotations, two_images_of_one_name),
]


@pytest.mark.parametrize("bad_input", BAD_INPUTS)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, capsys, bad_input):
    arguments, expected = bad_input(tmp_path)
    line = ["prepare", *arguments, "--data-dir", tmp_path / "tfds"]
    monkeypatch.setattr(sys, "argv", list(map(str, line)))
    with pytest.raises(SystemExit) as exit_info:
        run_command(command.main)
    assert exit_info.value.code == 2
    *progress, error = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert expected in error
    assert all(line.startswith(("checking", "writing")) for line in progress)
    assert not (tmp_path / "tfds").exists()


def test_data_dir_that_cannot_be_written(tmp_path):
    write_images(tmp_path / "raw", 2)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/segmentation/mine cannot be written"):
        prepare("mine", tmp_path / "raw", tmp_path / "file")


def test_second_run_does_nothing_unless_told_to(tmp_path, capsys):
    write_images(tmp_path / "raw", 2)
    prepare("mine", tmp_path / "raw", tmp_path)
    before = list_tree(tmp_path / "segmentation")
    write_images(tmp_path / "raw", 3)
    capsys.readouterr()
    prepare("mine", tmp_path / "raw", tmp_path)
    assert capsys.readouterr().out == (
        f"mine is prepared already in {tmp_path}/segmentation/mine/1.0.0; "
        "--overwrite prepares it again\n"
    )
    assert list_tree(tmp_path / "segmentation") == before
    prepare("mine", tmp_path / "raw", tmp_path, overwrite=True)
    assert len(open_saliency(tmp_path, "mine")) == 3
    assert [folder.name for folder in find_versions(tmp_path, "mine")] == ["1.0.1"]


def test_the_newest_version_is_the_last_by_number(tmp_path):
    for version in ("1.0.9", "1.0.10", "incomplete.ABCDEF_1.0.11"):
        (tmp_path / "segmentation/mine" / version).mkdir(parents=True)
    assert [folder.name for folder in find_versions(tmp_path, "mine")] == ["1.0.9", "1.0.10"]
    assert next_version(tmp_path, "mine") == "1.0.11"


def test_only_records_are_left(tmp_path):
    write_images(tmp_path / "raw", 2)
    prepare("mine", tmp_path / "raw", tmp_path / "tfds")
    assert [path.name for path in (tmp_path / "tfds").iterdir()] == ["segmentation"]
    assert [path.name for path in (tmp_path / "tfds/segmentation/mine").iterdir()] == ["1.0.0"]


def test_command_line(tmp_path):
    write_images(tmp_path / "raw", 2)
    result = run("mine", "--source", tmp_path / "raw", "--data-dir", tmp_path)
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 2
    assert [line.split()[0] for line in result.stderr.splitlines()] == ["checking", "writing"]
    result = run("ecssd", "--source", tmp_path / "nowhere", "--data-dir", tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
