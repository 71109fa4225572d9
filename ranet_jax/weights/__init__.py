"""Networks on disk: checkpoints, and the files of PyTorch."""
