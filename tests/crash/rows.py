"""Which row of the catalogue's part B9 a point belongs to: at which stage of a delivery the program was struck.

What the rows are is in README.md.
"""
import strace


def of_edge(strike):
    """164 before the content, 165 in it, 166 intent, 167 dot, 168 answer, 169 outcome on disk; "" if nothing was struck."""
    struck = strike.struck
    if struck is None:
        return ""
    begun = [window for window in strace.windows(strike.calls) if window.intent.began <= struck.began]
    begun = [window for window in begun if window.thread == struck.thread] or begun
    if not begun:
        is_in_data = any(call.role == "mx" and "DATA\\r\\n" in call.arguments for call in strike.calls
                         if call.thread == struck.thread and call.began < struck.began)
        return "165" if is_in_data else "164"
    window = begun[-1]
    if window.durable and window.durable <= struck.began:
        return "169"
    if window.answer and window.answer.ended <= struck.began:
        return "168"
    return "167" if window.dot and window.dot.began < struck.began else "166"


def of_transport(strike, sends_to_end):
    """160 before END, 161 before a result, 162 before Postfix was told, 163 after it was told something."""
    struck = strike.struck
    if struck is None:
        return ""
    before = [call for call in strike.calls if call.began < struck.began and (call.result or -1) > 0]
    sends = [call for call in before if call.role == "tunnel" and call.name in ("sendto", "write")]
    if len(sends) < sends_to_end:
        return "160"
    end = sends[sends_to_end - 1].began
    results = [call for call in before if call.role == "tunnel" and call.name in ("read", "recvfrom") and call.began > end]
    if not results:
        return "161"
    is_told = any(call.role == "postfix" and call.name in ("sendto", "write", "writev") and call.began > results[0].began
                  for call in before)
    return "163" if is_told else "162"
