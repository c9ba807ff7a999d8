"""Streams of HTTP/1.1 requests as honest clients, careless ones and attackers write them, from a seed."""

import random

METHODS = [b"POST"] * 6 + [b"GET"] * 4 + [b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"]
ODD_METHODS = [b"post", b"BREW", b"CONNECT", b"PRI", b"M-SEARCH", b"", b"PO ST", b"G\tT", b"P(ST", b"\x80", b"\"GET\""]
TARGETS = [b"/", b"/webhooks/seam", b"/a/b?c=d&e=%20", b"/?", b"/%41~x", b"//x", b"/a;b=c", b"/a?b?c"]
ODD_TARGETS = [
    b"*", b"http://a/b", b"https://a:1/", b"a:80", b"", b"/a b", b"/a#b", b"/%", b"/%4", b"/%zz", b"/\x00", b"/\x7f",
    b"/\xc3\xa4", b"/a\tb", b"/|", b"/\"", b"?a", b"\\", b"/<>", b"/" + b"a" * 3000,
]
VERSIONS = [b"HTTP/1.1"] * 12 + [b"HTTP/1.0"]
ODD_VERSIONS = [
    b"http/1.1", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.10", b"HTTP/01.1", b"HTTP/1", b"", b"HTTP/1.1 ", b"HTTPS/1.1",
    b"HTTP/1,1", b"HTTP /1.1", b"RTSP/1.0", b"ICE/1.0", b"HTTP/1.\xb1",
]
HOSTS = [b"a", b"example.com", b"example.com:8443", b"127.0.0.1:80", b"[::1]:1", b"a_b.example", b"A.example."]
ODD_HOSTS = [b"", b" ", b"a b", b"a,b", b"a/b", b"a@b", b"[::1", b"a:b", b"a:80:80", b"\xe4", b"a\\b", b"a?b", b"1.2.3.4.5", b"a..b"]
FIELDS = [
    (b"content-type", b"application/json"), (b"User-Agent", b"Svix-Webhooks/1.84"), (b"Accept", b"*/*"), (b"X-Empty", b""),
    (b"svix-id", b"msg_1"), (b"svix-signature", b"v1,abc= v1,def="), (b"Connection", b"keep-alive"), (b"Connection", b"close"),
    (b"Connection", b"Keep-Alive, x"), (b"Accept-Encoding", b"gzip"), (b"Cookie", b"a=b; c=\"d\""), (b"X", b"a\tb"),
    (b"!#$%&'*+-.^_`|~9", b"token"), (b"X-Latin", b"\xe4\xf6"), (b"Expect", b"100-continue"), (b"TE", b"trailers"),
    (b"Upgrade", b"h2c"), (b"Upgrade-Insecure-Requests", b"1"), (b"Date", b"Tue, 25 Nov 2026 22:00:00 GMT"),
]
ODD_FIELDS = [
    b"X : y", b" X: y", b"\tfolded", b"X\x00: y", b"X: \x00", b"X: a\x01b", b"X: a\x7fb", b"X: a\rb", b"X: a\nY: b", b"no colon",
    b": nameless", b"X(y): z", b"X\xe4: z", b"\"X\": z",
    b"X y: z", b"X\t: y", b"Connection: close\x0b", b"Connection: a b", b"Connection: ,",
    b"Proxy-Connection: close", b"Keep-Alive: 5", b"Content-Type: a\r\nContent-Type: b", b"Expect: 200-ok", b"Host", b"HTTP/1.1 200 OK",
    b"Trailer: X", b"Connection: upgrade\r\nUpgrade: websocket", b"HTTP2-Settings: AAA", b"X: " + b"x" * 5000, b"Transfer-Encoding",
]
ODD_LENGTHS = [
    b"+5", b"-1", b"-0", b"5,5", b"5, 5", b"5,6", b"0x5", b"5 ", b" 5", b"05", b"00", b"5.0", b"5;", b"", b"five", b"5\x0b", b"5 5", b"1e1",
    b"99999999999999999999", b"18446744073709551621", b"4294967301", b"2147483648", b"\xb25", b"5\t", b"_5", b"1_0",
]
ODD_CODINGS = [
    b"Chunked", b"CHUNKED", b"chunked, chunked", b"gzip, chunked", b"chunked, gzip", b"identity", b"identity, chunked", b"xchunked",
    b"chunked;a=b", b"chunked, ", b",chunked", b"\x0bchunked", b"chunked\x00", b"chun ked", b"\"chunked\"", b"", b"chunked identity",
    b"chunk", b"gzip", b"chunked\t", b"chunked\x0b", b"cow, chunked",
]
ODD_SIZES = [
    b"+5", b"-5", b"0x5", b" 5", b"5 ", b"5\t", b"", b"g", b"05", b"000000005", b"0000000000000005", b"ffffffffffffffff",
    b"fffffffffffffffff", b"100000005", b"5;", b"5;a", b"5;a=b", b"5;a=\"b;c\"",
    b"5;a=\"b", b"5;a=\"b\\\"c\"", b"5 ;a", b"5; a", b"5;a =b", b"5,a",
    b"5;a\x00", b"5;\xe4=1", b"5\x0b", b"5_0", b"5h", b"5;a\nb", b"5;a\rb", b"5\n", b"5;;", b"5;=b",
]
BODIES = [b"", b"hello", b"{\"event_id\": \"1\"}", b"\x00\r\n\r\n\xff", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"0\r\n\r\n", b"x" * 300]
TRAILERS = [b"", b"", b"", b"X: y\r\n", b"X-Sum: 1\r\nY: 2\r\n"]
ODD_TRAILERS = [
    b"Content-Length: 5\r\n", b"Host: b\r\n", b"Transfer-Encoding: chunked\r\n", b"no colon\r\n", b" folded\r\n", b"X : y\r\n",
    b"X: \x00\r\n", b"X: y\n", b": y\r\n", b"X: y\r\r\n",
]
MUTANTS = [
    b"\r", b"\n", b"\r\n", b"\x00", b" ", b"\t", b":", b",", b";", b"\x0b", b"\x0c", b"\x7f", b"\x80", b"\xff", b"0", b"5", b"-", b"+",
    b"\"", b"a",
]


class Writer:
    """Writes streams; every choice comes from its own generator, so a seed says everything."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.oddness = 0.0

    def pick(self, usual, odd):
        return self.random.choice(odd if self.random.random() < self.oddness else usual)

    def stream(self):
        """One connection's bytes: some requests, honest, odd in places, or damaged."""
        kind = self.random.random()
        self.oddness = 0.0 if kind < 0.3 else 0.06
        requests = b"".join(self.request() for _ in range(self.random.choice([1, 1, 2, 2, 3])))
        if kind >= 0.7:
            for _ in range(self.random.choice([1, 1, 1, 2, 3])):
                requests = self.damaged(requests)
        if self.oddness and self.random.random() < 0.04:
            requests = self.random.choice([b"\r\n", b"\n", b"\r\n\r\n", b" ", b"\x00", b"\xef\xbb\xbf", b"\r"]) + requests
        return requests

    def end(self):
        return self.pick([b"\r\n"], [b"\r\n"] * 3 + [b"\n", b"\r", b"\r\r\n", b" \r\n", b"\n\r\n", b"\r\n "])

    def request(self):
        method = self.pick(METHODS, ODD_METHODS)
        version = self.pick(VERSIONS, ODD_VERSIONS)
        body = self.random.choice(BODIES)
        fields = [b"Host: " + self.pick(HOSTS, ODD_HOSTS)]
        if self.random.random() < self.oddness:
            fields = self.random.choice([[], fields * 2, [b"hOST:a"], [b"Host:  a \t"]])
        for _ in range(self.random.randrange(4)):
            name, value = self.random.choice(FIELDS)
            fields.append(name + b":" + self.random.choice([b" ", b"", b"  ", b"\t"]) + value + self.random.choice([b"", b"", b" "]))
        if self.random.random() < 2 * self.oddness:
            fields.append(self.random.choice(ODD_FIELDS))
        framing, content = self.framing(method, version, body)
        fields += framing
        self.random.shuffle(fields)
        separators = [self.pick([b" "], [b"  ", b"\t", b"", b" \t", b"\x0b", b"\r"]) for _ in range(2)]
        line = method + separators[0] + self.pick(TARGETS, ODD_TARGETS) + separators[1] + version
        return line + self.end() + b"".join(field + self.end() for field in fields) + self.end() + content

    def framing(self, method, version, body):
        """The fields that say how long the content is, and the content."""
        if method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS") and self.random.random() < 0.8:
            return [], b""
        name = self.random.choice([b"Content-Length", b"content-length"])
        length = [name + b": " + str(len(body)).encode()]
        coding = [b"Transfer-Encoding: " + self.pick([b"chunked"], ODD_CODINGS)]
        if self.random.random() < self.oddness:
            odd = [name + b": " + self.random.choice(ODD_LENGTHS)]
            return self.random.choice([
                ([], body), (odd, body), (length * 2, body), (length + odd, body), (length + coding, self.chunked(body)),
                (length + coding, body), (coding * 2, self.chunked(body)), (length, body[:-1]), (length, body + b"x"),
                (length, self.chunked(body)),
            ])
        if version == b"HTTP/1.1" and self.random.random() < 0.4:
            return coding, self.chunked(body)
        return length, body

    def chunked(self, body):
        pieces = []
        while body:
            size = min(len(body), self.random.choice([1, 5, 16, 300]))
            piece, body = body[:size], body[size:]
            text = self.random.choice([b"%x", b"%X", b"0%x"]) % size
            if self.random.random() < 2 * self.oddness:
                text = self.random.choice(ODD_SIZES + [text + b";a=b"])
            pieces.append(text + self.end() + piece + self.end())
        last = self.pick([b"0"], [b"00", b"0;a=b", b"0x0", b"-0", b"", b"0 ", b"000000000"])
        return b"".join(pieces) + last + self.end() + self.pick(TRAILERS, ODD_TRAILERS) + self.end()

    def damaged(self, stream):
        start = self.random.randrange(len(stream) + 1)
        end = min(len(stream), start + self.random.choice([0, 0, 1, 1, 2, 8]))
        choice = self.random.random()
        if choice < 0.6:
            middle = self.random.choice(MUTANTS)
        elif choice < 0.8:
            middle = b""
        else:
            middle = stream[start:end] * 2
        return stream[:start] + middle + stream[end:]
