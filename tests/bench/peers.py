"""What is measured: a desk of ours, and a Postfix beside it, each in a folder of its own; and what a tree of processes costs."""

import http.client
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")


def tree(root):
    """A process and its living descendants."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.read_text().split(" (", 1)
        except OSError:
            continue
        children.setdefault(int(rest.rsplit(") ", 1)[1].split()[1]), []).append(int(pid))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu(root):
    """CPU seconds of a process, its descendants, and those of them that have ended."""
    total = 0
    for pid in tree(root):
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / TICK


def resident(root):
    """MiB."""
    pages = sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in tree(root))
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def anonymous(root):
    """The same without what is mapped from files, which the system takes back when it likes: MiB."""
    pages = [pathlib.Path(f"/proc/{pid}/statm").read_text().split() for pid in tree(root)]
    return sum(int(of[1]) - int(of[2]) for of in pages) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Desk:
    """Our daemon; mail that leaves waits in its queue."""

    name = "Ombud"
    to = "support@bench.example"

    def __init__(self, binary, folder, database=None, more="", mailbox=""):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "ombud.toml"
        database = database or f"sqlite:{folder}/data/ombud.db"
        self.config.write_text(
            f'[desk]\nname = "Bench"\nhostname = "desk.bench.example"\ndata = "{folder}/data"\n[database]\nurl = "{database}"\n'
            '[smtp]\nlisten = ["127.0.0.1:0"]\n[http]\nlisten = ["127.0.0.1:0"]\n[authentication]\nrequire = "none"\n'
            # Measured is the way in: what leaves waits for a relay that is not there.
            '[outbound]\nrate = 0\nrelay = "smtp://127.0.0.1:9"\n'
            f'{more}[[mailboxes]]\naddress = "{self.to}"\nname = "Bench"\n{mailbox}'
        )
        self.binary = binary
        self.run("agent", "add", "jane@agents.example", "--name", "Jane")
        self.token = self.run("token", "create", "--scope", "admin", "--name", "bench").split()[-1]
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([binary, "serve", "--config", self.config], stdout=subprocess.PIPE, stderr=log, text=True)
        ready = self.process.stdout.readline()
        self.smtp = ("127.0.0.1", int(re.search(r"smtp=[^ ]*:(\d+)", ready)[1]))
        self.http = re.search(r"http=([^ \n]*)", ready)[1]
        self.pid = self.process.pid
        # One to each thread, used again and again.
        self.connections = threading.local()

    def run(self, *args):
        return subprocess.run([self.binary, *args, "--config", self.config], check=True, capture_output=True, text=True).stdout

    def get(self, path):
        """The API's answer; asks again when it was one question too many."""
        if not hasattr(self.connections, "http"):
            self.connections.http = http.client.HTTPConnection(self.http)
        while True:
            try:
                self.connections.http.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
                answer = self.connections.http.getresponse()
            except http.client.RemoteDisconnected:
                # It was idle for too long; the next request opens another.
                self.connections.http.close()
                continue
            body = answer.read()
            if answer.status == 200:
                return json.loads(body)
            if answer.status != 429:
                raise SystemExit(f"{path}: {answer.status} {body.decode()}")
            time.sleep(0.05)

    def wait_until_done(self):
        while self.get("/api/v1/inbox?state=waiting&limit=1")["items"]:
            time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Postfix:
    """A Postfix that accepts durably and discards."""

    name = "Postfix"
    to = "support@bench.example"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        for part in ("etc", "queue", "data"):
            (self.folder / part).mkdir(parents=True)
        port, owner = free_port(), pwd.getpwnam("postfix")
        os.chown(self.folder / "data", owner.pw_uid, owner.pw_gid)
        self.folder.chmod(0o755)
        dist = pathlib.Path("/usr/share/postfix/master.cf.dist")
        lines = (dist if dist.exists() else pathlib.Path("/etc/postfix/master.cf")).read_text().splitlines()
        services = []
        for line in lines:
            fields = line.split()
            if len(fields) >= 8 and fields[1] in ("inet", "unix", "fifo") and not line.startswith("#"):
                fields[4] = "n"
                if fields[0] == "smtp" and fields[1] == "inet":
                    fields[0] = f"127.0.0.1:{port}"
                line = " ".join(fields)
            services.append(line)
        (self.folder / "etc/master.cf").write_text("\n".join(services) + "\n")
        for extra in ("dynamicmaps.cf", "dynamicmaps.cf.d"):
            source = pathlib.Path("/etc/postfix") / extra
            if source.is_dir():
                shutil.copytree(source, self.folder / "etc" / extra)
            elif source.exists():
                shutil.copy(source, self.folder / "etc" / extra)
        (self.folder / "etc/main.cf").write_text(
            "compatibility_level = 3.6\nmyhostname = mx.bench.example\nmydestination = bench.example\nmynetworks = 127.0.0.0/8\n"
            f"inet_interfaces = loopback-only\ninet_protocols = ipv4\nqueue_directory = {folder}/queue\ndata_directory = {folder}/data\n"
            "mail_owner = postfix\nsetgid_group = postdrop\nalias_maps =\nalias_database =\nlocal_recipient_maps =\n"
            "local_transport = discard:\ndefault_transport = discard:\nrelay_transport = discard:\n"
            "smtpd_relay_restrictions = permit_mynetworks, reject\nmessage_size_limit = 52428800\n"
            f"maillog_file = /var/log/ombud-bench-{port}.log\nin_flow_delay = 0\n"
        )
        self.command("set-permissions", "create-missing", check=False)
        self.command("start")
        self.smtp = ("127.0.0.1", port)
        self.pid = int((self.folder / "queue/pid/master.pid").read_text())

    def command(self, *args, check=True):
        subprocess.run(["postfix", "-c", self.folder / "etc", *args], check=check, capture_output=True)

    def wait_until_done(self):
        queues = [self.folder / "queue" / name for name in ("incoming", "active", "deferred")]
        while any(path.is_file() for queue in queues for path in queue.rglob("*")):
            time.sleep(0.1)

    def stop(self):
        self.command("stop")
