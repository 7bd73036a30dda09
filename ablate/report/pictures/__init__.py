"""What each cell generates, as pictures: chosen, put together and told; nothing here draws."""
