"""gerbang.passwords.legacy: passwords are checked against hashes of other systems."""

import subprocess
import sys
from dataclasses import asdict
from typing import Final

import pytest
from gerbang.passwords import bcrypt_sha256
from gerbang.passwords import legacy as legacy_passwords
from gerbang.passwords.legacy import (
    Checked,
    LegacyHash,
    LegacyHashError,
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

from tests.unit.migration.legacy_hashes import KNOWN, ONE_OF_EACH, KnownAnswer

CHEAP: Final = bcrypt_sha256.CHEAPEST_COST

for_each_known_answer = pytest.mark.parametrize(
    "known", [pytest.param(known, id=f"line {line}, {known.format}") for line, known in enumerate(KNOWN, start=1)]
)
for_each_format = pytest.mark.parametrize("known", ONE_OF_EACH, ids=lambda known: known.format)


def verify(stored: str, password: str) -> Verdict:
    return check(stored, password).verdict


def parse_unwrapped(text: str) -> LegacyHash:
    parsed = parse(text)
    assert isinstance(parsed, LegacyHash)
    return parsed


# Known answers (security.md 116)


@pytest.mark.covers("116")
@for_each_known_answer
def test_only_the_right_password_matches_a_known_hash(known: KnownAnswer) -> None:
    assert parse(known.hash).format == known.format
    assert verify(known.hash, known.password) is Verdict.RIGHT
    assert verify(known.hash, "x" + known.password) is Verdict.WRONG


@pytest.mark.parametrize(
    ("stored_hash", "passwords"),
    [
        ("$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", {b"\xa3", b"\xff\xff\xa3"}),
        ("$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", {b"\xff\xff\xa3"}),
        ("$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq", {b"\xa3"}),
    ],
)
def test_only_the_prefix_2x_has_the_sign_extension_bug_of_old_crypt_blowfish(
    stored_hash: str, passwords: set[bytes]
) -> None:
    """Known answers of libxcrypt 4.4.33. The bug gives both passwords the same hash."""
    assert {password for password in (b"\xa3", b"\xff\xff\xa3") if parse(stored_hash).matches(password)} == passwords


def test_all_prefixes_of_bcrypt_give_the_same_hash_for_ascii() -> None:
    rest = next(known.hash for known in KNOWN if known.hash.startswith("$2b$") and known.password.startswith("hunter"))

    verdicts = {verify(f"$2{letter}${rest[4:]}", "hunter2 Hunter2") for letter in "abxy"}

    assert verdicts == {Verdict.RIGHT}


@pytest.mark.covers("120")
def test_bcrypt_compares_only_the_first_72_bytes() -> None:
    """The package bcrypt 5 raises an error for longer passwords, which a sign-in must not do."""
    known = next(known for known in KNOWN if known.format == "bcrypt" and len(known.password) == 80)

    assert verify(known.hash, known.password) is Verdict.RIGHT
    assert verify(known.hash, known.password[:72]) is Verdict.RIGHT
    assert verify(known.hash, known.password[:71]) is Verdict.WRONG


def test_unused_bits_of_a_bcrypt_salt_are_ignored() -> None:
    stored_hash = "$2b$04$abcdefghijklmnopqrstuu" + "x" * 31
    changed = stored_hash.replace("tuux", "tuvx")

    assert parse_unwrapped(changed).compute(b"password") == parse_unwrapped(stored_hash).compute(b"password")


@pytest.mark.covers("123")
def test_a_magic_hash_of_php_does_not_match_another_one() -> None:
    """The operator == of PHP read both digests as the number 0."""
    magic_hash = "md5:0e462097431906509019562988736854"

    assert verify(magic_hash, "240610708") is Verdict.RIGHT
    assert verify(magic_hash, "QNKCDZO") is Verdict.WRONG


def test_the_escaping_of_wordpress_forms_is_tried_first() -> None:
    assert as_wordpress_was_sent(" it's \t") == (r"it\'s", "it's")
    assert parse("$P$" + "9" + "." * 30).spellings("plain") == ("plain",)


def test_the_escaping_of_phpbb_forms_is_tried_first() -> None:
    assert as_phpbb_was_sent(' a<b&"c" ') == (" a&lt;b&amp;&quot;c&quot; ", "a&lt;b&amp;&quot;c&quot;", ' a<b&"c" ')
    assert parse("$H$" + "9" + "." * 30).spellings("it's") == ("it's",)


# Spellings and encodings of passwords


@pytest.mark.covers("C13")
def test_a_password_is_tried_as_received_and_then_in_nfc() -> None:
    """Old systems hashed passwords as they were sent."""
    composed, decomposed = "p\u00e4ssw\u00f6rd", "pa\u0308sswo\u0308rd"
    of_composed, of_decomposed = (
        f"sha256:{parse_unwrapped('sha256:' + '0' * 64).compute(text.encode()).hex()}"
        for text in (composed, decomposed)
    )

    assert verify(of_composed, decomposed) is Verdict.RIGHT
    assert verify(of_decomposed, decomposed) is Verdict.RIGHT
    assert verify(of_decomposed, composed) is Verdict.WRONG


@pytest.mark.covers("122")
@for_each_format
def test_a_password_with_a_nul_never_matches(known: KnownAnswer) -> None:
    """For PBKDF2, scrypt and bcrypt, a password with and without a final NUL can be the same."""
    assert verify(known.hash, known.password + "\0") is Verdict.WRONG
    assert verify(known.hash, f"\0{known.password}") is Verdict.WRONG


@pytest.mark.parametrize("password", ["\ud800", "pass\udfffword", "x" * 1025, "\U0001f511" * 257])
def test_a_password_that_no_system_accepts_never_matches(password: str) -> None:
    assert verify("md5:" + "0" * 32, password) is Verdict.WRONG


# Other properties


@pytest.mark.parametrize("encoding", ["utf-16-le", "iso-8859-1"])
def test_a_password_that_the_old_encoding_cannot_represent_never_matches(encoding: str) -> None:
    assert verify(f"$prepared$encoding={encoding}$md5:" + "0" * 32, "\U0001f511") is Verdict.WRONG


def test_the_known_salted_sha1_hashes_are_from_both_systems_with_this_format() -> None:
    stored_hash = {known.made_by.partition(" ")[0] for known in KNOWN if known.format == "salted-sha1"}

    assert {"Django", "Werkzeug"} <= stored_hash


def test_a_long_derived_key_costs_as_much_as_its_first_block() -> None:
    long_key = "pbkdf2:sha256:25000$salt$" + "00" * 512

    assert parse(long_key).rounds == parse("pbkdf2:sha256:25000$salt$" + "00" * 32).rounds


def test_a_current_hash_of_another_deployment_is_kept_with_any_cost() -> None:
    stored_hash = bcrypt_sha256.hash_text("a password", bcrypt_sha256.LOWEST_COST)

    assert to_store(stored_hash, cost=CHEAP) == stored_hash
    assert not parse("$bcrypt-sha256$v=2,t=2b,r=15$" + "u" * 22 + "$" + "u" * 31).is_weak


def test_the_cost_of_all_spellings_together_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords_tried: list[bytes] = []
    monkeypatch.setattr(LegacyHash, "matches", lambda _self, password: passwords_tried.append(password))

    checked = check("$wp$2y$14$" + "u" * 53, "'\ufb01ve \u0061\u0308' ")

    assert checked.rounds == 4 * 2**14
    assert len(passwords_tried) == 4


@for_each_format
def test_the_repr_of_a_parsed_hash_contains_no_secrets(known: KnownAnswer) -> None:
    legacy = parse_unwrapped(known.hash)

    text = repr(legacy)

    assert known.hash not in text
    assert legacy.digest.hex() not in text
    assert repr(legacy.digest) not in text


# Weak hashes are wrapped (security.md 117, C14)


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
def test_fast_hashes_and_hashes_based_on_md5_are_weak(text: str, *, is_weak: bool) -> None:
    assert parse(text).is_weak is is_weak


@pytest.mark.covers("C14", "117")
@for_each_format
def test_a_wrapped_hash_matches_the_same_password_and_contains_no_fast_digest(known: KnownAnswer) -> None:
    legacy = parse_unwrapped(known.hash)

    wrapped = wrap(legacy, cost=CHEAP)

    assert verify(wrapped, known.password) is Verdict.RIGHT
    assert verify(wrapped, "x" + known.password) is Verdict.WRONG
    assert verify(wrapped, "") is Verdict.WRONG
    assert set(parse_unwrapped(legacy.blank).digest) <= {0, ord(".")}
    assert parse_unwrapped(legacy.blank).format == legacy.format
    assert legacy.digest.hex() not in wrapped.lower()
    assert known.hash not in wrapped


def test_a_wrapped_hash_names_the_inner_format_and_is_not_weak() -> None:
    wrapped = parse(
        wrap(parse_unwrapped("md5(password.salt):" + "0" * 32 + ":a$$b:c$"), cost=bcrypt_sha256.RECOMMENDED_COST)
    )

    assert isinstance(wrapped, WrappedHash)
    assert wrapped.format == "wrapped digest md5(password.salt)"
    assert not wrapped.is_weak
    assert wrapped.inner.blank == "md5(password.salt):" + "0" * 32 + ":a$$b:c$"


# The same cost for every account (security.md 30)


def test_checking_reports_its_cost_in_rounds() -> None:
    weak = wrap(parse_unwrapped("md5:" + "0" * 32), cost=CHEAP)

    assert check("$2b$04$" + "u" * 53, "password") == Checked(Verdict.WRONG, rounds=16)
    assert check("$2b$04$" + "u" * 53, "pa\u0308ssword") == Checked(Verdict.WRONG, rounds=32)
    assert check(weak, "password") == Checked(Verdict.WRONG, rounds=17)
    assert check(weak, "pass\0word") == Checked(Verdict.WRONG, rounds=0)


@pytest.mark.parametrize(
    ("rounds", "remaining"),
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
def test_the_remaining_costs_complete_the_work_of_a_full_check(rounds: int, remaining: tuple[int, ...]) -> None:
    checked = Checked(Verdict.WRONG, rounds)

    assert checked.costs_left(12) == remaining
    assert 31 / 32 <= (rounds + sum(1 << cost for cost in remaining)) / 4096 <= 33 / 32 or rounds > 4096


def test_remaining_costs_are_valid_for_bcrypt() -> None:
    assert Checked(Verdict.WRONG, 1).costs_left(4) == (4,)
    assert Checked(Verdict.WRONG, 9).costs_left(4) == ()
    assert Checked(Verdict.WRONG, 16).costs_left(6) == (5, 4)


# Arbitrary texts


@given(text=st.text(max_size=200), password=st.text(max_size=20))
@example(text="$argon2", password="")
@example(text="\N{ARABIC-INDIC DIGIT ONE}" * 32, password="")
def test_any_text_is_rejected_with_a_typed_error_or_does_not_match(text: str, password: str) -> None:
    try:
        parse(text)
    except LegacyHashError:
        assert verify(text, password) is Verdict.UNUSABLE
    else:
        assert verify(text, password) is Verdict.WRONG


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data(), known=st.sampled_from(ONE_OF_EACH), junk=st.text(alphabet="$:,.=0919aA/+(){}\0é", max_size=4))
def test_a_damaged_known_hash_never_raises_an_unexpected_error(
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
        if parsed.rounds < 2**10:  # a check with more rounds would take too long
            assert verify(text, "another password") is Verdict.WRONG


def test_the_known_answers_have_an_origin_and_cover_every_format() -> None:
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


def test_parsing_hashes_imports_neither_libpass_nor_cryptography() -> None:
    """They are imported when a hash needs them, so that a start does not pay for them."""
    program = (
        "import sys\n"
        "from gerbang.passwords.legacy import check, parse\n"
        "parse('$6$salt$' + 'u' * 86), parse('$argon2id$v=19$m=512,t=2,p=1$c2FsdHNhbHQ$' + 'A' * 43)\n"
        "assert not {'passlib', 'cryptography'} & {*sys.modules}\n"
        "check('$1$salt$' + 'u' * 22, 'password')\n"
        "assert 'passlib' in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
