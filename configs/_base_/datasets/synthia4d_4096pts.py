# Synthia 4D at the size of the ablations: 4096 points a half.
_base_ = './synthia4d.py'

train_pipeline = [
    dict(type='LoadPointVideoFrames', channels=['rgb'], labels=['label']),
    dict(type='CropHalfScene', context=1.0),
    dict(type='CenterScene'),
    dict(type='SamplePoints', num_points=4096, empty_frame='nearest'),
    dict(type='RandomFlip', axis='x', prob=0.5),
    dict(type='RandomScale', scale_range=(0.8, 1.2), anisotropic=False),
    dict(type='RandomRotate', axis='y', angle_range=(0.0, 6.283185307)),
    dict(type='ScaleFeatures', factor=1 / 255),
    dict(
        type='MapPointLabels',
        label_ids={{_base_.label_ids}},
        ignored_ids={{_base_.ignored_ids}}),
    dict(type='PackSceneInputs'),
]
test_pipeline = [
    dict(type='LoadPointVideoFrames', channels=['rgb'], labels=['label']),
    dict(type='CropHalfScene', context=1.0),
    dict(type='CenterScene'),
    dict(type='SamplePoints', num_points=4096, empty_frame='nearest'),
    dict(type='ScaleFeatures', factor=1 / 255),
    dict(
        type='MapPointLabels',
        label_ids={{_base_.label_ids}},
        ignored_ids={{_base_.ignored_ids}}),
    dict(type='PackSceneInputs'),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
