"""Clients that are slow, silent, gone, wrong or many. Each attack says what it found; none of them may get in, and no fire may be
late because of them."""

import json
import resource
import select
import socket
import struct
import threading
import time

# A fire may be so late while the host is attacked; beside the attacker on the same processors. Seconds.
LATEST = 0.5


class Client:
    """One connection, by hand."""

    def __init__(self, host, unix=False, timeout=30):
        if unix:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(host.path / ".moondial" / "host.sock"))
        else:
            self.socket = socket.create_connection(("127.0.0.1", host.port), timeout)
        self.bytes = b""

    def send(self, data):
        """False: the other side has closed."""
        try:
            self.socket.sendall(data if isinstance(data, bytes) else data.encode())
            return True
        except OSError:
            return False

    def fill(self):
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("closed")
        self.bytes += part

    def until(self, mark):
        while mark not in self.bytes:
            self.fill()
        part, self.bytes = self.bytes.split(mark, 1)
        return part

    def answer(self, has_body=True):
        """The status, the fields and the body of the next answer."""
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        status, length = int(lines[0].split()[1]), int(fields.get("content-length", 0)) if has_body else 0
        while len(self.bytes) < length:
            self.fill()
        body, self.bytes = self.bytes[:length], self.bytes[length:]
        return status, fields, body

    def closed(self, patience):
        """Whether the other side closes within so many seconds; what it says meanwhile is dropped."""
        end = time.time() + patience
        while time.time() < end:
            if not select.select([self.socket], [], [], max(0, end - time.time()))[0]:
                return False
            try:
                if not self.socket.recv(65536):
                    return True
            except OSError:
                return True
        return False

    def reset(self):
        """Goes without a word, as a machine that lost its power would after a while."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def ask(host, method, target, headers=(), name="127.0.0.1", body=None, unix=False):
    client = Client(host, unix)
    text = f"{method} {target} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n"
    for header in headers:
        text += header + "\r\n"
    if body is not None:
        text += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    client.send(text + "\r\n" + (body or ""))
    try:
        return client.answer(method != "HEAD")
    finally:
        client.socket.close()


def status_of(host, *arguments, **named):
    return ask(host, *arguments, **named)[0]


def operates(host):
    return [f"Authorization: Bearer {host.operator}"]


def reads(host):
    return [f"Authorization: Bearer {host.reader}"]


def is_up(host):
    """Both doors answer."""
    return status_of(host, "GET", "/api/v1/status", reads(host)) == 200 and (
        status_of(host, "GET", "/api/v1/status", unix=True) == 200)


def audit(host):
    return [item["id"] for item in json.loads(ask(host, "GET", "/api/v1/audit?limit=1000", unix=True)[2])["items"]]


# MARK: Attacks. Each gives a list of what is wrong.


def heads(host):
    wrong = []
    for text in [
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + "a" * 1_000_000 + "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n" + "X: a\r\n" * 100_000 + "\r\n",
        "GET /" + "a" * 1_000_000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + "a=b; " * 10_000 + "\r\n\r\n",
        "X" * 5_000_000, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 100, "\0" * 10_000,
        "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\nHost: localhost\n\n" * 3,
    ]:
        client = Client(host)
        client.send(text)
        if not client.closed(15):
            wrong.append(f"a connection stays open after {text[:60]!r}")
        client.socket.close()
    return wrong


def bodies(host):
    wrong = []
    head = "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + operates(host)[0] + "\r\n"
    client = Client(host)
    client.send(head + "Content-Length: 999999999999\r\n\r\n")
    if client.answer()[0] != 413:
        wrong.append("a body of a terabyte is not refused at once")
    client = Client(host)
    client.send(head + "Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"[" * 65536 + b"\r\n"
    end = time.time() + 15
    while client.send(chunk) and time.time() < end:
        pass
    if time.time() >= end:
        wrong.append("a body without an end is read for ever")
    deep = "[" * 500_000
    if status_of(host, "POST", "/api/v1/reload", operates(host), body=deep) not in (400, 422):
        wrong.append("half a million levels of JSON are no problem")
    wide = json.dumps({"params": {f"k{number}": number for number in range(40_000)}})
    if status_of(host, "POST", "/api/v1/jobs/waits/run", operates(host), body=wide) not in (202, 422):
        wrong.append("forty thousand parameters are neither taken nor refused")
    return wrong


def slow(host):
    """Two hundred clients that send one byte a second, or nothing, or half a body."""
    clients = [Client(host) for _ in range(200)]
    texts = [
        "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", "",
        "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        + operates(host)[0] + "\r\nContent-Length: 100\r\n\r\n{",
    ]
    for number, client in enumerate(clients):
        client.send(texts[number % 3])
    end = time.time() + 8
    while time.time() < end:
        for client in clients[::3]:
            client.send("a")
        time.sleep(1)
    wrong = [] if is_up(host) else ["the host does not answer beside slow clients"]
    left = sum(0 if client.closed(max(0.01, end + 16 - time.time())) else 1 for client in clients)
    if left:
        wrong.append(f"{left} of 200 slow clients still have their connection")
    return wrong


def gone(host):
    """Clients that go in the middle, read nothing, or leave half of the connection open."""
    for number in range(300):
        client = Client(host)
        client.send("GET /api/v1/runs?limit=1000 HTTP/1.1\r\nHost: localhost\r\n" + reads(host)[0] + "\r\n\r\n")
        if number % 3 == 0:
            client.reset()
        elif number % 3 == 1:
            client.socket.shutdown(socket.SHUT_WR)
            client.socket.close()
        else:
            client.socket.close()
    stalled = [Client(host) for _ in range(20)]
    for client in stalled:
        client.socket.settimeout(0.2)
        ask_ = ("GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n" + reads(host)[0] + "\r\n\r\n").encode()
        for _ in range(2_000):
            if not client.send(ask_):
                break
    wrong = [] if is_up(host) else ["the host does not answer beside clients that read nothing"]
    end = time.time() + 45
    left = 0
    for client in stalled:
        client.socket.settimeout(30)
        events = select.poll()
        events.register(client.socket, select.POLLHUP | select.POLLERR)
        left += 0 if events.poll(max(1, (end - time.time()) * 1_000)) else 1
    if left:
        wrong.append(f"{left} of 20 clients that read nothing still have their connection")
    return wrong


def credentials(host):
    wrong = []
    before = audit(host)
    tokens = ["", "x", host.operator[:-1], host.operator + "0", host.operator.upper(), host.reader[::-1], "null", "*", "' or 1=1"]
    for token in tokens * 100:
        for method, target in [("GET", "/api/v1/status"), ("POST", "/api/v1/reload")]:
            if status_of(host, method, target, [f"Authorization: Bearer {token}"]) != 401:
                wrong.append(f"{method} {target} takes the token {token!r}")
    for header in ["Authorization: Basic " + host.operator, "Authorization: " + host.operator, "Cookie: moondial=" + host.operator,
                   f"Cookie: moondial_{host.port}={host.operator}", "X-Api-Key: " + host.operator]:
        if status_of(host, "GET", "/api/v1/status", [header]) != 401:
            wrong.append(f"{header[:30]!r} lets somebody in")
    for target in ["/api/v1/reload", "/api/v1/pause", "/api/v1/jobs/tick/run", "/api/v1/login-links"]:
        if status_of(host, "POST", target, reads(host), body="{}") != 403:
            wrong.append(f"POST {target} takes a token that may only read")
    if status_of(host, "GET", f"/api/v1/status?token={host.operator}") != 401:
        wrong.append("a token in the query lets somebody in")
    if audit(host) != before:
        wrong.append("something was changed by somebody without a credential")
    return wrong


def names(host):
    wrong = []
    for name in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "localhost:80@evil.example", "moondial.example.org.",
                 "2130706433", "0x7f.1", "[::1].evil.example", "localhost/", "localhost?", "localhost evil", ""]:
        if status_of(host, "GET", "/healthz", name=name) not in (400, 421):
            wrong.append(f"the host answers to the name {name!r}")
    for name in ["localhost", "127.0.0.1:1", "[::1]", "moondial.example.org:443"]:
        if status_of(host, "GET", "/healthz", name=name) != 200:
            wrong.append(f"the host does not answer to the name {name!r}")
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost.evil.example", "file://", "moz-extension://x"]:
        for method in ["GET", "POST"]:
            target = "/api/v1/status" if method == "GET" else "/api/v1/reload"
            if status_of(host, method, target, operates(host) + [f"Origin: {origin}"]) != 403:
                wrong.append(f"a page of {origin!r} may {method} {target}")
    two = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    client = Client(host)
    client.send(two)
    if client.answer()[0] == 200:
        wrong.append("two Host fields are taken")
    return wrong


def paths(host):
    wrong = []
    tricks = [
        "/api/v1/../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/./healthz", "/healthz/",
        "/healthz%00", "/healthz/..", "/healthz/../api/v1/status", "/healthz/%2e%2e/api/v1/status", "/healthz;/api/v1/status",
        "/HEALTHZ", "/api//v1/status", "/api/v1/status/", "/api/v1/%73tatus%2f", "/healthz?/../api/v1/status", "/healthz#/api/v1/status",
        "/api/v1/jobs/%2e%2e%2fstatus", "/api/v1/jobs/..%2F..%2Fetc", "/api/v1/jobs/%c0%ae", "/%", "/%f", "/%gg", "/\\..\\..\\etc",
        "/api/v1/jobs/" + "a" * 9_000, "/static/../../moondial.lua", "/.moondial/moondial.db", "/login", "/login?code=", "/login?code=%00",
    ]
    for target in tricks:
        status, _, body = ask(host, "GET", target)
        opened = status == 200 and not body.startswith(b'{"status":"ok"}')
        if opened or b"root:" in body or b"SQLite" in body or status >= 500:
            wrong.append(f"{target[:60]!r} is answered with {status} for nobody")
        status, _, body = ask(host, "GET", target, reads(host))
        if b"root:" in body or b"SQLite" in body or status >= 500:
            wrong.append(f"{target[:60]!r} is answered with {status}")
    return wrong


def gets(host):
    wrong = []
    before, document = audit(host), json.loads(ask(host, "GET", "/api/v1/openapi.json", unix=True)[2])
    for path, operations in document["paths"].items():
        if "get" in operations or path in ("/logout",):
            continue
        target = path.replace("{name}", "tick").replace("{id}", "1")
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PATCH"]:
            if status_of(host, method, target, operates(host)) != 405:
                wrong.append(f"{method} {target} is not refused")
        for header in ["X-HTTP-Method-Override: POST", "X-Method-Override: DELETE"]:
            if status_of(host, "GET", target + "?_method=POST", operates(host) + [header]) not in (405, 422):
                wrong.append(f"GET {target} with {header} is not refused")
    if audit(host) != before:
        wrong.append("something was changed by a GET")
    return wrong


def streams(host):
    """A thousand clients that read events at once."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))
    clients = []
    for _ in range(1_000):
        client = Client(host)
        client.send("GET /api/v1/events?type=run_finished HTTP/1.1\r\nHost: localhost\r\n" + reads(host)[0] + "\r\n\r\n")
        clients.append(client)
    wrong, statuses = [], []
    for client in clients:
        statuses.append(int(client.until(b"\r\n\r\n").split()[1]))
    if statuses.count(200) != 1_000:
        wrong.append(f"of 1,000 streams {statuses.count(200)} are open")
    counts = [0] * len(clients)
    end = time.time() + 20
    by_socket = {client.socket.fileno(): (number, client) for number, client in enumerate(clients)}
    poll = select.poll()
    for descriptor in by_socket:
        poll.register(descriptor, select.POLLIN)
    while time.time() < end:
        for descriptor, _ in poll.poll(500):
            number, client = by_socket[descriptor]
            try:
                counts[number] += client.socket.recv(262_144).count(b"event: run_finished")
            except OSError:
                poll.unregister(descriptor)
    if not is_up(host):
        wrong.append("the host does not answer beside 1,000 streams")
    # Of about 200 runs in that time; the first of the readers were there before the last.
    if min(counts) < 100:
        wrong.append(f"a stream got {min(counts)} events in 20 s, another one {max(counts)}")
    for client in clients[::2]:
        client.reset()
    for client in clients[1::2]:
        client.socket.close()
    return wrong


