"""What sits between encoder and head."""
