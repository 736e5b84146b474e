"""Metafiles: in the format of mim, complete, the paper's numbers told from ours."""

import importlib.util
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
INDEX = yaml.safe_load((ROOT / 'model-index.yml').read_text())
CONFIGS = {
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts and path.name != 'default_runtime.py'
}


@pytest.fixture(scope='module')
def metafiles():
    return {path: yaml.safe_load((ROOT / path).read_text()) for path in INDEX['Import']}


def test_the_index_imports_every_metafile():
    assert list(INDEX) == ['Import']
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').rglob('metafile.yml')}
    assert set(INDEX['Import']) == found


def test_entries_name_configs_that_exist_and_every_config_is_listed(metafiles):
    models = [model for content in metafiles.values() for model in content['Models']]
    listed = [model['Config'] for model in models]
    assert len(listed) == len(set(listed))
    missing, gone = sorted(CONFIGS - set(listed)), sorted(set(listed) - CONFIGS)
    assert not missing and not gone, 'run tools/misc/update_metafiles.py'
    assert all(model['Name'] == Path(model['Config']).stem for model in models)


def test_form(metafiles):
    for path, content in metafiles.items():
        names = {collection['Name'] for collection in content['Collections']}
        for collection in content['Collections']:
            assert collection['Paper']['Title'] and collection['Paper']['Venue']
            for file in (collection.get('README'), collection['Code']['Path']):
                assert file is None or (ROOT / file).is_file(), (path, file)
        for model in content['Models']:
            assert model['In Collection'] in names
            assert set(model) <= {
                'Name', 'In Collection', 'Config', 'Metadata', 'Results', 'Weights'
            }  # fmt: skip
            for result in model.get('Results', []):
                assert set(result) == {'Task', 'Dataset', 'Metrics'}
                for name, value in result['Metrics'].items():
                    assert name.endswith(('(paper)', '(ours)')) and 0 < value <= 100


def test_the_papers_numbers_are_at_their_configs(metafiles):
    models = {m['Name']: m for content in metafiles.values() for m in content['Models']}

    def paper(name):
        results = models[name].get('Results', [])
        return [v for r in results for k, v in r['Metrics'].items() if k.endswith('(paper)')]

    tuned = 'pstnet_pointcpsc-msr-pre_1xb16-{}x1-2048pts-{}-35e_msraction3d'
    assert [paper(tuned.format(n, 'ft')) for n in (8, 12, 16, 24)] == [
        [88.89], [90.24], [92.26], [92.68]
    ]  # fmt: skip
    assert [paper(tuned.format(n, 'linear')) for n in (8, 12, 16, 24)] == [
        [86.87], [89.56], [88.89], [90.24]
    ]  # fmt: skip
    cell = 'pointcpsc-{}_pstnet_1xb88-24x1-1024pts-coslr-200e_msraction3d'
    assert paper(cell.format('negatives60')) == [91.38]
    assert paper(cell.format('bank256')) == [90.91]
    assert paper(cell.format('selection')) == [91.98]
    half = 'pstnet_pointcpsc-ntu-pre_1xb16-24x2-2048pts-ft-20e_ntu60-xsub-50pct'
    assert paper(half) == [88.0]
    # a number of the paper stands at no config that is not the paper's
    for name, model in models.items():
        if '-tiny' in name or 'builtin' in name:
            assert not paper(name), model


def test_up_to_date():
    path = ROOT / 'tools' / 'misc' / 'update_metafiles.py'
    spec = importlib.util.spec_from_file_location('update_metafiles', path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.main(['--check']) == 0, 'run tools/misc/update_metafiles.py'
