"""Reading videos: every kind of source, the right way up, at its times, and what is no video."""

import errno
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.media.images import read_size
from ranet_jax.media.video import open_video
from tests.filming import film, pictures


def assert_similar(found, expected):
    assert found.dtype == np.uint8 and found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 4


@pytest.mark.parametrize(
    ("name", "codec", "count"),
    [
        ("a.mp4", "libx264", 12),
        ("a.mov", "libx264", 12),
        ("a.webm", "libvpx-vp9", None),
        ("a.mkv", "libx264", None),
    ],
)
def test_file(tmp_path, name, codec, count):
    film(tmp_path / name, codec=codec)
    with open_video(str(tmp_path / name)) as video:
        assert (video.name, video.size, video.frame_count) == (name, (96, 128), count)
        assert video.frame_rate == 25 and video.has_end and video.sound is None
        for _ in range(2):  # from the first frame on, each time
            frames = list(video)
            assert [frame.name for frame in frames] == [f"{i:06d}" for i in range(12)]
            assert [frame.time for frame in frames] == [Fraction(i, 25) for i in range(12)]
        for frame, expected in zip(frames, pictures(), strict=True):
            assert_similar(frame.image, expected)


def test_variable_frame_rate(tmp_path):
    times = [0, 33, 70, 71, 300, 777]
    film(tmp_path / "a.mp4", pictures(6), times=times, delay=0.5)
    video = open_video(str(tmp_path / "a.mp4"))
    assert [frame.time for frame in video] == [Fraction(time, 1000) for time in times]
    assert all((frame.time / video.time_base).denominator == 1 for frame in video)


# Counter-clockwise degrees, then mirrored across or up and down: all eight there are.
TURNS = [(angle, mirrored, False) for angle in (0, 90, 180, 270) for mirrored in (False, True)]


