"""The Unix socket of the operators: created for us alone, and never in somebody's place.

Who may connect may act, so the socket is never open to others, not even between `bind` and `chmod`; a
file that we did not leave there ourselves is never removed.
"""

from __future__ import annotations

import os
import pwd
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IListeningPort, IProtocolFactory

SOCKET_MODE = 0o600
MAX_PATH_BYTES = 107  # sun_path of Linux, less its final zero byte
_ASK_TIMEOUT_SECONDS = 1.0
_PEER_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class SocketRefused(Exception):
    """The control socket cannot be opened; the text is one sentence for the person who starts the daemon."""


@frozen(kw_only=True)
class Operator:
    """Who is at the other end of a control connection, as the kernel says it."""

    name: str
    user_id: int | None
    process_id: int | None = None


UNKNOWN_OPERATOR = Operator(name="unknown", user_id=None)


def listen(reactor: Any, path: str, factory: IProtocolFactory, *, backlog: int = 16) -> IListeningPort:
    """Open the control socket at `path` with mode 0600 and give its port.

    A socket left by a process of ours that has died is removed first.  Raises SocketRefused when somebody
    listens there, when the file is not a socket of ours, or when the directory is missing or not writable.
    """
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise SocketRefused(f"control socket {path}: the path is longer than {MAX_PATH_BYTES} bytes")
    remove_stale(path)
    try:
        with _private_umask():
            port: IListeningPort = reactor.listenUNIX(path, factory, backlog=backlog, mode=SOCKET_MODE)
    except Exception as error:  # Twisted wraps what bind says in CannotListenError
        cause = getattr(error, "socketError", error)
        raise SocketRefused(f"control socket {path}: {cause}") from error
    return port


def remove_stale(path: str) -> bool:
    """Remove the socket at `path` if it is ours and nobody listens; say whether there was one.

    Raises SocketRefused when something else is there.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SocketRefused(f"control socket {path}: {error.strerror}") from error
    if not stat.S_ISSOCK(found.st_mode):
        raise SocketRefused(f"control socket {path}: there is a file that is not a socket")
    if found.st_uid != os.geteuid():
        raise SocketRefused(f"control socket {path}: it belongs to user id {found.st_uid}, not to us")
    if _somebody_listens(path):
        raise SocketRefused(f"control socket {path}: another gateway is listening there")
    os.unlink(path)
    return True


def operator_of(transport: Any) -> Operator:
    """Who is connected, by SO_PEERCRED; `unknown` where the transport is not a Unix socket."""
    try:
        handle = transport.getHandle()
        packed = handle.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
    except (AttributeError, OSError):
        return UNKNOWN_OPERATOR
    process_id, user_id, _ = _PEER_CREDENTIALS.unpack(packed)
    if process_id == 0:  # not a Unix socket: the kernel has no credentials for it
        return UNKNOWN_OPERATOR
    try:
        name = pwd.getpwuid(user_id).pw_name
    except KeyError:
        name = f"uid:{user_id}"
    return Operator(name=name, user_id=user_id, process_id=process_id)


def _somebody_listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_ASK_TIMEOUT_SECONDS)
        try:
            asking.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # a full backlog or no permission: somebody may well be there
    return True


@contextmanager
def _private_umask() -> Iterator[None]:
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)
