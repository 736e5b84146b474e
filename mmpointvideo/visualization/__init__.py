"""Drawing clips and predictions."""
