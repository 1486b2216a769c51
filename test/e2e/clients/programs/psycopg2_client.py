"""psycopg2, as programs and Django use it."""
import io
import os
import select
import sys

import psycopg2
import psycopg2.extras

from tried import attempt, cancelling, version

version(psycopg2.__version__.split(" ")[0])
masked = os.environ["KIND"] == "masked"


def connect():
    return psycopg2.connect("")


db = connect()
db.autocommit = True


def one(text, values=None):
    with db.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchone()


def values():
    import datetime
    import decimal

    given = (7, "é日本", decimal.Decimal("12.50"), datetime.date(2026, 11, 21), [1, 2], True, None, memoryview(b"\x00\xff"))
    got = one("SELECT %s, %s, %s, %s, %s, %s, %s, %s", given)
    assert got[:7] == given[:7] and bytes(got[7]) == b"\x00\xff", got
    assert one("SELECT %s", (psycopg2.extras.Json({"a": [1]}),))[0] is not None


def transactions():
    other = connect()
    with other:
        with other.cursor() as cursor:
            cursor.execute("INSERT INTO numbered VALUES (1, 'a')")
            cursor.execute("SAVEPOINT s")
            try:
                cursor.execute("INSERT INTO numbered VALUES (1, 'b')")
                raise AssertionError("no error")
            except psycopg2.errors.UniqueViolation:
                cursor.execute("ROLLBACK TO s")
            cursor.execute("DELETE FROM numbered WHERE n = 1")
            assert cursor.rowcount == 1
    other.set_session(isolation_level="SERIALIZABLE", readonly=True, deferrable=True)
    with other, other.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("serializable",)
    other.close()


def many():
    with db.cursor() as cursor:
        psycopg2.extras.execute_values(cursor, "INSERT INTO numbered VALUES %s", [(i, "w") for i in range(100, 1100)])
        psycopg2.extras.execute_batch(cursor, "UPDATE numbered SET word = %s WHERE n = %s", [("x", i) for i in range(100, 300)])
        cursor.execute("DELETE FROM numbered WHERE n >= 100")
        assert cursor.rowcount == 1000


def cursors():
    other = connect()
    with other, other.cursor("named", scrollable=True) as cursor:
        cursor.itersize = 50
        cursor.execute("SELECT id FROM purchases ORDER BY id")
        assert len(cursor.fetchmany(3)) == 3
        cursor.scroll(-1)
        assert cursor.fetchone() == (3,)
        assert sum(1 for _ in cursor) == 197
    other.close()


def copies():
    with db.cursor() as cursor:
        cursor.copy_expert("COPY numbered FROM STDIN", io.StringIO("1\tone\n2\ttwo\n"))
        out = io.StringIO()
        cursor.copy_expert("COPY (SELECT n, word FROM numbered ORDER BY n) TO STDOUT", out)
        assert out.getvalue() == "1\tone\n2\ttwo\n", out.getvalue()
        cursor.execute("DELETE FROM numbered")


def errors():
    for text, kind in (("SELECT 1/0", psycopg2.errors.DivisionByZero), ("SELECT * FROM nosuch", psycopg2.Error)):
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
    cancelling(lambda: one("SELECT count(*) FROM generate_series(1, 1000000000000)"), db.cancel, lambda e: getattr(e, "pgcode", None))
    assert one("SELECT 1") == (1,)


def cancel_held():
    cancelling(lambda: one("DELETE FROM held"), db.cancel, lambda e: getattr(e, "pgcode", None))
    assert one("SELECT 1") == (1,)


def notifications():
    one_way = connect()
    one_way.autocommit = True
    with one_way.cursor() as cursor:
        cursor.execute("LISTEN news")
    with db.cursor() as cursor:
        cursor.execute("NOTIFY news, 'hello'")
    select.select([one_way], [], [], 20)
    one_way.poll()
    assert one_way.notifies and one_way.notifies[0].payload == "hello"
    one_way.close()


def large_objects():
    other = connect()
    with other:
        large = other.lobject(0, "wb")
        large.write(b"bytes")
        large.close()
        assert other.lobject(large.oid, "rb").read() == b"bytes"
        other.lobject(large.oid).unlink()


def tables():
    with db.cursor() as cursor:
        cursor.execute("CREATE TABLE made (id serial PRIMARY KEY, h text)")
        cursor.execute("INSERT INTO made (h) VALUES ('x') RETURNING id")
        assert cursor.fetchone() == (1,)
        cursor.callproc("twice", (4,))
        assert cursor.fetchone() == (8,)
        cursor.execute("DROP TABLE made")


def types_known():
    psycopg2.extras.register_default_jsonb(db)
    psycopg2.extras.register_uuid()
    try:
        psycopg2.extras.register_hstore(db)
    except psycopg2.ProgrammingError as error:
        assert "hstore" in str(error), error
    psycopg2.extras.register_composite("pair", db)


def hidden():
    assert one("SELECT ssn, card, upper(ssn) FROM people WHERE id = 1") == ("***", "***", "***")
    other = connect()
    with other, other.cursor("c") as cursor:
        cursor.execute("SELECT ssn FROM people")
        assert set(cursor.fetchall()) == {("***",)}
    other.close()
    with db.cursor() as cursor:
        out = io.StringIO()
        cursor.copy_expert("COPY people (ssn, card) TO STDOUT", out)
        assert set(out.getvalue().split()) == {"***"}, out.getvalue()


attempt(
    {
        "values": values,
        "transactions": transactions,
        "batches": many,
        "cursors": cursors,
        "COPY in and out": copies,
        "errors": errors,
        "20,000 values": parameters,
        "cancel running": cancel_running,
        "cancel held": cancel_held,
        "composite and hstore lookup": types_known,
        **({"masked values": hidden} if masked else {"DDL and functions": tables, "LISTEN": notifications, "large objects": large_objects}),
    }
)
