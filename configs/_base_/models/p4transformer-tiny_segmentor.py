# P4Transformer for scenes narrowed eightfold, with fewer neighbours in twice the radius, for clouds
# of 1024 points.
_base_ = './p4transformer_segmentor.py'

model = dict(
    encoder=dict(width=1 / 8, radius=1.8, num_neighbors=16),
    head=dict(
        in_channels=[3, 16, 32, 64, 128],
        decoder_channels=[[32, 32], [32, 32], [16, 16], [16, 16]]))
