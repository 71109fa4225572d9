"""Training: it learns, it resumes exactly, and the number of devices changes nothing."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from configs import (
    davis16_finetune,
    davis16_hour,
    davis17_finetune,
    demo,
    static_hour,
    static_pretrain,
    static_pretrain_multi,
)
from ranet_jax.data.damage import Damage
from ranet_jax.data.example import Augmentation
from ranet_jax.errors import InputError
from ranet_jax.files import lock_folder
from ranet_jax.models.objective import predict
from ranet_jax.models.ranet import RANet, init_params, small_ranet
from ranet_jax.training import loop, parallel
from ranet_jax.training.loop import check_finite, train
from ranet_jax.training.optimizer import make_optimizer, make_schedule
from ranet_jax.training.recipe import make_augmentation, make_model
from ranet_jax.training.state import start_state
from ranet_jax.weights.checkpoint import load_network, save_network
from ranet_jax.weights.network import Network

ROOT = Path(__file__).parents[1]
RECIPES = (
    static_pretrain,
    davis16_finetune,
    static_pretrain_multi,
    davis17_finetune,
    static_hour,
    davis16_hour,
    demo,
)


def tiny_config(**changes) -> ConfigDict:
    """The demo's recipe, a few steps of it."""
    config = demo.get_config()
    config.steps, config.batch_size, config.save_every = 6, 2, 2
    config.optimizer.warmup = 1
    config.sheet_every, config.log_every = 0, 1
    config.update(changes)
    return config


@pytest.fixture(scope="module")
def environment():
    """Of the programs that tests start."""
    return os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}


def command(work, **flags):
    options = {
        "steps": 6,
        "batch_size": 2,
        "save_every": 2,
        "sheet_every": 0,
        "log_every": 1,
        "optimizer.warmup": 1,
    }
    flags = [f"--config.{name}={value}" for name, value in (options | flags).items()]
    recipe = ROOT / "configs/demo.py"
    return [sys.executable, ROOT / "train.py", "--config", recipe, "--workdir", work, *flags]


def leaves_of(work):
    """Every leaf of a run's newest checkpoint, by name."""
    from orbax.checkpoint import v1 as ocp

    folder = max((work / "checkpoints").iterdir(), key=lambda path: int(path.name))
    found = jax.tree_util.tree_leaves_with_path(ocp.load(folder.resolve()))
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in found}


