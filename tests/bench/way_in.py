#!/usr/bin/env python3
"""The whole way in: SMTP, understanding, threading, storing, indexing, replies queued; beside what Postfix needs only to accept.

    cargo build --release
    tests/bench/way_in.py                       # 5,000 mails over 10 connections
    tests/bench/way_in.py --mails 50000 --search  # and what searching them takes
    tests/bench/way_in.py --folder MAILS --search --queries FILE   # your own mails, and lines of kind, tab, query

CPU seconds per 1,000 mails are what counts: time on the wall depends on what else the machine does. Postfix
(Debian: `apt-get install postfix`) is measured where it is installed and we are root.
"""

import argparse
import os
import pathlib
import re
import shutil
import socket
import statistics
import tempfile
import threading
import time

from mails import Mails
from peers import Desk, Postfix, cpu, resident

ROOT = pathlib.Path(__file__).resolve().parents[2]


def stuffed(mail):
    return mail.replace(b"\r\n.", b"\r\n..") + b".\r\n"


class Client:
    """One connection that is used again and again."""

    def __init__(self, peer):
        self.to = peer.to
        self.socket = socket.create_connection(peer.smtp)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.reply(b"220")
        self.socket.sendall(b"EHLO client.example\r\n")
        self.reply(b"250")

    def reply(self, wanted):
        while True:
            line = self.file.readline()
            if not line.startswith(wanted):
                raise SystemExit(f"unexpected reply: {line!r}")
            if line[3:4] != b"-":
                return line

    def send(self, sender, mail):
        self.hand(sender, stuffed(mail))

    def hand(self, sender, content):
        """The same of what is stuffed already; seconds from the final dot to the 250."""
        self.socket.sendall(f"MAIL FROM:<{sender}>\r\nRCPT TO:<{self.to}>\r\nDATA\r\n".encode())
        for wanted in (b"250", b"250", b"354"):
            self.reply(wanted)
        self.socket.sendall(content)
        start = time.monotonic()
        self.reply(b"250")
        return time.monotonic() - start


