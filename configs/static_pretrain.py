"""Stage 1: one object, pairs from static images (section 4.2 of the paper).

    python -m ranet_jax.data.prepare duts-tr --source DUTS-TR
    python -m ranet_jax.data.prepare ecssd --source ECSSD
    python -m ranet_jax.convert import resnet101.pth weights/resnet101
    python train.py --config configs/static_pretrain.py --workdir runs/static

Needs: an ImageNet ResNet-101 (torchvision or timm; examples/cut_backbone.py makes one where none
can be had) and saliency images; the paper used MSRA10K, ECSSD and HKU-IS. Memory and time on a GPU:
not measured. Expected score: not measured here; the paper has J 79.9 on DAVIS16-val after this
stage alone.
"""

import dataclasses

import ml_collections

from configs import video_augmentation
from ranet_jax.data.augmentation import IMAGES_ALONE, Augmentation


def get_config() -> ml_collections.ConfigDict:
    """The recipe; Adam, 1e-5, cross-entropy, splines, rotation, scale and crops are the paper's."""
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.steps = 100_000
    config.batch_size = 16  # of all devices and processes together
    # Parts that a device's share of the batch is cut into, to save memory; on a CPU they save none.
    config.accumulate = 1
    config.precision = "bfloat16"  # of the computation; parameters stay float32
    config.init_from = "weights/resnet101"

    config.model = ml_collections.ConfigDict()
    config.model.name = "resnet101"  # or resnet50, resnet152, compact, compact_fine, small
    config.model.canvas = (480, 864)  # height and width of the network's input
    config.model.ranking_rule = "single"
    config.model.slots = 1
    # The paper's ablations, see configs/davis16_finetune.py; the first of each is the full model.
    config.model.selection = "ranking"  # or spatial, maximum, features: what the decoder gets
    config.model.learned_scores = True  # whether a network adds to the scores of maps
    config.model.use_previous = True  # whether the decoder gets the previous mask
    config.model.activation = "sigmoid"  # or softmax: what the logits of several objects mean

    config.optimizer = ml_collections.ConfigDict()
    config.optimizer.learning_rate = 1e-5
    config.optimizer.backbone_factor = 1.0  # learning rate of the ResNet over that of the rest
    config.optimizer.frozen_stages = 0  # of the ResNet, from the first, stem included
    config.optimizer.warmup = 500  # steps
    config.optimizer.clip_norm = 1.0
    config.optimizer.ema_decay = 0.999

    config.loss = ml_collections.ConfigDict()
    config.loss.dice = 0.0  # weight of the Dice loss beside the cross-entropy
    config.loss.remembers = False  # whether a frame is a template for the later ones

    config.data = ml_collections.ConfigDict()
    config.data.sets = {"duts-tr": 0.9, "ecssd": 0.1}  # how often each is drawn
    config.data.data_dir = "data/tfds"
    config.data.workers = 8
    config.data.reach = 5  # frames between a video's current frame and its previous mask, at most
    config.data.left_out = ()  # videos kept for validation

    numbers = dataclasses.asdict(Augmentation())  # its documentation says what each one means
    del numbers["canvas"]  # that of the model
    config.augmentation = ml_collections.ConfigDict(numbers)  # of single images
    config.video_augmentation = config.augmentation.copy_and_resolve_references()
    for name in IMAGES_ALONE:
        del config.video_augmentation[name]
    video_augmentation.soften(config.video_augmentation)

    config.log_every = 20  # steps
    config.save_every = 1000
    config.keep = 2  # newest checkpoints
    config.keep_best = 1  # checkpoints with the highest J&F
    config.sheet_every = 500  # pictures of training samples; 0 never

    config.validation = ml_collections.ConfigDict()  # on DAVIS sequences; every = 0 never
    config.validation.every = 0
    config.validation.kind = "davis"
    config.validation.split = "davis16-val"
    config.validation.data_dir = "data/DAVIS"
    config.validation.sequences = ("blackswan", "car-shadow", "drift-straight", "libby")
    config.validation.max_frames = 40  # of each sequence
    return config
