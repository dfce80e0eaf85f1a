"""gerbang_import.hash_options: options that describe the hashes of a file."""

import argparse
from hashlib import pbkdf2_hmac, sha1, sha256
from pathlib import Path

import bcrypt
import pytest
from gerbang.passwords.legacy import Verdict, check, to_store
from gerbang.passwords.legacy.preparation import Preparation
from gerbang_import.hash_options import HashOptions, InvalidHashOptions, add_arguments

PASSWORD = "hunter2 Hunter2"
CHEAP = 4


def read(*arguments: str) -> HashOptions:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return HashOptions.read(parser.parse_args(arguments))


def pepper_file(folder: Path, content: bytes) -> str:
    path = folder / "pepper"
    path.write_bytes(content)
    return str(path)


def signs_in(notation: str, password: str = PASSWORD) -> bool:
    stored = to_store(notation, cost=CHEAP)
    assert check(stored, "x" + password).verdict is Verdict.WRONG
    return check(stored, password).verdict is Verdict.RIGHT


def test_without_options_a_hash_is_unchanged() -> None:
    assert read().notation("$2b$04$hash", "salt") == "$2b$04$hash"
    assert read().notation("0" * 32) == "0" * 32


def test_a_prehash_is_repeated_at_sign_in() -> None:
    stored = bcrypt.hashpw(sha256(PASSWORD.encode()).hexdigest().encode(), bcrypt.gensalt(4)).decode()

    assert signs_in(read("--prehash", "sha256-hex").notation(stored))


@pytest.mark.parametrize(("place", "hashed"), [("end", f"{PASSWORD}a secret"), ("start", f"a secret{PASSWORD}")])
def test_a_pepper_is_read_from_its_file_without_the_line_end(tmp_path: Path, place: str, hashed: str) -> None:
    options = read("--pepper-file", pepper_file(tmp_path, b"a secret\r\n"), "--pepper-at", place)
    stored = bcrypt.hashpw(hashed.encode(), bcrypt.gensalt(4)).decode()

    assert signs_in(options.notation(stored))
    assert "a secret" not in repr(options)


def test_a_salt_from_its_own_column_is_appended_to_the_digest() -> None:
    options = read("--digest", "sha1(hexsalt.password)", "--encoding", "utf-16-le")
    stored = sha1(b"\x00salt" + PASSWORD.encode("utf-16-le"), usedforsecurity=False).hexdigest()

    assert signs_in(options.notation(stored, b"\x00salt".hex()))
    assert signs_in(options.notation(f"{stored}:{b'\x00salt'.hex()}"))


def test_names_of_rails_plug_ins_select_their_formulas(tmp_path: Path) -> None:
    """The inputs are parts of known answers in the test vectors."""
    key = pepper_file(tmp_path, b"c2l0ZSBrZXk=")

    rails = read("--digest", "restful-authentication:7", "--pepper-file", key).notation("0" * 40, "s")
    authlogic = read("--digest", "authlogic-sha1").notation("0" * 40, "s")

    assert rails == f"restful-authentication:7:YzJsMFpTQnJaWGs9:{'0' * 40}:s"
    assert authlogic == f"authlogic-sha1:10:{'0' * 40}:s"


def test_better_auth_hashes_need_the_option() -> None:
    bare = f"{'0' * 32}:{'0' * 128}"

    assert read("--digest", "better-auth").notation(bare) == f"s2:{bare}"


def test_a_formula_does_not_change_hashes_that_name_their_format() -> None:
    stored = f"pbkdf2_sha256$1000$salt${'A' * 43}="

    assert read("--digest", "md5").notation(stored) == stored


def test_a_preparation_is_parsed_from_its_text() -> None:
    preparation = Preparation(encoding="utf-16-le", prehash="sha512-base64", pepper=b"\xff\xfe?", pepper_at="start")
    key = pbkdf2_hmac("sha256", preparation.prepare(PASSWORD), b"salt", 1000)
    stored = f"{preparation}pbkdf2:sha256:1000$salt${key.hex()}"

    assert Preparation.read(stored)[0] == preparation
    assert signs_in(stored)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--digest", "md5(pasword)"], "DIGEST=md5"),
        (["--digest", "crc32"], "DIGEST=crc32"),
        (["--digest", "md5(salt)"], "DIGEST=md5"),
        (["--prehash", "hmac-sha256-hex"], "needs a pepper"),
        (["--digest", "restful-authentication"], "site key"),
        (["--pepper-file", "/nowhere/pepper"], "No such file"),
    ],
)
def test_invalid_options_are_errors(arguments: list[str], reason: str) -> None:
    with pytest.raises(InvalidHashOptions, match=reason):
        read(*arguments)


@pytest.mark.parametrize("content", [b"", b"\n", b"p" * 513])
def test_an_invalid_pepper_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidHashOptions):
        read("--pepper-file", pepper_file(tmp_path, content))
