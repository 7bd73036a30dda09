"""What Ablate asks of a trainable, and the trainables that it knows."""
