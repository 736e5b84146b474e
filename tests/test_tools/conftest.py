"""Fixtures of the tests of tools."""

import os
from collections.abc import Iterator
from unittest import mock

import pytest


@pytest.fixture(scope='module', autouse=True)
def environment() -> Iterator[None]:
    """What tools that run in this process set in the environment goes with the module."""
    with mock.patch.dict(os.environ):
        yield
