"""Runner-side parts: checkpoints, launch, hooks, optimizers."""
