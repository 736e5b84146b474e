# Linear probe of the features as they are, without standardising them: one linear layer, as in the
# paper; after the best settings.
_base_ = [
    './pstnet-tiny_pointcpsc-best-msrskel-pre_1xb16-24x1-256pts-linear-40e_msraction3d-skeleton.py',
]

model = dict(head=dict(standardize=False))

# the learning rate that probes of left-out training subjects preferred
optim_wrapper = dict(optimizer=dict(lr=1.0, weight_decay=0.0))
