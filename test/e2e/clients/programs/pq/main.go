// lib/pq by database/sql.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lib/pq"
)

func attempt(check string, body func() error) {
	err := body()
	if err == nil {
		fmt.Printf("{\"check\":%q}\n", check)
		return
	}
	code := ""
	if e, ok := err.(*pq.Error); ok {
		code = string(e.Code)
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
	fmt.Println("{\"version\":\"1.10.7\"}")
	db, err := sql.Open("postgres", "")
	if err != nil {
		panic(err)
	}
	one := func(text string, values ...interface{}) (got string, err error) {
		err = db.QueryRow(text, values...).Scan(&got)
		return
	}
	expect := func(wanted string, text string, values ...interface{}) error {
		got, err := one(text, values...)
		if err != nil {
			return err
		}
		return same(got, wanted)
	}
	cancelled := func(text string) error {
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		_, err := db.ExecContext(ctx, text)
		if e, ok := err.(*pq.Error); ok && e.Code == "57014" {
			return expect("1", "SELECT 1")
		}
		if err == context.DeadlineExceeded {
			return expect("1", "SELECT 1")
		}
		return fmt.Errorf("it was not cancelled: %v", err)
	}
	attempt("values", func() error {
		if err := expect("[1 2]", "SELECT translate($1::int[]::text, '{},', '[] ')", pq.Array([]int{1, 2})); err != nil {
			return err
		}
		return expect("7|é日本|12.50", "SELECT concat_ws('|', $1::int, $2::text, $3::numeric)", 7, "é日本", "12.50")
	})
	attempt("prepared statements", func() error {
		statement, err := db.Prepare("SELECT name FROM people WHERE id = $1")
		if err != nil {
			return err
		}
		defer statement.Close()
		for i := 1; i < 4; i++ {
			var name string
			if err := statement.QueryRow(i).Scan(&name); err != nil {
				return err
			}
		}
		return nil
	})
	attempt("transactions", func() error {
		tx, err := db.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelSerializable})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.Exec("INSERT INTO numbered VALUES ($1, $2)", 1, "a"); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM numbered"); err != nil {
			return err
		}
		return tx.Commit()
	})
	attempt("COPY in", func() error {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		copying, err := tx.Prepare(pq.CopyIn("numbered", "n", "word"))
		if err != nil {
			return err
		}
		for i := 0; i < 100; i++ {
			if _, err := copying.Exec(i, "w"); err != nil {
				return err
			}
		}
		if _, err := copying.Exec(); err != nil {
			return err
		}
		return copying.Close()
	})
	attempt("20,000 values", func() error {
		list := make([]string, 20000)
		values := make([]interface{}, 20000)
		for i := range list {
			list[i] = fmt.Sprintf("$%d", i+1)
			values[i] = i
		}
		return expect("20000", "SELECT count(*) FROM generate_series(0, 19999) i WHERE i IN ("+strings.Join(list, ",")+")", values...)
	})
	attempt("errors", func() error {
		if _, err := one("SELECT 1/0"); err == nil || err.(*pq.Error).Code != "22012" {
			return fmt.Errorf("got %v", err)
		}
		return expect("1", "SELECT 1")
	})
	attempt("cancel running", func() error { return cancelled("SELECT count(*) FROM generate_series(1, 1000000000000)") })
	attempt("cancel held", func() error { return cancelled("DELETE FROM held") })
	if os.Getenv("KIND") == "masked" {
		attempt("masked values", func() error { return expect("******", "SELECT ssn || card FROM people WHERE id = $1", 1) })
		return
	}
	attempt("LISTEN", func() error {
		listener := pq.NewListener("", time.Second, time.Second, nil)
		defer listener.Close()
		if err := listener.Listen("news"); err != nil {
			return err
		}
		if _, err := db.Exec("SELECT pg_notify('news', 'hello')"); err != nil {
			return err
		}
		select {
		case heard := <-listener.Notify:
			return same(heard.Extra, "hello")
		case <-time.After(20 * time.Second):
			return fmt.Errorf("nothing was heard")
		}
	})
}
