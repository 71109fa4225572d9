"""PyTorch's weights in and out, and files that must not get in."""

import functools
import pickle
import zipfile

import flax.traverse_util
import jax
import numpy as np
import pytest
import safetensors.numpy

from ranet_jax.convert import __main__ as command
from ranet_jax.errors import InputError
from ranet_jax.models.ranet import RANet, abstract_params, init_params
from ranet_jax.models.resnet import RESNET_BLOCKS
from ranet_jax.weights import pytorch as convert
from ranet_jax.weights.checkpoint import load_network, save_network
from ranet_jax.weights.network import Network
from ranet_jax.weights.pytorch import UNUSED, export_tensors, import_network, map_names
from ranet_jax.weights.tensors import read_tensors, write_tensors
from tests.golden.make_weights import make_weights

Thin = functools.partial(RANet, width=8, head_width=8)
"""The released names, an eighth of the channels: what is tested here does not depend on them."""


@pytest.fixture(autouse=True)
def thin(monkeypatch, request):
    if "full_width" not in request.fixturenames:
        monkeypatch.setattr(convert, "RANet", Thin)


@pytest.fixture
def full_width():
    """Asks for the released number of channels."""


def shapes_of(model):
    return convert._torch_shapes(model)


@pytest.fixture(scope="module")
def tensors():
    """Arrays under the released names, made here."""
    generator = np.random.default_rng(0)
    shapes = shapes_of(Thin()) | UNUSED
    return {name: generator.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def save(path, tensors):
    if path.suffix == ".safetensors":
        safetensors.numpy.save_file(tensors, path)
    else:
        np.savez(path, **tensors)
    return path


def resnet_tensors(depth, extra=True):
    """What torchvision's ImageNet file holds."""
    names = shapes_of(Thin(blocks=RESNET_BLOCKS[depth]))
    generator = np.random.default_rng(depth)
    found = {
        name.removeprefix("base_model."): generator.standard_normal(shape, np.float32)
        for name, shape in names.items()
        if name.startswith("base_model.")
    }
    if extra:
        found |= {"fc.weight": np.zeros((1000, 2048), np.float32), "fc.bias": np.zeros(1000)}
        found |= {"bn1.running_mean": np.zeros(64), "bn1.num_batches_tracked": np.array(7)}
    return found


def test_names_and_shapes_are_those_of_the_released_checkpoint(full_width):
    released = {name: array.shape for name, array in make_weights(0).items()}
    assert shapes_of(RANet()) | UNUSED == released


def test_every_parameter_has_a_name():
    for blocks in RESNET_BLOCKS.values():
        model = RANet(blocks=blocks)
        paths = flax.traverse_util.flatten_dict(abstract_params(model), sep="/").keys()
        assert {place.path for place in map_names(model).values()} == paths


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_import_then_export_is_the_identity(tmp_path, tensors, ending):
    source = save(tmp_path / f"source{ending}", tensors)
    save_network(tmp_path / "checkpoint", import_network(source, "multi"))
    network = load_network(tmp_path / "checkpoint")
    assert network.model == Thin(ranking_rule="multi")
    write_tensors(tmp_path / f"back{ending}", export_tensors(network))
    back = read_tensors(tmp_path / f"back{ending}")
    assert back.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(back[name], array, err_msg=name)


def test_released_names_behind_data_parallel_and_a_wrapper(tmp_path, tensors):
    wrapped = {f"module.{name}": array for name, array in tensors.items()}
    network = import_network(save(tmp_path / "a.npz", wrapped), "single")
    kernel = network.params["decoder"]["logit"]["kernel"]
    np.testing.assert_array_equal(kernel, tensors["R3.5.weight"].transpose(2, 3, 1, 0))


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_imagenet_resnets(tmp_path, depth):
    tensors = resnet_tensors(depth)
    network = import_network(save(tmp_path / "a.safetensors", tensors), "single")
    assert network.model.blocks == RESNET_BLOCKS[depth]
    resnet = network.params["encoder"]["resnet"]
    np.testing.assert_array_equal(resnet["norm1"]["scale"], tensors["bn1.weight"])
    last = RESNET_BLOCKS[depth][2] - 1
    np.testing.assert_array_equal(
        resnet[f"stage3_block{last}"]["conv2"]["kernel"],
        tensors[f"layer3.{last}.conv2.weight"].transpose(2, 3, 1, 0),
    )
    assert network.encoder_alone
    drawn = init_params(network.model, 0)["decoder"]["logit"]["kernel"]
    np.testing.assert_array_equal(network.params["decoder"]["logit"]["kernel"], drawn)


def test_a_resnet_whose_children_are_numbered(tmp_path, capsys):
    tensors = resnet_tensors(50, extra=False)
    numbers = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
    renamed = {"classifier.weight": np.zeros((2, 2048), np.float32)}
    for name, array in tensors.items():
        first, _, rest = name.partition(".")
        renamed[f"features.{numbers[first]}.{rest}"] = array
    network = import_network(save(tmp_path / "a.safetensors", renamed), "single")
    assert "the ResNet alone is taken, and 1 tensors are left out" in capsys.readouterr().out
    expected = import_network(save(tmp_path / "b.safetensors", tensors), "single")
    jax.tree.map(np.testing.assert_array_equal, network.params, expected.params)


def test_all_wrong_names_in_one_message(tmp_path, tensors):
    wrong = dict(tensors)
    del wrong["L3.2.weight"], wrong["base_model.layer3.22.conv1.weight"]
    wrong["another.one"] = wrong["and.more"] = np.zeros(3, np.float32)
    wrong["R3.5.bias"] = np.zeros((2, 3), np.float32)
    wrong["rank_A.0.bias"] = np.zeros(9, np.float32)
    with pytest.raises(InputError) as caught:
        import_network(save(tmp_path / "a.npz", wrong), "single")
    message = str(caught.value)
    assert "\n" not in message
    assert "2 missing: L3.2.weight, base_model.layer3.22.conv1.weight" in message
    assert "2 extra: and.more, another.one" in message
    assert "2 misshapen: R3.5.bias (2, 3) instead of (1,), rank_A.0.bias (9,)" in message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.pth", None, "does not exist"),
        ("a.npz", b"PK\x03\x04 not a zip", "damaged"),
        ("a.safetensors", b"\x00nothing", "damaged"),
        ("a.onnx", b"", "none of .pth"),
        ("a.pth", b"", "is empty; download it again"),
        ("a.pth", b"<!DOCTYPE html><html><title>Sign in</title>", "is a web page and holds no wei"),
        ("a.npz", b"<html>\n<body>", "is a web page and holds no weights .*'<html> <body>'"),
        ("a.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256", "is a text and holds"),
    ],
)
def test_files_that_are_none(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_tensors(tmp_path / name)


def test_pickled_arrays_in_npz_are_never_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([Hostile(tmp_path / "executed")], object))
    with pytest.raises(InputError, match="damaged"):
        read_tensors(tmp_path / "a.npz")
    assert not (tmp_path / "executed").exists()


