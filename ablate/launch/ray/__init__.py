"""The backend on Ray Tune: the only importer of Ray, which starts before Tune is imported."""
