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
MESSAGE = struct.Struct("=QQQ")
JOURNAL = "journal"
# edge/journal_record.h: a record that is an intent begins so.
INTENT = b"PJ01\1"
# How long what a dead edge said may be on its way.
ECHO_S = 30


class Disk:
    """What of the files in the edge's state directory a power cut leaves, by POSIX's rules.

    A file's bytes are safe when a sync of it has ended, as they were when it began; its name, when one of the directory has.
    """

    def __init__(self):
        self.directory = lab.vps.path(STATE)
        self.names = {}         # {name: inode}, safe
        self.bytes = {}         # {inode: bytes}, safe
        self.interrupted = set()    # inodes: the edge died while it synced them
        self.serving = []       # a thread for each edge
        self.mistakes = []      # exceptions of these
        path = lab.vps.path(SOCKET)
        self.listener = socket.socket(socket.AF_UNIX)
        # The path of a socket is short; that of the lab need not be.
        parent = os.open(os.path.dirname(path), os.O_RDONLY)
        self.listener.bind(f"/proc/self/fd/{parent}/{os.path.basename(path)}")
        os.close(parent)
        os.chmod(path, 0o666)
        self.listener.listen()
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            thread = threading.Thread(target=self.serve, args=(connection,), daemon=True)
            thread.start()
            self.serving.append(thread)

    def serve(self, connection):
        """One edge, to its end."""
        under_way = {}      # {number of a sync: (inode, bytes or names)}
        try:
            # An edge that is killed breaks off in the middle.
            with connection, contextlib.suppress(ConnectionError):
                while len(message := connection.recv(MESSAGE.size, socket.MSG_WAITALL)) == MESSAGE.size:
                    what, inode, number = MESSAGE.unpack(message)
                    if what == SYNC_HAS_ENDED:
                        self.commit(*under_way.pop(number))
                    else:
                        under_way[number] = inode, self.look(inode)
                    connection.send(b"k")
        except Exception as mistake:    # whoever waits for the edge's end shall hear of it
            self.mistakes.append(mistake)
            raise
        self.interrupted = {inode for inode, _ in under_way.values()}

    def settle(self):
        """The edge is dead. Returns when all that it said has been heard: on a busy machine that may be later."""
        for thread in self.serving:
            thread.join(ECHO_S)
            assert not thread.is_alive(), "the power cut's disk: a dead edge has not hung up"
        assert not self.mistakes, f"the power cut's disk: {self.mistakes}"
        self.serving = []

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

    def commit(self, inode, synced):
        if isinstance(synced, dict):
            self.names = synced
        elif synced is not None:
            self.bytes[inode] = synced

    def sync_all(self):
        self.names = self.entries()
        self.bytes = {inode: self.look(inode) for inode in self.names.values()}

    def cut(self, chance):
        """Nobody has the files open any more. Returns what is left of the journal. chance: some of the sectors that were written later are kept; None: none is."""
        self.settle()
        for name in self.entries().keys() - self.names.keys():
            os.unlink(os.path.join(self.directory, name))
        for name, inode in self.names.items():
            self.restore(os.path.join(self.directory, name), self.bytes.get(inode, b""), chance)
        self.sync_all()
        return self.bytes.get(self.names.get(JOURNAL), b"")

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
        os.unlink(lab.vps.path(SOCKET))
        # close() leaves accept() waiting; were it started again, it would take what comes to the next socket of this number.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join()
        self.listener.close()
        self.settle()


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
        self.journal = self.disk.cut(self.chance)
        self.was_syncing = self.disk.names.get(JOURNAL) in self.disk.interrupted
        self.start()

    def strike(self, point, mail):
        self.journal, self.was_syncing = b"", False
        strike = super().strike(point, mail)
        journal, was_syncing = self.journal, self.was_syncing

        def is_open(window):
            """Its outcome is not on the disk. That strace saw the sync's end is no matter if the edge had not heard of it."""
            return journal.startswith(INTENT, window.offset) and (window.durable is None or was_syncing)

        return strike._replace(is_open=is_open)


class Torn(PowerCut):
    """Likewise, and of what was not synced some sectors are on the disk."""

    def __init__(self, scenario):
        super().__init__(scenario)
        self.chance = random.Random(scenario)


class Unsynced(PowerCut):
    """Likewise with journal_sync = "none", which promises nothing: it must be seen to double, or the others prove nothing."""

    SETTINGS = 'journal_sync = "none";\n'
