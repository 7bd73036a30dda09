"""The process that talks to W&B: the only importer of wandb."""
