"""Ways to the server: certificates, proxies, an environment that is not asked."""

import os
import shutil
import subprocess
import unittest

from logger_case import LoggerCase

from wire_server import WireServer


class TheWay(LoggerCase):
    def settings_with(self, line):
        with open(self.config) as file:
            text = file.read()
        with open(self.config, "w") as file:
            file.write(text.replace("[logger]", line + "\n[logger]"))

    def play(self):
        code, lines = self.call("start")
        self.write("a.dm3", b"image")
        self.call("end", wait=True) if self.server.sessions else None
        return code, lines

    def test_goes_through_the_proxy_of_the_settings(self):
        proxy = self.server.url
        self.configure(url="http://scope.example")
        self.settings_with("proxy = " + proxy)
        self.play()
        self.assertEqual(self.names_stored(), ["a.dm3"])
        self.assertEqual(self.server.hosts, {"scope.example"})

    def test_does_not_go_through_the_proxy_of_the_environment(self):
        before = os.environ.get("http_proxy")
        os.environ["http_proxy"] = "http://127.0.0.1:1"
        try:
            self.assertEqual(self.command("start", "--user", "Ada")[0], 0)
        finally:
            del os.environ["http_proxy"]
            if before is not None:
                os.environ["http_proxy"] = before
        self.assertEqual(len(self.server.sessions), 1)

    @unittest.skipUnless(shutil.which("openssl"), "openssl makes the certificate of this test")
    def test_trusts_only_certificates_that_it_knows(self):
        pem = os.path.join(self.folder, "server.pem")
        subprocess.check_call(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=scope",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem + ".key", "-out", pem],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with open(pem + ".key") as key, open(pem, "a") as file:
            file.write(key.read())
        self.stop_server()
        self.server = WireServer(certificate=pem)
        self.configure()
        code, lines = self.play()
        self.assertEqual(code, 0)
        self.assertIn("no certificate that this PC trusts", lines[0])
        self.assertEqual(self.server.calls, [])
        self.settings_with("ca_file = " + pem)
        self.assertEqual(self.call("sync", until_done=True)[0], 0)
        self.assertEqual(self.names_stored(), ["a.dm3"])


if __name__ == "__main__":
    unittest.main()
