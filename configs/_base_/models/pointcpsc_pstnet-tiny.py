# PointCPSC for a small CPU: PSTNet and the transformer narrowed eightfold and fourfold. Losses,
# temperatures, neighbours and the bank are the paper's.
_base_ = './pointcpsc_pstnet.py'

model = dict(
    encoder=dict(width=1 / 8),
    projector=dict(in_channels=256, hidden_channels=512, out_channels=256),
    autoregressor=dict(channels=256, num_heads=4, head_channels=64, mlp_channels=512),
    predictor=dict(in_channels=256, hidden_channels=512, out_channels=256),
    contrast_head=dict(neighbor_start_epoch=4),
    cluster_head=dict(channels=256),
    memory_bank=dict(channels=256))
