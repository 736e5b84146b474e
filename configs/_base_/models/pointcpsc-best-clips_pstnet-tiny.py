# As pointcpsc-best_pstnet-tiny.py, and beside superpoints whole clips are contrasted with the
# others of the batch: by one prototype a clip, the mean of its superpoints, and by the pooled
# features of its segments.
_base_ = './pointcpsc-best_pstnet-tiny.py'

model = dict(
    cluster_head=dict(
        type='SemanticClusterHead',
        channels=256,
        num_prototypes=1,
        predictor_channels=0,
        prototype_loss=dict(type='PrototypeInfoNCELoss', temperature=0.1),
        prototype_weight=3.0),
    clip_head=dict(
        type='ClipContrastHead',
        projector=dict(
            type='MLPProjector', in_channels=256, hidden_channels=512, out_channels=256),
        predictor=dict(
            type='MLPProjector', in_channels=256, hidden_channels=512, out_channels=256),
        loss=dict(type='PrototypeInfoNCELoss', temperature=0.1),
        weight=3.0))
