"""The Weights & Biases tracker: the driver's side, and the sink's process."""
