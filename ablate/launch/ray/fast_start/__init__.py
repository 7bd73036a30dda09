"""Starts a Ray of our own faster; the only user of Ray's private names. See `start`."""
