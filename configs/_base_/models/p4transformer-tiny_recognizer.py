# P4Transformer for actions narrowed eightfold, more anchors of fewer points.
_base_ = './p4transformer_recognizer.py'

model = dict(
    encoder=dict(width=1 / 8, num_neighbors=16, layers=dict(tube=dict(spatial_stride=16))),
    head=dict(in_channels=128, hidden_channels=256))
