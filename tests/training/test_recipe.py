"""The recipes: complete, checked before anything is written, and open to every ablation."""

import dataclasses
import sys
from importlib import import_module
from pkgutil import walk_packages

import ml_collections
import pytest

import configs
from configs import compact, compact_ablations, demo, static_pretrain
from configs.legs import leg_17_memory
from ranet_jax.data.augmentation import IMAGES_ALONE, Augmentation
from ranet_jax.data.damage import Damage
from ranet_jax.errors import InputError
from ranet_jax.models.ablations import ABLATIONS
from ranet_jax.training.__main__ import name_run
from ranet_jax.training.fields import FIELDS, VALIDATION_FIELDS, list_fields
from ranet_jax.training.loop import train
from ranet_jax.training.optimizer import make_schedule
from ranet_jax.training.recipe import check_recipe, make_augmentation, make_model
from ranet_jax.weights.network import describe_model
from tests.conftest import ROOT
from tests.test_ablations import VARIANTS
from tests.training.runs import tiny_config, try_command

MODULES = [import_module(found.name) for found in walk_packages(configs.__path__, "configs.")]
DAVIS = static_pretrain.get_config().validation.to_dict() | {"every": 1}
DEMO = str(ROOT / "configs/demo.py")
RECIPES = [module for module in MODULES if hasattr(module, "get_config")]


def test_all_recipes_are_looked_at():
    assert {static_pretrain, compact, compact_ablations, demo} <= set(RECIPES)


def test_every_field_of_every_recipe_is_known():
    for recipe in RECIPES:
        found = list_fields(recipe.get_config())
        kind = VALIDATION_FIELDS[found["validation.kind"]]
        assert found.keys() == FIELDS.keys() | kind.keys(), recipe.__name__


@pytest.mark.parametrize("lost", ["steps", "model.slots", "augmentation.flip", "data.sets"])
def test_a_field_that_is_missing_is_named(lost):
    config = static_pretrain.get_config()
    section, _, name = lost.rpartition(".")
    del (config[section] if section else config)[name]
    with pytest.raises(InputError, match=rf"the recipe lacks {lost}; begin it with the recipe of"):
        check_recipe(config)


def test_of_many_fields_that_are_missing_some_are_named():
    with pytest.raises(InputError, match=r"the recipe lacks steps, .*, init_from and \d\d more fi"):
        check_recipe(ml_collections.ConfigDict({"seed": 0, "data": {"reach": 5}}))


def test_generated_clips_for_a_recipe_that_validates_on_davis():
    config = static_pretrain.get_config()
    config.validation.kind = "generated"
    check_recipe(config)  # which never asks for them
    config.validation.every = 100
    with pytest.raises(
        InputError, match=r"lacks validation.seed, .* of configs/demo.py to validat"
    ):
        check_recipe(config)


def test_every_recipe_is_complete_and_says_what_it_needs():
    for recipe in RECIPES:
        config = recipe.get_config()
        model = make_model(config)
        for section, others in (
            (config.augmentation, ()),
            (config.video_augmentation, IMAGES_ALONE),
        ):
            fields = {field.name for field in dataclasses.fields(Augmentation)}
            assert set(section.keys()) == fields - {"canvas", *others}, recipe.__name__
            damage = {field.name for field in dataclasses.fields(Damage)}
            assert set(section.damage.keys()) == damage
            assert make_augmentation(section, model.canvas).canvas == model.canvas
        assert make_schedule(config)(config.optimizer.warmup) == config.optimizer.learning_rate
        assert f"{recipe.__name__.replace('.', '/')}.py" in recipe.__doc__
        assert "Needs:" in recipe.__doc__ and "score" in recipe.__doc__.lower()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.__name__)
def test_every_recipe_takes_every_variant(recipe):
    assert describe_model(make_model(recipe.get_config())).items() >= {
        "selection": "ranking", "use_previous": True, "activation": "sigmoid"
    }.items()  # fmt: skip
    for fields in VARIANTS:
        config = recipe.get_config()
        config.model.update(fields)
        if config.loss.remembers and "selection" in fields:
            with pytest.raises(InputError, match=r"has one template; set loss\.remembers to False"):
                check_recipe(config)
            config.loss.remembers = False
        check_recipe(config)
        model = make_model(config)
        assert describe_model(model).items() >= fields.items()
        assert model == dataclasses.replace(make_model(recipe.get_config()), **fields)


