"""What the ports stand on, one folder per edition."""
