"""What lies under a store: whether a network serves its files, the lock of its one writer.

Reference: Linux, proc_pid_mountinfo(5); flock(2).
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["acquire", "is_network", "kind_of", "publish", "release", "sync_folder"]

NETWORK = re.compile(
    "9p|afs|beegfs(_nodev)?|ceph|cifs|coda|davfs|fhgfs|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs4?|ocfs2"
    "|orangefs|panfs|prl_fs|pvfs2|smb[23]|smbfs|vboxsf|virtiofs|wekafs"
    # What runs in user space may do anything, but for what is known to lie on local disks.
    r"|fuse(\.(?!(bindfs|encfs|exfat|ext2|fuse-overlayfs|gocryptfs|mergerfs|ntfs|ntfs-3g)$).*)?"
)
"""Kinds of file systems whose files other machines may have open, or that map no shared memory."""

NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def kind_of(path: str, mounts: str) -> str:
    """The kind of the file system that an absolute path lies on; "" where `mounts` does not say.

    mounts: the text of /proc/self/mountinfo. The longest mount point counts, of equals the last.

    >>> kind_of("/home/x", r"36 35 0:8 / /home rw,noatime master:1 - nfs4 server:/home rw")
    'nfs4'
    """
    longest, kind = 0, ""
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        if not source:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), mount.split(" ")[4])
        inside = point == "/" or f"{path}/".startswith(f"{point}/")
        if inside and len(point) >= longest:
            longest, kind = len(point), source.split(" ")[0]
    return kind


def is_network(path: Path, mounts: str | None = None) -> bool:
    """Whether a network, or what may be one, serves the path; False where nothing is known."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
        except OSError:  # not Linux
            return False
    return NETWORK.fullmatch(kind_of(os.path.realpath(path), mounts)) is not None


def acquire(path: Path) -> int | None:
    """Lock a file until `release` or the end of the process, however it ends.

    The file is made, and says who holds the lock. Returns a descriptor; None where the platform or
    the file system has no locks. Raises BlockingIOError with the words of who holds it.
    """
    if fcntl is None:
        return None
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, descriptor):
                _sign(descriptor)
                return descriptor
        except OSError as error:
            holder = os.read(descriptor, 1000).decode(errors="replace")
            os.close(descriptor)
            if error.errno in NO_LOCKS:
                return None
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise BlockingIOError(holder) from None
            raise
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    # Whoever held the lock may have taken its file away since it was opened here.
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    os.truncate(descriptor, 0)
    os.write(descriptor, f"pid {os.getpid()} on {socket.gethostname()} since {since}".encode())


def release(path: Path, descriptor: int | None) -> None:
    """Give the lock back, and take its file away."""
    if descriptor is not None:
        with contextlib.suppress(
            OSError
        ):  # a file that stays harms nobody: the lock is what counts
            path.unlink()
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Let the names in a folder survive a loss of power, where the platform opens folders."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def publish(new: Path, path: Path) -> None:
    """Give a finished file its name; raises FileExistsError where another has it."""
    try:
        os.link(new, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(path) from None
        os.rename(new, path)
    sync_folder(path.parent)
