"""Measurements of webterm beside terminado and the bare pseudo-terminal: ``bench/run``."""
