"""All targets by their names, which are those of points."""
import held
import power
import targets

TARGETS = {
    "edge": targets.Edge,
    "both": targets.Both,
    "transport": targets.Transport,
    "tunnel": targets.Tunnel,
    "edge-error": targets.EdgeError,
    "transport-error": targets.TransportError,
    "edge-held": held.HeldEdge,
    "transport-held": held.HeldTransport,
    "power": power.PowerCut,
    "power-torn": power.Torn,
    "unsynced": power.Unsynced,
}
