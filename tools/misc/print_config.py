"""Print a config with everything that it inherits."""

from __future__ import annotations

import argparse

from mmengine.config import Config, DictAction


def main(args: list[str] | None = None) -> None:
    """Print."""
    parser = argparse.ArgumentParser(description='Print a config with all that it inherits')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='KEY=VALUE pairs that are merged into the config',
    )
    parsed = parser.parse_args(args)
    cfg = Config.fromfile(parsed.config)
    if parsed.cfg_options:
        cfg.merge_from_dict(parsed.cfg_options)
    print(cfg.pretty_text)


if __name__ == '__main__':
    main()
