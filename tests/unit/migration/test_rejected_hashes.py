"""gerbang.passwords.legacy: malformed, unknown and too expensive hashes are rejected."""

import hashlib
import sys
import time
from typing import Final

import pytest
from gerbang.passwords.legacy import (
    Checked,
    HostileLegacyHash,
    LegacyHashError,
    MalformedLegacyHash,
    UnknownLegacyHash,
    Verdict,
    check,
    parse,
)


def verify(stored: str, password: str) -> Verdict:
    return check(stored, password).verdict


@pytest.mark.covers("F40", "124")
@pytest.mark.parametrize(
    "text",
    [
        "$2y$31$" + "u" * 53,
        "$2b$15$" + "u" * 53,
        "bcrypt$$2b$31$" + "u" * 53,
        "$wp$2y$31$" + "u" * 53,
        "$P$S" + "u" * 30,
        "$6$rounds=999999999$salt$" + "u" * 86,
        "$S$S" + "u" * 51,
        "$sha1$4000000000$salt$" + "u" * 28,
        "$bcrypt-sha256$v=2,t=2b,r=16$" + "u" * 22 + "$" + "u" * 31,
        "$bcrypt-sha256$2b,15$" + "u" * 22 + "$" + "u" * 31,
        "$H\\2y$S" + "u" * 8 + "$05\\" + "u" * 22 + "$" + "u" * 31,
        "{PBKDF2}$1$salt$1000000000$" + "0" * 40,
        "{PBKDF2-SHA512}1000000000$c2FsdA$" + "A" * 86,
        "{SCRYPT}$160801$c2FsdA==$" + "A" * 43 + "=",
        "{bcrypt}$2a$31$" + "u" * 53,
        "sha512^999999999(password):" + "0" * 128,
        "authlogic-sha1:999999999:" + "0" * 40 + ":salt",
        "$prepared$prehash=sha256-hex$$2b$31$" + "u" * 53,
        "$scrypt$ln=4194304,r=8,p=1$c2FsdA$" + "A" * 43,
        "$5$rounds=999999999$salt$" + "u" * 43,
        "pbkdf2_sha256$1000000000$salt$" + "A" * 43 + "=",
        "pbkdf2_sha1$9999999999$salt$" + "A" * 27 + "=",
        "pbkdf2:sha512:1000000000$salt$" + "0" * 128,
        "$pbkdf2-sha512$1000000000$c2FsdA$" + "A" * 86,
        "AQAAAAL/////AAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw",
        "$scrypt$ln=22,r=8,p=1$c2FsdA$" + "A" * 43,
        "$scrypt$ln=14,r=8,p=1000$c2FsdA$" + "A" * 43,
        "$scrypt$ln=99,r=9999999999,p=1$c2FsdA$" + "A" * 43,
        "$scrypt$ln=1,r=1,p=1000000$c2FsdA$" + "A" * 43,
        "scrypt$4194304$salt$8$1$" + "A" * 86 + "==",
        "scrypt:4194304:8:1$salt$" + "0" * 128,
        "$fbscrypt$v=1,n=22,r=8,p=1,ss=Bw==,sk=" + "A" * 24 + "$c2FsdA==$" + "A" * 24,
        "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=1000000000,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=262144,t=1,p=32768$c2FsdHNhbHQ$" + "A" * 43,
        "argon2$argon2id$v=19$m=4194304,t=3,p=4$c2FsdHNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=524288,t=1,p=1$c2FsdHNhbHQ$"
        + "A" * 43,  # this and the next one are fast, but need much memory
        "$scrypt$ln=17,r=17,p=1$c2FsdA$" + "A" * 43,
    ],
)
def test_a_hash_with_an_excessive_cost_is_rejected_without_computing_it(text: str) -> None:
    started = time.perf_counter()

    with pytest.raises(HostileLegacyHash):
        parse(text)
    checked = check(text, "password")

    assert checked == Checked(Verdict.UNUSABLE, rounds=0)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "$2b$14$" + "u" * 53,
        "pbkdf2_sha256$3000000$salt$" + "A" * 43 + "=",
        "$6$rounds=656000$salt$" + "u" * 86,
        "$scrypt$ln=17,r=8,p=1$c2FsdA$" + "A" * 43,
        "$argon2id$v=19$m=262144,t=3,p=4$c2FsdHNhbHQ$" + "A" * 43,
    ],
)
def test_the_strongest_common_settings_are_accepted(text: str) -> None:
    parsed = parse(text)

    assert not parsed.is_weak


