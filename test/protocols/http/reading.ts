/** Short ways to write a request and the target it is for. */
import assert from 'node:assert/strict';
import type { Command, FactValue } from '../../../src/domain/command.ts';
import { readTarget, type RequestTarget } from '../../../src/protocols/http-wire/target.ts';
import { type Body, interpret, type Reading, type Request } from '../../../src/protocols/http/interpret.ts';
import { type HttpSettings, readSettings } from '../../../src/protocols/http/settings.ts';

export function settingsWith(more: Record<string, unknown> = {}): HttpSettings {
  const read = readSettings({ address: 'https://api.example', account: { none: true }, ...more });
  assert.deepEqual(read.ok ? [] : read.problems, []);
  assert.ok(read.ok);
  return read.settings;
}

export function targetOf(raw: string): RequestTarget {
  const read = readTarget(raw);
  assert.ok(read.ok, JSON.stringify(read));
  return read.target;
}

export function json(value: unknown): Body {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return { kind: 'whole', bytes: Buffer.from(text), type: 'application/json' };
}

/** @param line `POST /v1/refunds/7` */
export function readingOf(line: string, settings: HttpSettings = settingsWith(), more: Partial<Request> = {}): Reading {
  const [method = '', raw = ''] = line.split(' ');
  return interpret({ method, target: targetOf(raw), headers: [], body: { kind: 'none' }, ...more }, settings);
}

export function commandOf(...request: Parameters<typeof readingOf>): Command {
  return readingOf(...request).command;
}

export function effectsOf(...request: Parameters<typeof readingOf>): string {
  return [...commandOf(...request).effects].sort().join(' ');
}

export function factOf(name: string, ...request: Parameters<typeof readingOf>): FactValue | undefined {
  return commandOf(...request).facts[name];
}
