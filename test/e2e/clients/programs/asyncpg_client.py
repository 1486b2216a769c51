"""asyncpg: binary throughout, prepares everything, asks the catalog about types it does not know."""
import asyncio
import datetime
import decimal
import os

import asyncpg

from tried import tell, version

version(asyncpg.__version__)
masked = os.environ["KIND"] == "masked"


async def values(db):
    given = (7, "é日本", decimal.Decimal("12.50"), datetime.date(2026, 11, 21), [1, 2], True, b"\x00\xff", None)
    got = await db.fetchrow("SELECT $1::int, $2::text, $3::numeric, $4::date, $5::int[], $6::bool, $7::bytea, $8::text", *given)
    assert tuple(got) == given, got


async def introspection(db):
    assert await db.fetchval("SELECT mood FROM moods WHERE id = 1") == "calm"
    assert await db.fetchval("SELECT $1::mood", "busy") == "busy"
    await db.fetchval("SELECT tags FROM purchases LIMIT 1")


async def composites(db):
    assert tuple(await db.fetchval("SELECT ROW(1, 'x')::pair")) == (1, "x")
    await db.set_type_codec("mood", schema="public", encoder=str, decoder=str.upper, format="text")
    assert await db.fetchval("SELECT mood FROM moods WHERE id = 1") == "CALM"
    await db.reset_type_codec("mood", schema="public")
    assert await db.fetchval("SELECT level FROM moods WHERE id = 1") == 1


async def prepared(db):
    statement = await db.prepare("SELECT name FROM people WHERE id = $1")
    assert [await statement.fetchval(i) for i in (1, 2)] == ["name 1", "name 2"]
    assert statement.get_parameters()[0].name == "int4"


async def transactions(db):
    async with db.transaction(isolation="serializable"):
        await db.execute("INSERT INTO numbered VALUES (1, 'a')")
        try:
            async with db.transaction():
                await db.execute("INSERT INTO numbered VALUES (1, 'b')")
            raise AssertionError("no error")
        except asyncpg.UniqueViolationError:
            pass
        assert await db.execute("DELETE FROM numbered WHERE n = 1") == "DELETE 1"
    async with db.transaction(readonly=True, deferrable=True, isolation="serializable"):
        assert await db.fetchval("SHOW transaction_read_only") == "on"


async def batches(db):
    await db.executemany("INSERT INTO numbered VALUES ($1, $2)", [(i, "w") for i in range(100, 2100)])
    assert await db.execute("DELETE FROM numbered WHERE n >= 100") == "DELETE 2000"


async def cursors(db):
    async with db.transaction():
        cursor = await db.cursor("SELECT id FROM purchases ORDER BY id")
        assert len(await cursor.fetch(3)) == 3
        assert (await cursor.fetchrow())[0] == 4
        count = 0
        async for _ in db.cursor("SELECT generate_series(1, $1::int)", 500, prefetch=50):
            count += 1
        assert count == 500


async def copies(db):
    await db.copy_records_to_table("numbered", records=[(1, "one"), (2, None)])
    await db.copy_to_table("numbered", source=__import__("io").BytesIO(b"3\tthree\n"))
    out = __import__("io").BytesIO()
    await db.copy_from_query("SELECT n, word FROM numbered WHERE n > $1 ORDER BY n", 0, output=out)
    assert out.getvalue() == b"1\tone\n2\t\\N\n3\tthree\n", out.getvalue()
    await db.copy_from_table("numbered", output=out, format="binary")
    await db.execute("DELETE FROM numbered")


async def errors(db):
    for text, kind in (("SELECT 1/0", asyncpg.DivisionByZeroError), ("SELECT * FROM nosuch", asyncpg.PostgresError)):
        try:
            await db.fetchval(text)
            raise AssertionError("no error")
        except kind:
            pass
    assert await db.fetchval("SELECT 1") == 1


async def parameters(db):
    ids = list(range(20_000))
    text = "SELECT count(*) FROM generate_series(0, 19999) i WHERE i IN (%s)" % ",".join("$%d" % (i + 1) for i in ids)
    assert await db.fetchval(text, *ids) == 20_000


async def cancelled(db, text):
    # A timeout sends a cancel request on a connection of its own, and waits for what comes of it.
    try:
        await db.fetchval(text, timeout=1)
        raise AssertionError("it was not cancelled")
    except asyncio.TimeoutError:
        pass
    assert await db.fetchval("SELECT 1") == 1


async def pool(db):
    async with asyncpg.create_pool(min_size=1, max_size=5) as pool:
        got = await asyncio.gather(*(pool.fetchval("SELECT $1::int", i) for i in range(50)))
        assert got == list(range(50))


async def notifications(db):
    heard = asyncio.get_running_loop().create_future()
    listener = await asyncpg.connect()
    await listener.add_listener("news", lambda *args: heard.done() or heard.set_result(args[-1]))
    await db.execute("NOTIFY news, 'hello'")
    assert await asyncio.wait_for(heard, 20) == "hello"
    await listener.close()


async def tables(db):
    await db.execute("CREATE TABLE made (id serial PRIMARY KEY, h text); INSERT INTO made (h) VALUES ('x')")
    assert await db.fetchval("SELECT twice($1)", 4) == 8
    await db.execute("DROP TABLE made")


async def hidden(db):
    assert tuple(await db.fetchrow("SELECT ssn, card, upper(ssn) FROM people WHERE id = $1", 1)) == ("***", "***", "***")
    async with db.transaction():
        assert {row[0] for row in await (await db.cursor("SELECT ssn FROM people")).fetch(100)} == {"***"}
    out = __import__("io").BytesIO()
    await db.copy_from_table("people", columns=["ssn"], output=out)
    assert set(out.getvalue().split()) == {b"***"}


async def main():
    db = await asyncpg.connect()
    checks = {
        "values": values,
        "type introspection": introspection,
        "composites and codecs": composites,
        "prepared statements": prepared,
        "transactions": transactions,
        "batches": batches,
        "cursors": cursors,
        "COPY in and out": copies,
        "errors": errors,
        "20,000 values": parameters,
        "cancel running": lambda db: cancelled(db, "SELECT count(*) FROM generate_series(1, 1000000000000)"),
        "cancel held": lambda db: cancelled(db, "DELETE FROM held RETURNING 1"),
        "pool": pool,
        **({"masked values": hidden} if masked else {"DDL and functions": tables, "LISTEN": notifications}),
    }
    for check, body in checks.items():
        try:
            await body(db)
            tell(check)
        except Exception as error:  # noqa: BLE001
            tell(check, error)
    await db.close()


asyncio.run(main())
