# P4Transformer for MSRAction-3D: one tube embedding, a transformer of depth 5, maximum over all
# tokens, and its own head.
model = dict(
    type='PointVideoRecognizer',
    encoder=dict(
        type='P4TransformerEncoder',
        variant='action',
        in_channels=0,
        radius=0.7,
        num_neighbors=32),
    pooling=dict(type='ClipPooling', points='max', frames='max'),
    head=dict(
        type='TransformerClsHead', in_channels=1024, num_classes=20, hidden_channels=2048))
