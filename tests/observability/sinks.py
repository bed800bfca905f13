"""Where alerts arrive in tests: a mail server and a web server on free ports of 127.0.0.1, which keep what they get."""

import base64
import contextlib
import email
import email.policy
import http.server
import json
import socketserver
import threading
import time

USER, PASSWORD = "alerts", "a mail password"


class Told:
    """Names that a message says are firing and are resolved."""

    def __init__(self, channel, firing, resolved, content=None):
        self.at = time.time()
        self.channel = channel
        self.firing = firing
        self.resolved = resolved
        self.content = content

    def __repr__(self):
        return f"{self.channel}: firing {self.firing}, resolved {self.resolved}"


def told_by_title(channel, title, content):
    """By the title of observability/alertmanager/messages.tmpl: FIRING A B RESOLVED C."""
    firing, _, resolved = title.partition("RESOLVED")
    return Told(channel, firing.removeprefix("FIRING").split(), resolved.split(), content)


class Sinks:
    def __init__(self):
        self.messages = []
        self.refuse_mail = False
        self.web = start(http.server.ThreadingHTTPServer(("127.0.0.1", 0), web_handler(self)))
        self.mail = start(socketserver.ThreadingTCPServer(("127.0.0.1", 0), mail_handler(self)))

    def environment(self):
        """Of observability/alertmanager/start.sh."""
        web = f"http://127.0.0.1:{self.web.server_address[1]}"
        return {
            "ALERT_EMAIL_TO": "team@finpipe.example", "ALERT_EMAIL_FROM": "alerts@finpipe.example",
            "ALERT_SMTP": f"127.0.0.1:{self.mail.server_address[1]}", "ALERT_SMTP_TLS": "false",
            "ALERT_SMTP_USER": USER, "ALERT_SMTP_PASSWORD": PASSWORD,
            "ALERT_SLACK_URL": f"{web}/slack/a-secret", "ALERT_PAGER_URL": f"{web}/pager",
            "ALERT_PAGER_TOKEN": "a pager token", "ALERT_RUNBOOK_BASE": "https://pages.example/",
        }

    def first(self, channel, name, resolved=False, after=0.0):
        """The first message after that time by which `channel` was told that the alert fires, or is resolved."""
        for message in list(self.messages):
            names = message.resolved if resolved else message.firing
            if message.at > after and message.channel == channel and name in names:
                return message
        return None

    def close(self):
        for server in (self.web, self.mail):
            server.shutdown()
            server.server_close()


def start(server):
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def web_handler(sinks):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told = self.told(body)
            if told:
                sinks.messages.append(told)
            self.send_response(200 if told else 403)
            self.end_headers()
            self.wfile.write(b"ok")

        def told(self, body):
            if self.path == "/slack/a-secret":
                attachment = body["attachments"][0]
                return told_by_title("slack", attachment["title"], attachment["text"])
            if self.path == "/pager" and self.headers["Authorization"] == "Bearer a pager token":
                names = {status: [alert["labels"]["alertname"] for alert in body["alerts"] if alert["status"] == status]
                         for status in ("firing", "resolved")}
                return Told("pager", names["firing"], names["resolved"], body)
            return None

        def log_message(self, *_):
            pass

    return Handler


def mail_handler(sinks):
    class Handler(socketserver.StreamRequestHandler):
        """As much of SMTP as a client needs; without a login nothing is taken."""

        def say(self, text):
            self.wfile.write(f"{text}\r\n".encode())

        def handle(self):
            with contextlib.suppress(ConnectionError):
                self.talk()

        def talk(self):
            logged_in = False
            self.say("554 closed today" if sinks.refuse_mail else "220 sink")
            while line := self.rfile.readline().decode().strip():
                command = line.split()[0].upper()
                if command == "EHLO":
                    self.say("250-sink")
                    self.say("250 AUTH PLAIN")
                elif command == "AUTH":
                    logged_in = base64.b64decode(line.split()[2]) == f"\0{USER}\0{PASSWORD}".encode()
                    self.say("235 welcome" if logged_in else "535 no")
                elif command == "DATA" and logged_in:
                    self.say("354 go on")
                    self.take(b"".join(iter(self.rfile.readline, b".\r\n")))
                    self.say("250 taken")
                elif command == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 fine" if logged_in else "530 log in first")

        def take(self, data):
            message = email.message_from_bytes(data, policy=email.policy.default)
            sinks.messages.append(told_by_title("email", message["Subject"], message))

    return Handler
