"""Reading files: CSV, JSON, LDIF, `/etc/shadow`, and invalid files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from gerbang_import.csv_files import MOST_FIELD_CHARACTERS
from gerbang_import.importing import Count
from gerbang_import.reading import records
from gerbang_import.records import MOST_LINE_BYTES, NOT_UTF_8, Record, Rejection, Unreadable
from gerbang_import.systems import GENERIC, SYSTEMS
from gerbang_import.systems.system import System

from tests.tools.imports import STRONG, Import, in_memory, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator

HASH: Final = "$argon2id$v=19$m=8,t=1,p=1$x"


def read(text: str | bytes, system: System = GENERIC) -> list[Record | Rejection]:
    found, _ = records(lines_of(text), system)
    return list(found)


def fields_of(text: str | bytes, system: System = GENERIC) -> list[dict[str, object]]:
    """Return the fields of every record. A rejection fails the test."""
    found = read(text, system)
    assert [one for one in found if isinstance(one, Rejection)] == []
    return [dict(one.fields) for one in found if isinstance(one, Record)]


def where(found: list[Record | Rejection]) -> list[tuple[int, str]]:
    """Return line and reason of every record. The reason is "" if the record is not rejected."""
    return [(one.line, one.reason if isinstance(one, Rejection) else "") for one in found]


@pytest.fixture
def run(tmp_path: Path) -> Import:
    return in_memory(tmp_path)


# --- CSV


@pytest.mark.parametrize(
    "text",
    [
        f"email,password_hash\na@example.com,{STRONG}\n",
        f"EMAIL;Password_Hash\r\na@example.com;{STRONG}\r\n",
        f"Email\tPassword Hash\na@example.com\t{STRONG}",
        f"email|passwordHash\na@example.com|{STRONG}\n",
        f"sep=;\nemail;password_hash\na@example.com;{STRONG}\n",
        f'"sep=,"\nemail,password_hash\na@example.com,{STRONG}\n',
        f"email,password_hash,,,\na@example.com,{STRONG},,,\n",
        f"email,password_hash\na@example.com,{STRONG},,,,\n",
        f'\ufeff"email","password_hash"\n"a@example.com","{STRONG}"',
        f"\n\nemail,password_hash\n\na@example.com,{STRONG}\n\n",
        f"email,password_hash\n-----,-------------\na@example.com,{STRONG}\n",
    ],
    ids=[
        *("commas", "semicolons", "tabs", "bars", "separator line", "quoted separator line"),
        *("empty columns", "empty fields at the end", "byte order mark", "empty lines", "a rule below the names"),
    ],
)
def test_a_csv_file_of_any_dialect_is_read(run: Import, text: str) -> None:
    outcome = run(text)

    assert (outcome.count.imported, outcome.rejections) == (1, [])
    assert run.find("a@example.com").password_hash == STRONG


def test_null_in_every_spelling_is_a_missing_value(run: Import) -> None:
    outcome = run(f"email,password_hash,name,locale\na@example.com,{STRONG},NULL,\\N\nb@example.com,NULL,null,\n")

    assert (outcome.count.imported, outcome.dropped) == (2, [])
    assert run.find("a@example.com").name == "a"
    assert run.find("b@example.com").password_hash is None


def test_quoted_fields_may_contain_separators_and_line_ends() -> None:
    found = read(f'email,password_hash,bio\na@example.com,"{HASH}","one\ntwo"\nb@example.com,hash,\n')

    assert where(found) == [(2, ""), (4, "")]
    assert isinstance(found[0], Record)
    assert found[0].fields == {"email": "a@example.com", "password_hash": HASH, "bio": "one\ntwo"}


def test_escapes_of_postgresql_and_mysql_are_decoded_in_files_with_tabs() -> None:
    [fields] = fields_of('email\tuser_metadata\na@example.com\t{"a": "b\\\\nc\\td"}\n')

    assert fields["user_metadata"] == '{"a": "b\\nc\td"}'


def test_a_field_of_a_megabyte_is_read() -> None:
    [fields] = fields_of(f"email,bio\na@example.com,{'x' * (MOST_FIELD_CHARACTERS - 1)}\n")

    assert len(str(fields["bio"])) == MOST_FIELD_CHARACTERS - 1


def test_an_unclosed_quote_rejects_only_its_own_row() -> None:
    rows = "".join(f"user{number}@example.com,{HASH.replace(',', '')}\n" for number in range(1000))

    found = read(f'email,password_hash\na@example.com,"{HASH}\n{rows}')

    assert [one.line for one in found if isinstance(one, Rejection)] == [2]
    assert len(found) == 1001


@pytest.mark.parametrize(
    "header",
    ["email,hash\n", "email,password\n", "email,encrypted_password,name\n", "mail,PWD,email\n"],
)
def test_an_unknown_column_that_may_contain_hashes_is_an_error(header: str) -> None:
    with pytest.raises(Unreadable, match=r"is not read\. If it has the hashes, name it password_hash"):
        read(header)


def test_a_file_without_hashes_is_read(run: Import) -> None:
    assert run("email\na@example.com\n").count.formats == {"no password": 1}


# --- JSON

USERS: Final = [{"email": "a@example.com", "n": {"x": [1, 2.5, None, True]}}, {"email": "b@example.com"}]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(user) for user in USERS),
        json.dumps(USERS),
        json.dumps(USERS, indent=4),
        json.dumps({"realm": "x", "users": USERS, "more": [{"email": "no"}]}),
        json.dumps({"realm": {"users": 1}, "users": USERS}, indent=2),
        "\n".join(json.dumps(user, indent=2) for user in USERS),
        "\ufeff" + json.dumps(USERS),
        "\n \n" + json.dumps(USERS) + "\n",
    ],
    ids=["lines", "array", "pretty array", "object", "pretty object", "pretty objects", "byte order mark", "blanks"],
)
def test_json_in_every_layout_is_read(text: str) -> None:
    assert fields_of(text) == USERS


def test_a_json_document_in_one_line_may_be_longer_than_the_line_limit() -> None:
    text = json.dumps([{"email": "a@example.com", "bio": "x" * 2**20}] * 9)
    assert len(text) > MOST_LINE_BYTES

    assert len(fields_of(text)) == 9


def test_records_of_a_json_document_have_the_number_of_their_first_line() -> None:
    assert where(read(json.dumps(USERS, indent=1))) == [(2, ""), (13, "")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is not JSON"),
        ('{"email": NaN', "is not JSON"),
        ("[1]", "is not a JSON object"),
        ('"text"', "is not a JSON object"),
        ("[" * 100_000, "is not JSON"),
    ],
    ids=lambda value: value[:20],
)
def test_an_invalid_json_line_is_rejected_and_the_others_are_read(line: str, reason: str) -> None:
    found = read(f'{{"email": "a@example.com"}}\n{line}\n\n{{"email": "b@example.com"}}')

    assert where(found) == [(1, ""), (2, reason), (4, "")]


def test_an_invalid_first_json_line_is_rejected_and_the_others_are_read() -> None:
    assert where(read('{"email": a}\n{"email": "b@example.com"}\n')) == [(1, "is not JSON"), (2, "")]


def test_an_array_member_that_is_not_an_object_is_rejected_and_the_others_are_read() -> None:
    assert where(read('[{"a": 1},\n7,\n{"b": 2}]')) == [(1, ""), (2, "is not a JSON object"), (3, "")]


# --- LDIF and /etc/shadow


def test_ldif_is_read_with_folded_lines_base64_and_several_values() -> None:
    text = (
        "version: 1\n\n# a comment\ndn: uid=jane,dc=example\nuid: jane\nmail: jane@exam\n ple.com\n"
        "mail: j@example.com\ncn:: SmFuw6k=\nuserPassword:: e1NTSEF9eA==\njpegPhoto:: /9j/4AA=\n\n"
        "dn: uid=bad\nuid:: ***\n\ndn: uid=joe\nuid: joe\n"
    )

    found = read(text, SYSTEMS["ldap"])

    assert where(found) == [(3, ""), (13, "is not LDIF"), (16, "")]
    assert isinstance(found[0], Record)
    assert {name: found[0].fields[name] for name in ("uid", "mail", "cn", "userpassword")} == {
        "uid": "jane",
        "mail": ["jane@example.com", "j@example.com"],
        "cn": "Jané",
        "userpassword": "{SSHA}x",
    }


def test_shadow_is_read() -> None:
    found = read("root:*:19000:0:99999:7:::\njane:$6$x$y:19000::::::\n\nnonsense\n", SYSTEMS["shadow"])

    assert where(found) == [(1, ""), (2, ""), (4, "is not a line of /etc/shadow")]


@pytest.mark.parametrize(
    ("system", "text", "corrected"),
    [
        ("ldap", "dn: uid=jane\nmail: jane\nuserPassword: {SSHA}wrong\n\n", ("mail: jane", "mail: jane@example.com")),
        ("shadow", "jane doe:{0}:19000:0:99999:7:::\n", ("jane doe", "jane")),
    ],
)
def test_rejected_rows_of_text_formats_can_be_corrected_and_imported(
    tmp_path: Path, system: str, text: str, corrected: tuple[str, str]
) -> None:
    run = in_memory(tmp_path, system=SYSTEMS[system], domain="example.com")
    text = text.replace("{SSHA}wrong", STRONG).replace("{0}", STRONG)

    count = _import(run, text)
    again = _import(run, run.rejected.read_text("utf-8").replace(*corrected))

    assert (count, again) == ((0, 1), (1, 0))


def _import(run: Import, text: str) -> tuple[int, int]:
    count = Count()
    with run.notes() as notes:
        run.importer.run(lines_of(text), count, notes, on_progress=lambda: None)
    return count.imported, count.rejected


# --- invalid files


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        ("sep=;\n", "empty"),
        ("[]", "holds no users"),
        ("[1,", "not JSON"),
        ('[{"email": "a\xe9"}]'.encode("latin-1"), "not UTF-8: save it as UTF-8. Line 1"),
        ("name,age\n", "does not name the column email"),
        (",,\n", "does not name the column"),
        ("email,name,Email\n", "a column twice"),
        ("email,password_hash\n".encode("utf-16"), "UTF-16"),
        (b"x" * (MOST_LINE_BYTES + 1), "Line 1 is longer"),
        ("email,password_hash," + "x" * 2_000_000 + "\n", "first line is not CSV"),
        ("email,password_hash\rjane@example.com,5ecre7\r", "first line is not CSV"),
        ("[" * 200_000, "not JSON"),
    ],
    ids=[
        *("nothing", "nothing to see", "a separator alone", "no users", "half an array", "latin-1", "no address"),
        *("no names", "twice", "utf-16", "one long line", "one long column", "lines that end in a carriage return"),
        "depth",
    ],
)
def test_a_file_that_is_not_a_list_of_users_is_rejected(text: str | bytes, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        read(text)


def test_a_file_without_a_header_is_rejected_without_quoting_its_first_user() -> None:
    with pytest.raises(Unreadable) as rejected:
        read("jane@example.com,5ecre7\n")

    assert "jane" not in str(rejected.value)
    assert "5ecre7" not in str(rejected.value)


@pytest.mark.parametrize("column", ["email", "password_hash", "name", "username", "other"])
def test_a_row_that_is_not_utf_8_is_rejected_and_written_unchanged(run: Import, column: str) -> None:
    row = {"email": "jane@example.com", "password_hash": STRONG, "name": "Jane", "username": "jane", "other": "x"}
    latin = ",".join(value + ("\xe9" if name == column else "") for name, value in row.items()).encode("latin-1")

    outcome = run(",".join(row).encode() + b"\n" + latin + b"\nlast@example.com," + STRONG.encode() + b",,,\n")

    assert (outcome.count.imported, outcome.rejections) == (1, [("2", NOT_UTF_8)])
    assert latin in run.rejected.read_bytes()


def test_a_json_document_is_read_incrementally() -> None:
    """So the memory does not grow with the file."""
    lines = lines_of(json.dumps([{"email": f"user{number}@example.com"} for number in range(10_000)], indent=1))
    found: Iterator[Record | Rejection]
    found, _ = records(lines, GENERIC)

    next(found)

    assert lines.read < 10
