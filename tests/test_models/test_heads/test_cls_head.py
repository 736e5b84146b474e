"""ActionClsHead: its layers, its loss, its predictions."""

import pytest
import torch

from mmpointvideo.models.heads import ActionClsHead
from mmpointvideo.structures import PointVideoDataSample


def test_one_layer_two_layers_and_standardised_input():
    kinds = lambda head: [type(layer).__name__ for layer in head.layers]  # noqa: E731
    assert kinds(ActionClsHead(8, 3)) == ['Linear']
    two = ActionClsHead(8, 3, hidden_channels=6, dropout=0.5)
    assert kinds(two) == ['Linear', 'BatchNorm1d', 'ReLU', 'Dropout', 'Linear']
    probe = ActionClsHead(8, 3, standardize=True)
    assert kinds(probe) == ['BatchNorm1d', 'Linear']
    # nothing but the linear layer is learned
    assert [name for name, _ in probe.named_parameters()] == ['layers.1.weight', 'layers.1.bias']


def test_standardised_input_does_not_depend_on_scale_and_offset():
    head = ActionClsHead(8, 3, standardize=True)
    features = torch.randn(64, 8)
    torch.testing.assert_close(head(features * 50 + 7), head(features), atol=1e-4, rtol=1e-4)


def test_a_video_without_a_label_is_named():
    samples = [PointVideoDataSample(gt_label=0), PointVideoDataSample(metainfo=dict(video_id='v7'))]
    with pytest.raises(ValueError, match='video v7: expected a label to train with, got none'):
        ActionClsHead(4, 3).loss(torch.rand(2, 4), samples)


def test_float64_stays():
    head = ActionClsHead(4, 3).double()
    features = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    samples = [PointVideoDataSample(gt_label=index % 3) for index in range(5)]

    def loss(features):
        return head.loss(features, samples)['loss']

    assert torch.autograd.gradcheck(loss, [features])
    assert head.predict(features, samples)[0].pred_score.dtype == torch.float64
