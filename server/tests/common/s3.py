"""A small S3 for tests: objects in memory, every request's signature verified. Prints its address when it listens.

Words: BUCKET ACCESS_KEY SECRET_KEY REGION. A request to /!MODE makes it behave badly from then on: short (bodies end early),
long (more bytes than asked for), hang (no answer to GET), broken (500), full (507 to PUT), none (well again).
"""
import hashlib
import hmac
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUCKET, ACCESS, SECRET, REGION = sys.argv[1:]
objects = {}
state = {"mode": "none"}


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", len(body) if length is None else length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def signed(self, body):
        """Whether the signature is right, by the rules of AWS Signature Version 4."""
        scheme, _, rest = self.headers.get("Authorization", "").partition(" ")
        if scheme != "AWS4-HMAC-SHA256":
            return False
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        access, date, region, service, end = parts["Credential"].split("/")
        names = parts["SignedHeaders"].split(";")
        needed = {"host", "x-amz-date", "x-amz-content-sha256"}
        stamp, total = self.headers["x-amz-date"], self.headers["x-amz-content-sha256"]
        age = abs(time.time() - time.mktime(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) + time.timezone)
        if not needed <= set(names) or total != hashlib.sha256(body).hexdigest() or age > 900:
            return False
        headers = "".join(f"{name}:{self.headers[name].strip()}\n" for name in names)
        request = "\n".join([self.command, self.path, "", headers, ";".join(names), total])
        scope = f"{date}/{region}/{service}/{end}"
        digest = hashlib.sha256(request.encode()).hexdigest()
        key = ("AWS4" + SECRET).encode()
        for part in (stamp[:8], REGION, "s3", "aws4_request"):
            key = mac(key, part)
        right = mac(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}").hex()
        wanted = (ACCESS, stamp[:8], REGION, "s3", "aws4_request")
        return (access, date, region, service, end) == wanted and right == parts["Signature"]

    def handle_any(self):
        if self.path.startswith("/!"):
            state["mode"] = self.path[2:]
            listing = "\n".join(sorted(objects)).encode()
            return self.answer(200, listing)
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            return self.answer(411)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.path.startswith(f"/{BUCKET}/") or not self.signed(body):
            return self.answer(403)
        mode = state["mode"]
        if mode == "broken" or (mode == "full" and self.command == "PUT"):
            return self.answer(507 if mode == "full" else 500)
        if self.command == "PUT":
            objects[self.path] = body
            return self.answer(200)
        if self.command == "DELETE":
            objects.pop(self.path, None)
            return self.answer(204)
        return self.send_object(mode)

    def send_object(self, mode):
        content = objects.get(self.path)
        if content is None:
            return self.answer(404)
        etag = '"' + hashlib.md5(content).hexdigest() + '"'
        named = {"ETag": etag, "Last_Modified": "Fri, 20 Nov 2026 12:12:22 GMT"}
        if self.headers.get("If-Match", etag) != etag:
            return self.answer(412)
        if self.command == "HEAD":
            return self.answer(200, b"", len(content), **named)
        if mode == "hang":
            time.sleep(3600)
        status, part = 200, content
        if "Range" in self.headers:
            first, last = self.headers["Range"].removeprefix("bytes=").split("-")
            status, part = 206, content[int(first) : int(last) + 1]
            named["Content_Range"] = f"bytes {first}-{last}/{len(content)}"
        if mode == "short":
            self.close_connection = True
            return self.answer(status, part[: len(part) // 2], len(part), **named)
        if mode == "long":
            part += b"x" * 1000
        return self.answer(status, part, **named)

    do_GET = do_HEAD = do_PUT = do_DELETE = handle_any


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
# A client that goes away is its own affair.
server.handle_error = lambda *_: None
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
