"""Alertmanager's configuration: who is told of what, by amtool and by messages that arrive at a mail and a web
server."""

import datetime
import json
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile
import time
import unittest
import urllib.request

from monitoring import OBSERVABILITY, Monitoring, checked, environment_without_settings, faster, targets_text
from services.processes import wait_until
from sinks import Sinks

START = OBSERVABILITY / "alertmanager/start.sh"
EMAIL = {"ALERT_EMAIL_TO": "a@finpipe.example, b@finpipe.example", "ALERT_SMTP": "127.0.0.1:25"}
LOGIN = {"ALERT_SMTP_USER": "it's", "ALERT_SMTP_PASSWORD": "p4ss: \"'"}
SLACK = {"ALERT_SLACK_URL": "https://127.0.0.1/services/T0/B0/secret"}
PAGER = {"ALERT_PAGER_URL": "https://127.0.0.1/page"}
PATIENCE_S = 40
MAIL = ["FIRING Burning: Burning happened", "seen", "job=finpipe role=ingest severity=page",
        "https://pages.example/docs/operations.md#burning"]


# Whether the first alert mutes the second one of its pipeline.
MUTING = (
    ("FeedDown role=ingest instance=i", "FeedStalled role=ingest instance=i", True),
    ("FeedDown role=ingest instance=i", "FeedStalled role=ingest instance=j", False),
    ("FeedDown role=ingest instance=i", "LagHigh market=us", True),
    ("TargetDown role=ingest instance=i", "NoHeartbeat role=process instance=p", True),
    ("TargetDown role=ingest instance=i", "LagHigh market=us", True),
    ("TargetDown role=process instance=p", "NoHeartbeat role=serve instance=s", False),
    # Of the instance that has lost its log.
    ("LogDown role=ingest instance=i", "FeedStalled role=ingest instance=i", True),
    ("LogDown role=process instance=p", "CommitStalled role=process instance=p", True),
    ("LogDown role=serve instance=s", "NoHeartbeat role=serve instance=s", True),
    ("LogDown role=serve instance=s", "NotReady role=serve instance=s", True),
    # An ingest that cannot write, everybody's heartbeats and bars.
    ("LogDown role=ingest instance=i", "NoHeartbeat role=process instance=p", True),
    ("LogDown role=run instance=r", "NoHeartbeat role=run instance=r", True),
    ("LogDown role=ingest instance=i", "CloseDelayHigh", True),
    ("LogDown role=process instance=p", "CloseDelayHigh", True),
    # One that has lost its way to the log, nothing of others.
    ("LogDown role=serve instance=s", "FeedStalled role=ingest instance=i", False),
    ("LogDown role=serve instance=s", "NoHeartbeat role=ingest instance=i", False),
    ("LogDown role=serve instance=s", "NoHeartbeat role=process instance=p", False),
    ("LogDown role=serve instance=s", "CommitStalled role=process instance=p", False),
    ("LogDown role=serve instance=s", "CloseDelayHigh", False),
    ("LogDown role=process instance=p", "NoHeartbeat role=ingest instance=i", False),
    ("LogDown role=process instance=p", "NotReady role=process instance=q", False),
    ("LogDown role=ingest instance=i", "NotReady role=process instance=p", False),
    ("NoHeartbeat role=ingest instance=i", "FeedStalled role=ingest instance=i", True),
    ("NoHeartbeat role=ingest instance=i", "FeedStalled role=ingest instance=j", False),
    ("NoHeartbeat role=process instance=p", "FeedStalled role=process instance=p", False),
    ("StoreDown role=process instance=p", "CommitStalled role=process instance=p", True),
    ("StoreDown role=serve instance=s", "NotReady role=serve instance=s", True),
    ("StoreDown role=process instance=p", "BacklogGrows", True),
    ("StoreDown role=run instance=r", "CloseDelayHigh", True),
    ("StoreDown role=serve instance=s", "CommitStalled role=process instance=p", False),
    ("StoreDown role=serve instance=s", "NotReady role=process instance=p", False),
    ("StoreDown role=serve instance=s", "BacklogGrows", False),
    ("StoreDown role=serve instance=s", "CloseDelayHigh", False),
    ("StoreDown role=process instance=p", "CommitStalled role=process instance=q", False),
    # Who serves goes on no further than what is stored.
    ("StoreDown role=process instance=p", "NoHeartbeat role=process instance=p", True),
    ("StoreDown role=process instance=p", "NoHeartbeat role=serve instance=s", True),
    ("LogDown role=process instance=p", "NoHeartbeat role=serve instance=s", True),
    ("CommitStalled role=process instance=p", "NotReady role=serve instance=s", True),
    ("BacklogGrows", "NoHeartbeat role=serve instance=s", True),
    ("StoreDown role=process instance=p", "NoHeartbeat role=process instance=q", False),
    ("StoreDown role=serve instance=s", "NoHeartbeat role=process instance=p", False),
    ("StoreDown role=process instance=p", "NoHeartbeat role=ingest instance=i", False),
    ("StoreDown role=run instance=r", "NoHeartbeat role=run instance=r", False),
    ("BacklogGrows", "NoHeartbeat role=ingest instance=i", False),
    ("DiskFull role=run instance=r use=log", "DiskLow role=run instance=r use=log", True),
    ("DiskFull role=run instance=r use=log", "DiskLow role=run instance=r use=store", False),
    ("CertificateExpired role=run instance=r certificate=feed", "FeedDown role=run instance=r", True),
    ("CertificateExpired role=run instance=r certificate=kafka", "LogDown role=run instance=r", True),
    ("CertificateExpired role=run instance=r certificate=cassandra", "StoreDown role=run instance=r", True),
    ("CertificateExpired role=run instance=r certificate=kafka", "StoreDown role=run instance=r", False),
    ("CertificateExpired role=run instance=r certificate=kafka", "LogDown role=run instance=q", False),
)


