"""More edges than the lab's own: further postern-edge processes on the VPS, each with key, journal and port of its own."""
import contextlib

from harness import lab, wait_for

ADDRESS = "198.51.100.20"


class MoreEdge:
    """Goes by its name in configuration and log: "de" is edge-de.vps.example."""

    def __init__(self, name, port, settings=""):
        self.host, self.name, self.port, self.process = lab.vps, name, port, None
        self.conf, self.place = f"/etc/postern/edge-{name}.conf", f"/var/lib/postern-{name}"
        self.host.run("install", "-d", "-o", "_postern-edge", "-g", "_postern-edge", "-m", "700", self.place)
        self.host.write(self.conf, f'listen = [ "{ADDRESS}:{port}" ];\nehlo_name = "edge-{name}.vps.example";\n'
                        f'key_file = "{self.place}/edge.key";\nstate_directory = "{self.place}/state";\njournal_size = "4M";\n{settings}')
        self.as_user("postern", "keygen", f"{self.place}/edge.key")
        self.key = self.as_user("postern", "pubkey", f"{self.place}/edge.key").stdout.strip()
        self.line = f"{name} {ADDRESS}:{port} key={self.key}"

    def as_user(self, *command):
        return self.host.run("setpriv", "--reuid", "_postern-edge", "--regid", "_postern-edge", "--init-groups", *command)

    @property
    def is_listening(self):
        return self.host.run("ss", "-Hltn", f"sport = :{self.port}").stdout != ""

    def start(self):
        self.process = self.host.popen("postern-edge", "-c", self.conf)
        wait_for(f"edge {self.name} listens", lambda: self.is_listening)

    def _signal(self, name):
        self.host.run("sh", "-c", f"kill -{name} $(ss -Hltnp 'sport = :{self.port}' | sed 's/.*pid=//;s/,.*//')")

    def kill(self):
        """SIGKILL for the worker; its keeper ends by itself."""
        self._signal("KILL")
        self.process.wait(timeout=60)

    def stop(self):
        if self.is_listening:
            self._signal("TERM")
        with contextlib.suppress(AttributeError):
            self.process.wait(timeout=60)

    def remove(self):
        self.stop()
        self.host.run("rm", "-rf", self.place, self.conf)
