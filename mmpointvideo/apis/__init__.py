"""Running trained models from Python."""
