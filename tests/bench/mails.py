"""Realistic mail for benchmarks: seeded, so that every run sends the same."""

import base64
import random

HTML_HEAD = (
    '<html><head><style>p{margin:0}table{border:0}</style></head><body><div style="font-family:Arial;font-size:10pt">'
)


class Mails:
    """Mails of some customers to one address; two in five answer an earlier one."""

    def __init__(self, to, seed=7):
        self.to = to
        self.random = random.Random(seed)
        syllables = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu an el in or un".split()
        pick = self.random.choice
        self.words = ["".join(pick(syllables) for _ in range(self.random.randint(1, 4))) for _ in range(20_000)]
        self.sent = []
        self.count = 0

    def word(self):
        """Few words are common and most are rare."""
        return self.words[min(int(self.random.paretovariate(0.6)) - 1, len(self.words) - 1)]

    def text(self, octets):
        lines, size = [], 0
        while size < octets:
            line = " ".join(self.word() for _ in range(11)).capitalize() + "."
            lines.append(line)
            size += len(line) + 2
        return "\r\n".join(lines)

    def next(self):
        """Envelope sender and bytes of the next mail."""
        n, rnd = self.count, self.random
        self.count += 1
        sender, reference = f"c{rnd.randrange(2_000)}@customer{rnd.randrange(50)}.example", ""
        subject = " ".join(self.word() for _ in range(5)).capitalize()
        if self.sent and rnd.random() < 0.4:
            sender, parent, subject = rnd.choice(self.sent[-2_000:])
            reference, subject = f"In-Reply-To: <{parent}>\r\nReferences: <{parent}>\r\n", f"Re: {subject}"
        mid = f"{n}.{rnd.getrandbits(48):x}@mail.customer.example"
        self.sent.append((sender, mid, subject.removeprefix("Re: ")))
        head = (
            f"Received: from mail.customer.example ([192.0.2.{n % 250}]) by mx.example.com with ESMTPS id {n};\r\n"
            f"\tSat, 21 Nov 2026 10:00:{n % 60:02} +0000\r\n"
            f"From: Customer {n % 2_000} <{sender}>\r\nTo: {self.to}\r\nSubject: {subject}\r\n"
            f"Date: Sat, 21 Nov 2026 10:{n // 60 % 60:02}:{n % 60:02} +0000\r\nMessage-ID: <{mid}>\r\n{reference}MIME-Version: 1.0\r\n"
        )
        return sender, (head + self.body(rnd.random())).encode()

    def body(self, kind):
        text = self.text(self.random.randint(400, 3_000))
        plain = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        if kind < 0.5:
            return plain + text + "\r\n\r\n-- \r\nCustomer, Example Ltd\r\n"
        paragraphs = "".join(f"<p>{line}</p><br>\r\n" for line in (text + "\r\n" + self.text(5_000)).split("\r\n"))
        html = f"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{HTML_HEAD}{paragraphs}</div></body></html>\r\n"
        both = f"--alt\r\n{plain}{text}\r\n--alt\r\n{html}--alt--\r\n"
        if kind < 0.85:
            return f'Content-Type: multipart/alternative; boundary="alt"\r\n\r\n{both}'
        octets = self.random.randbytes(self.random.randint(8_000, 36_000))
        file = base64.encodebytes(octets).decode().replace("\n", "\r\n")
        return (
            f'Content-Type: multipart/mixed; boundary="mix"\r\n\r\n--mix\r\n{plain}{text}\r\n--mix\r\n'
            f'Content-Type: application/pdf; name="scan.pdf"\r\nContent-Disposition: attachment; filename="scan.pdf"\r\n'
            f"Content-Transfer-Encoding: base64\r\n\r\n{file}--mix--\r\n"
        )
