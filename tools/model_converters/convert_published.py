"""Convert published checkpoints of PSTNet, P4Transformer, PST-Transformer and PointCMP.

    python tools/model_converters/convert_published.py CHECKPOINT OUT.pth
    python tools/model_converters/convert_published.py CHECKPOINT OUT.pth --config CONFIG

The kind is told by the names of the weights. Every weight is accounted for: taken over under its
name here, or left out with the reason said; a name that is not known is an error. With --config
the result is checked against that config's model. The file is read as data: tensors, plain
values and the ``args`` namespace that the published scripts save beside them, nothing else.
"""

from __future__ import annotations

import argparse
import pickle
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from mmpointvideo.checkpoints import compare_weights, require_all_weights
from mmpointvideo.checkpoints.safe_loading import weights_only
from mmpointvideo.engine.options import one_line_errors
from mmpointvideo.utils.atomic import atomic_write

BN = r'(weight|bias|running_mean|running_var|num_batches_tracked)'
WB = r'(weight|bias)'
Rules = list[tuple[str, str | Callable[[re.Match], str] | None]]

#: PSTConv, below a prefix such as ``conv1``
PST_CONV: Rules = [
    (r'{}(conv\d[ab]?)\.spatial_conv_d\.weight', r'encoder.\1.displacement_proj.weight'),
    (r'{}(conv\d[ab]?)\.spatial_conv_f\.weight', r'encoder.\1.feature_proj.weight'),
    (rf'{{}}(conv\d[ab]?)\.batch_norm\.{BN}', r'encoder.\1.norm.\2'),
    (r'{}(conv\d[ab]?)\.temporal\.weight', r'encoder.\1.temporal_proj.weight'),
]


def _below(rules: Rules, prefix: str) -> Rules:
    return [(pattern.replace('{}', prefix, 1), name) for pattern, name in rules]


def _sequence(match: re.Match) -> str:
    """Place in the published Sequential of conv, norm, ReLU; the name of our list's entry."""
    layer, part = divmod(int(match['place']), 3)
    return f'{("proj", "norm")[part]}s.{layer}'


def _p4d_mlp(match: re.Match) -> str:
    return f'encoder.{match["conv"]}.mlp_{_sequence(match)}.{match["rest"]}'


def _p4d_step(match: re.Match) -> str:
    return f'head.steps.{4 - int(match["step"])}.{_sequence(match)}.{match["rest"]}'


TUBE: Rules = [(r'tube_embedding\.conv_d\.0\.weight', 'encoder.tube.displacement_proj.weight')]
P4_TRANSFORMER: Rules = [
    (
        rf'transformer\.layers\.(\d+)\.0\.fn\.norm\.{WB}',
        r'encoder.transformer.blocks.\1.attention_norm.\2',
    ),
    (
        r'transformer\.layers\.(\d+)\.0\.fn\.fn\.to_qkv\.weight',
        r'encoder.transformer.blocks.\1.attention.qkv.weight',
    ),
    (
        rf'transformer\.layers\.(\d+)\.0\.fn\.fn\.to_out\.0\.{WB}',
        r'encoder.transformer.blocks.\1.attention.out.\2',
    ),
    (
        rf'transformer\.layers\.(\d+)\.1\.fn\.norm\.{WB}',
        r'encoder.transformer.blocks.\1.mlp_norm.\2',
    ),
    (
        rf'transformer\.layers\.(\d+)\.1\.fn\.fn\.net\.0\.{WB}',
        r'encoder.transformer.blocks.\1.mlp.0.\2',
    ),
    (
        rf'transformer\.layers\.(\d+)\.1\.fn\.fn\.net\.3\.{WB}',
        r'encoder.transformer.blocks.\1.mlp.2.\2',
    ),
]
NO_PLACE = 'PointCMP pre-trains with it, and it is not transferred'


@dataclass
class Kind:
    """A published network.

    Attributes:
        rules: Pattern of a whole name, and its name here; None: left out.
        reasons: Why the names that match a pattern are left out.
        note: What to know about the result.
    """

    rules: Rules
    reasons: dict[str, str] = field(default_factory=dict)
    note: str = ''