def test_npz_with_something_else_than_arrays_of_numbers(tmp_path):
    np.savez(tmp_path / "words.npz", x=np.array(["a"]), y=np.zeros(2))
    with pytest.raises(InputError, match=r"something else than arrays of numbers \(x\)"):
        read_tensors(tmp_path / "words.npz")
    np.savez(tmp_path / "a.npz", y=np.zeros(2))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("readme.txt", "by hand")
    with pytest.raises(InputError, match=r"something else than arrays .*readme\.txt"):
        read_tensors(tmp_path / "a.npz")
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="one array without a name"):
        read_tensors(tmp_path / "one.npz")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, tensors, value):
    broken = {name: array.copy() for name, array in tensors.items()}
    broken["L3.2.weight"].flat[7] = value
    with pytest.raises(InputError, match=r"NaN or infinity in 1 tensors \(L3\.2\.weight\)"):
        import_network(save(tmp_path / "a.npz", broken), "single")


def test_neither_ranet_nor_resnet(tmp_path):
    file = save(tmp_path / "a.npz", {"features.0.weight": np.zeros(3)})
    with pytest.raises(InputError, match=r"neither a RANet nor a ResNet.*features\.0\.weight"):
        import_network(file, "single")


class Hostile:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("kind", ["hostile", "module", "truncated", "list", "legacy"])
def test_pth_is_never_executed(tmp_path, kind):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'ranet-jax[torch]'")
    path = tmp_path / "a.pth"
    if kind == "hostile":
        torch.save({"x": Hostile(tmp_path / "executed")}, path)
    elif kind == "module":
        torch.save(torch.nn.Linear(2, 2), path)
    elif kind == "truncated":
        torch.save({"x": torch.zeros(1000)}, path)
        path.write_bytes(path.read_bytes()[:500])
    elif kind == "list":
        torch.save([torch.zeros(3)], path)
    else:
        path.write_bytes(pickle.dumps(Hostile(tmp_path / "executed")))
    with pytest.raises(InputError, match=r"a\.pth.*save model\.state_dict\(\)"):
        read_tensors(path)
    assert not (tmp_path / "executed").exists()


