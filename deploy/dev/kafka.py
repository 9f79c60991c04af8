#!/usr/bin/env python3
"""Real Apache Kafka on this machine, for tests and for trying things out.

    kafka.py fetch              take the jars through Maven, once
    kafka.py up [1|3] [--secure]
                                start that many nodes, each broker and controller,
                                and wait for commands: kill N, stop N, start N, quit

Needed: Java 17 or newer, Maven for the first time, openssl with --secure. The jars
are pinned by kafka.lock and kept in the cache folder that deploy/setup/setup.py
uses. Everything else, logs too, is in a folder that is removed at the end. The end
is "quit", the end of the input, a signal; on Linux the nodes end even when this
program is killed. All listens on 127.0.0.1 alone.

Order to read: main, fetch, Cluster, Node. deploy/dev/kafkatest drives it from Go
tests, with --json.
"""

import argparse
import contextlib
import ctypes
import hashlib
import json
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "setup"))
sys.dont_write_bytecode = True
from setup import Problem, cache_folder, exclusive, make_public_dirs, sha256_of  # noqa: E402

LOCK = os.path.join(HERE, "kafka.lock")
USER = "bgremover"
# A small heap and the quick compiler: a node is ready in a second or two.
JVM = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
       "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
       "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"]


def main() -> None:
    args = parse_args()
    java = find_java()
    jars = fetch(java, relock=args.command == "fetch" and args.lock)
    if args.command == "up":
        up(args, java, jars)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Starts real Apache Kafka on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    fetching = commands.add_parser("fetch", help="take the jars through Maven, once")
    fetching.add_argument("--lock", action="store_true", help="write kafka.lock anew, after a change of pom.xml")
    starting = commands.add_parser("up", help="start a cluster; it ends with this command")
    starting.add_argument("nodes", nargs="?", type=int, default=1, choices=(1, 2, 3))
    starting.add_argument("--secure", action="store_true", help="also listen with TLS, passwords and client certificates")
    starting.add_argument("--dir", help="keep data and logs in this folder, and do not remove it")
    starting.add_argument("--json", action="store_true", help="answer in JSON, a line for each command")
    return parser.parse_args()


