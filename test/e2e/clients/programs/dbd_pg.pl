# DBD::Pg: prepared statements of the server, COPY, cancelling, and what DBI asks the catalog.
use strict;
use warnings;
use DBI;
use DBD::Pg qw(:pg_types :async);
$| = 1;

sub quoted { my $t = shift; $t =~ s/(["\\])/\\$1/g; $t =~ s/[\x00-\x1f]/ /g; return "\"$t\"" }
print '{"version":' . quoted($DBD::Pg::VERSION) . "}\n";
my $masked = $ENV{KIND} eq 'masked';
sub attach { return DBI->connect('dbi:Pg:', undef, undef, { RaiseError => 1, PrintError => 0, PrintWarn => 0, AutoCommit => 1, @_ }) }
my $db = attach();

sub attempt {
    my ($check, $body) = @_;
    if (eval { $body->(); 1 }) { print '{"check":' . quoted($check) . "}\n"; return }
    my $state = $db->state || '';
    print '{"check":' . quoted($check) . ',"error":{"message":' . quoted($@) . ',"code":' . quoted($state) . "}}\n";
}
sub same { my ($got, $wanted) = @_; die "got $got, not $wanted" unless $got eq $wanted }

attempt('values', sub {
    my @row = $db->selectrow_array('SELECT ?::int, ?::text, ?::numeric, ?::bool, ?::text', undef, 7, "\x{e9}", '12.50', 1, undef);
    same(join('|', map { defined $_ ? $_ : 'undef' } @row), "7|\x{e9}|12.50|1|undef");
    my $st = $db->prepare('SELECT ?::bytea');
    $st->bind_param(1, "\x00\xff", { pg_type => PG_BYTEA });
    $st->execute;
    same($st->fetchrow_arrayref->[0], "\x00\xff");
});
attempt('prepared statements', sub {
    my $st = $db->prepare('SELECT name FROM people WHERE id = ?', { pg_server_prepare => 1 });
    for my $id (1 .. 5) { $st->execute($id); same($st->fetchrow_arrayref->[0], "name $id") }
});
attempt('transactions', sub {
    my $other = attach(AutoCommit => 0);
    $other->do("INSERT INTO numbered VALUES (1, 'a')");
    $other->pg_savepoint('s');
    eval { $other->do("INSERT INTO numbered VALUES (1, 'b')") };
    same($other->state, '23505');
    $other->pg_rollback_to('s');
    same($other->do('DELETE FROM numbered'), 1);
    $other->rollback;
    $other->disconnect;
});
attempt('COPY in and out', sub {
    $db->do('COPY numbered FROM STDIN');
    $db->pg_putcopydata("$_\tw\n") for 1 .. 3;
    $db->pg_putcopyend;
    $db->do('COPY (SELECT n FROM numbered ORDER BY n) TO STDOUT');
    my ($line, $all) = ('', '');
    $all .= $line while $db->pg_getcopydata(\$line) >= 0;
    same($all, "1\n2\n3\n");
    $db->do('DELETE FROM numbered');
});
attempt('metadata', sub {
    same(scalar(@{ $db->table_info(undef, 'public', 'people', 'TABLE')->fetchall_arrayref }), 1);
    die 'no columns' unless @{ $db->column_info(undef, 'public', 'people', '%')->fetchall_arrayref } == 6;
    same(join(',', $db->primary_key(undef, 'public', 'people')), 'id');
    $db->foreign_key_info(undef, 'public', 'people', undef, 'public', 'purchases')->fetchall_arrayref;
    $db->statistics_info(undef, 'public', 'purchases', 0, 0)->fetchall_arrayref;
    $db->type_info_all;
    $db->get_info(18);
    $db->ping or die 'no ping';
});
attempt('errors', sub {
    eval { $db->do('SELECT 1/0') };
    same($db->state, '22012');
    same(($db->selectrow_array('SELECT 1'))[0], 1);
});
sub cancelled {
    my ($text) = @_;
    $db->do($text, { pg_async => PG_ASYNC });
    for (1 .. 3) { select(undef, undef, undef, 0.1); last if $db->pg_ready }
    $db->pg_cancel;
    same(($db->selectrow_array('SELECT 1'))[0], 1);
}
attempt('cancel running', sub { cancelled('SELECT count(*) FROM generate_series(1, 1000000000000)') });
attempt('cancel held', sub { cancelled('DELETE FROM held') });
if ($masked) {
    attempt('masked values', sub { same(join('|', $db->selectrow_array('SELECT ssn, card FROM people WHERE id = ?', undef, 1)), '***|***') });
} else {
    attempt('DDL and functions', sub {
        $db->do('CREATE TABLE made (id serial PRIMARY KEY, h text)');
        $db->do("INSERT INTO made (h) VALUES ('x')");
        same($db->last_insert_id(undef, 'public', 'made', undef), 1);
        $db->do('DROP TABLE made');
    });
    attempt('LISTEN', sub {
        my $other = attach();
        $other->do('LISTEN news');
        $db->do("NOTIFY news, 'hello'");
        my $heard;
        for (1 .. 100) { last if $heard = $other->pg_notifies; select(undef, undef, undef, 0.05) }
        same($heard->[2], 'hello');
        $other->disconnect;
    });
    attempt('large objects', sub {
        $db->begin_work;
        my $ok = eval { my $id = $db->pg_lo_creat($db->{pg_INV_WRITE}); defined $id or die($db->errstr || 'no large object was made'); 1 };
        my $why = $@;
        $db->rollback;
        die $why unless $ok;
    });
}
$db->disconnect;