def test_ablations_differ_from_the_first_leg_in_what_they_say_and_in_length():
    same, first = compact_ablations.get_config().to_dict(), compact.get_config().to_dict()
    assert same["model"] == first["model"] and same["data"] == first["data"]
    networks = compact_ablations.NETWORKS
    changes = {variant: ("model", fields) for variant, fields in networks.items()}
    changes |= {
        variant: ("data", {"sets": sets}) for variant, sets in compact_ablations.SETS.items()
    }
    models = []
    for variant, (section, fields) in changes.items():
        config = compact_ablations.get_config(variant)
        check_recipe(config)
        models.append(make_model(config))
        found = config.to_dict()
        for name, value in fields.items():
            assert found[section][name] == value != same[section][name]
            found[section][name] = same[section][name]
        assert found == same
    assert len(set(models)) == len(networks), "images and videos train the same network"
    with pytest.raises(KeyError, match="none of ranking, no_ranking"):
        compact_ablations.get_config("nothing")


def test_what_is_remembered_needs_later_frames():
    config = leg_17_memory.get_config()
    config.data.sets = ml_collections.ConfigDict({"ecssd": 1.0})  # images alone
    config.augmentation.later_frames = 0
    with pytest.raises(InputError, match=r"loss\.remembers is on, and no frame comes after"):
        check_recipe(config)


@pytest.mark.parametrize("field", ["selection", "activation"])
def test_unknown_variants_are_refused(field):
    config = demo.get_config()
    config.model[field] = "rank"
    with pytest.raises(
        InputError, match=rf"model.{field} is 'rank'; give one of {config_of(field)}"
    ):
        check_recipe(config)


def config_of(field):
    return static_pretrain.get_config().model[field]


@pytest.mark.parametrize("selection", ["ranking", *ABLATIONS])
def test_recipes_know_every_ablation(selection):
    config = demo.get_config()
    config.model.selection = selection
    check_recipe(config)
    assert make_model(config).selection == selection


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "nowhere.py"], "--config nowhere.py: nowhere.py does not exist; give one"),
        (["--config=nowhere.py:variant"], "nowhere.py does not exist; give one such as"),
        (["--config", str(ROOT / "README.md")], "README.md is no recipe; give one such as"),
        (["--config", f"{DEMO}:quick"], "this recipe has no variants; leave the colon"),
        (["--config", DEMO, "--config.stepz=3"], "has no field stepz; did you mean steps"),
        (["--config", DEMO, "--config.nothing.at=3"], "the recipe has no field nothing;"),
        (["--config", DEMO, "--config.steps=few"], "--config.steps=few: invalid literal"),
        ([], "there is no recipe; give one, such as --config configs/demo.py"),
    ],
)
def test_flags_that_do_not_exist(arguments, message):
    assert message in refuse(arguments)


