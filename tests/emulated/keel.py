"""Keel in an emulated machine: its image, its configuration, and what tests say about it."""
import os
import pathlib
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/images"), str(ROOT / "tests/emulated")]

import image  # noqa: E402
import initramfs  # noqa: E402
import linux  # noqa: E402
from machine import Failure, Machine  # noqa: E402

BUILD = ROOT / os.environ.get("BUILD", "build")
KEEL = pathlib.Path(os.environ.get("KEEL", BUILD / "keel.elf"))
IMAGES = BUILD / "images"

# What Keel and its VMs may take: emulated seconds are long with many processors.
PATIENCE = 120


# Tests run side by side: what they share is made once.
making = threading.Lock()


def vm(name="linux", **keys):
    """A [vm] section of keel.conf."""
    return "".join([f"[vm {name}]\n", *(f"{key} = {value}\n" for key, value in keys.items())])


def disk(conf, files, kernel=KEEL):
    """
    A disk image of Keel with this keel.conf (None: without one) and modules {name: path or bytes}. Made anew under a
    name of its own; the caller removes it.
    """
    modules = [] if conf is None else [("keel.conf", conf.encode(), "keel.conf")]
    modules += [(f"module{index}", contents, name) for index, (name, contents) in enumerate(files.items())]
    IMAGES.mkdir(parents=True, exist_ok=True)
    handle, path = tempfile.mkstemp(suffix=".img", dir=IMAGES)
    os.close(handle)
    return image.boot_image(path, kernel, modules)


class Booted(Machine):
    """Keel started with this configuration; a context manager that also removes the image."""

    def __init__(self, conf, files=None, kernel=KEEL, **machine):
        super().__init__(**machine)
        self.disk = disk(conf, files or {}, kernel)
        self.start(self.disk)

    def stop(self):
        super().stop()
        self.disk.unlink(missing_ok=True)


def kernel(flavour, form):
    """The path of Debian's kernel: flavour `debian` or `cloud`, form `vmlinuz` or `vmlinux`."""
    with making:
        linux.fetch(flavour, BUILD / "linux")
    return BUILD / "linux" / f"{flavour}-{form}"


def memtest():
    """The path of Debian's memtest86+."""
    with making:
        return linux.fetch_memtest(BUILD / "linux")


def ramdisk():
    path = BUILD / "linux/initrd.gz"
    sources = [pathlib.Path(initramfs.__file__), pathlib.Path(initramfs.BUSYBOX)]
    with making:
        if not path.exists() or any(source.stat().st_mtime > path.stat().st_mtime for source in sources):
            initramfs.build(path)
    return path


def require(condition, what):
    if not condition:
        raise Failure(what)
