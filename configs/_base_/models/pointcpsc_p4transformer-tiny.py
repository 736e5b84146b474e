# PointCPSC for scenes on a small CPU: P4Transformer narrowed eightfold as in the tiny segmentor.
_base_ = './pointcpsc_p4transformer.py'

model = dict(
    encoder=dict(width=1 / 8, num_neighbors=16),
    projector=dict(in_channels=128, hidden_channels=256, out_channels=128),
    autoregressor=dict(channels=128, num_heads=4, head_channels=32, mlp_channels=256),
    predictor=dict(in_channels=128, hidden_channels=256, out_channels=128),
    cluster_head=dict(channels=128),
    memory_bank=dict(channels=128))
