"""Logs of runs, of killed ones too."""

import pytest

from mmpointvideo.utils.logs import read_scalars


@pytest.mark.parametrize(
    'rest', ['', '{"loss": 0.', '{"loss": 0.5', 'nonsense', '{"name": "\udcff']
)
def test_a_half_written_last_line_is_left_out(tmp_path, rest):
    path = tmp_path / 'scalars.json'
    text = '{"loss": 2.0}\n{"loss": 1.0}\n' + rest
    path.write_bytes(text.encode('utf-8', 'surrogateescape'))
    assert read_scalars(path) == [dict(loss=2.0), dict(loss=1.0)]


def test_other_damage_is_named(tmp_path):
    path = tmp_path / 'scalars.json'
    for line, message in (
        ('{"loss": 2', 'expected JSON'),
        ('[1]', r"expected an object, got '\[1\]'"),
    ):
        path.write_text(f'{{"loss": 3.0}}\n{line}\n{{"loss": 1.0}}\n')
        with pytest.raises(ValueError, match=f'scalars.json, line 2: {message}'):
            read_scalars(path)
