"""Inherited hashes: known answers of the systems that write them, and what is refused."""

import hashlib
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Final

import pytest
from gerbang.passwords import bcrypt_sha256
from gerbang.passwords import legacy as legacy_passwords
from gerbang.passwords.legacy import (
    Checked,
    HostileLegacyHash,
    LegacyHash,
    LegacyHashError,
    MalformedLegacyHash,
    UnknownLegacyHash,
    Verdict,
    WrappedHash,
    check,
    parse,
    to_store,
    wrap,
)
from gerbang.passwords.legacy.crypt_formats import as_phpbb_was_sent, as_wordpress_was_sent
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.legacy_hashes import KNOWN, ONE_OF_EACH, KnownAnswer

CHEAP: Final = bcrypt_sha256.CHEAPEST_COST

each_known = pytest.mark.parametrize(
    "known", [pytest.param(known, id=f"line {line}, {known.format}") for line, known in enumerate(KNOWN, start=1)]
)
each_format = pytest.mark.parametrize("known", ONE_OF_EACH, ids=lambda known: known.format)


def verify(stored: str, password: str) -> Verdict:
    return check(stored, password).verdict


def bare(text: str) -> LegacyHash:
    parsed = parse(text)
    assert isinstance(parsed, LegacyHash)
    return parsed


# Known answers (security.md 116)


@pytest.mark.covers("116")
@each_known
def test_the_right_password_is_right_and_any_other_is_wrong(known: KnownAnswer) -> None:
    assert parse(known.hash).format == known.format
    assert verify(known.hash, known.password) is Verdict.RIGHT
    assert verify(known.hash, "x" + known.password) is Verdict.WRONG


@pytest.mark.parametrize(
    ("made", "is_made_of"),
    [
        ("$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", {b"\xa3", b"\xff\xff\xa3"}),
        ("$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", {b"\xff\xff\xa3"}),
        ("$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq", {b"\xa3"}),
    ],
)
def test_the_sign_extension_fault_of_old_crypt_blowfish_is_kept_for_2x_alone(made: str, is_made_of: set[bytes]) -> None:
    """Known answers of libxcrypt 4.4.33: two passwords that the fault made one."""
    assert {password for password in (b"\xa3", b"\xff\xff\xa3") if parse(made).matches(password)} == is_made_of


def test_every_prefix_of_bcrypt_is_the_same_algorithm_for_ascii() -> None:
    tail = next(known.hash for known in KNOWN if known.hash.startswith("$2b$") and known.password.startswith("hunter"))

    verdicts = {verify(f"$2{letter}${tail[4:]}", "hunter2 Hunter2") for letter in "abxy"}

    assert verdicts == {Verdict.RIGHT}


@pytest.mark.covers("120")
def test_bcrypt_is_compared_over_the_72_bytes_that_the_old_system_read() -> None:
    """Bcrypt 5 raises for more, and a sign-in must not."""
    known = next(known for known in KNOWN if known.format == "bcrypt" and len(known.password) == 80)

    assert verify(known.hash, known.password) is Verdict.RIGHT
    assert verify(known.hash, known.password[:72]) is Verdict.RIGHT
    assert verify(known.hash, known.password[:71]) is Verdict.WRONG


def test_bits_of_a_bcrypt_salt_that_mean_nothing_do_not_matter() -> None:
    made = "$2b$04$abcdefghijklmnopqrstuu" + "x" * 31
    odd = made.replace("tuux", "tuvx")

    assert bare(odd).compute(b"password") == bare(made).compute(b"password")


@pytest.mark.covers("123")
def test_a_magic_hash_is_not_equal_to_another() -> None:
    """PHP's == took both digests for the number 0."""
    magic = "md5:0e462097431906509019562988736854"

    assert verify(magic, "240610708") is Verdict.RIGHT
    assert verify(magic, "QNKCDZO") is Verdict.WRONG


def test_what_wordpress_did_to_passwords_sent_by_forms_is_tried_first() -> None:
    assert as_wordpress_was_sent(" it's \t") == (r"it\'s", "it's")
    assert parse("$P$" + "9" + "." * 30).spellings("plain") == ("plain",)


def test_what_phpbb_did_to_passwords_sent_by_forms_is_tried_first() -> None:
    assert as_phpbb_was_sent(' a<b&"c" ') == (" a&lt;b&amp;&quot;c&quot; ", "a&lt;b&amp;&quot;c&quot;", ' a<b&"c" ')
    assert parse("$H$" + "9" + "." * 30).spellings("it's") == ("it's",)


