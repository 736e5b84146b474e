# Linear probe of the eightfold narrowed PSTNet: frozen encoder, one linear layer on standardised
# features.
model = dict(
    type='PointVideoRecognizer',
    encoder=dict(
        type='PSTNetEncoder',
        radius=0.5,
        num_neighbors=9,
        padding_mode='replicate',
        width=1 / 8),
    pooling=dict(type='ClipPooling', points='mean', frames='max'),
    head=dict(type='ActionClsHead', in_channels=256, num_classes=20, standardize=True),
    frozen_encoder=True)
