"""What a run's config may be: free of torch and Ray, so that planning is instant."""
