#!/usr/bin/env python3
"""Fetching over IMAP and TLS from a Dovecot: Ombud, beside Python's imaplib and mbsync.

    cargo build --release
    tests/bench/imap.py                  # 5,000 mails, the best of three rounds of each
    tests/bench/imap.py --rounds 5 --batch 100

Dovecot and mbsync are Debian's (`apt-get install dovecot-imapd isync`). Of each client the same is measured: from before
the log-in until the last mail is on disk. imaplib fetches batches of 100 and writes and syncs a file for each mail (`heaps`: one for each batch, which keeps no mail that
could be found again, but shows how fast the wire is); mbsync makes a Maildir and syncs each mail; Ombud commits to its inbox,
and understands mails meanwhile where there is time. CPU seconds are the client's; Dovecot's stand beside them. Mails per
second depend on what else the machine does.
"""

import argparse
import functools
import imaplib
import os
import pathlib
import shutil
import sqlite3
import ssl
import subprocess
import tempfile
import time

from dovecot import PASSWORD, USER, Dovecot
from mails import Mails
from peers import Desk, cpu, resident

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What is wanted, as multiples of what others do.
WANTED = {"imaplib": 1, "mbsync": 3}


def by_imaplib(dovecot, folder, n, batch, each=True):
    """Seconds on the wall, and of CPU. `each`: a file for each mail."""
    start, before = time.monotonic(), time.process_time()
    server = imaplib.IMAP4_SSL("127.0.0.1", dovecot.port, ssl_context=ssl.create_default_context(cafile=dovecot.ca))
    server.login(USER, PASSWORD)
    server.select("INBOX", readonly=True)
    uids = server.uid("SEARCH", "ALL")[1][0].split()
    fetched = 0
    for at in range(0, len(uids), batch):
        answer = server.uid("FETCH", b",".join(uids[at : at + batch]).decode(), "(UID BODY.PEEK[])")[1]
        bodies = [part[1] for part in answer if isinstance(part, tuple)]
        files = bodies if each else [b"".join(bodies)]
        for part, content in enumerate(files):
            with open(f"{folder}/{at}.{part}", "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        fetched += len(bodies)
    found = time.monotonic() - start, time.process_time() - before
    server.logout()
    assert fetched == n, f"imaplib fetched {fetched}"
    return found


def by_mbsync(dovecot, folder, n, _batch):
    for part in ("cur", "new", "tmp"):
        os.makedirs(f"{folder}/Maildir/{part}")
    pathlib.Path(f"{folder}/mbsyncrc").write_text(
        f'IMAPStore far\nHost localhost\nPort {dovecot.port}\nUser {USER}\nPass "{PASSWORD}"\nSSLType IMAPS\n'
        f"SystemCertificates no\nCertificateFile {dovecot.ca}\n\nMaildirStore near\nInbox {folder}/Maildir\n\n"
        "Channel all\nFar :far:INBOX\nNear :near:INBOX\nSync PullNew\nCreate None\nSyncState *\n"
    )
    start = time.monotonic()
    process = subprocess.Popen(["mbsync", "-q", "-c", f"{folder}/mbsyncrc", "all"])
    _, status, spent = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    fetched = len(os.listdir(f"{folder}/Maildir/new")) + len(os.listdir(f"{folder}/Maildir/cur"))
    assert fetched == n, f"mbsync fetched {fetched}"
    return wall, spent.ru_utime + spent.ru_stime


def by_ombud(binary, told):
    """The same of a new desk; what it needs until every mail is decided goes to `told`."""

    def fetch(dovecot, folder, n, _batch):
        section = (
            f'[mailboxes.imap]\nserver = "imaps://127.0.0.1:{dovecot.port}"\nuser = "{USER}"\npassword = "{PASSWORD}"\n'
            f'ca = "{dovecot.ca}"\nstart = "all"\n'
        )
        desk = Desk(binary, folder, mailbox=section)
        try:
            start, before = time.monotonic(), cpu(desk.pid)
            database = sqlite3.connect(f"file:{folder}/data/ombud.db?mode=ro", uri=True)
            while database.execute("SELECT count(*) FROM imap_kept").fetchone()[0] < n:
                if time.monotonic() > start + 300:
                    raise SystemExit(f"Ombud has not fetched all mails after 300 s; its log: {folder}/log")
                time.sleep(0.01)
            found = time.monotonic() - start, cpu(desk.pid) - before
            desk.wait_until_done()
            told.append((time.monotonic() - start, cpu(desk.pid) - before, resident(desk.pid)))
            return found
        finally:
            desk.stop()

    return fetch


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--mails", type=int, default=5_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--batch", type=int, default=100, help="mails of one FETCH of imaplib's")
    options.add_argument("--binary", default=ROOT / "target/release/ombud")
    options = options.parse_args()
    if not pathlib.Path(options.binary).exists():
        raise SystemExit(f"{options.binary} is missing: cargo build --release")
    n, whole = options.mails, []
    clients = {"imaplib": by_imaplib, "heaps": functools.partial(by_imaplib, each=False)}
    clients |= {"mbsync": by_mbsync, "Ombud": by_ombud(options.binary, whole)}
    if not shutil.which("mbsync"):
        del clients["mbsync"]
        print("mbsync is NOT measured: it is not installed (apt-get install isync)")
    generator = Mails(Desk.to)
    mails = [generator.next()[1] for _ in range(n)]
    print(f"{n} mails of {sum(map(len, mails)) / n / 1024:.1f} KiB on average")
    found = {name: [] for name in clients}
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder).chmod(0o755)
        dovecot = Dovecot(f"{folder}/dovecot", mails)
        try:
            # The first one has Dovecot read the folder for the first time; that is nobody's time.
            os.mkdir(f"{folder}/first")
            by_imaplib(dovecot, f"{folder}/first", n, options.batch)
            for at in range(options.rounds):
                for name, fetch in clients.items():
                    place = f"{folder}/{name}{at}"
                    os.mkdir(place)
                    before = cpu(dovecot.pid)
                    wall, spent = fetch(dovecot, place, n, options.batch)
                    found[name].append((wall, spent, cpu(dovecot.pid) - before))
                    shutil.rmtree(place)
        finally:
            dovecot.stop()
    best = {name: min(rounds) for name, rounds in found.items()}
    for name, (wall, spent, served) in best.items():
        slowest = n / max(found[name])[0]
        print(
            f"{name:8} {n / wall:6.0f} mails/s (slowest round {slowest:.0f}), {1000 * spent / n:.2f} CPU-s per 1,000, "
            f"Dovecot's {1000 * served / n:.2f}"
        )
    wall, spent, most = min(whole)
    print(f"Ombud    decided all of them after {wall:.1f} s, {1000 * spent / n:.2f} CPU-s per 1,000, {most:.0f} MiB resident")
    for name, wanted in WANTED.items():
        if name in best:
            ratio = best[name][0] / best["Ombud"][0]
            print(f"ratio    {ratio:.2f} times {name}; wanted are {wanted}: {'reached' if ratio >= wanted else 'NOT reached'}")


if __name__ == "__main__":
    main()
