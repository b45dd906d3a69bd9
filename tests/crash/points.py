"""All points there are: what an undisturbed delivery does, one for each call or piece of the tunnel."""
from harness import lab, wait_for
import strace
from targets import EDGE_TRACE, HOME, Point, Transport, traced

# What can come out of these calls when something is short, broken or interrupted.
ERRORS = {
    "pwrite64": ("ENOSPC", "EIO", "EINTR"),
    "fdatasync": ("ENOSPC", "EIO", "EINTR"),
    "write": ("EINTR",),
    "writev": ("EINTR",),
    "read": ("EINTR",),
    "recvfrom": ("EINTR",),
    "sendto": ("EINTR", "ENOBUFS"),
    "sendmsg": ("EINTR", "ENOBUFS"),
    "connect": ("EINTR", "ENETUNREACH"),
    "poll": ("EINTR", "ENOMEM"),
    "epoll_wait": ("EINTR",),
    "openat": ("EMFILE", "EIO", "ENOMEM"),
    "socket": ("EMFILE", "ENOBUFS"),
    "accept4": ("EMFILE", "EINTR"),
    "mmap": ("ENOMEM",),
    "clone3": ("EAGAIN", "ENOMEM"),
}

# How many points are struck without the sync, to see that the power cut is one.
UNSYNCED = 6


def undisturbed(scenario, mail):
    """(mail, calls of the edge, calls of the transport) of a delivery that nothing happens to."""
    target = Transport(scenario)
    target.begin()
    try:
        target.prepare()
        tracer = target.attach()
        strike = target.strike(None, mail)
        wait_for("the transport's end", lambda: 'close(0)' in lab.home.read(f"{HOME}/trace"))
        target.detach(tracer)
        edge_calls = traced(None, strike.mail, lab.vps.read(EDGE_TRACE), target.servers).calls
    finally:
        target.end()
    return strike.mail, edge_calls, strike.calls


def spread(points, count):
    """`count` of them, from all parts of the list."""
    return [points[index * len(points) // count] for index in range(count)] if len(points) > count else points


def of_calls(scenario, target, most, first=None):
    """One for each call of the kinds at which programs are killed."""
    return [Point(scenario, target, name, number) for name in strace.POINTS
            for number in range((first or {}).get(name, 1), most.get(name, 0) + 1)]


def of_errors(scenario, target, most, first=None):
    """One for each call and each error that can come out of it."""
    return [Point(scenario, target, f"{name}:{error}", number) for name, errors in ERRORS.items() for error in errors
            for number in range((first or {}).get(name, 1), most.get(name, 0) + 1)]


def greeting(calls):
    """How often a transport had made each call when it greeted Postfix, that one included."""
    index = next(index for index, call in enumerate(calls) if call.name == "sendto")
    return strace.counts(calls[:index])


def configuration(calls):
    """How often a transport had made each call when it opened its configuration, that one included."""
    index = next(index for index, call in enumerate(calls) if call.name == "openat" and "/etc/postern/" in call.arguments)
    return strace.counts(calls[:index + 1])


def of_tunnel(scenario, calls):
    """At each end of what one write or read moved, and in its middle."""
    points = []
    for way, sums in strace.tunnel_bytes(calls).items():
        middles = [(before + after) // 2 for before, after in zip(sums, sums[1:])]
        points += [Point(scenario, "tunnel", f"{way}-{how}", number)
                   for number in sorted({*sums, *middles}) for how in ("fin", "rst")]
    return points


def held(scenario, target, killed, deeds):
    """deeds: {deed: how many points, from all parts of the delivery}."""
    return [point._replace(target=target, what=f"{point.what}:{deed}") for deed, count in deeds.items()
            for point in spread(killed, count)]


def with_server(edge, calls):
    """Those points at which a server is spoken to."""
    struck = {point: strace.nth(calls, point.what, point.number) for point in edge}
    return [point for point, call in struck.items() if call and call.role == "mx"]


def after_outcome(edge, calls):
    """Points at which the server had taken the message, and its outcome was known; first those that each delivery comes to."""
    durable = max(window.durable for window in strace.windows(calls))
    struck = {point: strace.nth(calls, point.what, point.number) for point in edge}
    found = [point for point, call in struck.items() if call and call.began > durable]
    return [point._replace(target="unsynced") for point in sorted(found, key=lambda point: (point.what != "sendto", struck[point].began))]


def most_of(deliveries):
    """The most that any of these deliveries had of each call."""
    most = {}
    for calls in deliveries:
        for name, count in strace.counts(calls).items():
            most[name] = max(most.get(name, 0), count)
    return most


def of_scenario(scenario, edge_calls, transport_calls):
    """{(target, scenario): points} from what the programs did in some deliveries."""
    most, calls = most_of(edge_calls), transport_calls[-1]
    made = strace.counts(calls)
    edge = of_calls(scenario, "edge", most)
    transport = of_calls(scenario, "transport", made, greeting(calls))
    Transport.sends_to_end[scenario] = strace.sends_to_end(calls)
    found = {
        "edge": edge,
        "both": of_calls(scenario, "both", most),
        "edge-held": held(scenario, "edge-held", edge, {"STOP": 6, "TERM": 12, "HUP": 12, "PIPE": 6})
                     + held(scenario, "edge-held", with_server(edge, edge_calls[-1]), {"MX": 24}),
    }
    if scenario != "three":     # of whose threads the first to come to a number is struck
        found["edge-error"] = of_errors(scenario, "edge-error", most)
        found["power"] = of_calls(scenario, "power", most)
    if scenario == "one":
        found["unsynced"] = after_outcome(edge, edge_calls[-1])[:UNSYNCED]
    if scenario in ("serial", "cached"):
        found["power-torn"] = of_calls(scenario, "power-torn", most)
    if scenario not in ("serial", "cached"):    # which differ in the edge alone
        found["transport"] = transport
        found["tunnel"] = of_tunnel(scenario, calls)
        found["transport-error"] = of_errors(scenario, "transport-error", made, configuration(calls))
        found["transport-held"] = held(scenario, "transport-held", transport, {
            "STOP": 6, "TERM": 12, "HUP": 6, "PIPE": 6, "LMTP": 12, "QMGR": 12, "SPAWN": 6, "POSTFIX-STOP": 4, "POSTFIX-KILL": 4})
    return {(target, scenario): points for target, points in found.items() if points}
