"""A Dovecot with a folder of mails, over TLS on loopback, as `tests/harness/dovecot.rs` makes one."""

import os
import pathlib
import shutil
import socket
import subprocess
import time

from peers import free_port

USER, PASSWORD = "support", "correct horse battery"
NOBODY = 65_534


class Dovecot:
    """Runs until it is stopped; nothing of the system's own Dovecot is touched."""

    def __init__(self, folder, mails):
        self.folder, self.port = pathlib.Path(folder), free_port()
        for part in ("run", "home/Maildir/cur", "home/Maildir/new", "home/Maildir/tmp"):
            (self.folder / part).mkdir(parents=True)
        self.folder.chmod(0o755)
        for n, mail in enumerate(mails):
            (self.folder / f"home/Maildir/cur/{1_700_000_000 + n}.M{n}.bench:2,").write_bytes(mail)
        # Mail of root Dovecot does not touch.
        self.owner = (NOBODY, NOBODY) if os.getuid() == 0 else (os.getuid(), os.getgid())
        for path in [self.folder / "home", *(self.folder / "home").rglob("*")]:
            os.chown(path, *self.owner)
        self.certificate()
        (self.folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        (self.folder / "dovecot.conf").write_text(self.configuration())
        program = shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))
        self.process = subprocess.Popen([program, "-F", "-c", self.folder / "dovecot.conf"], stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        until = time.monotonic() + 30
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            if self.process.poll() is not None or time.monotonic() > until:
                raise SystemExit("Dovecot does not start: " + (self.folder / "log").read_text())
            time.sleep(0.05)

    def certificate(self):
        at = lambda name: str(self.folder / name)
        key = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        openssl(*key, "-x509", "-days", "30", "-subj", "/CN=Bench authority", "-keyout", at("ca.key"), "-out", at("ca.pem"))
        openssl(*key, "-subj", "/CN=localhost", "-keyout", at("key.pem"), "-out", at("request.pem"))
        (self.folder / "extensions").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n")
        sign = ["x509", "-req", "-days", "30", "-in", at("request.pem"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial"]
        openssl(*sign, "-extfile", at("extensions"), "-out", at("cert.pem"))
        self.ca = at("ca.pem")

    def configuration(self):
        base, (user, group) = self.folder, self.owner
        rootless = "" if os.getuid() == 0 else "".join(
            f"default_{what} = {subprocess.check_output(['id', flag], text=True)}"
            for what, flag in (("internal_user", "-un"), ("login_user", "-un"), ("internal_group", "-gn"))
        ) + "service anvil {\n  chroot =\n}\nservice imap-login {\n  chroot =\n}\n"
        return (
            f"base_dir = {base}/run\nstate_dir = {base}/run\nlog_path = {base}/log\nprotocols = imap\nlisten = 127.0.0.1\n"
            f"ssl = yes\nssl_cert = <{base}/cert.pem\nssl_key = <{base}/key.pem\nmail_location = maildir:{base}/home/Maildir\n"
            f"first_valid_uid = 1\nauth_mechanisms = plain\n{rootless}"
            f"passdb {{\n  driver = passwd-file\n  args = {base}/users\n}}\n"
            f"userdb {{\n  driver = static\n  args = uid={user} gid={group} home={base}/home\n}}\n"
            f"service imap-login {{\n  inet_listener imap {{\n    port = 0\n  }}\n  inet_listener imaps {{\n    port = {self.port}\n    ssl = yes\n  }}\n}}\n"
            "namespace inbox {\n  inbox = yes\n}\n"
        )

    def stop(self):
        self.process.terminate()
        self.process.wait()


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
