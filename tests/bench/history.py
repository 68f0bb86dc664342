#!/usr/bin/env python3
"""`ombud import`: an mbox file of history becomes tickets; then the same file again, of which everything is there.

    cargo build --release
    tests/bench/history.py                    # 20,000 mails
    tests/bench/history.py --mbox FILE --to ADDR  # your own archive, of this mailbox of yours
    tests/bench/history.py --database postgres://…

Mails per second depend on what else the machine does; CPU seconds per 1,000 mails do not. No daemon runs meanwhile: beside
one the import rests as long as it works.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import tempfile
import time

from mails import Mails

ROOT = pathlib.Path(__file__).resolve().parents[2]
WANTED = 2_000


def archive(path, count, to):
    """An mbox file as Python's `mailbox` would write it, LF and quoted."""
    mails = Mails(to)
    with open(path, "wb") as file:
        for n in range(count):
            sender, mail = mails.next()
            # An hour between two, so that threads have an order.
            mail = mail.replace(b"Date: Sat, 21 Nov 2026", b"Date: %s" % time.strftime("%a, %d %b %Y", time.gmtime(1_000_000_000 + n * 3_600)).encode())
            mail = mail.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ")
            file.write(b"From %s Sat Nov 21 10:00:00 2026\n%s\n" % (sender.encode(), mail))


def imported(binary, config, to, path):
    """What the program says, seconds on the wall and of CPU, and the most memory (MiB) of any child so far."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([binary, "import", "--json", "--config", config, "--mailbox", to, path], check=True, capture_output=True)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), wall, spent, after.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=20_000)
    parser.add_argument("--mbox")
    parser.add_argument("--to", default="support@bench.example")
    parser.add_argument("--database")
    parser.add_argument("--binary", default=ROOT / "target/release/ombud")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config, path = f"{folder}/ombud.toml", args.mbox or f"{folder}/old.mbox"
        if not args.mbox:
            archive(path, args.mails, args.to)
        database = args.database or f"sqlite:{folder}/data/ombud.db"
        pathlib.Path(config).write_text(
            f'[desk]\nname = "Bench"\nhostname = "desk.bench.example"\ndata = "{folder}/data"\n[database]\nurl = "{database}"\n'
            f'[smtp]\nlisten = ["127.0.0.1:0"]\n[[mailboxes]]\naddress = "{args.to}"\nname = "Bench"\n'
        )
        rates = []
        for name in ("first", "again"):
            report, wall, spent, most = imported(args.binary, config, args.to, path)
            words = ("tickets", "messages", "automatic", "held", "duplicates")
            n = sum(report[word] for word in words)
            rates.append(n / wall)
            fates = ", ".join(f"{report[word]} {word}" for word in words if report[word])
            print(f"{name:6} {n / wall:6.0f} mails/s, {1000 * spent / n:5.2f} CPU-s per 1,000, {most:4.0f} MiB at most ({fates})")
        size = os.path.getsize(path) / n / 1024
        print(f"       {n} mails of {size:.1f} KiB; wanted are {WANTED}/s: {'reached' if rates[0] > WANTED else 'NOT reached'}")


if __name__ == "__main__":
    main()
