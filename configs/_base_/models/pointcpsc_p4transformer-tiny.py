# PointCPSC for scenes on a small CPU: P4Transformer narrowed eightfold as in the tiny segmentor,
# both terms of the semantic clustering.
_base_ = './pointcpsc_pstnet.py'

model = dict(
    encoder=dict(
        _delete_=True,
        type='P4TransformerEncoder',
        variant='scene',
        in_channels=3,
        radius=1.8,
        num_neighbors=16,
        width=1 / 8),
    projector=dict(in_channels=128, hidden_channels=256, out_channels=128),
    autoregressor=dict(channels=128, num_heads=4, head_channels=32, mlp_channels=256),
    predictor=dict(in_channels=128, hidden_channels=256, out_channels=128),
    cluster_head=dict(
        channels=128,
        assignment_loss=dict(type='AssignmentKLLoss'),
        assignment_weight=1.0),
    memory_bank=dict(channels=128))