def pour(peer, mails, connections):
    """Sends everything; seconds until the last 250."""
    start = time.monotonic()

    def work(share):
        client = Client(peer)
        for sender, mail in share:
            client.send(sender, mail)

    threads = [threading.Thread(target=work, args=(mails[i::connections],)) for i in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - start


def measured(peer, mails, connections):
    pour(peer, mails[:200], 2)
    peer.wait_until_done()
    before, start = cpu(peer.pid), time.monotonic()
    accepted = pour(peer, mails[200:], connections)
    peer.wait_until_done()
    if isinstance(peer, Desk):
        wait_for_index(peer, start)
    spent, done, n = cpu(peer.pid) - before, time.monotonic() - start, len(mails) - 200
    print(
        f"{peer.name:8} {1000 * spent / n:6.2f} CPU-s per 1,000 mails, accepted {n / accepted:6.0f}/s, done {n / done:6.0f}/s, "
        f"{resident(peer.pid):5.0f} MiB resident"
    )
    return spent / n


def probe(desk, n):
    """Sends one mail with a word of its own; seconds from its 250 until it is a ticket, and from then until it is found."""
    word = f"probe{os.getpid()}x{n}"
    head = f"From: probe@customer.example\r\nMessage-ID: <{word}@customer.example>\r\nSubject: {word}\r\n"
    Client(desk).send("probe@customer.example", f"{head}\r\nHello\r\n".encode())
    start = time.monotonic()
    # Its Message-ID is known when it is understood.
    wait_for(lambda: [mail for mail in desk.get(f"/api/v1/inbox?message_id={word}@customer.example")["items"] if mail["fate"]["ticket"]])
    decided = time.monotonic()
    wait_for(lambda: desk.get(f"/api/v1/search?q={word}")["items"])
    return decided - start, time.monotonic() - decided


def wait_for(fact):
    until = time.monotonic() + 60
    while not fact():
        if time.monotonic() > until:
            raise SystemExit("a mail is not decided or not found after 60 s")
        time.sleep(0.02)


def wait_for_index(desk, start):
    probe(desk, int(start))


def lag_under_load(desk, mails, connections):
    """Sends everything, and meanwhile mails of which it is measured how long it takes until they are tickets and found."""
    over, lags = threading.Event(), []

    def look():
        n = 10_000_000
        while not over.is_set():
            n += 1
            lags.append(probe(desk, n))

    looking = threading.Thread(target=look)
    looking.start()
    pour(desk, mails, connections)
    over.set()
    looking.join()
    for what, spans in zip(("a ticket after its 250", "found after that"), zip(*lags)):
        print(f"under full load {what}: p50 {statistics.median(spans):.2f} s, max {max(spans):.2f} s ({len(spans)} probes)")


def own_mails(folder):
    """Every file of a folder is a mail; its sender is who stands in From."""
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file() and path.suffix in (".eml", ""):
            raw = re.sub(rb"\r?\n", b"\r\n", path.read_bytes())
            found = re.search(rb"(?im)^from:.*?([\w.+-]+@[\w.-]+)", raw)
            yield (found[1].decode() if found else "nobody@customer.example"), raw if raw.endswith(b"\r\n") else raw + b"\r\n"


def own_queries(path):
    kinds = {}
    for line in pathlib.Path(path).read_text().splitlines():
        kind, query = line.split("\t", 1)
        kinds.setdefault(kind, []).append(query)
    return kinds


def made_queries(mails):
    common = [w for w in mails.words[2:6]]
    rare = [w for w in mails.words[3_000:3_060]]
    return {
        "rare word": rare,
        "common word": common * 15,
        "two words": [f"{a} {b}" for a in common for b in rare[:15]],
        "phrase": [f'"{a} {b}"' for a in common[:2] for b in mails.words[40:70]],
        "phrase, worst": [f'"{a} {b}"' for a in common for b in common] * 4,
        "prefix": [f"{w[:4]}*" for w in rare],
        "is:open and word": [f"is:open {w}" for w in common * 15],
    }


def searched(desk, kinds):
    everything = []
    for kind, queries in kinds.items():
        times = []
        for query in queries:
            start = time.monotonic()
            desk.get("/api/v1/search?limit=20&q=" + urllib_quote(query))
            times.append(1000 * (time.monotonic() - start))
            time.sleep(0.02)
        times.sort()
        everything += times
        print(f"search   {kind:17} p50 {statistics.median(times):6.1f} ms, p99 {times[int(len(times) * 0.99)]:6.1f} ms over HTTP ({len(times)} queries)")
    everything.sort()
    print(f"search   {'all':17} p50 {statistics.median(everything):6.1f} ms, p99 {everything[int(len(everything) * 0.99)]:6.1f} ms over HTTP ({len(everything)} queries)")


def urllib_quote(text):
    from urllib.parse import quote

    return quote(text)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--mails", type=int, default=5_000)
    options.add_argument("--connections", type=int, default=10)
    options.add_argument("--binary", default=ROOT / "target/release/ombud")
    options.add_argument("--database", help="postgres://… instead of a SQLite file")
    options.add_argument("--search", action="store_true", help="measure searching, too")
    options.add_argument("--folder", help="a folder of mails instead of made ones")
    options.add_argument("--queries", help="a file of queries instead of made ones")
    options = options.parse_args()
    if not pathlib.Path(options.binary).exists():
        raise SystemExit(f"{options.binary} is missing: cargo build --release")

    generator = Mails(Desk.to)
    own = list(own_mails(options.folder)) if options.folder else []
    mails = own or [generator.next() for _ in range(options.mails + 200)]
    size = sum(len(mail) for _, mail in mails) / len(mails)
    print(f"{len(mails) - 200} mails of {size / 1024:.1f} KiB on average, {options.connections} connections")
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(options.binary, f"{folder}/desk", options.database)
        try:
            ours = measured(desk, mails, options.connections)
            more = [generator.next() for _ in range(2_000)]
            lag_under_load(desk, more, options.connections)
            if options.search:
                # The last mails were accepted, and are not all decided yet.
                desk.wait_until_done()
                wait_for_index(desk, 0)
                searched(desk, own_queries(options.queries) if options.queries else made_queries(generator))
        finally:
            desk.stop()
        if shutil.which("postfix") and os.getuid() == 0:
            pathlib.Path(folder).chmod(0o755)
            postfix = Postfix(f"{folder}/postfix")
            try:
                theirs = measured(postfix, mails, options.connections)
            finally:
                postfix.stop()
            print(f"ratio    the whole way in costs {ours / theirs:.2f} times what Postfix needs to accept")
        else:
            print("Postfix is not measured: it is not installed, or we are not root")


if __name__ == "__main__":
    main()
