"""What starts a Ray of our own sooner, and alone knows Ray's private names. Empty: see `start`."""