def find_java() -> str:
    java = os.path.join(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else shutil.which("java")
    if not java or not os.path.exists(java):
        raise Problem("Java is missing: install a runtime of version 17 or newer "
                      "(Debian, Ubuntu: apt install default-jre-headless; macOS: brew install openjdk), or set JAVA_HOME.")
    version = subprocess.run([java, "-version"], stderr=subprocess.PIPE, check=True, text=True).stderr
    found = re.search(r'version "(\d+)', version)
    if not found or int(found.group(1)) < 17:
        raise Problem("Kafka needs Java 17 or newer; %s is: %s" % (java, version.splitlines()[0]))
    return java


def fetch(java: str, relock: bool) -> str:
    """Returns the class path. What is there already is compared with kafka.lock."""
    with open(os.path.join(HERE, "pom.xml"), encoding="utf-8") as f:
        version = re.search(r"<version>(.*?)</version>", f.read()).group(1)
    cache = cache_folder()
    make_public_dirs(cache)
    folder = os.path.join(cache, "kafka-" + version)
    with exclusive(os.path.join(cache, ".lock")):
        if relock or not as_locked(folder):
            take(folder, cache, relock)
        archive = class_archive(java, folder)
    print("kafka: %s is in %s" % (version, folder), file=sys.stderr)
    JVM.append("-XX:SharedArchiveFile=" + archive)
    return class_path(folder)


def take(folder: str, cache: str, relock: bool) -> None:
    if not shutil.which("mvn"):
        raise Problem("Maven is missing, which takes Kafka's jars the first time "
                      "(Debian, Ubuntu: apt install maven; macOS: brew install maven).")
    staging = tempfile.mkdtemp(prefix=".staging-kafka-", dir=cache)
    try:
        jars = os.path.join(staging, "jars")
        # A repository of its own, so that nothing but the jars stays; checksums must fit (-C).
        maven = ["mvn", "--batch-mode", "--quiet", "-C", "-f", os.path.join(HERE, "pom.xml"),
                 "-Dmaven.repo.local=" + os.path.join(staging, "repository"), "dependency:copy-dependencies",
                 "-DincludeScope=runtime", "-DoutputDirectory=" + jars]
        done = subprocess.run(maven, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise Problem("Maven could not take Kafka's jars:\n%s\nThe network (or the repository that Maven is configured "
                          "for) is needed once; run the same command again." % done.stdout.strip()[-3000:])
        if relock:
            with open(LOCK, encoding="utf-8") as f:
                comment = f.readline()
            with open(LOCK, "w", encoding="utf-8") as f:
                f.write(comment)
                f.writelines("%s  %s\n" % (sha256_of(os.path.join(jars, n)), n) for n in sorted(os.listdir(jars)))
        if not as_locked(jars):
            raise Problem("the jars that Maven brought are not those of deploy/dev/kafka.lock.")
        os.chmod(jars, 0o755)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(jars, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def as_locked(folder: str) -> bool:
    with open(LOCK, encoding="utf-8") as f:
        locked = {name: digest for digest, name in (line.split() for line in f if not line.startswith("#"))}
    if not os.path.isdir(folder):
        return False
    there = [name for name in os.listdir(folder) if name.endswith(".jar")]
    return sorted(there) == sorted(locked) and all(sha256_of(os.path.join(folder, n)) == locked[n] for n in there)


def class_path(folder: str) -> str:
    return ":".join(sorted(os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(".jar")))


def class_archive(java: str, folder: str) -> str:
    """The JVM's archive of parsed classes, which halves the time to start; made by
    running a node once. It fits one build of Java only, so that names it."""
    build = subprocess.run([java, "-Xinternalversion"], stdout=subprocess.PIPE, check=True).stdout
    archive = os.path.join(folder, "classes-%s.jsa" % hashlib.sha256(build + folder.encode()).hexdigest()[:16])
    if not os.path.exists(archive):
        new = archive + ".new"
        with tempfile.TemporaryDirectory(prefix="bgremover-kafka-") as home:
            with Cluster(java, class_path(folder), home, nodes=1, secure=False, jvm=["-XX:ArchiveClassesAtExit=" + new]) as c:
                c.start_all()
                c.nodes[0].stop()
        if not os.path.exists(new):
            raise Problem("Java did not write its archive of classes, %s." % archive)
        os.rename(new, archive)
    return archive


def up(args: argparse.Namespace, java: str, jars: str) -> None:
    with contextlib.ExitStack() as stack:
        if args.dir:
            home = os.path.abspath(args.dir)
            os.makedirs(home, exist_ok=True)
        else:
            home = tempfile.mkdtemp(prefix="bgremover-kafka-")
            stack.callback(shutil.rmtree, home, ignore_errors=True)
        cluster = stack.enter_context(Cluster(java, jars, home, args.nodes, args.secure, JVM))
        cluster.start_all()
        say = (lambda answer: print(json.dumps(answer), flush=True)) if args.json else show
        say(cluster.about())
        for line in sys.stdin:
            words = line.split()
            if words == ["quit"]:
                break
            if words:
                say(cluster.obey(words))


def show(answer: dict) -> None:
    if "brokers" not in answer:
        print("kafka: " + answer.get("error", "done"), flush=True)
        return
    print("kafka: data and logs are in %s" % answer["dir"])
    print("kafka: --kafka %s" % ",".join(answer["brokers"]))
    if "secure" in answer:
        s = answer["secure"]
        print("kafka: with a password, BGREMOVER_KAFKA_PASSWORD=%s:" % s["password"])
        print("kafka: --kafka %s --kafka-tls --kafka-ca %s --kafka-user %s --kafka-sasl scram-sha-512"
              % (",".join(s["users"]), s["ca"], s["user"]))
        print("kafka: with a certificate: --kafka %s --kafka-tls --kafka-ca %s --kafka-cert %s --kafka-key %s"
              % (",".join(s["certificates"]), s["ca"], s["cert"], s["key"]))
    print("kafka: kill N, stop N, start N, quit", flush=True)


class Cluster:
    """Nodes that know each other. Leaving the context ends them all."""

    def __init__(self, java, jars, home, nodes, secure, jvm):
        self.home, self.secure, self.password = home, secure, secrets.token_hex(8)
        names = ["INTERNAL", "CONTROLLER"] + (["USERS", "SCRAM", "CERTIFICATES"] if secure else [])
        with free_ports(nodes * len(names)) as ports:
            self.nodes = [Node(self, i + 1, {name: ports.pop() for name in names}, [java] + jvm + ["-cp", jars])
                          for i in range(nodes)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.kill()

    def start_all(self) -> None:
        if self.secure:
            make_certificates(self.home)
        cluster_id = "bgremoverDevKafka00000"
        for node in self.nodes:
            node.configure()
        for formatting in [node.format(cluster_id) for node in self.nodes]:
            output, _ = formatting.communicate()
            if formatting.returncode:
                raise Problem("formatting a node's folder failed:\n" + output)
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait()

    def about(self) -> dict:
        def at(name):
            return ["127.0.0.1:%d" % node.ports[name] for node in self.nodes]

        about = {"dir": self.home, "brokers": at("INTERNAL")}
        if self.secure:
            tls = os.path.join(self.home, "tls")
            about["secure"] = {
                "users": at("USERS"), "scram": at("SCRAM"), "certificates": at("CERTIFICATES"),
                "user": USER, "password": self.password,
                "ca": tls + "/ca.pem", "cert": tls + "/client.pem", "key": tls + "/client.key",
            }
        return about

    def obey(self, words) -> dict:
        actions = {"kill": Node.kill, "stop": Node.stop, "start": Node.start}
        if len(words) != 2 or words[0] not in actions or words[1] not in [str(n.number) for n in self.nodes]:
            return {"error": "say kill N, stop N, start N or quit, with N from 1 to %d" % len(self.nodes)}
        try:
            actions[words[0]](self.nodes[int(words[1]) - 1])
        except Problem as problem:
            return {"error": str(problem)}
        return {}


class Node:
    """One broker and controller; at most one process at a time."""

    def __init__(self, cluster, number, ports, java):
        self.cluster, self.number, self.ports, self.java = cluster, number, ports, java
        self.path = os.path.join(cluster.home, "n%d" % number)
        self.process = None

    def configure(self) -> None:
        with open(self.path + ".properties", "w", encoding="utf-8") as f:
            f.writelines("%s=%s\n" % setting for setting in self.settings().items())

    def settings(self) -> dict:
        nodes, replicas = self.cluster.nodes, min(3, len(self.cluster.nodes))
        protocol = {"INTERNAL": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", "USERS": "SASL_SSL", "SCRAM": "SASL_SSL", "CERTIFICATES": "SSL"}
        own = {name: "%s://127.0.0.1:%d" % (name, port) for name, port in self.ports.items()}
        # What a topic does not say stays at Kafka's own defaults, so that tests see them.
        settings = {
            "process.roles": "broker,controller",
            "node.id": self.number,
            "controller.quorum.voters": ",".join("%d@127.0.0.1:%d" % (n.number, n.ports["CONTROLLER"]) for n in nodes),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "INTERNAL",
            "listeners": ",".join(own.values()),
            "advertised.listeners": ",".join(at for name, at in own.items() if name != "CONTROLLER"),
            "listener.security.protocol.map": ",".join("%s:%s" % (name, protocol[name]) for name in own),
            "log.dirs": self.path,
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": 0,
            # A broker that is gone is noticed in seconds.
            "broker.session.timeout.ms": 4000,
            "broker.heartbeat.interval.ms": 500,
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": replicas,
            "log.cleaner.dedupe.buffer.size": 8 << 20,
        }
        if self.cluster.secure:
            settings.update(self.security())
        return settings

    def security(self) -> dict:
        tls = os.path.join(self.cluster.home, "tls")
        module = "org.apache.kafka.common.security.%s required"
        settings = {
            "ssl.keystore.type": "PEM", "ssl.keystore.location": tls + "/broker.pem",
            "ssl.truststore.type": "PEM", "ssl.truststore.location": tls + "/ca.pem",
            "listener.name.certificates.ssl.client.auth": "required",
            # Who comes without a name, by the first listener, may do everything; others what they are allowed.
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "listener.name.users.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.users.plain.sasl.jaas.config":
                module % "plain.PlainLoginModule" + ' user_%s="%s";' % (USER, self.cluster.password),
        }
        for at in ("users.scram-sha-256", "users.scram-sha-512", "scram.scram-sha-512"):
            settings["listener.name.%s.sasl.jaas.config" % at] = module % "scram.ScramLoginModule" + ";"
        return settings

    def format(self, cluster_id: str) -> subprocess.Popen:
        users = []
        if self.cluster.secure:
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                users += ["--add-scram", "%s=[name=%s,password=%s]" % (mechanism, USER, self.cluster.password)]
        java = [word for word in self.java if "ArchiveClassesAtExit" not in word]
        return subprocess.Popen(java + ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster_id,
                                        "-c", self.path + ".properties"] + users,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def launch(self) -> None:
        with open(self.path + ".log", "a", encoding="utf-8") as log:
            # A session of its own: Ctrl-C is ours to pass on.
            self.process = subprocess.Popen(self.java + ["kafka.Kafka", self.path + ".properties"], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True, preexec_fn=end_with_parent)

    def wait(self) -> None:
        """Waits until clients can connect, which Kafka allows when all is loaded."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.ports["INTERNAL"]), 1):
                return
            time.sleep(0.05)
        with open(self.path + ".log", encoding="utf-8") as log:
            raise Problem("node %d does not start:\n%s" % (self.number, log.read()[-3000:]))

    def start(self) -> None:
        if self.process:
            raise Problem("node %d runs already" % self.number)
        self.launch()
        self.wait()

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
            self.kill()


def end_with_parent() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@contextlib.contextmanager
def free_ports(count: int):
    """Ports below those that outgoing connections get: nothing takes a node's port while it is down."""
    with contextlib.ExitStack() as held:
        ports = []
        while len(ports) < count:
            tried = socket.socket()
            try:
                tried.bind(("127.0.0.1", random.randrange(20000, 32000)))
            except OSError:
                tried.close()
                continue
            held.enter_context(tried)
            ports.append(tried.getsockname()[1])
        yield ports


def make_certificates(home: str) -> None:
    """An authority, and from it a certificate for the brokers and one for a client."""
    if not shutil.which("openssl"):
        raise Problem("openssl is missing, which makes the certificates (Debian, Ubuntu: apt install openssl).")
    tls = os.path.join(home, "tls")
    os.makedirs(tls, exist_ok=True)

    def openssl(*words):
        done = subprocess.run(["openssl", *words], cwd=tls, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise Problem("openssl %s failed:\n%s" % (words[0], done.stdout))

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *new_key, "-days", "30", "-subj", "/CN=bgremover dev CA", "-keyout", "ca.key", "-out", "ca.pem")
    for name, extension in (("broker", "subjectAltName=IP:127.0.0.1,DNS:localhost"), ("client", "extendedKeyUsage=clientAuth")):
        with open(os.path.join(tls, name + ".ext"), "w", encoding="utf-8") as f:
            f.write(extension)
        openssl("req", *new_key, "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr")
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
                "-extfile", name + ".ext", "-out", name + ".pem")
    with open(os.path.join(tls, "broker.pem"), "a", encoding="utf-8") as chain, \
            open(os.path.join(tls, "broker.key"), encoding="utf-8") as key:
        chain.write(key.read())


def interrupted(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupted)
    try:
        main()
    except Problem as problem:
        sys.exit("kafka: %s" % problem)
    except KeyboardInterrupt:
        sys.exit("kafka: ended")
    except OSError as error:
        sys.exit("kafka: %s" % error)