# --- from text to bytes


@pytest.mark.covers("C13")
def test_a_password_is_tried_as_received_and_then_in_nfc() -> None:
    """Old systems hashed what they were sent."""
    composed, decomposed = "p\u00e4ssw\u00f6rd", "pa\u0308sswo\u0308rd"
    of_composed, of_decomposed = (
        f"sha256:{bare('sha256:' + '0' * 64).compute(text.encode()).hex()}" for text in (composed, decomposed)
    )

    assert verify(of_composed, decomposed) is Verdict.RIGHT
    assert verify(of_decomposed, decomposed) is Verdict.RIGHT
    assert verify(of_decomposed, composed) is Verdict.WRONG


@pytest.mark.covers("122")
@each_format
def test_a_password_with_a_nul_is_never_right(known: KnownAnswer) -> None:
    """PBKDF2, scrypt and bcrypt take P and P NUL for one password."""
    assert verify(known.hash, known.password + "\0") is Verdict.WRONG
    assert verify(known.hash, f"\0{known.password}") is Verdict.WRONG


@pytest.mark.parametrize("password", ["\ud800", "pass\udfffword", "x" * 1025, "\U0001f511" * 257])
def test_a_password_that_no_system_can_have_hashed_is_wrong(password: str) -> None:
    assert verify("md5:" + "0" * 32, password) is Verdict.WRONG


# --- refusals


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
        "$argon2id$v=19$m=524288,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,  # these two are quick, and need the memory
        "$scrypt$ln=17,r=17,p=1$c2FsdA$" + "A" * 43,
    ],
)
def test_a_hash_that_is_a_bomb_is_refused_and_never_computed(text: str) -> None:
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
def test_the_strongest_settings_in_use_are_accepted(text: str) -> None:
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
def test_a_damaged_hash_is_refused_with_its_format_named_and_nobody_gets_in(text: str) -> None:
    with pytest.raises(MalformedLegacyHash) as refused:
        parse(text)

    assert refused.value.format in str(refused.value)
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
def test_a_hash_of_no_known_format_is_refused_and_nobody_gets_in(text: str) -> None:
    with pytest.raises(LegacyHashError) as refused:
        parse(text)

    assert isinstance(refused.value, UnknownLegacyHash) or text == "$wrapped$"
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
def test_what_is_refused_comes_with_advice(text: str, advice: str) -> None:
    with pytest.raises(UnknownLegacyHash, match=advice):
        parse(text)


@pytest.mark.parametrize("encoding", ["utf-16-le", "iso-8859-1"])
def test_a_password_that_the_old_encoding_cannot_hold_is_wrong(encoding: str) -> None:
    assert verify(f"$prepared$encoding={encoding}$md5:" + "0" * 32, "\U0001f511") is Verdict.WRONG


def test_a_hash_of_two_systems_in_one_notation_is_right_for_either_also_wrapped() -> None:
    made = {known.made_by.partition(" ")[0] for known in KNOWN if known.format == "salted-sha1"}

    assert {"Django", "Werkzeug"} <= made


def test_a_long_derived_key_takes_no_longer_than_its_first_block() -> None:
    long = "pbkdf2:sha256:25000$salt$" + "00" * 512

    assert parse(long).rounds == parse("pbkdf2:sha256:25000$salt$" + "00" * 32).rounds


def test_todays_hash_of_another_deployment_is_kept_whatever_it_costs_there() -> None:
    made = bcrypt_sha256.hash_text("a password", bcrypt_sha256.LOWEST_COST)

    assert to_store(made, cost=CHEAP) == made
    assert not parse("$bcrypt-sha256$v=2,t=2b,r=15$" + "u" * 22 + "$" + "u" * 31).is_weak


def test_all_spellings_of_a_costly_hash_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bytes] = []
    monkeypatch.setattr(LegacyHash, "matches", lambda _self, password: tried.append(password))

    checked = check("$wp$2y$14$" + "u" * 53, "'\ufb01ve \u0061\u0308' ")

    assert checked.rounds == 4 * 2**14
    assert len(tried) == 4


def test_a_salted_digest_without_its_order_is_refused_with_the_way_to_write_it() -> None:
    with pytest.raises(UnknownLegacyHash, match=r"write md5\(password\.salt\):"):
        parse("5f4dcc3b5aa765d61d8327deb882cf99:salt")


