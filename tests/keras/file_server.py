"""A local server of files that breaks off and lies, and files that it gives."""

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from deepwell.keras.datasets.files import DataSet, Remote


class Server(ThreadingHTTPServer):
    """files: path -> bytes. breaks: how many answers end half-way. ranges: whether parts are served. asked: what came in."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.breaks, self.ranges, self.asked = {}, 0, True, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        data, span = self.server.files.get(self.path.lstrip("/")), self.headers.get("Range")
        self.server.asked.append((self.path.lstrip("/"), span))
        if data is None:
            self.send_error(404)
            return
        begin = int(span.removeprefix("bytes=").rstrip("-")) if span and self.server.ranges else 0
        if begin >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        part = data[begin:]
        if self.server.breaks:
            self.server.breaks -= 1
            part = part[: len(part) // 2]
        self.wfile.write(part)

    def log_message(self, *_):
        pass


BYTES = bytes(range(256)) * 5000
SET = DataSet("made")


def remote(server, data=BYTES, name="made.bin", digest=None):
    server.files[name] = data
    return Remote(name, server.url + name, digest or hashlib.sha256(data).hexdigest())


def objects(lists):
    array = np.empty(len(lists), object)
    array[:] = lists
    return array


class Evil:
    def __reduce__(self):
        return (print, ("run!",))