MALFORMED: Final = [
    "$2b$04$tooshort",
    "$2b$03$" + "u" * 53,
    "$2y$ab$" + "u" * 53,
    "$2a$10$" + "u" * 54,
    "bcrypt$hunter2",
    "bcrypt_sha256$$2b$12$",
    "$wp$2$" + "u" * 53,
    "$P$4" + "u" * 30,
    "$P$B" + "u" * 29,
    "$H$B" + "u" * 29 + "!",
    "$5$salt$" + "u" * 42,
    "$6$rounds=999$salt$" + "u" * 86,
    "$6$" + "s" * 17 + "$" + "u" * 86,
    "pbkdf2_sha256$0$salt$" + "A" * 43 + "=",
    "pbkdf2_sha256$1000$salt$AAAA",
    "pbkdf2_sha256$1000$salt$A",
    "pbkdf2:sha256$salt$" + "0" * 64,
    "pbkdf2:md4:1000$salt$" + "0" * 64,
    "pbkdf2:sha256:1000$salt$" + "0" * 63,
    "$pbkdf2-sha3$1000$salt$" + "A" * 43,
    "$pbkdf2$1000$c2F$AAAAAAAAAAAAAAAAAAAAAAA!",
    "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggE=",
    "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4A=",
    "AQAAAAkAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw",
    "AQAAAAIAAAAAAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw",
    "AQAAAAIAAAAy/////+MwvhAAAA==",
    "scrypt$1000$salt$8$1$" + "A" * 86 + "==",
    "scrypt:1:8:1$salt$" + "0" * 128,
    "scrypt:32768:8$salt$" + "0" * 128,
    "$scrypt$ln=16,r=1,p=1$c2FsdA$" + "A" * 43,
    "$scrypt$ln=00,r=8,p=1$c2FsdA$" + "A" * 43,
    "$fbscrypt$v=2,n=14,r=8,p=1,ss=Bw==,sk=AAAA$AAAA$AAAA",
    "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=AAAA$AAAA$AAAAAAAA",
    "$argon2id$m=65536,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
    "$argon2id$v=16$m=65536,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
    "$argon2id$v=19$m=7,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
    "$argon2id$v=19$m=65536,t=1,p=1$c2FsdA$" + "A" * 43,
    "$argon2ds$v=19$m=65536,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
    "argon2$argon2id",
    "md5$salt$" + "0" * 31,
    "sha1$salt$" + "0" * 32,
    "md5$sa$lt$" + "0" * 32,
    "{SSHA}" + "A" * 26 + "==",
    "{SSHA}" + "A" * 27 + "=",
    "{SHA}" + "A" * 32,
    "{SSHA}!!!!",
    "{SSHA}puMkEqé3wI2BsfR7V7TsiltwJjrNOFyGu",
    "md5:" + "0" * 30,
    "md5:" + "g" * 32,
    "sha1:" + "0" * 32,
    "md5:" + "0" * 32 + ":salt",
    "md5(password.salt):" + "0" * 32,
    "md5(password):" + "0" * 32 + ":salt",
    "md5(hexsalt.password):" + "0" * 32 + ":0x",
    "md5(salt.hexsalt.password):" + "0" * 32 + ":00",
    "md5(salt):" + "0" * 32 + ":salt",
    "md5():" + "0" * 32,
    "md5(password:" + "0" * 32,
    "md5(password)):" + "0" * 32,
    "md5(password,salt):" + "0" * 32 + ":salt",
    "md5(crc32(password)):" + "0" * 32,
    "hmac-md5(password):" + "0" * 32,
    "hmac-crc32(password,salt):" + "0" * 8 + ":salt",
    "md5(" * 9 + "password" + ")" * 9 + ":" + "0" * 32,
    "$wrapped$md5:" + "0" * 32,
    "$wrapped$md5:" + "0" * 32 + "$$2b$04$" + "u" * 53,
    "$wrapped$md5:" + "0" * 32 + "$$bcrypt-sha256$v=2,t=2b,r=31$" + "u" * 22 + "$" + "u" * 31,
    "md5(password.salt):" + "0" * 32 + ":\x00",
    "md5(password.salt):" + "0" * 32 + ":\ud800",
    "md5(password.salt):" + "0" * 32 + ":" + "s" * 4096,
    "AAAA",
    "$1$saltsalts$" + "u" * 22,
    "$apr1$salt$" + "u" * 21,
    "$sha1$0$salt$" + "u" * 28,
    "$S$4" + "u" * 51,
    "U$S$D" + "u" * 50,
    "$H\\2y$9" + "u" * 8 + "$32\\" + "u" * 22 + "$" + "u" * 31,
    "$bcrypt-sha256$v=3,t=2b,r=12$" + "u" * 22 + "$" + "u" * 31,
    "{CRYPT}{CRYPT}$1$salt$" + "u" * 22,
    "{PBKDF2}$1$salt$0$" + "0" * 40,
    "{PBKDF2}" + "0" * 79,
    "{PBKDF2_SHA256}" + "A" * 432,
    "{PKCS5S2}" + "A" * 32,
    "{SCRYPT}$e0801$!$AAAA",
    "{SSHA384}AAAA",
    "{MD5}{salt}" + "0" * 31,
    "sha256$salt$" + "0" * 62,
    "s2:salt:" + "0" * 126,
    "authlogic-sha1:0:" + "0" * 40 + ":salt",
    "restful-authentication:10:" + "0" * 40 + ":salt",
    "sha1('--.password):" + "0" * 40,
    "sha1^0(password):" + "0" * 40,
    "sha1(password).'x':" + "0" * 40,
    "$argon2id$v=19$m=65536,t=1,t=1$c2FsdHNhbHQ$" + "A" * 43,
    "$argon2id$v=19$m=65536,t=1,p=1,keyid=AA$c2FsdHNhbHQ$" + "A" * 43,
    "$prepared$$2b$04$" + "u" * 53,
    "$prepared$prehash=crc32-hex$$2b$04$" + "u" * 53,
    "$prepared$prehash=hmac-sha256-hex$$2b$04$" + "u" * 53,
    "$prepared$encoding=utf-7$$2b$04$" + "u" * 53,
    "$prepared$pepper=!$$2b$04$" + "u" * 53,
    "$prepared$pepper=AAAA,pepper-at=middle$$2b$04$" + "u" * 53,
    "$prepared$encoding=utf-16-le,encoding=utf-16-le$$2b$04$" + "u" * 53,
    "$prepared$pepper=" + "A" * 700 + "$$2b$04$" + "u" * 53,
]


