# The built-in streets for semantic segmentation on a CPU: a labelled frame and its two
# predecessors, cut into two halves with 1 m of context, 1024 points each. Training uses the labels
# of 6 frames a street (192 frames: neighbouring ones differ little), the test those of all.
#   python tools/dataset_converters/make_builtin_streets.py --convert
dataset_type = 'Synthia4DDataset'
data_root = 'data/builtin_streets/'

# Building, Road, Sidewalk, Fence, Vegetation, Pole, Car, Traffic Sign, Pedestrian, Bicycle,
# Lanemarking, Traffic Light; the others are void, sky and two reserved ids
label_ids = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15]
ignored_ids = [0, 1, 13, 14]
# 1 / ln(1.2 + share of the labelled points of the training streets), divided by the minimum
class_weights = [
    1.0, 1.572753, 2.114141, 2.691943, 2.101206, 2.770631, 2.197281, 2.878196, 2.784626, 2.854663,
    2.602284, 2.877569,
]

train_pipeline = [
    dict(type='LoadPointVideoFrames', channels=['rgb'], labels=['label']),
    dict(type='CropHalfScene', context=1.0),
    dict(type='CenterScene'),
    dict(type='SamplePoints', num_points=1024, empty_frame='nearest'),
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
    dict(type='SamplePoints', num_points=1024, empty_frame='nearest'),
    dict(type='ScaleFeatures', factor=1 / 255),
    dict(type='MapPointLabels', label_ids=label_ids, ignored_ids=ignored_ids),
    dict(type='PackSceneInputs'),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='train',
        num_frames=3,
        clips=6,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations.json',
        split='test',
        num_frames=3,
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(type='SegIoU')
test_evaluator = val_evaluator
