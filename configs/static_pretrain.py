"""Stage 1: one object, pairs from static images (section 4.2 of the paper).

    python -m ranet_jax.data.prepare duts-tr --source DUTS-TR
    python -m ranet_jax.data.prepare ecssd --source ECSSD
    python -m ranet_jax.convert import resnet101.pth weights/resnet101
    python train.py --config configs/static_pretrain.py --workdir runs/static

Needs: an ImageNet ResNet-101 (torchvision or timm; tools/cut_backbone.py makes one where none can
be had) and saliency images; the paper used MSRA10K, ECSSD and HKU-IS. Memory and time on a GPU: not
measured. Expected score: not measured here; the paper has J 79.9 on DAVIS16-val after this stage
alone.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """The recipe; Adam, 1e-5, cross-entropy, splines, rotation, scale and crops are the paper's."""
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.steps = 100_000
    config.batch_size = 16  # of all devices and processes together
    config.accumulate = 1  # parts that a device's share of the batch is cut into, to save memory
    config.precision = "bfloat16"  # of the computation; parameters stay float32
    config.init_from = "weights/resnet101"

    config.model = ml_collections.ConfigDict()
    config.model.name = "resnet101"  # or resnet50, resnet152, small
    config.model.rule = "single"
    config.model.slots = 1
    # The paper's ablations, see configs/davis16_finetune.py; the first of each is the full model.
    config.model.selection = "ranking"  # or spatial, maximum, features: what the decoder gets
    config.model.use_previous = True  # whether the decoder gets the previous mask
    config.model.decision = "sigmoid"  # or softmax: what the logits of several objects mean

    config.optimizer = ml_collections.ConfigDict()
    config.optimizer.learning_rate = 1e-5
    config.optimizer.backbone_factor = 1.0  # learning rate of the ResNet over that of the rest
    config.optimizer.warmup = 500  # steps
    config.optimizer.clip_norm = 1.0
    config.optimizer.average_decay = 0.999

    config.data = ml_collections.ConfigDict()
    config.data.kind = "static"
    config.data.sets = {"duts-tr": 0.9, "ecssd": 0.1}  # how often each is drawn
    config.data.data_dir = "data/tfds"
    config.data.workers = 8
    config.data.reach = 5  # frames; stage 2 only
    config.data.left_out = ()  # videos kept for validation; stage 2 only

    config.augmentation = ml_collections.ConfigDict()
    config.augmentation.spline = 0.15  # largest move of 16 control points, share of the sides
    config.augmentation.rotation = 30.0  # degrees
    config.augmentation.scaling = 0.25  # 0.75..1.25
    config.augmentation.shift = 0.1  # share of the sides; with box_jitter the paper's random crop
    config.augmentation.flip = 0.5  # probability
    config.augmentation.colour = 0.25  # brightness, contrast, saturation, equal in both views
    config.augmentation.colour_apart = 0.08  # the same, for each view on its own
    config.augmentation.box_jitter = 0.08  # of the current view's box, share of its sides
    config.augmentation.visible = 0.25  # smallest part of an object that a view must show
    config.augmentation.pasted_objects = 0  # objects of other images; with 3, stage 1 of several
    config.augmentation.pasted_area = (0.03, 0.2)  # share of the image's area

    config.augmentation.damage = ml_collections.ConfigDict()  # of the previous mask, from the truth
    config.augmentation.damage.spline = 0.05
    config.augmentation.damage.rotation = 5.0
    config.augmentation.damage.scaling = 0.06
    config.augmentation.damage.shift = 0.05
    config.augmentation.damage.growth = 0.05  # dilation or erosion
    config.augmentation.damage.missing_probability = 0.4
    config.augmentation.damage.missing_size = 0.3

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