def test_pth_with_tensors(tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'ranet-jax[torch]'")
    tensors = resnet_tensors(50)
    state = {name: torch.from_numpy(np.asarray(array)) for name, array in tensors.items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "a.pth")
    network = import_network(tmp_path / "a.pth", "single")
    kernel = network.params["encoder"]["resnet"]["conv1"]["kernel"]
    np.testing.assert_array_equal(kernel, tensors["conv1.weight"].transpose(2, 3, 1, 0))


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["convert", *map(str, arguments)])
    command.main()


def test_what_people_save_as_pth(tmp_path):
    torch = pytest.importorskip("torch", reason="reading .pth needs torch")
    tensors = {name: torch.tensor(x) for name, x in resnet_tensors(50, extra=False).items()}
    named = {name: torch.nn.Parameter(x) for name, x in tensors.items()}  # named_parameters()
    torch.save(named, tmp_path / "a.pth")
    assert import_network(tmp_path / "a.pth", "single").model.blocks == RESNET_BLOCKS[50]
    torch.save(
        {"a": tensors["conv1.weight"]}, tmp_path / "old.pth", _use_new_zipfile_serialization=False
    )
    whole = (tmp_path / "old.pth").read_bytes()
    for size in range(1, 1000, 97):
        (tmp_path / "cut.pth").write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"cut\.pth"):
            import_network(tmp_path / "cut.pth", "single")


def test_a_web_page_in_any_language(tmp_path):
    page = "\ufeff<!doctype html><title>\u767b\u5f55</title>" + 300 * " "
    for name in ("a.pth", "a.npz", "a.safetensors"):
        (tmp_path / name).write_text(page, encoding="utf-8")
        with pytest.raises(InputError, match=f"{name} is a web page and holds no weights"):
            import_network(tmp_path / name, "single")


def test_commands(tmp_path, monkeypatch, capsys, tensors):
    source = save(tmp_path / "RANet_video_multi.npz", tensors)
    run(monkeypatch, "import", source, tmp_path / "checkpoint")
    assert "objects ranked by multi" in capsys.readouterr().out
    run(monkeypatch, "export", tmp_path / "checkpoint", tmp_path / "out" / "a.safetensors")
    np.testing.assert_array_equal(
        read_tensors(tmp_path / "out/a.safetensors")["L_g.2.bias"], tensors["L_g.2.bias"]
    )
    with pytest.raises(InputError, match="exists already"):
        run(monkeypatch, "import", source, tmp_path / "checkpoint")
    with pytest.raises(InputError, match="exists already"):
        run(monkeypatch, "export", tmp_path / "checkpoint", tmp_path / "out" / "a.safetensors")


def test_wrong_file_leaves_nothing_behind(tmp_path, monkeypatch):
    source = save(tmp_path / "a.npz", {"base_model.conv1.weight": np.zeros(3)})
    with pytest.raises(InputError, match="missing"):
        run(monkeypatch, "import", source, tmp_path / "checkpoint")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_untrained_unused_tensors_are_zero():
    model = Thin(blocks=RESNET_BLOCKS[50])
    exported = export_tensors(Network(model, init_params(model, 0), {}))
    assert exported.keys() == (shapes_of(model) | UNUSED).keys()
    assert not exported["rank_A.0.weight"].any()


def test_a_network_that_the_released_code_cannot_load_is_not_exported():
    model = RANet((3, 4, 6, 3), head_width=32, canvas=(256, 448), top_k=64, learned_scores=False)
    with pytest.raises(InputError, match=r"another .*head_width, top_k, canvas, learned_scores; "):
        export_tensors(Network(model, {}, {}))
