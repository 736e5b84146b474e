# NTU RGB+D 60, cross-subject, with the labels of half of each class's training videos (Table 3).
_base_ = './ntu_rgbd60.py'

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='LabelFraction',
        fraction=0.5,
        seed=0,
        dataset={{_base_.train_dataloader.dataset}}))
