"""Functions as trainables: how they are called, and how their results are taken one by one."""
