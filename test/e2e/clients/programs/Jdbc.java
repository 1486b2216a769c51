// pgjdbc: server-side prepares, batches, fetch sizes, COPY, and the metadata that DBeaver and IntelliJ ask for.
import java.io.*;
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

public class Jdbc {
    interface Body { void run() throws Exception; }

    static String quoted(String text) {
        return "\"" + String.valueOf(text).replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("[\\x00-\\x1f]", " ") + "\"";
    }

    static void attempt(String check, Body body) {
        try {
            body.run();
            System.out.println("{\"check\":" + quoted(check) + "}");
        } catch (Throwable error) {
            String code = error instanceof SQLException ? ((SQLException) error).getSQLState() : null;
            System.out.println("{\"check\":" + quoted(check) + ",\"error\":{\"message\":" + quoted(error.toString()) + (code == null ? "" : ",\"code\":" + quoted(code)) + "}}");
        }
    }

    static void same(Object got, Object wanted) {
        if (!Objects.equals(got, wanted)) throw new AssertionError("got " + got + ", not " + wanted);
    }

    static Connection connect(String more) throws SQLException {
        Map<String, String> env = System.getenv();
        return DriverManager.getConnection("jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT") + "/" + env.get("PGDATABASE") + "?sslmode=disable" + more, env.get("PGUSER"), env.get("PGPASSWORD"));
    }

    static Object one(Connection db, String text, Object... values) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement(text)) {
            for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
            try (ResultSet rows = statement.executeQuery()) { rows.next(); return rows.getObject(1); }
        }
    }

    static int count(ResultSet rows) throws SQLException {
        int n = 0;
        while (rows.next()) { for (int i = 1; i <= rows.getMetaData().getColumnCount(); i++) rows.getObject(i); n++; }
        rows.close();
        return n;
    }

    static void cancelled(Connection db, String text) throws Exception {
        Statement statement = db.createStatement();
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor();
        clock.scheduleAtFixedRate(() -> { try { statement.cancel(); } catch (SQLException ignored) { } }, 1000, 1000, TimeUnit.MILLISECONDS); // the driver sends one request for each statement: it must not come too early
        try { statement.execute(text); throw new AssertionError("it was not cancelled"); }
        catch (SQLException error) { if (!"57014".equals(error.getSQLState())) throw error; }
        finally { clock.shutdown(); clock.awaitTermination(5, TimeUnit.SECONDS); }
        same(one(db, "SELECT 1"), 1);
    }

    public static void main(String[] args) throws Exception {
        boolean masked = "masked".equals(System.getenv("KIND"));
        Connection db = connect("");
        System.out.println("{\"version\":" + quoted(db.getMetaData().getDriverVersion()) + "}");
        attempt("values", () -> {
            same(one(db, "SELECT ?::int + 1", 41), 42);
            same(one(db, "SELECT ?::text", "é日本"), "é日本");
            same(one(db, "SELECT ?::numeric", new java.math.BigDecimal("12.50")).toString(), "12.50");
            same(((byte[]) one(db, "SELECT ?::bytea", (Object) new byte[] {0, -1})).length, 2);
            same(one(db, "SELECT ?", java.sql.Date.valueOf("2026-11-21")).toString().substring(0, 10), "2026-11-21");
            same(one(db, "SELECT (?::int[])[2]", db.createArrayOf("int4", new Object[] {1, 2})), 2);
        });
        attempt("prepared statements, binary after five", () -> {
            try (PreparedStatement statement = db.prepareStatement("SELECT name, born, id FROM people WHERE id = ?")) {
                for (int i = 1; i <= 12; i++) { statement.setInt(1, i); ResultSet rows = statement.executeQuery(); rows.next(); same(rows.getString(1), "name " + i); rows.getDate(2); same(rows.getInt(3), i); }
            }
        });
        attempt("transactions", () -> {
            try (Connection other = connect("&autosave=always")) {
                other.setAutoCommit(false);
                other.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
                other.createStatement().executeUpdate("INSERT INTO numbered VALUES (1, 'a')");
                Savepoint point = other.setSavepoint("s");
                try { other.createStatement().executeUpdate("INSERT INTO numbered VALUES (1, 'b')"); throw new AssertionError("no error"); }
                catch (SQLException error) { same(error.getSQLState(), "23505"); }
                other.rollback(point);
                same(other.createStatement().executeUpdate("DELETE FROM numbered"), 1);
                other.commit();
                other.setReadOnly(true);
                one(other, "SELECT 1");
            }
        });
        attempt("batches", () -> {
            for (String more : new String[] {"", "&reWriteBatchedInserts=true"}) {
                try (Connection other = connect(more); PreparedStatement statement = other.prepareStatement("INSERT INTO numbered VALUES (?, ?)")) {
                    for (int i = 0; i < 500; i++) { statement.setInt(1, i); statement.setString(2, "w"); statement.addBatch(); }
                    same(statement.executeBatch().length, 500);
                    same(other.createStatement().executeUpdate("DELETE FROM numbered"), 500);
                }
            }
        });
        attempt("fetch size", () -> {
            try (Connection other = connect("")) {
                other.setAutoCommit(false);
                Statement statement = other.createStatement();
                statement.setFetchSize(30);
                same(count(statement.executeQuery("SELECT id FROM purchases")), 200);
                other.commit();
            }
        });
        attempt("simple query mode", () -> { try (Connection other = connect("&preferQueryMode=simple")) { same(one(other, "SELECT ?::int", 4), 4); } });
        attempt("scrollable and updatable results", () -> {
            db.createStatement().executeUpdate("INSERT INTO numbered VALUES (1, 'a')");
            try (Statement statement = db.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE); ResultSet rows = statement.executeQuery("SELECT n, word FROM numbered")) {
                rows.last(); rows.updateString("word", "z"); rows.updateRow();
            } finally { db.createStatement().executeUpdate("DELETE FROM numbered"); }
        });
        attempt("generated keys", () -> {
            try (PreparedStatement statement = db.prepareStatement("INSERT INTO numbered VALUES (5, 'x')", new String[] {"n"})) {
                statement.executeUpdate(); ResultSet keys = statement.getGeneratedKeys(); keys.next(); same(keys.getInt(1), 5);
            } finally { db.createStatement().executeUpdate("DELETE FROM numbered"); }
        });
        attempt("COPY in and out", () -> {
            CopyManager copies = db.unwrap(PGConnection.class).getCopyAPI();
            same(copies.copyIn("COPY numbered FROM STDIN", new StringReader("1\tone\n2\ttwo\n")), 2L);
            StringWriter out = new StringWriter();
            copies.copyOut("COPY (SELECT n FROM numbered ORDER BY n) TO STDOUT", out);
            same(out.toString(), "1\n2\n");
            db.createStatement().executeUpdate("DELETE FROM numbered");
        });
        attempt("20,000 values", () -> {
            StringJoiner list = new StringJoiner(",");
            for (int i = 0; i < 20000; i++) list.add("?");
            Object[] values = new Object[20000];
            for (int i = 0; i < values.length; i++) values[i] = i;
            same(one(db, "SELECT count(*) FROM generate_series(0, 19999) i WHERE i IN (" + list + ")", values), 20000L);
        });
        attempt("errors", () -> {
            try { one(db, "SELECT 1/0"); throw new AssertionError("no error"); } catch (SQLException error) { same(error.getSQLState(), "22012"); }
            same(one(db, "SELECT 1"), 1);
            same(db.isValid(5), true);
        });
        attempt("cancel running", () -> cancelled(db, "SELECT count(*) FROM generate_series(1, 1000000000000)"));
        attempt("cancel held", () -> cancelled(db, "DELETE FROM held"));
        attempt("query timeout", () -> {
            try (Statement statement = db.createStatement()) {
                statement.setQueryTimeout(1);
                try { statement.execute("SELECT count(*) FROM generate_series(1, 1000000000000)"); throw new AssertionError("no timeout"); } catch (SQLException error) { same(error.getSQLState(), "57014"); }
            }
        });
        DatabaseMetaData meta = db.getMetaData();
        attempt("DatabaseMetaData", () -> {
            same(meta.getTables(null, "public", "people", new String[] {"TABLE"}).next(), true);
            same(count(meta.getColumns(null, "public", "people", "%")), 6);
            same(count(meta.getPrimaryKeys(null, "public", "people")), 1);
            same(count(meta.getImportedKeys(null, "public", "purchases")), 1);
            count(meta.getExportedKeys(null, "public", "people"));
            count(meta.getCrossReference(null, "public", "people", null, "public", "purchases"));
            count(meta.getIndexInfo(null, "public", "purchases", false, true));
            count(meta.getBestRowIdentifier(null, "public", "people", DatabaseMetaData.bestRowSession, true));
            count(meta.getVersionColumns(null, "public", "people"));
            count(meta.getTablePrivileges(null, "public", "people"));
            count(meta.getColumnPrivileges(null, "public", "people", "%"));
            count(meta.getSchemas()); count(meta.getCatalogs()); count(meta.getTableTypes()); count(meta.getTypeInfo());
            count(meta.getUDTs(null, "public", "%", null));
            count(meta.getFunctions(null, "public", "%")); count(meta.getFunctionColumns(null, "public", "%", "%"));
            count(meta.getProcedures(null, "public", "%")); count(meta.getProcedureColumns(null, "public", "%", "%"));
            count(meta.getClientInfoProperties());
            meta.getMaxTableNameLength(); meta.getSQLKeywords(); meta.getDatabaseProductVersion(); meta.getDefaultTransactionIsolation();
        });
        String[] dbeaver = {
            "SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate OR db.datname ='tools' ORDER BY db.datname",
            "SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 AND d.classoid='pg_namespace'::regclass ORDER BY nspname",
            "SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C')",
            "SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr, pg_catalog.pg_get_partkeydef(c.oid) as partition_key FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_class'::regclass WHERE c.relnamespace=2200 AND c.relkind not in ('i','I','c')",
            "SELECT c.relname,a.*,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value,dsc.description,dep.objid FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid=c.oid) LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid=ad.adrelid AND a.attnum = ad.adnum) LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid) LEFT OUTER JOIN pg_depend dep on dep.refobjid = a.attrelid AND dep.deptype = 'i' and dep.refobjsubid = a.attnum and dep.classid = dep.refclassid WHERE NOT a.attisdropped AND c.relkind not in ('i','I','c') AND c.oid='people'::regclass ORDER BY a.attnum",
            "SELECT c.oid,c.*,t.relname as tabrelname,rt.relnamespace as refnamespace,d.description, case when c.contype='c' then \"substring\"(pg_get_constraintdef(c.oid), 7) else null end consrc_copy FROM pg_catalog.pg_constraint c INNER JOIN pg_catalog.pg_class t ON t.oid=c.conrelid LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid=c.confrelid LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_constraint'::regclass WHERE c.conrelid='purchases'::regclass",
            "SELECT i.*,i.indkey as keys,c.relname,c.relnamespace,c.relam,c.reltablespace,tc.relname as tabrelname,dsc.description, pg_catalog.pg_get_expr(i.indpred, i.indrelid) as pred_expr, pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) as expr, pg_catalog.pg_relation_size(i.indexrelid) as index_rel_size, pg_catalog.pg_stat_get_numscans(i.indexrelid) as index_num_scans FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid=i.indexrelid INNER JOIN pg_catalog.pg_class tc ON tc.oid=i.indrelid LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid=dsc.objoid WHERE i.indrelid='purchases'::regclass ORDER BY tabrelname, c.relname",
            "SELECT p.oid as poid,p.*,pg_catalog.pg_get_expr(p.proargdefaults, 0) as arg_defaults,d.description FROM pg_catalog.pg_proc p LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=p.oid AND d.objsubid = 0 WHERE p.pronamespace=2200 ORDER BY p.proname",
            "SELECT x.oid,x.*,p.pronamespace as func_schema_id FROM pg_catalog.pg_trigger x LEFT OUTER JOIN pg_catalog.pg_proc p ON p.oid=x.tgfoid WHERE x.tgrelid='moods'::regclass AND NOT x.tgisinternal",
            "select c.oid,pg_catalog.pg_total_relation_size(c.oid) as total_rel_size,pg_catalog.pg_relation_size(c.oid) as rel_size FROM pg_class c WHERE c.relnamespace=2200",
            "SELECT a.oid,a.*,pd.description FROM pg_catalog.pg_roles a left join pg_catalog.pg_shdescription pd on a.oid = pd.objoid ORDER BY a.rolname",
            "SELECT current_schema(),session_user", "SHOW search_path", "select string_agg(word, ',') from pg_catalog.pg_get_keywords() where word <> ALL ('{abs,absolute}'::text[])",
            "SELECT e.oid, cfg.tbls, n.nspname as schema_name, e.* FROM pg_catalog.pg_extension e JOIN pg_namespace n ON n.oid =e.extnamespace left join (select ftbls.oid, string_agg(ns.nspname || '.' || cls.relname, ',') tbls from (select exts.oid, unnest(exts.extconfig) cfg_oid from pg_catalog.pg_extension exts) ftbls join pg_catalog.pg_class cls on cls.oid = ftbls.cfg_oid join pg_catalog.pg_namespace ns on ns.oid = cls.relnamespace group by ftbls.oid) cfg on cfg.oid = e.oid ORDER BY e.oid",
        };
        attempt("DBeaver's catalog queries", () -> { for (String text : dbeaver) count(db.createStatement().executeQuery(text)); });
        String[] intellij = {
            "set extra_float_digits = 3", "set application_name = 'IntelliJ IDEA'",
            "select round(extract(epoch from pg_postmaster_start_time() at time zone 'UTC')) as startup_time",
            "select current_database() as a, current_schemas(false) as b", "select N.oid::bigint as id, datname as name, D.description, datistemplate as is_template, datallowconn as allow_connections, pg_catalog.pg_get_userbyid(N.datdba) as \"owner\" from pg_catalog.pg_database N left join pg_catalog.pg_shdescription D on N.oid = D.objoid order by case when datname = pg_catalog.current_database() then -1::bigint else N.oid::bigint end",
            "select N.oid::bigint as id, N.xmin as state_number, nspname as name, D.description, pg_catalog.pg_get_userbyid(N.nspowner) as \"owner\" from pg_catalog.pg_namespace N left join pg_catalog.pg_description D on N.oid = D.objoid order by case when nspname = pg_catalog.current_schema() then -1::bigint else N.oid::bigint end",
            "select T.oid table_id, T.relkind table_kind, C.attnum attr_num, C.attname attr_name, pg_catalog.format_type(C.atttypid, C.atttypmod) as type_spec, C.attnotnull, pg_catalog.pg_get_expr(D.adbin, T.oid) as default_expr, C.xmin as state_number from pg_catalog.pg_class T join pg_catalog.pg_attribute C on T.oid = C.attrelid left join pg_catalog.pg_attrdef D on (C.attrelid, C.attnum) = (D.adrelid, D.adnum) where T.relnamespace = 2200::oid and C.attnum > 0 and not C.attisdropped order by 1, 3",
            "select L.transactionid::varchar::bigint as transaction_id from pg_catalog.pg_locks L where L.transactionid is not null order by pg_catalog.age(L.transactionid) desc limit 1",
            "select case when pg_catalog.pg_is_in_recovery() then null else (pg_catalog.txid_current() % (2^32)::bigint)::varchar::bigint end as current_txid",
            "select R.rulename, R.ev_class, pg_catalog.pg_get_ruledef(R.oid, true) from pg_catalog.pg_rewrite R join pg_catalog.pg_class C on C.oid = R.ev_class where C.relnamespace = 2200::oid",
            "select T.oid, T.relname, pg_catalog.pg_get_viewdef(T.oid, true) from pg_catalog.pg_class T where T.relnamespace = 2200::oid and T.relkind in ('m','v')",
            "select oid, rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolconnlimit, rolvaliduntil, rolbypassrls, rolconfig from pg_catalog.pg_roles",
            "select member id, roleid role_id, admin_option from pg_catalog.pg_auth_members order by id, roleid::text",
            "select srv.oid as id, srv.srvname from pg_catalog.pg_foreign_server srv left outer join pg_namespace nsp on false",
        };
        List<String> noServers = new ArrayList<>(Arrays.asList(intellij));
        noServers.removeIf((text) -> text.contains("pg_foreign_server"));
        attempt("IntelliJ's catalog queries", () -> { for (String text : noServers) { Statement statement = db.createStatement(); if (statement.execute(text)) count(statement.getResultSet()); } });
        attempt("IntelliJ's list of foreign servers", () -> count(db.createStatement().executeQuery(intellij[intellij.length - 1])));
        if (masked) {
            attempt("masked values", () -> { for (int i = 0; i < 7; i++) same(one(db, "SELECT ssn || card FROM people WHERE id = ?", 1), "******"); });
        } else {
            attempt("DDL and functions", () -> {
                db.createStatement().execute("CREATE TABLE made (id serial PRIMARY KEY, h text)");
                try (CallableStatement call = db.prepareCall("{? = call twice(?)}")) { call.registerOutParameter(1, Types.INTEGER); call.setInt(2, 4); call.execute(); same(call.getInt(1), 8); }
                db.createStatement().execute("DROP TABLE made");
            });
            attempt("LISTEN", () -> {
                Connection other = connect("");
                other.createStatement().execute("LISTEN news");
                db.createStatement().execute("NOTIFY news, 'hello'");
                org.postgresql.PGNotification[] heard = other.unwrap(PGConnection.class).getNotifications(20000);
                same(heard == null || heard.length == 0 ? null : heard[0].getParameter(), "hello");
            });
            attempt("large objects", () -> {
                db.setAutoCommit(false);
                try { db.unwrap(PGConnection.class).getLargeObjectAPI().createLO(); } finally { db.rollback(); db.setAutoCommit(true); }
            });
        }
        db.close();
    }
}
