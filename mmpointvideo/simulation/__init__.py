"""Skeletons or scenes in, sensor data out."""
