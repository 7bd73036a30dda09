"""Steps as a CUDA graph, which is optional."""
