"""psycopg 3: the extended protocol, prepared statements, binary, pipelines."""
import datetime
import decimal
import os
import sys

import psycopg
from psycopg.types.composite import CompositeInfo
from psycopg.types.enum import EnumInfo
from psycopg.types.json import Jsonb

from tried import attempt, cancelling, version

version(psycopg.__version__)
masked = os.environ["KIND"] == "masked"
db = psycopg.connect("", autocommit=True)
state = lambda error: getattr(error, "sqlstate", None)


def one(text, values=None, **options):
    return db.execute(text, values, **options).fetchone()


def values():
    given = (7, "é日本", decimal.Decimal("12.50"), datetime.date(2026, 11, 21), [1, 2], True, b"\x00\xff")
    for binary in (False, True):
        got = one("SELECT %s::int, %s::text, %s::numeric, %s::date, %s::int[], %s::bool, %s::bytea", given, binary=binary)
        assert got == given, got
    assert one("SELECT %s, %s::text", (Jsonb({"a": [1]}), None)) == ({"a": [1]}, None)
    assert one("SELECT %b::int8 + 1", (2**40,), binary=True) == (2**40 + 1,)


def prepared():
    for i in range(12):
        assert one("SELECT name FROM people WHERE id = %s", (i % 5 + 1,)) == (f"name {i % 5 + 1}",)
    assert db.execute("SELECT 1 AS a", prepare=True).fetchone() == (1,)


def transactions():
    with psycopg.connect("") as other:
        with other.transaction():
            other.execute("INSERT INTO numbered VALUES (1, 'a')")
            try:
                with other.transaction():
                    other.execute("INSERT INTO numbered VALUES (1, 'b')")
                raise AssertionError("no error")
            except psycopg.errors.UniqueViolation:
                pass
            assert other.execute("DELETE FROM numbered WHERE n = 1").rowcount == 1
        other.rollback()
        other.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        other.read_only = True
        assert other.execute("SHOW transaction_isolation").fetchone() == ("serializable",)


def batches():
    with db.cursor() as cursor:
        cursor.executemany("INSERT INTO numbered VALUES (%s, %s)", [(i, "w") for i in range(100, 400)])
        cursor.executemany("UPDATE numbered SET word = 'x' WHERE n = %s RETURNING n", [(i,) for i in range(100, 110)], returning=True)
        assert cursor.fetchone() == (100,)
        cursor.execute("DELETE FROM numbered WHERE n >= 100")
        assert cursor.rowcount == 300


def pipeline():
    with db.pipeline() as pipe:
        cursors = [db.execute("SELECT %s::int + 1", (i,)) for i in range(200)]
        pipe.sync()
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(1, 201))
    try:
        with db.pipeline():
            db.execute("SELECT 1/%s::int", (0,))
            db.execute("SELECT 1")
        raise AssertionError("no error")
    except psycopg.errors.DivisionByZero:
        pass
    assert one("SELECT 5") == (5,)


def cursors():
    with psycopg.connect("") as other:
        with other.cursor("named", scrollable=True) as cursor:
            cursor.execute("SELECT id FROM purchases WHERE id > %s ORDER BY id", (0,))
            assert len(cursor.fetchmany(3)) == 3
            cursor.scroll(-1)
            assert cursor.fetchone() == (3,)
            assert sum(1 for _ in cursor) == 197
        assert sum(1 for _ in other.cursor().stream("SELECT generate_series(1, %s)", (5000,))) == 5000


def copies():
    with db.cursor() as cursor:
        with cursor.copy("COPY numbered FROM STDIN") as copy:
            for row in ((1, "one"), (2, None)):
                copy.write_row(row)
        with cursor.copy("COPY numbered FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "text"])
            copy.write_row((3, "three"))
        with cursor.copy("COPY (SELECT n, word FROM numbered ORDER BY n) TO STDOUT") as copy:
            assert list(copy.rows()) == [("1", "one"), ("2", None), ("3", "three")]
        with cursor.copy("COPY (SELECT n FROM numbered WHERE n < %s ORDER BY n) TO STDOUT (FORMAT BINARY)", (3,)) as copy:
            copy.set_types(["int4"])
            assert list(copy.rows()) == [(1,), (2,)]
        cursor.execute("DELETE FROM numbered")


def errors():
    for text, kind in (("SELECT 1/0", psycopg.errors.DivisionByZero), ("SELECT * FROM nosuch", psycopg.Error)):
        try:
            one(text)
            raise AssertionError("no error")
        except kind:
            pass
    assert one("SELECT 1") == (1,)


def parameters():
    ids = list(range(20_000))
    assert one("SELECT count(*) FROM generate_series(0, 19999) i WHERE i IN (%s)" % ",".join(["%s"] * len(ids)), ids) == (20_000,)


def cancel_running():
    cancelling(lambda: one("SELECT count(*) FROM generate_series(1, 1000000000000)"), db.cancel, state)
    assert one("SELECT 1") == (1,)


def cancel_held():
    cancelling(lambda: one("DELETE FROM held"), db.cancel, state)
    assert one("SELECT 1") == (1,)


def lookups():
    assert CompositeInfo.fetch(db, "pair").field_names[0] == "a"
    assert list(EnumInfo.fetch(db, "mood").labels) == ["calm", "busy"]


def notifications():
    with psycopg.connect("", autocommit=True) as listener:
        listener.execute("LISTEN news")
        db.execute("NOTIFY news, 'hello'")
        assert next(listener.notifies()).payload == "hello"


def tables():
    db.execute("CREATE TABLE made (id serial PRIMARY KEY, h text)")
    assert one("INSERT INTO made (h) VALUES (%s) RETURNING id", ("x",)) == (1,)
    assert one("SELECT twice(%s)", (4,)) == (8,)
    db.execute("CALL nothing()")
    db.execute("DROP TABLE made")


def hidden():
    for binary in (False, True):
        assert one("SELECT ssn, card, upper(ssn) FROM people WHERE id = %s", (1,), binary=binary) == ("***", "***", "***")
    with db.transaction(), db.cursor("c") as cursor:
        cursor.execute("SELECT ssn FROM people")
        assert set(cursor.fetchall()) == {("***",)}
    for how in ("", " (FORMAT BINARY)"):
        with db.cursor().copy("COPY people (ssn, card) TO STDOUT" + how) as copy:
            copy.set_types(["text", "text"])
            assert set(copy.rows()) == {("***", "***")}
    with db.pipeline():
        assert db.execute("SELECT card FROM people WHERE ssn = %s", ("219-09-9999",)).fetchone() is None


def kept_cursor():
    with db.cursor("kept", withhold=True) as cursor:
        cursor.execute("SELECT id FROM people")
        assert len(cursor.fetchall()) == 50


attempt(
    {
        "values": values,
        "prepared statements": prepared,
        "transactions": transactions,
        "batches": batches,
        "pipelining": pipeline,
        "cursors": cursors,
        "cursor WITH HOLD": kept_cursor,
        "COPY in and out": copies,
        "errors": errors,
        "20,000 values": parameters,
        "cancel running": cancel_running,
        "cancel held": cancel_held,
        "composite and enum lookup": lookups,
        **({"masked values": hidden} if masked else {"DDL and functions": tables, "LISTEN": notifications}),
    }
)
