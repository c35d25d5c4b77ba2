import pytest

from opslib.settings.dotenv import EnvFile, read_env_file


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1\nB=two words\n", {"A": "1", "B": "two words"}),
        ("\n# note\n  A = 1  \nexport B=2\n", {"A": "1", "B": "2"}),
        ("A=1 # note\nB=1#2\nC=#x\nD=\n", {"A": "1", "B": "1#2", "C": "#x", "D": ""}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("A='x # y'\nB=\"x # y\" # note\n", {"A": "x # y", "B": "x # y"}),
        ('A="a\\nb\\"c\\\\d"\nB=\'a\\nb\'\n', {"A": 'a\nb"c\\d', "B": "a\\nb"}),
        ("KEY='-----BEGIN\nabc==\n-----END'\nB=2\n", {"KEY": "-----BEGIN\nabc==\n-----END", "B": "2"}),
        ("A='it\\'s'\n", {"A": "it's"}),
        ("a.b-c=1\nü=2\n", {"a.b-c": "1", "ü": "2"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A==x=\n", {"A": "=x="}),
        # The differences between readers, as Compose v2 reads them.
        ("A=pa$word\n", {"A": "pa"}),
        ("A='pa${w}x'\n", {"A": "pa${w}x"}),
        ("A=$2y$10$abcdef\n", {"A": "$2y$10"}),
        ("A=pa$$word\n", {"A": "pa$word"}),
        ("A=${U-d}${U:-e}\nP=1\nB=${P:+x}${P+y}${N+z}\n", {"A": "de", "P": "1", "B": "xy"}),
        ("A= # note\n", {"A": "# note"}),
        ('A=1\nB=$A-${A}-"\nC="$A\\$A"\n', {"A": "1", "B": '1-1-"', "C": "1$A"}),
        ("A=\nB=${A-x}${A:-${U:-y}}\n", {"A": "", "B": "y"}),
        ('A="\\0101\\012"\n', {"A": "A\\12"}),
    ],
)
def test_values_are_those_of_compose(tmp_path, text, values):
    (tmp_path / ".env").write_bytes(text.encode())
    assert read_env_file(tmp_path / ".env") == values
    assert read_env_file(text.removeprefix("\ufeff")) == values


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("A=1\n\nhunter2\n", ".env:3: expected NAME=value"),
        ("A=1\nexport B\n", ".env:2: expected NAME=value"),
        ("A: 1\n", ".env:1: expected NAME=value"),
        ("A: hunter2=\n", ".env:1: expected a name of letters, digits and _ before the ="),
        ("hunter 2=1\n", ".env:1: expected a name"),
        ("=1\n", ".env:1: expected a name"),
        ("A=1\nB='hunter\nC=2\n", ".env:2: the quote of B's value is not closed"),
        ('A="hunter\\"\n', ".env:1: the quote of A's value is not closed"),
        ("A='x' y\n", ".env:1: text behind the closing quote of A's value"),
        ("A='x\ny'hunter2\n", ".env:2: text behind the closing quote of A's value"),
        ("A=${hunter2\n", ".env:1: expected a variable like ${NAME} or ${NAME:-default}"),
        ("\nA=${B:?hunter2}\n", ".env:2: the variable B is required and not set on an earlier line"),
        ("A=" + "${A:-" * 5000 + "}" * 5000, ".env:1: variables nested too deeply"),
    ],
)
def test_errors_name_the_line_and_show_no_value(refused, text, error):
    message = refused(read_env_file, text, ".env")
    assert message.startswith(error)
    assert "hunter" not in message


def test_a_file_that_is_not_there_or_no_text(tmp_path, refused):
    assert refused(read_env_file, tmp_path / "x", "x") == "x: no such file"
    assert refused(read_env_file, tmp_path, "x") == "x: cannot be read: Is a directory"
    (tmp_path / "y").write_bytes(b"A=1\nB=\xff\n")
    assert refused(read_env_file, tmp_path / "y") == f"{tmp_path}/y:2: not UTF-8 text"


@pytest.mark.parametrize(
    "line", ["A=pa$word", "A='pa${w}x'", "A=$2y$10$abcdef", "A=pa$$word", "A=${U-d}", "A= # note", 'A="a\\$b"']
)
def test_a_value_that_readers_understand_differently_is_refused_when_it_is_used(refused, line):
    file = EnvFile(f"B=1\n{line}\n", ".env")
    assert file.get("B") == "1"
    message = refused(file.get, "A")
    assert message.splitlines()[0] == ".env:2: readers of env files understand the value of A differently"
    assert "single quotes" in message


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A='pa$word'", "pa$word"),
        ("A=x_-1", "x_-1"),
        ('A="a b"', "a b"),
        ("A='$2y$10$ab'", "$2y$10$ab"),
        ("A=a#b # c", "a#b"),
    ],
)
def test_a_value_that_readers_agree_on(line, value):
    assert EnvFile(line, ".env").get("A") == value


def test_what_another_file_has_beside(tmp_path):
    theirs = EnvFile("# a\nA=old\nexport B='two\nlines'\n\nC=1 # why\r\nA=older\nD=\nB=last\n", ".env")
    missing = theirs.beside({"A": "new"})
    assert list(missing) == ["B", "C", "D"]
    merged = EnvFile("A=new\n" + "".join(missing.values()), ".env").values()
    assert merged == {"A": "new", "B": "last", "C": "1", "D": ""}
    assert EnvFile("B='two\nlines' # x", ".env").beside({})["B"] == "B='two\nlines' # x\n"
