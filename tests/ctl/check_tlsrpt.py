#!/usr/bin/env python3
"""Checks what `postern tlsrpt` prints against RFC 8460: check_tlsrpt.py json FILE | mbox FILE | mail FILE...

Prints one line for each report: domain, report-id, sessions that succeeded and failed.
"""
import base64
import email
import email.policy
import gzip
import ipaddress
import json
import mailbox
import re
import sys

DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
POLICY_TYPES = {"tlsa", "sts", "no-policy-found"}
RESULT_TYPES = {  # RFC 8460 4.3
    "starttls-not-supported", "certificate-host-mismatch", "certificate-expired",
    "certificate-not-trusted", "validation-failure", "tlsa-invalid", "dnssec-invalid",
    "dane-required", "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid",
}


def members(value, required, optional=()):
    """An object with these members: name -> type."""
    assert isinstance(value, dict), value
    allowed = dict(required, **dict(optional))
    for name in value:
        assert name in allowed, f"unknown member {name}"
        assert isinstance(value[name], allowed[name]), f"{name}: {value[name]!r}"
    for name in required:
        assert name in value, f"no {name}"


def check_failure(failure):
    members(failure, {"result-type": str, "failed-session-count": int},
            {"sending-mta-ip": str, "receiving-mx-hostname": str, "receiving-mx-helo": str,
             "receiving-ip": str, "additional-information": str, "failure-reason-code": str})
    assert failure["result-type"] in RESULT_TYPES, failure
    assert failure["failed-session-count"] > 0
    for name in "sending-mta-ip", "receiving-ip":
        if name in failure:
            ipaddress.ip_address(failure[name])


def check_policy(part):
    members(part, {"policy": dict, "summary": dict}, {"failure-details": list})
    policy, summary = part["policy"], part["summary"]
    members(policy, {"policy-type": str, "policy-domain": str},
            {"policy-string": list, "mx-host": list})
    assert policy["policy-type"] in POLICY_TYPES
    assert "mx-host" not in policy or policy["policy-type"] == "sts"
    for line in policy.get("policy-string", []) + policy.get("mx-host", []):
        assert isinstance(line, str) and "\n" not in line
    members(summary, {"total-successful-session-count": int, "total-failure-session-count": int})
    details = part.get("failure-details", [])
    for failure in details:
        check_failure(failure)
    assert sum(d["failed-session-count"] for d in details) == summary["total-failure-session-count"]
    key = json.dumps(policy, sort_keys=True)
    return key, summary["total-successful-session-count"], summary["total-failure-session-count"]


def check_report(report):
    members(report, {"organization-name": str, "date-range": dict, "contact-info": str,
                     "report-id": str, "policies": list})
    members(report["date-range"], {"start-datetime": str, "end-datetime": str})
    start, end = (report["date-range"][k] for k in ("start-datetime", "end-datetime"))
    assert DATE_TIME.fullmatch(start) and DATE_TIME.fullmatch(end)
    assert start.endswith("T00:00:00Z") and end == start[:11] + "23:59:59Z"
    assert "@" in report["contact-info"]
    assert report["policies"]
    parts = [check_policy(part) for part in report["policies"]]
    assert len({key for key, _, _ in parts}) == len(parts), "a policy is there twice"
    return report["report-id"], sum(p[1] for p in parts), sum(p[2] for p in parts)


def check_mail(message):
    assert not message.defects, message.defects
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "tlsrpt"
    assert message["TLS-Required"] == "No"
    for name in "From", "To", "Date", "Message-ID", "Subject", "MIME-Version":
        assert len(message.get_all(name)) == 1, name
    domain, submitter = message["TLS-Report-Domain"], message["TLS-Report-Submitter"]
    text, attachment = message.iter_parts()
    assert not text.defects and not attachment.defects
    assert text.get_content_type() == "text/plain"
    assert attachment.get_content_type() == "application/tlsrpt+gzip"
    report = json.loads(gzip.decompress(base64.b64decode(attachment.get_payload(), validate=False)))
    assert gzip.decompress(attachment.get_content()) == gzip.decompress(attachment.get_payload(decode=True))
    report_id, succeeded, failed = check_report(report)
    assert message["Subject"] == f"Report Domain: {domain} Submitter: {submitter} Report-ID: <{report_id}>"
    assert message["Message-ID"] == f"<{report_id}>"
    assert re.fullmatch(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+", report_id)
    begin = re.escape(f"{submitter}!{domain}!") + r"(\d+)!(\d+)\.json\.gz"
    begin, end = map(int, re.fullmatch(begin, attachment.get_filename()).groups())
    assert begin % 86400 == 0 and end == begin + 86399
    assert all(len(line) <= 998 for line in message.as_bytes().split(b"\n"))
    addresses = [f"{a.username}@{a.domain}" for a in message["To"].addresses]
    print(domain, report_id, succeeded, failed, *addresses)


def main():
    kind, paths = sys.argv[1], sys.argv[2:]
    if kind == "json":
        for report in json.load(open(paths[0], encoding="utf-8")):
            print(report["report-id"].split("@")[0], *check_report(report)[1:])
    elif kind == "mbox":
        for message in mailbox.mbox(paths[0], create=False):
            check_mail(email.message_from_bytes(bytes(message), policy=email.policy.default))
    else:
        for path in paths:
            with open(path, "rb") as file:
                check_mail(email.message_from_binary_file(file, policy=email.policy.default))


main()
