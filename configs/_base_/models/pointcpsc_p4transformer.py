# PointCPSC for scenes over P4Transformer's encoder: as for actions, with both terms of the semantic
# clustering (Section 4.1). Every frame is a segment: SplitSegments in the data pipeline.
_base_ = './pointcpsc_pstnet.py'

model = dict(
    encoder=dict(
        _delete_=True,
        type='P4TransformerEncoder',
        variant='scene',
        in_channels=3,
        radius=0.9,
        num_neighbors=32),
    projector=dict(in_channels=1024),
    cluster_head=dict(
        assignment_loss=dict(type='AssignmentKLLoss'),
        assignment_weight=1.0))