KINDS = {
    'pstnet': Kind(
        [*_below(PST_CONV, ''), (rf'fc\.{WB}', r'head.layers.0.\1')],
        note='PSTNetEncoder with padding_mode="zeros" and a head of one linear layer; for the '
        'released MSR classifier also layers=dict(conv3a=dict(mid_channels=284)).',
    ),
    'p4transformer': Kind(
        [
            *TUBE,
            (rf'pos_embedding\.{WB}', r'encoder.position.\1'),
            *P4_TRANSFORMER,
            (rf'mlp_head\.([013])\.{WB}', r'head.layers.\1.\2'),
        ],
        note="P4TransformerEncoder(variant='action') and TransformerClsHead.",
    ),
    'p4transformer_scene': Kind(
        [
            (r'(conv\d)\.conv_d\.0\.weight', r'encoder.\1.displacement_proj.weight'),
            (rf'(conv\d)\.conv_d\.1\.{BN}', r'encoder.\1.displacement_norm.\2'),
            (r'(conv\d)\.conv_f\.0\.weight', r'encoder.\1.feature_proj.weight'),
            (rf'(conv\d)\.conv_f\.1\.{BN}', r'encoder.\1.feature_norm.\2'),
            (rf'(?P<conv>conv\d)\.mlp\.(?P<place>[0134])\.(?P<rest>{BN})', _p4d_mlp),
            *P4_TRANSFORMER,
            (rf'deconv(?P<step>[1-4])\.conv\.(?P<place>[0134])\.(?P<rest>{BN})', _p4d_step),
            (rf'outconv\.{WB}', r'head.classifier.\1'),
        ],
        note="P4TransformerEncoder(variant='scene', aggregation='multiplication'): the released "
        'segmentation code multiplies, its option for addition is misspelt.',
    ),
    'pst_transformer': Kind(
        [
            *TUBE,
            (
                rf'transformer\.layers\.(\d+)\.0\.norm\.{WB}',
                r'encoder.transformer.blocks.\1.attention_norm.\2',
            ),
            (
                r'transformer\.layers\.(\d+)\.0\.to_qkv\.weight',
                r'encoder.transformer.blocks.\1.attention.qkv.weight',
            ),
            (
                rf'transformer\.layers\.(\d+)\.0\.to_out\.0\.{WB}',
                r'encoder.transformer.blocks.\1.attention.out.\2',
            ),
            (r'transformer\.layers\.\d+\.0\.spatial_op\.weight', None),
            (
                rf'transformer\.layers\.(\d+)\.1\.net\.0\.{WB}',
                r'encoder.transformer.blocks.\1.mlp_norm.\2',
            ),
            (
                rf'transformer\.layers\.(\d+)\.1\.net\.1\.{WB}',
                r'encoder.transformer.blocks.\1.mlp.0.\2',
            ),
            (
                rf'transformer\.layers\.(\d+)\.1\.net\.4\.{WB}',
                r'encoder.transformer.blocks.\1.mlp.2.\2',
            ),
            (rf'mlp_head\.([01])\.{WB}', r'head.layers.\1.\2'),
            (rf'mlp_head\.4\.{WB}', r'head.layers.3.\1'),
        ],
        {'spatial_op': 'P4Transformer has no displacements in its attention'},
        note='An initialisation of P4Transformer, not the same function: the displacements in the '
        'attention have no place here. Its positional embedding is written as zeros, as the '
        'published network has none.',
    ),
    'pointcmp': Kind(
        [
            *_below(PST_CONV, r'encoder\.'),
            (rf'fc_out\.{WB}', r'head.layers.0.\1'),
            (r'(pos_embedding|transformer|mlp_head|mask_token|folding|v2_fc)\b.*', None),
        ],
        dict.fromkeys(
            ('pos_embedding', 'transformer', 'mlp_head', 'mask_token', 'folding', 'v2_fc'),
            NO_PLACE,
        ),
        note='PSTNetEncoder with padding_mode="zeros"; after pre-training an encoder alone, for '
        'encoder_checkpoint.',
    ),
}


