#!/usr/bin/env python3
"""Accepting alone: from the final dot to a `250` that the disk stands behind, beside a Postfix that does the same.

    cargo build --release
    tests/bench/accept.py                 # 5,000 mails of 10 KiB on 1, 20 and 100 connections, by smtp-source and by our own client
    tests/bench/accept.py --syncs         # and how often the disk is synced for each mail (perf)
    tests/bench/accept.py --memory        # only: what 2,000 idle sessions need, and 20 mails of 25 MiB at once

Postfix and smtp-source are Debian's (`apt-get install postfix linux-perf`); Postfix is measured where we are root. CPU
seconds are those of the daemon until the last `250`, whatever it did beside accepting.
"""

import argparse
import pathlib
import resource
import signal
import subprocess
import tempfile
import threading
import time

from mails import Mails
from peers import Desk, Postfix, cpu, resident
from way_in import Client, ROOT, stuffed

OCTETS = 10 * 1024


def by_smtp_source(peer, n, connections):
    host, port = peer.smtp
    command = ["smtp-source", "-d", "-s", connections, "-m", n, "-l", OCTETS, "-f", "ann@customer.example", "-t", peer.to, f"inet:{host}:{port}"]
    start = time.monotonic()
    subprocess.run([str(word) for word in command], check=True)
    return time.monotonic() - start, []


def by_our_client(peer, mails, connections):
    clients, took = [Client(peer) for _ in range(connections)], []

    def work(client, share):
        took.extend([1000 * client.hand(sender, mail) for sender, mail in share])

    threads = [threading.Thread(target=work, args=(client, mails[i::connections])) for i, client in enumerate(clients)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - start, sorted(took)


def measured(peer, pour, n):
    peer.wait_until_done()
    before = cpu(peer.pid)
    wall, took = pour()
    spent = cpu(peer.pid) - before
    return {"rate": n / wall, "cpu": 1000 * spent / n, "p99": took[int(len(took) * 0.99)] if took else None}


def best_of(rounds):
    """The median round by rate."""
    rounds = sorted(rounds, key=lambda one: one["rate"])
    return rounds[len(rounds) // 2]


def told(label, ours, theirs):
    line = f"{label:30} Ombud {ours['rate']:6.0f}/s, {ours['cpu']:.2f} CPU-s per 1,000"
    line += f", p99 {ours['p99']:5.1f} ms" if ours["p99"] else ""
    if theirs:
        line += f" | Postfix {theirs['rate']:6.0f}/s, {theirs['cpu']:.2f} CPU-s"
        line += f", p99 {theirs['p99']:5.1f} ms" if theirs["p99"] else ""
        line += f" | {ours['rate'] / theirs['rate']:.1f} times"
    print(line, flush=True)


def syncs(pour, n):
    """Syncs for each mail until the last `250`, of all programs on the machine: let it be quiet."""
    events = "syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync"
    counter = subprocess.Popen(["perf", "stat", "-x", ",", "-a", "-e", events], stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)
    pour()
    counter.send_signal(signal.SIGINT)
    counts = [line.split(",")[0] for line in counter.communicate()[1].splitlines() if "sys_enter" in line]
    return sum(int(count) for count in counts if count.isdigit()) / n


def memory(binary):
    """Resident MiB of a desk that does nothing, with 2,000 idle sessions, and at most while 20 mails of 25 MiB come in."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(binary, f"{folder}/desk", more="[limits]\nconnections = 10000\n")
        try:
            before = resident(desk.pid)
            clients = [Client(desk) for _ in range(2_000)]
            print(f"{len(clients)} idle sessions: {resident(desk.pid):.0f} MiB resident, {before:.0f} MiB before")
            del clients
            line = b"A" * 76 + b"\r\n"
            mail = b"From: ann@customer.example\r\nSubject: large\r\n\r\n" + line * (25 * 1024 * 1024 // len(line)) + b".\r\n"
            threads = [threading.Thread(target=lambda: Client(desk).hand("ann@customer.example", mail)) for _ in range(20)]
            for thread in threads:
                thread.start()
            most = 0
            while any(thread.is_alive() for thread in threads):
                most = max(most, resident(desk.pid))
                time.sleep(0.02)
            print(f"20 mails of 25 MiB at once: {most:.0f} MiB resident at most until the last 250")
        finally:
            desk.stop()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--mails", type=int, default=5_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--connections", default="1,20,100")
    options.add_argument("--binary", default=ROOT / "target/release/ombud")
    options.add_argument("--syncs", action="store_true")
    options.add_argument("--alone", action="store_true", help="without Postfix")
    options.add_argument("--memory", action="store_true")
    options = options.parse_args()
    if options.memory:
        return memory(options.binary)
    n = options.mails
    generator = Mails(Desk.to)
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder).chmod(0o755)
        desk, postfix = Desk(options.binary, f"{folder}/desk"), None
        try:
            postfix = None if options.alone else Postfix(f"{folder}/postfix")
            peers = [desk, postfix] if postfix else [desk]
            for connections in map(int, options.connections.split(",")):
                rounds = {"smtp-source": {}, "own client": {}}
                for _ in range(options.rounds):
                    mails = [(sender, stuffed(mail)) for sender, mail in (generator.next() for _ in range(n))]
                    for peer in peers:
                        for kind, pour in (
                            ("smtp-source", lambda: by_smtp_source(peer, n, connections)),
                            ("own client", lambda: by_our_client(peer, mails, connections)),
                        ):
                            rounds[kind].setdefault(peer.name, []).append(measured(peer, pour, n))
                for kind, found in rounds.items():
                    theirs = best_of(found["Postfix"]) if postfix else None
                    told(f"{connections} connections, {kind}", best_of(found["Ombud"]), theirs)
            print(f"Ombud    {resident(desk.pid):5.0f} MiB resident")
            if options.syncs:
                for peer in peers:
                    peer.wait_until_done()
                    found = syncs(lambda: by_smtp_source(peer, n, 20), n)
                    print(f"{peer.name:8} {found:.3f} syncs a mail at 20 connections of smtp-source")
        finally:
            desk.stop()
            if postfix:
                postfix.stop()


if __name__ == "__main__":
    main()
