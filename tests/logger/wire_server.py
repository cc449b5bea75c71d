"""A small server of the wire contract (docs/adr/0002), in the test's own process, with faults to switch on."""

import base64
import hashlib
import json
import ssl
import threading
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from urllib.parse import urlsplit

from scopeline_logger import clock, resumable

TOKEN = "sl_testtoken_verysecretword"
IGNORED = ["*.db", "*.tmp"]


class MemorySpool(resumable.Spool):
    """An upload in memory."""

    def __init__(self, server, name, size):
        self.server, self.name, self.size = server, name, size
        self.stored, self.data, self.result = 0, bytearray(), None

    def read(self, start, length):
        return bytes(self.data[start : start + length])

    def append(self, data):
        self.server.received += len(data)
        self.data += data

    def keep(self, end):
        del self.data[end:]
        self.stored = end

    def finish(self):
        if self.result is None:
            self.result = self.server.store(self.name, bytes(self.data))

    def drop(self):
        self.server.spools = {k: v for k, v in self.server.spools.items() if v is not self}


class WireServer(ThreadingMixIn, HTTPServer):
    """Keeps what it was told. `faults` maps a call's name to a function (handler) -> True where it has answered."""

    daemon_threads = True

    def __init__(self, port=0, certificate=None):
        HTTPServer.__init__(self, ("127.0.0.1", port), Handler)
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self._scheme = "https"
        self.sessions, self.events, self.announced, self.withdrawn = {}, {}, {}, {}
        self.objects, self.spools, self.calls, self.heartbeats = {}, {}, [], []
        self.faults, self.hosts = {}, set()
        self.received = 0
        self.offset = 0.0
        self.generation = 0
        self.lock = threading.RLock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self):
        return "%s://127.0.0.1:%d" % (self._scheme, self.server_address[1])

    def stop(self):
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that was killed in the middle is part of the tests."""

    def store(self, name, data):
        self.generation += 1
        digest = hashlib.md5(data).digest()
        version = {
            "name": name,
            "generation": str(self.generation),
            "size": str(len(data)),
            "md5Hash": base64.b64encode(digest).decode("ascii"),
        }
        self.objects.setdefault(name, []).append({"data": data, "generation": self.generation, "verified": "unknown"})
        return version

    def session(self, key):
        for session in self.sessions.values():
            if key in (session["id"], session["local_id"]):
                return session
        return None

    def times(self, name):
        return [body for call, body in self.calls if call == name]

    def content(self, ending):
        """The confirmed bytes of the newest version of the one object whose name ends so, or None."""
        names = [name for name in self.objects if name.endswith(ending)]
        if len(names) != 1:
            return None
        newest = self.objects[names[0]][-1]
        return newest["data"] if newest["verified"] == "yes" else None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in two writes would wait for the client's delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        """Quiet."""

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(body.decode("utf-8")) if body else None
        # A proxy is sent whole addresses.
        self.server.hosts.add(self.headers.get("Host"))
        parts = urlsplit(self.path).path.strip("/").split("/")
        name = "_".join([self.command.lower()] + [p for p in (parts[1], parts[-1])]) if len(parts) > 1 else "?"
        names = {
            "get_me_me": "me",
            "post_sessions_sessions": "start",
            "post_sessions_events": "event",
            "post_sessions_end": "end",
            "post_sessions_files": "announce",
            "post_uploads_uploads": "upload",
            "post_uploads_confirm": "confirm",
            "post_heartbeat_heartbeat": "heartbeat",
        }
        name = names[name]
        with self.server.lock:
            self.server.calls.append((name, body))
            fault = self.server.faults.get(name) or self.server.faults.get("*")
        if fault is not None and fault(self):
            return
        if self.headers.get("Authorization") != "Bearer " + TOKEN:
            self.problem(401, "invalid_token")
            return
        with self.server.lock:
            getattr(self, "on_" + name)(body, parts)

    def send(self, status, document, content_type="application/json", headers=()):
        data = document if isinstance(document, bytes) else json.dumps(document).encode("utf-8")
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for key, value in headers:
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)

    def problem(self, status, code, detail="said the test"):
        self.send(status, {"status": status, "code": code, "detail": detail}, "application/problem+json")

    def on_me(self, body, parts):
        self.send(
            200,
            {
                "token": {},
                "server_time": clock.moment_text(clock.now() + self.server.offset),
                "minimum_logger_version": "0.1.0",
                "client": {"id": "pc", "instruments": ["titan"], "roots": {"data": {"instrument": "titan"}}},
                "ignore": IGNORED,
            },
        )

    def on_start(self, body, parts):
        known = self.server.sessions.get(body["local_id"])
        if known is None:
            known = dict(body, id="20260206-titan-%s" % body["local_id"][:6], announced_count=None, end=None, events=[])
            known["page"] = "http://site.example/record/" + known["id"]
            self.server.sessions[body["local_id"]] = known
        self.send(201, known)

    def known_session(self, parts):
        session = self.server.session(parts[2])
        if session is None:
            self.problem(404, "not_found")
        return session

    def on_event(self, body, parts):
        session = self.known_session(parts)
        if session is not None:
            if body["id"] not in [e["id"] for e in session["events"]]:
                session["events"].append(body)
            self.send(200, session)

    def on_end(self, body, parts):
        session = self.known_session(parts)
        if session is not None:
            session["end"] = session["end"] or body
            self.send(200, session)

    def on_announce(self, body, parts):
        session = self.known_session(parts)
        if session is None:
            return
        answers = []
        for file in body["files"]:
            key = (session["local_id"], file["path"])
            if file["path"].endswith(".refuse"):
                answers.append(
                    {"root": file["root"], "path": file["path"], "code": "ignored", "detail": "not this one"}
                )
                continue
            if file.get("withdrawn"):
                self.server.announced.pop(key, None)
                self.server.withdrawn[key] = file
            else:
                self.server.announced[key] = file
            answers.append({"root": file["root"], "path": file["path"], "status": "announced"})
        self.send(200, {"files": answers})

    def on_upload(self, body, parts):
        if body["session"] is not None and self.server.session(body["session"]) is None:
            self.problem(409, "unknown_session")
            return
        session = self.server.session(body["session"])["id"] if body["session"] else "unassigned"
        name = "titan/%s/pc/%s/%s" % (session, body["root"], body["path"])
        versions = self.server.objects.get(name, [])
        if versions and "md5" in body and hashlib.md5(versions[-1]["data"]).hexdigest() == body["md5"]:
            self.send(200, {"already": True, "object": name, "generation": versions[-1]["generation"]})
            versions[-1]["verified"] = "yes"
            return
        secret = uuid.uuid4().hex
        self.server.spools[secret] = MemorySpool(self.server, name, body["size"])
        url = "%s/upload/%s" % (self.server.url, secret)
        self.send(201, {"already": False, "upload_url": url, "object": name, "chunk": 1024 * 1024})

    def on_confirm(self, body, parts):
        for version in self.server.objects.get(body["object"], []):
            if version["generation"] == body["generation"]:
                right = hashlib.md5(version["data"]).hexdigest() == body["md5"]
                version["verified"] = "yes" if right else "rejected"
                if right:
                    self.send(200, {"generation": body["generation"], "verified": "yes"})
                else:
                    self.problem(409, "md5_mismatch")
                return
        self.problem(404, "missing_object")

    def on_heartbeat(self, body, parts):
        self.server.heartbeats.append(body)
        self.send(200, {"server_time": clock.moment_text(clock.now())})

    def do_PUT(self):
        assert "Authorization" not in self.headers, "the token was sent to an upload address"
        fault = self.server.faults.get("put")
        if fault is not None and fault(self):
            return
        spool = self.server.spools.get(self.path.split("/")[-1])
        if spool is None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.problem(404, "unknown_upload")
            return
        with self.server.lock:
            answer = resumable.answer(
                spool, self.headers.get("Content-Range"), self.headers.get("Content-Length"), self.rfile, 1 << 20
            )
        self.send_response(answer.status)
        for key, value in answer.headers:
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(answer.body)