@pytest.mark.parametrize("turn", [*TURNS, (90, False, True)])
def test_rotation_is_respected(tmp_path, turn):
    film(tmp_path / "a.mp4", pictures(2), rotation=turn)
    expected = np.rot90(pictures(1)[0], turn[0] // 90)
    expected = expected[:, ::-1] if turn[1] else expected
    expected = expected[::-1] if turn[2] else expected
    video = open_video(str(tmp_path / "a.mp4"))
    assert video.size == expected.shape[:2]
    assert_similar(next(iter(video)).image, expected)


def test_folder_of_any_names(tmp_path):
    for number, name in enumerate(["shot 2.png", "shot 10.PNG", "shot 9.bmp"]):
        Image.fromarray(pictures(3)[number]).save(tmp_path / name)
    for other in ("notes.txt", ".hidden.png", "clip.mp4"):
        (tmp_path / other).write_text("no frame")
    video = open_video(str(tmp_path))
    assert [frame.name for frame in video] == ["shot 2", "shot 9", "shot 10"]
    assert [frame.time for frame in video] == [Fraction(i, 24) for i in range(3)]
    for frame, number in zip(video, (0, 2, 1), strict=True):
        np.testing.assert_array_equal(frame.image, pictures(3)[number])
    assert (video.frame_count, video.frame_rate, video.sound) == (3, 24, None)


def test_photographs_are_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(pictures(1)[0]).save(tmp_path / "a.png", exif=exif)
    video = open_video(str(tmp_path))
    assert video.size == (128, 96)
    np.testing.assert_array_equal(next(iter(video)).image, np.rot90(pictures(1)[0], -1))


def test_glob(tmp_path):
    for name in ("a1.png", "a2.png", "b1.png"):
        Image.fromarray(pictures(1)[0]).save(tmp_path / name)
    video = open_video(str(tmp_path / "a*.png"))
    assert [frame.name for frame in video] == ["a1", "a2"]
    with pytest.raises(InputError, match=r"no image matches .*c\*\.png"):
        open_video(str(tmp_path / "c*.png"))


def test_frames_that_cannot_be_one_video(tmp_path):
    for name, size in (("a.png", (96, 128)), ("b.png", (96, 130))):
        Image.fromarray(pictures(1, size)[0]).save(tmp_path / name)
    with pytest.raises(InputError, match=r"b\.png is 130 x 96 but .* 128 x 96"):
        open_video(str(tmp_path))
    (tmp_path / "a.bmp").touch()
    with pytest.raises(InputError, match="2 images named a,"):
        open_video(str(tmp_path))


def test_frames_that_a_camera_turned_are_of_one_size(tmp_path):
    """What is known of an image without its pixels may be behind them, as in the last one."""
    upright, lying = Image.new("RGB", (96, 128)), Image.new("RGB", (128, 96))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.save(tmp_path / "a.jpg")
    lying.save(tmp_path / "b.jpg", exif=exif)
    lying.save(tmp_path / "c.png", exif=exif)
    whole = (tmp_path / "c.png").read_bytes()
    start = whole.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(whole[start : start + 4], "big")
    last = whole.index(b"IEND") - 4
    moved = whole[:start] + whole[end:last] + whole[start:end] + whole[last:]
    (tmp_path / "d.png").write_bytes(moved)
    assert [read_size(tmp_path / name) for name in ("a.jpg", "b.jpg", "c.png", "d.png")] == [
        *3 * [(128, 96)],
        (96, 128),
    ]
    assert [frame.image.shape[:2] for frame in open_video(str(tmp_path))] == 4 * [(128, 96)]


def test_what_is_no_video(tmp_path):
    (tmp_path / "text.txt").write_text("no video\n" * 50)
    (tmp_path / "text.mp4").write_text("no video\n" * 50)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder").mkdir()
    film(tmp_path / "no_frames.mkv")
    content = (tmp_path / "no_frames.mkv").read_bytes()
    (tmp_path / "no_frames.mkv").write_bytes(content[: content.index(b"\x1f\x43\xb6\x75")])
    for name, message in (
        ("text.txt", "cannot be read as a video"),
        ("text.mp4", "cannot be read as a video"),
        ("empty.mp4", "cannot be read as a video"),
        ("folder", "has no frames"),
        ("no_frames.mkv", "no_frames.mkv has no frames|cannot be read as a video"),
        ("missing.mp4", "does not exist"),
    ):
        with pytest.raises(InputError, match=message) as raised:
            open_video(str(tmp_path / name))
        assert str(tmp_path / name) in str(raised.value)
    with pytest.raises(InputError, match="the name of a video is empty"):
        open_video("")


def test_a_playlist_opens_no_other_file(tmp_path):
    """A visitor of the page must not get at files of the machine that serves it."""
    film(tmp_path / "private.mp4", pictures(3))
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile private.mp4\n")
    with pytest.raises(InputError, match="cannot be read as a video"):
        open_video(str(tmp_path / "list.mp4"))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_broken_middle_names_the_frame(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (40, 96, 128, 3), np.uint8)
    path = tmp_path / name
    film(path, noise)
    whole = path.read_bytes()
    half = len(whole) // 2
    for content in (whole[:half], whole[:half] + bytes(9000) + whole[half + 9000 :]):
        path.write_bytes(content)
        found = []
        with pytest.raises(InputError) as raised:
            for frame in open_video(str(path)):
                found.append(frame.name)
        assert 5 < len(found) < 30
        assert f"frame {len(found)} of {path}" in str(raised.value)


def test_leaving_a_video_closes_what_is_not_read_to_its_end(tmp_path):
    film(tmp_path / "a.mp4", np.zeros((9, 64, 64, 3), np.uint8))
    with open_video(str(tmp_path / "a.mp4")) as video:
        frames = iter(video)
        next(frames)
    assert frames.gi_frame is None


def test_the_system_says_itself_what_it_refuses(tmp_path, monkeypatch):
    film(tmp_path / "a.mp4", pictures(2))

    def refuse(path, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError):
        open_video(str(tmp_path / "a.mp4"))


@pytest.mark.parametrize(
    "name", ["cam1:front.mp4", "-abc.mp4", "горы.mp4", "a%03d.mp4", "a[1].mp4", "\udcff\udc80.mp4"]
)
def test_names_that_ffmpeg_could_take_for_something_else(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "plain.mp4", pictures(3), sound="aac")
    (tmp_path / "plain.mp4").rename(tmp_path / name)
    video = open_video(name)
    assert video.name == name and video.sound.path == name
    assert len(list(video)) == 3


def film_two(path, sizes, *, attached=None):
    """A file with several video streams, a frame of its own colour in each."""
    with av.open(str(path), "w") as container:
        streams = []
        for width, height in sizes:
            stream = container.add_stream("libx264", 25, width=width, height=height)
            stream.pix_fmt = "yuv420p"
            streams.append(stream)
        if attached is not None:
            streams[attached].disposition = Disposition.attached_pic
        for index in range(5):
            for number, (stream, (width, height)) in enumerate(zip(streams, sizes, strict=True)):
                frame = np.full((height, width, 3), 40 + 60 * number, np.uint8)
                picture = av.VideoFrame.from_ndarray(frame, "rgb24")
                picture.pts, picture.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(picture))
        for stream in streams:
            container.mux(stream.encode())


@pytest.mark.parametrize("sizes", [[(96, 54), (192, 108)], [(192, 108), (96, 54)]])
def test_the_main_pictures_are_the_largest(tmp_path, sizes, capsys):
    film_two(tmp_path / "a.mkv", sizes)
    video = open_video(str(tmp_path / "a.mkv"))
    assert video.size == (108, 192)
    frames = list(video)
    assert len(frames) == 5
    assert abs(frames[0].image.mean() - (40 + 60 * sizes.index((192, 108)))) < 3
    assert "a.mkv has 2 video streams; that of 192 x 108 was taken" in capsys.readouterr().err


def animated(count=4):
    return [Image.fromarray(one) for one in pictures(count)]


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.apng"])
def test_animated_images(tmp_path, name):
    first, *rest = animated()
    form = "WEBP" if name.endswith("webp") else "PNG"
    durations = [40, 1000, 100, 300]
    options = {"lossless": True} if form == "WEBP" else {}
    first.save(
        tmp_path / name, form, save_all=True, append_images=rest, duration=durations, **options
    )
    video = open_video(str(tmp_path / name))
    assert (video.size, video.frame_count) == ((96, 128), 4)
    for _ in range(2):
        frames = list(video)
        assert [frame.name for frame in frames] == [f"{index:06d}" for index in range(4)]
        assert [float(1000 * frame.time) for frame in frames] == [0, 40, 1040, 1140]
        assert frames[-1].duration == Fraction(3, 10)
        for frame, expected in zip(frames, pictures(4), strict=True):
            np.testing.assert_array_equal(frame.image, expected)


