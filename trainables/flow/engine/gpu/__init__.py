"""Steps as a CUDA graph, an option."""
