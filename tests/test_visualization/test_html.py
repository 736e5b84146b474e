"""The page: self-contained, small, and it holds what was put in."""

import base64
import gzip
import json
import re

import numpy as np
import pytest

from mmpointvideo.visualization import Layer, PointClip, write_html

pytest.importorskip('plotly')


def read(path):
    """Meta data, arrays and library of a page."""
    text = path.read_text(encoding='utf-8')

    def part(name):
        return re.search(rf'<script id="{name}"[^>]*>(.*?)</script>', text, re.S)[1]

    blob, library = (gzip.decompress(base64.b64decode(part(n))) for n in ('data', 'library'))
    return json.loads(part('meta')), blob, library.decode(), text


def clip(counts=(7, 5, 6), title='a'):
    rng = np.random.default_rng(0)
    frames = [rng.normal(size=(n, 3)) * [100, 50, 10] for n in counts]
    part = [rng.integers(0, 3, n) for n in counts]
    part[0][0] = 255
    share = [rng.random(n) for n in counts]
    layers = {
        'part': Layer(part, ['<head>', 'arm', 'leg'], ignore_index=255),
        'similarity': Layer(share, limits=(0, 1)),
    }
    return PointClip(frames, layers, title, ['x', 'y', 'z'][: len(counts)])


def test_page_holds_the_clips(tmp_path):
    clips = [clip(), clip((4, 3), 'b')]
    path = write_html(tmp_path / 'p.html', clips, ['part', 'height'], 'a </script> & b')
    meta, blob, library, text = read(path)
    assert 'Plotly' in library and 'scatter3d' in library
    assert text.count('<title>a &lt;/script&gt; &amp; b</title>') == 1
    assert not re.search(r'(src|href)\s*=', text)  # nothing comes from elsewhere
    assert meta['length'] == 3 and [c['color'] for c in meta['clips']] == ['part', 'height']
    for shown, entry in zip(clips, meta['clips'], strict=True):
        assert entry['frames'] == list(shown.frame_names)
        points = np.concatenate(shown.upright())
        assert entry['offsets'][-1] == len(points)
        packed = np.frombuffer(blob, '<u2', 3 * len(points), entry['position']).reshape(-1, 3)
        np.testing.assert_allclose(packed * entry['step'] + entry['low'], points, atol=0.01)
        part = entry['layers']['part']
        codes = np.frombuffer(blob, 'u1', len(points), part['position'])
        np.testing.assert_array_equal(codes, np.concatenate(shown.layers['part'].values))
        assert part['names'] == ['<head>', 'arm', 'leg'] and part['ignored']
        number = entry['layers']['similarity']
        codes = np.frombuffer(blob, 'u1', len(points), number['position'])
        values = np.concatenate(shown.layers['similarity'].values)
        np.testing.assert_allclose(codes / 255, values, atol=0.002)


def test_size(tmp_path):
    rng = np.random.default_rng(0)
    large = PointClip([rng.random((2500, 3)) for _ in range(24)])
    path = write_html(tmp_path / 'p.html', [large, large])
    assert path.stat().st_size < 3.2e6
    assert read(path)[0]['clips'][0]['offsets'][-1] == 24 * 2048


def test_camera(tmp_path):
    eyes = {}
    for view in ('front', 'top', (90, 0)):
        eyes[view] = read(write_html(tmp_path / 'p.html', [clip()], view=view))[0]['eye']
    assert eyes['front']['y'] < -1.9 and abs(eyes['front']['z']) < 0.01
    assert eyes['top']['z'] > 1.9
    assert eyes[(90, 0)]['x'] > 1.9


def test_errors(tmp_path):
    with pytest.raises(ValueError, match='at least one clip'):
        write_html(tmp_path / 'p.html', [])
    with pytest.raises(ValueError, match="one of .*got 'label'"):
        write_html(tmp_path / 'p.html', [clip()], 'label')
    with pytest.raises(ValueError, match='one layer for 1 clips'):
        write_html(tmp_path / 'p.html', [clip()], ['part'] * 2)
    with pytest.raises(ValueError, match="'below'"):
        write_html(tmp_path / 'p.html', [clip()], view='below')
    many = PointClip(
        [np.zeros((1, 3))], {'x': Layer([np.zeros(1, int)], list(map(str, range(300))))}
    )
    with pytest.raises(ValueError, match='at most 255 classes'):
        write_html(tmp_path / 'p.html', [many])
    assert not list(tmp_path.iterdir())
