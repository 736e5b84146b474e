# PSTNet narrowed eightfold, with the two-layer head; radius as in the tiny pre-training.
_base_ = './pstnet_recognizer.py'

model = dict(
    encoder=dict(width=1 / 8, radius=0.5),
    head=dict(in_channels=256, hidden_channels=256))
