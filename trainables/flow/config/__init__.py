"""Run configs: free of torch and Ray, so that planning is instant."""
