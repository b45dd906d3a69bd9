#!/usr/bin/python3
"""Noise_IK and Noise_IKpsk2 with 25519_ChaChaPoly_BLAKE2b, both roles.

Written from the Noise specification (revision 34) and doc/PROTOCOL.md, independently of the C code
in tunnel/, to check it. X25519 and ChaCha20-Poly1305 come from python3-cryptography, BLAKE2b and
HMAC from the standard library. Not constant-time, keys are not wiped: for tests only.
"""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PROLOGUE = b"postern/1"
NO_PSK = bytes(32)


class NoiseError(Exception):
    """A message that does not verify, or a call out of turn."""


def blake2b(data, size=64, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def hkdf(chaining_key, material, outputs):
    temp = hmac.new(chaining_key, material, hashlib.blake2b).digest()
    made, last = [], b""
    for number in range(1, outputs + 1):
        last = hmac.new(temp, last + bytes([number]), hashlib.blake2b).digest()
        made.append(last)
    return made


def looks_secret(key):
    """Is it clamped like a private key? postern refuses such a public key in its allow-list."""
    return key[0] & 7 == 0 and key[31] & 0xC0 == 0x40


class KeyPair:
    def __init__(self, secret=None):
        while True:
            self.secret = os.urandom(32) if secret is None else secret
            self._key = X25519PrivateKey.from_private_bytes(self.secret)
            self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            if secret is not None or not looks_secret(self.public):
                return

    def dh(self, their_public):
        try:
            return self._key.exchange(X25519PublicKey.from_public_bytes(their_public))
        except ValueError as error:
            raise NoiseError("low-order public key") from error


class CipherState:
    def __init__(self, key=None):
        self.key = key
        self.nonce = 0

    def _nonce(self):
        if self.nonce >= 2**64 - 1:
            raise NoiseError("nonces used up")
        return bytes(4) + self.nonce.to_bytes(8, "little")

    def encrypt(self, ad, plaintext):
        if self.key is None:
            return plaintext
        sealed = ChaCha20Poly1305(self.key).encrypt(self._nonce(), plaintext, ad)
        self.nonce += 1
        return sealed

    def decrypt(self, ad, sealed):
        if self.key is None:
            return sealed
        try:
            plaintext = ChaCha20Poly1305(self.key).decrypt(self._nonce(), sealed, ad)
        except InvalidTag as error:
            raise NoiseError("does not verify") from error
        self.nonce += 1
        return plaintext


class SymmetricState:
    def __init__(self, protocol_name):
        name = protocol_name.encode("ascii")
        self.h = name.ljust(64, b"\0") if len(name) <= 64 else blake2b(name)
        self.ck = self.h
        self.cipher = CipherState()

    def mix_key(self, material):
        self.ck, key = hkdf(self.ck, material, 2)
        self.cipher = CipherState(key[:32])

    def mix_hash(self, data):
        self.h = blake2b(self.h + data)

    def mix_key_and_hash(self, material):
        self.ck, temp, key = hkdf(self.ck, material, 3)
        self.mix_hash(temp)
        self.cipher = CipherState(key[:32])

    def encrypt_and_hash(self, plaintext):
        sealed = self.cipher.encrypt(self.h, plaintext)
        self.mix_hash(sealed)
        return sealed

    def decrypt_and_hash(self, sealed):
        plaintext = self.cipher.decrypt(self.h, sealed)
        self.mix_hash(sealed)
        return plaintext

    def split(self):
        return [CipherState(key[:32]) for key in hkdf(self.ck, b"", 2)]


class Handshake:
    """One handshake. Keys are KeyPair; `psk` is None for plain IK."""

    def __init__(self, *, initiator, static, remote_static=None, psk=NO_PSK, prologue=PROLOGUE,
                 ephemeral=None):
        self.initiator = initiator
        self.s = static
        self.e = ephemeral
        self.rs = remote_static
        self.re = None
        self.psk = psk
        self.has_psk = psk is not None
        pattern = "IKpsk2" if self.has_psk else "IK"
        self.state = SymmetricState("Noise_%s_25519_ChaChaPoly_BLAKE2b" % pattern)
        self.state.mix_hash(prologue)
        self.state.mix_hash(remote_static if initiator else static.public)

    def _mix_e(self, public):
        self.state.mix_hash(public)
        if self.has_psk:
            self.state.mix_key(public)

    def _write_e(self):
        if self.e is None:
            self.e = KeyPair()
        self._mix_e(self.e.public)
        return self.e.public

    def write_initiation(self, payload=b""):
        message = self._write_e()                                       # e
        self.state.mix_key(self.e.dh(self.rs))                          # es
        message += self.state.encrypt_and_hash(self.s.public)           # s
        self.state.mix_key(self.s.dh(self.rs))                          # ss
        return message + self.state.encrypt_and_hash(payload)

    def read_initiation(self, message):
        if len(message) < 96:
            raise NoiseError("message 1 is too short")
        self.re = message[:32]
        self._mix_e(self.re)                                            # e
        self.state.mix_key(self.s.dh(self.re))                          # es
        self.rs = self.state.decrypt_and_hash(message[32:80])           # s
        self.state.mix_key(self.s.dh(self.rs))                          # ss
        return self.state.decrypt_and_hash(message[80:])

    def write_response(self, payload=b""):
        message = self._write_e()                                       # e
        self.state.mix_key(self.e.dh(self.re))                          # ee
        self.state.mix_key(self.e.dh(self.rs))                          # se
        if self.has_psk:
            self.state.mix_key_and_hash(self.psk)                       # psk
        return message + self.state.encrypt_and_hash(payload)

    def read_response(self, message):
        if len(message) < 48:
            raise NoiseError("message 2 is too short")
        self.re = message[:32]
        self._mix_e(self.re)                                            # e
        self.state.mix_key(self.e.dh(self.re))                          # ee
        self.state.mix_key(self.s.dh(self.re))                          # se
        if self.has_psk:
            self.state.mix_key_and_hash(self.psk)                       # psk
        return self.state.decrypt_and_hash(message[32:])

    def finish(self):
        """(sending, receiving) CipherStates and the handshake hash."""
        first, second = self.state.split()
        if self.initiator:
            return first, second, self.state.h
        return second, first, self.state.h


def mac1(edge_public_key, message):
    return blake2b(message, 16, blake2b(b"postern/1 mac1" + edge_public_key, 32))
