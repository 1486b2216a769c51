// pgx: binary, statement cache, batches in one pipeline, COPY in binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
)

func attempt(check string, body func() error) {
	err := body()
	if err == nil {
		fmt.Printf("{\"check\":%q}\n", check)
		return
	}
	code := ""
	var e *pgconn.PgError
	if errors.As(err, &e) {
		code = e.Code
	}
	fmt.Printf("{\"check\":%q,\"error\":{\"message\":%q,\"code\":%q}}\n", check, err.Error(), code)
}

func same(got, wanted interface{}) error {
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		return fmt.Errorf("got %v, not %v", got, wanted)
	}
	return nil
}

func main() {
	fmt.Println("{\"version\":\"4.15.0\"}")
	ctx := context.Background()
	db, err := pgx.Connect(ctx, "")
	if err != nil {
		panic(err)
	}
	expect := func(wanted interface{}, text string, values ...interface{}) error {
		var got interface{}
		if err := db.QueryRow(ctx, text, values...).Scan(&got); err != nil {
			return err
		}
		return same(got, wanted)
	}
	// pgx gives up a connection whose context ended: it cancels there and closes.
	cancelled := func(text string) error {
		other, err := pgx.Connect(ctx, "")
		if err != nil {
			return err
		}
		defer other.Close(ctx)
		done := make(chan bool)
		go func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(200 * time.Millisecond):
					other.PgConn().CancelRequest(ctx)
				}
			}
		}()
		_, err = other.Exec(ctx, text)
		close(done)
		var e *pgconn.PgError
		if errors.As(err, &e) && e.Code == "57014" {
			return nil
		}
		return fmt.Errorf("it was not cancelled: %v", err)
	}
	attempt("values", func() error {
		if err := expect(int32(8), "SELECT $1::int + 1", 7); err != nil {
			return err
		}
		if err := expect("é日本", "SELECT $1::text", "é日本"); err != nil {
			return err
		}
		return expect([]byte{0, 255}, "SELECT $1::bytea", []byte{0, 255})
	})
	attempt("statement cache", func() error {
		for i := 1; i < 8; i++ {
			if err := expect(fmt.Sprintf("name %d", i), "SELECT name FROM people WHERE id = $1", i); err != nil {
				return err
			}
		}
		return nil
	})
	attempt("transactions", func() error {
		return db.BeginTxFunc(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable}, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO numbered VALUES (1, 'a')"); err != nil {
				return err
			}
			tx.BeginFunc(ctx, func(inner pgx.Tx) error {
				_, err := inner.Exec(ctx, "INSERT INTO numbered VALUES (1, 'b')")
				return err
			})
			_, err := tx.Exec(ctx, "DELETE FROM numbered")
			return err
		})
	})
	attempt("pipelining (batch)", func() error {
		batch := &pgx.Batch{}
		for i := 0; i < 100; i++ {
			batch.Queue("SELECT $1::int", i)
		}
		results := db.SendBatch(ctx, batch)
		defer results.Close()
		for i := 0; i < 100; i++ {
			var n int
			if err := results.QueryRow().Scan(&n); err != nil {
				return err
			}
			if n != i {
				return fmt.Errorf("got %d, not %d", n, i)
			}
		}
		return nil
	})
	attempt("COPY in", func() error {
		rows := [][]interface{}{{int32(1), "one"}, {int32(2), "two"}}
		n, err := db.CopyFrom(ctx, pgx.Identifier{"numbered"}, []string{"n", "word"}, pgx.CopyFromRows(rows))
		if err != nil {
			return err
		}
		if _, err := db.Exec(ctx, "DELETE FROM numbered"); err != nil {
			return err
		}
		return same(n, 2)
	})
	attempt("20,000 values", func() error {
		list := make([]string, 20000)
		values := make([]interface{}, 20000)
		for i := range list {
			list[i] = fmt.Sprintf("$%d", i+1)
			values[i] = i
		}
		return expect(int64(20000), "SELECT count(*) FROM generate_series(0, 19999) i WHERE i IN ("+strings.Join(list, ",")+")", values...)
	})
	attempt("simple protocol", func() error {
		return expect("x", "SELECT $1::text", pgx.QuerySimpleProtocol(true), "x")
	})
	attempt("errors", func() error {
		_, err := db.Exec(ctx, "SELECT 1/0")
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "22012" {
			return fmt.Errorf("got %v", err)
		}
		return expect(int32(1), "SELECT 1")
	})
	attempt("cancel running", func() error { return cancelled("SELECT count(*) FROM generate_series(1, 1000000000000)") })
	attempt("cancel held", func() error { return cancelled("DELETE FROM held") })
	if os.Getenv("KIND") == "masked" {
		attempt("masked values", func() error { return expect("******", "SELECT ssn || card FROM people WHERE id = $1", 1) })
		return
	}
	attempt("LISTEN", func() error {
		listener, err := pgx.Connect(ctx, "")
		if err != nil {
			return err
		}
		defer listener.Close(ctx)
		if _, err := listener.Exec(ctx, "LISTEN news"); err != nil {
			return err
		}
		if _, err := db.Exec(ctx, "SELECT pg_notify('news', 'hello')"); err != nil {
			return err
		}
		within, stop := context.WithTimeout(ctx, 20*time.Second)
		defer stop()
		heard, err := listener.WaitForNotification(within)
		if err != nil {
			return err
		}
		return same(heard.Payload, "hello")
	})
}
