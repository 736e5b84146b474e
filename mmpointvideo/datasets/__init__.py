"""From a frame store to a clip: storage, indices, transforms."""