@pytest.mark.covers("F40", "121")
@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_hash_is_rejected_with_its_format_and_matches_no_password(text: str) -> None:
    with pytest.raises(MalformedLegacyHash) as error:
        parse(text)

    assert error.value.format in str(error.value)
    assert verify(text, "password") is Verdict.UNUSABLE


UNKNOWN: Final = [
    "",
    "password",
    "!",
    "*",
    "!unusable5Ad",
    "0" * 40,
    "5F4DCC3B5AA765D61D8327DEB882CF99",
    "0" * 32 + ":" + "0" * 128,
    "$y$j9T$T63hHFhIi2i.pXO.wr8f./$NIYPF4YrEXj.n223Dnk4qaSepl7mZ8",
    "$2$10$" + "u" * 53,
    "$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D",
    "*" + "0" * 39 + "$",
    "{CRYPT}x",
    "raw-sha1(password):" + "0" * 40,
    "{noop}password",
    "{PLAIN}password",
    "{nowhere}AAAA",
    "$prepared$prehash=sha256-hex$$prepared$prehash=sha256-hex$$2b$04$" + "u" * 53,
    "{",
    "0" * 33,
    "0" * 32 + ":salt",
    "$wrapped$",
    "$wrapped$$$bcrypt-sha256$v=2,t=2b,r=04$" + "u" * 22 + "$" + "u" * 31,
]


@pytest.mark.parametrize("text", UNKNOWN)
def test_a_hash_of_an_unknown_format_is_rejected_and_matches_no_password(text: str) -> None:
    with pytest.raises(LegacyHashError) as error:
        parse(text)

    assert isinstance(error.value, UnknownLegacyHash) or text == "$wrapped$"
    assert verify(text, "password") is Verdict.UNUSABLE
    assert verify(text, "") is Verdict.UNUSABLE


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("0" * 32, "write md5: before it"),
        ("A" * 40, "write sha1: before it"),
        ("0" * 64, "write sha256: before it"),
        ("0" * 128, "write sha512: before it"),
        ("0" * 32 + ":" + "0" * 128, "DIGEST=better-auth"),
        ("{noop}x", "clear text"),
        ("$y$j9T$x$y", "yescrypt"),
    ],
)
def test_the_error_for_a_common_mistake_contains_advice(text: str, advice: str) -> None:
    with pytest.raises(UnknownLegacyHash, match=advice):
        parse(text)


def test_the_error_for_a_salted_digest_shows_how_to_write_it() -> None:
    with pytest.raises(UnknownLegacyHash, match=r"write md5\(password\.salt\):"):
        parse("5f4dcc3b5aa765d61d8327deb882cf99:salt")


@pytest.mark.parametrize("text", ["md5(password.5f4dcc3b5aa765d6):" + "0" * 32, "{5f4dcc3b}", "sha1(5f4dcc3b5aa765d6"])
def test_an_error_contains_no_part_of_the_hash(text: str) -> None:
    with pytest.raises(LegacyHashError) as error:
        parse(text)

    assert "5f4dcc3b" not in str(error.value)


def test_a_hash_is_unusable_without_enough_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def scrypt(*_args: object, **_settings: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(hashlib, "scrypt", scrypt)

    assert verify("$scrypt$ln=17,r=8,p=1$c2FsdA$" + "A" * 43, "password") is Verdict.UNUSABLE


def test_a_hash_that_needs_cryptography_is_unusable_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.kdf.argon2", None)

    assert verify("$argon2id$v=19$m=512,t=2,p=1$c2FsdHNhbHQ$" + "A" * 43, "password") is Verdict.UNUSABLE
