# Linear probing of tiny configs: sgd_coslr_40e.py with the learning rate that probes of left-out
# training subjects preferred.
_base_ = './sgd_coslr_40e.py'

optim_wrapper = dict(optimizer=dict(lr=0.03))