def test_a_recipe_that_is_no_python_is_one_line(tmp_path):
    (tmp_path / "own.py").write_text("import ml_collections\n\ndef get_config(:\n")
    line = refuse(["--config", str(tmp_path / "own.py")])
    assert "own.py, line 3: invalid syntax; mend the recipe" in line


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("config.steps = stepz", "name 'stepz' is not defined; mend the recipe"),
        ("config.steps = [1][4]", "list index out of range; mend the recipe"),
        ("config.steps = 1 // 0", "integer division or modulo by zero; mend the recipe"),
        ("config.steps = 'a'", "Could not override field 'steps'"),
        ("config.optimzer.warmup = 3", "has no field optimzer; did you mean optimizer"),
        ("config.stpes = 7", None),
    ],
)
def test_a_fault_of_a_recipe_is_one_line_that_says_where(tmp_path, line, message):
    path = tmp_path / "own.py"
    path.write_text(
        "from configs import demo\n\n\ndef get_config():\n    config = demo.get_config()\n"
        f"    {line}\n    return config\n"
    )
    said = refuse(["--config", str(path), "--workdir", str(tmp_path / "run")])
    if message:
        assert said.startswith(f"error: {path}, line 6: ") and message in said
    else:
        assert said.endswith("has stpes, and there is no such field; did you mean steps")


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").touch()
    line = refuse(["--config", DEMO, "--workdir", str(tmp_path)])
    assert line == f"error: {tmp_path} holds thesis.txt, and no run; choose another --workdir"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def refuse(arguments: list[str]) -> str:
    """The one line that a training of these flags ends with."""
    done = try_command([sys.executable, ROOT / "train.py", *arguments])
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 3, "accumulate": 2}, "choose a multiple of 2"),
        ({"init_from": "nowhere"}, "nowhere does not exist"),
        ({"model": {"canvas": (200, 300)}}, "canvas 200x300: give multiples of 32"),
        ({"model": {"canvas": ("160x288",)}}, "give height and width, such as"),
        ({"batch_size": 0}, "batch_size is 0; give a whole number from 1 on"),
        ({"save_every": 0}, "save_every is 0; give a whole number from 1 on"),
        ({"steps": 0}, "steps is 0; give a whole number from 1 on"),
        ({"keep": 0}, "keep is 0; give a whole number from 1 on"),
        ({"data": {"workers": -1}}, "data.workers is -1; give a whole number from 0 on"),
        ({"optimizer": {"learning_rate": -1.0}}, "learning_rate is -1.0; give a value from 0 on"),
        ({"optimizer": {"ema_decay": 2.0}}, "ema_decay is 2.0; give a value from 0 on and below 1"),
        ({"steps": 1}, "warmup 1 must be below steps 1"),
        ({"model": {"name": "resnet18"}}, "model.name is 'resnet18'; give one of resnet50"),
        (
            {"model": {"ranking_rule": "mutli"}},
            "model.ranking_rule is 'mutli'; give one of single, multi",
        ),
        ({"precision": "bf16"}, "precision is 'bf16'; give one of float32"),
        ({"precision": "float64"}, "precision is 'float64'; give one of float32, bfloat16"),
        (
            {"data": {"sets": {"generated": 0.0}}},
            "give at least one set, each with a weight above 0",
        ),
        ({"validation": {"every": 1, "frames": 2}}, "nothing to score in clip0"),
        (
            {"validation": DAVIS | {"split": "davis17-test-dev"}},
            "validation.split is 'davis17-test-dev'; give one of davis16-train",
        ),
        ({"data": {"sets": {"ecssd": 1.0}}}, "data.prepare ecssd"),
        ({"seed": -1}, "seed is -1; give a whole number from 0 on"),
        ({"optimizer": {"clip_norm": 0.0}}, "clip_norm is 0.0; give a value above 0"),
        ({"optimizer": {"backbone_factor": -0.1}}, "backbone_factor is -0.1; give a value from 0"),
        ({"optimizer": {"frozen_stages": 5}}, "is 5; give a whole number from 0 on and below 5"),
        ({"optimizer": {"learning_rate": float("nan")}}, "learning_rate is nan; give a value"),
        ({"augmentation": {"scaling": 1.0}}, "is 1.0; give a value from 0 on and below 1"),
        ({"augmentation": {"flip": 1.5}}, "augmentation.flip is 1.5; give a value from 0 to 1"),
        ({"video_augmentation": {"flip": -0.5}}, "video_augmentation.flip is -0.5; give a value"),
        ({"augmentation": {"pasted_area": (0.3, 0.03)}}, r"\(0.3, 0.03\); give the smallest and"),
        (
            {"video_augmentation": {"damage": {"lost_probability": 2.0}}},
            "video_augmentation.damage.lost_probability is 2.0; give a value from 0 to 1",
        ),
        (
            {"stpes": 7},
            "the recipe has stpes, and there is no such field; did you mean steps",
        ),
        ({"optimizer": {"learnig_rate": 1.0}}, "did you mean optimizer.learning_rate"),
        ({"augmentation": {"rotaton": 1.0}}, "did you mean augmentation.rotation"),
        ({"video_augmentation": {"shadows": 1.0}}, "did you mean augmentation.shadows"),
        (
            {"validation": {"every": 1, "kind": "davis"}},
            "the recipe lacks validation.split, validation.data_dir, validation.sequences",
        ),
        (
            {"data": {"sets": {"ecssd": 1.0}}, "augmentation": {"later_frames": 1}},
            "later_frames is 1 and video_augmentation.later_frames 0; give both one value",
        ),
    ],
)
def test_bad_recipes(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        train(tiny_config(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        ("configs/demo.py", "demo"),
        ("configs/legs/leg_06_fine.py", "leg_06_fine"),
        ("configs/compact_ablations.py:images", "compact_ablations_images"),
    ],
)
def test_variants_have_folders_of_their_own(recipe, name):
    assert name_run(recipe) == name
