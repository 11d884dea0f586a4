"""SIP digest authentication (RFC 7616 with MD5 or SHA-256): the answer to a challenge."""

from __future__ import annotations

import hashlib
import re
import secrets


def read_challenge(header: str) -> dict[str, str]:
    """The parameters of a WWW-Authenticate header's value, names in lower case, without quotes."""
    found = re.findall(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', header)
    return {name.lower(): quoted or plain for name, quoted, plain in found}


def authorization(challenge: str, user: str, password: str, method: str, uri: str, cnonce: str = "") -> str:
    """The whole Authorization header line for a challenge (value of WWW-Authenticate).

    Raises ValueError when the challenge has no realm or nonce, or an algorithm that is not known.
    """
    given = read_challenge(challenge)
    algorithm = given.get("algorithm", "MD5")
    digests = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
    if algorithm.upper() not in digests or "realm" not in given or "nonce" not in given:
        raise ValueError(f"cannot answer this challenge: {challenge}")

    def digest(*parts: str) -> str:
        return digests[algorithm.upper()](":".join(parts).encode()).hexdigest()

    identity = digest(user, given["realm"], password)
    request = digest(method, uri)
    fields = {"username": user, "realm": given["realm"], "nonce": given["nonce"], "uri": uri}
    tail = f", algorithm={algorithm}"
    if "auth" in re.split(r"\s*,\s*", given.get("qop", "")):
        cnonce = cnonce or secrets.token_hex(8)
        fields["response"] = digest(identity, given["nonce"], "00000001", cnonce, "auth", request)
        fields["cnonce"] = cnonce
        tail += ", qop=auth, nc=00000001"
    else:
        fields["response"] = digest(identity, given["nonce"], request)
    if "opaque" in given:
        fields["opaque"] = given["opaque"]
    return "Authorization: Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items()) + tail
