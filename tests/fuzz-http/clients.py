"""The two ways to ask: bytes over HTTP/1, and HTTP/2 by a library."""

import re
import socket
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

TIMEOUT = 10


class Answer:
    def __init__(self, status, headers, body, sent):
        self.status, self.headers, self.body, self.sent = status, headers, body, sent

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name), b"")


def http1(port, requests):
    """Sends (id, request) pairs on one connection at once. Answers in order, as many as came."""
    answers = []
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        connection.settimeout(TIMEOUT)
        sent = time.time()
        try:
            connection.sendall(b"".join(request.bytes(id) for id, request in requests))
            connection.shutdown(socket.SHUT_WR) if requests[-1][1].raw is not None else None
        except OSError:
            pass
        received = b""

        def more():
            nonlocal received
            try:
                some = connection.recv(65536)
            except ConnectionError:
                some = b""
            received += some
            return bool(some)

        for _, request in requests:
            while b"\r\n\r\n" not in received and more():
                pass
            head, found, rest = received.partition(b"\r\n\r\n")
            status = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
            if not found or not status:
                while more():
                    pass
                if received:  # an answer of HTTP/0.9 is a body alone
                    answers.append(Answer(0, [], received, sent))
                break
            headers = [tuple(line.split(b": ", 1)) if b": " in line else (line.rstrip(b":"), b"") for line in head.split(b"\r\n")[1:]]
            answer = Answer(int(status[1]), headers, b"", sent)
            received = rest
            method = request.method if request.raw is None else request.raw.split(b" ", 1)[0]
            length = answer.header(b"content-length")
            if method != b"HEAD" and answer.status not in (204, 304) and length:
                while len(received) < int(length) and more():
                    pass
                answer.body, received = received[:int(length)], received[int(length):]
            answers.append(answer)
            if answer.header(b"connection") == b"close":
                break
    return answers


def http2(port, requests):
    """Sends (id, request) pairs as streams of one connection at once. A list of answers, None for a stream that was reset."""
    answers = [None] * len(requests)
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        connection.settimeout(TIMEOUT)
        h2c = h2.connection.H2Connection(h2.config.H2Configuration(
            header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False, validate_inbound_headers=False))
        h2c.initiate_connection()
        streams = {}
        sent = time.time()
        for number, (id, request) in enumerate(requests):
            headers = [(b":method", request.method), (b":scheme", b"http"), (b":path", request.target())]
            if request.host is not None:
                headers.append((b":authority", request.host))
            headers += [(name.lower(), value) for name, value in request.all_headers(id) if name != b"Host"]
            stream = h2c.get_next_available_stream_id()
            streams[stream] = number
            h2c.send_headers(stream, headers, end_stream=not request.body)
            if request.body:
                h2c.send_data(stream, request.body, end_stream=True)
        connection.sendall(h2c.data_to_send())
        while streams:
            try:
                data = connection.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                break
            for event in h2c.receive_data(data):
                number = streams.get(getattr(event, "stream_id", None))
                if isinstance(event, h2.events.ConnectionTerminated):
                    return answers
                if number is None:
                    continue
                if isinstance(event, h2.events.ResponseReceived):
                    status = next(value for name, value in event.headers if name == b":status")
                    answers[number] = Answer(int(status), event.headers, b"", sent)
                elif isinstance(event, h2.events.DataReceived):
                    answers[number].body += event.data
                    h2c.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                    del streams[event.stream_id]
            connection.sendall(h2c.data_to_send())
    return answers
