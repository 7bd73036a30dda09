"""What Ablate asks of a trainable, and the trainables it knows."""