def run(environment, work, **flags):
    done = subprocess.run(command(work, **flags), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def undisturbed(environment, tmp_path_factory):
    work = tmp_path_factory.mktemp("undisturbed") / "run"
    run(environment, work)
    return work


def wait_for(condition, process, seconds=300):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end and process.poll() is None
        time.sleep(0.02)


def steps_in(work):
    path = work / "metrics.jsonl"
    return (
        [json.loads(line)["step"] for line in path.read_text().splitlines()]
        if path.exists()
        else []
    )


def test_killed_and_resumed_equals_never_killed(environment, undisturbed, tmp_path):
    work = tmp_path / "run"
    for kill_after in (3, 5):
        process = subprocess.Popen(
            command(work), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(lambda: kill_after in steps_in(work), process)  # noqa: B023
        process.kill()
        process.wait()
    run(environment, work)
    found, expected = leaves_of(work), leaves_of(undisturbed)
    assert found.keys() == expected.keys() and len(found) > 100
    for name, leaf in expected.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)
    assert steps_in(work) == steps_in(undisturbed) == [1, 2, 3, 4, 5, 6]


def test_sigterm_saves_first(environment, undisturbed, tmp_path):
    work = tmp_path / "run"
    process = subprocess.Popen(
        command(work, save_every=100), env=environment, stdout=subprocess.PIPE, text=True
    )
    wait_for(lambda: 2 in steps_in(work), process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert "the same command goes on" in output
    (saved,) = (int(path.name) for path in (work / "checkpoints").iterdir())
    assert 2 < saved < 6
    run(environment, work)
    found, expected = leaves_of(work), leaves_of(undisturbed)
    for name, leaf in expected.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)


def test_second_training_in_a_folder_is_refused(environment, tmp_path):
    work = tmp_path / "run"
    with lock_folder(work):
        second = subprocess.run(command(work), env=environment, capture_output=True, text=True)
    assert second.returncode == 2
    line = second.stderr.strip().splitlines()[-1]
    assert f"another process is writing into {work} ({os.getpid()}: " in line
    assert list(work.iterdir()) == []


HANGS = """
import signal, threading
from ranet_jax.training.loop import catch_signals
with catch_signals() as stopped:
    print("ready", flush=True)
    while not stopped:
        signal.pause()
    print("caught", flush=True)
    threading.Lock().acquire() and threading.Semaphore(0).acquire()
"""


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_second_interrupt_ends_at_once(environment, first):
    """A loader that hangs is one that a thread waits for without end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(first)
    assert process.stdout.readline() == "caught\n"
    process.send_signal(signal.SIGTERM)  # a scheduler may repeat it
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == -signal.SIGINT
    assert "stopping after this step; Ctrl-C ends at once" in process.stderr.read()


def test_a_process_that_got_no_signal_itself_stops_as_well(monkeypatch, tmp_path):
    """Another process of the run got it, and all stop after the same step."""
    monkeypatch.setattr(parallel, "is_true_anywhere", lambda _: True)
    monkeypatch.setattr(loop, "check_ids", lambda *_: None)
    with pytest.raises(SystemExit) as exit_info:
        train(tiny_config(), tmp_path / "run")
    assert exit_info.value.code == 128 + signal.SIGTERM
    assert steps_in(tmp_path / "run") == [1]


def test_sheets_validation_and_workers(environment, tmp_path):
    """One run with all that recipes switch on; its weights are those of a run without."""
    work = tmp_path / "run"
    flags = {"sheet_every": 2, "data.workers": 1, "keep": 1, "steps": 4}
    flags |= {"validation.every": 2, "validation.count": 1, "validation.frames": 4}
    done = run(environment, work, **flags)
    assert done.stderr == "", "no word of memory that workers leave behind"
    assert sorted(path.name for path in (work / "sheets").iterdir()) == [
        "0000002.png",
        "0000004.png",
    ]
    lines = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    scores = {line["step"]: line["J&F"] for line in lines if "J&F" in line}
    assert scores.keys() == {2, 4}
    best = max(scores, key=scores.get)
    assert {int(path.name) for path in (work / "checkpoints").iterdir()} == {best, 4}
    assert list((work / "tensorboard").iterdir())
    plain = tmp_path / "plain"
    run(environment, plain, steps=4)
    expected = leaves_of(plain)
    for name, leaf in leaves_of(work).items():
        np.testing.assert_array_equal(leaf, expected[name], err_msg=name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "nowhere.py"], "nowhere.py"),
        (["--config", str(ROOT / "configs/demo.py"), "--config.stepz=3"], "stepz"),
    ],
)
def test_flags_that_do_not_exist(environment, arguments, message):
    program = [sys.executable, ROOT / "train.py", *arguments]
    done = subprocess.run(program, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ") and message in line


def test_another_recipe_in_the_same_folder_is_refused(environment, undisturbed):
    flags = {"optimizer.learning_rate": 1e-4, "log_every": 5}
    done = subprocess.run(
        command(undisturbed, **flags), env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    message = done.stderr.strip().splitlines()[-1]
    assert "optimizer.learning_rate is 0.0001 and was 0.002" in message
    assert "log_every" not in message
    assert steps_in(undisturbed) == [1, 2, 3, 4, 5, 6]


def test_a_run_can_be_loaded_and_started_from(undisturbed):
    network = load_network(undisturbed)
    assert network.model == small_ranet()
    leaves = leaves_of(undisturbed)
    kernel = network.params["decoder"]["logit"]["kernel"]
    np.testing.assert_array_equal(kernel, leaves["['ema_params']['decoder']['logit']['kernel']"])
    state = start_state(small_ranet(), tiny_config(init_from=str(undisturbed)))
    np.testing.assert_array_equal(state.params["decoder"]["logit"]["kernel"], kernel)


DEVICES = """
import sys, numpy as np, jax, jax.numpy as jnp
jax.config.update("jax_enable_x64", True)
from ranet_jax.training import parallel
from ranet_jax.training.state import start_state
from ranet_jax.training.update import make_update
from ranet_jax.models.ranet import RANet
from tests.test_training import tiny_config
process, processes, port, accumulate, path = sys.argv[1:]
process, processes = int(process), int(processes)
parallel.start_processes(f"localhost:{port}" if processes > 1 else None, process, processes)
config = tiny_config(batch_size=4, precision="float64", accumulate=int(accumulate))
model = RANet(blocks=(1, 1, 1, 1), width=8, head_width=8, canvas=(64, 96), top_k=4)
state = start_state(model, config)
wide = lambda x: x.astype(jnp.float64) if x.dtype == jnp.float32 else x
state = parallel.replicate(jax.tree.map(wide, state))
update = parallel.parallelize(make_update(model, config))
generator = np.random.default_rng(0)
losses = []
for step in range(2):
    frames = generator.integers(0, 256, (2, 4, 64, 96, 3)).astype(np.uint8)
    labels = generator.integers(0, 2, (3, 4, 64, 96)).astype(np.uint8)
    batch = dict(zip(("template", "frame", "template_labels", "previous", "labels"),
                     [*frames, *labels]))
    own = {name: array[process::processes] for name, array in batch.items()}
    state, metrics = update(state, parallel.split_over_devices(own))
    losses.append(float(metrics["loss"]))
if process == 0:
    leaves = [np.asarray(x) for x in jax.tree.leaves(state)]
    np.savez(path, *leaves, losses=losses, devices=jax.device_count())
"""


def train_on(environment, path, devices=1, processes=1, accumulate=1):
    """Two steps in float64 on simulated devices, in one or several processes."""
    flags = f"--xla_force_host_platform_device_count={devices // processes}"
    port = str(20000 + os.getpid() % 10000)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", DEVICES, *map(str, (i, processes, port, accumulate, path))],
            env=environment | {"XLA_FLAGS": flags, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(processes)
    ]
    for process in running:
        _, errors = process.communicate()
        assert process.returncode == 0, errors[-3000:]
    with np.load(path) as arrays:
        assert arrays["devices"] == devices
        return {name: arrays[name] for name in arrays if name != "devices"}


@pytest.mark.slow
def test_number_of_devices_and_processes_changes_nothing(environment, tmp_path):
    expected = train_on(environment, tmp_path / "1.npz")
    others = {
        "2 devices, 2 accumulated parts": {"devices": 2, "accumulate": 2},
        "2 processes": {"devices": 2, "processes": 2},
    }
    for title, setting in others.items():
        found = train_on(environment, tmp_path / "other.npz", **setting)
        assert found.keys() == expected.keys()
        for name in expected:
            np.testing.assert_allclose(
                found[name], expected[name], rtol=1e-7, atol=1e-10, err_msg=f"{title} {name}"
            )


def test_every_recipe_is_complete_and_says_what_it_needs():
    for recipe in RECIPES:
        config = recipe.get_config()
        model = make_model(config)
        for section in (config.augmentation, config.video_augmentation):
            fields = {field.name for field in dataclasses.fields(Augmentation)}
            assert set(section.keys()) == fields - {"canvas"}, recipe.__name__
            damage = {field.name for field in dataclasses.fields(Damage)}
            assert set(section.damage.keys()) == damage
            assert make_augmentation(section, model.canvas).canvas == model.canvas
        assert make_schedule(config)(config.optimizer.warmup) == config.optimizer.learning_rate
        name = recipe.__name__.split(".")[-1]
        assert f"configs/{name}.py" in recipe.__doc__
        assert "Needs:" in recipe.__doc__ and "score" in recipe.__doc__


def test_backbone_has_its_own_learning_rate():
    config = tiny_config()
    config.optimizer.backbone_factor, config.optimizer.warmup = 0.1, 0
    params = {"encoder": {"resnet": {"a": jnp.ones(3)}, "fuse": {"a": jnp.ones(3)}}}
    optimizer = make_optimizer(config)
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    backbone, head = updates["encoder"]["resnet"]["a"], updates["encoder"]["fuse"]["a"]
    np.testing.assert_allclose(backbone, 0.1 * head, rtol=1e-5)
    assert (head < 0).all()


@pytest.mark.parametrize("ranking_rule", ["single", "multi"])
def test_ranking_network_gets_no_gradient_and_starts_silent(ranking_rule):
    """What docs/training.md and `init_params` say: it only orders maps. All else learns."""
    model = RANet(
        blocks=(1, 1, 1, 1),
        width=8,
        head_width=8,
        canvas=(64, 96),
        top_k=4,
        ranking_rule=ranking_rule,
    )
    params = init_params(model, 0)
    assert not params["ranking"]["network"]["conv2"]["conv"]["kernel"].any()
    generator = np.random.default_rng(0)
    batch = {
        name: generator.integers(0, 256, (1, 64, 96, 3)).astype(np.uint8)
        for name in ("template", "frame")
    }
    for name in ("template_labels", "previous"):
        batch[name] = np.zeros((1, 64, 96), np.uint8)
        batch[name][:, 16:48, 20:70] = 1
    compute = jax.jit(jax.grad(lambda p: predict(model, p, batch, 1, jnp.float32)[0].mean()))
    gradients = compute(params)
    assert not any(x.any() for x in jax.tree.leaves(gradients["ranking"]))
    for part in (gradients["encoder"], gradients["decoder"]["merge"]):
        assert all(x.any() for x in jax.tree.leaves(part) if x.ndim == 4)


def test_loss_that_is_not_finite_names_step_and_samples():
    class Named:
        name = "ecssd"

    with pytest.raises(InputError, match=r"step 7, on the samples ecssd\[3\], ecssd\[9\]"):
        check_finite(
            7, {"loss": float("nan"), "gradient_norm": 1.0}, np.array([[0, 3], [0, 9]]), [Named()]
        )
    check_finite(7, {"loss": 0.1, "gradient_norm": 1.0}, np.array([[0, 3]]), [Named()])


def test_init_from_another_model(tmp_path):
    model = RANet(blocks=(1, 1, 1, 1), width=8, head_width=8, canvas=(160, 288), top_k=28)
    save_network(tmp_path / "other", Network(model, init_params(model, 0), {}))
    with pytest.raises(InputError, match=r"init_from .*other does not fit its model: .*misshapen"):
        start_state(small_ranet(), tiny_config(init_from=str(tmp_path / "other")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 3, "accumulate": 2}, "choose a multiple of 2"),
        ({"init_from": "nowhere"}, "nowhere does not exist"),
        ({"steps": 1}, "warmup 1 must be below steps 1"),
        ({"model": {"name": "resnet18"}}, "model.name 'resnet18' is none of resnet50"),
        (
            {"model": {"ranking_rule": "mutli"}},
            "model.ranking_rule 'mutli' is none of single, multi",
        ),
        ({"precision": "bf16"}, "precision 'bf16' is none of float32"),
        ({"precision": "float64"}, "precision 'float64' is none of float32, bfloat16"),
        ({"data": {"sets": {"generated": 0.0}}}, "data.sets must name at least one"),
        ({"validation": {"every": 1, "frames": 2}}, "nothing to score in clip0"),
        ({"data": {"sets": {"ecssd": 1.0}}}, "data.prepare ecssd"),
    ],
)
def test_bad_recipes(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        train(tiny_config(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()
