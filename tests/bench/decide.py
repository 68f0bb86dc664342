#!/usr/bin/env python3
"""How long the desk decides about a mail that is understood, without a database: µs a kind of mail, with 10 and with 10,000
agents and tickets. Below 100 µs each is what is wanted.

    tests/bench/decide.py

Needs `cargo build --release -p ombud --example decide`.
"""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    subprocess.run(["taskset", "-c", "0", ROOT / "target/release/examples/decide"], check=True)
