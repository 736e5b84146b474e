"""Package definition of mmpointvideo."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def read_version() -> str:
    scope: dict = {}
    exec((HERE / 'mmpointvideo' / 'version.py').read_text(), scope)
    return scope['__version__']


setup(
    name='mmpointvideo',
    version=read_version(),
    description='Toolbox and benchmark for learning from point cloud videos',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['mmpointvideo', 'mmpointvideo.*']),
    package_data={'mmpointvideo.visualization': ['page.html']},
    python_requires='>=3.11,<3.14',
    install_requires=[
        'torch>=2.11,<2.14',
        'mmengine>=0.10.7,<0.12',
        'numpy>=2.0,<2.6',
        'setuptools>=77.0.3,<82',
    ],
    extras_require={
        'mmcv': ['mmcv-lite>=2.2.0,<2.3'],
        'fast': ['numba>=0.61', 'isal>=1.7'],
        'vis': ['plotly>=6', 'imageio>=2.34', 'imageio-ffmpeg>=0.5', 'scikit-learn>=1.4'],
        'open3d': ['open3d>=0.19'],
        'open3d-cpu': ['open3d-cpu>=0.19'],
        'tb': ['tensorboard'],
        'dev': ['pytest>=8', 'pytest-xdist>=3', 'hypothesis>=6', 'ruff>=0.6', 'mypy>=1.10'],
    },
    zip_safe=False,
)