@pytest.mark.parametrize("text", ["md5(password.5f4dcc3b5aa765d6):" + "0" * 32, "{5f4dcc3b}", "sha1(5f4dcc3b5aa765d6"])
def test_a_refusal_repeats_nothing_of_the_hash(text: str) -> None:
    with pytest.raises(LegacyHashError) as refused:
        parse(text)

    assert "5f4dcc3b" not in str(refused.value)


@each_format
def test_a_parsed_hash_shows_none_of_its_secrets(known: KnownAnswer) -> None:
    legacy = bare(known.hash)

    shown = repr(legacy)

    assert known.hash not in shown
    assert legacy.digest.hex() not in shown
    assert repr(legacy.digest) not in shown


def test_a_machine_without_the_memory_calls_a_hash_unusable(monkeypatch: pytest.MonkeyPatch) -> None:
    def scrypt(*_args: object, **_settings: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(hashlib, "scrypt", scrypt)

    assert verify("$scrypt$ln=17,r=8,p=1$c2FsdA$" + "A" * 43, "password") is Verdict.UNUSABLE


def test_a_machine_without_cryptography_calls_a_hash_that_needs_it_unusable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.kdf.argon2", None)

    assert verify("$argon2id$v=19$m=512,t=2,p=1$c2FsdHNhbHQ$" + "A" * 43, "password") is Verdict.UNUSABLE


# --- weak hashes are wrapped (security.md 117, C14)


@pytest.mark.parametrize(
    ("text", "is_weak"),
    [
        ("md5:" + "0" * 32, True),
        ("sha512(salt.password):" + "0" * 128 + ":salt", True),
        ("{SSHA}" + "A" * 32, True),
        ("sha1$salt$" + "0" * 40, True),
        ("$P$B" + "u" * 30, True),
        ("$H$I" + "u" * 30, True),
        ("$5$salt$" + "u" * 43, True),
        ("$6$rounds=100000$salt$" + "u" * 86, False),
        ("pbkdf2:sha1:1000$salt$" + "0" * 40, True),
        ("pbkdf2_sha256$260000$salt$" + "A" * 43 + "=", False),
        ("AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg==", True),
        ("$2b$06$" + "u" * 53, True),
        ("$2y$10$" + "u" * 53, False),
        ("scrypt:32768:8:1$salt$" + "0" * 128, False),
        ("$argon2i$v=19$m=512,t=2,p=2$c2FsdHNhbHQ$" + "A" * 43, True),
        ("$argon2id$v=19$m=65536,t=4,p=1$c2FsdHNhbHQ$" + "A" * 43, False),
    ],
)
def test_fast_hashes_and_all_that_is_made_of_md5_count_as_weak(text: str, *, is_weak: bool) -> None:
    assert parse(text).is_weak is is_weak


@pytest.mark.covers("C14", "117")
@each_format
def test_a_wrapped_hash_takes_the_same_password_and_holds_no_fast_digest(known: KnownAnswer) -> None:
    legacy = bare(known.hash)

    wrapped = wrap(legacy, cost=CHEAP)

    assert verify(wrapped, known.password) is Verdict.RIGHT
    assert verify(wrapped, "x" + known.password) is Verdict.WRONG
    assert verify(wrapped, "") is Verdict.WRONG
    assert set(bare(legacy.blank).digest) <= {0, ord(".")}
    assert bare(legacy.blank).format == legacy.format
    assert legacy.digest.hex() not in wrapped.lower()
    assert known.hash not in wrapped


def test_a_wrapped_hash_says_what_it_wraps_and_is_not_weak() -> None:
    wrapped = parse(wrap(bare("md5(password.salt):" + "0" * 32 + ":a$$b:c$"), cost=bcrypt_sha256.RECOMMENDED_COST))

    assert isinstance(wrapped, WrappedHash)
    assert wrapped.format == "wrapped digest md5(password.salt)"
    assert not wrapped.is_weak
    assert wrapped.inner.blank == "md5(password.salt):" + "0" * 32 + ":a$$b:c$"


# --- the same time for everybody (security.md 30)


def test_checking_says_how_much_work_it_was() -> None:
    weak = wrap(bare("md5:" + "0" * 32), cost=CHEAP)

    assert check("$2b$04$" + "u" * 53, "password") == Checked(Verdict.WRONG, rounds=16)
    assert check("$2b$04$" + "u" * 53, "pa\u0308ssword") == Checked(Verdict.WRONG, rounds=32)
    assert check(weak, "password") == Checked(Verdict.WRONG, rounds=17)
    assert check(weak, "pass\0word") == Checked(Verdict.WRONG, rounds=0)


@pytest.mark.parametrize(
    ("rounds", "left"),
    [
        (0, (12,)),
        (1, (12,)),
        (128, (12,)),
        (129, (11, 10, 9, 8)),
        (1024, (11, 10)),
        (1041, (11, 10)),
        (2048, (11,)),
        (3968, (8,)),
        (3969, ()),
        (4096, ()),
        (9000, ()),
    ],
)
def test_the_work_still_missing_is_brought_up_to_the_nearest_sixteenth(rounds: int, left: tuple[int, ...]) -> None:
    checked = Checked(Verdict.WRONG, rounds)

    assert checked.costs_left(12) == left
    assert 31 / 32 <= (rounds + sum(1 << cost for cost in left)) / 4096 <= 33 / 32 or rounds > 4096


def test_no_hash_is_cheaper_than_bcrypt_makes_them() -> None:
    assert Checked(Verdict.WRONG, 1).costs_left(4) == (4,)
    assert Checked(Verdict.WRONG, 9).costs_left(4) == ()
    assert Checked(Verdict.WRONG, 16).costs_left(6) == (5, 4)


# --- junk


@given(text=st.text(max_size=200), password=st.text(max_size=20))
@example(text="$argon2", password="")
@example(text="\N{ARABIC-INDIC DIGIT ONE}" * 32, password="")
def test_any_text_is_refused_by_type_and_lets_nobody_in(text: str, password: str) -> None:
    try:
        parse(text)
    except LegacyHashError:
        assert verify(text, password) is Verdict.UNUSABLE
    else:
        assert verify(text, password) is Verdict.WRONG


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data(), known=st.sampled_from(ONE_OF_EACH), junk=st.text(alphabet="$:,.=0919aA/+(){}\0é", max_size=4))
def test_a_known_hash_with_a_stretch_replaced_is_refused_or_compared_but_never_an_error(
    data: st.DataObject, known: KnownAnswer, junk: str
) -> None:
    start = data.draw(st.integers(0, len(known.hash)))
    end = data.draw(st.integers(start, min(len(known.hash), start + 4)))
    text = known.hash[:start] + junk + known.hash[end:]

    try:
        parsed = parse(text)
    except LegacyHashError:
        assert verify(text, "password") is Verdict.UNUSABLE
    else:
        assert parsed.rounds <= 2**14
        if parsed.rounds < 2**10:  # what takes longer was computed above
            assert verify(text, "another password") is Verdict.WRONG


