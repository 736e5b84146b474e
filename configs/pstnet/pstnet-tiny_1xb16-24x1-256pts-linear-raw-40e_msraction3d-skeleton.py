# The baseline of the probes of unstandardised features: a randomly initialised encoder with batch
# norm statistics measured on the training clips.
_base_ = './pstnet-tiny_1xb16-24x1-256pts-linear-40e_msraction3d-skeleton.py'

model = dict(head=dict(standardize=False))

# the learning rate that probes of left-out training subjects preferred
optim_wrapper = dict(optimizer=dict(lr=30.0, weight_decay=0.0))
