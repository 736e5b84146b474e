# P4Transformer for semantic segmentation of Synthia 4D: four convolutions, a transformer of depth
# 2, four feature propagations, 12 classes. Coordinates in metres, features RGB in 0..1.
model = dict(
    type='PointVideoSegmentor',
    encoder=dict(
        type='P4TransformerEncoder',
        variant='scene',
        in_channels=3,
        radius=0.9,
        num_neighbors=32),
    head=dict(
        type='PointSegHead',
        in_channels=[3, 128, 256, 512, 1024],
        decoder_channels=[[256, 256], [256, 256], [128, 128], [128, 128]],
        num_classes=12,
        # 1 / ln(1.2 + share of the labelled training points), divided by the minimum
        class_weights=[
            1.0, 1.244514, 1.758231, 2.324261, 1.894942, 2.452485, 2.288366, 2.607544, 2.595122,
            2.629313, 2.370236, 2.623809,
        ],
        ignore_index=255))
