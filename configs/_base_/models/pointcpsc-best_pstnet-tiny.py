# PointCPSC for a small CPU with the contrast of superpoints that worked best for us (chosen on
# training subjects, docs/results.md): the other superpoints of the batch are the negatives, no
# neighbours, a softer temperature of 0.1. No prototypes: a config may add them.
model = dict(
    type='PointCPSC',
    encoder=dict(
        type='PSTNetEncoder',
        radius=0.5,
        num_neighbors=9,
        padding_mode='replicate',
        width=1 / 8),
    projector=dict(type='MLPProjector', in_channels=256, hidden_channels=512, out_channels=256),
    autoregressor=dict(
        type='CausalAutoregressor',
        channels=256,
        depth=3,
        num_heads=4,
        head_channels=64,
        mlp_channels=512),
    predictor=dict(type='MLPProjector', in_channels=256, hidden_channels=512, out_channels=256),
    contrast_head=dict(
        type='PointContrastHead',
        loss=dict(
            type='PointInfoNCELoss',
            temperature=0.1,
            num_neighbors=0,
            anchor='prediction',
            in_batch_negatives=True)))
