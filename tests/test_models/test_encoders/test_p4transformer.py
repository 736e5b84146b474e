"""P4TransformerEncoder against the published networks' forward pass, and its levels."""

import copy

import pytest
import torch

from mmpointvideo import ops
from mmpointvideo.models.encoders import P4TransformerEncoder
from tests.reference.memory import kept_for_backward
from tests.reference.p4transformer import literal_p4transformer


@pytest.mark.parametrize('variant, channels, frames', [('scene', 3, 3), ('action', 0, 4)])
def test_published_forward(variant, channels, frames):
    encoder = P4TransformerEncoder(variant, channels, 0.3, 8, width=1 / 32).double()
    literal = copy.deepcopy(encoder)
    xyz = torch.rand(2, frames, 256, 3, dtype=torch.float64)
    features = torch.rand(2, frames, 3, 256, dtype=torch.float64) if channels else None
    expected = literal_p4transformer(literal, xyz, features)
    for actual, value in zip(encoder(xyz, features), expected, strict=True):
        torch.testing.assert_close(actual, value)
    for name, buffer in literal.named_buffers():
        torch.testing.assert_close(dict(encoder.named_buffers())[name], buffer, msg=name)


@pytest.mark.parametrize(
    'backend', [n for n in ops.available_backends() if n in ('torch', 'numba')]
)
@pytest.mark.parametrize(('extent', 'share'), [(8.0, 1 / 8), (0.5, 1 / 2)], ids=['sparse', 'dense'])
def test_kept_bytes_follow_the_distinct_neighbors(backend, extent, share):
    encoder = P4TransformerEncoder('scene', 3, 0.3, width=1 / 8)
    xyz = torch.rand(1, 3, 512, 3) * extent
    features = torch.rand(1, 3, 3, 512)
    weights = list(encoder.parameters())
    with ops.use_backend(backend):
        ours = kept_for_backward(lambda: encoder(xyz, features), weights)[1]
        theirs = kept_for_backward(lambda: literal_p4transformer(encoder, xyz, features), weights)
    assert ours < share * theirs[1]


def test_levels():
    encoder = P4TransformerEncoder('scene', 3, 0.9, 8, width=1 / 32).eval()
    xyz, features = torch.rand(2, 3, 256, 3), torch.rand(2, 3, 3, 256)
    levels = encoder.forward_levels(xyz, features)
    assert levels[0][0] is xyz and levels[0][1] is features
    assert [level[0].shape[2] for level in levels] == [256, 64, 16, 4, 2]
    assert [level[1].shape[2] for level in levels] == encoder.level_channels == [3, 4, 8, 16, 32]
    torch.testing.assert_close(levels[-1][1], encoder(xyz, features)[1])
    assert encoder.out_channels == 32


def test_published_sizes():
    scene = P4TransformerEncoder('scene', 3, 0.9)
    assert [conv.mlp_channels for conv in scene.convs] == [
        (32, 64, 128), (128, 128, 256), (256, 256, 512), (512, 512, 1024)
    ]  # fmt: skip
    assert [conv.radius for conv in scene.convs] == pytest.approx([0.9, 1.8, 3.6, 7.2])
    assert [conv.spatial_stride for conv in scene.convs] == [4, 4, 4, 2]
    block = scene.transformer.blocks[0]
    assert len(scene.transformer.blocks) == 2 and block.attention.qkv.weight.shape == (3072, 1024)
    assert block.attention.qkv.bias is None and block.mlp[0].out_features == 1024
    action = P4TransformerEncoder('action', 0, 0.7)
    (tube,) = action.convs
    assert tube.displacement_proj.weight.shape == (1024, 4) and tube.displacement_norm is None
    assert (tube.spatial_stride, tube.temporal_stride, tube.temporal_padding) == (32, 2, (1, 0))
    block = action.transformer.blocks[0]
    assert len(action.transformer.blocks) == 5 and block.mlp[0].out_features == 2048
    assert block.attention.num_heads == 8


def test_segments_of_one_frame_are_a_batch():
    """Pre-training on scenes: L segments of 1 frame; nothing leaks between them in eval mode."""
    encoder = P4TransformerEncoder('scene', 3, 0.9, 8, width=1 / 32).eval()
    xyz, features = torch.rand(6, 1, 128, 3), torch.rand(6, 1, 3, 128)
    out = encoder(xyz, features)
    assert out[0].shape == (6, 1, 1, 3)
    single = encoder(xyz[2:3], features[2:3])
    torch.testing.assert_close(out[1][2:3], single[1], atol=1e-5, rtol=1e-4)


def test_overrides_and_errors():
    encoder = P4TransformerEncoder(
        'scene', 0, 0.9, width=1 / 16, depth=1, layers=dict(conv4=dict(spatial_stride=1))
    )
    xyz, features = encoder(torch.rand(2, 2, 64, 3))
    assert features.shape == (2, 2, 64, 1) and len(encoder.transformer.blocks) == 1
    with pytest.raises(ValueError, match='variant'):
        P4TransformerEncoder('indoor', 3, 0.9)
    with pytest.raises(ValueError, match='conv5'):
        P4TransformerEncoder('scene', 3, 0.9, layers=dict(conv5={}))
    with pytest.raises(ValueError, match='width'):
        P4TransformerEncoder('scene', 3, 0.9, width=0)
    action = P4TransformerEncoder('action', 0, 0.7, width=1 / 32)
    with pytest.raises(ValueError, match=r'got 5; these layers take 2, 4, 6'):
        action(torch.rand(1, 5, 64, 3))
    with pytest.raises(
        ValueError, match='at least 32 points a frame for spatial strides of 32, got 16'
    ):
        action(torch.rand(1, 4, 16, 3))
