"""The one file that instrument PCs get."""

import ast
import os
import subprocess
import sys
import unittest

from logger_case import PACKAGE, LoggerCase

sys.path.insert(0, os.path.join(PACKAGE, "packaging"))
import build_zipapp  # noqa: E402

SOURCES = sorted(
    os.path.join(PACKAGE, "scopeline_logger", name)
    for name in os.listdir(os.path.join(PACKAGE, "scopeline_logger"))
    if name.endswith(".py")
)


class TheArchive(LoggerCase):
    def run_it(self, archive, *arguments):
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        process = subprocess.Popen(
            [sys.executable, archive, "--config", self.config] + list(arguments),
            env=environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
        )
        output = process.communicate(timeout=60)[0]
        return process.returncode, output

    def test_runs_alone_and_plays_a_session(self):
        archive = build_zipapp.build(self.folder)
        self.assertEqual(os.path.basename(archive), "scopeline-logger.pyz")
        self.assertEqual(self.run_it(archive, "start", "--user", "Ada")[0], 0)
        self.write("a.dm3", b"image")
        code, output = self.run_it(archive, "end", "--wait")
        self.assertEqual(code, 0, output)
        self.assertEqual(self.names_stored(), ["a.dm3"])

    def test_is_the_same_whenever_it_is_built(self):
        with open(build_zipapp.build(self.folder), "rb") as file:
            first = file.read()
        with open(build_zipapp.build(self.folder), "rb") as file:
            self.assertEqual(file.read(), first)

    def test_is_built_into_dist_or_where_one_says(self):
        script = os.path.join(PACKAGE, "packaging", "build_zipapp.py")
        told = subprocess.check_output([sys.executable, script, "--help"], universal_newlines=True)
        self.assertIn("dist", told)
        folder = os.path.join(self.folder, "new", "folder")
        told = subprocess.check_output([sys.executable, script, folder], universal_newlines=True)
        self.assertEqual(told.strip(), os.path.join(folder, "scopeline-logger.pyz"))
        self.assertTrue(os.path.isfile(told.strip()))

    def test_says_in_any_python_which_one_it_needs(self):
        script = os.path.join(self.folder, "main.py")
        with open(script, "w") as file:
            file.write("import sys\nsys.version_info = (2, 7, 18)\n" + build_zipapp.MAIN)
        process = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, universal_newlines=True)
        errors = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 1)
        self.assertIn("needs Python 3.4 or later. This is Python 2.7.", errors)
        self.assertNotIn("Traceback", errors)


class TheSources(unittest.TestCase):
    @unittest.skipUnless(sys.version_info >= (3, 8), "older Pythons cannot read as 3.4 does")
    def test_are_python_3_4(self):
        for path in SOURCES:
            with open(path, encoding="utf-8") as file:
                ast.parse(file.read(), path, feature_version=(3, 4))

    def test_have_no_comma_behind_starred_arguments(self):
        """Python 3.4 does not read `f(*values,)`, and its own grammar is at hand nowhere."""
        for path in SOURCES:
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and node.args and isinstance(node.args[-1], ast.Starred):
                    line = text.splitlines()[node.args[-1].lineno - 1].rstrip()
                    if line.lstrip().startswith("*"):
                        self.assertFalse(line.endswith(","), "%s: %s" % (path, line))


if __name__ == "__main__":
    unittest.main()
