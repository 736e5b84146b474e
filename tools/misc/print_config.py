"""Print a config with everything that it inherits."""

from __future__ import annotations

import argparse

from mmpointvideo.engine.options import add_cfg_options, load_config, one_line_errors


def main(args: list[str] | None = None) -> None:
    """Print."""
    parser = argparse.ArgumentParser(description='Print a config with all that it inherits')
    parser.add_argument('config', help='config file')
    add_cfg_options(parser)
    parsed = parser.parse_args(args)
    cfg = load_config(parsed.config, parsed.cfg_options)
    print(cfg.pretty_text)


if __name__ == '__main__':
    with one_line_errors():
        main()
