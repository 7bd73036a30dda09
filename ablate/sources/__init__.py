"""Results that Ablate did not make: tables, Ray's folders, W&B's projects -> plan and rows."""
