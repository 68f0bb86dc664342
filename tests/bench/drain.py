#!/usr/bin/env python3
"""The way out: how fast a queue that has waited empties into one server, beside Postfix with the very same mails.

    cargo build --release
    tests/bench/drain.py                  # 8,000 mails over 20 connections, three rounds
    tests/bench/drain.py --backlog 100000 # only: whether accepting is slower while so many mails wait, and the memory they need

Each mail that comes in makes two that go out: an acknowledgement and a notification. They wait for a relay that is not
there until the configuration names one that is (smtp-sink); then time runs. The same mails, as such a queue has left them
before, are given to a Postfix that holds them back, and time runs again when they may go. Ours composes each mail in that
time, too. A machine that others share is quick for one of both and slow for the other: the median of the rounds counts.
Debian: `apt-get install postfix`; Postfix is measured where we are root.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from mails import Mails
from peers import Desk, Postfix, anonymous, cpu, free_port
from way_in import ROOT, Client, pour, stuffed

CONNECTIONS = 20


class Sink:
    """A server that takes everything; what it keeps, it keeps in files."""

    def __init__(self, folder=None):
        self.port = free_port()
        command = ["smtp-sink"] + (["-u", "postfix"] if os.getuid() == 0 else [])
        if folder:
            self.folder = pathlib.Path(folder)
            self.folder.mkdir()
            self.folder.chmod(0o777)
            command += ["-R", str(self.folder), "-d", "%M."]
        self.process = subprocess.Popen([*command, f"127.0.0.1:{self.port}", "512"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def mails(self):
        """Envelope sender, recipient and content of each, as it came."""
        for path in sorted(self.folder.iterdir()):
            head, content = {}, []
            lines = path.read_bytes().split(b"\n")
            while lines and lines[0].startswith(b"X-"):
                name, value = lines.pop(0).split(b": ", 1)
                if name not in (b"X-Mail-Args", b"X-Rcpt-Args"):
                    continue
                head[name] = re.search(rb"<([^>]*)>", value)[1].decode()
            while lines and (lines[0].startswith(b"Received: from") or lines[0][:1] in b"\t "):
                lines.pop(0)
            content = b"\r\n".join(lines).rstrip() + b"\r\n"
            yield head[b"X-Mail-Args"], head[b"X-Rcpt-Args"], content

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Relaying(Postfix):
    """A Postfix that holds everything back until it is told where to."""

    def __init__(self, folder):
        super().__init__(folder)
        self.set("defer_transports = smtp", "default_transport = smtp", f"default_destination_concurrency_limit = {CONNECTIONS}")
        self.set(f"initial_destination_concurrency = {CONNECTIONS}", f"default_process_limit = {CONNECTIONS + 80}", "smtp_tls_security_level = none")
        self.set("smtp_dns_support_level = disabled", "qmgr_message_active_limit = 100000")
        self.command("reload")

    def set(self, *settings):
        subprocess.run(["postconf", "-c", self.folder / "etc", "-e", *settings], check=True)

    def fill(self, mails):
        client = Client(self)
        for sender, recipient, content in mails:
            client.to = recipient
            client.send(sender, content)

    def drain(self, port):
        self.set(f"relayhost = [127.0.0.1]:{port}", "defer_transports =")
        self.command("reload")
        subprocess.run(["postqueue", "-c", self.folder / "etc", "-f"], check=True)
        self.wait_until_done()


class Sending(Desk):
    """A desk whose mail waits."""

    name = "Ombud"

    def drain(self, port):
        config = self.config.read_text()
        self.config.write_text(config.replace("smtp://127.0.0.1:9", f"smtp://127.0.0.1:{port}"))
        os.kill(self.pid, signal.SIGHUP)
        while self.get("/api/v1/outbox?state=waiting&limit=1")["items"]:
            time.sleep(0.05)


def desk_at(binary, folder):
    # Acknowledgements to one domain are capped by default, and that is not what is measured.
    return Sending(binary, folder, more=f"connections = {CONNECTIONS}\n[limits]\nnotifications_per_agent_hour = 1000000\nacks_per_domain_hour = 1000000\n")


def customers(n):
    """Mails that open a ticket each, all of other people."""
    generator = Mails(Desk.to)
    for i in range(n):
        _, mail = generator.next()
        sender = f"c{i}@customer{i % 500}.example"
        mail = re.sub(rb"(?m)^(In-Reply-To|References): .*\r\n", b"", mail)
        yield sender, re.sub(rb"(?m)^From: .*\r$", f"From: Customer <{sender}>\r".encode(), mail)


def timed(peer, port, n):
    before, start = cpu(peer.pid), time.monotonic()
    peer.drain(port)
    took, spent = time.monotonic() - start, cpu(peer.pid) - before
    print(f"{peer.name:8} {n / took:6.0f} mails/s left ({n} in {took:.1f} s), {1000 * spent / n:.2f} CPU-s per 1,000", flush=True)
    return n / took


def by_us(binary, folder, sink, n, drain):
    """What `drain` says of a desk with `n` mails in its queue and of that server."""
    desk = desk_at(binary, folder)
    try:
        pour(desk, list(customers(n // 2)), 10)
        desk.wait_until_done()
        return drain(desk, sink.port, n)
    finally:
        desk.stop()
        sink.stop()


def by_postfix(folder, sink, mails):
    postfix = Relaying(folder)
    try:
        postfix.fill(mails)
        return timed(postfix, sink.port, len(mails))
    finally:
        postfix.stop()
        sink.stop()


def drained(binary, folder, n, rounds):
    # Keeping what comes costs the server most of a core: what Postfix gets is made by a drain of its own.
    kept = Sink(f"{folder}/kept")
    by_us(binary, f"{folder}/first", kept, n, lambda desk, port, _: desk.drain(port))
    mails = list(kept.mails())
    print(f"{len(mails)} mails of {statistics.mean(len(content) for _, _, content in mails) / 1024:.1f} KiB")
    against = shutil.which("postfix") and os.getuid() == 0
    if not against:
        print("Postfix is not measured: it is not installed, or we are not root")
    pathlib.Path(folder).chmod(0o755)
    ratios = []
    for i in range(rounds):
        ours = by_us(binary, f"{folder}/desk{i}", Sink(), n, timed)
        if against:
            ratios.append(ours / by_postfix(f"{folder}/postfix{i}", Sink(), mails))
    if ratios:
        each = ", ".join(f"{ratio:.1f}" for ratio in ratios)
        print(f"ratio    {statistics.median(ratios):.1f} times as fast as Postfix (rounds: {each})")


def accepting(desk, mails):
    """ms from the final dot to the 250, at one connection."""
    client = Client(desk)
    took = sorted(1000 * client.hand(sender, stuffed(mail)) for sender, mail in mails)
    desk.wait_until_done()
    return took[int(len(took) * 0.99)]


def behind_a_backlog(binary, folder, n):
    """The same desk accepts before and while so many mails wait; what it needs for them, and where as many have left at once."""
    desk, sink = desk_at(binary, f"{folder}/waiting"), Sink()
    try:
        probes = list(customers(6_000))
        accepting(desk, probes[:1_000])
        before = [accepting(desk, probes[i : i + 1_000]) for i in (1_000, 2_000)]
        memory = filled(desk, n, 2)
        after = [accepting(desk, probes[i : i + 1_000]) for i in (3_000, 4_000, 5_000)]
        low, high = statistics.median(before), statistics.median(after)
        print(f"p99 from the final dot to the 250: {low:.1f} ms with few mails waiting, {high:.1f} ms with {n}: {high / low:.2f} times", flush=True)
        desk.drain(sink.port)
        memory.append(("when all have left", anonymous(desk.pid)))
        told("a queue", memory)
    finally:
        desk.stop()
        sink.stop()
    desk, sink = desk_at(binary, f"{folder}/leaving"), Sink()
    try:
        desk.drain(sink.port)
        told("no queue", filled(desk, n, 2))
    finally:
        desk.stop()
        sink.stop()


def filled(desk, n, steps):
    """MiB before so many mails are to leave, and after each share of them."""
    memory, mails = [("before", anonymous(desk.pid))], list(customers(n // 2))
    share = len(mails) // steps
    for i in range(steps):
        pour(desk, mails[i * share : (i + 1) * share], 10)
        desk.wait_until_done()
        memory.append((f"after {2 * share * (i + 1)}", anonymous(desk.pid)))
    return memory


def told(what, memory):
    print(f"memory without mapped files, {what}:", ", ".join(f"{mib:.0f} MiB {when}" for when, mib in memory), flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--mails", type=int, default=8_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--backlog", type=int, help="measure accepting and memory while so many mails wait, and nothing else")
    options.add_argument("--binary", default=ROOT / "target/release/ombud")
    options = options.parse_args()
    if not pathlib.Path(options.binary).exists():
        raise SystemExit(f"{options.binary} is missing: cargo build --release")
    with tempfile.TemporaryDirectory() as folder:
        if options.backlog:
            behind_a_backlog(options.binary, folder, options.backlog)
        else:
            drained(options.binary, folder, options.mails, options.rounds)


if __name__ == "__main__":
    main()
