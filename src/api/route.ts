/** The form of a route: who may call it, what it takes, what it does. The table of all of them is the API's law and its openapi.json. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { ApprovalCaller, Caller, RunCaller, Services, UserCaller } from './services.ts';

export type TokenKind = Caller['kind'];

/** Who, beyond holding the right kind of token. The handler or the service enforces ownership; the word is what the table promises. */
export type Audience =
  | 'anyone'
  /** Any token of the right kind; the answer holds only what is the caller's. */
  | 'own'
  /** The run's own token. */
  | 'run'
  /** Approvers of the request, by the rule that asked. */
  | 'approver'
  /** Admins, and owners of what is named. */
  | 'admin-or-owner'
  /** Admins and auditors. */
  | 'auditor'
  | 'admin';

export interface Exchange<Body = unknown> {
  readonly services: Services;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: Body;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** Throws TOKEN_KIND for another kind; the route's `tokens` are checked before. */
  user(): UserCaller;
  run(): RunCaller;
  decider(): UserCaller | ApprovalCaller;
}

export interface Route<Body = unknown> {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Fastify's form: `/v1/runs/:id/end`. */
  readonly path: string;
  readonly summary: string;
  /** Kinds of token it takes; empty: none needed. */
  readonly tokens: readonly TokenKind[];
  readonly audience: Audience;
  /** What is left out for callers without a role. */
  readonly leavesOut?: string;
  readonly body?: z.ZodType<Body>;
  /** The longest body, 16 KiB unless told. */
  readonly bodyBytes?: number;
  /** The body is not read: what comes is the handler's, as a stream. */
  readonly raw?: boolean;
  readonly query?: readonly string[];
  /** Calls a minute from one address… */
  readonly perMinute?: number;
  /** …and about one thing. */
  limitedBy?(body: Body, params: Readonly<Record<string, string>>): string | undefined;
  /** Sends the result, or takes the reply over and returns undefined. */
  handle(exchange: Exchange<Body>): unknown;
}

/** Keeps the body's type with its schema. */
export function route<Body>(definition: Route<Body>): Route {
  return definition as Route;
}
