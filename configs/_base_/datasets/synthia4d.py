# Synthia 4D for semantic segmentation: a labelled frame and its two predecessors, cut into two
# halves with 1 m of context, 16384 points each. A config for other sizes overrides num_frames of
# the three datasets and num_points of the two pipelines.
dataset_type = 'Synthia4DDataset'
data_root = 'data/synthia4d/'

# Building, Road, Sidewalk, Fence, Vegetation, Pole, Car, Traffic Sign, Pedestrian, Bicycle,
# Lanemarking, Traffic Light; the others are void, sky and two reserved ids
label_ids = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15]
ignored_ids = [0, 1, 13, 14]
# 1 / ln(1.2 + share of the labelled training points), divided by the minimum
class_weights = [
    1.0, 1.244514, 1.758231, 2.324261, 1.894942, 2.452485, 2.288366, 2.607544, 2.595122, 2.629313,
    2.370236, 2.623809,
]

train_pipeline = [
    dict(type='LoadPointVideoFrames', channels=['rgb'], labels=['label']),
    dict(type='CropHalfScene', context=1.0),
    dict(type='CenterScene'),
    dict(type='SamplePoints', num_points=16384, empty_frame='nearest'),
    dict(type='RandomFlip', axis='x', prob=0.5),
    dict(type='RandomScale', scale_range=(0.8, 1.2), anisotropic=False),
    dict(type='RandomRotate', axis='y', angle_range=(0.0, 6.283185307)),
    dict(type='ScaleFeatures', factor=1 / 255),
    dict(type='MapPointLabels', label_ids=label_ids, ignored_ids=ignored_ids),
    dict(type='PackSceneInputs'),
]
test_pipeline = [
    dict(type='LoadPointVideoFrames', channels=['rgb'], labels=['label']),
    dict(type='CropHalfScene', context=1.0),
    dict(type='CenterScene'),
    dict(type='SamplePoints', num_points=16384, empty_frame='nearest'),
    dict(type='ScaleFeatures', factor=1 / 255),
    dict(type='MapPointLabels', label_ids=label_ids, ignored_ids=ignored_ids),
    dict(type='PackSceneInputs'),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='train',
        num_frames=3,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='val',
        num_frames=3,
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='test',
        num_frames=3,
        test_mode=True,
        pipeline=test_pipeline))

val_evaluator = dict(type='SegIoU')
test_evaluator = val_evaluator