def stale(host):
    """A token that is taken from the configuration is nobody's."""
    host.configure(with_reader=False)
    end = time.time() + 30
    while time.time() < end:
        if status_of(host, "GET", "/api/v1/status", reads(host)) == 401:
            break
        time.sleep(0.2)
    else:
        return ["a token that the configuration has no more still lets somebody in"]
    fine = status_of(host, "GET", "/api/v1/status", operates(host)) == 200
    host.configure()
    end = time.time() + 30
    while time.time() < end and status_of(host, "GET", "/api/v1/status", reads(host)) != 200:
        time.sleep(0.2)
    return [] if fine else ["the other token is gone as well"]


ATTACKS = [heads, bodies, slow, gone, credentials, names, paths, gets, streams, stale]


class Lateness(threading.Thread):
    """Reads how late the fires are that come, while the host is attacked."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.host, self.worst, self.count, self.ends = host, 0.0, 0, threading.Event()

    def run(self):
        position = None
        while not self.ends.wait(2):
            answer = ask(self.host, "GET", "/api/v1/runs?job=tick&limit=100", unix=True)
            for run in json.loads(answer[2])["items"]:
                if "started_at" not in run or (position is not None and run["id"] <= position):
                    continue
                # Retries, backfills and schedules that schemathesis has asked for are for fire times long ago.
                if run["cause"] != "schedule" or "schedule" in run:
                    continue
                late = moment(run["started_at"]) - moment(run["scheduled_at"])
                self.worst, self.count = max(self.worst, late), self.count + 1
            items = json.loads(answer[2])["items"]
            position = max([run["id"] for run in items] + [position or 0])


def moment(text):
    """Seconds of the day, exact enough to subtract."""
    clock = text[11:].rstrip("Z").split("+")[0]
    hours, minutes, seconds = clock.split(":")
    return int(hours) * 3_600 + int(minutes) * 60 + float(seconds)


def attack(host):
    """Runs every attack. Whether all went well."""
    ask(host, "POST", "/api/v1/resume", body="{}", unix=True)
    ask(host, "POST", "/api/v1/resume", body='{"jobs": ["tick"]}', unix=True)
    fine = True
    for one in ATTACKS:
        watch = Lateness(host)
        watch.start()
        begin = time.time()
        wrong = one(host)
        if not is_up(host):
            wrong.append("the host does not answer afterwards")
        time.sleep(2.5)
        watch.ends.set()
        watch.join()
        if watch.count == 0:
            wrong.append("no fire was seen")
        if watch.worst > LATEST:
            wrong.append(f"a fire was {watch.worst:.3f} s late")
        fine = fine and not wrong
        print(f"{one.__name__}: {time.time() - begin:.0f} s, {watch.count} fires, at most {watch.worst * 1_000:.0f} ms late: "
              + ("fine" if not wrong else "; ".join(wrong)), flush=True)
    return fine
