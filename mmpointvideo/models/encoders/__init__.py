"""Networks from points to superpoint features."""
