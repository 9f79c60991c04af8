"""What kafka.py says when something is missing. That it starts Kafka, `make test-kafka` tests."""

import os
import stat
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import kafka  # noqa: E402


class Missing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        environment = mock.patch.dict(os.environ, {"PATH": self.dir, "JAVA_HOME": ""})
        environment.start()
        self.addCleanup(environment.stop)

    def program(self, name, script):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n" + script)
        os.chmod(path, stat.S_IRWXU)
        return path

    def test_no_java(self):
        with self.assertRaisesRegex(kafka.Problem, "Java is missing.*default-jre-headless"):
            kafka.find_java()

    def test_old_java(self):
        self.program("java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
        with self.assertRaisesRegex(kafka.Problem, 'needs Java 17 or newer; .* version "11'):
            kafka.find_java()

    def test_java(self):
        path = self.program("java", "echo 'openjdk version \"21\" 2023-09-19' >&2")
        self.assertEqual(kafka.find_java(), path)

    def test_no_maven(self):
        with self.assertRaisesRegex(kafka.Problem, "Maven is missing.*apt install maven"):
            kafka.take(os.path.join(self.dir, "kafka"), self.dir, relock=False)

    def test_maven_fails(self):
        self.program("mvn", "echo cannot reach the repository; exit 1")
        with self.assertRaisesRegex(kafka.Problem, "(?s)cannot reach the repository.*run the same command again"):
            kafka.take(os.path.join(self.dir, "kafka"), self.dir, relock=False)
        self.assertEqual(os.listdir(self.dir), ["mvn"], "it leaves something behind")

    def test_other_jars(self):
        self.program("mvn", 'for w; do case $w in -DoutputDirectory=*) d=${w#*=};; esac; done; /bin/mkdir "$d"; echo x >"$d/x.jar"')
        with self.assertRaisesRegex(kafka.Problem, "not those of deploy/dev/kafka.lock"):
            kafka.take(os.path.join(self.dir, "kafka"), self.dir, relock=False)

    def test_no_openssl(self):
        with self.assertRaisesRegex(kafka.Problem, "openssl is missing"):
            kafka.make_certificates(self.dir)


class Commands(unittest.TestCase):
    def setUp(self):
        self.cluster = kafka.Cluster("java", "jars", "/nowhere", nodes=3, secure=True, jvm=[])

    def test_what_is_no_command(self):
        for words in (["kill"], ["kill", "4"], ["kill", "one"], ["pause", "1"], ["kill", "1", "2"]):
            self.assertRegex(self.cluster.obey(words)["error"], "with N from 1 to 3")

    def test_a_node_that_does_not_run(self):
        self.assertEqual(self.cluster.obey(["kill", "1"]), {})
        self.assertEqual(self.cluster.obey(["stop", "2"]), {})

    def test_only_this_machine_is_listened_on(self):
        for node in self.cluster.nodes:
            for at in node.settings()["listeners"].split(","):
                self.assertRegex(at, r"^[A-Z]+://127\.0\.0\.1:\d+$")
        ports = [port for node in self.cluster.nodes for port in node.ports.values()]
        self.assertEqual(len(set(ports)), 15)


if __name__ == "__main__":
    unittest.main()