class Temporary(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="finpipe-alerts-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)


class Faster(unittest.TestCase):
    def test_what_lasts_lasts_shorter_and_repetitions_stay(self):
        text = "for: 30s\nexpr: x[5m] > x offset 1m\nscrape_interval: 5s\nrepeat_interval: 4h\n"
        expected = "for: 3000ms\nexpr: x[30000ms] > x offset 6000ms\nscrape_interval: 500ms\nrepeat_interval: 4h\n"
        self.assertEqual(faster(text, 10), expected)


class Configuration(Temporary):
    def made(self, **variables):
        """The configuration that start.sh makes of these variables."""
        environment = environment_without_settings() | {"ALERT_DIRECTORY": str(self.directory)} | variables
        self.said = checked(START, "check", env=environment, stderr=None)
        return self.directory / "alertmanager.yaml"

    def test_each_choice_of_channels_gives_a_valid_configuration(self):
        for channels in ({}, EMAIL, EMAIL | LOGIN, SLACK, PAGER, PAGER | {"ALERT_PAGER_TOKEN": "t"}, EMAIL | SLACK,
                         EMAIL | LOGIN | SLACK | PAGER | {"ALERT_PAGER_TOKEN": "t"}):
            with self.subTest(sorted(channels)):
                told = checked("amtool", "check-config", self.made(**channels))
                self.assertIn("2 receivers", told)

    def test_no_secret_is_in_the_configuration_or_readable_by_others(self):
        path = self.made(**EMAIL, **LOGIN, **SLACK, **PAGER, ALERT_PAGER_TOKEN="a-token")
        for secret in (LOGIN["ALERT_SMTP_PASSWORD"], SLACK["ALERT_SLACK_URL"], "a-token"):
            self.assertNotIn(secret, path.read_text())
        files = {file.name: file.read_text() for file in self.directory.iterdir()}
        self.assertEqual(files["smtp-password"], LOGIN["ALERT_SMTP_PASSWORD"])
        self.assertEqual(files["slack-url"], SLACK["ALERT_SLACK_URL"])
        self.assertEqual(files["pager-token"], "a-token")
        for file in self.directory.iterdir():
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600, file)
            self.assertEqual(file.stat().st_uid, os.geteuid(), file)

    def test_mail_without_a_server_is_refused(self):
        environment = environment_without_settings() | {"ALERT_EMAIL_TO": "a@finpipe.example"}
        done = subprocess.run([START, "check"], env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("ALERT_SMTP", done.stderr)

    def test_a_login_without_a_password_is_refused(self):
        environment = environment_without_settings() | EMAIL | {"ALERT_SMTP_USER": "alerts"}
        done = subprocess.run([START, "check"], env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("ALERT_SMTP_PASSWORD", done.stderr)

    def test_severity_decides_who_is_told(self):
        path = self.made(**EMAIL, **SLACK, **PAGER)
        for label, receiver in (("severity=page", "page"), ("severity=ticket", "ticket"), ("alertname=Odd", "ticket")):
            with self.subTest(label):
                told = checked("amtool", "config", "routes", "test", f"--config.file={path}", label, "job=finpipe")
                self.assertEqual(told.strip(), receiver)


class Delivery(Temporary):
    """With a real Alertmanager, whose waits are a tenth of the usual."""

    def setUp(self):
        super().setUp()
        self.sinks = Sinks()
        self.addCleanup(self.sinks.close)
        # A target of another pipeline: were there none, that were an alert.
        targets = {"finpipe": targets_text(["127.0.0.1:1"], role="run", job="other")}
        self.monitoring = Monitoring(self.directory, self.sinks, targets, factor=10)
        self.enterContext(self.monitoring)
        self.api = f"http://127.0.0.1:{self.monitoring.alertmanager_port}/api/v2"

    def post(self, *alerts, **labels):
        """(name, severity, whether it has ended) as Prometheus would tell them. One that began long ago would be passed on
        at once, before it is known what others make of it."""
        now = time.time()
        texts = [{"labels": {"alertname": name, "severity": severity, "job": "finpipe"} | labels,
                  "annotations": {"summary": f"{name} happened", "description": "seen",
                                  "runbook_url": f"docs/operations.md#{name.lower()}"},
                  "startsAt": rfc3339(now), "endsAt": rfc3339(now if ended else now + 600)}
                 for name, severity, ended in alerts]
        request = urllib.request.Request(
            f"{self.api}/alerts", json.dumps(texts).encode(),
            {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            self.assertEqual(answer.status, 200)

    def await_message(self, channel, name, resolved=False):
        arrived = wait_until(lambda: self.sinks.first(channel, name, resolved), PATIENCE_S)
        self.assertTrue(arrived, f"{self.sinks.messages}\n{self.monitoring.alertmanager.log_text()[-2000:]}")
        return self.sinks.first(channel, name, resolved)

    def test_a_page_reaches_all_channels_and_a_ticket_all_but_the_pager_and_each_is_resolved(self):
        self.post(("Burning", "page", False), ("Smouldering", "ticket", False), role="ingest")
        for channel in ("pager", "slack", "email"):
            self.await_message(channel, "Burning")
        for channel in ("slack", "email"):
            self.await_message(channel, "Smouldering")
        told = self.await_message("slack", "Burning").content
        self.assertIn("Burning happened", told)
        self.assertIn("https://pages.example/docs/operations.md#burning", told)
        mail = self.await_message("email", "Burning").content
        self.assertEqual(mail["To"], "team@finpipe.example")
        self.assertEqual(mail.get_content_type(), "multipart/alternative")
        self.assertEqual([part.get_content_type() for part in mail.iter_parts()], ["text/plain"])
        self.assertEqual(mail.get_body().get_content().strip().splitlines(), MAIL)
        self.post(("Burning", "page", True), ("Smouldering", "ticket", True), role="ingest")
        for channel in ("pager", "slack", "email"):
            self.await_message(channel, "Burning", resolved=True)
        for channel in ("slack", "email"):
            self.await_message(channel, "Smouldering", resolved=True)
        self.assertIsNone(self.sinks.first("pager", "Smouldering"))

    def muted(self, *pairs):
        """Of each pair of alerts whether the first mutes the second, as Alertmanager says; each is of a pipeline of its own."""
        for at, pair in enumerate(pairs):
            for name, *labels in (text.split() for text in pair):
                self.post((name, "page", False), job=f"pipeline-{at}", **dict(label.split("=") for label in labels))
        with urllib.request.urlopen(f"{self.api}/alerts", timeout=10) as answer:
            told = {(alert["labels"]["job"], alert["labels"]["alertname"]): bool(alert["status"]["inhibitedBy"])
                    for alert in json.load(answer)}
        return [told[f"pipeline-{at}", muted.split()[0]] for at, (_, muted) in enumerate(pairs)]

    def test_an_instance_mutes_only_what_it_explains(self):
        found = self.muted(*[(muting, muted) for muting, muted, _ in MUTING])
        for (muting, muted, expected), is_muted in zip(MUTING, found):
            with self.subTest(f"{muting} > {muted}"):
                self.assertEqual(is_muted, expected)

    def test_a_missing_ingest_explains_missing_heartbeats(self):
        self.assertEqual(self.muted(("TargetMissing role=ingest", "NoHeartbeat role=process instance=p")), [True])

    def test_what_follows_from_another_alert_is_silent(self):
        self.post(("FeedDown", "page", False), ("LagHigh", "ticket", False), ("FeedStalled", "page", False))
        # Another one of the group of LagHigh: when it has come, LagHigh would have.
        self.post(("DeadLetters", "ticket", False))
        self.await_message("email", "FeedDown")
        self.await_message("email", "DeadLetters")
        for name in ("LagHigh", "FeedStalled"):
            self.assertIsNone(self.sinks.first("email", name))
        self.post(("FeedDown", "page", True))
        self.await_message("email", "LagHigh")

    def test_an_ingest_that_cannot_write_does_not_blame_the_vendor(self):
        self.post(("NoHeartbeat", "page", False), ("FeedStalled", "page", False), instance="a:1", role="ingest")
        self.post(("LedgerMismatch", "page", False))
        self.await_message("email", "LedgerMismatch")
        self.assertIsNone(self.sinks.first("email", "FeedStalled"))
        self.post(("FeedStalled", "page", False), instance="b:1", role="ingest")
        self.await_message("email", "FeedStalled")


def rfc3339(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


if __name__ == "__main__":
    unittest.main()