def load_published(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights of a published checkpoint and what its ``args`` and ``epoch`` say, as plain data.

    Raises:
        FileNotFoundError: If there is no such file.
        pickle.UnpicklingError: If it holds anything but tensors, plain values and a namespace.
        ValueError: If it holds no weights.
    """
    with weights_only(), torch.serialization.safe_globals([argparse.Namespace]):
        try:
            loaded = torch.load(path, map_location='cpu', weights_only=True)
        except pickle.UnpicklingError as error:
            found = re.search(r'GLOBAL \S+', str(error))
            raise pickle.UnpicklingError(
                f'{path}: refused, expected weights, plain values and a namespace of options, '
                f'found {found[0] if found else "something else"}'
            ) from None
    loaded = loaded if isinstance(loaded, dict) else {}
    state = next((loaded[k] for k in ('model', 'state_dict') if k in loaded), loaded)
    weights = {k: v for k, v in state.items() if isinstance(v, Tensor)}
    if not weights:
        raise ValueError(f'{path}: expected weights under "model" or "state_dict", got none')
    options = loaded.get('args')
    about: dict[str, Any] = {}
    if isinstance(options, argparse.Namespace):
        plain = (str, int, float, bool, type(None), list, tuple)
        about['args'] = {k: v for k, v in vars(options).items() if isinstance(v, plain)}
    if isinstance(loaded.get('epoch'), int):
        about['epoch'] = loaded['epoch']
    # DataParallel's prefix
    return {name.removeprefix('module.'): value for name, value in weights.items()}, about


def guess_kind(names: list[str]) -> str:
    """Which network the names are of.

    Raises:
        ValueError: If of none of those known.
    """

    def has(pattern: str) -> bool:
        return any(re.match(pattern, name) for name in names)

    if has(r'encoder\.conv1\.spatial_conv_d'):
        return 'pointcmp'
    if has(r'conv1\.spatial_conv_d'):
        return 'pstnet'
    if has('tube_embedding'):
        return 'pst_transformer' if has(r'transformer\.layers\.0\.0\.to_qkv') else 'p4transformer'
    if has(r'conv1\.conv_d'):
        return 'p4transformer_scene'
    raise ValueError(f'expected a checkpoint of {list(KINDS)}, got weights like {names[:5]}')


def convert(weights: dict[str, Tensor], kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Rename all weights.

    Args:
        weights: By their published names.
        kind: One of :data:`KINDS`.

    Returns:
        Weights by our names, 1x1 convolutions as matrices; and of those left out, why.

    Raises:
        ValueError: If a name is unknown or two get the same name.
    """
    rules = [(re.compile(pattern), name) for pattern, name in KINDS[kind].rules]
    out: dict[str, Tensor] = {}
    left: dict[str, str] = {}
    unknown = []
    for name, value in weights.items():
        for pattern, target in rules:
            match = pattern.fullmatch(name)
            if match is None:
                continue
            if target is None:
                left[name] = next(why for k, why in KINDS[kind].reasons.items() if k in name)
                break
            new = target(match) if callable(target) else match.expand(target)
            if new in out:
                raise ValueError(f'two weights become {new}; one of them is {name}')
            if value.ndim > 2 and set(value.shape[2:]) == {1}:
                value = value.flatten(1)
            out[new] = value
            break
        else:
            unknown.append(name)
    if unknown:
        raise ValueError(f'{len(unknown)} weights of a {kind} are unknown: {unknown}')
    if kind == 'pst_transformer':
        width = out['encoder.tube.displacement_proj.weight'].shape[0]
        out['encoder.position.weight'] = torch.zeros(width, 4)
        out['encoder.position.bias'] = torch.zeros(width)
    return out, left


def check(config: str, state: dict[str, Tensor]) -> str:
    """Compare with a config's model: the whole model, or its encoder where there is no head.

    Raises:
        ValueError: If they do not fit.
    """
    from mmpointvideo.apis import init_model

    cfg = Config.fromfile(config)
    if 'encoder_checkpoint' in cfg.model:
        cfg.model.encoder_checkpoint = None
    model = init_model(cfg, device='cpu')
    if any(name.startswith('head.') for name in state):
        require_all_weights(model, state)
        return f'fits {type(model).__name__} of {config}'
    report = compare_weights(model.encoder, state, 'encoder.')
    if not report.complete:
        raise ValueError(f'the weights do not fit the encoder of {config}: {report}')
    return f'fits the encoder of {config}'


def main(argv: list[str] | None = None) -> int:
    """Convert; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('out', type=Path)
    parser.add_argument('--kind', choices=list(KINDS), help='default: told by the names')
    parser.add_argument('--config', help='check against the model of this config')
    args = parser.parse_args(argv)
    weights, about = load_published(args.checkpoint)
    kind = args.kind or guess_kind(list(weights))
    state, left = convert(weights, kind)
    fits = check(args.config, state) if args.config else ''
    print(f'{kind}: {len(weights)} weights, {len(weights) - len(left)} taken over')
    for reason in dict.fromkeys(left.values()):
        names = [name for name, why in left.items() if why == reason]
        print(f'left out ({len(names)}): {reason}: {", ".join(names)}')
    print('\n'.join(line for line in (KINDS[kind].note, fits) if line))
    with atomic_write(args.out) as file:
        meta = dict(converted_from=args.checkpoint.name, kind=kind, published=about)
        torch.save(dict(meta=meta, state_dict=state), file)
    print(f'written to {args.out}')
    return 0


if __name__ == '__main__':
    with one_line_errors():
        sys.exit(main())
