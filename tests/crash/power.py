"""The power goes off: the edge is killed, and its disk has only what was synced (tests/preload/power_cut.c), or that and part of the rest."""
import contextlib
import os
import random
import re
import shutil
import socket
import struct
import threading

from harness import lab
import strace
import targets

STATE = "/var/lib/postern/edge"
SOCKET = "/run/power_cut.sock"
LIBRARY = "/usr/local/lib/power_cut.so"
WRAPPER = "/run/postern-edge.wrapper"
SECTOR = 512
SYNC_HAS_ENDED = 1
MESSAGE = struct.Struct("=QQ")


class Disk:
    """What of the files in the edge's state directory a power cut leaves, by POSIX's rules.

    A file's bytes are safe when a sync of it has ended, as they were when it began; its name, when one of the directory has.
    """

    def __init__(self):
        self.directory = lab.vps.path(STATE)
        self.names = {}         # {name: inode}, safe
        self.bytes = {}         # {inode: bytes}, safe
        self.under_way = {}     # {inode: bytes or names}, being synced
        path = lab.vps.path(SOCKET)
        self.listener = socket.socket(socket.AF_UNIX)
        # The path of a socket is short; that of the lab need not be.
        parent = os.open(os.path.dirname(path), os.O_RDONLY)
        self.listener.bind(f"/proc/self/fd/{parent}/{os.path.basename(path)}")
        os.close(parent)
        os.chmod(path, 0o666)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        # An edge that is killed breaks off in the middle.
        with connection, contextlib.suppress(ConnectionError):
            while len(message := connection.recv(MESSAGE.size, socket.MSG_WAITALL)) == MESSAGE.size:
                what, inode = MESSAGE.unpack(message)
                if what == SYNC_HAS_ENDED:
                    self.commit(inode)
                else:
                    self.under_way[inode] = self.look(inode)
                connection.send(b"k")

    def entries(self):
        return {entry.name: entry.inode() for entry in os.scandir(self.directory) if entry.is_file(follow_symlinks=False)}

    def look(self, inode):
        """What a sync that begins now is about; None: nothing of ours."""
        names = self.entries()
        if inode == os.stat(self.directory).st_ino:
            return names
        for name, number in names.items():
            if number == inode:
                with open(os.path.join(self.directory, name), "rb") as file:
                    return file.read()
        return None

    def commit(self, inode):
        synced = self.under_way.pop(inode)
        if isinstance(synced, dict):
            self.names = synced
        elif synced is not None:
            self.bytes[inode] = synced

    def sync_all(self):
        self.names = self.entries()
        self.bytes = {inode: self.look(inode) for inode in self.names.values()}
        self.under_way = {}

    def cut(self, chance):
        """Nobody has the files open any more. chance: some of the sectors that were written later are kept; None: none is."""
        for name in self.entries().keys() - self.names.keys():
            os.unlink(os.path.join(self.directory, name))
        for name, inode in self.names.items():
            self.restore(os.path.join(self.directory, name), self.bytes.get(inode, b""), chance)
        self.sync_all()

    def restore(self, path, safe, chance):
        with open(path, "r+b" if os.path.exists(path) else "w+b") as file:
            written = file.read()
            if chance and len(written) == len(safe):
                safe = b"".join((written if chance.random() < 0.5 else safe)[at:at + SECTOR] for at in range(0, len(safe), SECTOR))
            file.seek(0)
            file.truncate()
            file.write(safe)
        owner = os.stat(self.directory)
        os.chown(path, owner.st_uid, owner.st_gid)

    def close(self):
        self.listener.close()
        os.unlink(lab.vps.path(SOCKET))


class PowerCut(targets.Both):
    """The edge's host loses its power, after a transport that was killed before Postfix had heard of anything."""

    SETTINGS = ""
    chance = None

    def begin(self):
        lab.edge.stop()
        library = os.path.join(os.environ["POSTERN_BUILD"], "tests/preload/power_cut.so")
        shutil.copy(library, lab.vps.path(LIBRARY))
        self.forget()
        # A journal that is copied at each sync is a small one.
        self.settings += self.SETTINGS
        whole = self.conf
        self.conf = re.sub(r'journal_size = "\w+"', 'journal_size = "1M"', whole)
        self.disk = Disk()
        lab.vps.write(WRAPPER, f"env LD_PRELOAD={LIBRARY} POWER_CUT_DISK={SOCKET}\n")
        self.disk.sync_all()
        super().begin()
        self.conf = whole

    def forget(self):
        lab.vps.run("rm", "-f", f"{STATE}/journal", f"{STATE}/journal.key")

    def end(self):
        os.unlink(lab.vps.path(WRAPPER))
        lab.edge.stop()
        self.forget()
        super().end()
        self.disk.close()

    def revive(self):
        self.disk.cut(self.chance)
        self.start()

    def strike(self, point, mail):
        # The delivery's window is open for as long as its outcome is not on the disk.
        strike = super().strike(point, mail)
        return strike._replace(is_open=lambda window: window.synced is not None and window.durable is None)


class Torn(PowerCut):
    """Likewise, and of what was not synced some sectors are on the disk."""

    def __init__(self, scenario):
        super().__init__(scenario)
        self.chance = random.Random(scenario)


class Unsynced(PowerCut):
    """Likewise with journal_sync = "none", which promises nothing: it must be seen to double, or the others prove nothing."""

    SETTINGS = 'journal_sync = "none";\n'
