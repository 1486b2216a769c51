import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SqlBasis } from '../../../src/languages/sql/index.ts';
import { effects, MASKED, OPEN, one } from './bench.ts';

const PINNED: SqlBasis = {
  ...OPEN,
  pinned: {
    search_path: 'public, hr',
    statement_timeout: '30s',
    role: 'none',
    lock_timeout: '0',
    client_encoding: 'UTF8',
  },
};

describe('a setting', () => {
  const rows: readonly (readonly [sql: string, effect: 'control' | 'unknown'])[] = [
    ["SET application_name = 'psql'", 'control'],
    ['SET extra_float_digits = 3', 'control'],
    ["SET DateStyle = 'ISO, MDY'", 'control'],
    ["SET TIME ZONE 'UTC'", 'control'],
    ["SET TIME ZONE INTERVAL '1' HOUR", 'control'],
    ['SET LOCAL statement_timeout = 5000', 'control'],
    ["SET statement_timeout = '29 s'", 'control'],
    ["SET statement_timeout = '31s'", 'unknown'],
    ['SET statement_timeout = 0', 'unknown'],
    ['SET statement_timeout = -1', 'unknown'],
    ["SET statement_timeout = '1e9'", 'unknown'],
    ['SET lock_timeout = 0', 'control'],
    ["SET lock_timeout = '1h'", 'control'],
    ['SET client_min_messages = warning', 'control'],
    ['SET client_min_messages = debug1', 'unknown'],
    ['SET standard_conforming_strings = on', 'control'],
    ['SET standard_conforming_strings = off', 'unknown'],
    ['SET "Standard_Conforming_Strings" = off', 'unknown'],
    ['SET backslash_quote = on', 'unknown'],
    ["SET NAMES 'UTF8'", 'control'],
    ["SET client_encoding = 'utf-8'", 'control'],
    ["SET client_encoding = 'GBK'", 'unknown'],
    ["SET NAMES 'SJIS'", 'unknown'],
    ['SET NAMES', 'control'],
    ["SET search_path = ''", 'control'],
    ['SET search_path TO public, hr', 'control'],
    ["SET search_path = 'public, hr'", 'unknown'],
    ['SET search_path = hr', 'unknown'],
    ['SET search_path = public', 'unknown'],
    ["SET search_path = '', hr", 'unknown'],
    ['SET ROLE none', 'control'],
    ['SET ROLE boss', 'unknown'],
    ['SET LOCAL ROLE boss', 'unknown'],
    ['RESET ROLE', 'control'],
    ['SET SESSION AUTHORIZATION boss', 'unknown'],
    ['RESET SESSION AUTHORIZATION', 'unknown'],
    ['SET session_replication_role = replica', 'unknown'],
    ["SET app.user_id = '5'", 'unknown'],
    ['SET work_mem = 1000000', 'unknown'],
    ['SET enable_seqscan = off', 'control'],
    ['SET row_security = off', 'control'],
    ['RESET ALL', 'control'],
    ['RESET statement_timeout', 'control'],
    ['RESET application_name', 'control'],
    ['RESET work_mem', 'unknown'],
    ['SET application_name TO DEFAULT', 'control'],
    ['SET application_name FROM CURRENT', 'unknown'],
    ['SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'control'],
    ['SET TRANSACTION READ ONLY, DEFERRABLE', 'control'],
    ["SET TRANSACTION SNAPSHOT 'x'", 'unknown'],
    ['SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY', 'control'],
    ["SELECT set_config('application_name', 'x', false)", 'control'],
    ["SELECT pg_catalog.set_config('search_path', '', false)", 'control'],
    ["SELECT set_config('search_path', 'hr', false)", 'unknown'],
    ["SELECT set_config('search_path', '', false) WHERE false", 'unknown'],
    ["SELECT CASE WHEN false THEN set_config('search_path', '', false) END", 'unknown'],
    ["SELECT set_config('search_path', '', false) FROM orders", 'unknown'],
    ["SELECT set_config('standard_conforming_strings', 'off', false)", 'unknown'],
    ["SELECT set_config('search_path'::varchar(6), '', false)", 'unknown'],
    ["SELECT set_config(setting_name => 'role', new_value => 'boss', is_local => false)", 'unknown'],
    ["SELECT set_config('ro' || 'le', 'boss', false)", 'unknown'],
    ['SELECT set_config($1, $2, false)', 'unknown'],
    ["SELECT set_config('application_name', 'x', false), set_config('role', 'boss', false)", 'unknown'],
    ["SELECT set_config('application_name', 'x', false), pg_sleep(1)", 'unknown'],
    ["INSERT INTO orders (note) VALUES (set_config('role', 'boss', false))", 'unknown'],
  ];
  for (const [sql, effect] of rows) {
    test(`${sql} is ${effect}`, () => {
      const found = one(sql, PINNED).effects;
      assert.equal(found.includes('unknown'), effect === 'unknown', found.join());
      if (effect === 'control') assert.ok(found.includes('control'), found.join());
    });
  }

  test('a call of a user function named set_config is not taken for the setting', () => {
    assert.match(effects("SELECT public.set_config('application_name', 'x', false)"), /unknown|execute/);
  });

  test('is told by name, value and reach, so that the session can follow it', () => {
    assert.deepEqual(one("SET LOCAL search_path = ''").control, [
      { op: 'set', name: 'search_path', value: '', local: true },
    ]);
    assert.deepEqual(one("SELECT set_config('search_path', '', true)").control, [
      { op: 'set', name: 'search_path', value: '', local: true },
    ]);
    assert.deepEqual(one('RESET ALL').control, [{ op: 'resetAll' }]);
    assert.deepEqual(one('DISCARD ALL').control, [{ op: 'discard', target: 'all' }]);
    assert.deepEqual(one('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY').control, [
      { op: 'begin', isolation: 'repeatable read', readOnly: true },
    ]);
    assert.deepEqual(one('COMMIT AND CHAIN').control, [{ op: 'commit', chain: true }]);
    assert.deepEqual(one('ROLLBACK TO a').control, [{ op: 'rollbackTo', name: 'a' }]);
  });

  test('that would change what statements mean is refused outright where something is guarded', () => {
    for (const sql of [
      'SET ROLE boss',
      'SET search_path = hr',
      "SELECT set_config('standard_conforming_strings', 'off', false)",
    ]) {
      assert.equal(one(sql, MASKED).refused?.code, 'NOT_SUPPORTED', sql);
    }
    assert.equal(one('BEGIN', MASKED).refused, undefined);
    assert.equal(one('BEGIN', MASKED).rewrite, undefined);
  });
});
