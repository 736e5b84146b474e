"""The registries are complete: no part of a run falls back to MMEngine's with a warning."""

import pytest
from mmengine import registry as mmengine_registry
from mmengine.registry import Registry

import mmpointvideo.registry

# nothing of a Runner's own: a function registry, and factories no config of ours names
NOT_OURS = {'FUNCTIONS', 'TASK_UTILS', 'RUNNER_CONSTRUCTORS'}
PARENTS = {
    name: value for name, value in vars(mmengine_registry).items() if isinstance(value, Registry)
}


@pytest.mark.parametrize('name', sorted(PARENTS.keys() - NOT_OURS))
def test_every_registry_of_a_run_has_a_child(name):
    child = getattr(mmpointvideo.registry, name)
    assert child.parent is PARENTS[name]
    assert child.scope == 'mmpointvideo'
    assert PARENTS[name].children['mmpointvideo'] is child
    child.import_from_location()


def test_child_builds_what_mmengine_registered():
    assert mmpointvideo.registry.OPTIMIZERS.get('AdamW').__name__ == 'AdamW'
    assert mmpointvideo.registry.PARAM_SCHEDULERS.get('LinearLR').__name__ == 'LinearLR'
