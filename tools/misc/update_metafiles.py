"""Bring the metafiles up to date with the configs and with the paper's numbers.

    python tools/misc/update_metafiles.py            # write
    python tools/misc/update_metafiles.py --check    # only say what is out of date

Every config gets an entry named after it, in the ``metafile.yml`` of its algorithm's folder. The
paper's numbers come from ``configs/tables/*.yml`` and are marked ``(paper)``; numbers of ours are
marked ``(ours)``, are written into the metafiles by hand, and stay.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from mmpointvideo.engine.options import one_line_errors
from mmpointvideo.utils.atomic import atomic_write

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ('pointcpsc', 'pstnet', 'p4transformer')
DATASETS = {
    'msraction3d': 'MSRAction-3D',
    'msraction3d-skeleton': 'MSRAction-3D skeletons through the simulated sensor',
    'ntu60-xsub': 'NTU RGB+D 60, cross-subject',
    'nvgesture': 'NvGesture',
    'synthia4d': 'Synthia 4D',
    'synthia4d-seq04': 'Synthia 4D, sequence 04',
    'builtin-actions': 'built-in actions',
    'builtin-streets': 'built-in streets',
}
METRICS = {'video_acc': 'Video Accuracy', 'mIoU': 'mIoU'}
TASKS = {'video_acc': 'Point Cloud Video Recognition', 'mIoU': 'Point Cloud Video Segmentation'}


def configs(folder: str) -> list[Path]:
    """The configs of a folder, sorted by path."""
    return sorted((ROOT / 'configs' / folder).rglob('*.py'))


def dataset_of(config: str) -> str:
    """The data set that a config's name says."""
    name = Path(config).stem.rsplit('_', 1)[-1]
    part = re.fullmatch(r'(.+)-(\d+)pct', name)
    if part:
        return f'{DATASETS.get(part[1], part[1])}, {part[2]} % of the labels'
    return DATASETS.get(name, name)


def paper_results() -> dict[str, list[dict[str, Any]]]:
    """What the paper reports, by the config it belongs to.

    A cell of an ablation is its pre-training config; its number is that of the fine-tuning.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((ROOT / 'configs' / 'tables').glob('*.yml')):
        table = yaml.safe_load(path.read_text())
        metric = table.get('metric', 'video_acc')
        for row in table['rows']:
            if 'paper' not in row:
                continue
            shared = [
                c['config']['full'] for c in table.get('columns', []) if 'full' in c['config']
            ]
            config, name = row.get('config', {}).get('full'), METRICS[metric]
            if shared:
                config, name = row['pretrain']['full'], f'{name} after fine-tuning'
            data = dataset_of(shared[0] if shared else config)
            result = dict(
                Task=TASKS[metric], Dataset=data, Metrics={f'{name} (paper)': float(row['paper'])}
            )
            if result not in found.setdefault(config, []):
                found[config].append(result)
    return found


def model_entry(path: Path, old: dict[str, Any], paper: list[dict[str, Any]]) -> dict[str, Any]:
    """The metafile's entry of a config; numbers of ours are those of the old entry."""
    config = path.relative_to(ROOT).as_posix()
    batch, clip = re.search(r'_(\d+xb\d+)-([\dx]+-\d+pts)', path.stem).groups()
    epochs = re.search(r'-(\d+)e_', path.stem)
    metadata = {'Training Data': dataset_of(config), 'Batch': batch, 'Clips': clip}
    if epochs:
        metadata['Epochs'] = int(epochs[1])
    entry: dict[str, Any] = {
        'Name': path.stem,
        'In Collection': old['In Collection'],
        'Config': config,
        'Metadata': metadata,
    }
    mine = [r for r in old.get('Results', []) if all(k.endswith('(ours)') for k in r['Metrics'])]
    if paper or mine:
        entry['Results'] = paper + mine
    if 'Weights' in old:
        entry['Weights'] = old['Weights']
    return entry


def updated(folder: str) -> str:
    """Content of a folder's metafile as it should be."""
    path = ROOT / 'configs' / folder / 'metafile.yml'
    content = yaml.safe_load(path.read_text())
    known = {model['Name']: model for model in content.get('Models') or []}
    collection = content['Collections'][0]['Name']
    paper = paper_results()
    content['Models'] = [
        model_entry(
            config,
            {'In Collection': collection} | known.get(config.stem, {}),
            paper.get(config.relative_to(ROOT).as_posix(), []),
        )
        for config in configs(folder)
    ]
    text = yaml.safe_dump(content, sort_keys=False, width=99, allow_unicode=True)
    return '# Kept up to date by tools/misc/update_metafiles.py.\n' + text


def main(argv: list[str] | None = None) -> int:
    """Write or check; the exit status is 1 if a check finds something out of date."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--check', action='store_true', help='write nothing')
    args = parser.parse_args(argv)
    stale = 0
    for folder in FOLDERS:
        path = ROOT / 'configs' / folder / 'metafile.yml'
        text = updated(folder)
        if text == path.read_text():
            continue
        stale += 1
        print(f'{path.relative_to(ROOT)} {"is out of date" if args.check else "written"}')
        if not args.check:
            with atomic_write(path, 'w') as file:
                file.write(text)
    return int(args.check and stale > 0)


if __name__ == '__main__':
    with one_line_errors():
        sys.exit(main())
