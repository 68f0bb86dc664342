#!/usr/bin/env python3
"""How fast a mail is understood on one core: Ombud beside Python's email package with talon or email_reply_parser, and
beside a bare MIME parser that knows nothing of replies, signatures and safe HTML. Ombud finds the reply as text, the quote,
the signature and the language, makes the HTML safe, and tells people from machines. Of that talon does the first three,
or, `quotes alone`, leaves the signature in the reply and HTML as HTML; email_reply_parser reads text alone.

    tests/bench/understand.py [--mails 1000] [--folder DIR] [--rounds 3]

Needs `cargo build --release -p ombud --example understand`, and for its peers `pip install talon email_reply_parser` in a
venv (it says what is missing). --folder takes mails from there, a file a mail, instead of making them.
"""

import argparse
import email
import email.policy
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from mails import Mails

ROOT = pathlib.Path(__file__).resolve().parents[2]


def reply_readers():
    """What Python's help desks use, as far as it is installed: name and a function from text or HTML to the reply."""
    readers = {}
    try:
        from talon import quotations
        from talon.signature.bruteforce import extract_signature
        from talon.utils import html_to_text

        quotations.register_xpath_extensions()

        def without_quotes(plain, html):
            return quotations.extract_from_html(html) if html else quotations.extract_from_plain(plain)

        def reply_and_signature(plain, html):
            reply = without_quotes(plain, html)
            return extract_signature((html_to_text(reply) or b"").decode() if html else reply)

        readers["email + talon"] = reply_and_signature
        readers["email + talon, quotes alone"] = without_quotes
    except ImportError as missing:
        print(f"talon is not here ({missing})", file=sys.stderr)
    try:
        from email_reply_parser import EmailReplyParser

        readers["email + email_reply_parser"] = lambda plain, html: EmailReplyParser.parse_reply(plain or html)
    except ImportError as missing:
        print(f"email_reply_parser is not here ({missing})", file=sys.stderr)
    return readers


def by_python(mails, reader):
    """CPU seconds for headers, both bodies, attachments and the reply of each."""
    start = time.process_time()
    for raw in mails:
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        bodies = {kind: mail.get_body((kind,)) for kind in ("plain", "html")}
        plain, html = (bodies[kind].get_content() if bodies[kind] else "" for kind in ("plain", "html"))
        for name in ("From", "To", "Subject", "Message-ID", "Date"):
            str(mail[name])
        for part in mail.iter_attachments():
            part.get_filename(), part.get_payload(decode=True)
        reader(plain, html)
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mails", type=int, default=1_000)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3, help="all of them take turns so often, and of each the quickest round counts")
    args = parser.parse_args()
    program = ROOT / "target/release/examples/understand"
    # All on one core, which is the same for all.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or pathlib.Path(made)
        if not args.folder:
            maker = Mails("support@desk.example")
            for n in range(args.mails):
                (folder / f"{n}.eml").write_bytes(maker.next()[1])
        mails = [path.read_bytes() for path in sorted(folder.iterdir())]
        readers = reply_readers()
        seconds = {}
        for _ in range(args.rounds):
            ours = json.loads(subprocess.run([program, folder], check=True, stdout=subprocess.PIPE).stdout)
            round_of = {"ombud": ours["seconds"], "a bare parser": ours["bare_seconds"]}
            round_of.update({name: by_python(mails, reader) for name, reader in readers.items()})
            seconds = {name: min(taken, seconds.get(name, taken)) for name, taken in round_of.items()}
    megabytes = ours["octets"] / 1e6
    print(f"{len(mails)} mails, {megabytes:.1f} MB")
    for name, taken in seconds.items():
        times = taken / seconds["ombud"]
        beside = {"ombud": "", "a bare parser": f"  ombud reaches {times:.2f} of it"}.get(name, f"  ombud is {times:.0f} times as fast")
        print(f"{name:28} {1e6 * taken / len(mails):8.0f} µs a mail  {megabytes / taken:7.1f} MB/s{beside}")


if __name__ == "__main__":
    main()
