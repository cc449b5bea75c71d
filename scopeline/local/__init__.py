"""The local edition as one service: API, workers and web site of one laboratory on one machine."""
