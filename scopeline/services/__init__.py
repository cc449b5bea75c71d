"""Use cases, one module each. They know the domain and the ports, nothing else."""