def test_a_picture_beside_an_animation_is_none_of_its_frames(tmp_path):
    """Nor are the frames painted over it where they are transparent."""
    poster = Image.new("RGBA", (128, 96), "red")
    frames = [image.convert("RGBA") for image in animated(3)]
    frames[0].paste((0, 0, 0, 0), (0, 0, 64, 96))
    options = {"default_image": True, "blend": 1, "duration": 100}
    poster.save(tmp_path / "a.png", save_all=True, append_images=frames, **options)
    video = open_video(tmp_path / "a.png")
    assert (video.frame_count, video.frame_rate) == (3, 10)
    found = list(video)
    assert [float(frame.time) for frame in found] == [0, 0.1, 0.2]
    assert not found[0].image[:, :64].any()
    for frame, expected in zip(found, pictures(3), strict=True):
        np.testing.assert_array_equal(frame.image[:, 64:], expected[:, 64:])
    poster.save(tmp_path / "b.png", save_all=True, append_images=frames[:1], **options)
    with pytest.raises(InputError, match=r"b\.png is a single image"):
        open_video(tmp_path / "b.png")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_an_animation_that_was_cut_off(tmp_path, share):
    noise = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    first, *rest = (Image.fromarray(one) for one in noise)
    first.save(tmp_path / "a.png", save_all=True, append_images=rest)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"a\.png c.* copy the file again or convert it"):
        list(open_video(str(tmp_path / "a.png")))


def test_an_image_that_does_not_move(tmp_path):
    animated(1)[0].save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png is a single image; give a video, or a folder"):
        open_video(str(tmp_path / "a.png"))


def test_a_folder_of_deep_frames_is_that_of_8_bits(tmp_path):
    for index, frame in enumerate(pictures(3)):
        grey = frame[..., 0]
        for folder, pixels in (("deep", grey.astype(np.uint16) * 257), ("plain", grey)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / f"{index}.tif")
    deep, plain = (list(open_video(str(tmp_path / folder))) for folder in ("deep", "plain"))
    assert len(deep) == 3
    for one, other in zip(deep, plain, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_paths_are_taken_as_their_names_are(tmp_path):
    film(tmp_path / "a.mp4", pictures(2))
    animated(1)[0].save(tmp_path / "a.png")
    assert open_video(tmp_path / "a.mp4").name == "a.mp4"
    assert open_video(tmp_path).name == open_video(tmp_path / "*.png").name[:-6] == str(tmp_path)
    with pytest.raises(InputError, match="missing does not exist; give a video"):
        open_video(tmp_path / "missing")


def test_a_dark_series_is_said_once(tmp_path, capsys):
    for index, brightest in enumerate((16383, 5000, 16383)):
        Image.fromarray(np.full((8, 8), brightest, np.uint16)).save(tmp_path / f"{index}.png")
    assert [frame.image.max() for frame in open_video(tmp_path)] == [64, 19, 64]
    said = [line for line in capsys.readouterr().err.splitlines() if "14 bits" in line]
    assert len(said) == 1 and "0.png has 16 bits" in said[0]


def test_a_dark_frame_of_a_bright_series_is_dark(tmp_path):
    for index, brightest in enumerate((60000, 2570)):
        Image.fromarray(np.full((8, 8), brightest, np.uint16)).save(tmp_path / f"{index}.png")
    bright, dark = open_video(str(tmp_path))
    assert bright.image.min() == 233 and dark.image.max() == 10
    (tmp_path / "0.png").unlink()
    with pytest.raises(InputError, match="nobody can know which value is white"):
        open_video(str(tmp_path))


class FakeCamera:
    """A camera that gives three frames, then is gone."""

    def __init__(self, number):
        self.left = 4 if number == 0 else 0
        self.released = False
        FakeCamera.last = self

    def read(self):
        self.left -= 1
        return (True, np.full((96, 128, 3), (255, 0, 0), np.uint8)) if self.left >= 0 else (0, None)

    def get(self, _):
        return 0.0

    def release(self):
        self.released = True


def test_camera(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    with open_video("0") as video:
        assert (video.name, video.size, video.frame_count) == ("camera 0", (96, 128), None)
        assert (video.frame_rate, video.has_end) == (30, False)
        frames = iter(video)
        found = [next(frames) for _ in range(3)]
        assert found[0].image[0, 0].tolist() == [0, 0, 255]  # OpenCV gives blue first
        assert found[0].time == 0 and found[2].time >= found[1].time
        with pytest.raises(InputError, match="camera 0 is gone after 3 frames"):
            next(frames)
    assert FakeCamera.last.released
    with pytest.raises(InputError, match="camera 7 gives no frames"):
        open_video("7")
