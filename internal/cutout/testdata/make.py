"""Makes the files in golden/ and decode/ with the peer's own code.

    python3 -m venv /tmp/peer && . /tmp/peer/bin/activate
    pip install "rembg[cpu]==2.0.86" onnxruntime==1.32.0 pillow==13.0.0 numpy==2.4.6
    python3 make.py FOLDER-OF-THE-RUNTIME

The folder is the one that `make setup-full` fills. README.md says what is what.
"""

import glob
import io
import os
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps
from rembg.bg import remove
from rembg.sessions.u2net import U2netSession
from rembg.sessions.u2netp import U2netpSession

HERE = os.path.dirname(os.path.abspath(__file__))
PHOTOS = os.path.join(HERE, "..", "..", "testphotos", "photos")


def session(kind, path):
    """A session of the peer on our own copy of the weights."""
    s = kind.__new__(kind)
    s.model_name = kind.name()
    s.inner_session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return s


def golden(runtime):
    """What `rembg -om` answers for each photo."""
    for kind in (U2netpSession, U2netSession):
        path = glob.glob(os.path.join(runtime, "**", kind.name() + ".onnx"), recursive=True)[0]
        s = session(kind, path)
        for photo in sorted(glob.glob(os.path.join(PHOTOS, "*.jpg"))):
            with open(photo, "rb") as f:
                mask = remove(f.read(), session=s, only_mask=True)
            name = os.path.splitext(os.path.basename(photo))[0]
            Image.open(io.BytesIO(mask)).save(os.path.join(HERE, "golden", f"{name}.{kind.name()}.png"), optimize=True)


def subject(width, height):
    """A small picture with soft and hard edges in every channel."""
    y, x = np.mgrid[0:height, 0:width]
    r = 255 * (0.5 + 0.5 * np.sin(x / 3.0))
    g = np.where((x // 5 + y // 7) % 2, 220, 30)
    b = 255.0 * y / height
    return Image.fromarray(np.dstack([r, g, b]).astype("uint8"), "RGB")


def decode():
    """Files of many kinds, and beside each what Pillow reads in it."""
    folder = os.path.join(HERE, "decode")
    rgb = subject(45, 37)
    rgba = rgb.copy()
    rgba.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 45), (37, 1)).astype("uint8"), "L"))
    cases = {
        "baseline420.jpg": (rgb, dict(quality=85, subsampling="4:2:0")),
        "baseline422.jpg": (rgb, dict(quality=85, subsampling="4:2:2")),
        "baseline444.jpg": (rgb, dict(quality=85, subsampling="4:4:4")),
        "progressive420.jpg": (rgb, dict(quality=85, subsampling="4:2:0", progressive=True)),
        "progressive444.jpg": (rgb, dict(quality=30, subsampling="4:4:4", progressive=True)),
        "restart.jpg": (rgb, dict(quality=85, subsampling="4:2:0", restart_marker_blocks=2)),
        "optimized.jpg": (rgb, dict(quality=95, optimize=True)),
        "lowquality.jpg": (rgb, dict(quality=5)),
        "narrow.jpg": (rgb.crop((0, 0, 3, 37)), dict(quality=90)),
        "one.jpg": (rgb.crop((7, 7, 8, 8)), dict(quality=90)),
        "grey.jpg": (rgb.convert("L"), dict(quality=85)),
        "greyprogressive.jpg": (rgb.convert("L"), dict(quality=85, progressive=True)),
        "rgb.jpg": (rgb, dict(quality=95, keep_rgb=True)),
        "cmyk.jpg": (rgb.convert("CMYK"), dict(quality=95)),
        "lossy.webp": (rgb, dict(quality=90)),
        "lossyalpha.webp": (rgba, dict(quality=90)),
        "lossless.webp": (rgb, dict(lossless=True)),
        "rgb.png": (rgb, dict(optimize=True)),
        "rgba.png": (rgba, dict(optimize=True)),
        "grey.png": (rgb.convert("L"), dict(optimize=True)),
        "palette.png": (rgb.quantize(16), dict(optimize=True)),
        "still.gif": (rgb.quantize(16), {}),
    }
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        cases[f"turned{orientation}.jpg"] = (rgb.crop((0, 0, 24, 16)), dict(quality=90, subsampling="4:4:4", exif=exif))
    exif = Image.Exif()
    exif[0x0112] = 6
    cases["turned6.png"] = (rgb.crop((0, 0, 24, 16)), dict(exif=exif))
    cases["turned6.webp"] = (rgb.crop((0, 0, 24, 16)), dict(lossless=True, exif=exif.tobytes()))
    for name, (picture, options) in cases.items():
        path = os.path.join(folder, name)
        picture.save(path, **options)
        back = ImageOps.exif_transpose(Image.open(path))
        back.convert("RGBA" if "A" in back.getbands() else "RGB").save(path + ".expected.png", optimize=True)


if __name__ == "__main__":
    decode()
    golden(sys.argv[1])
