# PointCPSC over PSTNet with the settings of the paper (Section 4.1) and of its ablations' best
# columns (Tables 5 to 9).
model = dict(
    type='PointCPSC',
    encoder=dict(type='PSTNetEncoder', radius=0.5, num_neighbors=9, padding_mode='replicate'),
    projector=dict(
        type='MLPProjector', in_channels=2048, hidden_channels=2048, out_channels=1024),
    autoregressor=dict(
        type='CausalAutoregressor',
        channels=1024,
        depth=3,
        num_heads=8,
        head_channels=128,
        mlp_channels=2048),
    predictor=dict(
        type='MLPProjector', in_channels=1024, hidden_channels=2048, out_channels=1024),
    contrast_head=dict(
        type='PointContrastHead',
        loss=dict(
            type='PointInfoNCELoss',
            temperature=0.01,
            negative_ratio=0.7,
            num_neighbors=3,
            weighting='feature_weighted',
            anchor='prediction',
            in_batch_negatives=False),
        exclude_same_video=True,
        neighbor_start_epoch=20),
    cluster_head=dict(
        type='SemanticClusterHead',
        channels=1024,
        num_prototypes=10,
        assignment_temperature=0.1,
        prototype_loss=dict(type='PrototypeInfoNCELoss', temperature=0.01),
        prototype_weight=1.0),
    memory_bank=dict(type='MemoryBank', size=1024, channels=1024, enqueue_per_iter=256),
    stop_gradient_target=False)

custom_hooks = [dict(type='MemoryBankHook')]