def test_the_vectors_say_where_they_are_from() -> None:
    assert all(all(asdict(known).values()) for known in KNOWN)
    assert {known.format.partition(" ")[0] for known in KNOWN} >= {
        "bcrypt", "wordpress-bcrypt", "phpass", "django-bcrypt", "django-bcrypt-sha256", "django-pbkdf2-sha1",
        "django-pbkdf2-sha256", "django-argon2", "django-scrypt", "salted-md5", "salted-sha1", "argon2", "scrypt",
        "werkzeug-scrypt", "werkzeug-pbkdf2", "passlib-pbkdf2", "aspnet-identity-2", "aspnet-identity-3",
        "sha256-crypt", "sha512-crypt", "digest", "ldap-ssha", "ldap-ssha256", "ldap-ssha512", "firebase-scrypt",
        "md5-crypt", "apr-md5-crypt", "des-crypt", "sha1-crypt", "drupal", "phpbb-bcrypt", "bcrypt-sha256", "lucia",
        "mysql", "werkzeug-sha256", "dovecot-pbkdf2", "ldap-pbkdf2", "atlassian-pbkdf2", "spring-pbkdf2",
        "spring-scrypt", "spring-sha256", "authlogic-sha1", "restful-authentication",
    }  # fmt: skip
    assert not hasattr(legacy_passwords, "hash")


def test_reading_hashes_imports_neither_libpass_nor_cryptography() -> None:
    """They are imported when a hash is compared that needs them: a start pays for none."""
    program = (
        "import sys\n"
        "from gerbang.passwords.legacy import check, parse\n"
        "parse('$6$salt$' + 'u' * 86), parse('$argon2id$v=19$m=512,t=2,p=1$c2FsdHNhbHQ$' + 'A' * 43)\n"
        "assert not {'passlib', 'cryptography'} & {*sys.modules}\n"
        "check('$1$salt$' + 'u' * 22, 'password')\n"
        "assert 'passlib' in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
