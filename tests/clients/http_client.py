"""Cases for tests/clients/python.rs.

`http_client.py CASE HOST PORT` prints `CASE: passed`, or ends with a traceback.
"""

import hashlib
import http.client
import socket
import sys

HOST, PORT = sys.argv[2], int(sys.argv[3])
PATIENCE = 50  # seconds: a safety net


def connection():
    return http.client.HTTPConnection(HOST, PORT, timeout=PATIENCE)


def raw():
    sock = socket.create_connection((HOST, PORT), timeout=PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def equal(actual, expected, what=""):
    # Not `assert`, which -O and PYTHONOPTIMIZE remove.
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r} is not {expected!r}")


def read_answer(file, method="GET"):
    """Reads one answer from a buffered file of a socket, and not a byte more."""
    status = int(file.readline().split(b" ", 2)[1])
    headers = http.client.parse_headers(file)
    length = 0 if method == "HEAD" else int(headers["Content-Length"])
    body = file.read(length)
    equal(len(body), length, "length of the body")
    return status, headers, body


def ends(sock, file):
    """Nothing follows, and the server closes when we say that we are done."""
    sock.shutdown(socket.SHUT_WR)
    equal(file.read(), b"", "after the last answer")


def keep_alive():
    client = connection()
    client.connect()
    sock = client.sock
    for _ in range(100):
        client.request("GET", "/")
        answer = client.getresponse()
        equal((answer.status, answer.read()), (200, b"Hello world!"))
        # http.client drops its socket when the server says that it will close.
        equal(client.sock is sock, True, "same connection")


def head():
    client = connection()
    client.request("HEAD", "/")
    answer = client.getresponse()
    equal((answer.status, answer.getheader("Content-Length"), answer.read()), (200, "12", b""))
    # http.client throws away what follows an answer; here a body sent after all is taken for the
    # next answer.
    sock = raw()
    with sock.makefile("rb") as file:
        for method, body in (("HEAD", b""), ("GET", b"Hello world!")) * 3:
            sock.sendall(f"{method} / HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            status, headers, received = read_answer(file, method)
            equal((status, headers["Content-Length"], received), (200, "12", body))
        ends(sock, file)


def refusals():
    client = connection()
    for method, path, status in (("GET", "/nowhere", 404), ("DELETE", "/", 405), ("PUT", "/", 405)):
        client.request(method, path)
        answer = client.getresponse()
        answer.read()
        equal(answer.status, status, f"{method} {path}")
        if status == 405:
            allowed = {name.strip() for name in answer.getheader("Allow").split(",")}
            equal({"GET"} <= allowed and method not in allowed, True, f"Allow: {allowed}")
    client.request("GET", "/")
    equal(client.getresponse().read(), b"Hello world!", "afterwards")


def chunked_body():
    client = connection()
    pieces = [b"a", b"bc" * 1000, b"\r\n0\r\n\r\n", bytes(range(256)) * 300]
    for _ in range(3):
        client.request("POST", "/", body=iter(pieces), encode_chunked=True)
        answer = client.getresponse()
        equal(answer.status, 200)
        equal(answer.getheader("x-method"), "POST")
        equal(answer.read(), b"".join(pieces), "body")


def large_body():
    client = connection()
    body = hashlib.shake_256(b"keirin").digest(8_000_000)
    for method in ("POST", "PUT", "PATCH"):
        client.request(method, "/", body=body)
        answer = client.getresponse()
        equal(answer.status, 200)
        equal(hashlib.sha256(answer.read()).hexdigest(), hashlib.sha256(body).hexdigest(), method)


def mirror_requests():
    """Requests of every framing, with the method, target and body that each answer has to show."""
    for number in range(60):
        target = f"/{number}?n={number}"
        body = f"body {number}\r\n".encode() * number
        if number % 3 == 0:
            method, body, framed = "GET", b"", b"\r\n"
        elif number % 3 == 1:
            method, framed = "POST", b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        else:
            method = "PUT"
            chunks = b"%x;name=\"value\"\r\n%s\r\n0\r\nTrailer: x\r\n\r\n" % (len(body), body)
            framed = b"Transfer-Encoding: chunked\r\n\r\n" + chunks
        start = f"{method} {target} HTTP/1.1\r\nHost: test\r\n".encode()
        yield start + framed, method, target, body


def check_mirror(sock):
    with sock.makefile("rb") as file:
        for _, method, target, body in mirror_requests():
            status, headers, received = read_answer(file)
            equal((status, headers["x-method"], headers["x-target"]), (200, method, target))
            equal(received, body, target)
        ends(sock, file)


def pipelined():
    sock = raw()
    sock.sendall(b"".join(request for request, *_ in mirror_requests()))
    check_mirror(sock)


def byte_by_byte():
    sock = raw()
    for byte in b"".join(request for request, *_ in mirror_requests()):
        sock.sendall(bytes((byte,)))
    check_mirror(sock)


def pipelined_downloads():
    """Large answers in order, while nothing is read for as long as the requests are sent."""
    sock = raw()
    sizes = [3_000_000, 0, 1, 2_000_000, 17] * 3
    for size in sizes:
        sock.sendall(f"GET /{size} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    with sock.makefile("rb") as file:
        for size in sizes:
            status, _, body = read_answer(file)
            equal((status, len(body)), (200, size))
            equal(body == (bytes(range(251)) * (size // 251 + 1))[:size], True, f"bytes of {size}")
        ends(sock, file)


def pipelined_behind_a_pending_answer():
    sock = raw()
    methods = ["GET", "HEAD", "GET", "GET", "HEAD"]
    for method in methods:
        sock.sendall(f"{method} / HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    with sock.makefile("rb") as file:
        for method in methods:
            status, _, body = read_answer(file, method)
            equal((status, body != b""), (200, method == "GET"))
        ends(sock, file)


if __name__ == "__main__":
    {function.__name__: function for function in (
        keep_alive, head, refusals, chunked_body, large_body, pipelined, byte_by_byte,
        pipelined_downloads, pipelined_behind_a_pending_answer,
    )}[sys.argv[1]]()
    print(f"{sys.argv[1]}: passed")
