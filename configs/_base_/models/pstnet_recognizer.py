# PSTNet with the two-layer head (Section 4.2) for MSRAction-3D.
model = dict(
    type='PointVideoRecognizer',
    encoder=dict(type='PSTNetEncoder', radius=0.3, num_neighbors=9, padding_mode='replicate'),
    pooling=dict(type='ClipPooling', points='mean', frames='max'),
    head=dict(type='ActionClsHead', in_channels=2048, num_classes=20, hidden_channels=1024))
