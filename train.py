"""Trains a recipe: python train.py --config configs/static_pretrain.py [--config.steps=100]."""

if __name__ == "__main__":
    # Imported here, so that processes that load data do not run any of this.
    from ranet_jax.training.__main__ import command

    command()
