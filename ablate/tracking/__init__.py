"""Views of run events: the terminal, W&B, trackers of your own."""
