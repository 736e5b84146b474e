"""The page on adding one's own parts does what it shows, in a folder outside the package."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from mmengine.config import Config


def test_the_page_runs(root: Path, tmp_path: Path) -> None:
    page = (root / 'docs' / 'add_your_own.md').read_text(encoding='utf-8')
    blocks = re.findall(r'^```(\w+)\n(.*?)^```$', page, flags=re.MULTILINE | re.DOTALL)
    env = {
        **os.environ,
        'MMPOINTVIDEO': str(root),
        'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}',
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
    }
    env.pop('PYTHONPATH', None)
    find = [sys.executable, '-c', 'import mmpointvideo']
    if subprocess.run(find, cwd=tmp_path, env=env, capture_output=True).returncode != 0:
        # the page assumes an installed package; a bare checkout has to be named
        env['PYTHONPATH'] = str(root)
        blocks = [(k, text.replace('PYTHONPATH=.', f'PYTHONPATH=.:{root}')) for k, text in blocks]
    assert [kind for kind, _ in blocks].count('bash') == 4
    for kind, block in blocks:
        if kind == 'python':
            name = re.match(r'# (\S+\.py)\n', block)
            assert name, f'a block without the name of its file:\n{block}'
            (tmp_path / name[1]).write_text(block, encoding='utf-8')
            continue
        done = subprocess.run(
            ['bash', '-euo', 'pipefail', '-c', block],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, f'{block}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
    # what docs/get_started.md says about checkpoints and SIGTERM holds for this run, too
    run, shared = (
        Config.fromfile(path, import_custom_modules=False).default_hooks
        for path in (
            tmp_path / 'work_dirs/my_config/my_config.py',
            root / 'configs/default_runtime.py',
        )
    )
    own = dict(logger=dict(type='LoggerHook', interval=2), best_and_last=run.best_and_last)
    assert run.to_dict() == {**shared.to_dict(), **own}
    left = {path.name for path in (tmp_path / 'work_dirs/my_config').glob('*.pth')}
    assert left == {'epoch_4.pth', 'epoch_5.pth'}
    last = json.loads((tmp_path / 'work_dirs/my_config/results.json').read_text())['last']
    tested = json.loads((tmp_path / 'result.json').read_text())
    assert last['epoch'] == 5
    assert tested['video_acc'] == last['video_acc'] >= 50  # chance
